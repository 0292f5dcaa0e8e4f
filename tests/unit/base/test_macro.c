// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"

static int calls;

static int next(int v)
{
    calls++;
    return v;
}

static void test_min_max_clamp(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(MIN(next(3), next(4)), 3);
    assert_int_equal(MAX(next(3), next(4)), 4);
    assert_int_equal(calls, 4);
    assert_int_equal(MAX(MIN(1, 2), MIN(5, 3)), 3);
    assert_int_equal(CLAMP(next(5), 1, 9), 5);
    assert_int_equal(CLAMP(-5, 1, 9), 1);
    assert_int_equal(CLAMP(50, 1, 9), 9);
    assert_int_equal(calls, 5);
}

struct outer {
    int before;
    struct {
        char c;
    } inner;
};

static void test_container_of(void **state)
{
    struct outer o = {1, {'x'}};

    (void)state;
    assert_ptr_equal(container_of(&o.inner, struct outer, inner), &o);
}

static void test_strings(void **state)
{
    const char *array[7];

    (void)state;
    assert_int_equal(ARRAY_SIZE(array), 7);
    assert_true(streq("a", "a"));
    assert_false(streq("a", "A"));
    assert_true(streq_ptr(NULL, NULL));
    assert_false(streq_ptr(NULL, ""));
    assert_true(streq_ptr("x", "x"));
    assert_string_equal(strempty(NULL), "");
    assert_string_equal(strempty("v"), "v");
    assert_true(str_isempty(NULL));
    assert_true(str_isempty(""));
    assert_false(str_isempty(" "));
    assert_true(SG_BIT(63) == UINT64_C(0x8000000000000000));
}

UNIT_MAIN(cmocka_unit_test(test_min_max_clamp), cmocka_unit_test(test_container_of),
          cmocka_unit_test(test_strings))
