// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "spool/segment.h"

#define SEED UINT64_C(0x1234567890abcdef)

static const struct segment_label label = {
    .class = STREAM_AUDIT,
    .order = 42,
    .seed = SEED,
    .stream = {{1, 2, 3}},
    .boot = {{4, 5, 6}},
    .first_seq = 1000,
    .first_index = 7,
    .created_ms = 99,
    .generation = 3,
};

static void put_labels(uint8_t *bytes, const struct segment_label *first,
                       const struct segment_label *second)
{
    memset(bytes, 0, SEGMENT_DATA);
    segment_label_encode(first, bytes);
    segment_label_encode(second, bytes + SEGMENT_LABEL_AT);
}

static void test_label(void **state)
{
    uint8_t bytes[SEGMENT_DATA];
    struct segment_label got = {};

    (void)state;
    put_labels(bytes, &label, &label);
    assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), 0);
    assert_int_equal(got.class, label.class);
    assert_int_equal(got.order, label.order);
    assert_int_equal(got.seed, label.seed);
    assert_true(stream_id_equal(&got.stream, &label.stream));
    assert_true(stream_id_equal(&got.boot, &label.boot));
    assert_int_equal(got.first_seq, label.first_seq);
    assert_int_equal(got.first_index, label.first_index);
    assert_int_equal(got.created_ms, label.created_ms);
    assert_int_equal(got.generation, label.generation);
    assert_int_equal(segment_label_decode(bytes, sizeof(bytes) - 1, &got), -EBADMSG);
}

// Whatever byte of one label is wrong, the other one is there; with both wrong there is none.
static void test_label_flips(void **state)
{
    uint8_t bytes[SEGMENT_DATA];
    struct segment_label got = {};

    (void)state;
    for (size_t i = 0; i < SEGMENT_LABEL_SIZE; i++) {
        put_labels(bytes, &label, &label);
        bytes[i] ^= 0x40;
        assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), 0);
        assert_int_equal(got.order, label.order);
        bytes[SEGMENT_LABEL_AT + i] ^= 0x40;
        assert_true(segment_label_decode(bytes, sizeof(bytes), &got) < 0);
        bytes[i] ^= 0x40;
        assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), 0);
    }
}

static void test_label_that_is_later_counts(void **state)
{
    struct segment_label later = label, got = {};
    uint8_t bytes[SEGMENT_DATA];

    (void)state;
    later.generation++;
    later.first_seq = 1;
    put_labels(bytes, &label, &later);
    assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), 0);
    assert_int_equal(got.first_seq, 1);
    put_labels(bytes, &later, &label);
    assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), 0);
    assert_int_equal(got.first_seq, 1);
}

static void test_labels_that_make_no_sense(void **state)
{
    struct segment_label bad[] = {label, label, label, label};
    uint8_t bytes[SEGMENT_DATA];
    struct segment_label got = {};

    (void)state;
    bad[0].class = STREAM_CLASSES;
    bad[1].first_seq = 0;
    bad[2].first_seq = UINT64_MAX;
    bad[3].stream = (struct stream_id){};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put_labels(bytes, &bad[i], &bad[i]);
        assert_int_equal(segment_label_decode(bytes, sizeof(bytes), &got), -EBADMSG);
    }
}

static size_t put_record(uint8_t *to, uint32_t index, const char *line)
{
    memcpy(to + SEGMENT_HEAD, line, strlen(line));
    segment_head_encode(SEED, index, 5, (uint32_t)strlen(line), to);
    return SEGMENT_HEAD + strlen(line);
}

static void test_record(void **state)
{
    struct segment_record record = {};
    uint8_t bytes[256] = {};
    size_t len;

    (void)state;
    len = put_record(bytes, 9, "{\"a\":1}\n");
    assert_int_equal(segment_record_decode(SEED, bytes, sizeof(bytes), &record), len);
    assert_int_equal(record.index, 9);
    assert_int_equal(record.age_ms, 5);
    assert_int_equal(record.len, 8);
    assert_true(record.whole);
    assert_false(record.foot);
    assert_memory_equal(record.line, "{\"a\":1}\n", 8);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(segment_record_decode(SEED, bytes, n, &record), 0);
    assert_int_equal(segment_record_decode(SEED + 1, bytes, len, &record), -EBADMSG);
}

// A flipped byte is seen wherever it is: in the head nothing can be read, in the line the length still can.
static void test_record_flips(void **state)
{
    struct segment_record record = {};
    uint8_t bytes[256] = {};
    size_t len;

    (void)state;
    len = put_record(bytes, 1, "line of text\n");
    for (size_t i = 0; i < len; i++) {
        int64_t r;

        bytes[i] ^= 1;
        r = segment_record_decode(SEED, bytes, len, &record);
        if (i < SEGMENT_HEAD)
            assert_int_equal(r, -EBADMSG);
        else
            assert_true(r == (int64_t)len && !record.whole);
        bytes[i] ^= 1;
    }
}

static void test_foot(void **state)
{
    struct segment_record record = {};
    uint8_t bytes[SEGMENT_HEAD];

    (void)state;
    segment_foot_encode(SEED, 77, 1, bytes);
    assert_int_equal(segment_record_decode(SEED, bytes, sizeof(bytes), &record), SEGMENT_HEAD);
    assert_true(record.foot);
    assert_int_equal(record.index, 77);
}

static void test_resync(void **state)
{
    uint8_t bytes[512];
    size_t at;

    (void)state;
    memset(bytes, 0x1e, sizeof(bytes)); // a byte that heads begin with, too
    at = 100;
    (void)put_record(bytes + at, 3, "x\n");
    assert_int_equal(segment_resync(SEED, 0, bytes, sizeof(bytes)), at);
    assert_int_equal(segment_resync(SEED, 3, bytes, sizeof(bytes)), at);
    // Not one that was there before; then an end that may begin one.
    assert_int_equal(segment_resync(SEED, 4, bytes, sizeof(bytes)),
                     sizeof(bytes) - SEGMENT_HEAD + 1);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(segment_resync(SEED, 0, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(segment_resync(SEED, 0, bytes, 0), 0);
}

// Who can write what he wants into a line does not know the file's seed.
static void test_nobody_makes_a_head(void **state)
{
    uint8_t bytes[256] = {}, inner[64] = {};

    (void)state;
    memcpy(inner + SEGMENT_HEAD, "forged\n", 7);
    segment_head_encode(0, 2, 0, 7, inner);
    memcpy(bytes, inner, SEGMENT_HEAD + 7);
    assert_int_equal(segment_resync(SEED, 0, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(segment_resync(0, 0, bytes, sizeof(bytes)), 0);
}

UNIT_MAIN(cmocka_unit_test(test_label), cmocka_unit_test(test_label_flips),
          cmocka_unit_test(test_label_that_is_later_counts),
          cmocka_unit_test(test_labels_that_make_no_sense), cmocka_unit_test(test_record),
          cmocka_unit_test(test_record_flips), cmocka_unit_test(test_foot),
          cmocka_unit_test(test_resync), cmocka_unit_test(test_nobody_makes_a_head))
