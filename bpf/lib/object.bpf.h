/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From an access to its verdict: what the rules say about the states that the object has, and the record of it. `storage` is a
 * constant in every caller.
 */
#ifndef SG_BPF_OBJECT_H
#define SG_BPF_OBJECT_H

#include "states.bpf.h"

/* Decisions that are none yet. */
#define SG_DECISION_AGAIN (SG_DECISION_RETRY | SG_DECISION_SUBJECT)

/*
 * Is it a device that goes on when it is open, whatever rule comes? Terminals, since who has to take the rule back sits at one;
 * and what programs are started with and holds nothing.
 */
static __always_inline int sg_stays_open(const struct inode *inode)
{
    __u32 rdev, major, minor;

    if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFCHR)
        return 0;
    rdev = BPF_CORE_READ(inode, i_rdev);
    major = rdev >> 20;
    minor = rdev & 0xfffff;
    return SG_STAYS_OPEN(major, minor);
}

/* The strongest of what the rules say about any of the object's names. */
static __noinline __u64 sg_decide_states(const struct sg_states *s, __u32 ops, __u32 anybody)
{
    __u64 decision = SG_DECISION_NONE;

    if (s->state)
        decision = sg_decide(s->state, ops, s->policy_id, anybody);
#pragma unroll /* a loop around a call trips the verifiers of 6.1 */
    for (int i = 0; i < SG_PIN_STATES; i++)
        if (s->other[i] && s->other[i] != s->state)
            decision = sg_stronger(decision, sg_decide(s->other[i], ops, s->policy_id, anybody));
    return decision;
}

static __always_inline int sg_any_state(const struct sg_states *s)
{
    return s->state || s->other[0] || s->other[1] || s->other[2] || s->other[3];
}

static __noinline __u64 sg_relabel_states(const struct sg_states *s, __u32 anybody)
{
    __u64 decision = SG_DECISION_NONE;

    if (s->state)
        decision = sg_decide_relabel(s->state, s->policy_id, anybody);
#pragma unroll
    for (int i = 0; i < SG_PIN_STATES; i++)
        if (s->other[i] && s->other[i] != s->state)
            decision = sg_stronger(decision, sg_decide_relabel(s->other[i], s->policy_id, anybody));
    return decision;
}

static __always_inline __u32 sg_policy_now(void)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;

    return header ? header->policy_id : 0;
}

/*
 * What cannot be resolved is refused where the policy enforces such operations and knows the file system (`sb`; 0: it is not
 * about one); kernel threads (nfsd) come with dentries without a path as a matter of course and pass. Always counted.
 */
__noinline __u64 sg_unresolved(__u64 sb, __u32 ops, __u32 policy_id, __u32 reason)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_image *header = sg_header_now();

    if (!header || (sb && !sg_root_state((struct super_block *)sb, policy_id)))
        return SG_DECISION_NONE;
    sg_count(SG_COUNT_UNRESOLVED);
    if (reason && reason < SG_REASON_GENERATION)
        sg_count(SG_COUNT_UNRESOLVED + reason);
    if (BPF_CORE_READ(task, flags) & PF_KTHREAD || !(header->enforce_ops & ops))
        return SG_DECISION_NONE;
    ops &= header->enforce_ops | ~(__u32)(SG_OP_LAUNCH | SG_OP_LOAD); /* whose record it is */
    return SG_DECISION(4, SG_RULE_NONE, SG_DENY, 0, (__u64)(ops & 0xffff)) | (__u64)reason << 16;
}

/* The superblock of a request's object, as an address. */
static __always_inline __u64 sg_sb_of(const struct sg_request *q)
{
    return q->inode ? sg_address(q->inode->i_sb) : sg_address(q->dentry->d_sb);
}

static __always_inline int sg_decision_refuses(__u64 decision)
{
    return SG_DECISION_VERDICT(decision) >= SG_DENY &&
           !(SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR);
}

/* What a refusal brings besides the error: the process is ended, or stopped for whoever wants to look at it. */
static __always_inline void sg_punish(__u64 decision)
{
    __u8 verdict = SG_DECISION_VERDICT(decision);

    if (verdict == SG_KILL)
        bpf_send_signal(SIGKILL_NUMBER);
    else if (verdict == SG_STOP)
        bpf_send_signal(SIGSTOP_NUMBER);
}

static __always_inline int sg_conclude_body(const struct sg_request *q, __u64 decision,
                                            __u32 policy_id, bool storage)
{
    int refused = sg_decision_refuses(decision);
    struct sg_report report = {
        .dentry = q->dentry,
        .inode = q->inode,
        .dentry2 = q->dentry2,
        .text = q->text,
        .decision = decision,
        .access = q->ops,
        .policy_id = policy_id,
        .hook = q->hook,
        .flags = q->flags,
        .text_type = q->text_type,
        .error = refused ? EPERM : 0,
    };

    if (SG_DECISION_VERDICT(decision) >= SG_DENY &&
        sg_agent_may(sg_address(q->dentry), sg_address(q->dentry2), q->ops,
                     SG_DECISION_RULE(decision), policy_id))
        return 0;
    if (refused)
        sg_count(SG_COUNT_DENIED);
    else if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_count(SG_COUNT_WOULD_DENY);
    if (storage && sg_typed)
        sg_emit_lsm(&report);
    else
        sg_emit(&report);
    if (refused)
        sg_punish(decision);
    return refused;
}

static __noinline int sg_conclude_lsm(const struct sg_request *q, __u64 decision, __u32 policy_id)
{
    return sg_conclude_body(q, decision, policy_id, true);
}

static __noinline int sg_conclude_fmod(const struct sg_request *q, __u64 decision, __u32 policy_id)
{
    return sg_conclude_body(q, decision, policy_id, false);
}

/* Records a decision and says whether the access is refused. */
static __always_inline int sg_conclude(const struct sg_request *q, __u64 decision, __u32 policy_id,
                                       bool storage)
{
    return storage ? sg_conclude_lsm(q, decision, policy_id)
                   : sg_conclude_fmod(q, decision, policy_id);
}

/*
 * How often a decision is tried: with what is known; after the subject was computed; with whatever there is. Who puts a
 * policy in force waits for the programs that run, so that one run sees one change at most: the last try meets none, and its
 * subject is missing only when there was no room for it.
 */
enum sg_try {
    SG_TRY_FIRST = 0,
    SG_TRY_AGAIN = 1,
    SG_TRY_LAST = 2,
};

/* What a failure to resolve means for this try: a changed policy and a rename on the way are worth another one. */
static __always_inline __u64 sg_failed(__u64 sb, __u32 ops, __u32 policy_id, __u64 answer,
                                       __u32 try)
{
    __u32 reason = answer & 0xff;

    if (try < SG_TRY_LAST && (reason == SG_REASON_IMAGE || reason == SG_REASON_RACE)) {
        sg_count(SG_COUNT_WALK_RETRY);
        return SG_DECISION_RETRY;
    }
    return sg_unresolved(sb, ops, policy_id, reason);
}

static __always_inline __u64 sg_sb_at(__u64 dentry, __u64 inode)
{
    return inode ? (__u64)BPF_CORE_READ((struct inode *)inode, i_sb)
                 : (__u64)BPF_CORE_READ((struct dentry *)dentry, d_sb);
}

/*
 * Decides one access by the addresses of the object's dentry (0: it has none) and inode (0: it does not exist). Leaves nothing
 * in inode storage. For what has no typed pointers, and for every try but the first: verifiers go through this once.
 */
__noinline __u64 sg_decide_at(__u64 dentry, __u64 inode, __u32 ops, __u32 policy_id, __u32 try)
{
    struct sg_states states = {.policy_id = policy_id};
    __u64 answer = SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);

    if (dentry && policy_id)
        answer = sg_object_state(dentry, policy_id);
    if (!policy_id)
        return SG_DECISION_NONE;
    if (SG_ANSWER_FAILED(answer))
        return sg_failed(sg_sb_at(dentry, inode), ops, policy_id, answer, try);
    states.state = (__u32)answer;
    if (inode && sg_pinned_at((const struct inode *)inode, &states))
        return sg_unresolved(sg_sb_at(dentry, inode), ops, policy_id, SG_REASON_MEMORY);
    return sg_decide_states(&states, ops, try == SG_TRY_LAST);
}

/*
 * Tries that until it is a decision: never SG_DECISION_AGAIN. A subject that is out of date is computed from here, the
 * program itself, where there are frames and stack left.
 */
static __always_inline __u64 sg_decide_again(__u64 dentry, __u64 inode, __u32 ops,
                                             __u32 *ret_policy_id)
{
    __u64 decision;

    sg_subject_prepare();
    *ret_policy_id = sg_policy_now();
    decision = sg_decide_at(dentry, inode, ops, *ret_policy_id, SG_TRY_AGAIN);
    if (decision & SG_DECISION_AGAIN) {
        sg_subject_prepare();
        *ret_policy_id = sg_policy_now();
        decision = sg_decide_at(dentry, inode, ops, *ret_policy_id, SG_TRY_LAST);
    }
    if (decision & SG_DECISION_AGAIN)
        decision = sg_unresolved(sg_sb_at(dentry, inode), ops, *ret_policy_id, SG_REASON_IMAGE);
    return decision;
}

/* The first try; SG_DECISION_AGAIN: not yet. */
static __always_inline __u64 sg_check(const struct sg_request *q, bool storage,
                                      __u32 *ret_policy_id)
{
    struct sg_states states = {.policy_id = sg_policy_now()};
    __u64 answer;

    *ret_policy_id = states.policy_id;
    if (!states.policy_id)
        return SG_DECISION_NONE;
    answer = sg_find_states_body(q, storage, &states); /* here: verifiers count frames */
    if (answer)
        return sg_failed(sg_sb_of(q), q->ops, states.policy_id, answer, SG_TRY_FIRST);
    return sg_decide_states(&states, q->ops, 0);
}

static __noinline __u64 sg_check_lsm(const struct sg_request *q, __u32 *ret_policy_id)
{
    return sg_check(q, true, ret_policy_id);
}

static __noinline __u64 sg_check_fmod(const struct sg_request *q, __u32 *ret_policy_id)
{
    return sg_check(q, false, ret_policy_id);
}

/* Decides one access. */
static __always_inline __u64 sg_decide_access(const struct sg_request *q, bool storage,
                                              __u32 *ret_policy_id)
{
    __u64 decision = storage ? sg_check_lsm(q, ret_policy_id) : sg_check_fmod(q, ret_policy_id);

    if (decision & SG_DECISION_AGAIN)
        decision = sg_decide_again(sg_address(q->dentry), sg_address(q->inode), q->ops,
                                   ret_policy_id);
    return decision;
}

/* True: refuse. */
static __always_inline int sg_access(struct sg_request *q, bool storage)
{
    __u32 policy_id = 0;
    __u64 decision = sg_decide_access(q, storage, &policy_id);

    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_conclude(q, decision, policy_id, storage);
}

#endif
