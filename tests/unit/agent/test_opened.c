// SPDX-License-Identifier: Apache-2.0
//
// Against the real procfs: a child holds files open.
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/mounts.h"
#include "agent/opened.h"
#include "base/fd.h"
#include "base/macro.h"
#include "policy/policy.h"

struct bench {
    char *dir;
    struct policy *policy;
    struct policy_image *image;
    struct mount_view view;
    pid_t child;
    int gate;
};

static void open_bench(struct bench *b)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diags diags = {};

    *b = (struct bench){.dir = unit_mkdtemp()};
    sb_printf(
        &sb,
        "safeguard: 1\nmode: enforce\nfiles:\n  - {path: \"%s/secret\", access: [read, write], do: deny}\n"
        "  - {path: \"%s/log\", access: write, do: deny}\n",
        b->dir, b->dir);
    assert_int_equal(mount_view_read("/proc/self/mountinfo", NULL, &b->view), 0);
    assert_int_equal(policy_load_buffer("test", sb_str(&sb), sb.len, NULL, &diags, &b->policy), 0);
    assert_int_equal(policy_compile(b->policy, b->view.all, NULL, &diags, &b->image), 0);
    policy_diags_done(&diags);
}

// The child says that it is ready by writing, and ends when the gate is closed.
static void hold(struct bench *b)
{
    int ready[2], gate[2];
    char c;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    b->child = fork();
    assert_true(b->child >= 0);
    if (b->child == 0) {
        (void)close(gate[1]);
        (void)prctl(PR_SET_NAME, "a) S 1 (b");
        (void)open(unit_path(b->dir, "secret"), O_RDWR | O_CREAT, 0600); // 3 …
        (void)open(unit_path(b->dir, "secret"), O_PATH);                 // no use
        (void)open(unit_path(b->dir, "log"), O_RDONLY | O_CREAT, 0600);  // not what is denied
        (void)open(unit_path(b->dir, "log"), O_WRONLY | O_APPEND);
        (void)open(unit_path(b->dir, "gone"), O_RDWR | O_CREAT, 0600);
        (void)unlink(unit_path(b->dir, "gone"));
        if (write(ready[1], "x", 1) != 1 || read(gate[0], &c, 1) < 0)
            _exit(1);
        _exit(0);
    }
    (void)close(gate[0]);
    (void)close(ready[1]);
    b->gate = gate[1];
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
}

static void close_bench(struct bench *b)
{
    int status;

    (void)close(b->gate);
    assert_int_equal(waitpid(b->child, &status, 0), b->child);
    assert_int_equal(status, 0);
    policy_image_free(b->image);
    policy_free(b->policy);
    mount_view_done(&b->view);
    unit_rmdir(b->dir);
}

static void test_finds_what_a_process_holds(void **state)
{
    const struct opened_task *t;
    uint32_t secret = 0, log = 0;
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    hold(&b);
    assert_int_equal(opened_find("/proc", b.image, b.view.all, NULL, 0, NULL, NULL, &o), 0);
    assert_int_equal(o.n_tasks, 1);
    assert_int_equal(o.n_files, 2);
    t = &o.tasks[0];
    assert_int_equal(t->pid, b.child);
    assert_string_equal(t->comm, "a) S 1 (b");
    assert_true(t->start_ns > 0);
    assert_true(t->n_gids >= 1);
    assert_int_equal(t->gids[0], getegid());
    for (size_t i = 0; i < o.n_files; i++) {
        if (strstr(o.files[i].shown, "/secret"))
            secret |= o.files[i].ops;
        if (strstr(o.files[i].shown, "/log"))
            log |= o.files[i].ops;
        assert_int_not_equal(o.files[i].dev, 0);
        assert_int_equal(o.files[i].path[0], '/');
    }
    assert_int_equal(secret, SG_OP_READ | SG_OP_WRITE);
    assert_int_equal(log, SG_OP_WRITE);
    opened_done(&o);
    close_bench(&b);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_stops(void **state)
{
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    hold(&b);
    assert_int_equal(opened_find("/proc", b.image, b.view.all, NULL, 0, at_once, NULL, &o),
                     -ECANCELED);
    assert_int_equal(o.n_files, 0);
    opened_done(&o);
    assert_int_equal(opened_find("/nonexistent", b.image, b.view.all, NULL, 0, NULL, NULL, &o),
                     -ENOENT);
    opened_done(&o);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_finds_what_a_process_holds), cmocka_unit_test(test_stops))
