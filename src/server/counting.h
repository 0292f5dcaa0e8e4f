// SPDX-License-Identifier: Apache-2.0
//
// From stored records to alerts. Used by the writer alone. The registry moves a watermark for each stream in the transaction
// that counts, so that nothing is counted twice and nothing left out, whatever dies when.
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "registry/host.h"
#include "store/store.h"

struct counting;

int counting_new(struct store *store, struct registry *registry, struct counting **ret);
struct counting *counting_free(struct counting *c);
DEFINE_CLEANUP(struct counting *, counting_free)

// Rows of a commit as they come from store_follow(). Copies what counts.
void counting_rows(struct counting *c, const struct store_row *rows, size_t n_rows);
// A batch of the commit is through: all up to this number is stored.
void counting_batch(struct counting *c, const char *host, const struct stream_id *stream,
                    uint64_t up_to);
// The commit is whole: counts. Streams for which the database fails are caught up with later; err says why.
int counting_commit(struct counting *c, struct error *err);

// What was stored and not counted: of all streams (at start), or of those that failed.
int counting_catch_up(struct counting *c, bool all, struct error *err);
// Watermarks of streams that had nothing to count are moved now and then only.
int counting_flush(struct counting *c, struct error *err);
size_t counting_behind(const struct counting *c);
