// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/alloc.h"

static void test_zeroed(void **state)
{
    _cleanup_free_ uint64_t *v = new0(uint64_t, 100);

    (void)state;
    assert_non_null(v);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(v[i], 0);
}

static void test_size_zero_is_not_failure(void **state)
{
    _cleanup_free_ void *a = mallocz(0), *b = mallocz_array(0, 8), *c = memdup(NULL, 0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
}

static void test_overflow_is_refused(void **state)
{
    (void)state;
    assert_null(mallocz_array(SIZE_MAX / 4, 8));
    assert_null(mallocz_array(SIZE_MAX, SIZE_MAX));
}

static void test_copies(void **state)
{
    _cleanup_free_ char *m = memdup("a\0b", 4), *s = xstrndup("hello", 3),
                        *all = xstrndup("hi", 99);

    (void)state;
    assert_memory_equal(m, "a\0b", 4);
    assert_string_equal(s, "hel");
    assert_string_equal(all, "hi");
    assert_null(xstrndup(NULL, 5));
}

static void test_grow_keeps_and_zeroes(void **state)
{
    _cleanup_free_ uint32_t *v = NULL;
    size_t cap = 0, moves = 0;

    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        size_t before = cap;

        assert_true(GREEDY(v, cap, i + 1));
        assert_true(cap > i);
        assert_int_equal(v[i], 0);
        v[i] = i;
        moves += before != cap;
    }
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(v[i], i);
    for (size_t i = 10000; i < cap; i++)
        assert_int_equal(v[i], 0);
    // Doubling: not one reallocation an element.
    assert_in_range(moves, 5, 14);
}

static void test_grow_failure_changes_nothing(void **state)
{
    _cleanup_free_ uint64_t *v = NULL;
    size_t cap = 0;
    const uint64_t *before;
    size_t before_cap;

    (void)state;
    assert_true(GREEDY(v, cap, 4));
    v[0] = 7;
    before = v;
    before_cap = cap;
    assert_true(GREEDY(v, cap, cap));
    assert_int_equal(cap, before_cap);
    assert_false(GREEDY(v, cap, SIZE_MAX / 4));
    assert_ptr_equal(v, before);
    assert_int_equal(cap, before_cap);
    assert_int_equal(v[0], 7);
}

UNIT_MAIN(cmocka_unit_test(test_zeroed), cmocka_unit_test(test_size_zero_is_not_failure),
          cmocka_unit_test(test_overflow_is_refused), cmocka_unit_test(test_copies),
          cmocka_unit_test(test_grow_keeps_and_zeroes),
          cmocka_unit_test(test_grow_failure_changes_nothing))
