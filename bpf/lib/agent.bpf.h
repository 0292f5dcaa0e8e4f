/* SPDX-License-Identifier: GPL-2.0-only */
/* What the running agent may do whatever the policy says. Asked only about what would be refused. */
#ifndef SG_BPF_AGENT_H
#define SG_BPF_AGENT_H

#include "guard.bpf.h"

static __always_inline struct sg_agent *sg_agent_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&sg_agents, &zero);
}

static __always_inline int sg_is_agent(struct sg_agent *a, struct task_struct *task)
{
    __u64 start;

    if (!a || !a->tgid || a->tgid != (__u32)BPF_CORE_READ(task, tgid))
        return 0;
    start = BPF_CORE_READ(task, group_leader, start_boottime);
    /* Whoever wrote the number lived then, and its exit clears it: the first that comes with it is the one. */
    if (!a->start_ns)
        a->start_ns = start;
    return a->start_ns == start;
}

/* Does the object lie below one of the agent's directories, or is it one of them? */
__noinline __u32 sg_agent_owns(__u64 dentry_address)
{
    struct dentry *dentry = (void *)dentry_address, *parent;
    const struct sg_agent *a = sg_agent_get();

    if (!a)
        return 0;
    for (int level = 0; level <= SG_AGENT_DEPTH_MAX; level++) {
        __u64 ino = BPF_CORE_READ(dentry, d_inode, i_ino);
        __u32 dev = BPF_CORE_READ(dentry, d_sb, s_dev);

        for (__u32 i = 0; i < SG_AGENT_DIRS; i++)
            if (i < a->n_dirs && ino && a->dirs[i].ino == ino && a->dirs[i].dev == dev)
                return 1;
        parent = BPF_CORE_READ(dentry, d_parent);
        if (!parent || parent == dentry)
            break;
        dentry = parent;
    }
    return 0;
}

/* Is the current task the agent, and this something that it may do? `other`: the second name, 0: none. */
__noinline __u32 sg_agent_may(__u64 dentry, __u64 other, __u32 ops, __u32 rule, __u32 policy_id)
{
    struct sg_agent *a = sg_agent_get();
    int is_agent;

    if (!a || rule < a->kept_rules)
        return 0;
    is_agent = sg_is_agent(a, (struct task_struct *)bpf_get_current_task());
    if (sg_guard_rule(rule, policy_id) && (is_agent || sg_guard_yields(a, dentry, ops)))
        return 1;
    if (!is_agent)
        return 0;
    if (ops && !(ops & ~(SG_OP_READ | SG_OP_MMAP | SG_OP_LOAD)))
        return 1;
    return sg_agent_owns(dentry) && (!other || sg_agent_owns(other));
}

#endif
