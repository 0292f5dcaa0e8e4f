// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "control/frame.h"

static void test_round_trip(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_frame frame;
    size_t used;

    (void)state;
    assert_int_equal(control_frame_add(&sb, CONTROL_REQUEST, "{}", 2), 0);
    assert_int_equal(control_frame_add(&sb, CONTROL_EVENT, "", 0), 0);
    assert_int_equal(sb.len, 2 * CONTROL_HEAD + 2);
    assert_int_equal(control_frame_decode(sb.s, sb.len, &frame, &used), 1);
    assert_int_equal(frame.kind, CONTROL_REQUEST);
    assert_int_equal(frame.len, 2);
    assert_memory_equal(frame.payload, "{}", 2);
    assert_int_equal(used, CONTROL_HEAD + 2);
    assert_int_equal(control_frame_decode(sb.s + used, sb.len - used, &frame, &used), 1);
    assert_int_equal(frame.kind, CONTROL_EVENT);
    assert_int_equal(frame.len, 0);
}

static void test_every_prefix_wants_more(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_frame frame;
    size_t used;

    (void)state;
    assert_int_equal(control_frame_add(&sb, CONTROL_RESPONSE, "abc", 3), 0);
    for (size_t n = 0; n < sb.len; n++)
        assert_int_equal(control_frame_decode(sb.s, n, &frame, &used), 0);
}

static void test_strangers(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int result;
    } rows[] = {
        {"G", 1, -EPROTO},
        {"GET / HTTP/1.1\r\n", 16, -EPROTO},
        {"SX", 2, -EPROTO},
        {"SG\x02", 3, -EPROTONOSUPPORT},
        {"SG\x01\x00", 4, -EPROTO},
        {"SG\x01\x09", 4, -EPROTO},
        {"SG\x01\x01\x01\x00\x10\x00", 8, -EMSGSIZE},
        {"SG\x01\x01\xff\xff\xff\xff", 8, -EMSGSIZE},
        {"SG\x01\x01\x00\x00\x10\x00", 8,
         0}, // exactly the most that is allowed: more bytes are needed
    };
    struct control_frame frame;
    size_t used;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(control_frame_decode(rows[i].bytes, rows[i].len, &frame, &used),
                         rows[i].result);
}

static void test_too_long_is_taken_back(void **state)
{
    _cleanup_free_ char *big = calloc(1, CONTROL_FRAME_MAX + 1);
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    assert_non_null(big);
    sb_puts(&sb, "before");
    assert_int_equal(control_frame_add(&sb, CONTROL_RESPONSE, big, CONTROL_FRAME_MAX + 1),
                     -EMSGSIZE);
    assert_string_equal(sb_str(&sb), "before");
    assert_int_equal(control_frame_add(&sb, CONTROL_RESPONSE, big, CONTROL_FRAME_MAX), 0);
}

static void test_reader(void **state)
{
    struct control_reader reader = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_frame frame;
    int pipefd[2], n = 0;

    (void)state;
    assert_int_equal(pipe2(pipefd, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(control_frame_add(&sb, CONTROL_EVENT, "0123456789", 10), 0);
    // In pieces that respect no border.
    for (size_t at = 0; at < sb.len; at += 7) {
        size_t piece = MIN(sb.len - at, (size_t)7);

        assert_int_equal(write(pipefd[1], sb.s + at, piece), piece);
        assert_true(control_reader_fill(&reader, pipefd[0]) > 0);
        while (control_reader_next(&reader, &frame) == 1) {
            assert_int_equal(frame.len, 10);
            assert_memory_equal(frame.payload, "0123456789", 10);
            n++;
        }
    }
    assert_int_equal(n, 50);
    assert_int_equal(control_reader_fill(&reader, pipefd[0]), -EAGAIN);
    (void)close(pipefd[1]);
    assert_int_equal(control_reader_fill(&reader, pipefd[0]), 0);
    (void)close(pipefd[0]);
    control_reader_done(&reader);
}

UNIT_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_every_prefix_wants_more),
          cmocka_unit_test(test_strangers), cmocka_unit_test(test_too_long_is_taken_back),
          cmocka_unit_test(test_reader))
