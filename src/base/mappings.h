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

// In the order of addresses. 0, what `fn` said, or why they cannot be read (-EFBIG: more than 1 MiB of text).
int mappings_each(mapping_fn fn, void *ctx);
