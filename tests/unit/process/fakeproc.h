// SPDX-License-Identifier: Apache-2.0
//
// For tests: a directory that looks like /proc, and events of processes.
#pragma once

#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "model/event.h"

struct fake {
    uint32_t pid, ppid;
    uint64_t start_ticks;
    const char *comm, *exe, *cgroup;
    const char *cmdline; // arguments with blanks for NUL
    uint32_t uid, login_uid;
    uint32_t mnt_ns;
    bool kthread;
};

static inline void fake_put(const char *proc, uint32_t pid, const char *name, const void *text,
                            size_t len)
{
    char path[512];

    assert_true(snprintf(path, sizeof(path), "%s/%u/%s", proc, pid, name) < (int)sizeof(path));
    assert_int_equal(write_file_atomic(AT_FDCWD, path, text, len, 0644), 0);
}

static inline void fake_link(const char *proc, uint32_t pid, const char *name, const char *target)
{
    char path[512];

    assert_true(snprintf(path, sizeof(path), "%s/%u/%s", proc, pid, name) < (int)sizeof(path));
    (void)unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

static inline void fake_add(const char *proc, const struct fake *f)
{
    char text[1024];
    int len;

    (void)snprintf(text, sizeof(text), "%s/%u/ns", proc, f->pid);
    assert_int_equal(mkdir_p(AT_FDCWD, text, 0755), 0);
    len = snprintf(text, sizeof(text),
                   "%u (%s) S %u %u %u 0 -1 %u 1 2 3 4 5 6 7 8 20 0 1 0 %llu 100 200 300\n", f->pid,
                   f->comm, f->ppid, f->pid, f->pid, f->kthread ? 0x00200040u : 0x00400000u,
                   (unsigned long long)f->start_ticks);
    fake_put(proc, f->pid, "stat", text, (size_t)len);
    len = snprintf(
        text, sizeof(text),
        "Name:\t%s\nUmask:\t0022\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nGroups:\t0\n", "x",
        f->uid, f->uid, f->uid, f->uid, f->uid, f->uid, f->uid, f->uid);
    fake_put(proc, f->pid, "status", text, (size_t)len);
    len = snprintf(text, sizeof(text), "%s", f->cmdline ? f->cmdline : "");
    for (int i = 0; i < len; i++)
        text[i] = text[i] == ' ' ? '\0' : text[i];
    fake_put(proc, f->pid, "cmdline", text, len ? (size_t)len + 1 : 0);
    len = snprintf(text, sizeof(text), "1:name=systemd:/old\n0::%s\n", f->cgroup ? f->cgroup : "/");
    fake_put(proc, f->pid, "cgroup", text, (size_t)len);
    len = snprintf(text, sizeof(text), "%u", f->login_uid);
    fake_put(proc, f->pid, "loginuid", text, (size_t)len);
    fake_put(proc, f->pid, "sessionid", text, (size_t)len);
    (void)snprintf(text, sizeof(text), "mnt:[%u]", f->mnt_ns ? f->mnt_ns : 4026531841u);
    fake_link(proc, f->pid, "ns/mnt", text);
    fake_link(proc, f->pid, "ns/pid", "pid:[4026531836]");
    if (f->exe)
        fake_link(proc, f->pid, "exe", f->exe);
}

static inline void fake_remove(const char *proc, uint32_t pid)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%u", proc, pid) > 0);
    unit_rmdir(path);
}

// An event of a process that was started at a tick. comm is "p<pid>".
static inline void event_of(struct event *ev, enum event_kind kind, uint32_t pid,
                            uint64_t start_ticks, uint64_t time_ns)
{
    event_reset(ev);
    ev->kind = kind;
    ev->time_ns = ev->first_ns = time_ns;
    ev->process.ref = (struct process_ref){pid, start_ticks * PROCESS_TICK_NS + 12345};
    ev->process.tid = pid;
    ev->process.login_uid = ev->process.session_id = ID_NONE;
    ev->process.comm_len = (uint8_t)snprintf(ev->process.comm, sizeof(ev->process.comm), "p%u",
                                             pid);
}

static inline void event_fork(struct event *ev, uint32_t pid, uint64_t start_ticks, uint32_t child,
                              uint64_t child_ticks, uint64_t time_ns)
{
    event_of(ev, EVENT_FORK, pid, start_ticks, time_ns);
    ev->child = (struct process_ref){child, child_ticks * PROCESS_TICK_NS + 777};
}

static inline void event_exec(struct event *ev, uint32_t pid, uint64_t start_ticks, const char *exe,
                              const char *args, size_t args_len, uint64_t time_ns)
{
    event_of(ev, EVENT_EXEC, pid, start_ticks, time_ns);
    ev->path = (struct event_path){{exe, (uint32_t)strlen(exe)}, EVENT_PATH_HOST};
    ev->args = (struct bytes){args, (uint32_t)args_len};
}

#define assert_text(got, text)                                                         \
    do {                                                                               \
        struct bytes got_ = (got);                                                     \
        if (!bytes_equal(got_, BYTES(text)))                                           \
            fail_msg("'%.*s' is not '%s'", (int)got_.len, got_.s ? got_.s : "", text); \
    } while (0)
