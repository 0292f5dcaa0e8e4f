/* SPDX-License-Identifier: GPL-2.0-only */
/* The beginning and the end of processes: records for the agent's process table, and what a task hands on to its children. */
#ifndef SG_BPF_PROCESS_H
#define SG_BPF_PROCESS_H

#include "lib/control.bpf.h"
#include "lib/exec.bpf.h"
#include "lib/follow.bpf.h"
#include "lib/hook.bpf.h"
#include "lib/life.bpf.h"

/* A child is born with what its parent is worth; what depends on whose child it is is computed when it first matters. */
static __always_inline void sg_inherit(struct task_struct *parent, struct task_struct *child,
                                       const struct sg_image *header)
{
    __u32 tid = parent->pid, child_tid = child->pid, lineage = header->needs & SG_NEEDS_LINEAGE;
    struct sg_subject *s, *c;

    if (lineage)
        sg_subject_refresh(header);
    s = bpf_map_lookup_elem(&sg_subjects, &tid);
    if (!s || s->start_ns != parent->start_boottime)
        return;
    sg_environ_inherit(child);
    bpf_map_update_elem(&sg_subjects, &child_tid, s, BPF_ANY);
    c = bpf_map_lookup_elem(&sg_subjects, &child_tid);
    if (!c) {
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
        return;
    }
    c->start_ns = child->start_boottime;
    if (!lineage || child->tgid == parent->tgid)
        return;
    c->policy_id = 0;
    /* What is not known of the parent now is looked for when the child first asks. */
    if (!sg_subject_is_of(s, header->policy_id))
        c->atoms_policy = 0;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        c->ancestors[i] |= s->exe[i];
}

static __always_inline void sg_born(struct task_struct *parent, struct task_struct *child)
{
    const struct sg_image *header = sg_header_now();
    struct sg_buffer *b;
    struct sg_record *r;
    __u32 slot;

    if (header && header->needs & SG_NEEDS_PROGRAM)
        sg_inherit(parent, child, header);
    if (child->tgid == parent->tgid)
        return;
    b = sg_begin(&slot, SG_RECORD_FORK);
    if (b) {
        r = (struct sg_record *)b->bytes;
        r->value[0] = child->tgid;
        r->value[1] = child->start_boottime;
        sg_control_mark(r, SG_CONTROL_fork);
    }
    sg_send(slot, b, sizeof(*r), SG_RING_PROCESS);
}

SG_LIFE(sched_process_fork, tp_fork, child, SG_LIFE_FORK, sg_born(parent, child),
        struct task_struct *parent, struct task_struct *child)

static __always_inline void sg_forget_thread(__u32 tid, __u64 address)
{
    bpf_map_delete_elem(&sg_subjects, &tid);
    bpf_map_delete_elem(&sg_environs, &tid);
    bpf_map_delete_elem(&sg_followed, &address);
    bpf_map_delete_elem(&sg_execs, &address); /* an exec that failed */
}

/* Processes of several threads of which one told the end. By the address of what they share, and their beginning. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, __u8);
} sg_ended SEC(".maps");

/*
 * No thread is left that lives: has another one told so? The kernel counts them down some time before it traces their ends, so that of
 * those that end together several find themselves to be the last.
 */
static __always_inline int sg_end_is_told(struct task_struct *task)
{
    __u64 process;
    __u8 told = 1;

    if (task->signal->nr_threads == 1 && !task->signal->sum_sched_runtime)
        return 0;
    process = sg_address(task->signal) ^ task->group_leader->start_boottime;
    /* Up to 6.3 the kernel's function returns an int (include/linux/bpf.h, map_update_elem), and its sign is not in the upper half. */
    return (int)bpf_map_update_elem(&sg_ended, &process, &told, BPF_NOEXIST) == -EEXIST;
}

static __always_inline void sg_ends(struct task_struct *task)
{
    __u64 address = bpf_get_current_task();
    __u32 tid = task->pid;
    struct sg_agent *agent;
    struct sg_buffer *b;
    struct sg_record *r;
    __u32 slot;

    /* The last thread speaks for the process. */
    if (task->signal->live.counter > 0 || sg_end_is_told(task)) {
        sg_forget_thread(tid, address);
        return;
    }
    agent = sg_agent_get();
    if (sg_is_agent(agent, task))
        agent->tgid = 0;
    b = sg_begin(&slot, SG_RECORD_EXIT);
    if (b) {
        r = (struct sg_record *)b->bytes;
        r->value[0] = task->signal->group_exit_code ? task->signal->group_exit_code
                                                    : task->exit_code;
        sg_control_mark(r, SG_CONTROL_exit);
    }
    sg_send(slot, b, sizeof(*r), SG_RING_PROCESS);
    sg_forget_thread(tid, address);
}

SG_LIFE(sched_process_exit, tp_exit, task, SG_LIFE_EXIT, sg_ends(task), struct task_struct *task)

#endif
