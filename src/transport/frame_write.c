// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/frame.h"
#include "transport/frame_layout.h"

// Denser levels cost the host several times as much for a few percent.
#define LEVEL 1

struct frame_writer {
    ZSTD_CCtx *zstd;
};

int frame_writer_new(struct frame_writer **ret_writer)
{
    _cleanup_(frame_writer_freep) struct frame_writer *w = new0(struct frame_writer, 1);

    if (!w)
        return -ENOMEM;
    w->zstd = ZSTD_createCCtx();
    if (!w->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_contentSizeFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 0)))
        return -ENOMEM;
    *ret_writer = TAKE_PTR(w);
    return 0;
}

struct frame_writer *frame_writer_free(struct frame_writer *w)
{
    if (w) {
        (void)ZSTD_freeCCtx(w->zstd);
        free(w);
    }
    return NULL;
}

// The lines from `data` on that make the next block: as many as fit it, one at the least.
static int next_block(const char *data, size_t len, uint32_t *ret_n, size_t *ret_len)
{
    uint32_t n = 0;
    size_t used = 0;

    while (used < len) {
        const char *end = memchr(data + used, '\n', len - used);
        size_t line;

        if (!end)
            return -EINVAL;
        line = (size_t)(end - (data + used)) + 1;
        if (line - 1 > RECORD_MAX)
            return -EINVAL;
        if (n > 0 && used + line > FRAME_BLOCK_RAW)
            break;
        used += line;
        n++;
    }
    *ret_n = n;
    *ret_len = used;
    return 0;
}

static int add_block(struct frame_writer *w, const char *raw, size_t raw_len, uint32_t n,
                     struct strbuf *out)
{
    size_t bound = ZSTD_compressBound(raw_len), packed;
    uint8_t *head = (uint8_t *)sb_reserve(out, FRAME_BLOCK_HEAD + bound);

    if (!head)
        return -ENOMEM;
    packed = ZSTD_compress2(w->zstd, head + FRAME_BLOCK_HEAD, bound, raw, raw_len);
    if (ZSTD_isError(packed))
        return -ENOMEM;
    put32(head + AT_BLOCK_RECORDS, n);
    put32(head + AT_BLOCK_RAW, (uint32_t)raw_len);
    put32(head + AT_BLOCK_PACKED, (uint32_t)packed);
    put32(head + AT_BLOCK_ZERO, 0);
    sb_written(out, FRAME_BLOCK_HEAD + packed);
    return 0;
}

static int add_blocks(struct frame_writer *w, const struct record_lease *lease, struct strbuf *out,
                      uint32_t *ret_blocks)
{
    uint32_t records = 0, blocks = 0;
    size_t at = 0;

    while (at < lease->len) {
        uint32_t n;
        size_t used;
        int r;

        r = next_block(lease->data + at, lease->len - at, &n, &used);
        if (r < 0)
            return r;
        r = add_block(w, lease->data + at, used, n, out);
        if (r < 0)
            return r;
        at += used;
        records += n;
        blocks++;
    }
    if (records != lease->n)
        return -EINVAL;
    *ret_blocks = blocks;
    return 0;
}

static void put_head(uint8_t *frame, size_t len, const struct record_lease *lease, uint32_t blocks)
{
    memset(frame, 0, FRAME_HEAD);
    put32(frame, FRAME_MAGIC);
    frame[AT_VERSION] = FRAME_VERSION;
    frame[AT_CLASS] = (uint8_t)lease->class;
    memcpy(frame + AT_STREAM, lease->stream.b, STREAM_ID_SIZE);
    put64(frame + AT_FIRST, lease->first_seq);
    put32(frame + AT_RECORDS, lease->n);
    put32(frame + AT_BLOCKS, blocks);
    put32(frame + AT_RAW, (uint32_t)lease->len);
    put32(frame + AT_BODY, (uint32_t)(len - FRAME_HEAD));
    put64(frame + AT_HASH, frame_hash(frame, len));
}

int frame_encode(struct frame_writer *w, const struct record_lease *lease, struct strbuf *out)
{
    size_t begin = out->len;
    uint32_t blocks = 0;
    int r;

    if (lease->n == 0 || lease->len == 0 || (unsigned)lease->class >= STREAM_CLASSES ||
        stream_id_is_none(&lease->stream) || lease->first_seq == 0 ||
        lease->first_seq > STREAM_NUMBER_MAX - (lease->n - 1))
        return -EINVAL;
    if (lease->n > FRAME_RECORDS_MAX || lease->len > FRAME_RAW_MAX)
        return -EMSGSIZE;
    if (!sb_reserve(out, FRAME_HEAD))
        return -ENOMEM;
    sb_written(out, FRAME_HEAD);
    r = add_blocks(w, lease, out, &blocks);
    if (r == 0 && out->len - begin > FRAME_MAX)
        r = -EMSGSIZE;
    if (r < 0) {
        sb_truncate(out, begin);
        return r;
    }
    put_head((uint8_t *)out->s + begin, out->len - begin, lease, blocks);
    return 0;
}
