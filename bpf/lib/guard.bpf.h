/* SPDX-License-Identifier: GPL-2.0-only */
/* What safeguard's own defence knows: who is to be defended, and who may do what nobody else may. */
#ifndef SG_BPF_LIB_GUARD_H
#define SG_BPF_LIB_GUARD_H

#include "emit.bpf.h"

#include "abi/guard.h"

#define CGROUP2_SUPER_MAGIC 0x63677270ul /* include/uapi/linux/magic.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct___guard {
    unsigned int ptrace;
};

#pragma clang attribute pop

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_guard);
} sg_guards SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_guard_id);
    __type(value, __u32);
} sg_guard_ids SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SG_GUARD_COUNTS);
    __type(key, __u32);
    __type(value, __u64);
} sg_guard_counts SEC(".maps");

static __always_inline struct sg_guard *sg_guard_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&sg_guards, &zero);
}

static __always_inline void sg_guard_count(__u32 which)
{
    __u64 *n = bpf_map_lookup_elem(&sg_guard_counts, &which);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/* Is nothing defended now: switched off, or in the window of an unlock? */
static __always_inline int sg_guard_down(const struct sg_guard *g)
{
    return !g || !g->on || g->unlocked_until_ns > bpf_ktime_get_boot_ns();
}

/* Is it one of the built-in rules of the defence? */
static __always_inline int sg_guard_rule(__u32 rule, __u32 policy_id)
{
    const struct sg_guard *g = sg_guard_get();

    return g && g->policy_id == policy_id && rule - g->first_rule < g->n_rules;
}

/* Whose program does this task run? -1: nobody's of ours. */
static __always_inline int sg_guard_program_of(const struct sg_guard *g, struct task_struct *task)
{
    struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);
    __u64 ino = BPF_CORE_READ(inode, i_ino);
    __u32 dev = BPF_CORE_READ(inode, i_sb, s_dev);

    if (!ino)
        return -1;
    for (int i = 0; i < SG_GUARD_PROGRAMS; i++)
        if (g->programs[i].ino == ino && g->programs[i].dev == dev)
            return (int)g->programs[i].whom;
    return -1;
}

/* The service manager, or a child of it on the way to a program: that still runs the manager's own, or the one beside it. */
static __always_inline int sg_guard_is_manager(const struct sg_guard *g)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    if ((__u32)BPF_CORE_READ(task, tgid) != 1 && (__u32)BPF_CORE_READ(task, real_parent, tgid) != 1)
        return 0;
    return !BPF_CORE_READ((struct task_struct___guard *)task, ptrace) &&
           sg_guard_program_of(g, task) == SG_GUARD_OF_MANAGER;
}

/* The first eight bytes of names, both processors being little-endian, and how long these are. */
#define CGROUP_PROCS_0     0x702e70756f726763ull /* cgroup.p */
#define CGROUP_PROCS_LEN   12
#define CGROUP_THREADS_0   0x742e70756f726763ull /* cgroup.t */
#define CGROUP_THREADS_LEN 14
#define CGROUP_SUBTREE_0   0x732e70756f726763ull /* cgroup.s */
#define CGROUP_SUBTREE_LEN 22

/* A file of a cgroup that the manager writes to while the agent runs: who is in it, and which controllers there are beneath. */
static __always_inline int sg_guard_is_managed(struct dentry *d)
{
    __u32 len = BPF_CORE_READ(d, d_name.len);
    __u64 word = 0;

    bpf_probe_read_kernel(&word, sizeof(word), BPF_CORE_READ(d, d_name.name));
    return (word == CGROUP_PROCS_0 && len == CGROUP_PROCS_LEN) ||
           (word == CGROUP_THREADS_0 && len == CGROUP_THREADS_LEN) ||
           (word == CGROUP_SUBTREE_0 && len == CGROUP_SUBTREE_LEN);
}

/*
 * Does a built-in rule yield, whoever asks? The cgroup of an agent that does not run is its manager's, who starts the next one in it,
 * and sets mode and owner of its directories anew before that. What the manager may besides is not what somebody can ask it for
 * (limits, to freeze).
 */
static __always_inline int sg_guard_yields(const struct sg_agent *a, __u64 dentry, __u32 ops)
{
    const struct sg_guard *g = sg_guard_get();
    struct dentry *d = (void *)dentry;
    int of_cgroups;

    if (sg_guard_down(g))
        return 1;
    of_cgroups = BPF_CORE_READ(d, d_sb, s_magic) == CGROUP2_SUPER_MAGIC;
    if (a->tgid)
        return of_cgroups && sg_guard_is_managed(d) && sg_guard_is_manager(g);
    return of_cgroups ||
           (!(ops & ~(SG_OP_CHMOD | SG_OP_CHOWN | SG_OP_XATTR)) && sg_guard_is_manager(g));
}

#endif
