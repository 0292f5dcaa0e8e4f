/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scheduler's operations (struct sched_ext_ops): lib/ext_group has what belongs to whom, lib/ext_queue the order.
 *
 * It schedules everything of the fair class, since a task of SCHED_EXT alone would only have what the fair class leaves. What
 * rules ask for stands in control groups, nice values and classes as it does without it, and so does what others ask for: they hold
 * before it comes, while it is there, and after it.
 */
#ifndef SG_BPF_EXT_H
#define SG_BPF_EXT_H

#include "lib/ext_queue.bpf.h"

#include <bpf/bpf_tracing.h>

#define SG_EXT_TIMEOUT_MS 20000
#define SG_EXT_RELEASE_NS \
    10000000ull /* at most so long between two looks at those without a quota */
#define SG_EXT_RELEASE_IDLE  100000000ull /* … when no group has one */
#define SG_EXT_RELEASE_LEAST 1000000ull

struct sg_ext_timer {
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_ext_timer);
} ext_timers SEC(".maps");

/* Is it out of time? Then it waits apart. */
static __always_inline bool ext_exhausted(struct sg_ext_task *t, __u64 now)
{
    return ext_limited > 0 && ext_group_wait(t->slot, now) != 0;
}

static __always_inline __u64 ext_slice(void)
{
    return ext_limited > 0 ? SG_EXT_SHORT_NS : SG_EXT_SLICE_NS;
}

SEC("struct_ops/select_cpu")
__s32 BPF_PROG(ext_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
    struct sg_ext_task *t = ext_task(p);
    bool idle = false;
    __s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);

    if (!idle || !t || ext_exhausted(t, bpf_ktime_get_ns()))
        return cpu;
    ext_place(t, ext_is_shared(p) ? SG_EXT_SHARED : (__u32)cpu & (SG_EXT_CPUS - 1), true);
    scx_bpf_dsq_insert(p, SG_SCX_DSQ_LOCAL, ext_slice(), 0);
    return cpu;
}

/* Takes the CPU from who runs there, if that one has had much more of it. */
static __always_inline void ext_preempt(struct task_struct *p, struct sg_ext_task *t, __u32 cpu,
                                        __u64 now)
{
    __u32 policy = ((struct task_struct___scx *)p)->policy;
    struct sg_ext_queue *q = ext_queue(cpu);
    __u64 share, vtime, since;

    if (!q || policy == SG_EXT_POLICY_IDLE)
        return;
    share = q->share;
    if (!share)
        return;
    since = q->since_ns;
    vtime = q->vtime;
    if (now > since && now - since < SG_EXT_RAN_MAX_NS)
        vtime += (now - since) * SG_EXT_ONE / share;
    if (!q->idle && (policy == SG_EXT_POLICY_BATCH ||
                     !ext_before(ext_common(t->queue, t->vtime) + SG_EXT_PREEMPT_NS,
                                 ext_common(q->queue, vtime))))
        return;
    scx_bpf_kick_cpu((__s32)cpu, SG_SCX_KICK_PREEMPT);
}

SEC("struct_ops/enqueue")
int BPF_PROG(ext_enqueue, struct task_struct *p, __u64 enq_flags)
{
    struct task_struct___scx *s = (void *)p;
    struct sg_ext_task *t = ext_task(p);
    struct sg_ext_state *state = ext_state_get();
    struct sg_ext_queue *shared = ext_queue(SG_EXT_SHARED);
    __u64 now = bpf_ktime_get_ns();
    __s32 cpu = scx_bpf_task_cpu(p), idle;

    if (!t || !shared) {
        if (state)
            __sync_fetch_and_add(&state->unknown, 1);
        scx_bpf_dsq_insert(p, SG_SCX_DSQ_LOCAL, SG_EXT_SLICE_NS, enq_flags);
        return 0;
    }
    /* The kernel's own for one CPU: others wait for what they do. Only when they are woken, so that none keeps its CPU. */
    if (enq_flags & SG_SCX_ENQ_WAKEUP && s->flags & SG_EXT_PF_KTHREAD && s->nr_cpus_allowed == 1) {
        ext_place(t, (__u32)cpu & (SG_EXT_CPUS - 1), true);
        scx_bpf_dsq_insert(p, SG_SCX_DSQ_LOCAL, ext_slice(), enq_flags | SG_SCX_ENQ_PREEMPT);
        return 0;
    }
    if (ext_exhausted(t, now)) {
        if (state)
            __sync_fetch_and_add(&state->parked, 1);
        scx_bpf_dsq_insert(p, SG_EXT_PARKED, ext_slice(), enq_flags);
        return 0;
    }
    ext_place(t, ext_choose(p, cpu), enq_flags & SG_SCX_ENQ_WAKEUP);
    if (enq_flags & SG_SCX_ENQ_LAST) {
        scx_bpf_dsq_insert(p, SG_SCX_DSQ_LOCAL, ext_slice(), enq_flags);
        return 0;
    }
    scx_bpf_dsq_insert_vtime(p, t->queue, ext_slice(), t->vtime, enq_flags);
    idle = scx_bpf_pick_idle_cpu(s->cpus_ptr, 0);
    if (idle >= 0)
        scx_bpf_kick_cpu(idle, SG_SCX_KICK_IDLE);
    else if (enq_flags & SG_SCX_ENQ_WAKEUP)
        ext_preempt(p, t, t->queue == SG_EXT_SHARED ? (__u32)cpu : t->queue, now);
    return 0;
}

/* Does who ran until now go on, for another slice? */
static __always_inline bool ext_goes_on(struct task_struct *prev, struct sg_ext_queue *here,
                                        __u64 now, bool waits, __u64 next)
{
    struct sg_ext_task *t = prev ? ext_task(prev) : NULL;

    if (!t || !(((struct task_struct___scx *)prev)->scx.flags & SG_SCX_TASK_QUEUED))
        return false;
    ext_charge(prev, t, now);
    if (ext_exhausted(t, now))
        return false;
    if (waits && !ext_before(ext_common(t->queue, t->vtime), next))
        return false;
    ext_taken(t);
    here->vtime = t->vtime;
    here->since_ns = now;
    if (ext_constants.set_slice)
        scx_bpf_task_set_slice(prev, ext_slice());
    else
        ((struct task_struct___scx *)prev)->scx.slice = ext_slice();
    return true;
}

/* From the queues of other CPUs what may run here. */
static __always_inline void ext_steal(__u32 cpu)
{
    for (__u32 i = 1; i < SG_EXT_CPUS; i++) {
        __u32 other = cpu + i;

        if (i >= ext_n_cpus)
            return;
        if (other >= ext_n_cpus)
            other -= ext_n_cpus;
        if (scx_bpf_dsq_nr_queued(other) > 0 && scx_bpf_dsq_move_to_local(other))
            return;
    }
}

SEC("struct_ops/dispatch")
int BPF_PROG(ext_dispatch, __s32 cpu, struct task_struct *prev)
{
    struct sg_ext_queue *own = ext_queue((__u32)cpu), *shared = ext_queue(SG_EXT_SHARED);
    __u64 own_head = 0, shared_head = 0, now = bpf_ktime_get_ns();
    bool has_own, has_shared, own_first;

    if (!own || !shared)
        return 0;
    has_own = ext_head((__u64)(__u32)cpu, &own_head);
    has_shared = ext_head(SG_EXT_SHARED, &shared_head);
    ext_align(own, shared, has_own, own_head, has_shared);
    own_head += (__u64)own->offset;
    own_first = has_own && (!has_shared || ext_before(own_head, shared_head));
    if (ext_goes_on(prev, own, now, has_own || has_shared, own_first ? own_head : shared_head))
        return 0;
    if (own_first && scx_bpf_dsq_move_to_local((__u64)(__u32)cpu))
        return 0;
    if (scx_bpf_dsq_move_to_local(SG_EXT_SHARED))
        return 0;
    if (scx_bpf_dsq_move_to_local((__u64)(__u32)cpu))
        return 0;
    ext_steal((__u32)cpu);
    return 0;
}

SEC("struct_ops/runnable")
int BPF_PROG(ext_runnable, struct task_struct *p, __u64 enq_flags)
{
    struct sg_ext_task *t = ext_task(p);

    if (!t || t->counted)
        return 0;
    t->counted = ((struct task_struct___scx *)p)->scx.weight;
    ext_group_add(t->slot, t->counted, 1);
    return 0;
}

static __always_inline void ext_uncount(struct sg_ext_task *t)
{
    __u32 counted = t->counted;

    if (!counted)
        return;
    t->counted = 0;
    ext_group_add(t->slot, counted, -1);
}

SEC("struct_ops/quiescent")
int BPF_PROG(ext_quiescent, struct task_struct *p, __u64 deq_flags)
{
    struct sg_ext_task *t = ext_task(p);

    if (t)
        ext_uncount(t);
    return 0;
}

SEC("struct_ops/running")
int BPF_PROG(ext_running, struct task_struct *p)
{
    __s32 cpu = scx_bpf_task_cpu(p);
    struct sg_ext_queue *here = ext_queue((__u32)cpu);
    struct sg_ext_task *t = ext_task(p);

    if (!t || !here)
        return 0;
    /* One that came from another CPU's queue. */
    if (t->queue != SG_EXT_SHARED && t->queue != (__u32)cpu)
        ext_place(t, (__u32)cpu & (SG_EXT_CPUS - 1), false);
    ext_taken(t);
    t->since_ns = bpf_ktime_get_ns();
    if (!t->share)
        t->share = SG_EXT_ONE;
    here->vtime = t->vtime;
    here->since_ns = t->since_ns;
    here->share = t->share;
    here->queue = t->queue;
    here->idle = ((struct task_struct___scx *)p)->policy == SG_EXT_POLICY_IDLE;
    return 0;
}

SEC("struct_ops/stopping")
int BPF_PROG(ext_stopping, struct task_struct *p, bool runnable)
{
    struct sg_ext_queue *here = ext_queue((__u32)scx_bpf_task_cpu(p));
    struct sg_ext_task *t = ext_task(p);

    if (here)
        here->share = 0;
    if (!t)
        return 0;
    ext_charge(p, t, bpf_ktime_get_ns());
    t->since_ns = 0;
    return 0;
}

SEC("struct_ops/set_weight")
int BPF_PROG(ext_set_weight, struct task_struct *p, __u32 weight)
{
    struct sg_ext_task *t = ext_task(p);

    if (!t || !t->counted)
        return 0;
    ext_group_reweigh(t->slot, (__s64)weight - t->counted);
    t->counted = weight;
    return 0;
}

SEC("struct_ops/init_task")
__s32 BPF_PROG(ext_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
    struct sg_ext_queue *shared = ext_queue(SG_EXT_SHARED);
    struct sg_ext_task *t = bpf_task_storage_get(&ext_tasks, p, NULL,
                                                 BPF_LOCAL_STORAGE_GET_F_CREATE);

    /* Without it the task is served all the same. A child comes after who is there: many of them are not before one who sleeps now and then. */
    if (!t || !shared)
        return 0;
    *t = (struct sg_ext_task){.slot = ext_slot_of(args->cgroup),
                              .queue = SG_EXT_SHARED,
                              .vtime = shared->clock + (args->fork ? SG_EXT_SLICE_NS : 0),
                              .share = SG_EXT_ONE};
    return 0;
}

SEC("struct_ops/exit_task")
int BPF_PROG(ext_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
    struct sg_ext_task *t = ext_task(p);

    if (t)
        ext_uncount(t);
    return 0;
}

SEC("struct_ops/cgroup_init")
__s32 BPF_PROG(ext_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args *args)
{
    __u64 slot;

    ext_group_make(cgrp, args->weight, &slot);
    if (slot != SG_EXT_ROOT)
        ext_group_limit((__u32)slot, args->bw_period_us, args->bw_quota_us, args->bw_burst_us,
                        bpf_ktime_get_ns());
    return 0;
}

SEC("struct_ops/cgroup_exit")
int BPF_PROG(ext_cgroup_exit, struct cgroup *cgrp)
{
    ext_group_drop(cgrp);
    return 0;
}

SEC("struct_ops/cgroup_move")
int BPF_PROG(ext_cgroup_move, struct task_struct *p, struct cgroup *from, struct cgroup *to)
{
    struct sg_ext_task *t = ext_task(p);
    __u32 counted;

    if (!t)
        return 0;
    counted = t->counted;
    ext_uncount(t);
    t->slot = ext_slot_of(to);
    t->counted = counted;
    if (counted)
        ext_group_add(t->slot, counted, 1);
    return 0;
}

SEC("struct_ops/cgroup_set_weight")
int BPF_PROG(ext_cgroup_set_weight, struct cgroup *cgrp, __u32 weight)
{
    ext_group_weigh(ext_slot_own(cgrp), weight);
    return 0;
}

SEC("struct_ops/cgroup_set_bandwidth")
int BPF_PROG(ext_cgroup_set_bandwidth, struct cgroup *cgrp, __u64 period_us, __u64 quota_us,
             __u64 burst_us)
{
    ext_group_limit(ext_slot_own(cgrp), period_us, quota_us, burst_us, bpf_ktime_get_ns());
    return 0;
}

/* Lets those go on whose groups may run again. */
static int ext_release(void *map, __u32 *key, struct sg_ext_timer *timer)
{
    __u64 now = bpf_ktime_get_ns(), soonest = now + SG_EXT_RELEASE_NS, next;
    struct bpf_iter_scx_dsq it;
    struct task_struct *p;

    bpf_iter_scx_dsq_new(&it, SG_EXT_PARKED, 0);
    while ((p = bpf_iter_scx_dsq_next(&it))) {
        struct sg_ext_task *t = ext_task(p);
        __s32 cpu = scx_bpf_task_cpu(p);

        if (!t)
            continue;
        next = ext_group_wait(t->slot, now);
        if (next) {
            if (next < soonest)
                soonest = next;
            continue;
        }
        ext_place(t, ext_is_shared(p) ? SG_EXT_SHARED : (__u32)cpu & (SG_EXT_CPUS - 1), true);
        scx_bpf_dsq_move_set_slice(&it, SG_EXT_SHORT_NS);
        scx_bpf_dsq_move_set_vtime(&it, t->vtime);
        if (scx_bpf_dsq_move_vtime(&it, p, t->queue, 0))
            scx_bpf_kick_cpu(cpu, SG_SCX_KICK_IDLE);
    }
    bpf_iter_scx_dsq_destroy(&it);
    next = soonest > now + SG_EXT_RELEASE_LEAST ? soonest - now : SG_EXT_RELEASE_LEAST;
    bpf_timer_start(&timer->timer, ext_limited > 0 ? next : SG_EXT_RELEASE_IDLE, 0);
    return 0;
}

SEC("struct_ops/init")
__s32 BPF_PROG(ext_init)
{
    __u32 zero = 0;
    struct sg_ext_timer *timer = bpf_map_lookup_elem(&ext_timers, &zero);
    __s32 r;

    /* Asked so that the object knows the whole type: the kernel's functions are compared by it. */
    if (!timer || !bpf_core_type_exists(struct cpumask))
        return -3; /* -ESRCH */
    ext_n_cpus = scx_bpf_nr_cpu_ids();
    if (ext_n_cpus > SG_EXT_CPUS)
        return -7; /* -E2BIG */
    for (__u32 cpu = 0; cpu < SG_EXT_CPUS && cpu < ext_n_cpus; cpu++) {
        r = scx_bpf_create_dsq(cpu, -1);
        if (r)
            return r;
    }
    r = scx_bpf_create_dsq(SG_EXT_SHARED, -1);
    r = r ? r : scx_bpf_create_dsq(SG_EXT_PARKED, -1);
    r = r ? r : (__s32)bpf_timer_init(&timer->timer, &ext_timers, 1 /* CLOCK_MONOTONIC */);
    r = r ? r : (__s32)bpf_timer_set_callback(&timer->timer, ext_release);
    return r ? r : (__s32)bpf_timer_start(&timer->timer, SG_EXT_RELEASE_IDLE, 0);
}

SEC("struct_ops/exit")
int BPF_PROG(ext_exit, struct scx_exit_info *info)
{
    struct sg_ext_state *state = ext_state_get();

    if (!state)
        return 0;
    state->kind = (__u32)BPF_CORE_READ(info, kind);
    state->exit_code = BPF_CORE_READ(info, exit_code);
    bpf_probe_read_kernel_str(state->reason, sizeof(state->reason), BPF_CORE_READ(info, reason));
    bpf_probe_read_kernel_str(state->text, sizeof(state->text), BPF_CORE_READ(info, msg));
    asm volatile("" ::: "memory");
    *(volatile __u64 *)&state->ended = 1;
    return 0;
}

SEC(".struct_ops")
struct sched_ext_ops ext_ops = {
    .select_cpu = (void *)ext_select_cpu,
    .enqueue = (void *)ext_enqueue,
    .dispatch = (void *)ext_dispatch,
    .runnable = (void *)ext_runnable,
    .running = (void *)ext_running,
    .stopping = (void *)ext_stopping,
    .quiescent = (void *)ext_quiescent,
    .set_weight = (void *)ext_set_weight,
    .init_task = (void *)ext_init_task,
    .exit_task = (void *)ext_exit_task,
    .cgroup_init = (void *)ext_cgroup_init,
    .cgroup_exit = (void *)ext_cgroup_exit,
    .cgroup_move = (void *)ext_cgroup_move,
    .cgroup_set_weight = (void *)ext_cgroup_set_weight,
    .cgroup_set_bandwidth = (void *)ext_cgroup_set_bandwidth,
    .init = (void *)ext_init,
    .exit = (void *)ext_exit,
    .flags = SG_SCX_OPS_ENQ_LAST,
    .timeout_ms = SG_EXT_TIMEOUT_MS,
    .name = "safeguard",
};

#endif
