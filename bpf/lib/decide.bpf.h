/* SPDX-License-Identifier: GPL-2.0-only */
/* The verdict on an object's state: the first entry whose subject part holds, per operation. */
#ifndef SG_BPF_DECIDE_H
#define SG_BPF_DECIDE_H

#include "subject.bpf.h"

/* Bits of a decision that only the kernel side uses. */
#define SG_DECISION_RETRY (1ull << 62) /* the image changed: ask again */
#define SG_DECISION_SUBJECT \
    (1ull << 61) /* the task's subject is not known or out of date: compute it and ask again */
#define SG_DECISION_RELABEL \
    (1ull << 60) /* denied because the object would leave, or enter, the reach of a rule */

/* Whom a decision is about. */
enum sg_who {
    SG_WHO_CURRENT = 0,
    SG_WHO_ANYBODY =
        1, /* the current task; when its subject cannot be kept, it counts as one that every denial speaks of and no permission */
    SG_WHO_NEXT = 2, /* the current task after the exec that it asks for; not known: as the last */
    SG_WHO_SOMEBODY = 3, /* is there anybody who is denied it? */
};

/* The number that the subject of `who` is kept under. */
static __always_inline __u32 sg_tid_of(__u32 who)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    return who == SG_WHO_NEXT ? SG_TID_NEXT(tid) : tid;
}

static __always_inline const struct sg_subject *sg_subject_of(const struct sg_image *header,
                                                              __u32 who)
{
    __u32 next = sg_tid_of(SG_WHO_NEXT);

    return who == SG_WHO_NEXT ? bpf_map_lookup_elem(&sg_subjects, &next)
                              : sg_subject_current(header);
}

/* Does the predicate of an entry hold? A subject that is not known is one that every denial speaks of, and no permission. */
static __always_inline __u64 sg_entry_holds(const struct sg_entry *e,
                                            const struct sg_subject *subject)
{
    __u64 pred = e->pred & (SG_PREDS_MAX - 1);

    return subject ? (subject->preds[pred / 64] >> (pred % 64)) & 1
                   : (__u64)((e->verdict > 1) | !pred);
}

/* An entry as a word, with 1 in the place of its predicate when that holds, else 0; SG_ENTRY_GONE: the image changed. */
#define SG_ENTRY_GONE (~0ull)
union sg_entry_word {
    __u64 word;
    struct sg_entry entry;
};
_Static_assert(sizeof(struct sg_entry) == sizeof(__u64), "an entry is a word");

/*
 * The entry at a byte of the image, for the subject that is kept under a number of the current task's own (0: it is not known):
 * what stands far behind in a state's list. Slower than the loop that has the subject at hand, of which a verifier walks every
 * round once with a subject and once without.
 */
__noinline __u64 sg_entry_far(__u32 at, __u32 policy_id, __u32 tid)
{
    const struct sg_subject *subject = tid ? bpf_map_lookup_elem(&sg_subjects, &tid) : NULL;
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;
    const union sg_entry_word *e;
    union sg_entry_word asked;

    if (!header || header->policy_id != policy_id)
        return SG_ENTRY_GONE;
    e = sg_image_at(image, at, sizeof(*e));
    if (!e)
        return SG_ENTRY_GONE;
    asked.word = e->word;
    asked.entry.pred = sg_entry_holds(&e->entry, subject);
    return asked.word;
}

#define SG_ENTRIES_NEAR 4 /* entries that are looked at with the subject at hand */

/* Decides `ops` on an object in `state`, for `who`. */
__noinline __u64 sg_decide(__u32 state, __u32 ops, __u32 policy_id, __u32 who)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    const struct sg_accept *accept;
    const struct sg_state *s;
    const struct sg_entry *e;
    const struct sg_subject *subject = NULL;
    __u64 best = SG_DECISION_NONE, pending;
    __u32 first, n, tid;

    if (!image)
        return SG_DECISION_NONE;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_DECISION_RETRY;
    s = sg_state_of(image, header, state);
    if (!s || !(s->ops & ops))
        return SG_DECISION_NONE;
    pending = s->ops & ops;
    accept = sg_accept_of(image, header, s);
    if (!accept)
        return SG_DECISION_NONE;
    first = header->entries_off + accept->entry * (__u32)sizeof(struct sg_entry);
    n = accept->n_entries;
    /* One rule for everybody: no need to know who asks. */
    e = sg_image_at(image, first, sizeof(*e));
    if (!e || !n)
        return SG_DECISION_NONE;
    if (!e->pred && (e->ops & pending) == pending)
        return sg_consider(e, 1, &pending, SG_DECISION_NONE);
    if (who != SG_WHO_SOMEBODY) {
        subject = sg_subject_of(header, who);
        if (!subject && who == SG_WHO_CURRENT)
            return SG_DECISION_SUBJECT;
    }
    for (__u32 i = 0; i < SG_ENTRIES_NEAR; i++) {
        if (i >= n || !pending)
            return best;
        e = sg_image_at(image, first + i * (__u32)sizeof(*e), sizeof(*e));
        if (!e)
            return best;
        best = sg_consider(e, sg_entry_holds(e, subject), &pending, best);
    }
    tid = subject ? sg_tid_of(who) : 0;
    for (__u32 i = SG_ENTRIES_NEAR; i < SG_ENTRIES_MAX; i++) {
        union sg_entry_word far;

        if (i >= n || !pending)
            break;
        far.word = sg_entry_far(first + i * (__u32)sizeof(far), policy_id, tid);
        if (far.word == SG_ENTRY_GONE)
            return SG_DECISION_RETRY;
        best = sg_consider(&far.entry, far.entry.pred, &pending, best);
    }
    return best;
}

/* Entry `i` of a state's rules as a word, for its node; 0 behind the last one, SG_RULES_MORE when not all can be kept. */
__noinline __u64 sg_rule_of(__u32 state, __u32 policy_id, __u32 i)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    const struct sg_accept *accept;
    const struct sg_state *s;
    const __u64 *entry;

    if (!image)
        return SG_RULES_MORE;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_RULES_MORE;
    s = sg_state_of(image, header, state);
    if (!s)
        return SG_RULES_MORE;
    accept = sg_accept_of(image, header, s);
    if (!accept || accept->n_entries > SG_NODE_RULES)
        return SG_RULES_MORE;
    if (i >= accept->n_entries)
        return 0;
    entry = sg_image_at(image,
                        header->entries_off + (accept->entry + i) * (__u32)sizeof(struct sg_entry),
                        sizeof(struct sg_entry));
    return entry ? *entry : SG_RULES_MORE;
}

static __always_inline int sg_any_pred(const __u64 *denied, const struct sg_subject *subject)
{
    __u64 hit = denied[0] & 1; /* predicate 0 is everybody */

    if (!subject) {
        for (int i = 0; i < (int)SG_PRED_WORDS; i++)
            hit |= denied[i];
        return hit != 0;
    }
    for (int i = 0; i < (int)SG_PRED_WORDS; i++)
        hit |= denied[i] & subject->preds[i];
    return hit != 0;
}

/*
 * An object is about to get another state: moved, or given a further name. What a rule denies must not be got round by
 * that, so whoever is denied anything at the object or beneath it may not do it.
 */
__noinline __u64 sg_decide_relabel(__u32 state, __u32 policy_id, __u32 anybody)
{
    __u64 decision = sg_decide(state, SG_OPS_OBJECT, policy_id, anybody);
    void *image = sg_image_get();
    const struct sg_image *header;
    const struct sg_accept *accept;
    const struct sg_state *s;
    const struct sg_subject *subject = NULL;
    const struct sg_below *below;

    if (decision & (SG_DECISION_RETRY | SG_DECISION_SUBJECT) || !image)
        return decision;
    if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        return decision | SG_DECISION_RELABEL;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_DECISION_RETRY;
    s = sg_state_of(image, header, state);
    if (!s)
        return SG_DECISION_NONE;
    accept = sg_accept_of(image, header, s);
    if (!accept || !accept->below)
        return SG_DECISION_NONE;
    below = sg_image_at(image, header->belows_off + accept->below * (__u32)sizeof(*below),
                        sizeof(*below));
    if (!below)
        return SG_DECISION_NONE;
    if (anybody != SG_WHO_SOMEBODY) {
        subject = sg_subject_current(header);
        if (!subject && !anybody)
            return SG_DECISION_SUBJECT;
    }
    if (sg_any_pred(below->enforce, subject))
        return SG_DECISION(4, SG_RULE_BENEATH, SG_DENY, 0, SG_OP_RENAME) | SG_DECISION_RELABEL;
    if (sg_any_pred(below->monitor, subject))
        return SG_DECISION(2, SG_RULE_BENEATH, SG_DENY, SG_ENTRY_MONITOR, SG_OP_RENAME) |
               SG_DECISION_RELABEL;
    return SG_DECISION_NONE;
}

#endif
