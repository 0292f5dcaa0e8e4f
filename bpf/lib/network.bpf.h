/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules of the section `network` say of an access: the decision about an end of a socket, and its record.
 */
#ifndef SG_BPF_NETWORK_H
#define SG_BPF_NETWORK_H

#include "network_name.bpf.h"

/*
 * Words that no rule of some kinds has, by a sum over word, kinds and policy. Most sockets are nobody's business, and the same ends are
 * asked about again and again. Secret factors, since who asks chooses the word.
 */
#define SG_NET_DEAD_BITS  10
#define SG_NET_DEAD_NAMED 1ull /* in the sum: unless the address has got a name */
volatile __u64 sg_net_dead[1 << SG_NET_DEAD_BITS] = {};

static __always_inline __u64 sg_net_sum(const struct sg_net *a, __u32 policy_id)
{
    return (a->word[0] * sg_factors[0] + a->word[1] * sg_factors[1] + a->word[2] * sg_factors[2] +
            ((__u64)policy_id << 32 | a->kinds[0] << 8 | a->kinds[1]) * sg_factors[3]) &
           ~SG_NET_DEAD_NAMED;
}

/* What a kind's rules say, of the current task. */
static __always_inline __u64 sg_net_decide(struct sg_net *a, __u8 kind, __u32 policy_id, __u32 who)
{
    __u64 state = sg_net_state_of(a, kind, policy_id), decision = SG_DECISION_NONE;

    if (state == SG_DECISION_RETRY)
        return state;
    if (state) {
        a->dead = 0;
        decision = sg_decide((__u32)state, SG_OP_CONTROL, policy_id, who);
    }
    if (decision & SG_DECISION_AGAIN || !sg_net_has_names(1ull << kind) ||
        !sg_net_can_be_named(a) || !sg_net_is_named(a))
        return decision;
    a->dead = 0;
    return sg_net_by_name(a, kind, policy_id, who, decision);
}

/* One try; leaves the kind that decided in the first place. */
static __noinline __u64 sg_net_try(struct sg_net *a, __u32 policy_id, __u32 who)
{
    __u64 best, more;

    a->dead = 1;
    best = sg_net_decide(a, a->kinds[0], policy_id, who);
    if (a->kinds[1] == a->kinds[0] || best & SG_DECISION_AGAIN)
        return best;
    more = sg_net_decide(a, a->kinds[1], policy_id, who);
    if (more > best) {
        a->kinds[0] = a->kinds[1];
        best = more;
    }
    return best;
}

/* Equal ones are counted under this: a digest that nobody can choose. */
static __always_inline __u64 sg_net_key(const struct sg_net *a)
{
    return 1ull << 63 |
           (a->word[0] * sg_factors[0] + a->word[1] * sg_factors[1] + a->word[2] * sg_factors[2]) >>
               1;
}

static __always_inline const struct sg_owner *sg_net_owner(const struct sg_net *a)
{
    __u64 at = a->owner;

    return at ? bpf_map_lookup_elem(&sg_owners, &at) : NULL;
}

static __noinline int sg_net_merged_away(const struct sg_net *a, __u64 decision, __u32 policy_id)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_owner *owner = sg_net_owner(a);
    struct sg_merge_key key = {};

    key.ino = sg_net_key(a);
    key.dev = SG_CONTROL_DEV(a->kinds[0]);
    key.tgid = owner ? owner->tgid : bpf_get_current_pid_tgid() >> 32;
    key.start_ns = owner ? owner->start_ns : BPF_CORE_READ(task, group_leader, start_boottime);
    key.access = SG_OP_CONTROL;
    key.policy = (__u16)policy_id;
    key.rule = SG_DECISION_RULE(decision);
    key.hook = a->hook;
    return sg_merge(&key, policy_id);
}

/* What the record has behind its header. */
struct sg_net_fields {
    struct sg_field control_head;
    struct sg_control_field control;
    struct sg_field ends_head;
    struct sg_ends ends;
};

/* Where a name is put together before it goes into the record: far behind everything else that these have. */
#define SG_NET_NAME_AT 2048

/* A name by which the other end was learnt, the one that was decided by if there is one. Returns the record's new length. */
static __noinline __u64 sg_net_add_name(struct sg_buffer *b, const struct sg_net *a, __u64 len)
{
    const struct sg_name_key *key = (const struct sg_name_key *)a->ends.remote;
    struct sg_name *name = (struct sg_name *)(b->bytes + SG_NET_NAME_AT);
    __u64 now = a->lasting ? 0 : bpf_ktime_get_boot_ns();
    int found = 0;

    if (a->named_by)
        found = sg_names_copy(key, a->named_by - 1, now, name);
    for (__u32 i = 0; i < SG_NAMES_MAX && !found; i++)
        found = sg_names_copy(key, i, now, name);
    return found ? sg_add_text(b->bytes, len, (const char *)name->name, SG_FIELD_NAME) : len;
}

static __noinline int sg_net_emit(const struct sg_net *a, __u64 decision, __u32 policy_id,
                                  __u32 error)
{
    struct net *net = (struct net *)a->net;
    struct sg_net_fields *f;
    struct sg_buffer *b;
    struct sg_record *r;
    __u64 len = 0;
    __u32 slot;

    if (sg_net_merged_away(a, decision, policy_id))
        return 0;
    b = sg_begin_empty(&slot, SG_RECORD_CONTROL);
    if (b) {
        r = (struct sg_record *)b->bytes;
        sg_fill_owner(r, sg_net_owner(a), a->uid, a->uid);
        f = (struct sg_net_fields *)(r + 1);
        r->policy_id = policy_id;
        r->hook = a->hook;
        r->rule = SG_DECISION_RULE(decision);
        r->verdict = SG_DECISION_VERDICT(decision);
        r->reason = SG_DECISION_REASON(decision);
        r->access = SG_OP_CONTROL;
        r->error = error;
        r->ino = sg_net_key(a);
        r->dev = SG_CONTROL_DEV(a->kinds[0]);
        if (SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR)
            r->flags |= SG_RECORD_MONITOR;
        if (r->reason)
            r->flags |= SG_RECORD_UNRESOLVED;
        __builtin_memset(f, 0, sizeof(*f));
        f->control_head.type = SG_FIELD_CONTROL;
        f->control_head.len = sizeof(f->control);
        f->control.kind = a->kinds[0];
        f->ends_head.type = SG_FIELD_ENDS;
        f->ends_head.len = sizeof(f->ends);
        f->ends = a->ends;
        f->ends.net_ns = BPF_CORE_READ(net, ns.inum);
        len = sizeof(*r) + sizeof(*f);
        if (sg_net_can_be_named(a))
            len = sg_net_add_name(b, a, len);
        r->size = len;
    }
    if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_send(slot, b, len, SG_RING_SECURITY);
    else
        sg_send(slot, b, len, SG_RING_AUDIT);
    return 0;
}

/* Records a decision. Returns the errno that is refused with, 0: it passes. */
static __noinline int sg_net_conclude(const struct sg_net *a, __u64 decision, __u32 policy_id)
{
    int refused = sg_decision_refuses(decision);
    __u32 error = SG_ENTRY_ERRNO(SG_DECISION_FLAGS(decision));

    if ((!a->owner && sg_control_is_exempt(decision)) ||
        (a->denials && SG_DECISION_VERDICT(decision) < SG_DENY))
        return 0;
    if (!error)
        error = EPERM;
    if (refused)
        sg_count(SG_COUNT_DENIED);
    else if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_count(SG_COUNT_WOULD_DENY);
    sg_net_emit(a, decision, policy_id, refused ? error : 0);
    if (refused && !a->owner)
        sg_punish(decision);
    return refused ? error : 0;
}

/* What the self-test asks of the hook that is tested: by a kind that the hook asks about (bits), and some rule speaks of. */
static __always_inline void sg_net_tests(struct sg_net *a, __u64 kinds)
{
    static const __u8 tried[] = {SG_CONTROL_connect, SG_CONTROL_send,   SG_CONTROL_bind,
                                 SG_CONTROL_listen,  SG_CONTROL_accept, SG_CONTROL_receive};

#pragma unroll
    for (int i = 0; i < (int)sizeof(tried); i++)
        if (kinds & 1ull << tried[i] && sg_control_any(1ull << tried[i]))
            a->kinds[0] = a->kinds[1] = tried[i];
    a->word[0] = SG_NET_SELF;
    a->n = 1;
}

/* What comes of a decision. Returns the errno that is refused with, 0: it passes. */
static __always_inline int sg_net_end(const struct sg_net *a, __u64 decision, __u32 policy_id)
{
    if (decision & SG_DECISION_AGAIN)
        decision = sg_unresolved(0, SG_OP_CONTROL, policy_id, SG_REASON_IMAGE);
    if (SG_DECISION_VERDICT(decision) == SG_ALLOW)
        return 0;
    return sg_net_conclude(a, decision, policy_id);
}

static __always_inline volatile __u64 *sg_net_dead_of(__u64 sum)
{
    return &sg_net_dead[sum >> (64 - SG_NET_DEAD_BITS)];
}

/* Is it known that no rule has this? `sum`: as sg_net_sum() has it. */
static __always_inline int sg_net_is_dead(const struct sg_net *a, __u64 sum)
{
    __u64 dead = *sg_net_dead_of(sum);

    if ((dead | SG_NET_DEAD_NAMED) != (sum | SG_NET_DEAD_NAMED))
        return 0;
    return !(dead & SG_NET_DEAD_NAMED) || !sg_net_is_named(a);
}

/* With names, an address is only so as long as it has none. */
static __always_inline void sg_net_is_dead_now(const struct sg_net *a, __u32 policy_id)
{
    __u64 sum = sg_net_sum(a, policy_id);

    *sg_net_dead_of(sum) = sg_net_has_names(1ull << a->kinds[0] | 1ull << a->kinds[1]) &&
                                   sg_net_can_be_named(a)
                               ? sum | SG_NET_DEAD_NAMED
                               : sum;
}

/* Decides one access of the current task, of one of these kinds. Returns the errno that is refused with, 0: it passes. */
static __always_inline int sg_net(struct sg_net *a, __u64 kinds)
{
    __u32 policy_id = sg_policy_now();
    __u64 decision = SG_DECISION_NONE, sum = sg_net_sum(a, policy_id);

    if (!sg_canary && sg_net_is_dead(a, sum))
        return 0;
    /* What verifiers know of it they would follow, for each way that led here by itself: onto itself, so that they forget. */
    bpf_probe_read_kernel(a, sizeof(*a), a);
    if (sg_is_canary()) {
        if (sg_canary >> 32 != a->hook)
            return 0;
        sg_net_tests(a, kinds);
    }
#pragma unroll
    for (int try = SG_TRY_FIRST; try <= SG_TRY_LAST; try++) {
        policy_id = sg_policy_now();
        if (!policy_id || !a->n)
            return 0;
        decision = sg_net_try(a, policy_id, try == SG_TRY_LAST);
        if (!(decision & SG_DECISION_AGAIN))
            break;
        if (try < SG_TRY_LAST)
            sg_subject_prepare();
    }
    if (!decision && a->dead)
        sg_net_is_dead_now(a, policy_id);
    return sg_net_end(a, decision, policy_id);
}

#endif
