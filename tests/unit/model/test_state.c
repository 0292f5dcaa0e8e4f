// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "base/strbuf.h"
#include "model/state.h"

static void put(struct state_set *s, const char *key, const char *value, int expected)
{
    assert_int_equal(state_set_put(s, key, value, strlen(value)), expected);
}

static int apply(void *ctx, const struct state_row *row)
{
    int r = row->value ? state_set_put(ctx, row->key, row->value, row->value_len)
                       : state_set_remove(ctx, row->key);

    assert_int_equal(r, 1); // a delta holds nothing that changes nothing
    return 0;
}

static void test_checksum_follows(void **state)
{
    _cleanup_(state_set_freep) struct state_set *a = NULL, *b = NULL;
    struct state_row row;

    (void)state;
    assert_int_equal(state_set_new(&a), 0);
    assert_int_equal(state_set_new(&b), 0);
    assert_int_equal(state_set_checksum(a), 0);
    put(a, "x", "1", 1);
    put(a, "y", "2", 1);
    put(a, "x", "1", 0);
    put(b, "y", "7", 1);
    put(b, "x", "1", 1);
    assert_true(state_set_checksum(a) != state_set_checksum(b));
    put(b, "y", "2", 1);
    assert_int_equal(state_set_checksum(a), state_set_checksum(b));
    assert_int_equal(state_set_checksum(a),
                     state_row_hash("x", "1", 1) ^ state_row_hash("y", "2", 1));
    assert_int_equal(state_set_rows(a), 2);
    assert_int_equal(state_set_bytes(a), 4);
    assert_int_equal(state_set_get(a, "y", &row), 1);
    assert_string_equal(row.value, "2");
    assert_int_equal(state_set_get(a, "z", &row), 0);
    assert_int_equal(state_set_remove(a, "x"), 1);
    assert_int_equal(state_set_remove(a, "x"), 0);
    assert_int_equal(state_set_remove(a, "y"), 1);
    assert_int_equal(state_set_checksum(a), 0);
    assert_int_equal(state_set_bytes(a), 0);
}

static void test_key_and_value_do_not_run_together(void **state)
{
    (void)state;
    assert_true(state_row_hash("ab", "c", 1) != state_row_hash("a", "bc", 2));
    assert_true(state_row_hash("a", "", 0) != state_row_hash("", "a", 1));
}

// Random tables: applying the delta to the base gives the other, checksum and all.
static void test_delta_makes_one_out_of_the_other(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        _cleanup_(state_set_freep) struct state_set *base = NULL, *now = NULL;
        int n;

        assert_int_equal(state_set_new(&base), 0);
        assert_int_equal(state_set_new(&now), 0);
        n = rand_r(&seed) % 30;
        for (int i = 0; i < n; i++) {
            char key[16], value[16];

            (void)snprintf(key, sizeof(key), "k%d", rand_r(&seed) % 20);
            (void)snprintf(value, sizeof(value), "%d", rand_r(&seed) % 3);
            (void)state_set_put(rand_r(&seed) % 2 ? base : now, key, value, strlen(value));
        }
        assert_int_equal(state_delta(base, now, apply, base), 0);
        assert_int_equal(state_set_checksum(base), state_set_checksum(now));
        assert_int_equal(state_set_rows(base), state_set_rows(now));
        assert_int_equal(state_set_bytes(base), state_set_bytes(now));
        state_set_clear(base);
        assert_int_equal(state_delta(NULL, now, apply, base), 0);
        assert_int_equal(state_set_checksum(base), state_set_checksum(now));
    }
}

static void test_bounds(void **state)
{
    _cleanup_(state_set_freep) struct state_set *s = NULL;
    char key[STATE_KEY_MAX + 2] = "", *big = calloc(1, STATE_VALUE_MAX + 1);
    int n = 0, r;

    (void)state;
    assert_non_null(big);
    memset(big, 'v', STATE_VALUE_MAX + 1);
    assert_int_equal(state_set_new(&s), 0);
    put(s, "", "1", -EINVAL);
    put(s, "a\nb", "1", -EINVAL);
    put(s, "a\xff", "1", -EINVAL);
    put(s, "a", "\xff", -EINVAL);
    assert_int_equal(state_set_put(s, "a", "x\0y", 3), -EINVAL);
    memset(key, 'k', STATE_KEY_MAX + 1);
    put(s, key, "1", -EINVAL);
    key[STATE_KEY_MAX] = '\0';
    put(s, key, "1", 1);
    assert_int_equal(state_set_put(s, "big", big, STATE_VALUE_MAX + 1), -EMSGSIZE);
    do {
        (void)snprintf(key, sizeof(key), "%d", n++);
        r = state_set_put(s, key, big, STATE_VALUE_MAX);
    } while (r == 1);
    assert_int_equal(r, -ENOSPC);
    assert_true(state_set_bytes(s) <= STATE_BYTES_MAX);
    // A row may still be replaced by one that is not longer.
    put(s, "0", "small", 1);
    free(big);
}

static void test_assign(void **state)
{
    _cleanup_(state_set_freep) struct state_set *a = NULL, *b = NULL;

    (void)state;
    assert_int_equal(state_set_new(&a), 0);
    assert_int_equal(state_set_new(&b), 0);
    put(a, "x", "1", 1);
    put(b, "y", "2", 1);
    assert_int_equal(state_set_assign(b, a), 0);
    assert_int_equal(state_set_checksum(a), state_set_checksum(b));
    put(a, "x", "3", 1);
    assert_true(state_set_checksum(a) != state_set_checksum(b));
}

static void test_checksum_text(void **state)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "0",
                                      "0123456789abcdefg",
                                      "0123456789abcdeg",
                                      "0123456789ABCDEF",
                                      "0123456789abcde"};
    char text[STATE_CHECKSUM_TEXT];
    uint64_t got;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        state_checksum_format(SG_BIT(i), text);
        assert_int_equal(state_checksum_parse(text, &got), 0);
        assert_true(got == SG_BIT(i));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(state_checksum_parse(bad[i], &got), -EINVAL);
}

UNIT_MAIN(cmocka_unit_test(test_checksum_follows),
          cmocka_unit_test(test_key_and_value_do_not_run_together),
          cmocka_unit_test(test_delta_makes_one_out_of_the_other), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_assign), cmocka_unit_test(test_checksum_text))
