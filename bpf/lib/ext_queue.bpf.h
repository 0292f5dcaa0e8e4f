/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues of tasks that wait for a CPU, in the order of their virtual time: what a task ran, divided by its share of the host.
 *
 * Tasks that may run on every CPU have one queue together, so that shares hold over all of them. Each CPU has a queue for those
 * that may not. A queue has a clock, the time of the task that was taken last: who slept does not come back with all the time that
 * he missed, and who changes queues keeps what he is ahead or behind. The clock of a CPU's own queue runs as fast as that CPU is
 * wanted, so times of the two are compared with an offset, which keeps each from being ahead of the other by more than
 * SG_EXT_AHEAD_NS while nobody competes.
 *
 * Tasks whose group has used its quota wait apart.
 */
#ifndef SG_BPF_LIB_EXT_QUEUE_H
#define SG_BPF_LIB_EXT_QUEUE_H

#include "ext_group.bpf.h"

#define SG_EXT_CPUS       1024
#define SG_EXT_SHARED     ((__u64)SG_EXT_CPUS)
#define SG_EXT_PARKED     ((__u64)SG_EXT_CPUS + 1)
#define SG_EXT_SLICE_NS   4000000ull
#define SG_EXT_SHORT_NS   1000000ull  /* where a quota has to be kept */
#define SG_EXT_SLEPT_NS   8000000ll   /* of virtual time: what who slept has in advance */
#define SG_EXT_MOVED_NS   200000000ll /* … what who changes queues may have to make up for */
#define SG_EXT_AHEAD_NS   200000000ll
#define SG_EXT_PREEMPT_NS 1000000ll
#define SG_EXT_RAN_MAX_NS 4000000000ull

#define SG_EXT_POLICY_BATCH 3u
#define SG_EXT_POLICY_IDLE  5u
#define SG_EXT_PF_KTHREAD   0x00200000u

struct sg_ext_task {
    __u64 vtime;
    __u64 since_ns; /* it runs since then, as far as that was counted */
    __u64 share;
    __u32 slot;
    __u32 counted; /* with which weight it is runnable in its group; 0: it is not */
    __u32 queue;   /* whose clock its time is of: a CPU, or SG_EXT_SHARED */
    __u32 reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_ext_task);
} ext_tasks SEC(".maps");

/* One for each CPU, then the shared one. */
struct sg_ext_queue {
    __u64 clock;
    __s64 offset; /* of a CPU's own to the shared one */
    /* What the CPU runs now. */
    __u64 vtime;
    __u64 since_ns;
    __u64 share; /* 0: nothing of ours */
    __u32 queue;
    __u32 idle; /* it is of the idle class */
} __attribute__((aligned(64)));

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SG_EXT_CPUS + 1);
    __type(key, __u32);
    __type(value, struct sg_ext_queue);
} ext_queues SEC(".maps");

/* Put there before the object is loaded; nothing else is constant data. */
const volatile struct sg_ext_constants ext_constants = {.online = 1};

static __u32 ext_n_cpus; /* numbers of CPUs are below */

static __always_inline struct sg_ext_task *ext_task(struct task_struct *p)
{
    return bpf_task_storage_get(&ext_tasks, p, NULL, 0);
}

static __always_inline struct sg_ext_queue *ext_queue(__u32 queue)
{
    return bpf_map_lookup_elem(&ext_queues, &queue);
}

static __always_inline bool ext_is_shared(struct task_struct *p)
{
    return ((struct task_struct___scx *)p)->nr_cpus_allowed >= ext_constants.online;
}

static __always_inline bool ext_before(__u64 a, __u64 b)
{
    return (__s64)(a - b) < 0;
}

/* Has a task's time be one of the queue that it goes to. */
static __always_inline void ext_place(struct sg_ext_task *t, __u32 queue, bool woken)
{
    struct sg_ext_queue *to = ext_queue(queue), *from = ext_queue(t->queue);
    __s64 ahead;

    if (!to || !from)
        return;
    if (t->queue != queue) {
        ahead = (__s64)(t->vtime - from->clock);
        if (ahead < -SG_EXT_SLEPT_NS)
            ahead = -SG_EXT_SLEPT_NS;
        if (ahead > SG_EXT_MOVED_NS)
            ahead = SG_EXT_MOVED_NS;
        t->vtime = to->clock + ahead;
        t->queue = queue;
    } else if (woken && ext_before(t->vtime, to->clock - SG_EXT_SLEPT_NS)) {
        t->vtime = to->clock - SG_EXT_SLEPT_NS;
    }
}

/* Of two times, one that can be compared with those of the shared queue. */
static __always_inline __u64 ext_common(__u32 queue, __u64 vtime)
{
    struct sg_ext_queue *q = queue == SG_EXT_SHARED ? NULL : ext_queue(queue);

    return q ? vtime + (__u64)q->offset : vtime;
}

/* The task is the one that its queue has taken last: whoever comes from now on comes behind what it had before. */
static __always_inline void ext_taken(struct sg_ext_task *t)
{
    struct sg_ext_queue *q = ext_queue(t->queue);

    if (q && ext_before(q->clock, t->vtime))
        q->clock = t->vtime;
}

/*
 * Counts what a task ran until now. One that has a CPU all the time and is due more than that is not owed the rest: the others could
 * never give it.
 */
static __always_inline void ext_charge(struct task_struct *p, struct sg_ext_task *t, __u64 now)
{
    __u64 ran = now - t->since_ns, weight = ((struct task_struct___scx *)p)->scx.weight;
    struct sg_ext_queue *shared = ext_queue(SG_EXT_SHARED);

    /* Here, or one instruction would load it of the task and of groups, which the verifier does not take. */
    asm volatile("" : "+r"(weight));
    if (!t->since_ns || (__s64)ran < 0)
        ran = 0;
    if (ran > SG_EXT_RAN_MAX_NS)
        ran = SG_EXT_RAN_MAX_NS;
    t->share = ext_group_charge(t->slot, weight, ran);
    t->vtime += (ran * SG_EXT_ONE) / t->share;
    t->since_ns = now;
    if (shared && t->queue == SG_EXT_SHARED &&
        ext_before(t->vtime, shared->clock - SG_EXT_AHEAD_NS))
        t->vtime = shared->clock - SG_EXT_AHEAD_NS;
}

/* The time of the task that comes next. */
static __always_inline bool ext_head(__u64 queue, __u64 *ret_vtime)
{
    struct bpf_iter_scx_dsq it;
    struct task_struct *p;
    bool found = false;

    if (scx_bpf_dsq_nr_queued(queue) <= 0)
        return false;
    bpf_iter_scx_dsq_new(&it, queue, 0);
    p = bpf_iter_scx_dsq_next(&it);
    if (p) {
        *ret_vtime = ((struct task_struct___scx *)p)->scx.dsq_vtime;
        found = true;
    }
    bpf_iter_scx_dsq_destroy(&it);
    return found;
}

/* Keeps the two queues of a CPU comparable. */
static __always_inline void ext_align(struct sg_ext_queue *own, struct sg_ext_queue *shared,
                                      bool has_own, __u64 own_head, bool has_shared)
{
    __u64 clock = shared->clock;

    if (has_own && ext_before(own_head + (__u64)own->offset, clock - SG_EXT_AHEAD_NS))
        own->offset = (__s64)(clock - SG_EXT_AHEAD_NS - own_head);
    if (!has_shared && ext_before(clock + SG_EXT_AHEAD_NS, own->clock + (__u64)own->offset))
        own->offset = (__s64)(clock + SG_EXT_AHEAD_NS - own->clock);
}

/* Who waits at CPU `cpu` goes on from there: for one that may not run everywhere, that of two CPUs where fewer wait. */
static __always_inline __u32 ext_choose(struct task_struct *p, __s32 cpu)
{
    __s32 other;

    if (ext_is_shared(p))
        return SG_EXT_SHARED;
    if (((struct task_struct___scx *)p)->nr_cpus_allowed > 1) {
        other = scx_bpf_pick_any_cpu(((struct task_struct___scx *)p)->cpus_ptr, 0);
        if (other >= 0 && other < SG_EXT_CPUS && other != cpu &&
            scx_bpf_dsq_nr_queued((__u64)other) < scx_bpf_dsq_nr_queued((__u64)(__u32)cpu))
            cpu = other;
    }
    return (__u32)cpu & (SG_EXT_CPUS - 1);
}

#endif
