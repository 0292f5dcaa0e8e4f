/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading tasks. Kernels from 5.11 on lend the current task as a typed pointer, whose fields are plain loads; 5.10 wants
 * a copy for each. SG_TASK_READ does what the kernel allows, chosen when the object is loaded.
 */
#ifndef SG_BPF_TASK_H
#define SG_BPF_TASK_H

#include "contained.bpf.h"

#define SG_GROUPS_STEPS 17 /* of a search among the 65536 groups that a task has at most */
#define SG_GROUPS_SEEN  64 /* supplementary groups by which a change of them is noticed */

static __always_inline struct task_struct *sg_current(void)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
        return bpf_get_current_task_btf();
    return (struct task_struct *)bpf_get_current_task();
}

/* For the current task only: `task` must come from sg_current() in the same function. */
#define SG_TASK_READ(task, ...) BPF_CORE_READ(task, __VA_ARGS__)

/* Of the host; what a task has in a user namespace of its own is none. */
static __always_inline __u64 sg_task_caps(struct task_struct *task)
{
    return sg_caps_of((__u64)task);
}

static __always_inline __u64 sg_task_cgroup(struct task_struct *task)
{
    return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* Root's containers; who makes himself namespaces is in none. */
static __always_inline __u32 sg_task_contained(struct task_struct *task)
{
    return sg_container_of((__u64)task);
}

/* The kernel keeps groups in ascending order. */
__noinline __u32 sg_in_group(__u64 task_address, __u32 gid)
{
    const struct cred *cred = sg_cred_of((struct task_struct *)task_address);
    const struct group_info *groups = BPF_CORE_READ(cred, group_info);
    __u32 from = 0, to = BPF_CORE_READ(groups, ngroups);

    if (BPF_CORE_READ(cred, egid.val) == gid)
        return 1;
    for (int i = 0; i < SG_GROUPS_STEPS; i++) {
        __u32 middle = from + (to - from) / 2;
        kgid_t one;

        if (from >= to || bpf_probe_read_kernel(&one, sizeof(one), &groups->gid[middle]))
            break;
        if (one.val == gid)
            return 1;
        if (one.val < gid)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

/*
 * What a task's groups look like, as a number: how a change of them is noticed. Lists are never written to, another list has
 * another address; the first groups are for a list that is where one that is gone was.
 */
__noinline __u64 sg_groups_digest(__u64 task_address)
{
    const struct cred *cred = sg_cred_of((struct task_struct *)task_address);
    const struct group_info *groups = BPF_CORE_READ(cred, group_info);
    int n = BPF_CORE_READ(groups, ngroups);
    __u64 digest = ((__u64)groups + (__u32)n) * 0x100000001b3ull + BPF_CORE_READ(cred, egid.val);

    for (int i = 0; i < SG_GROUPS_SEEN; i++) {
        kgid_t one;

        if (i >= n)
            break;
        if (!bpf_probe_read_kernel(&one, sizeof(one), &groups->gid[i]))
            digest = (digest ^ one.val) * 0x100000001b3ull;
    }
    return digest;
}

#endif
