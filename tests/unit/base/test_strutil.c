// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/strutil.h"

#define UNTOUCHED UINT64_C(0xabcdabcdabcdabcd)

struct number_row {
    const char *text;
    int result;
    uint64_t value;
};

static void check_rows(const struct number_row *rows, size_t n,
                       int (*parse)(const char *, uint64_t *))
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = UNTOUCHED;
        int r = parse(rows[i].text, &value);

        if (r != rows[i].result || value != (r == 0 ? rows[i].value : UNTOUCHED))
            fail_msg("'%s': %d, %llu", strempty(rows[i].text), r, (unsigned long long)value);
    }
}

static void test_u64(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"010", 0, 10},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE},
        {"99999999999999999999999999", -ERANGE},
        {"99999999999999999999999999x", -EINVAL},
        {"0x10", 0, 16},
        {"0XfF", 0, 255},
        {"0xffffffffffffffff", 0, UINT64_MAX},
        {"0x10000000000000000", -ERANGE},
        {"0x", -EINVAL},
        {"", -EINVAL},
        {NULL, -EINVAL},
        {" 1", -EINVAL},
        {"1 ", -EINVAL},
        {"-1", -EINVAL},
        {"+1", -EINVAL},
        {"1a", -EINVAL},
        {"a", -EINVAL},
        {"1.5", -EINVAL},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows), parse_u64);
}

static void test_u32(void **state)
{
    uint32_t v = 7;

    (void)state;
    assert_int_equal(parse_u32("4294967295", &v), 0);
    assert_int_equal(v, UINT32_MAX);
    assert_int_equal(parse_u32("4294967296", &v), -ERANGE);
    assert_int_equal(parse_u32("x", &v), -EINVAL);
    assert_int_equal(v, UINT32_MAX);
}

static void test_i64(void **state)
{
    static const struct {
        const char *text;
        int result;
        int64_t value;
    } rows[] = {
        {"-1", 0, -1},
        {"+5", 0, 5},
        {"5", 0, 5},
        {"-0x10", 0, -16},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775808", 0, INT64_MIN},
        {"-9223372036854775809", -ERANGE, 0},
        {"--1", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"", -EINVAL, 0},
        {NULL, -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t v = 77;

        assert_int_equal(parse_i64(rows[i].text, &v), rows[i].result);
        assert_true(v == (rows[i].result == 0 ? rows[i].value : 77));
    }
}

static void test_size(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"64K", 0, 65536},
        {"64k", 0, 65536},
        {"10M", 0, 10485760},
        {"10MiB", 0, 10485760},
        {"2G", 0, UINT64_C(2147483648)},
        {"1T", 0, UINT64_C(1) << 40},
        {"15E", 0, UINT64_C(15) << 60},
        {"16E", -ERANGE},
        {"18446744073709551616", -ERANGE},
        {"18446744073709551616Q", -EINVAL},
        {"M", -EINVAL},
        {"10MB", -EINVAL},
        {"10 M", -EINVAL},
        {"10Mi", -EINVAL},
        {"10MiBx", -EINVAL},
        {"-1M", -EINVAL},
        {"", -EINVAL},
        {NULL, -EINVAL},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows), parse_size);
}

static void test_duration(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"250ms", 0, 250},
        {"10s", 0, 10000},
        {"5m", 0, 300000},
        {"5min", 0, 300000},
        {"1h30m", 0, 5400000},
        {"1h30m10s5ms", 0, 5410005},
        {"2d", 0, 172800000},
        {"1w1d", 0, 691200000},
        {"90m", 0, 5400000},
        {"584542046y", -EINVAL},
        {"30500568904w", 0, UINT64_C(30500568904) * 604800000},
        {"30500568905w", -ERANGE},
        {"99999999999999999999s", -ERANGE},
        {"30m1h", -EINVAL},
        {"1m1min", -EINVAL},
        {"1min1m", -EINVAL},
        {"1s1s", -EINVAL},
        {"10", -EINVAL},
        {"1h30", -EINVAL},
        {"s", -EINVAL},
        {"1 h", -EINVAL},
        {"1.5h", -EINVAL},
        {"-1s", -EINVAL},
        {"", -EINVAL},
        {NULL, -EINVAL},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows), parse_duration_ms);
}

static void test_bool(void **state)
{
    bool v = false;

    (void)state;
    assert_int_equal(parse_bool("yes", &v), 0);
    assert_true(v);
    assert_int_equal(parse_bool("OFF", &v), 0);
    assert_false(v);
    assert_int_equal(parse_bool("1", &v), 0);
    assert_true(v);
    assert_int_equal(parse_bool("2", &v), -EINVAL);
    assert_int_equal(parse_bool("", &v), -EINVAL);
    assert_int_equal(parse_bool(NULL, &v), -EINVAL);
    assert_true(v);
}

static void test_prefix_and_suffix(void **state)
{
    (void)state;
    assert_string_equal(str_startswith("foobar", "foo"), "bar");
    assert_string_equal(str_startswith("foo", "foo"), "");
    assert_string_equal(str_startswith("foo", ""), "foo");
    assert_null(str_startswith("fo", "foo"));
    assert_true(str_endswith("a.yaml", ".yaml"));
    assert_true(str_endswith("a", ""));
    assert_false(str_endswith("yaml", ".yaml"));
}

static void test_natural_order(void **state)
{
    // Already in order; each pair is compared both ways.
    static const char *const names[] = {
        "",
        "007",
        "07",
        "7",
        "9-a",
        "10-b",
        "10-b.yaml",
        "100",
        "99999999999999999999998",
        "99999999999999999999999",
        "A1",
        "a",
        "a01",
        "a1",
        "a1b",
        "a2",
        "a10",
        "a10-5",
        "a10-50",
        "ab",
        "b",
        "\xff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
            int r = natural_cmp(names[i], names[j]);

            if ((i < j) != (r < 0) || (i == j) != (r == 0))
                fail_msg("'%s' and '%s': %d", names[i], names[j], r);
        }
    }
}

static void test_nearest_word(void **state)
{
    static const char *const words[] = {"access", "by", "do", "path", "not_by"};
    char long_word[100];

    (void)state;
    memset(long_word, 'a', sizeof(long_word));
    long_word[99] = '\0';
    assert_string_equal(nearest_word("acess", words, ARRAY_SIZE(words)), "access");
    assert_string_equal(nearest_word("acecss", words, ARRAY_SIZE(words)), "access");
    assert_string_equal(nearest_word("paht", words, ARRAY_SIZE(words)), "path");
    assert_string_equal(nearest_word("bu", words, ARRAY_SIZE(words)), "by");
    assert_null(nearest_word("exec", words, ARRAY_SIZE(words)));
    assert_null(nearest_word("", words, ARRAY_SIZE(words)));
    assert_null(nearest_word("x", words, ARRAY_SIZE(words)));
    assert_null(nearest_word(long_word, words, ARRAY_SIZE(words)));
    assert_null(nearest_word("path", words, 0));
}

// Of every length, and nothing around it.
static void test_copy_short(void **state)
{
    char from[80], to[100], wanted[100];

    (void)state;
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (char)(i + 1);
    for (size_t len = 0; len <= sizeof(from); len++) {
        char *exact = malloc(len ? len : 1); // for the address sanitizer

        assert_non_null(exact);
        memset(to, 0, sizeof(to));
        memset(wanted, 0, sizeof(wanted));
        memcpy(exact, from, len);
        memcpy(wanted + 10, from, len);
        copy_short(to + 10, exact, len);
        assert_memory_equal(to, wanted, sizeof(to));
        free(exact);
    }
    copy_short(to, NULL, 0);
}

static void test_last_lines(void **state)
{
    (void)state;
    assert_string_equal(str_last_lines("a\nb\nc\n", 2), "b\nc\n");
    assert_string_equal(str_last_lines("a\nb\nc", 2), "b\nc");
    assert_string_equal(str_last_lines("a\nb\n", 2), "a\nb\n");
    assert_string_equal(str_last_lines("a", 2), "a");
    assert_string_equal(str_last_lines("\n", 1), "\n");
    assert_string_equal(str_last_lines("", 2), "");
}

UNIT_MAIN(cmocka_unit_test(test_u64), cmocka_unit_test(test_u32), cmocka_unit_test(test_i64),
          cmocka_unit_test(test_size), cmocka_unit_test(test_duration), cmocka_unit_test(test_bool),
          cmocka_unit_test(test_prefix_and_suffix), cmocka_unit_test(test_natural_order),
          cmocka_unit_test(test_last_lines), cmocka_unit_test(test_nearest_word),
          cmocka_unit_test(test_copy_short))
