/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The decision itself, once for both sides: kernel programs and `safeguard policy explain` compile this same code.
 *
 * The includer says how an image is read, before including this:
 *   SG_IMAGE_T               type of a handle on an image
 *   sg_image_at(image, off, size)
 *                            address of the record of `size` bytes (a power of two) at byte `off`, a multiple of size;
 *                            NULL when outside
 * All loops are bounded by constants of abi/policy.h, no call depends on anything but its arguments.
 */
#ifndef SG_ABI_DECIDE_H
#define SG_ABI_DECIDE_H

#define SG_INLINE static inline __attribute__((always_inline))

/* Where the parts of an image are that a step needs, copied out of its header. */
struct sg_view {
    __u32 states_off, edges_off;
};

SG_INLINE void sg_view_of(const struct sg_image *header, struct sg_view *ret)
{
    ret->states_off = header->states_off;
    ret->edges_off = header->edges_off;
}

SG_INLINE const struct sg_state *sg_state_at(SG_IMAGE_T image, const struct sg_view *v, __u32 state)
{
    return (const struct sg_state *)sg_image_at(
        image, v->states_off + state * (__u32)sizeof(struct sg_state), sizeof(struct sg_state));
}

/* The state after one more byte. Dead stays dead. */
SG_INLINE __u32 sg_step(SG_IMAGE_T image, const struct sg_view *v, __u32 state, __u8 byte)
{
    const struct sg_state *s = sg_state_at(image, v, state);
    const struct sg_edge *e;

    if (!s)
        return 0;
    __u32 dflt = s->dflt;
    e = (const struct sg_edge *)sg_image_at(image,
                                            v->edges_off +
                                                (s->base + byte) * (__u32)sizeof(struct sg_edge),
                                            sizeof(struct sg_edge));
    if (!e)
        return 0;
    return e->check == state ? e->next : dflt;
}

/* 1 when x is not 0, without a branch: a verifier follows both sides of every branch of every predicate. */
SG_INLINE __u64 sg_nonzero(__u64 x)
{
    __u64 negative = -x;

    __asm__ volatile("" : "+r"(negative)); /* compilers know the idiom and make it a branch again */
    return (x | negative) >> 63;
}

/*
 * A decision in one word, made so that the stronger of two is the greater number and of equally strong ones the earlier rule's:
 *   56-59  strength        40-55  0xffff - rule        32-39  verdict        24-31  the entry's flags
 *   0-15   the operations that this rule decided     16-23  why an object could not be resolved (enum sg_reason)
 * 0: no rule has anything to say. What is enforced beats what is only recorded, a monitored denial beats an audit.
 */
#define SG_DECISION_NONE 0ull
#define SG_DECISION(strength, rule, verdict, flags, ops)                                  \
    ((__u64)(strength) << 56 | (__u64)(0xffffu - (rule)) << 40 | (__u64)(verdict) << 32 | \
     (__u64)(flags) << 24 | (ops))
#define SG_DECISION_RULE(d)    ((__u16)(0xffffu - (((d) >> 40) & 0xffffu)))
#define SG_DECISION_VERDICT(d) ((__u8)((d) >> 32))
#define SG_DECISION_FLAGS(d)   ((__u8)((d) >> 24))
#define SG_DECISION_OPS(d)     ((__u16)(d))
#define SG_DECISION_REASON(d)  ((__u8)((d) >> 16))

/* 1 audit, 2 monitored denial, 4 denial, 5 kill, 6 stop; arithmetic instead of branches, for the verifier's sake. */
SG_INLINE __u64 sg_strength(__u64 verdict, __u64 flags)
{
    __u64 denies = sg_nonzero(verdict >> 1), monitor = flags & SG_ENTRY_MONITOR;

    return verdict + denies * ((monitor ^ 1) * 2 - monitor * (verdict - 2));
}

/* The greater of two decisions; both are below 2^60. */
SG_INLINE __u64 sg_stronger(__u64 a, __u64 b)
{
    __u64 b_is_greater = (__u64)((__s64)(a - b) >> 63);

    __asm__ volatile("" : "+r"(b_is_greater)); /* else a branch again */
    return a ^ ((a ^ b) & b_is_greater);
}

/*
 * What an entry that decides these operations takes from the rules behind it. SG_OP_LAUNCH is asked together with an execution or a
 * mapping, and goes with the mapping: a rule about libraries alone would else be followed by the verdict of a rule about programs.
 */
#define SG_TAKES(ops) ((ops) | ((ops)&SG_OP_LOAD) << 1)
_Static_assert(SG_OP_LAUNCH == SG_OP_LOAD << 1, "SG_TAKES");

/*
 * One step of the search through the entries of an accept: the first entry whose predicate holds decides each operation.
 *   pending   operations that are still undecided, updated
 *   holds     whether the entry's predicate holds for the subject, 0 or 1
 * Returns the stronger of `best` and what this entry decides.
 */
SG_INLINE __u64 sg_consider(const struct sg_entry *e, __u64 holds, __u64 *pending, __u64 best)
{
    __u64 ops = e->ops & *pending & -holds;
    __u64 decision = SG_DECISION(sg_strength(e->verdict, e->flags), (__u64)e->rule, e->verdict,
                                 e->flags, ops);

    *pending &= ~SG_TAKES(ops);
    return sg_stronger(best, decision & -sg_nonzero(ops));
}

/* Does a predicate hold, 0 or 1: by is empty or shares a subject with the task's, and not_by shares none. */
SG_INLINE __u64 sg_pred_holds(const struct sg_pred *p, const __u64 *subjects)
{
    __u64 any_by = 0, hit = 0, miss = 0;

    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++) {
        any_by |= p->by[i];
        hit |= p->by[i] & subjects[i];
        miss |= p->not_by[i] & subjects[i];
    }
    return ((sg_nonzero(any_by) ^ 1) | sg_nonzero(hit)) & (sg_nonzero(miss) ^ 1);
}

#endif
