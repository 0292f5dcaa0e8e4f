// SPDX-License-Identifier: Apache-2.0
//
// The body of an upload. Its checksum is made to fit first, since it keeps no attacker out, only the fuzzer.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "transport/frame.h"
#include "transport/frame_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct frame *f)
{
    uint32_t records = 0;
    size_t raw = 0;

    for (uint32_t i = 0; i < f->batch.n_blocks; i++) {
        const struct record_block *block = &f->batch.blocks[i];

        if (block->raw[block->raw_len - 1] != '\n' || block->packed_len == 0)
            abort();
        records += block->n_records;
        raw += block->raw_len;
    }
    if (records != f->batch.n_records || records > FRAME_RECORDS_MAX || raw != f->raw_len ||
        raw > FRAME_RAW_MAX || f->batch.first_seq == 0 ||
        f->batch.first_seq + records - 1 > STREAM_NUMBER_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader *r = NULL;
    struct frame *f = NULL;
    uint8_t *copy = memdup(data, size);

    if (!copy || frame_reader_new(&r) < 0)
        abort();
    if (size >= FRAME_HEAD) {
        put32(copy + AT_BODY, (uint32_t)(size - FRAME_HEAD));
        put64(copy + AT_HASH, frame_hash(copy, size));
    }
    if (frame_decode(r, copy, size, &f, NULL) == 0) {
        check(f);
        frame_free(f);
    }
    frame_reader_free(r);
    free(copy);
    return 0;
}
