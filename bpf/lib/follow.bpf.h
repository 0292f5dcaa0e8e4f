/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that executes a program becomes its process's leader: it takes the leader's number and start, by which nothing is
 * known of it, and its own number is free for others before the exec is done. What it is worth is kept on the way by the
 * task's address, which stays.
 */
#ifndef SG_BPF_FOLLOW_H
#define SG_BPF_FOLLOW_H

#include "subject.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct sg_subject);
} sg_followed SEC(".maps");

/* Before the exec. */
static __always_inline void sg_follow_begin(void)
{
    __u64 ids = bpf_get_current_pid_tgid(), task = bpf_get_current_task();
    __u32 tid = (__u32)ids;
    const struct sg_subject *s;

    if (tid == ids >> 32)
        return;
    bpf_map_delete_elem(&sg_followed, &task); /* an exec that failed */
    s = bpf_map_lookup_elem(&sg_subjects, &tid);
    if (s && bpf_map_update_elem(&sg_followed, &task, s, BPF_ANY))
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
}

/* After it: what is known goes from the thread's number to the leader's. Somebody else may have the thread's by now. */
static __always_inline void sg_follow_end(__u32 old_tid)
{
    __u64 address = bpf_get_current_task();
    struct task_struct *task = (struct task_struct *)address;
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), old = old_tid;
    struct sg_subject *s;
    const struct sg_subject *left;
    const struct sg_environ *environ;

    if (old == tid)
        return;
    s = bpf_map_lookup_elem(&sg_followed, &address);
    if (!s)
        return;
    left = bpf_map_lookup_elem(&sg_subjects, &old);
    if (left && left->start_ns == s->start_ns)
        bpf_map_delete_elem(&sg_subjects, &old);
    environ = bpf_map_lookup_elem(&sg_environs, &old);
    if (environ && environ->start_ns == s->start_ns)
        bpf_map_delete_elem(&sg_environs, &old);
    s->start_ns = BPF_CORE_READ(task, start_boottime);
    if (bpf_map_update_elem(&sg_subjects, &tid, s, BPF_ANY))
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
    bpf_map_delete_elem(&sg_followed, &address);
}

#endif
