// SPDX-License-Identifier: Apache-2.0
//
// The spool as the link's source of records. Owns neither; both may be there or not.
#pragma once

#include "spool/spool.h"
#include "transport/link.h"

struct feed {
    struct spool *spool;
    struct link
        *link; // set when it runs, with release: the thread that writes the spool looks at it
};

// For link_options; called in the link's thread.
struct link_source feed_source(struct feed *feed);

// For spool_options, with the feed as ctx: the spool was written to, by the thread that writes it.
void feed_written(void *ctx);
