/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The environment that a task executed its program with, as far as subjects ask about it (`env`).
 *
 * Read once, when the program starts: later the task can write there what it likes. Each "NAME=value" runs through the same
 * automaton as paths do, from a start of its own (sg_image.env_state), and leaves its path lists ("atoms") in an entry of the
 * thread. Forked children have what their parent had. A task that is older than the policy is read when it first matters, as
 * its environment is then.
 *
 * Whoever starts a program chooses its environment. So a condition holds when it cannot be known whether it does (too long,
 * not in memory; counted): a denial speaks of that task, too, and a permission gives away nothing that could not be had by
 * setting the variable.
 */
#ifndef SG_BPF_ENVIRON_H
#define SG_BPF_ENVIRON_H

#include "task.bpf.h"
#include "walk.bpf.h"

#define SG_ENVIRON_CHUNK  256  /* bytes that are fetched at once */
#define SG_ENVIRON_CHUNKS 1024 /* variables, or chunks of long ones, that are looked at */
#define SG_ENVIRON_STRIDE 32 /* of these in one step: a verifier walks every round of every loop */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mm_struct___environ {
    unsigned long env_start, env_end;
};

#pragma clang attribute pop

struct sg_environ {
    __u64 start_ns; /* of the thread: guards against reuse of its number */
    __u32 exec_id;
    __u32 policy_id;
    __u64 atoms[SG_ATOM_WORDS];
    __u32 cut;   /* 1: not all of it could be read */
    __u32 state; /* while it is read: of the automaton, in this variable */
    char text[SG_ENVIRON_CHUNK];
};

/* By thread. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_environ);
} sg_environs SEC(".maps");

static const struct sg_environ sg_environ_zero = {};

/* subject.bpf.h: ORs the path lists that a state stands for into `bits`. */
static __always_inline void sg_atoms_of_state(void *image, const struct sg_image *header,
                                              __u32 state, __u64 *bits);

/* The automaton over the chunk at hand. */
static __always_inline int sg_environ_run(struct sg_environ *e, __u32 policy_id, __u32 len)
{
    for (__u32 off = 0; off < SG_ENVIRON_CHUNK; off += sizeof(__u64)) {
        __u64 word, answer;

        if (off >= len || !e->state)
            return 1;
        word = *(__u64 *)(e->text + off);
        answer = sg_run_word(policy_id, e->state, word, len - off);
        if (SG_ANSWER_FAILED(answer))
            return 0;
        e->state = (__u32)answer;
    }
    return 1;
}

/*
 * One variable, or a piece of a long one, at an address of the current task's. Returns how many bytes it took, 0 when it
 * could not be read.
 */
__noinline __u32 sg_environ_chunk(__u64 address, __u32 policy_id)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_environ *e = bpf_map_lookup_elem(&sg_environs, &tid);
    void *image = sg_image_get();
    const struct sg_image *header;
    long n;

    if (!e || !image)
        return 0;
    header = sg_image_header(image);
    n = bpf_probe_read_user_str(e->text, sizeof(e->text), (void *)address);
    if (!header || header->policy_id != policy_id || n <= 0 || n > SG_ENVIRON_CHUNK)
        return 0;
    if (!sg_environ_run(e, policy_id, (__u32)n - 1))
        return 0;
    /* A full chunk may not be the end: the next begins where its NUL was put. */
    if (n == SG_ENVIRON_CHUNK)
        return SG_ENVIRON_CHUNK - 1;
    sg_atoms_of_state(image, header, e->state, e->atoms);
    e->state = header->env_state;
    return (__u32)n;
}

/* Some of what lies between two addresses; returns where it got to, 0 when something could not be read. */
__noinline __u64 sg_environ_some(__u64 from, __u64 to, __u32 policy_id)
{
    for (int i = 0; i < SG_ENVIRON_STRIDE; i++) {
        __u32 n;

        if (from >= to)
            break;
        n = sg_environ_chunk(from, policy_id);
        if (!n)
            return 0;
        from += n;
    }
    return from;
}

/* 1: all of it was read. Inlined: the stack of the programs that come here is short. */
static __always_inline __u32 sg_environ_walk(__u64 from, __u64 to, __u32 policy_id)
{
    for (int i = 0; i < SG_ENVIRON_CHUNKS / SG_ENVIRON_STRIDE; i++) {
        if (from >= to)
            return 1;
        from = sg_environ_some(from, to, policy_id);
        if (!from)
            return 0;
    }
    return from >= to;
}

/* Brings the current task's entry up to date. */
__noinline __u32 sg_environ_update(__u32 policy_id)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    __u32 exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
    __u64 start_ns = BPF_CORE_READ(task, start_boottime), from, to;
    struct sg_environ *e = bpf_map_lookup_elem(&sg_environs, &tid);
    const struct mm_struct___environ *mm;
    void *image = sg_image_get();
    const struct sg_image *header;

    if (e && e->start_ns == start_ns && e->exec_id == exec_id && e->policy_id == policy_id)
        return 1;
    mm = (const void *)BPF_CORE_READ(task, mm);
    header = image ? sg_image_header(image) : NULL;
    if (!mm || !header || header->policy_id != policy_id)
        return 0;
    bpf_map_update_elem(&sg_environs, &tid, &sg_environ_zero, BPF_ANY);
    e = bpf_map_lookup_elem(&sg_environs, &tid);
    if (!e) {
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
        return 0;
    }
    e->state = header->env_state;
    from = BPF_CORE_READ(mm, env_start);
    to = BPF_CORE_READ(mm, env_end);
    if (!sg_environ_walk(from, to, policy_id)) {
        e->cut = 1;
        sg_count(SG_COUNT_ENVIRON);
    }
    e->start_ns = start_ns;
    e->exec_id = exec_id;
    e->policy_id = policy_id;
    return 1;
}

/* A child is born with its parent's environment, whatever either writes there afterwards. */
static __always_inline void sg_environ_inherit(struct task_struct *child)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), child_tid = child->pid;
    struct sg_environ *e = bpf_map_lookup_elem(&sg_environs, &tid);

    if (!e)
        return;
    bpf_map_update_elem(&sg_environs, &child_tid, e, BPF_ANY);
    e = bpf_map_lookup_elem(&sg_environs, &child_tid);
    if (e)
        e->start_ns = child->start_boottime;
}

/* Does a condition on the environment hold for the thread `tid`? Nothing that is known of it: its entry is full, or it is not
 * the current task (an ancestor older than the policy). */
static __always_inline __u32 sg_environ_has(__u32 tid, __u64 start_ns, __u64 atom)
{
    const struct sg_environ *e;

    e = bpf_map_lookup_elem(&sg_environs, &tid);
    if (!e || e->start_ns != start_ns)
        return 0;
    atom &= SG_ATOMS_MAX - 1;
    return e->cut | ((e->atoms[atom / 64] >> (atom % 64)) & 1);
}

#endif
