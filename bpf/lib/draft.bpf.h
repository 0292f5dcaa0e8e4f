/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A subject while it is put together: in a place of the thread that does it, where nobody else looks or writes. The entry of
 * a task is replaced as a whole when all of it is known, and by nobody but the task itself.
 */
#ifndef SG_BPF_DRAFT_H
#define SG_BPF_DRAFT_H

#include "environ.bpf.h"
#include "task.bpf.h"

#define SG_LINEAGE_MAX 24 /* living ancestors that are looked at for a task older than the policy */
#define SG_UP_KEPT     32 /* a power of two above it */

struct sg_draft {
    struct sg_subject s;    /* of the task at hand */
    struct sg_subject from; /* of its parent; start_ns 0: none is known */
    __u32 term_subject,
        term_dim; /* while the terms are walked: whose and of which dimension the last one was */
    __u32 term_all,
        term_any; /* … whether all earlier dimensions matched, and any term of this one */
    __u64 key;    /* the number that it goes in place under */
    __u64 n_up;
    __u64 up[SG_UP_KEPT]; /* ancestors that have to be looked at first, the nearest at 0 */
};

/* By the thread that puts it together. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_draft);
} sg_drafts SEC(".maps");

static const struct sg_draft sg_draft_zero = {};

static __always_inline struct sg_draft *sg_draft_get(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    return bpf_map_lookup_elem(&sg_drafts, &tid);
}

static __always_inline struct sg_draft *sg_draft_open(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_draft *d;

    bpf_map_update_elem(&sg_drafts, &tid, &sg_draft_zero, BPF_ANY);
    d = bpf_map_lookup_elem(&sg_drafts, &tid);
    if (!d)
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
    return d;
}

/* The same, of who may have interrupted the thread while it had one open. */
static __always_inline struct sg_draft *sg_draft_open_in_interrupt(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    if (bpf_map_update_elem(&sg_drafts, &tid, &sg_draft_zero, BPF_NOEXIST))
        return NULL;
    return bpf_map_lookup_elem(&sg_drafts, &tid);
}

static __always_inline void sg_draft_close(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    bpf_map_delete_elem(&sg_drafts, &tid);
}

/* Puts the subject in place, under a number of the current task's own. False: there is no room. */
static __always_inline int sg_draft_publish(struct sg_draft *d, __u32 tid)
{
    d->s.stamp = bpf_ktime_get_ns();
    if (!bpf_map_update_elem(&sg_subjects, &tid, &d->s, BPF_ANY))
        return 1;
    sg_count(SG_COUNT_TASK_STORAGE_FULL);
    return 0;
}

static __always_inline struct sg_subject *sg_subject_find(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid);
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);

    return s && s->start_ns == BPF_CORE_READ(task, start_boottime) ? s : NULL;
}

/* Is all known of it that its children have from it? */
static __always_inline int sg_subject_is_of(const struct sg_subject *s, __u32 policy_id)
{
    return s->atoms_policy == policy_id && s->exe_policy == policy_id;
}

/* A copy of a task's entry. False: it was replaced meanwhile, what was read may be half of another. */
static __always_inline int sg_subject_read(struct sg_subject *ret, const struct sg_subject *entry,
                                           struct task_struct *task)
{
    const struct sg_subject *now;

    bpf_probe_read_kernel(ret, sizeof(*ret), entry);
    now = sg_subject_find(task);
    return now && now->stamp == ret->stamp;
}

/* Begins with what is known of a task. */
__noinline __u32 sg_draft_load(__u64 task_address)
{
    struct task_struct *task = (void *)task_address;
    struct sg_draft *d = sg_draft_get();
    const struct sg_subject *entry = sg_subject_find(task);

    if (!d || (entry && !sg_subject_read(&d->s, entry, task)))
        return 0;
    if (!entry)
        __builtin_memset(&d->s, 0, sizeof(d->s));
    d->s.start_ns = BPF_CORE_READ(task, start_boottime);
    return 1;
}

/*
 * Which ancestors of a task have to be looked at before it: those up to the nearest that is known under this policy, whose
 * subject is what the oldest of them has from its parent.
 */
__noinline __u32 sg_draft_lineage(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;
    struct sg_draft *d = sg_draft_get();

    if (!d)
        return 0;
    for (__u32 i = 0; i < SG_LINEAGE_MAX; i++) {
        struct task_struct *parent = BPF_CORE_READ(task, real_parent);
        const struct sg_subject *p;

        if (!parent || parent == task || BPF_CORE_READ(parent, pid) == 0)
            break;
        p = sg_subject_find(parent);
        if (p && sg_subject_is_of(p, policy_id))
            return sg_subject_read(&d->from, p, parent);
        d->up[i] = (__u64)parent;
        d->n_up = i + 1;
        task = parent;
    }
    return 1;
}

/* The path lists that a file is in: ORs them into `bits`. */
static __always_inline void sg_atoms_of_state(void *image, const struct sg_image *header,
                                              __u32 state, __u64 *bits)
{
    const struct sg_state *s;
    const struct sg_accept *accept;
    const struct sg_atoms *atoms;
    __u32 index;

    if (!state)
        return;
    s = sg_state_of(image, header, state);
    if (!s || !s->accept)
        return;
    accept = sg_accept_of(image, header, s);
    if (!accept || !accept->atoms)
        return;
    index = accept->atoms;
    atoms = sg_image_at(image, header->atoms_off + index * (__u32)sizeof(*atoms), sizeof(*atoms));
    if (!atoms)
        return;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        bits[i] |= atoms->bits[i];
}

static __always_inline int sg_bit(const __u64 *bits, __u64 index)
{
    index &= SG_ATOMS_MAX - 1;
    return (bits[index / 64] >> (index % 64)) & 1;
}

/*
 * Term `index`, taken into account for the task of the draft: alternatives within a dimension, all dimensions of a subject.
 * What is found so far is in the draft: terms and predicates are looked at by functions of their own, one at a time,
 * because a verifier walks every step of every loop.
 * Returns 0 behind the last term, after which the last subject is settled.
 */
__noinline __u32 sg_term(__u64 task_address, __u32 index)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_draft *d = sg_draft_get();
    struct sg_subject *s;
    const struct sg_term *t = NULL;
    __u32 matches = 0;
    __u64 word;

    if (!image || !d)
        return 0;
    s = &d->s;
    header = sg_image_header(image);
    if (!header)
        return 0;
    if (index < header->n_terms)
        t = sg_image_at(image, header->terms_off + index * (__u32)sizeof(*t), sizeof(*t));
    if (!t || t->subject != d->term_subject) {
        word = d->term_subject / 64;
        asm volatile("" : "+r"(word));
        if (word < SG_SUBJECT_WORDS)
            s->subjects[word] |= (__u64)(d->term_all & d->term_any) << (d->term_subject % 64);
        if (!t)
            return 0;
        d->term_subject = t->subject;
        d->term_dim = t->dim;
        d->term_all = 1;
        d->term_any = 0;
    } else if (t->dim != d->term_dim) {
        d->term_dim = t->dim;
        d->term_all &= d->term_any;
        d->term_any = 0;
    }
    switch (t->dim) {
    case SG_DIM_EXE: matches = sg_bit(s->exe, t->value); break;
    case SG_DIM_PARENT: matches = sg_bit(s->parent_exe, t->value); break;
    case SG_DIM_ANCESTOR: matches = sg_bit(s->ancestors, t->value); break;
    case SG_DIM_USER: matches = s->euid == (__u32)t->value; break;
    case SG_DIM_GROUP: matches = sg_in_group(task_address, (__u32)t->value); break;
    case SG_DIM_LOGIN: matches = s->login_uid == (__u32)t->value; break;
    case SG_DIM_CAP: matches = (s->caps & t->value) == t->value; break;
    case SG_DIM_CGROUP: matches = sg_bit(s->cgroup, t->value); break;
    case SG_DIM_SESSION: matches = s->session == (__u32)t->value; break;
    case SG_DIM_NAMESPACE: matches = s->container == (__u32)t->value; break;
    default: /* SG_DIM_ENV and those behind it */
        matches = sg_environ_has(BPF_CORE_READ((struct task_struct *)task_address, pid),
                                 s->start_ns, t->value);
        break;
    }
    d->term_any |= matches;
    return 1;
}

/* Predicate `index`; 0 behind the last one. */
__noinline __u32 sg_pred(__u32 index)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_draft *d = sg_draft_get();
    const struct sg_pred *p;
    __u64 word = index / 64;

    if (!image || !d)
        return 0;
    header = sg_image_header(image);
    if (!header || index >= header->n_preds)
        return 0;
    p = sg_image_at(image, header->preds_off + index * (__u32)sizeof(*p), sizeof(*p));
    asm volatile("" : "+r"(word)); /* the bound must hold in this register */
    if (!p || word >= SG_PRED_WORDS)
        return 0;
    d->s.preds[word] |= sg_pred_holds(p, d->s.subjects) << (index % 64);
    return 1;
}

/* Some terms, and some predicates, from `index` on; 0: there are no more. Verifiers walk every round of every loop. */
#define SG_SETTLED_AT_ONCE 32

__noinline __u32 sg_terms(__u64 task_address, __u32 index)
{
    for (__u32 i = 0; i < SG_SETTLED_AT_ONCE; i++)
        if (!sg_term(task_address, index + i))
            return 0;
    return 1;
}

__noinline __u32 sg_preds(__u32 index)
{
    for (__u32 i = 0; i < SG_SETTLED_AT_ONCE; i++)
        if (!sg_pred(index + i))
            return 0;
    return 1;
}

/* From the draft's path lists and ids to its subjects and predicates. */
static __always_inline void sg_settle(struct sg_draft *d, const struct sg_image *header,
                                      __u64 task_address)
{
    struct sg_subject *s = &d->s;

    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++)
        s->subjects[i] = 0;
    for (int i = 0; i < (int)SG_PRED_WORDS; i++)
        s->preds[i] = 0;
    d->term_subject = SG_SUBJECTS_MAX;
    d->term_all = d->term_any = 0;
    for (__u32 i = 0; i <= SG_TERMS_MAX; i += SG_SETTLED_AT_ONCE)
        if (!sg_terms(task_address, i))
            break;
    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++) {
        s->sticky[i] |= s->subjects[i] & header->descendants[i];
        s->subjects[i] = (s->subjects[i] | s->sticky[i]) &
                         sg_subjects_on[SG_SWITCHES(header->policy_id)][i];
    }
    for (__u32 i = 0; i < SG_PREDS_MAX; i += SG_SETTLED_AT_ONCE)
        if (!sg_preds(i))
            break;
}

#endif
