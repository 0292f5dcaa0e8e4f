/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On- and off-CPU time by process and reason, and run-queue delay.
 *
 * A task is looked at once for each time that it has a CPU: when it leaves it. When it came, and how long it had waited for one,
 * the kernel has noted by then (sched_info, kernel/sched/stats.h), and what time it is (rq.clock) as well; what is left of the time
 * since it left the last one is what it waited for something else. The sums are the task's own (task storage from 5.11 on, before
 * that a hash by its address), so that nobody else writes them; the process has what tasks left that have ended. What is going on
 * is in no sum: the iterator adds it to what it tells.
 *
 * The program of switches runs under the lock of a run queue, where nothing may be allocated: an allocator may wake somebody, and
 * would wait for the same lock. So sums are made at fork and by the iterator only.
 */
#ifndef SG_BPF_SCHED_H
#define SG_BPF_SCHED_H

#include "lib/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/sched.h"

/* include/linux/sched.h: the same from 5.10 on, except that FREEZABLE and above came later. */
#define SG_TASK_INTERRUPTIBLE   0x1u
#define SG_TASK_UNINTERRUPTIBLE 0x2u
#define SG_TASK_STOPPED         0x4u
#define SG_TASK_TRACED          0x8u
#define SG_TASK_NOLOAD          0x400u

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* From 5.14 on. */
struct task_struct___state {
    unsigned int __state;
};

struct task_struct___old_state {
    long state;
};

struct rq {
    __u64 clock; /* brought up to date by every switch and tick of its CPU */
};

/* With CONFIG_FAIR_GROUP_SCHED a task knows its run queue by this one, whatever its class is. */
struct cfs_rq {
    struct rq *rq;
};

struct sched_entity {
    struct cfs_rq *cfs_rq;
};

/* With CONFIG_SCHED_INFO, by rq.clock. */
struct sched_info {
    unsigned long long run_delay; /* waited for a CPU, all in all, up to when it came to this one */
    unsigned long long last_arrival;
    unsigned long long last_queued; /* it waits for a CPU since then; 0: it does not */
};

struct task_struct___sched {
    struct sched_entity se;
    struct sched_info sched_info;
    unsigned in_iowait : 1;
    unsigned
        on_cpu; /* with CONFIG_SMP; no int from 7.3 on, and what has a sign is not read in another size */
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

#pragma clang attribute pop

struct sg_sched_task {
    struct sg_sched_sums sums;
    __u64 left_ns;  /* a CPU, by rq.clock */
    __u64 delay_ns; /* what sched_info.run_delay was then */
    __u64 start_ns; /* of the process */
    __u32 tgid;     /* 0: nothing is known yet */
    __u32 reason;   /* why it left: enum sg_sched_reason, or SG_SCHED_UNKNOWN */
};

/* Made an array of one where the kernel has none. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_sched_task);
} sched_tasks SEC(".maps");

/* By the address of the task, for kernels without task storage; an entry goes with its task. Made small where it is not used. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768);
    __type(key, __u64);
    __type(value, struct sg_sched_task);
} sched_addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct sg_sched_key);
    __type(value, struct sg_sched_process);
} sched_processes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_sched_host);
} sched_hosts SEC(".maps");

/* A name among the constants: without one the object would have no type information on 5.10. */
const volatile __u32 sched_version = 1;

static const struct sg_sched_process sg_sched_nothing = {};
static const struct sg_sched_task sg_sched_new = {.reason = SG_SCHED_UNKNOWN};

static __always_inline bool sg_sched_has_storage(void)
{
    return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get);
}

static __always_inline struct sg_sched_task *sg_sched_find(struct task_struct *task)
{
    __u64 address = (__u64)task;

    if (sg_sched_has_storage())
        return bpf_task_storage_get(&sched_tasks, task, NULL, 0);
    return bpf_map_lookup_elem(&sched_addresses, &address);
}

static __always_inline __u64 sg_sched_now(struct task_struct *task)
{
    struct task_struct___sched *t = (void *)task;

    return t->se.cfs_rq->rq->clock;
}

static __always_inline __u32 sg_sched_state(struct task_struct *task)
{
    struct task_struct___state *t = (void *)task;
    struct task_struct___old_state *old = (void *)task;

    if (bpf_core_field_exists(t->__state))
        return t->__state;
    return (__u32)old->state;
}

static __always_inline __u32 sg_sched_reason_of(struct task_struct *prev, __u32 state)
{
    if (state & (SG_TASK_STOPPED | SG_TASK_TRACED))
        return SG_SCHED_STOPPED;
    if (state & SG_TASK_INTERRUPTIBLE)
        return SG_SCHED_SLEEP;
    if (state & SG_TASK_UNINTERRUPTIBLE && !(state & SG_TASK_NOLOAD)) {
        struct task_struct___sched *waits = (void *)prev;

        return BPF_CORE_READ_BITFIELD(waits, in_iowait) ? SG_SCHED_IO : SG_SCHED_LOCK;
    }
    return SG_SCHED_OTHER;
}

static __always_inline struct sg_sched_host *sg_sched_here(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&sched_hosts, &zero);
}

/* floor(log2(ns / 512)), within the slots. */
static __always_inline __u32 sg_sched_slot(__u64 ns)
{
    __u64 left = ns / SG_SCHED_SLOT_BASE;
    __u32 slot = 0;

    if (!left)
        return 0;
    if (left >> 32)
        return SG_SCHED_SLOTS - 1;
    if (left >> 16) {
        left >>= 16;
        slot += 16;
    }
    if (left >> 8) {
        left >>= 8;
        slot += 8;
    }
    if (left >> 4) {
        left >>= 4;
        slot += 4;
    }
    if (left >> 2) {
        left >>= 2;
        slot += 2;
    }
    slot += left >> 1;
    slot += 1;
    return slot < SG_SCHED_SLOTS ? slot : SG_SCHED_SLOTS - 1;
}

/* A period, as it is told by the task and the clock: off the CPU from when it left the last one, then on one up to `now`. */
struct sg_sched_period {
    __u64 on_ns, off_ns;
    __u64 delay_ns; /* of off_ns */
    bool waited;    /* it came to a CPU since it was looked at last */
};

static __always_inline void sg_sched_period_of(struct sg_sched_period *ret,
                                               const struct sg_sched_task *t,
                                               struct task_struct *task, __u64 now)
{
    const struct task_struct___sched *s = (const void *)task;
    __u64 came = s->sched_info.last_arrival, delay;

    /* It had its CPU when it was looked at for the first time; or clocks of two CPUs differ. */
    ret->waited = came > t->left_ns;
    if (!ret->waited)
        came = t->left_ns;
    delay = s->sched_info.run_delay - t->delay_ns;
    ret->off_ns = came - t->left_ns;
    ret->delay_ns = delay < ret->off_ns ? delay : ret->off_ns;
    ret->on_ns = now > came ? now - came : 0;
}

/* Who waits for a CPU all the time does not wait for something else. */
static __always_inline __u64 sg_sched_off_of(const struct sg_sched_period *p, __u32 reason)
{
    return reason == SG_SCHED_PREEMPTED ? p->off_ns : p->off_ns - p->delay_ns;
}

static __always_inline void sg_sched_leaves(struct task_struct *prev, struct sg_sched_host *host,
                                            bool preempt, __u32 state)
{
    const struct task_struct___sched *s = (const void *)prev;
    struct sg_sched_task *t = sg_sched_find(prev);
    struct sg_sched_period p;
    __u32 slot, reason;
    __u64 now;

    if (!t) {
        host->unknown++;
        return;
    }
    now = sg_sched_now(prev);
    sg_sched_period_of(&p, t, prev, now);
    t->sums.on_ns += p.on_ns;
    t->sums.delay_ns += p.delay_ns;
    reason = t->reason;
    if (reason < SG_SCHED_REASONS)
        t->sums.off_ns[reason] += sg_sched_off_of(&p, reason);
    t->sums.switches++;
    if (p.waited) {
        slot = sg_sched_slot(p.delay_ns);
        if (slot < SG_SCHED_SLOTS) {
            t->sums.delays[slot]++;
            host->delays[slot]++;
        }
        host->delay_ns += p.delay_ns;
    }
    if (preempt || !state) {
        t->sums.involuntary++;
        t->reason = SG_SCHED_PREEMPTED;
    } else {
        t->reason = sg_sched_reason_of(prev, state);
    }
    t->delay_ns = s->sched_info.run_delay;
    /* Last: who reads meanwhile sees by it that something has changed. */
    asm volatile("" ::: "memory");
    t->left_ns = now;
}

static __always_inline void sg_sched_switch(bool preempt, struct task_struct *prev, __u32 state)
{
    struct sg_sched_host *host = sg_sched_here();

    if (!host)
        return;
    host->switches++;
    if (prev->pid)
        sg_sched_leaves(prev, host, preempt, state);
}

/* Up to 5.17. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch_3, bool preempt, struct task_struct *prev)
{
    sg_sched_switch(preempt, prev, sg_sched_state(prev));
    return 0;
}

/* With the state that it was taken off the CPU with: by now somebody may have changed the task's own. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch_4, bool preempt, struct task_struct *prev, struct task_struct *next,
             unsigned int prev_state)
{
    sg_sched_switch(preempt, prev, prev_state);
    return 0;
}

/* Finds the sums or makes them; from now on it is known when the task has left a CPU. Not under the lock of a run queue. */
static __always_inline struct sg_sched_task *sg_sched_make(struct task_struct *task, __u64 now,
                                                           __u32 reason)
{
    const struct task_struct___sched *s = (const void *)task;
    __u64 address = (__u64)task;
    struct sg_sched_task *t;

    if (sg_sched_has_storage()) {
        t = bpf_task_storage_get(&sched_tasks, task, (void *)&sg_sched_new,
                                 BPF_LOCAL_STORAGE_GET_F_CREATE);
    } else {
        bpf_map_update_elem(&sched_addresses, &address, &sg_sched_new, BPF_NOEXIST);
        t = bpf_map_lookup_elem(&sched_addresses, &address);
    }
    if (t && !t->tgid) {
        t->left_ns = now;
        t->delay_ns = s->sched_info.run_delay;
        t->reason = reason;
        t->start_ns = task->group_leader->start_boottime;
        t->tgid = task->tgid;
    }
    return t;
}

/* Who is new waits for a CPU. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_fork, struct task_struct *parent, struct task_struct *child)
{
    struct sg_sched_host *host = sg_sched_here();

    if (!sg_sched_make(child, sg_sched_now(parent), SG_SCHED_PREEMPTED) && host)
        __sync_fetch_and_add(&host->unknown, 1);
    return 0;
}

/* To the other, and not to be lost by who switches in the middle of it. */
#define SG_SCHED_MOVE(to, from)                                 \
    do {                                                        \
        typeof(from) moved = *(volatile typeof(from) *)&(from); \
        if (moved) {                                            \
            __sync_fetch_and_add(&(to), moved);                 \
            __sync_fetch_and_add(&(from), -moved);              \
        }                                                       \
    } while (0)

/* What it has used so far is its process' from now on; NULL: there is no room, or with BPF_EXIST nothing. */
static __always_inline struct sg_sched_process *sg_sched_hand_over(struct task_struct *task,
                                                                   __u64 flags)
{
    struct sg_sched_host *host = sg_sched_here();
    struct sg_sched_task *t = sg_sched_find(task);
    struct sg_sched_key key = {};
    struct sg_sched_process *p;

    if (!t || !host)
        return NULL;
    key.start_ns = t->start_ns;
    key.tgid = t->tgid;
    p = bpf_map_lookup_elem(&sched_processes, &key);
    if (!p && flags != BPF_EXIST) {
        if (!bpf_map_update_elem(&sched_processes, &key, &sg_sched_nothing, flags))
            __sync_fetch_and_add(&host->created, 1);
        p = bpf_map_lookup_elem(&sched_processes, &key);
        if (!p)
            __sync_fetch_and_add(&host->full, 1);
    }
    if (!p)
        return NULL;
    SG_SCHED_MOVE(p->sums.on_ns, t->sums.on_ns);
    for (int i = 0; i < SG_SCHED_REASONS; i++)
        SG_SCHED_MOVE(p->sums.off_ns[i], t->sums.off_ns[i]);
    SG_SCHED_MOVE(p->sums.delay_ns, t->sums.delay_ns);
    SG_SCHED_MOVE(p->sums.switches, t->sums.switches);
    SG_SCHED_MOVE(p->sums.involuntary, t->sums.involuntary);
    for (int i = 0; i < SG_SCHED_SLOTS; i++)
        SG_SCHED_MOVE(p->sums.delays[i], t->sums.delays[i]);
    return p;
}

/* Nearly all of it, so that it is not in between when no iterator meets the task any more and it is not free yet. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_exit, struct task_struct *task)
{
    sg_sched_hand_over(task, BPF_NOEXIST);
    return 0;
}

/* The rest, if somebody still asks for it. The first thread goes last. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(sched_free, struct task_struct *task)
{
    struct sg_sched_process *p = sg_sched_hand_over(task, BPF_EXIST);
    __u64 address = (__u64)task;

    if (p && task->pid == task->tgid)
        p->ended = 1;
    if (!sg_sched_has_storage())
        bpf_map_delete_elem(&sched_addresses, &address);
    return 0;
}

/*
 * What a task that nothing was seen of yet is in the middle of, as good as it can be told from outside: it may switch at this
 * moment, and then its next switch puts it right.
 */
static __always_inline __u32 sg_sched_guess(struct task_struct *task)
{
    const struct task_struct___sched *s = (const void *)task;
    __u32 state = sg_sched_state(task);

    if (state)
        return sg_sched_reason_of(task, state);
    return bpf_core_field_exists(s->on_cpu) && s->on_cpu ? SG_SCHED_UNKNOWN : SG_SCHED_PREEMPTED;
}

/* Adds what it is in the middle of. */
static __always_inline void sg_sched_go_on(struct sg_sched_sums *sums,
                                           const struct sg_sched_task *t, struct task_struct *task,
                                           __u64 now)
{
    const struct task_struct___sched *s = (const void *)task;
    __u64 queued = s->sched_info.last_queued;
    struct sg_sched_period p = {};

    if (s->sched_info.last_arrival > t->left_ns || t->reason == SG_SCHED_UNKNOWN) {
        sg_sched_period_of(&p, t, task, now);
    } else if (now > t->left_ns) {
        p.off_ns = now - t->left_ns;
        if (queued)
            p.delay_ns = queued > t->left_ns ? now - queued : p.off_ns;
        if (p.delay_ns > p.off_ns)
            p.delay_ns = p.off_ns;
    }
    sums->on_ns += p.on_ns;
    sums->delay_ns += p.delay_ns;
    /* On the stack the kernel lets nobody choose where. */
    for (__u32 i = 0; i < SG_SCHED_REASONS; i++)
        if (t->reason == i)
            sums->off_ns[i] += sg_sched_off_of(&p, i);
}

/* Every task: gives it its sums, and tells them. */
SEC("iter/task")
int sched_each(struct bpf_iter__task *ctx)
{
    struct task_struct___sched *me = (void *)bpf_get_current_task();
    struct task_struct *task = ctx->task;
    struct sg_sched_told out = {};
    struct sg_sched_task *t;
    __u64 here = BPF_CORE_READ(me, se.cfs_rq, rq, clock), now;

    if (!task)
        return 0;
    /* The clock of a CPU that does nothing stands still; the one of who looks is a tick old at most. */
    now = sg_sched_now(task);
    now = here > now ? here : now;
    t = sg_sched_make(task, now, sg_sched_guess(task));
    if (!t)
        return 0;
    out.process.start_ns = t->start_ns;
    out.process.tgid = t->tgid;
    for (int i = 0; i < 3; i++) {
        __u64 left = *(volatile __u64 *)&t->left_ns;

        out.sums = *(volatile struct sg_sched_sums *)&t->sums;
        sg_sched_go_on(&out.sums, t, task, now);
        if (*(volatile __u64 *)&t->left_ns == left)
            break;
    }
    bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
    return 0;
}

#endif
