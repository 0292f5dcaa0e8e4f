/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Beginnings and ends of processes, each told once by one of two programs on the same tracepoint.
 *
 * The kernel skips a program on a tracepoint for a task that comes while another one is preempted inside it (kernel/trace/bpf_trace.c,
 * __bpf_trace_run), which happens where tracepoints run with preemption on: from 7.0 on (include/linux/tracepoint.h). There a
 * second program does what the first was not run for; both have to be held up for somebody to be missed.
 */
#ifndef SG_BPF_LIB_LIFE_H
#define SG_BPF_LIB_LIFE_H

#include "common.bpf.h"

/* There are two. */
const volatile bool sg_lives_twice = false;

struct sg_life {
    __u64 start_ns, what;
};

/* By the address of the task. Looked for by the second program right after the first one. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct sg_life);
} sg_lives SEC(".maps");

/* `what` of a program is how many its task has executed. */
#define SG_LIFE_FORK (~1ull)
#define SG_LIFE_EXIT (~0ull)

static __always_inline int sg_life_told(struct task_struct *task, __u64 what)
{
    __u64 address = (__u64)task;
    const struct sg_life *life = bpf_map_lookup_elem(&sg_lives, &address);

    return life && life->what == what && life->start_ns == BPF_CORE_READ(task, start_boottime);
}

static __always_inline void sg_life_tell(struct task_struct *task, __u64 what)
{
    __u64 address = (__u64)task;
    struct sg_life life = {.start_ns = BPF_CORE_READ(task, start_boottime), .what = what};

    bpf_map_update_elem(&sg_lives, &address, &life, BPF_ANY);
}

#define SG_LIFE_PROGRAM(tracepoint, name, task, what, tell, args...) \
    SEC("tp_btf/" #tracepoint)                                       \
    int BPF_PROG(name, args)                                         \
    {                                                                \
        if (sg_lives_twice && sg_life_told(task, what))              \
            return 0;                                                \
        tell;                                                        \
        if (sg_lives_twice)                                          \
            sg_life_tell(task, what);                                \
        return 0;                                                    \
    }

/* The programs `name` and `name`_again. `tell` is a statement over the arguments, `what` a number that tells it from what `task` lived. */
#define SG_LIFE(tracepoint, name, task, what, tell, args...)  \
    SG_LIFE_PROGRAM(tracepoint, name, task, what, tell, args) \
    SG_LIFE_PROGRAM(tracepoint, name##_again, task, what, tell, args)

#endif
