// SPDX-License-Identifier: Apache-2.0
//
// For tests: a table of processes over a /proc made for the test, with three processes in it.
#pragma once

#include "tests/unit/process/fakeproc.h"

#include "base/clock.h"
#include "base/macro.h"
#include "process/process.h"

// Seconds after the table was filled.
#define AT(seconds) (f->now + (seconds)*NS_PER_SEC)

struct fixture {
    char *proc;
    struct event *ev;
    struct process_table *t;
    uint64_t now;
};

static const struct fake init_process = {.pid = 1,
                                         .start_ticks = 1,
                                         .comm = "systemd",
                                         .exe = "/usr/lib/systemd/systemd",
                                         .login_uid = ID_NONE};
static const struct fake sshd = {.pid = 10,
                                 .ppid = 1,
                                 .start_ticks = 100,
                                 .comm = "sshd",
                                 .exe = "/usr/sbin/sshd",
                                 .cmdline = "sshd: /usr/sbin/sshd -D",
                                 .cgroup = "/system.slice/ssh.service",
                                 .login_uid = ID_NONE};
static const struct fake shell = {.pid = 20,
                                  .ppid = 10,
                                  .start_ticks = 200,
                                  .comm = "bash",
                                  .exe = "/usr/bin/bash",
                                  .cmdline = "-bash",
                                  .uid = 1000,
                                  .login_uid = 1000};

static inline void put_file(const char *dir, const char *name, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0644),
                     0);
}

static inline void open_table(struct fixture *f, const struct process_options *more)
{
    struct process_options o = more ? *more : (struct process_options){};
    char passwd[512], group[512];

    (void)snprintf(passwd, sizeof(passwd), "%s/passwd", f->proc);
    (void)snprintf(group, sizeof(group), "%s/group", f->proc);
    o.proc = f->proc;
    o.passwd = passwd;
    o.group = group;
    o.cgroup_root = f->proc;
    f->t = process_table_free(f->t);
    assert_int_equal(process_table_new(&o, &f->t), 0);
    assert_int_equal(process_table_scan(f->t), 0);
    f->now = now_ns(CLOCK_BOOTTIME);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || event_new(&f->ev) < 0)
        return -1;
    f->proc = unit_mkdtemp();
    put_file(f->proc, "passwd", "root:x:0:0::/:\nann:x:1000:1000::/:\n");
    put_file(f->proc, "group", "root:x:0:\nann:x:1000:\n");
    fake_add(f->proc, &init_process);
    fake_add(f->proc, &sshd);
    fake_add(f->proc, &shell);
    open_table(f, NULL);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    (void)process_table_free(f->t);
    (void)event_free(f->ev);
    unit_rmdir(f->proc);
    free(f);
    return 0;
}

static inline void apply(struct fixture *f)
{
    assert_int_equal(process_table_apply(f->t, f->ev), 0);
}

static inline struct process_counters counters(struct fixture *f)
{
    struct process_counters c;

    process_table_counters(f->t, &c);
    return c;
}

static inline const struct who *access_by(struct fixture *f, uint32_t pid, uint64_t ticks,
                                          uint64_t time_ns)
{
    event_of(f->ev, EVENT_FILE, pid, ticks, time_ns);
    apply(f);
    assert_non_null(f->ev->who);
    assert_null(f->ev->target);
    return f->ev->who;
}
