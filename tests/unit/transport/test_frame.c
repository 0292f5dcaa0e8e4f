// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <xxhash.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/frame.h"
#include "transport/frame_layout.h"

static struct record_lease lease_of(const struct strbuf *lines, uint32_t n)
{
    struct record_lease lease = {
        .class = STREAM_AUDIT,
        .first_seq = 41,
        .n = n,
        .data = sb_str(lines),
        .len = lines->len,
    };

    memset(lease.stream.b, 0xab, STREAM_ID_SIZE);
    return lease;
}

static void encode(const struct record_lease *lease, struct strbuf *out)
{
    _cleanup_(frame_writer_freep) struct frame_writer *w = NULL;

    assert_int_equal(frame_writer_new(&w), 0);
    assert_int_equal(frame_encode(w, lease, out), 0);
}

static int decode(const void *body, size_t len, struct frame **ret_frame)
{
    _cleanup_(frame_reader_freep) struct frame_reader *r = NULL;
    // An exact copy, so that reading past the end is seen.
    _cleanup_free_ char *copy = memdup(body, len);
    struct frame *f = NULL;
    struct error err = {};
    int code;

    assert_non_null(copy);
    assert_int_equal(frame_reader_new(&r), 0);
    code = frame_decode(r, copy, len, &f, &err);
    assert_int_equal(error_is_set(&err), code < 0);
    if (code == 0)
        for (uint32_t i = 0; i < f->batch.n_blocks; i++)
            f->blocks[i].packed = NULL; // was on loan
    if (ret_frame)
        *ret_frame = f;
    else
        frame_free(f);
    return code;
}

static void add_lines(struct strbuf *sb, uint32_t n, size_t len)
{
    for (uint32_t i = 0; i < n; i++) {
        sb_printf(sb, "{\"n\":%u,\"pad\":\"", i);
        for (size_t k = 0; k < len; k++)
            sb_putc(sb, (char)('a' + (i * 7 + k * 13) % 26));
        sb_puts(sb, "\"}\n");
    }
}

static void test_round_trip(void **state)
{
    _cleanup_(sb_done) struct strbuf lines = {}, body = {}, got = {};
    _cleanup_(frame_freep) struct frame *f = NULL;
    struct record_lease lease;
    uint32_t records = 0;

    (void)state;
    add_lines(&lines, 1000, 400);
    lease = lease_of(&lines, 1000);
    sb_puts(&body, "before");
    encode(&lease, &body);
    assert_memory_equal(body.s, "before", 6);
    assert_int_equal(decode(body.s + 6, body.len - 6, &f), 0);
    assert_int_equal(f->batch.class, STREAM_AUDIT);
    assert_true(stream_id_equal(&f->batch.stream, &lease.stream));
    assert_int_equal(f->batch.first_seq, 41);
    assert_int_equal(f->batch.n_records, 1000);
    assert_true(f->batch.n_blocks >= 3);
    for (uint32_t i = 0; i < f->batch.n_blocks; i++) {
        assert_true(f->batch.blocks[i].raw_len <= FRAME_BLOCK_RAW);
        records += f->batch.blocks[i].n_records;
        sb_add(&got, f->batch.blocks[i].raw, f->batch.blocks[i].raw_len);
    }
    assert_int_equal(records, 1000);
    assert_int_equal(got.len, lines.len);
    assert_memory_equal(got.s, lines.s, lines.len);
}

static void test_blocks_stay_packed(void **state)
{
    _cleanup_(sb_done) struct strbuf lines = {}, body = {};
    _cleanup_(frame_reader_freep) struct frame_reader *r = NULL;
    _cleanup_(frame_freep) struct frame *f = NULL;
    struct record_lease lease;
    char out[64];

    (void)state;
    sb_puts(&lines, "one\n\nthree\n"); // an empty line is a record, too
    lease = lease_of(&lines, 3);
    encode(&lease, &body);
    assert_int_equal(frame_reader_new(&r), 0);
    assert_int_equal(frame_decode(r, body.s, body.len, &f, NULL), 0);
    assert_int_equal(f->batch.n_blocks, 1);
    assert_int_equal(ZSTD_decompress(out, sizeof(out), f->blocks[0].packed,
                                     f->blocks[0].packed_len),
                     lines.len);
    assert_memory_equal(out, lines.s, lines.len);
}

static void test_longest_line(void **state)
{
    _cleanup_(frame_writer_freep) struct frame_writer *w = NULL;
    _cleanup_(sb_done) struct strbuf lines = {}, body = {};
    _cleanup_(frame_freep) struct frame *f = NULL;
    struct record_lease lease;

    (void)state;
    sb_puts(&lines, "short\n");
    for (size_t i = 0; i < RECORD_MAX; i++)
        sb_putc(&lines, (char)('a' + i * i % 23));
    sb_puts(&lines, "\nshort\n");
    lease = lease_of(&lines, 3);
    encode(&lease, &body);
    assert_int_equal(decode(body.s, body.len, &f), 0);
    assert_int_equal(f->batch.n_blocks, 3);
    assert_int_equal(f->blocks[1].raw_len, RECORD_MAX + 1);
    // One byte more is not a record any more.
    sb_reset(&lines);
    for (size_t i = 0; i < RECORD_MAX + 1; i++)
        sb_putc(&lines, 'a');
    sb_putc(&lines, '\n');
    lease = lease_of(&lines, 1);
    assert_int_equal(frame_writer_new(&w), 0);
    sb_reset(&body);
    assert_int_equal(frame_encode(w, &lease, &body), -EINVAL);
    assert_int_equal(body.len, 0);
}

// What cannot be packed still fits, as frame.h promises for FRAME_LEASE_MAX bytes.
static void test_noise_fits(void **state)
{
    _cleanup_(sb_done) struct strbuf lines = {}, body = {};
    _cleanup_(frame_freep) struct frame *f = NULL;
    struct record_lease lease;
    uint64_t x = 1;

    (void)state;
    while (lines.len < FRAME_LEASE_MAX) {
        x = XXH3_64bits(&x, sizeof(x));
        sb_putc(&lines, lines.len % 4096 == 4095 ? '\n' : (char)(x | 0x80));
    }
    lease = lease_of(&lines, FRAME_LEASE_MAX / 4096);
    encode(&lease, &body);
    assert_true(body.len <= FRAME_MAX);
    assert_int_equal(decode(body.s, body.len, &f), 0);
}

static void test_leases_that_lie(void **state)
{
    _cleanup_(frame_writer_freep) struct frame_writer *w = NULL;
    _cleanup_(sb_done) struct strbuf lines = {}, body = {};
    struct record_lease good, bad;

    (void)state;
    sb_puts(&lines, "one\ntwo\n");
    good = lease_of(&lines, 2);
    assert_int_equal(frame_writer_new(&w), 0);
#define REFUSED(code, ...)                                    \
    do {                                                      \
        bad = good;                                           \
        __VA_ARGS__;                                          \
        assert_int_equal(frame_encode(w, &bad, &body), code); \
        assert_int_equal(body.len, 0);                        \
    } while (0)
    REFUSED(-EINVAL, bad.n = 0);
    REFUSED(-EINVAL, bad.n = 1);
    REFUSED(-EINVAL, bad.n = 3);
    REFUSED(-EINVAL, bad.len = 0);
    REFUSED(-EINVAL, bad.len = 7); // without the last newline
    REFUSED(-EINVAL, bad.first_seq = 0);
    REFUSED(-EINVAL, bad.first_seq = STREAM_NUMBER_MAX);
    REFUSED(-EINVAL, bad.class = STREAM_CLASSES);
    REFUSED(-EINVAL, memset(&bad.stream, 0, sizeof(bad.stream)));
    REFUSED(-EMSGSIZE, bad.n = FRAME_RECORDS_MAX + 1);
    assert_int_equal(frame_encode(w, &good, &body), 0);
}

// A frame whose hash is right again after it was changed: what an attacker with a certificate sends.
static void sign(struct strbuf *body)
{
    put64((uint8_t *)body->s + AT_HASH, frame_hash((uint8_t *)body->s, body->len));
}

static void make_good(struct strbuf *body)
{
    _cleanup_(sb_done) struct strbuf lines = {};
    struct record_lease lease;

    add_lines(&lines, 10, 100);
    lease = lease_of(&lines, 10);
    encode(&lease, body);
}

static void test_every_flipped_bit_is_seen(void **state)
{
    _cleanup_(sb_done) struct strbuf body = {};

    (void)state;
    make_good(&body);
    for (size_t i = 0; i < body.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            body.s[i] = (char)(body.s[i] ^ 1 << bit);
            assert_true(decode(body.s, body.len, NULL) < 0);
            body.s[i] = (char)(body.s[i] ^ 1 << bit);
        }
    }
    assert_int_equal(decode(body.s, body.len, NULL), 0);
}

static void test_every_prefix_is_refused(void **state)
{
    _cleanup_(sb_done) struct strbuf body = {};

    (void)state;
    make_good(&body);
    for (size_t n = 0; n < body.len; n++)
        assert_int_equal(decode(body.s, n, NULL), -EBADMSG);
    sb_putc(&body, 'x');
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    put32((uint8_t *)body.s + AT_BODY, (uint32_t)(body.len - FRAME_HEAD));
    sign(&body);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
}

static void test_numbers_that_lie(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        int code;
    } rows[] = {
        {AT_RECORDS, 0, -EBADMSG},
        {AT_RECORDS, 9, -EBADMSG},
        {AT_RECORDS, 11, -EBADMSG},
        {AT_RECORDS, FRAME_RECORDS_MAX + 1, -EMSGSIZE},
        {AT_RECORDS, UINT32_MAX, -EMSGSIZE},
        {AT_BLOCKS, 0, -EBADMSG},
        {AT_BLOCKS, 2, -EBADMSG},
        {AT_BLOCKS, UINT32_MAX, -EBADMSG},
        {AT_RAW, 0, -EBADMSG},
        {AT_RAW, 1000, -EBADMSG},
        {AT_RAW, FRAME_RAW_MAX + 1, -EMSGSIZE},
        {AT_RAW, UINT32_MAX, -EMSGSIZE},
        {AT_ZERO_TOO, 1, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_RECORDS, 0, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_RECORDS, 9, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_RAW, 0, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_RAW, 4000, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_RAW, FRAME_BLOCK_RAW + 1, -EMSGSIZE},
        {FRAME_HEAD + AT_BLOCK_RAW, UINT32_MAX, -EMSGSIZE},
        {FRAME_HEAD + AT_BLOCK_PACKED, 0, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_PACKED, UINT32_MAX, -EBADMSG},
        {FRAME_HEAD + AT_BLOCK_ZERO, 1, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf body = {};

        make_good(&body);
        put32((uint8_t *)body.s + rows[i].at, rows[i].value);
        sign(&body);
        assert_int_equal(decode(body.s, body.len, NULL), rows[i].code);
    }
}

static void test_heads_that_lie(void **state)
{
    _cleanup_(sb_done) struct strbuf body = {};
    uint8_t *p;

    (void)state;
    make_good(&body);
    p = (uint8_t *)body.s;
    p[AT_VERSION] = 2;
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), -EPROTONOSUPPORT);
    p[AT_VERSION] = 1;
    p[AT_CLASS] = STREAM_CLASSES;
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), -EBADMSG);
    p[AT_CLASS] = STREAM_SECURITY;
    put64(p + AT_FIRST, 0);
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), -EBADMSG);
    put64(p + AT_FIRST, STREAM_NUMBER_MAX - 8);
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), -EBADMSG);
    put64(p + AT_FIRST, STREAM_NUMBER_MAX - 9);
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), 0);
    memset(p + AT_STREAM, 0, STREAM_ID_SIZE);
    sign(&body);
    assert_int_equal(decode(p, body.len, NULL), -EBADMSG);
}

// Puts a frame of one block together from what zstd made of `text`.
static void make_block(struct strbuf *body, const void *packed, size_t packed_len, uint32_t records,
                       uint32_t raw_len, uint32_t n_blocks)
{
    uint8_t head[FRAME_HEAD] = {}, block[FRAME_BLOCK_HEAD] = {};

    put32(head, FRAME_MAGIC);
    head[AT_VERSION] = FRAME_VERSION;
    head[AT_STREAM] = 1;
    put64(head + AT_FIRST, 1);
    put32(head + AT_RECORDS, records * n_blocks);
    put32(head + AT_BLOCKS, n_blocks);
    put32(head + AT_RAW, raw_len * n_blocks);
    put32(head + AT_BODY, (uint32_t)(FRAME_BLOCK_HEAD + packed_len) * n_blocks);
    put32(block + AT_BLOCK_RECORDS, records);
    put32(block + AT_BLOCK_RAW, raw_len);
    put32(block + AT_BLOCK_PACKED, (uint32_t)packed_len);
    sb_reset(body);
    sb_add(body, head, sizeof(head));
    for (uint32_t i = 0; i < n_blocks; i++) {
        sb_add(body, block, sizeof(block));
        sb_add(body, packed, packed_len);
    }
    sign(body);
}

static void test_bombs(void **state)
{
    enum { BOMB = 64 << 20 };
    _cleanup_(sb_done) struct strbuf body = {};
    _cleanup_free_ char *zeros = calloc(1, BOMB), *packed = malloc(ZSTD_compressBound(BOMB));
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t n;

    (void)state;
    assert_non_null(zeros);
    assert_non_null(packed);
    // 64 MiB that say what they are.
    n = ZSTD_compress(packed, ZSTD_compressBound(BOMB), zeros, BOMB, 1);
    assert_false(ZSTD_isError(n));
    make_block(&body, packed, n, 1, BOMB, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EMSGSIZE);
    // The same, said to be small.
    make_block(&body, packed, n, 1, 1000, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    // Without a size.
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    n = ZSTD_compress2(zstd, packed, ZSTD_compressBound(BOMB), zeros, BOMB);
    make_block(&body, packed, n, 1, 1000, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    // Many blocks of the size that is allowed, more than there may be.
    memset(zeros, '\n', BOMB);
    n = ZSTD_compress(packed, ZSTD_compressBound(BOMB), zeros, 60, 1);
    make_block(&body, packed, n, 60, 60, 137);
    assert_int_equal(decode(body.s, body.len, NULL), -EMSGSIZE); // 8,220 records
    make_block(&body, packed, n, 60, 60, 136);
    assert_int_equal(decode(body.s, body.len, NULL), 0);
    ZSTD_freeCCtx(zstd);
}

static void test_blocks_that_are_no_lines(void **state)
{
    _cleanup_(sb_done) struct strbuf body = {};
    char packed[256];
    size_t n, m;

    (void)state;
    n = ZSTD_compress(packed, sizeof(packed), "one\ntwo", 7, 1);
    make_block(&body, packed, n, 2, 7, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    make_block(&body, packed, n, 1, 7, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    n = ZSTD_compress(packed, sizeof(packed), "one\ntwo\n", 8, 1);
    make_block(&body, packed, n, 3, 8, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    make_block(&body, packed, n, 2, 8, 1);
    assert_int_equal(decode(body.s, body.len, NULL), 0);
    // Two texts where one is expected.
    m = ZSTD_compress(packed + n, sizeof(packed) - n, "x\n", 2, 1);
    make_block(&body, packed, n + m, 2, 8, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
    // A frame that zstd skips.
    memcpy(packed, "\x50\x2a\x4d\x18\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 16);
    make_block(&body, packed, 16, 1, 8, 1);
    assert_int_equal(decode(body.s, body.len, NULL), -EBADMSG);
}

// What an earlier version sent has to be read by this one.
static void test_first_version(void **state)
{
    static const uint8_t bytes[] = {
        0x53, 0x47, 0x42, 0x31, 0x01, 0x01, 0x00, 0x00, 0x01, 0x02, 0x03, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x29,
        0x00, 0x00, 0x00, 0x84, 0x08, 0x32, 0xae, 0x99, 0x3a, 0x59, 0x9b, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x19, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x10, 0x81, 0x00, 0x00, 0x7b,
        0x22, 0x61, 0x22, 0x3a, 0x31, 0x7d, 0x0a, 0x7b, 0x22, 0x62, 0x22, 0x3a, 0x32, 0x7d, 0x0a,
    };
    _cleanup_(frame_freep) struct frame *f = NULL;

    (void)state;
    assert_int_equal(decode(bytes, sizeof(bytes), &f), 0);
    assert_int_equal(f->batch.class, STREAM_AUDIT);
    assert_int_equal(f->batch.first_seq, 7);
    assert_int_equal(f->batch.n_records, 2);
    assert_int_equal(f->raw_len, 16);
    assert_memory_equal(f->raw, "{\"a\":1}\n{\"b\":2}\n", 16);
}

UNIT_MAIN(cmocka_unit_test(test_first_version), cmocka_unit_test(test_round_trip),
          cmocka_unit_test(test_blocks_stay_packed), cmocka_unit_test(test_longest_line),
          cmocka_unit_test(test_noise_fits), cmocka_unit_test(test_leases_that_lie),
          cmocka_unit_test(test_every_flipped_bit_is_seen),
          cmocka_unit_test(test_every_prefix_is_refused), cmocka_unit_test(test_numbers_that_lie),
          cmocka_unit_test(test_heads_that_lie), cmocka_unit_test(test_bombs),
          cmocka_unit_test(test_blocks_that_are_no_lines))
