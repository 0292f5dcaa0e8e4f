// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <errno.h>

#include "schedule/affinity.h"
#include "tests/unit/schedule/child.h"

static void test_put_back(void **state)
{
    pid_t pid = start_child();
    struct affinities before = {};
    struct affinity all, now;
    cpu_set_t one;
    int cpu = 0;

    (void)state;
    assert_int_equal(affinity_read((uint32_t)pid, &all), 0);
    while (!CPU_ISSET(cpu, &all.cpus))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(pid, sizeof(one), &one), 0);
    assert_int_equal(affinities_read((uint32_t)pid, &before), 0);
    assert_int_equal(before.n, 1);
    assert_int_equal(before.items[0].tid, (uint32_t)pid);

    // As the kernel does it to who is moved.
    assert_int_equal(sched_setaffinity(pid, sizeof(all.cpus), &all.cpus), 0);
    affinities_put_back(&before);
    assert_int_equal(affinity_read((uint32_t)pid, &now), 0);
    assert_true(CPU_EQUAL(&now.cpus, &one));
    affinities_done(&before);
    assert_null(before.items);
    end_child(pid);
}

static void test_gone(void **state)
{
    pid_t pid = start_child();
    struct affinities list = {};
    struct affinity a = {};

    (void)state;
    assert_int_equal(affinity_read((uint32_t)pid, &a), 0);
    end_child(pid);
    affinity_put_back(&a);
    assert_int_equal(affinity_read((uint32_t)pid, &a), -ESRCH);
    assert_int_equal(affinities_read((uint32_t)pid, &list), -ESRCH);
    assert_null(list.items);
}

UNIT_MAIN(cmocka_unit_test(test_put_back), cmocka_unit_test(test_gone))
