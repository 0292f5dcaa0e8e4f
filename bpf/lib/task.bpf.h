/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading tasks. Kernels from 5.11 on lend the current task as a typed pointer, whose fields are plain loads; 5.10 wants
 * a copy for each. SG_TASK_READ does what the kernel allows, chosen when the object is loaded.
 */
#ifndef SG_BPF_TASK_H
#define SG_BPF_TASK_H

#include "common.bpf.h"

static __always_inline struct task_struct *sg_current(void)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
        return bpf_get_current_task_btf();
    return (struct task_struct *)bpf_get_current_task();
}

/* For the current task only: `task` must come from sg_current() in the same function. */
#define SG_TASK_READ(task, ...) BPF_CORE_READ(task, __VA_ARGS__)

static __always_inline __u64 sg_task_caps(struct task_struct *task)
{
    const struct cred *cred = BPF_CORE_READ(task, cred);
    __u64 caps = 0;

    /* Two 32-bit words up to 6.2, one 64-bit word later: the same bytes on little-endian machines. */
    bpf_probe_read_kernel(&caps, sizeof(caps),
                          __builtin_preserve_access_index(&cred->cap_effective));
    return caps;
}

static __always_inline __u64 sg_task_cgroup(struct task_struct *task)
{
    return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* In a container: in a pid or user namespace below the first. Privilege is needed to leave one, none to enter. */
static __always_inline __u32 sg_task_contained(struct task_struct *task)
{
    return BPF_CORE_READ(task, nsproxy, pid_ns_for_children, level) > 0 ||
           BPF_CORE_READ(task, cred, user_ns, level) > 0;
}

#endif
