/* SPDX-License-Identifier: GPL-2.0-only */
/* From a task's cgroup to its state: the automaton run over the path below the root of the cgroup file system. */
#ifndef SG_BPF_CGROUP_H
#define SG_BPF_CGROUP_H

#include "walk.bpf.h"

#define SG_CGROUP_DEPTH 64

static __always_inline struct kernfs_node *sg_kernfs_parent(struct kernfs_node *kn)
{
    if (bpf_core_field_exists(kn->parent))
        return BPF_CORE_READ(kn, parent);
    return BPF_CORE_READ((struct kernfs_node___rcu *)kn, __parent);
}

/* One cgroup down: '/' and the name of the one that the walk passed as its `n`th. The walk's room is the caller's. */
__noinline __u64 sg_cgroup_step(__u32 n, __u32 policy_id, __u32 state, __u32 room)
{
    struct sg_walk *w = sg_walk_of(room);
    __u64 answer = sg_enter(policy_id, state), slot = n & (SG_WALK_KEPT - 1);
    const struct kernfs_node *kn;
    const char *name;
    long len;

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    kn = (const void *)w->up[slot];
    name = BPF_CORE_READ(kn, name);
    len = bpf_probe_read_kernel_str(w->name, sizeof(w->name), name);
    if (len <= 1 || SG_ANSWER_FAILED(answer))
        return answer;
    return sg_run(policy_id, (__u32)answer, (__u64)name, (__u32)len - 1);
}

/* The state of a task's cgroup, by its path below the cgroup root. Of more than SG_CGROUP_DEPTH levels the upper ones count. */
__noinline __u64 sg_cgroup_state(__u64 task_address, __u32 policy_id, __u32 state)
{
    struct kernfs_node *kn = BPF_CORE_READ((struct task_struct *)task_address, cgroups, dfl_cgrp,
                                           kn),
                       *parent;
    __u32 room = sg_room_claim(), n = 0;
    struct sg_walk *w = sg_walk_of(room);
    __u64 answer = SG_ANSWER(state), slot;

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    for (int i = 0; i < SG_CGROUP_DEPTH; i++) {
        if (!kn)
            break;
        parent = sg_kernfs_parent(kn);
        if (!parent)
            break;
        slot = i & (SG_WALK_KEPT - 1);
        w->up[slot] = (__u64)kn;
        kn = parent;
        n++;
    }
    n = sg_opaque(n);
    for (int i = 0; i < SG_CGROUP_DEPTH; i++) {
        if (!n || !answer || SG_ANSWER_FAILED(answer))
            break;
        n--;
        answer = sg_cgroup_step(n, policy_id, (__u32)answer, room);
    }
    sg_room_free(room);
    return answer;
}

#endif
