// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/strutil.h"

static void test_empty(void **state)
{
    _cleanup_(strv_freep) char **v = NULL;

    (void)state;
    assert_int_equal(strv_len(NULL), 0);
    assert_false(strv_contains(NULL, "x"));
    assert_null(strv_free(NULL));
    strv_sort_natural(NULL);
    STRV_FOREACH (s, v)
        fail_msg("'%s' in nothing", *s);
}

static void test_append(void **state)
{
    _cleanup_(strv_freep) char **v = NULL;

    (void)state;
    for (int i = 0; i < 100; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(strv_append(&v, text), 0);
        assert_int_equal(strv_len(v), i + 1);
    }
    assert_string_equal(v[0], "0");
    assert_string_equal(v[99], "99");
    assert_null(v[100]);
    assert_true(strv_contains(v, "57"));
    assert_false(strv_contains(v, "100"));
    assert_int_equal(strv_append_n(&v, "abcdef", 2), 0);
    assert_string_equal(v[100], "ab");
}

static void test_split_and_join(void **state)
{
    static const struct {
        const char *text;
        const char *joined;
        size_t n;
    } rows[] = {
        {"", "", 0},       {" , ", "", 0},          {"one", "one", 1},
        {"a,b", "a+b", 2}, {" a b,c ", "a+b+c", 3}, {",,a,,b,,", "a+b", 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(strv_freep) char **v = NULL;
        _cleanup_free_ char *joined = NULL;

        assert_int_equal(strv_split(rows[i].text, ", ", &v), 0);
        assert_non_null(v);
        assert_int_equal(strv_len(v), rows[i].n);
        assert_int_equal(strv_join(v, "+", &joined), 0);
        assert_string_equal(joined, rows[i].joined);
    }
}

static void test_sort(void **state)
{
    _cleanup_(strv_freep) char **v = NULL;
    _cleanup_free_ char *joined = NULL;

    (void)state;
    assert_int_equal(strv_split("50-web 9-a 10-base 100-z", " ", &v), 0);
    strv_sort_natural(v);
    assert_int_equal(strv_join(v, " ", &joined), 0);
    assert_string_equal(joined, "9-a 10-base 50-web 100-z");
}

UNIT_MAIN(cmocka_unit_test(test_empty), cmocka_unit_test(test_append),
          cmocka_unit_test(test_split_and_join), cmocka_unit_test(test_sort))
