/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes in: connections that others begin, and datagrams that are no answers. The kernel asks when they arrive, in whatever
 * task that interrupts: they are for who waits at the socket, as he was when he last said so (listen, accept; bind, and each time
 * that he sent or received). Where that is not known, or was under another policy, a connection is decided when it is used
 * (control_socket.bpf.h), and a datagram passes.
 */
#ifndef SG_BPF_CONTROL_SOCKET_IN_H
#define SG_BPF_CONTROL_SOCKET_IN_H

#include "control_signal.bpf.h"
#include "lib/network.bpf.h"

#define SG_STATE_ESTABLISHED \
    1 /* TCP_ESTABLISHED, include/net/tcp_states.h; of datagrams: connected */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common___state {
    volatile unsigned char skc_state;
};

struct sock___uid {
    kuid_t sk_uid;
};

struct request_sock {
    struct sock_common __req_common;
};

struct tcp_sock___mptcp {
    _Bool is_mptcp;
};

struct inet_connection_sock___ulp {
    void *icsk_ulp_data;
};

struct mptcp_subflow_context {
    struct sock *conn;
};

struct sk_buff {
    unsigned char *head;
    __u16 network_header, transport_header;
};

#pragma clang attribute pop

/* Whom an unconnected socket sent to lately: what comes from there is an answer, and what goes there goes on. */
#define SG_ANSWER_NS 180000000000ull
#define SG_SENT_MAX  16384
struct sg_sent_key {
    __u64 sock; /* address */
    __u8 addr[16];
    __u16 port;
    __u16 reserved[3];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_SENT_MAX);
    __type(key, struct sg_sent_key);
    __type(value, __u64); /* when, CLOCK_BOOTTIME */
} sg_sent SEC(".maps");

static __always_inline void sg_net_sent_key(struct sg_sent_key *key, const struct sg_net *a,
                                            __u64 sock)
{
    key->sock = sock;
    key->port = a->ends.remote_port;
    __builtin_memcpy(key->addr, a->ends.remote, sizeof(key->addr));
}

static __noinline int sg_net_sent(const struct sg_net *a, __u64 sock)
{
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_sent_key key = {};

    sg_net_sent_key(&key, a, sock);
    bpf_map_update_elem(&sg_sent, &key, &now, BPF_ANY);
    return 0;
}

static __always_inline int sg_net_is_answer(const struct sg_net *a, __u64 sock)
{
    struct sg_sent_key key = {};
    const __u64 *sent;

    sg_net_sent_key(&key, a, sock);
    sent = bpf_map_lookup_elem(&sg_sent, &key);
    return sent && bpf_ktime_get_boot_ns() - *sent < SG_ANSWER_NS;
}

/* Rules by names let a datagram go on where one went that was allowed. */
#define SG_KINDS_NAMED_SENDS \
    (SG_CONTROL_NAMED(SG_CONTROL_connect) | SG_CONTROL_NAMED(SG_CONTROL_send))

static __noinline int sg_net_goes_on(struct sg_net *a, __u64 sock)
{
    a->lasting = sg_net_is_answer(a, sock);
    return 0;
}

/* Does the owner's entry say what the current task is now? */
static __always_inline int sg_owner_is_current(const struct sg_owner *owner)
{
    const struct sg_image *header = sg_header_now();
    const struct sg_subject *s = header ? sg_subject_current(header) : NULL;
    __u64 differs = 0;

    if (!owner || !s || owner->tgid != bpf_get_current_pid_tgid() >> 32 ||
        owner->policy_id != s->policy_id || owner->epoch != s->epoch)
        return 0;
    for (int i = 0; i < (int)SG_PRED_WORDS; i++)
        differs |= owner->preds[i] ^ s->preds[i];
    return !differs;
}

/* The current task binds a socket of datagrams, or sends or receives by it: what comes is for it from now on. */
static __always_inline void sg_net_datagrams_for(const struct sg_net *a, const struct sock *sk)
{
    __u64 sock;

    if (!a->datagrams || !sg_control_any(SG_KIND_BIT(receive)))
        return;
    sock = sg_address(sk);
    if (!sg_owner_is_current(bpf_map_lookup_elem(&sg_owners, &sock)))
        sg_owner_set(sock);
}

/* Decides what came in for who waits at `a->owner`. Returns whether it is refused. */
static __always_inline int sg_net_owned(struct sg_net *a, __u64 kinds)
{
    const struct sg_owner *owner = sg_net_owner(a);
    __u32 policy_id = sg_policy_now(), canary = (__u32)sg_canary;
    __u64 state, decision;

    if (!owner || !policy_id || owner->policy_id != policy_id || owner->epoch != sg_subject_epoch)
        return 0;
    if (canary && owner->tgid == canary) {
        if (sg_canary >> 32 != a->hook)
            return 0;
        sg_net_tests(a, kinds);
    }
    state = sg_net_state_of(a, a->kinds[0], policy_id);
    if (!state)
        return 0;
    decision = state == SG_DECISION_RETRY
                   ? state
                   : sg_decide_to((__u32)state, policy_id, a->owner, SG_FACT_DESCRIPTOR);
    return sg_net_end(a, decision, policy_id);
}

/* Whoever accepts is who connections are for from now on. */
static __always_inline int sg_on_accept(struct socket *sock)
{
    if (sg_control_any(SG_KIND_BIT(accept)))
        sg_owner_set((__u64)BPF_CORE_READ(sock, sk));
    return 0;
}

SG_CONTROL_PROGRAMS(socket_accept, socket_accept, socket_accept,
                    ((void)newsock, sg_on_accept(sock)), struct socket *sock,
                    struct socket *newsock)

/* The socket that programs have of one that waits: of MPTCP it is another one. */
static __always_inline __u64 sg_net_waiting(const struct sock *sk)
{
    const struct mptcp_subflow_context *flow;

    if (!bpf_core_type_exists(struct mptcp_subflow_context) ||
        !bpf_core_field_exists(struct tcp_sock___mptcp, is_mptcp) ||
        !BPF_CORE_READ((const struct tcp_sock___mptcp *)sk, is_mptcp))
        return sg_address(sk);
    flow = BPF_CORE_READ((const struct inet_connection_sock___ulp *)sk, icsk_ulp_data);
    return flow ? (__u64)BPF_CORE_READ(flow, conn) : sg_address(sk);
}

static __noinline int sg_request_asks(struct sg_net *a, __u64 sk, __u64 request)
{
    struct sg_sock_head head;

    if (bpf_probe_read_kernel(&head, sizeof(head), (void *)request))
        return 0;
    a->owner = sg_net_waiting((struct sock *)sk);
    a->uid = BPF_CORE_READ((struct sock___uid *)sk, sk_uid.val);
    sg_net_addresses(a, &head);
    a->ends.protocol = IPPROTO_TCP;
    sg_net_ports(&a->ends, &head);
    sg_net_word_in(a);
    return 1;
}

static __always_inline int sg_on_request(const struct sock *sk, struct request_sock *req)
{
    struct sg_net a = {.hook = SG_HOOK_inet_conn_request,
                       .kinds = {SG_CONTROL_accept, SG_CONTROL_accept}};

    if (!sg_control_any(SG_KIND_BIT(accept)) ||
        !sg_request_asks(&a, sg_address(sk), sg_address(req)))
        return 0;
    return sg_net_owned(&a, SG_KIND_BIT(accept));
}

SG_CONTROL_PROGRAMS(inet_conn_request, inet_conn_request, inet_conn_request,
                    ((void)skb, sg_on_request(sk, req)), const struct sock *sk, struct sk_buff *skb,
                    struct request_sock *req)

/* Where a datagram comes from, by its own header: a socket of IPv6 gets those of IPv4, too. False: it is neither. */
static __always_inline int sg_net_source(struct sg_net *a, const __u8 *ip)
{
    __u8 version = 0;
    __u32 ipv4;

    if (bpf_probe_read_kernel(&version, 1, ip))
        return 0;
    if (version >> 4 == 4) {
        if (bpf_probe_read_kernel(&ipv4, 4, ip + 12))
            return 0;
        sg_net_mapped(a->ends.remote, ipv4);
        a->ends.family = AF_INET;
        return 1;
    }
    return version >> 4 == 6 && !bpf_probe_read_kernel(a->ends.remote, 16, ip + 8);
}

static __noinline int sg_datagram_asks(struct sg_net *a, __u64 sock, __u32 traits, __u64 buffer)
{
    struct sk_buff *skb = (struct sk_buff *)buffer;
    struct sock *sk = (struct sock *)sock;
    const __u8 *head;
    __u16 port = 0;

    if (!sg_net_begin(a, sk, traits) || !a->datagrams ||
        BPF_CORE_READ((struct sock_common___state *)sk, skc_state) == SG_STATE_ESTABLISHED)
        return 0;
    head = BPF_CORE_READ(skb, head);
    if (!sg_net_source(a, head + BPF_CORE_READ(skb, network_header)))
        return 0;
    if (!a->raw && sg_net_has_ports(a->ends.protocol) &&
        bpf_probe_read_kernel(&port, 2, head + BPF_CORE_READ(skb, transport_header)))
        return 0;
    a->ends.remote_port = bpf_ntohs(port);
    if (sg_net_is_answer(a, sock))
        return 0;
    a->owner = sock;
    a->uid = BPF_CORE_READ((struct sock___uid *)sk, sk_uid.val);
    sg_net_word_in(a);
    return 1;
}

static __always_inline int sg_on_datagram(struct sock *sk, struct sk_buff *skb)
{
    struct sg_net a = {.hook = SG_HOOK_socket_sock_rcv_skb,
                       .kinds = {SG_CONTROL_receive, SG_CONTROL_receive}};

    if (!sg_control_any(SG_KIND_BIT(receive)) ||
        !sg_datagram_asks(&a, sg_address(sk), SG_TRAITS(sk), sg_address(skb)))
        return 0;
    return sg_net_owned(&a, SG_KIND_BIT(receive));
}

SG_CONTROL_PROGRAMS(socket_sock_rcv_skb, socket_sock_rcv_skb, sock_rcv_skb, sg_on_datagram(sk, skb),
                    struct sock *sk, struct sk_buff *skb)

#endif
