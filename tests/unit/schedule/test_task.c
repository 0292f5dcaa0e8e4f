// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sched.h>

#include "schedule/task.h"
#include "tests/unit/schedule/child.h"

// What needs no privileges: to give way.
static void test_apply(void **state)
{
    const struct schedule rule = {.set = SCHEDULE_OF_PROCESS | SCHEDULE_WEIGHT,
                                  .nice = 15,
                                  .policy = SCHED_BATCH,
                                  .io_class = 3};
    pid_t pid = start_child();
    struct task_schedule wanted, has;

    (void)state;
    task_wanted(&rule, &wanted);
    assert_int_equal(wanted.set, SCHEDULE_OF_PROCESS);
    assert_int_equal(task_apply((uint32_t)pid, &wanted), 1);
    assert_int_equal(task_read((uint32_t)pid, &has), 0);
    assert_int_equal(has.nice, 15);
    assert_int_equal(has.policy, SCHED_BATCH);
    assert_int_equal(has.io, 3 << 13);
    assert_int_equal(task_apply((uint32_t)pid, &wanted), 0);
    end_child(pid);
    assert_int_equal(task_apply((uint32_t)pid, &wanted), -ESRCH);
    assert_int_equal(task_read((uint32_t)pid, &has), -ESRCH);
}

static void test_leaves_the_rest(void **state)
{
    const struct task_schedule wanted = {.set = SCHEDULE_NICE, .nice = 12, .policy = SCHED_IDLE};
    pid_t pid = start_child();
    struct task_schedule has;

    (void)state;
    assert_int_equal(task_apply((uint32_t)pid, &wanted), 1);
    assert_int_equal(task_read((uint32_t)pid, &has), 0);
    assert_int_equal(has.nice, 12);
    assert_int_equal(has.policy, SCHED_OTHER);
    assert_int_equal(task_apply((uint32_t)pid, &(struct task_schedule){}), 0);
    end_child(pid);
}

UNIT_MAIN(cmocka_unit_test(test_apply), cmocka_unit_test(test_leaves_the_rest))
