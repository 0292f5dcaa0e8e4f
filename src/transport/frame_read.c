// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/frame.h"
#include "transport/frame_layout.h"

STATIC_ASSERT(RECORD_MAX >= FRAME_BLOCK_RAW, "the one line of a block may be longer than many");

struct frame_reader {
    ZSTD_DCtx *zstd;
};

int frame_reader_new(struct frame_reader **ret_reader)
{
    _cleanup_(frame_reader_freep) struct frame_reader *r = new0(struct frame_reader, 1);

    if (!r)
        return -ENOMEM;
    r->zstd = ZSTD_createDCtx();
    if (!r->zstd)
        return -ENOMEM;
    *ret_reader = TAKE_PTR(r);
    return 0;
}

struct frame_reader *frame_reader_free(struct frame_reader *r)
{
    if (r) {
        (void)ZSTD_freeDCtx(r->zstd);
        free(r);
    }
    return NULL;
}

struct frame *frame_free(struct frame *f)
{
    if (f) {
        free(f->blocks);
        free(f->raw);
        free(f);
    }
    return NULL;
}

static int damaged(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "the records of an upload are damaged: %s", what);
}

static int beyond(struct error *err, const char *what, uint64_t is, uint64_t max)
{
    return error_set(err, -EMSGSIZE, "an upload of records has %llu %s; %llu are allowed",
                     (unsigned long long)is, what, (unsigned long long)max);
}

// Everything that the head says, before anything is taken from it.
static int read_head(const uint8_t *p, size_t len, struct record_batch *batch, uint32_t *ret_raw,
                     struct error *err)
{
    uint32_t records, blocks, raw;

    if (len < FRAME_HEAD)
        return damaged(err, "there is no whole head");
    if (get32(p) != FRAME_MAGIC)
        return damaged(err, "this is something else");
    if (p[AT_VERSION] != FRAME_VERSION)
        return error_set(err, -EPROTONOSUPPORT,
                         "an upload of records is of version %u; this program knows version %u",
                         p[AT_VERSION], FRAME_VERSION);
    if (len > FRAME_MAX)
        return beyond(err, "bytes", len, FRAME_MAX);
    if (get32(p + AT_BODY) != len - FRAME_HEAD)
        return damaged(err, "its end is missing");
    if (get64(p + AT_HASH) != frame_hash(p, len))
        return damaged(err, "its checksum does not fit");
    if (p[AT_CLASS] >= STREAM_CLASSES || get16(p + AT_ZERO) != 0 || get64(p + AT_ZERO_TOO) != 0)
        return damaged(err, "a class that there is none");
    memcpy(batch->stream.b, p + AT_STREAM, STREAM_ID_SIZE);
    batch->class = (enum stream_class)p[AT_CLASS];
    batch->first_seq = get64(p + AT_FIRST);
    records = get32(p + AT_RECORDS);
    blocks = get32(p + AT_BLOCKS);
    raw = get32(p + AT_RAW);
    if (records > FRAME_RECORDS_MAX)
        return beyond(err, "records", records, FRAME_RECORDS_MAX);
    if (raw > FRAME_RAW_MAX)
        return beyond(err, "bytes of text", raw, FRAME_RAW_MAX);
    if (stream_id_is_none(&batch->stream) || records == 0 || blocks == 0 || blocks > records ||
        raw < records || batch->first_seq == 0 ||
        batch->first_seq > STREAM_NUMBER_MAX - (records - 1))
        return damaged(err, "numbers that cannot be");
    batch->n_records = records;
    batch->n_blocks = blocks;
    *ret_raw = raw;
    return 0;
}

// A block's head and what zstd's own head says have to agree, and to be within bounds.
static int read_block_head(const uint8_t *p, size_t left, struct record_block *block,
                           struct error *err)
{
    uint32_t records, raw, packed;

    if (left < FRAME_BLOCK_HEAD)
        return damaged(err, "a block without a head");
    records = get32(p + AT_BLOCK_RECORDS);
    raw = get32(p + AT_BLOCK_RAW);
    packed = get32(p + AT_BLOCK_PACKED);
    if (get32(p + AT_BLOCK_ZERO) != 0 || records == 0 || raw < records ||
        packed > left - FRAME_BLOCK_HEAD)
        return damaged(err, "a block with numbers that cannot be");
    // So no line is longer than RECORD_MAX: more than one of them fit into less.
    if (raw > (records == 1 ? RECORD_MAX + 1 : FRAME_BLOCK_RAW))
        return beyond(err, "bytes of text in a block", raw, FRAME_BLOCK_RAW);
    p += FRAME_BLOCK_HEAD;
    // A skippable frame tells no size of a text.
    if (ZSTD_getDictID_fromFrame(p, packed) != 0 ||
        ZSTD_findFrameCompressedSize(p, packed) != packed)
        return damaged(err, "a block that is not exactly one packed text");
    if (ZSTD_getFrameContentSize(p, packed) != raw)
        return damaged(err, "a block whose text has another size than it says");
    *block = (struct record_block){
        .n_records = records,
        .raw_len = raw,
        .packed = p,
        .packed_len = packed,
    };
    return 0;
}

static int read_block_heads(const uint8_t *p, size_t len, const struct record_batch *batch,
                            uint32_t raw, struct record_block *blocks, struct error *err)
{
    uint64_t records = 0, bytes = 0;
    size_t at = FRAME_HEAD;

    for (uint32_t i = 0; i < batch->n_blocks; i++) {
        int r = read_block_head(p + at, len - at, &blocks[i], err);

        if (r < 0)
            return r;
        records += blocks[i].n_records;
        bytes += blocks[i].raw_len;
        at += FRAME_BLOCK_HEAD + blocks[i].packed_len;
    }
    if (at != len || records != batch->n_records || bytes != raw)
        return damaged(err, "its blocks are not what its head says");
    return 0;
}

static uint32_t count_lines(const char *text, size_t len)
{
    uint32_t n = 0;

    for (const char *end = text + len, *nl; (nl = memchr(text, '\n', (size_t)(end - text)));
         text = nl + 1)
        n++;
    return n;
}

static int unpack(struct frame_reader *r, struct frame *f, struct error *err)
{
    char *to = f->raw;

    for (uint32_t i = 0; i < f->batch.n_blocks; i++) {
        struct record_block *block = &f->blocks[i];
        size_t n = ZSTD_decompressDCtx(r->zstd, to, block->raw_len, block->packed,
                                       block->packed_len);

        if (ZSTD_isError(n) || n != block->raw_len)
            return damaged(err, "a block cannot be unpacked");
        if (to[n - 1] != '\n' || count_lines(to, n) != block->n_records)
            return damaged(err, "a block holds another number of lines than it says");
        block->raw = to;
        to += n;
    }
    return 0;
}

int frame_decode(struct frame_reader *r, const void *body, size_t len, struct frame **ret_frame,
                 struct error *err)
{
    _cleanup_(frame_freep) struct frame *f = NULL;
    struct record_batch batch = {};
    uint32_t raw = 0;
    int code;

    code = read_head(body, len, &batch, &raw, err);
    if (code < 0)
        return code;
    // A block takes its head and some bytes at the least.
    if (batch.n_blocks > (len - FRAME_HEAD) / FRAME_BLOCK_HEAD)
        return damaged(err, "fewer blocks than it says");
    f = new0(struct frame, 1);
    if (!f)
        return -ENOMEM;
    f->batch = batch;
    f->blocks = new0(struct record_block, batch.n_blocks);
    if (!f->blocks)
        return -ENOMEM;
    code = read_block_heads(body, len, &batch, raw, f->blocks, err);
    if (code < 0)
        return code;
    f->raw = malloc((size_t)raw + 1); // not zeroed: all of it is written
    if (!f->raw)
        return -ENOMEM;
    f->raw_len = raw;
    code = unpack(r, f, err);
    if (code < 0)
        return code;
    f->batch.blocks = f->blocks;
    *ret_frame = TAKE_PTR(f);
    return 0;
}
