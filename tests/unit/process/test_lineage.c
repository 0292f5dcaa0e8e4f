// SPDX-License-Identifier: Apache-2.0
//
// Who descends from whom: orphans, numbers that come round, threads that execute, processes that are older than the table,
// and scans in between.
#include "tests/unit/process/table.h"

#include "base/strutil.h"

static void fork_of(struct fixture *f, uint32_t pid, uint64_t ticks, uint32_t child,
                    uint64_t child_ticks, uint64_t time_ns)
{
    event_fork(f->ev, pid, ticks, child, child_ticks, time_ns);
    apply(f);
}

static void end_of(struct fixture *f, uint32_t pid, uint64_t ticks, uint64_t time_ns)
{
    event_of(f->ev, EVENT_EXIT, pid, ticks, time_ns);
    apply(f);
}

// Its parent ends, and process 1 takes it over: who forked it stays who forked it.
static void test_orphan(void **state)
{
    struct fixture *f = *state;
    struct fake adopted = {.pid = 31, .ppid = 1, .start_ticks = 501, .comm = "p31"};
    const struct who *w;

    fake_add(f->proc, &adopted);
    fork_of(f, 20, 200, 30, 500, AT(1));
    fork_of(f, 30, 500, 31, 501, AT(2));
    end_of(f, 30, 500, AT(3));
    for (int minutes = 0; minutes < 5; minutes++)
        process_table_tick(f->t, AT(60 * minutes));
    event_of(f->ev, EVENT_FILE, 31, 501, AT(400));
    f->ev->process.parent = (struct process_ref){1, PROCESS_TICK_NS};
    apply(f);
    w = f->ev->who;
    assert_int_equal(w->n_ancestors, 4);
    assert_int_equal(w->ancestors[0].ref.tgid, 30);
    assert_int_equal(w->ancestors[1].ref.tgid, 20);
    assert_int_equal(w->session, SG_SESSION_SSH);
}

// procfs was read while the record of the fork was still on its way, and by then the parent was gone.
static void test_scan_before_fork_record(void **state)
{
    struct fixture *f = *state;
    struct fake adopted = {.pid = 31,
                           .ppid = 1,
                           .start_ticks = 501,
                           .comm = "p31",
                           .exe = "/usr/bin/sleep",
                           .login_uid = ID_NONE};

    fake_add(f->proc, &adopted);
    assert_int_equal(process_table_scan(f->t), 0);
    assert_int_equal(access_by(f, 31, 501, AT(9))->n_ancestors, 1);
    fork_of(f, 20, 200, 30, 500, AT(1));
    fork_of(f, 30, 500, 31, 501, AT(2));
    end_of(f, 30, 500, AT(3));
    assert_int_equal(access_by(f, 31, 501, AT(9))->n_ancestors, 4);
    assert_int_equal(f->ev->who->ancestors[0].ref.tgid, 30);
    assert_text(f->ev->who->exe, "/usr/bin/sleep");
    // Process 1 has one child fewer, and nobody is held for nothing.
    end_of(f, 31, 501, AT(10));
    process_table_tick(f->t, AT(1000));
    assert_int_equal(counters(f).dead, 0);
    assert_int_equal(counters(f).live, 3);
}

// A process that a scan found, which was forked and has ended before the records come.
static void test_scan_between_records(void **state)
{
    struct fixture *f = *state;
    struct fake child = {.pid = 30,
                         .ppid = 20,
                         .start_ticks = 500,
                         .comm = "p30",
                         .exe = "/usr/bin/make",
                         .cmdline = "make all",
                         .login_uid = ID_NONE};
    uint64_t forked = now_ns(CLOCK_BOOTTIME);

    fake_add(f->proc, &child);
    assert_int_equal(process_table_scan(f->t), 0);
    fake_remove(f->proc, 30);
    fork_of(f, 20, 200, 30, 500, forked);
    assert_text(f->ev->target->exe, "/usr/bin/make"); // not a copy of its parent any more
    // An exec from before the scan: what procfs said is later.
    event_exec(f->ev, 30, 500, "/usr/bin/env", "env\0make\0", 9, forked + 1);
    apply(f);
    assert_text(f->ev->target->cmdline, "make all");
    end_of(f, 30, 500, forked + 2);
    assert_int_equal(counters(f).dead, 1);
    assert_int_equal(counters(f).completed + counters(f).incomplete, 0);
}

// The same number again and again, each time another process with parents of its own.
static void test_numbers_come_round(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 50; i++) {
        uint64_t start = 1000 + i * 3;

        fork_of(f, i % 2 ? 20 : 10, i % 2 ? 200 : 100, 30, start, AT(1 + i));
        event_exec(f->ev, 30, start, i % 2 ? "/usr/bin/odd" : "/usr/bin/even", "x\0", 2, AT(1 + i));
        apply(f);
        if (i % 5) // every fifth exit is lost
            end_of(f, 30, start, AT(1 + i));
    }
    for (uint64_t i = 30; i < 50; i++) {
        const struct who *w = access_by(f, 30, 1000 + i * 3, AT(100));

        assert_int_equal(w->ancestors[0].ref.tgid, i % 2 ? 20 : 10);
        assert_true(process_ref_ticks(&w->ref) == 1000 + i * 3);
        if (i % 2)
            assert_text(w->exe, "/usr/bin/odd");
        else
            assert_text(w->exe, "/usr/bin/even");
    }
    assert_int_equal(counters(f).forked, 50);
    // Nobody has that number any more, as procfs says.
    for (int i = 0; i < 50; i++)
        process_table_tick(f->t, AT(1000 + i));
    assert_int_equal(counters(f).live, 3);
    assert_int_equal(counters(f).missed_exits, 10);
}

// A thread that executes becomes the leader: number and start stay, names of threads do not matter.
static void test_thread_executes(void **state)
{
    struct fixture *f = *state;

    event_of(f->ev, EVENT_FILE, 20, 200, AT(1));
    f->ev->process.tid = 25;
    apply(f);
    event_exec(f->ev, 20, 200, "/usr/bin/id", "id\0", 3, AT(2));
    f->ev->process.tid = 25;
    memcpy(f->ev->process.comm, "id", 3);
    f->ev->process.comm_len = 2;
    apply(f);
    assert_text(f->ev->who->exe, "/usr/bin/bash");
    assert_text(f->ev->target->exe, "/usr/bin/id");
    assert_text(f->ev->target->comm, "id");
    assert_true(process_ref_ticks(&f->ev->target->ref) == 200);
    assert_int_equal(counters(f).live, 3);
    assert_text(access_by(f, 20, 200, AT(3))->exe, "/usr/bin/id");
}

// All that there is to know of one that began before the table, and of its ancestors.
static void test_older_than_the_table(void **state)
{
    struct fixture *f = *state;
    struct fake deep = {.exe = "/usr/bin/bash", .comm = "deep", .login_uid = 1000, .uid = 1000};
    const struct who *w;

    // Numbers that are not in the order of age: a child can have a lower one than its parent.
    for (uint32_t i = 0; i < 40; i++) {
        deep.pid = 900 - i;
        deep.ppid = i ? 900 - i + 1 : 20;
        deep.start_ticks = 300 + i;
        fake_add(f->proc, &deep);
    }
    open_table(f, NULL);
    assert_int_equal(counters(f).scanned, 43);
    event_of(f->ev, EVENT_FILE, 861, 339, AT(1));
    f->ev->process.euid = 1000;
    apply(f);
    w = f->ev->who;
    assert_int_equal(w->n_ancestors, WHO_ANCESTORS_MAX);
    for (uint32_t i = 0; i < WHO_ANCESTORS_MAX; i++)
        assert_int_equal(w->ancestors[i].ref.tgid, 862 + i);
    assert_int_equal(w->session, SG_SESSION_SSH);
    assert_text(w->user, "ann");
    assert_int_equal(counters(f).completed, 0);
}

// What a hook refuses to execute changes nobody.
static void test_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t serial = access_by(f, 20, 200, AT(1))->serial;

    event_exec(f->ev, 20, 200, "/tmp/x", "x\0", 2, AT(2));
    f->ev->error = EPERM;
    f->ev->verdict = SG_DENY;
    apply(f);
    assert_text(f->ev->who->exe, "/usr/bin/bash");
    assert_null(f->ev->target);
    assert_true(access_by(f, 20, 200, AT(3))->serial == serial);
    // The same in monitor mode happened.
    event_exec(f->ev, 20, 200, "/tmp/x", "x\0", 2, AT(4));
    f->ev->verdict = SG_DENY;
    f->ev->mode = EVENT_MODE_MONITOR;
    apply(f);
    assert_text(f->ev->target->exe, "/tmp/x");
}

// A record that would make somebody his own ancestor.
static void test_no_circles(void **state)
{
    struct fixture *f = *state;

    fork_of(f, 20, 200, 30, 500, AT(1));
    fork_of(f, 30, 500, 20, 200, AT(2)); // younger than its child
    fork_of(f, 30, 500, 30, 500, AT(3));
    assert_int_equal(access_by(f, 30, 500, AT(4))->n_ancestors, 3);
    assert_int_equal(access_by(f, 20, 200, AT(4))->n_ancestors, 2);
}

static void test_masked(void **state)
{
    struct fixture *f = *state;
    struct fake now = shell;

    now.cmdline = "mysql --password=hunter2 db";
    fake_add(f->proc, &now);
    open_table(f, &(struct process_options){.mask_secrets = true});
    assert_text(access_by(f, 20, 200, AT(1))->cmdline, "mysql --password=*** db");
    open_table(f, NULL);
    assert_text(access_by(f, 20, 200, AT(1))->cmdline, "mysql --password=hunter2 db");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_orphan), TEST(test_scan_before_fork_record), TEST(test_scan_between_records),
          TEST(test_numbers_come_round), TEST(test_thread_executes),
          TEST(test_older_than_the_table), TEST(test_refused), TEST(test_no_circles),
          TEST(test_masked))
