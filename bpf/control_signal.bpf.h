/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals to other processes: the control kind that is decided by who sends and by whom it is for (`to`).
 *
 * What another task is worth is worked out as for the current one, and kept under a number of the current one's own until the
 * decision is made. What cannot be found out now is one that every denial speaks of, and no permission.
 *
 * A descriptor sends signals, too, when something happens to its file (O_ASYNC), to whom somebody chose before (F_SETOWN). The
 * kernel asks then, in whatever task that happens, maybe in an interrupt: the sender is who chose, as he was then.
 */
#ifndef SG_BPF_CONTROL_SIGNAL_H
#define SG_BPF_CONTROL_SIGNAL_H

#include "lib/control.bpf.h"

#define SIGIO_NUMBER 29 /* x86, arm64 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred___signal {
    kuid_t uid, suid, euid;
};

struct fown_struct {
    kuid_t uid, euid;
};

struct fown_struct___apart { /* from 6.12 on */
    struct file *file;
};

struct file___owned { /* up to 6.11 */
    struct fown_struct f_owner;
};

#pragma clang attribute pop

/* What is known about a signal. */
enum {
    SG_FACT_OTHER_USER = 1u << 0, /* SG_TARGET_OTHER_USER */
    SG_FACT_TARGET = 1u << 1,     /* what it is for is kept under the number for that */
    SG_FACT_SENDER = 1u << 2,     /* the current task sends it, and is known */
    SG_FACT_DESCRIPTOR = 1u << 3, /* a descriptor sends it */
    SG_FACT_LAST = 1u << 4,       /* who is not known now will not be asked again */
};

static __always_inline __u32 sg_target_key(__u32 facts)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    return facts & SG_FACT_DESCRIPTOR ? SG_TID_SIGIO(tid) : SG_TID_TARGET(tid);
}

/* What sg_entry_to() puts in the place of an entry's predicate; 0: it does not hold. */
#define SG_TO_HOLDS  1u
#define SG_TO_REASON 8 /* above this bit: why it was not known whether it does */

/* Does the part of an entry hold that is about the sender? */
static __always_inline __u32 sg_sender_holds(const struct sg_entry *e, __u64 file, __u32 policy_id,
                                             __u32 facts)
{
    __u64 pred = e->pred & (SG_PREDS_MAX - 1), word = pred / 64;
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    const struct sg_subject *s;
    const struct sg_owner *o;

    if (facts & SG_FACT_DESCRIPTOR) {
        o = bpf_map_lookup_elem(&sg_owners, &file);
        if (o && o->policy_id == policy_id && o->epoch == sg_subject_epoch)
            return (o->preds[word] >> (pred % 64)) & 1;
    } else if (facts & SG_FACT_SENDER) {
        s = bpf_map_lookup_elem(&sg_subjects, &tid);
        if (s && s->policy_id == policy_id)
            return (s->preds[word] >> (pred % 64)) & 1;
    }
    if (!pred)
        return SG_TO_HOLDS;
    return e->verdict > SG_AUDIT ? SG_TO_HOLDS | SG_REASON_SENDER << SG_TO_REASON : 0;
}

/* The part that is about the target. */
static __always_inline __u32 sg_target_holds(const struct sg_entry *e, const struct sg_target *t,
                                             __u32 policy_id, __u32 facts)
{
    __u64 pred = t->to & (SG_PREDS_MAX - 1);
    __u32 key = sg_target_key(facts);
    const struct sg_subject *s;

    if ((!t->to && !t->flags) || (t->flags & SG_TARGET_OTHER_USER && facts & SG_FACT_OTHER_USER))
        return SG_TO_HOLDS;
    if (!t->to)
        return 0;
    s = facts & SG_FACT_TARGET ? bpf_map_lookup_elem(&sg_subjects, &key) : NULL;
    if (s && s->policy_id == policy_id)
        return (s->preds[pred / 64] >> (pred % 64)) & 1;
    return e->verdict > SG_AUDIT ? SG_TO_HOLDS | SG_REASON_TARGET << SG_TO_REASON : 0;
}

/* The entry at a byte of the image, with SG_TO_* in the place of its predicate. `file`: of SG_FACT_DESCRIPTOR. */
__noinline __u64 sg_entry_to(__u32 at, __u32 policy_id, __u64 file, __u32 facts)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;
    const union sg_entry_word *e;
    const struct sg_target *t;
    union sg_entry_word asked;
    __u32 holds, whom = SG_TO_HOLDS;

    if (!header || header->policy_id != policy_id)
        return SG_ENTRY_GONE;
    e = sg_image_at(image, at, sizeof(*e));
    if (!e)
        return SG_ENTRY_GONE;
    asked.word = e->word;
    holds = sg_sender_holds(&e->entry, file, policy_id, facts);
    if (holds && header->n_targets) {
        t = sg_image_at(image, header->targets_off + e->entry.pred * (__u32)sizeof(*t), sizeof(*t));
        if (!t)
            return SG_ENTRY_GONE;
        whom = sg_target_holds(&e->entry, t, policy_id, facts);
    }
    asked.entry.pred = !holds || !whom ? 0 : whom > SG_TO_HOLDS ? whom : holds;
    return asked.word;
}

/* As sg_decide(), of a signal. */
__noinline __u64 sg_decide_to(__u32 state, __u32 policy_id, __u64 file, __u32 facts)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;
    const struct sg_accept *accept;
    const struct sg_state *s;
    __u64 best = SG_DECISION_NONE, pending;
    __u32 first, n;

    if (!header || header->policy_id != policy_id)
        return SG_DECISION_RETRY;
    s = sg_state_of(image, header, state);
    if (!s || !(s->ops & SG_OP_CONTROL))
        return SG_DECISION_NONE;
    accept = sg_accept_of(image, header, s);
    if (!accept)
        return SG_DECISION_NONE;
    if (!(facts & SG_FACT_DESCRIPTOR)) {
        if (sg_subject_current(header))
            facts |= SG_FACT_SENDER;
        else if (!(facts & SG_FACT_LAST))
            return SG_DECISION_SUBJECT;
    }
    pending = SG_OP_CONTROL;
    first = header->entries_off + accept->entry * (__u32)sizeof(struct sg_entry);
    n = accept->n_entries;
    for (__u32 i = 0; i < SG_ENTRIES_MAX; i++) {
        union sg_entry_word far;

        if (i >= n || !pending)
            break;
        far.word = sg_entry_to(first + i * (__u32)sizeof(far), policy_id, file, facts);
        if (far.word == SG_ENTRY_GONE)
            return SG_DECISION_RETRY;
        best = sg_consider(&far.entry, far.entry.pred & SG_TO_HOLDS, &pending, best);
        /* The first that holds decides: there is one reason. */
        if (!pending)
            best |= (__u64)(far.entry.pred >> SG_TO_REASON) << 16;
    }
    return best;
}

/* The state of a signal's number; SG_DECISION_RETRY: the image changed. */
__noinline __u64 sg_signal_state(__u32 number, __u32 policy_id)
{
    __u64 start = sg_control_start(SG_CONTROL_signal, policy_id), answer;

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : 0;
    answer = sg_run_word(policy_id, (__u32)start, SG_CONTROL_NUMBER(number), 1);
    return SG_ANSWER_FAILED(answer) ? SG_DECISION_RETRY : (__u32)answer;
}

/* One try. The target is looked at by the program itself: see sg_subject_prepare_as(). */
static __always_inline __u64 sg_signal_try(const struct sg_asked *a, __u64 target, __u32 facts,
                                           __u32 policy_id)
{
    const struct sg_image *header = sg_header_now();
    __u64 state = sg_signal_state((__u32)a->value[0], policy_id);

    if (!state || state == SG_DECISION_RETRY)
        return state;
    if (header && header->n_targets && sg_subject_prepare_as(target, sg_target_key(facts)))
        facts |= SG_FACT_TARGET;
    return sg_decide_to((__u32)state, policy_id, SG_ASKED_FILE(a), facts);
}

/* Decides. Returns the errno that is refused with, 0: it passes. */
static __always_inline int sg_signal(struct sg_asked *a, __u64 target, __u32 facts)
{
    __u64 decision = SG_DECISION_NONE;
    __u32 policy_id = 0, key = sg_target_key(facts);

#pragma unroll
    for (int try = SG_TRY_FIRST; try <= SG_TRY_LAST; try++) {
        policy_id = sg_policy_now();
        if (!policy_id)
            return 0;
        decision = sg_signal_try(a, target, try == SG_TRY_LAST ? facts | SG_FACT_LAST : facts,
                                 policy_id);
        if (!(decision & SG_DECISION_AGAIN))
            break;
        if (try < SG_TRY_LAST && !(facts & SG_FACT_DESCRIPTOR))
            sg_subject_prepare();
    }
    bpf_map_delete_elem(&sg_subjects, &key);
    return sg_control_end(a, decision, policy_id);
}

/* SG_FACT_OTHER_USER, or 0. Ids are the host's, whatever a user namespace shows. */
__noinline __u32 sg_other_user(__u32 uid, __u32 euid, __u64 target)
{
    const struct cred___signal *cred = (const void *)BPF_CORE_READ((struct task_struct *)target,
                                                                   real_cred);
    __u32 real = BPF_CORE_READ(cred, uid.val), saved = BPF_CORE_READ(cred, suid.val);

    return uid == real || uid == saved || euid == real || euid == saved ? 0 : SG_FACT_OTHER_USER;
}

/* `cred`: of somebody who asked for the signal earlier (USB): not the current task's doing. Signal 0 is only a question. */
static __always_inline int sg_on_kill(struct task_struct *target, int sig, const struct cred *cred)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_asked a = {.kind = SG_CONTROL_signal,
                         .hook = SG_HOOK_task_kill,
                         .n = 1,
                         .value = {(__u32)sig}};
    __u64 address = sg_address(target);

    if (!sig || sg_address(cred) || !sg_asked_target(&a, target))
        return 0;
    if (sg_is_canary() && !sg_control_tests(&a))
        return 0;
    return sg_signal(&a, address,
                     sg_other_user(BPF_CORE_READ(sg_cred_of(task), uid.val),
                                   sg_euid_of((__u64)task), address));
}

SG_CONTROL_PROGRAMS(task_kill, task_kill, task_kill, ((void)info, sg_on_kill(p, sig, cred)),
                    struct task_struct *p, void *info, int sig, const struct cred *cred)

/* By a descriptor. ---------------------------------------------------------------------------------------------------- */

/* Somebody chooses whom a file's signals are for. He may have gone when they are sent. */
static __always_inline int sg_on_set_owner(struct file *file)
{
    sg_owner_set(sg_address(file));
    return 0;
}

SG_CONTROL_PROGRAMS(file_set_fowner, file_set_fowner, file_set_fowner, sg_on_set_owner(file),
                    struct file *file)

static __always_inline __u64 sg_file_of_owner(void *fown)
{
    if (bpf_core_field_exists(struct fown_struct___apart, file))
        return (__u64)BPF_CORE_READ((struct fown_struct___apart *)fown, file);
    return sg_address(fown) - bpf_core_field_offset(struct file___owned, f_owner);
}

/* To the process that chose itself it is to oneself, whoever made it happen. */
static __always_inline int sg_on_sigio(struct task_struct *target, void *fown, int sig)
{
    struct fown_struct *f = fown;
    struct sg_asked a = {.kind = SG_CONTROL_signal,
                         .hook = SG_HOOK_file_send_sigiotask,
                         .n = 1,
                         .by_file = 1,
                         .value = {sig ? (__u32)sig : SIGIO_NUMBER}};
    __u64 address = sg_address(target);
    const struct sg_owner *owner;

    a.more[0] = SG_ASKED_USERS(BPF_CORE_READ(f, uid.val), BPF_CORE_READ(f, euid.val));
    a.more[1] = sg_file_of_owner(fown);
    owner = sg_owner_of(&a);
    sg_asked_target(&a, target);
    if (owner && owner->tgid == a.target_tgid && owner->start_ns == a.target_start_ns)
        return 0;
    /* Others' signals come while the self-test's process runs, too. */
    if (owner && owner->tgid == (__u32)sg_canary && sg_is_canary() && !sg_control_tests(&a))
        return 0;
    return sg_signal(&a, address,
                     SG_FACT_DESCRIPTOR |
                         sg_other_user(SG_ASKED_USER(&a), SG_ASKED_EFFECTIVE(&a), address));
}

SG_CONTROL_PROGRAMS(file_send_sigiotask, file_send_sigiotask, file_send_sigiotask,
                    sg_on_sigio(p, fown, sig), struct task_struct *p, void *fown, int sig)

#endif
