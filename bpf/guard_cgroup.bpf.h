/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who moves the agent to another cgroup can end, freeze or starve it there. No hook is told of a move; but the kernel looks the task
 * up that is to be moved, and then asks whether the mover may write to cgroup.procs of the nearest cgroup that both places lie in.
 * The agent takes the right to write from the mode of these files (src/agent/defencewatch.c), so that root needs CAP_DAC_OVERRIDE
 * for it, which a hook is asked for. All of it happens under one lock (cgroup_mutex), so there is one mover at a time.
 *
 * In hierarchies of version 1 the kernel asks nobody.
 */
#ifndef SG_BPF_GUARD_CGROUP_H
#define SG_BPF_GUARD_CGROUP_H

#include "lib/agent.bpf.h"
#include "lib/hook.bpf.h"

#define CAP_DAC_OVERRIDE 1                     /* include/uapi/linux/capability.h */
#define ERR_FIRST        0xfffffffffffff001ull /* include/linux/err.h: what is no pointer but an error */

/* Who is about to move the agent, and the task that was looked up; 0: nobody. */
static volatile __u64 sg_guard_mover = 0, sg_guard_moved = 0;

SEC("fexit/cgroup_procs_write_start")
int BPF_PROG(fexit_cgroup_procs_write_start, char *text, int threadgroup, void *locked,
             struct task_struct *task)
{
    struct sg_agent *a = sg_agent_get();

    sg_guard_mover = 0;
    if ((__u64)task >= ERR_FIRST || !sg_is_agent(a, task) ||
        sg_is_agent(a, (struct task_struct *)bpf_get_current_task()))
        return 0;
    sg_guard_moved = sg_address(task);
    sg_guard_mover = bpf_get_current_pid_tgid();
    return 0;
}

/*
 * The write is over. Of its own only: the next mover may be under way, since the lock has been let go. What the kernel itself calls at
 * the end (cgroup_procs_write_finish) compilers take into its caller, as that of 7.3.
 */
SEC("fexit/cgroup_file_write")
int BPF_PROG(fexit_cgroup_file_write, void *of)
{
    if (sg_guard_mover == bpf_get_current_pid_tgid())
        sg_guard_mover = 0;
    return 0;
}

static __always_inline int sg_guard_move(int cap)
{
    if (cap != CAP_DAC_OVERRIDE || !sg_guard_mover ||
        sg_guard_mover != bpf_get_current_pid_tgid() || sg_guard_down(sg_guard_get()))
        return 0;
    return sg_guard_record(SG_GUARD_WHAT(SG_GUARD_CGROUP, SG_GUARD_OF_AGENT), 0, sg_guard_moved);
}

SG_PROGRAMS(guard_move, capable, ((void)storage, sg_guard_move(cap)), const struct cred *cred,
            void *ns, int cap)

/*
 * Who is born in a cgroup (clone3 with CLONE_INTO_CGROUP) opens no file of it. What the kernel does before the child is there ends when
 * its parent has to.
 */
#define CLONE_INTO_CGROUP (1ull << 33) /* include/uapi/linux/sched.h */
#define JOIN_DEPTH        16

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernel_clone_args {
    __u64 flags;
    struct cgroup *cgrp;
};

#pragma clang attribute pop

static __always_inline int sg_guard_is_in_own(const struct sg_guard *g, struct cgroup *cgroup)
{
    struct kernfs_node *kn = BPF_CORE_READ(cgroup, kn);

    for (int i = 0; i < JOIN_DEPTH && kn; i++) {
        if ((__u32)BPF_CORE_READ(kn, id) == g->cgroup)
            return 1;
        kn = sg_kernfs_parent(kn);
    }
    return 0;
}

SEC("fexit/cgroup_can_fork")
int BPF_PROG(fexit_cgroup_can_fork, struct task_struct *child, struct kernel_clone_args *kargs,
             int error)
{
    const struct sg_guard *g = sg_guard_get();
    struct sg_agent *a = sg_agent_get();

    if (error || !(BPF_CORE_READ(kargs, flags) & CLONE_INTO_CGROUP) || sg_guard_down(g) ||
        !g->cgroup || !a || !a->tgid)
        return 0;
    if (sg_is_agent(a, (struct task_struct *)bpf_get_current_task()) || sg_guard_is_manager(g) ||
        !sg_guard_is_in_own(g, BPF_CORE_READ(kargs, cgrp)))
        return 0;
    bpf_send_signal(SIGKILL_NUMBER);
    sg_guard_record(SG_GUARD_WHAT(SG_GUARD_JOIN, SG_GUARD_OF_AGENT), 0, 0);
    return 0;
}

#endif
