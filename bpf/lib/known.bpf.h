/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a subject is kept with the task itself (task storage, from 5.11), for the quick way of decisions. */
#ifndef SG_BPF_KNOWN_H
#define SG_BPF_KNOWN_H

#include "subject.bpf.h"

/* Needs that are not among what a task's storage is checked against. */
#define SG_NEEDS_MORE (SG_NEED_CAP | SG_NEED_NAMESPACE | SG_NEED_GROUPS | SG_NEED_CGROUP)

/* What the task's own storage says of it under this policy. NULL: nothing, or something has changed since. */
static __always_inline const struct sg_task *sg_task_known(__u32 policy_id)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get)) {
        struct task_struct *task = bpf_get_current_task_btf();
        const struct sg_task *t = bpf_task_storage_get(&sg_tasks, task, 0, 0);

        if (t && t->policy_id == policy_id && t->epoch == sg_subject_epoch &&
            t->exec_id == (__u32)task->self_exec_id && t->euid == task->cred->euid.val &&
            t->login_uid == task->loginuid.val)
            return t;
    }
    return NULL;
}

/* Leaves with the task what its subject, which is up to date, comes to. */
static __noinline int sg_task_learn(void)
{
    const struct sg_image *header = sg_header_now();
    const struct sg_subject *s;
    struct sg_task *t;

    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get))
        return 0;
    if (!header || header->needs & SG_NEEDS_MORE)
        return 0;
    s = sg_subject_current(header);
    if (!s)
        return 0;
    t = bpf_task_storage_get(&sg_tasks, bpf_get_current_task_btf(), 0,
                             BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!t)
        return 0;
    t->policy_id = 0;
    barrier();
    t->epoch = s->epoch;
    t->exec_id = s->exec_id;
    t->euid = s->euid;
    t->login_uid = s->login_uid;
    for (int i = 0; i < (int)SG_PRED_WORDS; i++)
        t->preds[i] = s->preds[i];
    barrier();
    t->policy_id = s->policy_id;
    return 0;
}

#endif
