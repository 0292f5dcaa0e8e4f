// SPDX-License-Identifier: Apache-2.0
//
// What the table says after records, with a /proc made for the test.
#include "tests/unit/process/table.h"

static void test_scanned(void **state)
{
    struct fixture *f = *state;
    const struct who *w;

    assert_int_equal(counters(f).live, 3);
    event_of(f->ev, EVENT_FILE, 20, 200, AT(300));
    f->ev->process.euid = f->ev->process.login_uid = 1000;
    apply(f);
    w = f->ev->who;
    assert_text(w->exe, "/usr/bin/bash");
    assert_text(w->cmdline, "-bash");
    assert_text(w->comm, "p20"); // renamed since
    assert_text(w->user, "ann");
    assert_text(w->login_user, "ann");
    assert_text(w->group, "root");
    assert_int_equal(w->session, SG_SESSION_SSH);
    assert_int_equal(w->ref.start_ns, 200 * PROCESS_TICK_NS + 12345); // exact by now
    assert_int_equal(w->n_ancestors, 2);
    assert_text(w->ancestors[0].exe, "/usr/sbin/sshd");
    assert_text(w->ancestors[1].comm, "systemd");
    assert_false(w->exe_foreign || w->incomplete || w->kthread);
    assert_int_equal(counters(f).completed, 0);
    w = access_by(f, 1, 1, AT(300));
    assert_int_equal(w->session, SG_SESSION_SERVICE);
    assert_int_equal(w->n_ancestors, 0);
}

static void test_life(void **state)
{
    struct fixture *f = *state;
    const struct who *w;

    event_fork(f->ev, 20, 200, 30, 500, AT(5));
    f->ev->process.euid = 1000;
    apply(f);
    assert_text(f->ev->who->exe, "/usr/bin/bash");
    assert_int_equal(f->ev->who->ref.tgid, 20);
    w = f->ev->target;
    assert_int_equal(w->ref.tgid, 30);
    assert_text(w->exe, "/usr/bin/bash");
    assert_text(w->user, "ann");
    assert_int_equal(w->session, SG_SESSION_SSH);
    assert_int_equal(w->n_ancestors, 3);
    assert_int_equal(w->ancestors[0].ref.tgid, 20);

    event_exec(f->ev, 30, 500, "/usr/bin/cat", "cat\0/etc/x\0", 11, AT(6));
    apply(f);
    assert_text(f->ev->who->exe, "/usr/bin/bash"); // who called exec
    assert_text(f->ev->target->exe, "/usr/bin/cat");
    assert_text(f->ev->target->cmdline, "cat /etc/x");
    assert_true(f->ev->who->serial != f->ev->target->serial);

    w = access_by(f, 30, 500, AT(7));
    assert_text(w->exe, "/usr/bin/cat");
    assert_text(w->comm, "p30");

    event_of(f->ev, EVENT_EXIT, 30, 500, AT(8));
    apply(f);
    assert_ptr_equal(f->ev->who, f->ev->target);
    assert_int_equal(counters(f).dead, 1);
    // A record of another ring comes behind the exit.
    w = access_by(f, 30, 500, AT(7) + 5);
    assert_text(w->exe, "/usr/bin/cat");
    assert_int_equal(counters(f).forked, 1);
    assert_int_equal(counters(f).completed + counters(f).incomplete, 0);
}

static void test_access_before_exec(void **state)
{
    struct fixture *f = *state;

    event_exec(f->ev, 20, 200, "/usr/bin/cat", "cat\0", 4, AT(50));
    apply(f);
    assert_text(access_by(f, 20, 200, AT(49))->exe, "/usr/bin/bash");
    assert_text(access_by(f, 20, 200, AT(50))->exe, "/usr/bin/cat");
    assert_int_equal(counters(f).late, 1);
    // Records are not that late: what was before is forgotten.
    process_table_tick(f->t, AT(100));
    assert_text(access_by(f, 20, 200, AT(49))->exe, "/usr/bin/cat");
}

static void test_exec_without_arguments(void **state)
{
    struct fixture *f = *state;
    struct fake now = shell;

    now.cmdline = "vim notes";
    fake_add(f->proc, &now);
    event_exec(f->ev, 20, 200, "/usr/bin/vim", "", 0, AT(5));
    apply(f);
    assert_text(f->ev->target->cmdline, "vim notes");
    // Another process has the number by now.
    now.start_ticks = 999;
    fake_add(f->proc, &now);
    event_exec(f->ev, 20, 200, "/usr/bin/ls", "", 0, AT(6));
    apply(f);
    assert_text(f->ev->target->exe, "/usr/bin/ls");
    assert_text(f->ev->target->cmdline, "");
}

// procfs was read after the exec that a late record tells of: it knows better.
static void test_old_exec(void **state)
{
    struct fixture *f = *state;

    event_exec(f->ev, 20, 200, "/usr/bin/login", "login\0", 6, 1);
    apply(f);
    assert_text(f->ev->target->exe, "/usr/bin/bash");
    assert_text(access_by(f, 20, 200, AT(9))->exe, "/usr/bin/bash");
}

static void test_unknown_is_completed(void **state)
{
    struct fixture *f = *state;
    struct fake child = {.pid = 40,
                         .ppid = 41,
                         .start_ticks = 700,
                         .comm = "p40",
                         .exe = "/usr/bin/make",
                         .mnt_ns = 5,
                         .login_uid = ID_NONE};
    struct fake parent = {.pid = 41,
                          .ppid = 20,
                          .start_ticks = 650,
                          .comm = "sh",
                          .exe = "/usr/bin/dash",
                          .login_uid = ID_NONE};
    const struct who *w;

    fake_add(f->proc, &child);
    fake_add(f->proc, &parent);
    w = access_by(f, 40, 700, AT(9));
    assert_text(w->exe, "/usr/bin/make");
    assert_true(w->exe_foreign); // another mount namespace than that of process 1
    assert_int_equal(w->n_ancestors, 4);
    assert_text(w->ancestors[0].exe, "/usr/bin/dash");
    assert_int_equal(w->session, SG_SESSION_SSH);
    assert_int_equal(counters(f).completed, 1);
    assert_int_equal(counters(f).live, 5);
}

static void test_unknown_and_gone(void **state)
{
    struct fixture *f = *state;
    const struct who *w;

    event_of(f->ev, EVENT_FILE, 50, 800, AT(9));
    f->ev->process.parent = (struct process_ref){20, 200 * PROCESS_TICK_NS};
    apply(f);
    w = f->ev->who;
    assert_true(w->incomplete);
    assert_text(w->exe, "");
    assert_text(w->comm, "p50");
    assert_int_equal(w->ancestors[0].ref.tgid, 20);
    assert_int_equal(w->session, SG_SESSION_SSH);
    assert_int_equal(counters(f).incomplete, 1);
    // Its fork record comes late and says what it was.
    event_fork(f->ev, 20, 200, 50, 800, AT(8));
    apply(f);
    assert_false(f->ev->target->incomplete);
    assert_text(f->ev->target->exe, "/usr/bin/bash");
    // An exec of one that nobody knew: its parent's copy before, itself after.
    event_exec(f->ev, 60, 900, "/usr/bin/id", "id\0", 3, AT(9));
    f->ev->process.parent = (struct process_ref){20, 200 * PROCESS_TICK_NS};
    apply(f);
    assert_text(f->ev->who->exe, "/usr/bin/bash");
    assert_text(f->ev->target->exe, "/usr/bin/id");
}

static void test_pid_comes_round(void **state)
{
    struct fixture *f = *state;
    struct fake next = {.pid = 20,
                        .ppid = 1,
                        .start_ticks = 5000,
                        .comm = "p20",
                        .exe = "/usr/sbin/nginx",
                        .login_uid = ID_NONE};
    const struct who *w;

    fake_add(f->proc, &next);
    w = access_by(f, 20, 5000, AT(60));
    assert_text(w->exe, "/usr/sbin/nginx");
    assert_int_equal(w->session, SG_SESSION_SERVICE);
    assert_text(access_by(f, 20, 200, AT(59))->exe, "/usr/bin/bash");
    assert_int_equal(counters(f).live, 4);
    // Its exit was missed: the patrol finds out.
    process_table_tick(f->t, AT(61));
    assert_int_equal(counters(f).missed_exits, 1);
    assert_int_equal(counters(f).live, 3);
}

static void test_dead_expire(void **state)
{
    struct fixture *f = *state;
    const struct who *w;

    event_fork(f->ev, 20, 200, 30, 500, AT(1));
    apply(f);
    event_fork(f->ev, 30, 500, 31, 501, AT(2));
    apply(f);
    event_of(f->ev, EVENT_EXIT, 30, 500, AT(3));
    apply(f);
    process_table_tick(f->t, AT(62));
    assert_int_equal(counters(f).dead, 1 + counters(f).missed_exits);
    process_table_tick(f->t, AT(64));
    // Held for the child that still shows it.
    w = access_by(f, 31, 501, AT(64));
    assert_int_equal(w->n_ancestors, 4);
    assert_int_equal(w->ancestors[0].ref.tgid, 30);
    event_of(f->ev, EVENT_EXIT, 31, 501, AT(65));
    apply(f);
    process_table_tick(f->t, AT(1000));
    assert_int_equal(counters(f).dead, 0);
    assert_int_equal(counters(f).live, 3);
    assert_int_equal(counters(f).evicted_dead, 0);
}

static void test_serial(void **state)
{
    struct fixture *f = *state;
    uint64_t first, second;

    first = access_by(f, 20, 200, AT(1))->serial;
    assert_true(access_by(f, 20, 200, AT(2))->serial == first);
    assert_true(access_by(f, 10, 100, AT(2))->serial != first);
    // Something about an ancestor
    event_exec(f->ev, 10, 100, "/usr/sbin/sshd2", "sshd2\0", 6, AT(3));
    apply(f);
    second = access_by(f, 20, 200, AT(4))->serial;
    assert_true(second != first);
    assert_text(f->ev->who->ancestors[0].exe, "/usr/sbin/sshd2");
    // Its own ids
    event_of(f->ev, EVENT_FILE, 20, 200, AT(4));
    f->ev->process.euid = 7;
    apply(f);
    assert_true(f->ev->who->serial != second);
    assert_int_equal(f->ev->who->euid, 7);
    // A thread's name is not the process's.
    second = f->ev->who->serial;
    f->ev->process.tid = 21;
    memcpy(f->ev->process.comm, "worker", 6);
    f->ev->process.comm_len = 6;
    apply(f);
    assert_true(f->ev->who->serial == second);
    assert_text(f->ev->who->comm, "p20");
    // Names of users
    put_file(f->proc, "passwd", "seven:x:7:7::/:\n");
    f->ev->time_ns = AT(60);
    apply(f);
    assert_true(f->ev->who->serial != second);
    assert_text(f->ev->who->user, "seven");
}

static void test_hostile_comm(void **state)
{
    struct fixture *f = *state;

    event_of(f->ev, EVENT_FILE, 20, 200, AT(1));
    memcpy(f->ev->process.comm, "\xff\n\"\\\x01)xxxxxxxxxx", 16);
    f->ev->process.comm_len = 16;
    apply(f);
    assert_text(f->ev->who->comm, "\xff\n\"\\\x01)xxxxxxxxxx");
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_cgroup_moves(void **state)
{
    struct fixture *f = *state;
    struct fake moved = shell;
    struct stat st;

    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(f->proc, "docker/" HEX), 0755), 0);
    assert_int_equal(stat(unit_path(f->proc, "docker/" HEX), &st), 0);
    moved.cgroup = "/docker/" HEX;
    fake_add(f->proc, &moved);
    event_of(f->ev, EVENT_FILE, 20, 200, AT(1));
    f->ev->process.cgroup_id = st.st_ino;
    apply(f);
    assert_text(f->ev->who->cgroup, "/docker/" HEX);
    assert_text(f->ev->who->container_id, HEX);
    assert_text(f->ev->who->container_runtime, "docker");
    // A number that leads nowhere: better no path than the old one.
    f->ev->process.cgroup_id = st.st_ino + 1000000;
    apply(f);
    assert_text(f->ev->who->cgroup, "");
    assert_text(f->ev->who->container_id, "");
    assert_true(f->ev->who->cgroup_id == st.st_ino + 1000000);
}

// What sets its ids, or is moved, and executes a program at once: who executed it has them already.
static void test_ids_before_exec(void **state)
{
    struct fixture *f = *state;

    event_fork(f->ev, 10, 100, 70, 900, AT(1));
    f->ev->process.cgroup_id = 5;
    apply(f);
    assert_int_equal(f->ev->target->euid, 0);
    event_exec(f->ev, 70, 900, "/usr/bin/bash", "bash\0", 5, AT(2));
    f->ev->process.uid = f->ev->process.euid = 1000;
    f->ev->process.cgroup_id = 6;
    apply(f);
    assert_text(f->ev->who->exe, "/usr/sbin/sshd");
    assert_text(f->ev->who->user, "ann");
    assert_int_equal(f->ev->who->cgroup_id, 6);
    assert_text(f->ev->target->user, "ann");
    // But where the program may have brought them.
    for (int secure = 0; secure < 2; secure++) {
        event_exec(f->ev, 70, 900, "/usr/bin/sudo", "sudo\0", 5, AT(3 + secure));
        f->ev->process.uid = 1000;
        f->ev->process.euid = secure ? 0 : 7;
        f->ev->process.cgroup_id = 6;
        f->ev->launch.flags = secure ? SG_LAUNCH_SECURE : 0;
        f->ev->mode_bits = secure ? 0 : S_IFREG | S_ISUID | 0755;
        apply(f);
        assert_int_equal(f->ev->who->euid, secure ? 7 : 1000);
        assert_int_equal(f->ev->target->euid, secure ? 0 : 7);
    }
}

static void test_sessions(void **state)
{
    struct fixture *f = *state;

    // A daemon restarted by process 1 is a service, cron's jobs are cron's.
    event_fork(f->ev, 1, 1, 70, 900, AT(1));
    apply(f);
    assert_int_equal(f->ev->target->session, SG_SESSION_SERVICE);
    event_exec(f->ev, 70, 900, "/usr/sbin/cron", "cron\0", 5, AT(2));
    apply(f);
    assert_int_equal(f->ev->target->session, SG_SESSION_CRON);
    event_fork(f->ev, 70, 900, 71, 901, AT(3));
    apply(f);
    event_exec(f->ev, 71, 901, "/bin/sh", "sh\0", 3, AT(4));
    apply(f);
    assert_int_equal(f->ev->target->session, SG_SESSION_CRON);
    // A file system that is not the host's does not make a session.
    event_exec(f->ev, 71, 901, "/usr/sbin/sshd", "sshd\0", 5, AT(5));
    f->ev->path.kind = EVENT_PATH_FILESYSTEM;
    apply(f);
    assert_int_equal(f->ev->target->session, SG_SESSION_CRON);
    assert_true(f->ev->target->exe_foreign);
}

static void test_no_lifecycle(void **state)
{
    struct fixture *f = *state;
    struct fake now = shell;
    open_table(f, &(struct process_options){.no_lifecycle = true});
    now.exe = "/usr/bin/python3";
    now.comm = "p20";
    fake_add(f->proc, &now);
    // The name changed: somebody executed something, or says so.
    assert_text(access_by(f, 20, 200, AT(0))->exe, "/usr/bin/python3");
    assert_int_equal(counters(f).reread, 1);
    (void)access_by(f, 20, 200, AT(0) + 1);
    assert_int_equal(counters(f).reread, 1);
    now.exe = "/usr/bin/perl";
    fake_add(f->proc, &now);
    assert_text(access_by(f, 20, 200, AT(2))->exe, "/usr/bin/perl");
    assert_int_equal(counters(f).reread, 2);
}

static void test_other_kinds(void **state)
{
    struct fixture *f = *state;

    event_of(f->ev, EVENT_MOUNT, 20, 200, AT(1));
    apply(f);
    assert_null(f->ev->who);
    event_of(f->ev, EVENT_CANARY, 20, 200, AT(1));
    apply(f);
    assert_non_null(f->ev->who);
    event_of(f->ev, EVENT_FILE, 0, 0, AT(1)); // the idle task, or nobody said
    apply(f);
    assert_null(f->ev->who);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_scanned), TEST(test_life), TEST(test_access_before_exec),
          TEST(test_exec_without_arguments), TEST(test_old_exec), TEST(test_unknown_is_completed),
          TEST(test_unknown_and_gone), TEST(test_pid_comes_round), TEST(test_dead_expire),
          TEST(test_serial), TEST(test_hostile_comm), TEST(test_cgroup_moves),
          TEST(test_ids_before_exec), TEST(test_sessions), TEST(test_no_lifecycle),
          TEST(test_other_kinds))
