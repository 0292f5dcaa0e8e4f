// SPDX-License-Identifier: Apache-2.0
//
// Names of hosts beside their records: each is asked for once in a while. Not for several threads at once.
#pragma once

#include "base/table.h"
#include "registry/registry.h"

struct host_names {
    struct registry *registry;
    struct map *names;
    uint64_t since_ms; // when it was empty
};

// Never NULL: the host's id where it has no name (any more). On loan until the next call.
const char *host_names_get(struct host_names *n, const char *host);
void host_names_done(struct host_names *n);
