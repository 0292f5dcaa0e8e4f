/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a task's namespaces counts for a policy. Anybody may make namespaces of his own where the host lets users do that,
 * so none of that may give him anything:
 *
 *   a container    is a pid namespace that root made on the host: made in the first user namespace, or in one that root made
 *   capabilities   are those in the first user namespace; what a task may do in one of its own is no business of the host's
 */
#ifndef SG_BPF_CONTAINED_H
#define SG_BPF_CONTAINED_H

#include "common.bpf.h"

#define SG_USER_NS_LEVELS 32 /* the kernel's own bound */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
    struct pid_namespace *ns;
};

struct pid {
    unsigned int level;
    struct upid numbers[1];
};

struct task_struct___pids {
    struct pid *thread_pid;
};

struct user_namespace___owned {
    struct user_namespace___owned *parent;
    int level;
    kuid_t owner;
};

struct pid_namespace___owned {
    struct user_namespace___owned *user_ns;
};

#pragma clang attribute pop

/*
 * Functions of their own, with a number for the task: what they read must not take from the stack of the decision.
 *
 * 1: in a container. Who made the outermost pid namespace that the task is in decides.
 */
__noinline __u32 sg_container_of(__u64 task_address)
{
    const struct pid *pid = BPF_CORE_READ((struct task_struct___pids *)task_address, thread_pid);
    const struct pid_namespace___owned *ns = NULL;
    const struct user_namespace___owned *user_ns;
    const char *first;

    if (!pid || BPF_CORE_READ(pid, level) == 0)
        return 0;
    /* Number 0 is the one in the first namespace, number 1 in the outermost below it. */
    first = (const char *)__builtin_preserve_access_index(&pid->numbers[0].ns);
    bpf_probe_read_kernel(&ns, sizeof(ns), first + bpf_core_type_size(struct upid));
    user_ns = BPF_CORE_READ(ns, user_ns);
    for (int i = 0; i < SG_USER_NS_LEVELS; i++) {
        if (BPF_CORE_READ(user_ns, level) <= 1)
            break;
        user_ns = BPF_CORE_READ(user_ns, parent);
    }
    return BPF_CORE_READ(user_ns, level) == 0 || BPF_CORE_READ(user_ns, owner.val) == 0;
}

/*
 * Inode number of the pid namespace that a task is in: nsproxy has the one that its next children will be in. Its last number
 * is the one in its own namespace.
 */
static __always_inline __u32 sg_pid_ns_of(const struct task_struct *task)
{
    const struct pid *pid = BPF_CORE_READ((const struct task_struct___pids *)task, thread_pid);
    const char *first = (const char *)__builtin_preserve_access_index(&pid->numbers[0].ns);
    __u64 level = BPF_CORE_READ(pid, level);
    const struct pid_namespace *ns = NULL;

    bpf_probe_read_kernel(&ns, sizeof(ns), first + level * bpf_core_type_size(struct upid));
    return BPF_CORE_READ(ns, ns.inum);
}

/* The same for the current task where the kernel lends it typed: in the first one by plain loads. */
static __always_inline __u32 sg_pid_ns_typed(const struct task_struct *task)
{
    const struct pid *pid = ((const struct task_struct___pids *)task)->thread_pid;

    if (pid->level)
        return sg_pid_ns_of((const struct task_struct *)bpf_get_current_task());
    return pid->numbers[0].ns->ns.inum;
}

/*
 * Whose credentials a task is known by: its own, not those that the kernel lets it act with for a while (an overlay opens
 * what lies beneath it as who mounted it). Kernel threads and workers of io_uring act for others with theirs.
 */
#define SG_ACTS_FOR_OTHERS (PF_KTHREAD | PF_IO_WORKER)

static __always_inline const struct cred *sg_cred_of(struct task_struct *task)
{
    if (BPF_CORE_READ(task, flags) & SG_ACTS_FOR_OTHERS)
        return BPF_CORE_READ(task, cred);
    return BPF_CORE_READ(task, real_cred);
}

/* A step of its own: the stack of decisions is full. */
__noinline __u32 sg_euid_of(__u64 task_address)
{
    return BPF_CORE_READ(sg_cred_of((struct task_struct *)task_address), euid.val);
}

/* The same as sg_cred_of() by plain loads, for the current task where the kernel lends it typed. */
static __always_inline const struct cred *sg_cred_typed(struct task_struct *task)
{
    const struct cred *cred = task->real_cred;

    if (task->flags & SG_ACTS_FOR_OTHERS)
        cred = task->cred;
    return cred;
}

__noinline __u64 sg_caps_of(__u64 task_address)
{
    const struct cred *cred = sg_cred_of((struct task_struct *)task_address);
    __u64 caps = 0;

    if (BPF_CORE_READ(cred, user_ns, level) > 0)
        return 0;
    /* Two 32-bit words up to 6.2, one 64-bit word later: the same bytes on little-endian machines. */
    bpf_probe_read_kernel(&caps, sizeof(caps),
                          __builtin_preserve_access_index(&cred->cap_effective));
    return caps;
}

#endif
