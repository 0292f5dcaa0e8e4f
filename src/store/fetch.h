// SPDX-License-Identifier: Apache-2.0
//
// Lines of records out of their blocks, for queries: unpacked blocks are kept, since records that are near to one another in time
// come from few.
#pragma once

#include "store/scan.h"

#define FETCH_BLOCKS 64

struct fetch_block {
    const void *file; // NULL: free
    int64_t block;
    uint64_t used;
    struct strbuf text;
    uint32_t *lines; // where each begins, and where the last one ends
    size_t n, cap;
};

struct fetch {
    struct fetch_block blocks[FETCH_BLOCKS];
    uint64_t clock;
};

// Record `at` of a block, on loan until FETCH_BLOCKS other blocks were asked for. -EBADMSG: the block is damaged; -ENOENT.
// file: stands for it, whatever connection is used.
int fetch_line(struct fetch *f, const void *file, struct db *db, int64_t block, uint32_t at,
               const char **ret_line, size_t *ret_len, struct error *err);
void fetch_done(struct fetch *f);
