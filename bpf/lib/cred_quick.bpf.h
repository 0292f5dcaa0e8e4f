/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The look at credentials that happens often: are a few words as they were when all of them were in order? See cred.bpf.h.
 */
#ifndef SG_BPF_LIB_CRED_QUICK_H
#define SG_BPF_LIB_CRED_QUICK_H

#include "cred.bpf.h"

/*
 * What an operation is allowed by: of these it is looked whether they are as they were. Ids of the real and the saved kind, and
 * capabilities that are not effective yet, matter when ids change or a program is executed: both look at everything.
 */
#define SG_CRED_CAPS  0u                   /* effective capabilities, user namespace */
#define SG_CRED_FILES 1u                   /* and the ids for files */
#define SG_CRED_ALL   (SG_CRED_FILES | 2u) /* and the effective ids */

static __always_inline __u64 sg_cred_caps_typed(const struct cred *cred)
{
    if (bpf_core_field_exists(((struct cred___word *)0)->cap_effective.val))
        return ((const struct cred___word *)cred)->cap_effective.val;
    return (__u64)cred->cap_effective.cap[1] << 32 | cred->cap_effective.cap[0];
}

/* Is what was last found in order on this CPU this task, and are the words the same? By plain loads, without a call. */
static __always_inline int sg_cred_quick_typed(__u32 words)
{
    struct task_struct *task = bpf_get_current_task_btf();
    const struct cred *cred = task->real_cred;
    const struct cred___whole *whole = (const void *)cred;
    __u32 cpu = bpf_get_smp_processor_id(), differs = 0;
    const struct sg_cred_seen *e;

    if (cpu >= SG_CRED_CPUS)
        return 0;
    e = &sg_cred_seen[cpu];
    if (words & SG_CRED_FILES)
        differs |= (whole->fsuid.val ^ e->fsuid) | (whole->fsgid.val ^ e->fsgid);
    if ((words & SG_CRED_ALL) == SG_CRED_ALL)
        differs |= (whole->euid.val ^ e->euid) | (whole->egid.val ^ e->egid);
    if (differs || sg_cred_caps_typed(cred) != e->caps || (__u64)whole->user_ns != e->user_ns ||
        (__u64)cred != e->cred || task->start_boottime != e->start_ns || sg_cred_epoch != e->epoch)
        return 0;
    /* Last: who was preempted meanwhile finds another task here, or none. */
    return *(volatile __u64 *)&e->task == (__u64)task;
}

/* Where the kernel does not lend the task typed (before 5.11): against what is kept of it. */
static __always_inline int sg_cred_quick_read(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_cred_kept *k = sg_cred_kept_own(false);
    const struct cred___whole *cred = (void *)BPF_CORE_READ(task, real_cred);
    __u64 caps = 0;

    if (!k || k->epoch != sg_cred_epoch || k->cred != (__u64)cred ||
        k->start_ns != BPF_CORE_READ(task, start_boottime))
        return 0;
    bpf_probe_read_kernel(&caps, sizeof(caps),
                          __builtin_preserve_access_index(&cred->cap_effective));
    return BPF_CORE_READ(cred, euid.val) == k->now.euid &&
           BPF_CORE_READ(cred, egid.val) == k->now.egid &&
           BPF_CORE_READ(cred, fsuid.val) == k->now.fsuid &&
           BPF_CORE_READ(cred, fsgid.val) == k->now.fsgid && caps == k->now.caps_effective &&
           (__u64)BPF_CORE_READ(cred, user_ns) == k->user_ns;
}

static __always_inline int sg_cred_quick(__u32 words)
{
    return SG_HAS_TASK_STORAGE ? sg_cred_quick_typed(words) : sg_cred_quick_read();
}

#define SG_CRED_QUICK(words, hook) (!sg_cred_quick(words) && sg_cred_check(hook, 0))

/* The same in a program that is there for something else: while credentials are watched. */
#define SG_CRED_ALSO(words, hook) (sg_cred_mode && SG_CRED_QUICK(words, hook))

#endif
