// SPDX-License-Identifier: Apache-2.0
//
// What the self-test asks of safeguard's own defence: its process is one of the agent's own, which may not touch the agent itself, nor
// take its maps and programs. Each act leaves everything as it was where it is let through: it sets what is set already, or asks for
// what the kernel refuses after the hook.
//
// The acts run in the process of the self-test, like those in canary_acts.c: only system calls, nothing that allocates or locks.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sensor/hostfile.h"
#include "sensor/internal.h"

#define FTRACE "/proc/sys/kernel/ftrace_enabled"

int act_guard_signal(const struct canary *c)
{
    return outcome(kill(c->guard.agent, SG_GUARD_CANARY_SIGNAL));
}

// Nobody is told that it was refused: whether it came is seen by the thread that it is for.
int act_guard_sigio(const struct canary *c)
{
    struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = c->guard.thread};
    int fds[2], r = 0;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    if (fcntl(fds[0], F_SETOWN_EX, &owner) < 0 ||
        fcntl(fds[0], F_SETSIG, SG_GUARD_CANARY_SIGNAL) < 0 ||
        fcntl(fds[0], F_SETFL, O_ASYNC) < 0 || write(fds[1], "", 1) < 0)
        r = -errno;
    (void)close(fds[0]);
    (void)close(fds[1]);
    return r;
}

int act_guard_ptrace(const struct canary *c)
{
    int fd = (int)syscall(SYS_pidfd_open, c->guard.agent, 0), r;

    if (fd < 0)
        return -errno;
    // Where it is allowed, there is no such descriptor.
    r = outcome(syscall(SYS_pidfd_getfd, fd, INT_MAX, 0));
    (void)close(fd);
    return r == EBADF ? 0 : r;
}

int act_guard_setnice(const struct canary *c)
{
    int nice;

    errno = 0;
    nice = getpriority(PRIO_PROCESS, (id_t)c->guard.agent);
    return errno ? -errno : outcome(setpriority(PRIO_PROCESS, (id_t)c->guard.agent, nice));
}

int act_guard_setioprio(const struct canary *c)
{
    long prio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, c->guard.agent);

    if (prio < 0)
        return -errno;
    // Of none some kernels tell a level, which none takes when it is set.
    if (IOPRIO_PRIO_CLASS(prio) == IOPRIO_CLASS_NONE)
        prio = 0;
    return outcome(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, c->guard.agent, prio));
}

int act_guard_setscheduler(const struct canary *c)
{
    struct sched_param param;

    if (syscall(SYS_sched_getparam, c->guard.agent, &param) < 0)
        return -errno;
    return outcome(syscall(SYS_sched_setparam, c->guard.agent, &param));
}

// Asks where none of its pages are.
int act_guard_movememory(const struct canary *c)
{
    int r = outcome(syscall(SYS_move_pages, c->guard.agent, 0UL, NULL, NULL, NULL, 0));

    return r == ENOSYS ? -r : r;
}

int act_guard_setrlimit(const struct canary *c)
{
    struct rlimit limit;

    if (prlimit(c->guard.agent, RLIMIT_CORE, NULL, &limit) < 0)
        return -errno;
    return outcome(prlimit(c->guard.agent, RLIMIT_CORE, &limit, NULL));
}

// To a program that there is not, with flags that there are not.
int act_guard_bpf(const struct canary *c)
{
    union bpf_attr attr = {
        .link_update = {.link_fd = (uint32_t)c->guard.link_fd, .new_prog_fd = ~0u, .flags = ~0u}};

    if (c->guard.link_fd < 0)
        return -EBADF;
    return outcome(syscall(SYS_bpf, BPF_LINK_UPDATE, &attr, sizeof(attr)));
}

int act_guard_bpf_map(const struct canary *c)
{
    union bpf_attr attr = {.map_id = c->guard.map_id};

    return outcome_fd(syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr)));
}

int act_guard_bpf_prog(const struct canary *c)
{
    union bpf_attr attr = {.prog_id = c->guard.prog_id};

    return outcome_fd(syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr)));
}

// No number: the kernel refuses it after the program. Opened by the agent, since a rule keeps everybody else from that.
int act_guard_sysctl(const struct canary *c)
{
    if (c->guard.ftrace_fd < 0)
        return -EBADF;
    return outcome(pwrite(c->guard.ftrace_fd, "x", 1, 0));
}

// The agent's part -----------------------------------------------------------------------------------

void canary_guard_prepare(struct canary_guard *g)
{
    g->link_fd = -1;
    g->ftrace_fd = open(FTRACE, O_WRONLY | O_CLOEXEC);
}

void canary_guard_close(struct canary_guard *g)
{
    g->ftrace_fd = safe_close(g->ftrace_fd);
}

static sigset_t its_signal(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SG_GUARD_CANARY_SIGNAL);
    return set;
}

void canary_guard_begin(struct sensor *s)
{
    struct canary_guard *g = &s->canary.guard;
    const struct link *link = row_link(s, HOOKS + GUARD_guard_bpf);
    struct bpf_map_info info = {};
    const sigset_t set = its_signal();
    uint32_t len = sizeof(info);

    g->agent = getpid();
    g->thread = (pid_t)syscall(SYS_gettid);
    g->link_fd = link ? bpf_link__fd(link->link) : -1;
    g->prog_id = link ? link->prog_id : 0;
    g->map_id = bpf_obj_get_info_by_fd(map_fd(s, "sg_guards"), &info, &len) == 0 ? info.id : 0;
    // Waiting for its thread it is seen, also where it would be ignored.
    (void)pthread_sigmask(SIG_BLOCK, &set, &g->before);
}

bool canary_guard_end(const struct canary *c)
{
    const sigset_t set = its_signal();
    struct timespec none = {};
    siginfo_t info;
    bool came = false;

    // A terminal, too, sends it: what a descriptor sends says which of its events it was.
    while (sigtimedwait(&set, &info, &none) > 0)
        came = came || info.si_code == POLL_IN;
    (void)pthread_sigmask(SIG_SETMASK, &c->guard.before, NULL);
    return came;
}

// Of the modules that are asked before ours, yama can be told at any time to let nobody trace.
bool canary_guard_kept_from(enum canary_kind kind, uint64_t proved_ns)
{
    char scope[16];

    if (!proved_ns)
        return true;
    return kind == CANARY_guard_ptrace &&
           hostfile_read("", "/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) == 0 &&
           scope[0] >= '2';
}

bool canary_guard_take(struct canary *c, const struct sg_record *record)
{
    const struct sg_field *field = (const struct sg_field *)(record + 1);
    const struct sg_control_field *control = (const struct sg_control_field *)(field + 1);

    if (record->size < sizeof(*record) + sizeof(*field) + sizeof(*control) ||
        field->type != SG_FIELD_CONTROL || field->len < sizeof(*control) ||
        !canary_is_process(c, record->tgid, record->start_ns))
        return false;
    for (size_t i = 0; i < GUARDS; i++)
        if (guard_row(i)->act == control->number[1]) {
            if (record->time_ns >= c->started_ns)
                c->seen[HOOKS + 1 + i] = true;
            return true;
        }
    return false;
}
