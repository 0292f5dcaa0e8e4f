/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control groups as the scheduler sees them: how much of the host is whose, and what a quota leaves.
 *
 * A task's share is its weight among what is runnable in its group, times the group's weight among what is runnable in the one
 * above, and so on: the tree without its levels. What is runnable is added up as tasks come and go. In the root nothing is divided:
 * that would be the same for all, and those who wake for a moment would change it. Weights of groups and of tasks are on one
 * scale (100 is usual; nice values are translated to it by the kernel).
 *
 * A group with a quota has so much time a period, counted down by whoever runs in it or beneath; what was used too much is owed
 * to the next one. Periods are counted when somebody asks.
 *
 * What goes up the tree is a global function: the verifier looks at those once, and not wherever they are called.
 */
#ifndef SG_BPF_LIB_EXT_GROUP_H
#define SG_BPF_LIB_EXT_GROUP_H

#include "abi/ext.h"
#include "scx.h"

#include <bpf/bpf_core_read.h>

#define SG_EXT_ONE      0x40000000ull /* the whole host, as a share */
/* Nobody is served with less, or the kernel would take long waits for a scheduler that hangs. */
#define SG_EXT_LEAST    0x100000ull
#define SG_EXT_WEIGHT   100u
#define SG_EXT_ROOT     0u
#define SG_EXT_OWED_NS  4000000000ll /* no group has to do without for longer, whatever was used */
#define SG_EXT_NO_QUOTA (~0ull)

struct sg_ext_group {
    struct bpf_spin_lock lock; /* weight, active, load; next_ns */
    __u32 parent;
    __u32 weight;
    __s32 active;   /* runnable tasks of its own, and groups beneath that have some */
    __s64 load;     /* the sum of their weights */
    __u64 quota_ns; /* a period; 0: none */
    __u64 period_ns;
    __u64 burst_ns;
    __s64 left_ns; /* of this period */
    __u64 next_ns; /* period */
};

/* By slot; SG_EXT_ROOT is the root. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SG_EXT_GROUPS);
    __type(key, __u32);
    __type(value, struct sg_ext_group);
} ext_groups SEC(".maps");

/* The slot of a control group by its number, and slots that were given back. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SG_EXT_GROUPS);
    __type(key, __u64);
    __type(value, __u32);
} ext_slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_STACK);
    __uint(max_entries, SG_EXT_GROUPS);
    __type(value, __u32);
} ext_free SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct sg_ext_state);
} ext_state SEC(".maps");

/* The kernel calls what makes and removes groups, and what changes them, one after the other. */
static __u32 ext_slots_used = 1;
static __s32 ext_limited; /* groups with a quota */

static __always_inline struct sg_ext_state *ext_state_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&ext_state, &zero);
}

static __always_inline struct sg_ext_group *ext_group(__u32 slot)
{
    return bpf_map_lookup_elem(&ext_groups, &slot);
}

static __always_inline __u64 ext_group_id(struct cgroup *cgrp)
{
    return cgrp->kn->id;
}

/* Of one that has none: it is served with the root. */
static __always_inline __u32 ext_slot_of(struct cgroup *cgrp)
{
    __u64 id = ext_group_id(cgrp);
    __u32 *slot = bpf_map_lookup_elem(&ext_slots, &id);

    return slot ? *slot : SG_EXT_ROOT;
}

/* Whatever of `weight` becomes runnable in a group (sign 1), or no longer is (-1). */
__noinline int ext_group_add(__u32 slot, __s64 weight, __s32 sign)
{
    for (int i = 0; i < SG_EXT_DEPTH; i++) {
        struct sg_ext_group *g = ext_group(slot);
        __s32 active;
        __u32 own;

        if (!g)
            return 0;
        bpf_spin_lock(&g->lock);
        g->active += sign;
        active = g->active;
        g->load += sign * weight;
        own = g->weight;
        bpf_spin_unlock(&g->lock);
        /* Goes on upwards with the first one and with the last one. */
        if (slot == SG_EXT_ROOT || active != (sign > 0 ? 1 : 0))
            return 0;
        weight = own;
        slot = g->parent;
    }
    return 0;
}

static __always_inline void ext_group_reweigh(__u32 slot, __s64 change)
{
    struct sg_ext_group *g = ext_group(slot);

    if (!g)
        return;
    bpf_spin_lock(&g->lock);
    g->load += change;
    bpf_spin_unlock(&g->lock);
}

static __always_inline void ext_group_weigh(__u32 slot, __u32 weight)
{
    struct sg_ext_group *g = ext_group(slot);
    __s64 change;
    __s32 active;

    if (!g || slot == SG_EXT_ROOT)
        return;
    bpf_spin_lock(&g->lock);
    change = (__s64)weight - g->weight;
    g->weight = weight;
    active = g->active;
    bpf_spin_unlock(&g->lock);
    if (active > 0)
        ext_group_reweigh(g->parent, change);
}

/* The share of a task of this weight, and `ran_ns` of it counted against all quotas above. */
__noinline __u64 ext_group_charge(__u32 slot, __u64 weight, __u64 ran_ns)
{
    __u64 share = SG_EXT_ONE, least = 0;
    __s64 load;

    for (int i = 0; i < SG_EXT_DEPTH; i++) {
        struct sg_ext_group *g = ext_group(slot);

        if (!g)
            break;
        load = *(volatile __s64 *)&g->load;
        if (slot == SG_EXT_ROOT) {
            share = share * weight / SG_EXT_WEIGHT;
            least = load > 0 ? (__u64)load * (SG_EXT_ONE / SG_EXT_WEIGHT / SG_EXT_LEAST) : 0;
            break;
        }
        if (g->quota_ns && ran_ns)
            __sync_fetch_and_add(&g->left_ns, -(__s64)ran_ns);
        if (load > (__s64)weight)
            share = share * weight / (__u64)load;
        weight = g->weight;
        slot = g->parent;
    }
    if (share < least)
        share = least;
    return share ? share : 1;
}

/* Begins the periods that are due. */
static __always_inline void ext_group_refill(struct sg_ext_group *g, __u64 now)
{
    __u64 quota = g->quota_ns, period = g->period_ns, n = 0;
    __s64 left, most;

    if (now < *(volatile __u64 *)&g->next_ns || !period)
        return;
    bpf_spin_lock(&g->lock);
    if (now >= g->next_ns) {
        n = (now - g->next_ns) / period + 1;
        g->next_ns += n * period;
    }
    bpf_spin_unlock(&g->lock);
    if (!n)
        return;
    /* More than a minute's worth is never missing. */
    if (n > 60000)
        n = 60000;
    left = *(volatile __s64 *)&g->left_ns;
    most = (__s64)(quota + g->burst_ns);
    if (left < -SG_EXT_OWED_NS)
        __sync_fetch_and_add(&g->left_ns, -SG_EXT_OWED_NS - left);
    left = *(volatile __s64 *)&g->left_ns + (__s64)(n * quota);
    __sync_fetch_and_add(&g->left_ns, (__s64)(n * quota) - (left > most ? left - most : 0));
}

/* May a task of this group run, by the quotas of all groups above? 0, or when it should be asked again. */
__noinline __u64 ext_group_wait(__u32 slot, __u64 now)
{
    for (int i = 0; i < SG_EXT_DEPTH; i++) {
        struct sg_ext_group *g = ext_group(slot);

        if (!g)
            return 0;
        if (g->quota_ns) {
            ext_group_refill(g, now);
            if (*(volatile __s64 *)&g->left_ns <= 0)
                return g->next_ns;
        }
        if (slot == SG_EXT_ROOT)
            return 0;
        slot = g->parent;
    }
    return 0;
}

static __always_inline void ext_group_limit(__u32 slot, __u64 period_us, __u64 quota_us,
                                            __u64 burst_us, __u64 now)
{
    struct sg_ext_group *g = ext_group(slot);
    __u64 quota_ns = quota_us == SG_EXT_NO_QUOTA || !period_us ? 0 : quota_us * 1000;

    if (!g || slot == SG_EXT_ROOT)
        return;
    ext_limited += !!quota_ns - !!g->quota_ns;
    g->quota_ns = 0;
    g->period_ns = period_us * 1000;
    g->burst_ns = burst_us * 1000;
    g->left_ns = (__s64)quota_ns;
    g->next_ns = now + g->period_ns;
    g->quota_ns = quota_ns;
}

/* A slot, or 0: there is none. */
static __always_inline __u32 ext_slot_take(void)
{
    __u32 slot = 0;

    if (!bpf_map_pop_elem(&ext_free, &slot))
        return slot;
    return ext_slots_used < SG_EXT_GROUPS ? ext_slots_used++ : 0;
}

static __always_inline void ext_group_make(struct cgroup *cgrp, __u32 weight, __u64 *ret_slot)
{
    struct cgroup___scx *c = (void *)cgrp;
    struct sg_ext_state *state = ext_state_get();
    struct sg_ext_group *g;
    __u64 id = ext_group_id(cgrp), above;
    __u32 slot = 0, *parent;

    *ret_slot = SG_EXT_ROOT;
    if (c->level > 0) {
        above = BPF_CORE_READ(c, self.parent, cgroup, kn, id);
        parent = bpf_map_lookup_elem(&ext_slots, &above);
        if (c->level < SG_EXT_DEPTH)
            slot = ext_slot_take();
        g = slot ? ext_group(slot) : NULL;
        if (g) {
            g->parent = parent ? *parent : SG_EXT_ROOT;
            g->weight = weight;
            g->active = 0;
            g->load = 0;
            g->quota_ns = 0;
        } else {
            slot = parent ? *parent : SG_EXT_ROOT;
            if (state)
                state->groups_joined++;
        }
        *ret_slot = g ? slot : SG_EXT_ROOT;
    }
    if (!bpf_map_update_elem(&ext_slots, &id, &slot, BPF_ANY) && state)
        state->groups++;
}

/* The slot of a group, unless it is served with the one above. */
static __always_inline __u32 ext_slot_own(struct cgroup *cgrp)
{
    struct cgroup___scx *c = (void *)cgrp;
    __u64 above = BPF_CORE_READ(c, self.parent, cgroup, kn, id);
    __u32 slot = ext_slot_of(cgrp), *parent = bpf_map_lookup_elem(&ext_slots, &above);

    return parent && *parent == slot ? SG_EXT_ROOT : slot;
}

static __always_inline void ext_group_drop(struct cgroup *cgrp)
{
    struct sg_ext_state *state = ext_state_get();
    __u64 id = ext_group_id(cgrp);
    __u32 slot = ext_slot_own(cgrp);
    struct sg_ext_group *g = slot ? ext_group(slot) : NULL;

    if (g) {
        if (g->quota_ns)
            ext_limited--;
        g->quota_ns = 0;
        bpf_map_push_elem(&ext_free, &slot, BPF_ANY);
    }
    if (!bpf_map_delete_elem(&ext_slots, &id) && state)
        state->groups--;
}

#endif
