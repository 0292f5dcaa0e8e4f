// SPDX-License-Identifier: Apache-2.0
//
// Whether changes of the directory of policies are noticed is known.
#include "tests/unit/unit.h"

#include <sys/inotify.h>
#include <sys/syscall.h>

#include "agent/agent.h"
#include "base/macro.h"

#define WAIT_MS 5000

static int refuse; // errno of inotify_add_watch(); 0: it works
static unsigned n_reloads;

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    if (refuse) {
        errno = refuse;
        return -1;
    }
    return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

void policies_reload(struct agent *a, const char *why)
{
    (void)a;
    (void)why;
    n_reloads++;
}

static struct agent *open_bench(void)
{
    struct agent *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    n_reloads = 0;
    refuse = 0;
    a->policy_watch.fd = -1;
    a->config.policy_dir = unit_mkdtemp();
    assert_int_equal(loop_new(&a->loop), 0);
    return a;
}

static void close_bench(struct agent *a)
{
    policywatch_stop(a);
    loop_free(a->loop);
    unit_rmdir(a->config.policy_dir);
    free(a);
}

static void make_change(struct agent *a)
{
    int fd = open(unit_path(a->config.policy_dir, "x.yaml"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
    while (n_reloads == 0)
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
}

static void test_notices(void **state)
{
    struct agent *a = open_bench();

    (void)state;
    policywatch_start(a);
    assert_int_equal(a->policy_watch.error, 0);
    make_change(a);
    close_bench(a);
}

// The kernel has no watches left: that is known, and tried again.
static void test_no_watches_left(void **state)
{
    struct agent *a = open_bench();

    (void)state;
    refuse = ENOSPC;
    policywatch_start(a);
    assert_int_equal(a->policy_watch.error, -ENOSPC);
    policywatch_retry(a);
    assert_int_equal(a->policy_watch.error, -ENOSPC);
    refuse = 0;
    policywatch_retry(a);
    assert_int_equal(a->policy_watch.error, 0);
    make_change(a);
    close_bench(a);
}

// One that is not there yet is no mistake: the directory above says when it comes.
static void test_comes_later(void **state)
{
    struct agent *a = open_bench();
    char *above = a->config.policy_dir;

    (void)state;
    assert_true(asprintf(&a->config.policy_dir, "%s/policies", above) > 0);
    policywatch_start(a);
    assert_int_equal(a->policy_watch.error, 0);
    assert_int_equal(mkdir(a->config.policy_dir, 0700), 0);
    make_change(a);
    free(a->config.policy_dir);
    a->config.policy_dir = above;
    close_bench(a);
}

UNIT_MAIN(cmocka_unit_test(test_notices), cmocka_unit_test(test_no_watches_left),
          cmocka_unit_test(test_comes_later))
