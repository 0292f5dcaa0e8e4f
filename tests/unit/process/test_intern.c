// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "process/intern.h"

static void test_shared(void **state)
{
    struct intern_pool pool;
    struct istr *a, *b, *c, *none = (struct istr *)&pool;
    size_t bytes;

    (void)state;
    intern_init(&pool);
    assert_int_equal(intern_get(&pool, BYTES("/bin/sh"), &a), 0);
    bytes = pool.bytes;
    assert_int_equal(intern_get(&pool, BYTES("/bin/sh"), &b), 0);
    assert_int_equal(intern_get(&pool, BYTES("/bin/s\0"), &c), 0);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(a->refs, 2);
    assert_int_equal(pool.bytes, 2 * bytes);
    assert_int_equal(intern_get(&pool, (struct bytes){}, &none), 0);
    assert_null(none);
    assert_null(intern_put(&pool, a));
    assert_true(bytes_equal(istr_bytes(b), BYTES("/bin/sh")));
    assert_null(intern_put(&pool, b));
    assert_null(intern_put(&pool, c));
    assert_null(intern_put(&pool, NULL));
    assert_int_equal(pool.bytes, 0);
    intern_done(&pool);
}

static void test_many(void **state)
{
    enum { N = 5000 };
    static struct istr *strs[N];
    struct intern_pool pool;
    char text[16];

    (void)state;
    intern_init(&pool);
    for (int i = 0; i < N; i++) {
        int len = snprintf(text, sizeof(text), "%d", i);

        assert_int_equal(intern_get(&pool, (struct bytes){text, (uint32_t)len}, &strs[i]), 0);
    }
    assert_int_equal(pool.n, N);
    assert_true(pool.n_buckets >= N / 2);
    // Out of order, and each is found again before it goes.
    for (int i = 0; i < N; i++) {
        int at = (i * 7919) % N;
        int len = snprintf(text, sizeof(text), "%d", at);
        struct istr *again;

        assert_int_equal(intern_get(&pool, (struct bytes){text, (uint32_t)len}, &again), 0);
        assert_ptr_equal(again, strs[at]);
        (void)intern_put(&pool, again);
        (void)intern_put(&pool, strs[at]);
    }
    intern_done(&pool);
}

UNIT_MAIN(cmocka_unit_test(test_shared), cmocka_unit_test(test_many))
