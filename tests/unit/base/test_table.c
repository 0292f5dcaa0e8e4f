// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/cleanup.h"
#include "base/table.h"

static size_t freed;

static void count_free(void *value)
{
    freed++;
    free(value);
}

static void *number(uint64_t n)
{
    uint64_t *p = malloc(sizeof(*p));

    *p = n;
    return p;
}

static struct map *new_map(enum map_kind kind, size_t max, void (*free_value)(void *))
{
    struct map *m = NULL;

    assert_int_equal(map_new(kind, max, free_value, &m), 0);
    return m;
}

static void test_empty(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_U64, 0, NULL);
    struct map_iter it = {};

    (void)state;
    assert_int_equal(map_len(m), 0);
    assert_null(map_get_u64(m, 0));
    assert_null(map_take_u64(m, 0));
    assert_false(map_delete_u64(m, 0));
    assert_false(map_next(m, &it));
    map_clear(m);
    assert_null(map_free(NULL));
}

static void test_put_set_take(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_U64, 0, count_free);
    _cleanup_free_ void *spare = number(2), *taken = NULL;

    (void)state;
    freed = 0;
    assert_int_equal(map_put_u64(m, 5, number(1)), 0);
    assert_int_equal(map_put_u64(m, 5, spare), -EEXIST);
    assert_int_equal(*(uint64_t *)map_get_u64(m, 5), 1);
    assert_int_equal(map_set_u64(m, 5, TAKE_PTR(spare)), 0);
    assert_int_equal(freed, 1);
    assert_int_equal(*(uint64_t *)map_get_u64(m, 5), 2);
    // The same pointer again is not freed under its own feet.
    assert_int_equal(map_set_u64(m, 5, map_get_u64(m, 5)), 0);
    assert_int_equal(freed, 1);
    taken = map_take_u64(m, 5);
    assert_int_equal(*(uint64_t *)taken, 2);
    assert_int_equal(freed, 1);
    assert_int_equal(map_len(m), 0);
    assert_int_equal(map_set_u64(m, 0, number(3)), 0);
    assert_true(map_delete_u64(m, 0));
    assert_false(map_delete_u64(m, 0));
    assert_int_equal(freed, 2);
    assert_int_equal(map_put_u64(m, 1, NULL), -EINVAL);
    assert_int_equal(map_len(m), 0);
}

static void test_limit(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_U64, 3, NULL);
    int value = 0;

    (void)state;
    for (uint64_t k = 0; k < 3; k++)
        assert_int_equal(map_put_u64(m, k, &value), 0);
    assert_int_equal(map_put_u64(m, 3, &value), -ENOSPC);
    assert_int_equal(map_set_u64(m, 3, &value), -ENOSPC);
    assert_int_equal(map_set_u64(m, 2, &value), 0);
    assert_true(map_delete_u64(m, 0));
    assert_int_equal(map_put_u64(m, 3, &value), 0);
    assert_int_equal(map_len(m), 3);
}

static void test_strings(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_STR, 0, NULL);
    char key[] = "key";
    int a = 1, b = 2, c = 3;
    struct map_iter it = {};

    (void)state;
    assert_int_equal(map_put_str(m, key, &a), 0);
    key[0] = 'X'; // the map has a copy
    assert_ptr_equal(map_get_str(m, "key"), &a);
    assert_null(map_get_str(m, "Xey"));
    assert_int_equal(map_put_mem(m, "key\0more", 8, &b), 0);
    assert_int_equal(map_put_mem(m, NULL, 0, &c), 0);
    assert_ptr_equal(map_get_mem(m, "key\0more", 8), &b);
    assert_ptr_equal(map_get_mem(m, "key", 3), &a);
    assert_ptr_equal(map_get_str(m, ""), &c);
    assert_ptr_equal(map_take_str(m, "key"), &a);
    assert_true(map_delete_str(m, ""));
    assert_true(map_next(m, &it));
    assert_int_equal(it.key_len, 8);
    assert_memory_equal(it.key_str, "key\0more", 9);
    assert_false(map_next(m, &it));
    assert_int_equal(map_set_str(m, "s", &a), 0);
    assert_int_equal(map_set_mem(m, "s", 1, &b), 0);
    assert_ptr_equal(map_take_mem(m, "s", 1), &b);
    assert_true(map_delete_mem(m, "key\0more", 8));
    assert_int_equal(map_len(m), 0);
}

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

#define MODEL_KEYS 512

// A long random history against an array that is obviously right. Few keys, so that slots are
// removed and used again all the time.
static void test_against_a_model(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_U64, 0, NULL);
    static char values[64];
    void *model[MODEL_KEYS] = {};
    uint32_t random = 42;
    size_t len = 0;

    (void)state;
    for (int step = 0; step < 200000; step++) {
        uint64_t key = next_random(&random) % MODEL_KEYS;
        void *value = &values[next_random(&random) % sizeof(values)];

        switch (next_random(&random) % 4) {
        case 0:
            assert_int_equal(map_put_u64(m, key, value), model[key] ? -EEXIST : 0);
            if (!model[key]) {
                model[key] = value;
                len++;
            }
            break;
        case 1:
            assert_int_equal(map_set_u64(m, key, value), 0);
            len += !model[key];
            model[key] = value;
            break;
        default:
            assert_ptr_equal(map_take_u64(m, key), model[key]);
            len -= model[key] != NULL;
            model[key] = NULL;
        }
        assert_int_equal(map_len(m), len);
        key = next_random(&random) % MODEL_KEYS;
        assert_ptr_equal(map_get_u64(m, key), model[key]);
    }
}

static void test_many_and_iteration(void **state)
{
    _cleanup_(map_freep) struct map *m = new_map(MAP_U64, 0, count_free);
    static bool seen[50000];
    struct map_iter it = {};
    size_t n = 0;

    (void)state;
    freed = 0;
    for (uint64_t k = 0; k < 50000; k++)
        assert_int_equal(map_put_u64(m, k << 32, number(k)), 0);
    // Every entry once, although half of them are removed on the way.
    while (map_next(m, &it)) {
        uint64_t k = *(uint64_t *)it.value;

        assert_int_equal(it.key_u64, k << 32);
        assert_false(seen[k]);
        seen[k] = true;
        n++;
        if (k % 2)
            assert_true(map_delete_u64(m, it.key_u64));
    }
    assert_int_equal(n, 50000);
    assert_int_equal(freed, 25000);
    assert_int_equal(map_len(m), 25000);
    for (uint64_t k = 0; k < 50000; k++)
        assert_int_equal(map_get_u64(m, k << 32) != NULL, k % 2 == 0);
    map_clear(m);
    assert_int_equal(freed, 50000);
    assert_null(map_get_u64(m, 0));
    assert_int_equal(map_put_u64(m, 1, number(1)), 0);
}

UNIT_MAIN(cmocka_unit_test(test_empty), cmocka_unit_test(test_put_set_take),
          cmocka_unit_test(test_limit), cmocka_unit_test(test_strings),
          cmocka_unit_test(test_against_a_model), cmocka_unit_test(test_many_and_iteration))
