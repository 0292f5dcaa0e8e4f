// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/strbuf.h"

static void test_zeroed_is_empty(void **state)
{
    struct strbuf sb = {};

    (void)state;
    assert_string_equal(sb_str(&sb), "");
    sb_truncate(&sb, 0);
    sb_reset(&sb);
    sb_done(&sb);
    assert_null(sb.s);
}

static void test_add(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, "ab");
    sb_putc(&sb, 'c');
    sb_add(&sb, "d\0e", 3);
    sb_printf(&sb, "%d-%s", 42, "x");
    assert_int_equal(sb.len, 10);
    assert_memory_equal(sb.s, "abcd\0e42-x", 11);
    sb_add(&sb, "", 0);
    assert_int_equal(sb.len, 10);
    sb_truncate(&sb, 3);
    sb_truncate(&sb, 8);
    assert_string_equal(sb_str(&sb), "abc");
}

static void test_printf_of_every_length(void **state)
{
    char long_text[300];

    (void)state;
    memset(long_text, 'y', sizeof(long_text));
    // Around each capacity: what fits exactly, and one more.
    for (int n = 0; n < 300; n++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        sb_putc(&sb, '<');
        sb_printf(&sb, "%.*s>", n, long_text);
        assert_int_equal(sb.len, n + 2);
        assert_int_equal(sb.s[n + 1], '>');
        assert_int_equal(sb.s[n + 2], '\0');
    }
}

static void test_finish_hands_over(void **state)
{
    _cleanup_free_ char *text = NULL, *empty = NULL;
    struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, "kept");
    assert_int_equal(sb_finish(&sb, &text), 0);
    assert_string_equal(text, "kept");
    assert_null(sb.s);
    assert_int_equal(sb.len, 0);
    assert_int_equal(sb_finish(&sb, &empty), 0);
    assert_string_equal(empty, "");
}

static void test_failure_sticks(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char untouched[] = "untouched", *text = untouched;

    (void)state;
    sb_puts(&sb, "before");
    assert_null(sb_reserve(&sb, SIZE_MAX - 2));
    assert_true(sb.failed);
    sb_puts(&sb, "after");
    sb_printf(&sb, "%d", 1);
    assert_string_equal(sb_str(&sb), "before");
    assert_int_equal(sb_finish(&sb, &text), -ENOMEM);
    assert_ptr_equal(text, untouched);
    sb_reset(&sb);
    assert_false(sb.failed);
    sb_puts(&sb, "again");
    assert_string_equal(sb_str(&sb), "again");
}

static void test_no_memory(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, "x");
    assert_null(sb_reserve(&sb, SIZE_MAX / 2));
    assert_true(sb.failed);
    assert_string_equal(sb_str(&sb), "x");
}

static void test_reserve_and_written(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *room;

    (void)state;
    sb_puts(&sb, "ab");
    room = sb_reserve(&sb, 1000);
    assert_non_null(room);
    memset(room, 'z', 1000);
    sb_written(&sb, 1000);
    assert_int_equal(sb.len, 1002);
    assert_int_equal(sb.s[1001], 'z');
    assert_int_equal(sb.s[1002], '\0');
}

UNIT_MAIN(cmocka_unit_test(test_zeroed_is_empty), cmocka_unit_test(test_add),
          cmocka_unit_test(test_printf_of_every_length), cmocka_unit_test(test_finish_hands_over),
          cmocka_unit_test(test_failure_sticks), cmocka_unit_test(test_no_memory),
          cmocka_unit_test(test_reserve_and_written))
