// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "sensor/rows.h"
#include "sensor/sensor.h"

static void test_hooks_are_numbered_as_in_records(void **state)
{
    (void)state;
    assert_string_equal(hook_row(SG_HOOK_file_open - 1)->id, "file_open");
    assert_string_equal(hook_row(SG_HOOK_sb_umount - 1)->id, "sb_umount");
    assert_int_equal(hook_index("file_open"), SG_HOOK_file_open - 1);
    assert_int_equal(hook_index("no_such_hook"), HOOKS);
    assert_null(hook_row(HOOKS));
}

static void test_ids_are_unique_and_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOOKS; i++) {
        assert_int_equal(hook_index(hook_row(i)->id), i);
        assert_true(strlen(hook_row(i)->help) > 10);
    }
}

static void test_a_canary_proves_one_hook(void **state)
{
    size_t used[CANARY_COUNT] = {0};

    (void)state;
    for (size_t i = 0; i < HOOKS; i++)
        used[hook_row(i)->canary]++;
    // But for a close that is recorded, which proves its open; and three hooks have nothing to refuse or record.
    for (size_t kind = CANARY_open; kind < CANARY_COUNT; kind++)
        assert_int_equal(used[kind], kind == CANARY_io ? 2 : 1);
    assert_int_equal(hook_row(SG_HOOK_sb_kern_mount - 1)->canary, CANARY_none);
    assert_int_equal(hook_row(SG_HOOK_file_set_fowner - 1)->canary, CANARY_none);
    assert_int_equal(hook_row(SG_HOOK_socket_accept - 1)->canary, CANARY_none);
    assert_int_equal(used[CANARY_none], 3);
}

// The defence's own programs are asked by the self-test, each by an act of its own.
static void test_the_defence_proves_itself(void **state)
{
    static const char *const not_asked[] = {"guard_move", "fexit_cgroup_procs_write_start",
                                            "fexit_cgroup_file_write", "fexit_cgroup_can_fork"};
    const struct extra_row *row;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; (row = extra_row(i)); i++) {
        size_t asked = row->guard != 0;

        if (row->feature != SENSOR_FEATURE_DEFENCE)
            continue;
        if (row->guard) {
            assert_string_equal(guard_row(row->guard - 1)->program, row->program);
            assert_int_equal(guard_extra(row->guard - 1), i);
        }
        for (size_t k = 0; k < ARRAY_SIZE(not_asked); k++)
            asked += strcmp(not_asked[k], row->program) == 0;
        assert_int_equal(asked, 1);
        n++;
    }
    assert_int_equal(n, GUARDS + ARRAY_SIZE(not_asked));
    for (size_t g = 0; g < GUARDS; g++) {
        assert_int_equal(guard_row(g)->canary, 1 + g);
        for (size_t other = 0; other < g; other++)
            assert_int_not_equal(guard_row(g)->act, guard_row(other)->act);
    }
    assert_null(guard_row(GUARDS));
    assert_true(PROVED <= SENSOR_HOOKS_MAX);
}

static void test_siblings_are_hooks(void **state)
{
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < HOOKS; i++) {
        const char *sibling = hook_sibling(hook_row(i)->id);

        if (!sibling)
            continue;
        n++;
        // One may lead to the next older one, but no way goes round.
        for (size_t steps = 0; sibling; sibling = hook_sibling(sibling)) {
            assert_true(hook_index(sibling) < HOOKS);
            assert_true(++steps < HOOKS);
        }
    }
    assert_int_equal(n, 8);
}

static void test_extras_say_what_is_lost(void **state)
{
    const struct extra_row *row;
    size_t n = 0;

    (void)state;
    for (; (row = extra_row(n)); n++)
        assert_true(row->required || row->without);
    assert_true(n >= 3 && n <= EXTRAS_MAX);
}

UNIT_MAIN(cmocka_unit_test(test_hooks_are_numbered_as_in_records),
          cmocka_unit_test(test_ids_are_unique_and_explained),
          cmocka_unit_test(test_a_canary_proves_one_hook),
          cmocka_unit_test(test_the_defence_proves_itself),
          cmocka_unit_test(test_siblings_are_hooks), cmocka_unit_test(test_extras_say_what_is_lost))
