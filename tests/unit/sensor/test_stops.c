// SPDX-License-Identifier: Apache-2.0
//
// Which of those that were stopped are continued, from a table that the test fills. Who is stopped is a child of the test.
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sensor/stops.h"

struct rig {
    struct sg_stops memory;
    struct stops_view view;
    pid_t pid;
    unsigned n_handed;
};

static int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->view.memory = &rig->memory;
    rig->pid = fork();
    if (rig->pid == 0) {
        (void)raise(SIGSTOP);
        _exit(0);
    }
    assert_true(rig->pid > 0);
    assert_int_equal(waitpid(rig->pid, NULL, WUNTRACED), rig->pid);
    *state = rig;
    return 0;
}

static int rig_teardown(void **state)
{
    struct rig *rig = *state;

    if (rig->pid) {
        (void)kill(rig->pid, SIGKILL);
        (void)waitpid(rig->pid, NULL, 0);
    }
    free(rig);
    return 0;
}

static void stopped_at(struct rig *rig, uint64_t time_ns)
{
    rig->memory.slots[SG_STOPS_MAX - 1] = (struct sg_stopped){.claims = 1,
                                                              .time_ns = time_ns,
                                                              .tgid = (uint32_t)rig->pid,
                                                              .stopped = 1};
}

static void count(void *ctx, const struct sg_stopped *stopped)
{
    struct rig *rig = ctx;

    assert_int_equal(stopped->tgid, rig->pid);
    rig->n_handed++;
}

static void assert_goes_on(struct rig *rig)
{
    int status;

    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    assert_true(WIFEXITED(status));
    rig->pid = 0;
}

static void test_all(void **state)
{
    struct rig *rig = *state;

    stopped_at(rig, now_ns(CLOCK_BOOTTIME));
    assert_int_equal(stops_each(&rig->view, 0, count, rig), 1);
    assert_int_equal(rig->n_handed, 1);
    assert_int_equal(rig->memory.late, 0);
    assert_goes_on(rig);
    assert_int_equal(rig->memory.slots[SG_STOPS_MAX - 1].claims, 0);
    assert_int_equal(stops_each(&rig->view, 0, count, rig), 0);
}

static void test_without_rule(void **state)
{
    struct rig *rig = *state;

    stopped_at(rig, now_ns(CLOCK_BOOTTIME));
    assert_int_equal(stops_each(&rig->view, 0, NULL, NULL), 1);
    assert_int_equal(rig->memory.late, 1);
    assert_goes_on(rig);
}

static void test_only_old_ones(void **state)
{
    struct rig *rig = *state;
    uint64_t now = now_ns(CLOCK_BOOTTIME);

    stopped_at(rig, now);
    assert_int_equal(stops_each(&rig->view, 3600 * NS_PER_SEC, count, rig), 0);
    // Stopped after whoever looks had looked at the clock.
    stopped_at(rig, now + 3600 * NS_PER_SEC);
    assert_int_equal(stops_each(&rig->view, NS_PER_SEC, count, rig), 0);
    assert_int_equal(rig->memory.slots[SG_STOPS_MAX - 1].stopped, 1);
    stopped_at(rig, now - 2 * NS_PER_SEC);
    assert_int_equal(stops_each(&rig->view, NS_PER_SEC, count, rig), 1);
    assert_goes_on(rig);
}

UNIT_MAIN(cmocka_unit_test_setup_teardown(test_all, rig_setup, rig_teardown),
          cmocka_unit_test_setup_teardown(test_without_rule, rig_setup, rig_teardown),
          cmocka_unit_test_setup_teardown(test_only_old_ones, rig_setup, rig_teardown))
