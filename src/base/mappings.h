// SPDX-License-Identifier: Apache-2.0
//
// What this process has mapped: /proc/self/maps (proc(5)).
#pragma once

#include <stdint.h>

struct mapping {
    uintptr_t from, to;
    uint64_t offset;  // in the file, bytes
    char perms[5];    // "r-xp"
    const char *path; // "" for memory of nobody; valid while it is told
};

// A negative result ends it and becomes that of mappings_each().
typedef int (*mapping_fn)(void *ctx, const struct mapping *m);

// Rings between kernel and program are mapped twice in a row, page by page: most of what fork(2) would copy, for a child that reads
// none of them. From now on children have none of those that are there. Whoever opens one calls it; without it a fork costs more.
void mappings_rings_stay(void);

// In the order of addresses. 0, what `fn` said, or why they cannot be read (-EFBIG: more than 1 MiB of text).
int mappings_each(mapping_fn fn, void *ctx);
