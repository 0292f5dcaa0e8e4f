// SPDX-License-Identifier: Apache-2.0
//
// Rules about system calls → a filter of seccomp. It looks at the number of a call and at nothing else: what a pointer points
// to can be changed while the kernel looks.
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "cli/run.h"
#include "model/names.h"

// linux/seccomp.h of older distributions.
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) // from 5.19
#endif

// Other programs that the processor runs beside those of our own kind.
static const struct {
    uint32_t native, other;
} architectures[] = {
    {SCMP_ARCH_X86_64, SCMP_ARCH_X86},
    {SCMP_ARCH_X86_64, SCMP_ARCH_X32},
    {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
};

// What 32-bit programs of x86 can also do by ipc(2), with its number there; the high half of that is a version, which the kernel
// mostly does not look at.
static const struct {
    const char *name;
    uint32_t number;
} by_ipc[] = {
    {"semop", 1},   {"semget", 2},  {"semctl", 3},  {"semtimedop", 4},
    {"msgsnd", 11}, {"msgrcv", 12}, {"msgget", 13}, {"msgctl", 14},
    {"shmat", 21},  {"shmdt", 22},  {"shmget", 23}, {"shmctl", 24},
};

// What a program cannot do without, and what gives nobody anything: `any` does not mean them.
static const char *const ends[] = {"exit", "exit_group", "rt_sigreturn", "sigreturn",
                                   "restart_syscall"};

static uint32_t action_of(const struct policy_call *call)
{
    if (call->verdict == SG_ALLOW)
        return SCMP_ACT_ALLOW;
    if (call->verdict == SG_AUDIT || call->monitor)
        return SCMP_ACT_LOG;
    switch ((enum sg_verdict)call->verdict) {
    case SG_KILL: return SCMP_ACT_KILL_PROCESS;
    case SG_STOP: return SCMP_ACT_NOTIFY;
    default: return SCMP_ACT_ERRNO(call->error);
    }
}

static int at_rule(struct error *err, const struct policy *p, const struct policy_call *call,
                   int code, const char *text)
{
    const struct policy_rule *rule = &p->rules[call->rule];

    return error_at(err, code, p->files[rule->pos.file].path, rule->pos.line, rule->pos.column,
                    "'%s': %s", call->name, text);
}

static int add_rule(scmp_filter_ctx ctx, uint32_t other, uint32_t action, const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (nr == __NR_SCMP_ERROR)
        return -ENOENT;
    // The library refuses what says no more than the rest does.
    return action == other ? 0 : seccomp_rule_add(ctx, action, nr, 0);
}

static int add_ipc(scmp_filter_ctx ctx, uint32_t other, uint32_t action, const char *name)
{
    int nr = seccomp_syscall_resolve_name("ipc");

    for (size_t i = 0; i < ARRAY_SIZE(by_ipc) && action != other; i++)
        if (streq(by_ipc[i].name, name))
            return seccomp_rule_add(ctx, action, nr, 1,
                                    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffff, by_ipc[i].number));
    return 0;
}

static int add_architectures(scmp_filter_ctx ctx)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(architectures); i++)
        if (architectures[i].native == seccomp_arch_native()) {
            r = seccomp_arch_add(ctx, architectures[i].other);
            r = r == -EEXIST ? 0 : r;
        }
    return r;
}

static bool names(const struct policy_calls *calls, const char *name)
{
    for (size_t i = 0; i < calls->n; i++)
        if (streq(calls->items[i].name, name))
            return true;
    return false;
}

static bool refuses_something(const struct policy_calls *calls)
{
    for (size_t i = 0; i < calls->n; i++)
        if (calls->items[i].verdict >= SG_DENY && !calls->items[i].monitor)
            return true;
    return false;
}

// What stands beside the rules. An io_uring does what calls do and no filter sees it: programs take it as not being there.
static int add_besides(scmp_filter_ctx ctx, uint32_t other, const struct policy_calls *calls)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ends); i++)
        if (!names(calls, ends[i]))
            r = add_rule(ctx, other, SCMP_ACT_ALLOW, ends[i]);
    if (r == 0 && refuses_something(calls) && !names(calls, "io_uring_setup"))
        r = add_rule(ctx, other, SCMP_ACT_ERRNO(ENOSYS), "io_uring_setup");
    return r;
}

static int add_calls(scmp_filter_ctx ctx, uint32_t other, const struct policy *p,
                     const struct policy_calls *calls, struct error *err)
{
    for (size_t i = 0; i < calls->n; i++) {
        const struct policy_call *call = &calls->items[i];
        int r;

        if (streq(call->name, "any"))
            continue;
        r = add_rule(ctx, other, action_of(call), call->name);
        if (r == 0)
            r = add_ipc(ctx, other, action_of(call), call->name);
        if (r == -ENOENT) {
            (void)at_rule(err, p, call, -EINVAL, "libseccomp does not know this system call");
            error_cure(err, "install a newer libseccomp, or take the name out");
            return -EINVAL;
        }
        if (r < 0) {
            (void)at_rule(err, p, call, r, "the filter cannot have it");
            error_cure(err, "use another verb than '%s'", event_verdict_name(call->verdict));
            return r;
        }
    }
    return 0;
}

// The program as bytes, by way of a file in memory.
static int export_code(scmp_filter_ctx ctx, struct run_filter *f)
{
    _cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;
    int r;

    if (fd < 0)
        return negative_errno();
    r = seccomp_export_bpf(ctx, fd);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return negative_errno();
    r = read_fd_bounded(fd, BPF_MAXINSNS * sizeof(*f->code), &bytes, &len);
    if (r < 0)
        return r == -EFBIG ? -E2BIG : r;
    f->n = len / sizeof(*f->code);
    f->code = memdup(bytes, len);
    return f->code ? 0 : -ENOMEM;
}

int run_filter_build(const struct policy *policy, const struct policy_calls *calls,
                     struct run_filter *ret_filter, struct error *err)
{
    const struct policy_call *last = calls->n > 0 ? &calls->items[calls->n - 1] : NULL;
    uint32_t other = last && streq(last->name, "any") ? action_of(last) : SCMP_ACT_ALLOW;
    struct run_filter f = {};
    scmp_filter_ctx ctx;
    int r;

    if (calls->n == 0) {
        *ret_filter = f;
        return 0;
    }
    ctx = seccomp_init(other);
    if (!ctx)
        return error_set(err, -ENOMEM, "the filter cannot be made: %m");
    r = add_architectures(ctx);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    r = r < 0 ? r : add_calls(ctx, other, policy, calls, err);
    r = r < 0 ? r : add_besides(ctx, other, calls);
    r = r < 0 ? r : export_code(ctx, &f);
    seccomp_release(ctx);
    if (r < 0)
        return error_is_set(err) ? r : error_set(err, r, "the filter cannot be made: %m");
    for (size_t i = 0; i < calls->n; i++)
        f.notify |= action_of(&calls->items[i]) == SCMP_ACT_NOTIFY;
    *ret_filter = f;
    return 0;
}

void run_filter_done(struct run_filter *filter)
{
    free(filter->code);
    *filter = (struct run_filter){};
}

static int install(const struct sock_fprog *prog, unsigned long flags)
{
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);

    return r < 0 ? negative_errno() : (int)r;
}

int run_filter_load(const struct run_filter *filter, int *ret_listener)
{
    const struct sock_fprog prog = {.len = (unsigned short)filter->n, .filter = filter->code};
    unsigned long flags = SECCOMP_FILTER_FLAG_LOG;
    int r;

    *ret_listener = -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return negative_errno();
    if (filter->n == 0)
        return 0;
    if (!filter->notify)
        return install(&prog, flags);
    flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    r = install(&prog, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (r == -EINVAL)
        r = install(&prog, flags);
    if (r < 0)
        return r;
    *ret_listener = r;
    return 0;
}
