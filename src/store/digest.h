// SPDX-License-Identifier: Apache-2.0
//
// A block of records, read: its lines, their columns, and what the store keeps of them beside the packed block. Reading needs
// nothing but the block, so that several threads read several blocks at once (src/store/pool.h).
#pragma once

#include "base/error.h"
#include "store/cols.h"
#include "store/store.h"
#include "store/terms.h"

#define DIGEST_RAW_MAX \
    (1u << 20) // bytes of a block's text: a block is cut at 128 KiB, one record may be longer

// Records that follow one another and are near to one another in time.
struct digest_run {
    uint32_t first; // number of its first record in the block, from 0
    uint32_t n;
    uint64_t time_min, time_max;
    size_t cols, cols_len, names, names_len, terms, terms_len; // places in the digest's buffers
};

struct digest {
    // Given:
    const struct record_batch *batch;
    const struct record_block *block;
    uint64_t first_number; // of the block's first record
    uint32_t skip;         // so many records at the beginning are stored already
    bool rows_only;        // no runs are wanted
    // Made; strings of rows are in `text` or in x:
    int error;
    struct store_row *rows; // block->n_records - skip of them, without ids
    uint32_t n_rows;
    uint32_t n_unreadable;
    char (*ids)[STORE_ID_SIZE]; // of rows, for who follows; made by the store
    struct digest_run *runs;
    size_t n_runs;
    struct strbuf cols, names, terms;
    const void *packed; // on loan or in packed_own
    uint32_t packed_len;
    const char *text;
    struct strbuf text_own, packed_own;
    struct extract *x;
    size_t rows_cap, runs_cap, ids_cap;
};

// What a thread keeps from block to block.
struct digester;
int digester_new(uint64_t seed, struct digester **ret_d);
struct digester *digester_free(struct digester *d);

// Reads it; what comes of it is in d->error: -EBADMSG when the block is not what it says (lines, packed bytes), -ENOMEM.
void digest_read(struct digester *t, struct digest *d);
// Keeps memory for the next block.
void digest_reset(struct digest *d);
void digest_done(struct digest *d);

// Unpacks a block (a zstd frame that tells its size) into sb, which is emptied. -EBADMSG, -ENOMEM.
int block_unpack(const void *packed, size_t len, struct strbuf *sb);
