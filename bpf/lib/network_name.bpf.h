/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules say of the names by which the other end of a socket was learnt (lib/names.bpf.h), beside what they say of its address.
 */
#ifndef SG_BPF_NETWORK_NAME_H
#define SG_BPF_NETWORK_NAME_H

#include "names.bpf.h"
#include "network_ends.bpf.h"

/* Have rules of one of these kinds domain names? `kinds`: bits. */
static __always_inline int sg_net_has_names(__u64 kinds)
{
    return sg_control_any(kinds << SG_CONTROL_MAX);
}

/* Is the other end an address of the Internet, which can have names? */
static __always_inline int sg_net_can_be_named(const struct sg_net *a)
{
    __u8 family = (__u8)a->word[0];

    return a->ends.flags & SG_ENDS_HAS_REMOTE && (family == SG_NET_IPV4 || family == SG_NET_IPV6);
}

static __always_inline int sg_net_is_named(const struct sg_net *a)
{
    return bpf_map_lookup_elem(&sg_names, a->ends.remote) != NULL;
}

/* What is asked of a name besides the address, as one word. */
#define SG_NAMED(place, kind, lasting, protocol, port)                     \
    ((__u64)(place) << 48 | (__u64)(kind) << 40 | (__u64)(lasting) << 32 | \
     (__u64)(protocol) << 16 | (port))

/*
 * The state of a kind after one of the names of an address, the protocol and the port. 0: it has none there, or no rule is about
 * it; SG_DECISION_RETRY: the image changed, or the entry did. Each word of the entry is read once, for the sum and for the
 * automaton: what was walked is what the sum is of (abi/names.h).
 */
__noinline __u64 sg_net_name_state(__u64 addr0, __u64 addr1, __u64 ask, __u32 policy_id)
{
    __u64 start = sg_control_start((__u32)(ask >> 40) & 0xff, policy_id), sum, answer, service;
    __u64 addr[2] = {addr0, addr1};
    __u32 i = (__u32)(ask >> 48) & (SG_NAMES_MAX - 1), len;
    const struct sg_names *names = bpf_map_lookup_elem(&sg_names, addr);
    const struct sg_name *n;

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : 0;
    if (!names)
        return 0;
    n = &names->name[i];
    sum = *(const volatile __u64 *)&n->expires_ns;
    len = *(const volatile __u32 *)&n->len;
    if (!sum || !len || len > SG_NET_NAME_MAX ||
        (!(ask >> 32 & 1) && sum <= bpf_ktime_get_boot_ns()))
        return 0;
    sum = (sum ^ addr0) * SG_NAME_PRIME;
    sum = (sum ^ addr1) * SG_NAME_PRIME;
    sum = (sum ^ len) * SG_NAME_PRIME;
    answer = sg_run_word(policy_id, (__u32)start, SG_NET_NAME, 1);
    for (__u32 k = 0; k < SG_NAME_WORDS; k++) {
        __u64 word = ((const volatile __u64 *)n->name)[k];

        sum = (sum ^ word) * SG_NAME_PRIME;
        if (8 * k < len && answer && !SG_ANSWER_FAILED(answer))
            answer = sg_run_word(policy_id, (__u32)answer, word, len - 8 * k);
    }
    if ((__u32)(sum >> 32) != n->check)
        return SG_DECISION_RETRY;
    service = SG_NET_END | (ask >> 16 & 0xff) << 8 | SG_GROUP((ask & 0xffff) >> 14, 2) |
              SG_GROUP((ask & 0xffff) >> 7, 3) | SG_GROUP(ask & 0xffff, 4);
    if (answer && !SG_ANSWER_FAILED(answer))
        answer = sg_run_word(policy_id, (__u32)answer, service, 5);
    return SG_ANSWER_FAILED(answer) ? SG_DECISION_RETRY : (__u32)answer;
}

/* What the rules that name some addresses say of this one. */
static __noinline __u64 sg_net_given(const struct sg_net *a, __u8 kind, __u32 policy_id, __u32 who)
{
    __u64 family = (__u8)a->word[0] == SG_NET_IPV4 ? SG_NET_GIVEN4 : SG_NET_GIVEN6, state;

    state = sg_net_state((__u64)kind << 32 | a->n, (a->word[0] & ~0xffull) | family, a->word[1],
                         a->word[2], policy_id);
    if (!state || state == SG_DECISION_RETRY)
        return state;
    return sg_decide((__u32)state, SG_OP_CONTROL, policy_id, who);
}

/*
 * The names by which the other end was learnt: of what they and the address are decided by the first rule counts. But what a name
 * is allowed stays denied where a rule denies its address: whoever has the name says which one that is.
 */
static __noinline __u64 sg_net_by_name(struct sg_net *a, __u8 kind, __u32 policy_id, __u32 who,
                                       __u64 decision)
{
    const __u64 *addr = (const __u64 *)a->ends.remote;
    __u64 addr0 = addr[0], addr1 = addr[1], state, one, best = SG_DECISION_NONE;
    __u64 ask = SG_NAMED(0, kind, a->lasting, SG_NET_PROTOCOL(a->ends.protocol),
                         a->ends.remote_port);
    int place = 0;

    for (int i = 0; i < (int)SG_NAMES_MAX; i++) {
        state = sg_net_name_state(addr0, addr1, ask | SG_NAMED(i, 0, 0, 0, 0), policy_id);
        if (!state)
            continue;
        one = state == SG_DECISION_RETRY ? state
                                         : sg_decide((__u32)state, SG_OP_CONTROL, policy_id, who);
        if (one & SG_DECISION_AGAIN)
            return one;
        if (one && (!best || SG_DECISION_RULE(one) < SG_DECISION_RULE(best))) {
            best = one;
            place = i + 1;
        }
    }
    if (!best || (decision && SG_DECISION_RULE(decision) <= SG_DECISION_RULE(best)))
        return decision;
    if (SG_DECISION_VERDICT(best) < SG_DENY) {
        one = sg_net_given(a, kind, policy_id, who);
        if (one & SG_DECISION_AGAIN || SG_DECISION_VERDICT(one) >= SG_DENY)
            return one;
    }
    a->ends.flags |= SG_ENDS_NAMED;
    a->named_by = place;
    return best;
}

#endif
