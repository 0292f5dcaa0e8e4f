/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On- and off-CPU time by process and reason, and run-queue delay.
 *
 * What a task does is kept with the task (task storage from 5.11 on, before that a hash by its address); a period is added to
 * its process when the task leaves the CPU again, so that each switch looks for one process and not for two. What is still going
 * on is in no sum: the iterator tells it.
 *
 * These programs run under the lock of a run queue, where nothing may be allocated: an allocator may wake somebody, and would
 * wait for the same lock. So task storage is made at fork and by the iterator only, and all other maps are preallocated.
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

struct task_struct___waits {
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
    __u64 since_ns; /* of `state` */
    __u64 woken_ns; /* it waits for a CPU since then; 0: it does not */
    __u64 start_ns; /* of the process */
    __u64 off_ns;   /* the last period off the CPU, not added yet */
    __u64 delay_ns; /* … and how long it then waited for one */
    __u32 tgid;
    __u32 state;  /* enum sg_sched_reason, SG_SCHED_RUNS or SG_SCHED_UNKNOWN */
    __u32 reason; /* of off_ns */
    __u32 waited; /* 0: it did not; else the slot of delay_ns, from 1 */
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
static const struct sg_sched_task sg_sched_new = {.state = SG_SCHED_UNKNOWN};

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

/* Finds it or makes it. Not under the lock of a run queue. */
static __always_inline struct sg_sched_task *sg_sched_make(struct task_struct *task)
{
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
        t->start_ns = task->group_leader->start_boottime;
        t->tgid = task->tgid;
    }
    return t;
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

static __always_inline struct sg_sched_process *sg_sched_process(const struct sg_sched_task *t,
                                                                 struct sg_sched_host *host)
{
    struct sg_sched_key key = {.start_ns = t->start_ns, .tgid = t->tgid};
    struct sg_sched_process *p = bpf_map_lookup_elem(&sched_processes, &key);

    if (p)
        return p;
    if (!bpf_map_update_elem(&sched_processes, &key, &sg_sched_nothing, BPF_NOEXIST))
        host->created++;
    return bpf_map_lookup_elem(&sched_processes, &key);
}

/* The period that ends, and the one off the CPU in front of it. */
static __always_inline void sg_sched_add(struct sg_sched_task *t, struct sg_sched_host *host,
                                         __u64 now, bool preempted)
{
    struct sg_sched_process *p = sg_sched_process(t, host);
    __u32 slot;

    if (!p) {
        host->full++;
        return;
    }
    __sync_fetch_and_add(&p->on_ns, now - t->since_ns);
    __sync_fetch_and_add(&p->switches, 1);
    if (preempted)
        __sync_fetch_and_add(&p->involuntary, 1);
    if (t->off_ns && t->reason < SG_SCHED_REASONS)
        __sync_fetch_and_add(&p->off_ns[t->reason], t->off_ns);
    if (t->waited) {
        slot = t->waited - 1;
        if (slot < SG_SCHED_SLOTS)
            __sync_fetch_and_add(&p->delays[slot], 1);
        __sync_fetch_and_add(&p->delay_ns, t->delay_ns);
    }
}

static __always_inline __u32 sg_sched_reason_of(struct task_struct *prev, __u32 state)
{
    if (state & (SG_TASK_STOPPED | SG_TASK_TRACED))
        return SG_SCHED_STOPPED;
    if (state & SG_TASK_INTERRUPTIBLE)
        return SG_SCHED_SLEEP;
    if (state & SG_TASK_UNINTERRUPTIBLE && !(state & SG_TASK_NOLOAD)) {
        struct task_struct___waits *waits = (void *)prev;

        return BPF_CORE_READ_BITFIELD(waits, in_iowait) ? SG_SCHED_IO : SG_SCHED_LOCK;
    }
    return SG_SCHED_OTHER;
}

static __always_inline void sg_sched_leaves(struct task_struct *prev, struct sg_sched_host *host,
                                            __u64 now, bool preempt, __u32 state)
{
    struct sg_sched_task *t = sg_sched_find(prev);
    bool goes_on = preempt || !state;

    if (!t) {
        host->unknown++;
        return;
    }
    if (t->state == SG_SCHED_RUNS)
        sg_sched_add(t, host, now, goes_on);
    t->off_ns = 0;
    t->waited = 0;
    t->since_ns = now;
    t->woken_ns = goes_on ? now : 0;
    t->state = goes_on ? SG_SCHED_PREEMPTED : sg_sched_reason_of(prev, state);
}

static __always_inline void sg_sched_comes(struct task_struct *next, struct sg_sched_host *host,
                                           __u64 now)
{
    struct sg_sched_task *t = sg_sched_find(next);
    __u64 since, woken;
    __u32 slot, state;

    if (!t)
        return;
    state = t->state;
    since = t->since_ns;
    woken = t->woken_ns;
    if (woken && woken <= now) {
        t->delay_ns = now - woken;
        slot = sg_sched_slot(t->delay_ns);
        t->waited = slot + 1;
        if (slot < SG_SCHED_SLOTS)
            host->delays[slot]++;
        host->delay_ns += t->delay_ns;
    }
    if (state < SG_SCHED_REASONS) {
        t->reason = state;
        if (state == SG_SCHED_PREEMPTED || !woken || woken > now)
            woken = now;
        t->off_ns = woken - since;
    }
    /* The time before the state: who reads them the other way round never takes an old time for the new state. */
    t->since_ns = now;
    t->woken_ns = 0;
    asm volatile("" ::: "memory");
    t->state = SG_SCHED_RUNS;
}

static __always_inline void sg_sched_switch(bool preempt, struct task_struct *prev,
                                            struct task_struct *next, __u32 state)
{
    struct sg_sched_host *host = sg_sched_here();
    __u64 now = bpf_ktime_get_ns();

    if (!host)
        return;
    host->switches++;
    if (prev->pid)
        sg_sched_leaves(prev, host, now, preempt, state);
    if (next->pid)
        sg_sched_comes(next, host, now);
}

static __always_inline __u32 sg_sched_state(struct task_struct *task)
{
    struct task_struct___state *t = (void *)task;
    struct task_struct___old_state *old = (void *)task;

    if (bpf_core_field_exists(t->__state))
        return t->__state;
    return (__u32)old->state;
}

/* Up to 5.17. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch_3, bool preempt, struct task_struct *prev, struct task_struct *next)
{
    sg_sched_switch(preempt, prev, next, sg_sched_state(prev));
    return 0;
}

/* With the state that it was taken off the CPU with: by now somebody may have changed the task's own. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch_4, bool preempt, struct task_struct *prev, struct task_struct *next,
             unsigned int prev_state)
{
    sg_sched_switch(preempt, prev, next, prev_state);
    return 0;
}

static __always_inline void sg_sched_woken(struct task_struct *task)
{
    struct sg_sched_task *t = sg_sched_find(task);

    if (t && t->state != SG_SCHED_RUNS && !t->woken_ns)
        t->woken_ns = bpf_ktime_get_ns();
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(sched_wakeup, struct task_struct *task)
{
    sg_sched_woken(task);
    return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(sched_wakeup_new, struct task_struct *task)
{
    sg_sched_woken(task);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_fork, struct task_struct *parent, struct task_struct *child)
{
    struct sg_sched_task *t = sg_sched_make(child);
    struct sg_sched_host *host = sg_sched_here();

    if (t)
        t->since_ns = bpf_ktime_get_ns();
    else if (host)
        __sync_fetch_and_add(&host->unknown, 1);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_exit, struct task_struct *task)
{
    struct sg_sched_key key = {};
    struct sg_sched_process *p;

    if (task->signal->live.counter > 0)
        return 0;
    key.start_ns = task->group_leader->start_boottime;
    key.tgid = task->tgid;
    p = bpf_map_lookup_elem(&sched_processes, &key);
    if (p)
        p->ended = 1;
    return 0;
}

/* Only where tasks have no storage that goes with them. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(sched_free, struct task_struct *task)
{
    __u64 address = (__u64)task;

    bpf_map_delete_elem(&sched_addresses, &address);
    return 0;
}

/*
 * What a task that nothing was seen of yet is in the middle of, as good as it can be told from outside: it may switch at this
 * moment, and then its next switch puts it right.
 */
static __always_inline void sg_sched_begin(struct sg_sched_task *t, struct task_struct *task)
{
    __u32 state = sg_sched_state(task);
    __u64 now = bpf_ktime_get_ns();
    struct task_struct___waits *waits = (void *)task;

    t->since_ns = now;
    if (state) {
        t->state = sg_sched_reason_of(task, state);
    } else if (bpf_core_field_exists(waits->on_cpu) && waits->on_cpu) {
        t->state = SG_SCHED_RUNS;
    } else {
        t->woken_ns = now;
        t->state = SG_SCHED_PREEMPTED;
    }
}

/* Every task: gives it its storage, and tells what it is in the middle of. */
SEC("iter/task")
int sched_each(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct sg_sched_pending out = {};
    struct sg_sched_task *t;
    __u64 now, woken;

    if (!task)
        return 0;
    t = sg_sched_make(task);
    if (!t)
        return 0;
    if (t->state == SG_SCHED_UNKNOWN)
        sg_sched_begin(t, task);
    out.state = *(volatile __u32 *)&t->state;
    now = bpf_ktime_get_ns();
    out.process.start_ns = t->start_ns;
    out.process.tgid = t->tgid;
    out.tid = task->pid;
    woken = *(volatile __u64 *)&t->woken_ns;
    out.ns = now - *(volatile __u64 *)&t->since_ns;
    out.delay_ns = woken && woken < now ? now - woken : 0;
    /* It switched while it was looked at. */
    if ((__s64)out.ns < 0)
        out.ns = 0;
    if (out.delay_ns > out.ns)
        out.delay_ns = out.ns;
    bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
    return 0;
}

#endif
