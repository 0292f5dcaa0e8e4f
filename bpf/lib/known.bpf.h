/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which predicates hold for the current task, for the quick way of decisions: what the last task on this processor left, or
 * what is with the task itself (task storage, from 5.11). See struct sg_known.
 */
#ifndef SG_BPF_KNOWN_H
#define SG_BPF_KNOWN_H

#include "subject.bpf.h"

/* Needs that are not among what a key is made of. */
#define SG_NEEDS_MORE (SG_NEED_CAP | SG_NEED_NAMESPACE | SG_NEED_GROUPS | SG_NEED_CGROUP)

/*
 * All that predicates may depend on, as one number: task, program, users, policy (by the generation) and time windows. Two
 * tasks never have the same address and start; of the rest nobody can choose what makes the sum the same, since the factors
 * are secret.
 */
static __always_inline __u64 sg_task_key(struct task_struct *task, __u64 generation)
{
    return ((__u64)task - (__u64)sg_known_last) + task->start_boottime * sg_factors[0] +
           ((__u64)sg_subject_epoch << 32 | (__u32)task->self_exec_id) * sg_factors[1] +
           ((__u64)sg_cred_typed(task)->euid.val << 32 | task->loginuid.val) * sg_factors[2] +
           generation * sg_factors[3];
}

/*
 * One word of a task's predicates from its own storage, to be kept for this processor. True: it is of this key.
 * A step of its own: it is not on the way of a task that asks again.
 */
static __noinline int sg_known_fetch(__u64 key, __u64 word, __u64 *ret_preds)
{
    struct sg_known *last, *own;
    __u64 preds, bound;

    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get))
        return 0;
    own = bpf_task_storage_get(&sg_tasks, bpf_get_current_task_btf(), 0, 0);
    word &= SG_PRED_WORDS - 1;
    if (!own)
        return 0;
    preds = *(volatile __u64 *)&own->words[word].preds;
    bound = *(volatile __u64 *)&own->words[word].bound;
    if ((preds ^ key) != bound)
        return 0;
    last = &sg_known_last[bpf_get_smp_processor_id() & (SG_KNOWN_CPUS - 1)];
    last->words[word].preds = preds;
    last->words[word].bound = bound;
    *ret_preds = preds;
    return 1;
}

/* The word of the current task's predicates that `pred` is in. False: it has to be computed. */
static __always_inline int sg_known(__u64 pred, __u64 generation, __u64 *ret_preds)
{
    const struct sg_known *last;
    __u64 key, preds, word = pred / 64;

    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get))
        return 0;
    key = sg_task_key(bpf_get_current_task_btf(), generation);
    last = &sg_known_last[bpf_get_smp_processor_id() & (SG_KNOWN_CPUS - 1)];
    preds = *(volatile __u64 *)&last->words[word].preds;
    if ((preds ^ key) != *(volatile __u64 *)&last->words[word].bound)
        return sg_known_fetch(key, word, ret_preds);
    *ret_preds = preds;
    return 1;
}

/* Leaves with the task what its subject, which is up to date, comes to. */
static __noinline int sg_known_learn(void)
{
    __u64 generation = sg_generation, key;
    const struct sg_image *header = sg_header_now();
    const struct sg_subject *s;
    struct sg_known *own;

    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get))
        return 0;
    if (!header || header->needs & SG_NEEDS_MORE || !sg_generation_caches(generation) ||
        generation != sg_generation_by(generation, header->policy_id))
        return 0;
    /* Before the subject is looked at: what changes in between makes a key that nobody has any more. */
    key = sg_task_key(bpf_get_current_task_btf(), generation);
    barrier();
    s = sg_subject_current(header);
    if (!s)
        return 0;
    own = bpf_task_storage_get(&sg_tasks, bpf_get_current_task_btf(), 0,
                               BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!own)
        return 0;
    for (int i = 0; i < (int)SG_PRED_WORDS; i++) {
        __u64 preds = s->preds[i];

        own->words[i].preds = preds;
        own->words[i].bound = preds ^ key;
    }
    return 0;
}

#endif
