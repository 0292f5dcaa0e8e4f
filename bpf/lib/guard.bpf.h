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

/*
 * Does a built-in rule yield, whoever asks? The cgroup of an agent that does not run is its manager's, who starts the next one in it.
 */
static __always_inline int sg_guard_yields(const struct sg_agent *a, __u64 dentry)
{
    struct dentry *d = (void *)dentry;

    if (sg_guard_down(sg_guard_get()))
        return 1;
    if (a->tgid)
        return 0;
    return BPF_CORE_READ(d, d_sb, s_magic) == CGROUP2_SUPER_MAGIC;
}

#endif
