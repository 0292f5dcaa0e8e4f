/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading tasks. Kernels from 5.11 on lend the current task as a typed pointer, whose fields are plain loads; 5.10 wants
 * a copy for each. SG_TASK_READ does what the kernel allows, chosen when the object is loaded.
 */
#ifndef SG_BPF_TASK_H
#define SG_BPF_TASK_H

#include "contained.bpf.h"

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

#endif
