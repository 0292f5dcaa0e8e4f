// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "model/event.h"

static void test_new_reset(void **state)
{
    _cleanup_(event_freep) struct event *ev = NULL;
    char *s;

    (void)state;
    assert_int_equal(event_new(&ev), 0);
    assert_int_equal(ev->count, 1);
    assert_int_equal(ev->rule_index, SG_RULE_NONE);
    s = event_alloc(ev, 10);
    assert_non_null(s);
    memset(s, 'x', 10);
    ev->path.bytes = (struct bytes){s, 10};
    ev->kind = EVENT_EXEC;
    event_reset(ev);
    assert_int_equal(ev->kind, EVENT_NONE);
    assert_int_equal(ev->path.bytes.len, 0);
    assert_ptr_equal(event_alloc(ev, 10), s);
}

static void test_arena_bound(void **state)
{
    _cleanup_(event_freep) struct event *ev = NULL;

    (void)state;
    assert_int_equal(event_new(&ev), 0);
    assert_non_null(event_alloc(ev, EVENT_ARENA_SIZE - 1));
    assert_null(event_alloc(ev, 2));
    assert_null(event_alloc(ev, UINT32_MAX));
    assert_non_null(event_alloc(ev, 1));
    assert_null(event_alloc(ev, 1));
    assert_non_null(event_alloc(ev, 0));
    assert_null(event_free(NULL));
}

static void test_basename(void **state)
{
    static const struct {
        struct bytes path, name;
    } rows[] = {
        {BYTES("/etc/shadow"), BYTES("shadow")},
        {BYTES("shadow"), BYTES("shadow")},
        {BYTES("/"), BYTES("")},
        {BYTES("/a/"), BYTES("")},
        {{NULL, 0}, {NULL, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(bytes_equal(bytes_basename(rows[i].path), rows[i].name));
}

static void test_ref_same(void **state)
{
    struct process_ref exact = {7, 123456789012}, ticks = {7, 123450000000};
    struct process_ref later = {7, 123460000000}, other = {8, 123456789012};

    (void)state;
    assert_true(process_ref_same(&exact, &ticks));
    assert_false(process_ref_same(&exact, &later));
    assert_false(process_ref_same(&exact, &other));
    assert_int_equal(process_ref_ticks(&exact), 12345);
}

UNIT_MAIN(cmocka_unit_test(test_new_reset), cmocka_unit_test(test_arena_bound),
          cmocka_unit_test(test_basename), cmocka_unit_test(test_ref_same))
