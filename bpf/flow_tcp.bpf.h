/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: TCP, over IPv4 and IPv6.
 *
 * What a connection did is read from its socket when it comes to the state CLOSE, where the kernel has counted all of it; nothing
 * is done for a segment. Who did it is noted where a process connects, listens or accepts, since the end often comes in an
 * interrupt, and is kept by the address of the socket until then. A connection that comes in is noted when it is established,
 * which may be before or after a process on another CPU has accepted it.
 *
 * The retransmissions of a connection are tcp_sock.total_retrans: the tracepoint for them is passed once for a train of segments.
 */
#ifndef SG_BPF_FLOW_TCP_H
#define SG_BPF_FLOW_TCP_H

#include "lib/flow.bpf.h"

#define IPPROTO_TCP 6

struct sg_flow_connection {
    __u64 begin_ns;
    struct sg_flow_who who;
    __u8 incoming;
    __u8
        told; /* there is a record of its beginning: a listener, or a connection that this host began */
    __u8 reserved[6];
};

/* Each goes with its socket, so that nothing has to be put out. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SG_FLOW_CONNECTIONS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct sg_flow_connection);
} flow_connections SEC(".maps");

static __always_inline struct sg_flow_connection *sg_flow_find(struct sock *sk)
{
    __u64 address = (__u64)sk;

    return bpf_map_lookup_elem(&flow_connections, &address);
}

static __always_inline void sg_flow_forget(struct sock *sk)
{
    __u64 address = (__u64)sk;

    bpf_map_delete_elem(&flow_connections, &address);
}

/* BPF_NOEXIST leaves one that is there. */
static __always_inline struct sg_flow_connection *sg_flow_note(struct sock *sk,
                                                               const struct sg_flow_connection *c,
                                                               __u64 flags)
{
    __u64 address = (__u64)sk;
    struct sg_flow_connection *found;

    if (!bpf_map_update_elem(&flow_connections, &address, c, flags))
        SG_FLOW_COUNT(connections);
    found = bpf_map_lookup_elem(&flow_connections, &address);
    if (!found)
        SG_FLOW_COUNT(connections_full);
    return found;
}

static __always_inline bool sg_flow_is_mptcp(struct sock *sk)
{
    struct tcp_sock___mptcp *tp = (void *)sk;

    return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

static __always_inline void sg_flow_fill(struct sg_flow_record *r, struct sock *sk,
                                         const struct sg_flow_connection *c)
{
    struct tcp_sock *tp = (struct tcp_sock *)sk;

    sg_flow_ends_of(&r->ends, sk);
    r->ends.protocol = IPPROTO_TCP;
    if (sg_flow_is_mptcp(sk))
        r->ends.flags |= SG_ENDS_MPTCP;
    r->rtt_us = BPF_CORE_READ(tp, srtt_us) >> 3;
    if (!c) {
        r->flags |= SG_FLOW_UNSEEN;
        return;
    }
    r->begin_ns = c->begin_ns;
    r->who = c->who;
    if (c->incoming)
        r->ends.flags |= SG_ENDS_INCOMING;
}

static __always_inline void sg_flow_tell(struct sock *sk, const struct sg_flow_connection *c,
                                         __u8 type)
{
    struct sg_flow_record *r = sg_flow_reserve(sk, type);

    if (!r)
        return;
    sg_flow_fill(r, sk, c);
    bpf_ringbuf_submit(r, sg_flow_wake(r->time_ns));
}

/* By the state that it was in, where the socket has no error. */
static __always_inline __u8 sg_flow_reason_of(int old, int error)
{
    switch (error) {
    case 0: break;
    case ECONNREFUSED: return old == SG_TCP_SYN_SENT ? SG_FLOW_REFUSED : SG_FLOW_RESET_RECEIVED;
    case ECONNRESET:
    case EPIPE: return SG_FLOW_RESET_RECEIVED;
    case ETIMEDOUT: return SG_FLOW_TIMED_OUT;
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH: return SG_FLOW_UNREACHABLE;
    case ECONNABORTED: return SG_FLOW_ABORTED;
    default: return SG_FLOW_FAILED;
    }
    switch (old) {
    case SG_TCP_SYN_SENT: return SG_FLOW_CANCELLED;
    case SG_TCP_FIN_WAIT1:
    case SG_TCP_FIN_WAIT2:
    case SG_TCP_CLOSING: return SG_FLOW_FIN_BY_US;
    case SG_TCP_LAST_ACK: return SG_FLOW_FIN_BY_THEM;
    default: return SG_FLOW_RESET_SENT; /* it was to go on, or the other end only had closed */
    }
}

static __always_inline void sg_flow_closes(struct sock *sk, const struct sg_flow_connection *c,
                                           int old)
{
    struct tcp_sock *tp = (struct tcp_sock *)sk;
    struct sg_flow_record *r;

    if (!c)
        SG_FLOW_COUNT(unseen);
    r = sg_flow_reserve(sk, SG_FLOW_CLOSE);
    if (!r)
        return;
    sg_flow_fill(r, sk, c);
    r->error = sk->sk_err;
    r->reason = sg_flow_reason_of(old, sk->sk_err);
    r->sums.bytes_out = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
    r->sums.bytes_in = BPF_CORE_READ(tp, bytes_received);
    /* The kernel takes the other end's FIN for a byte. */
    if (sk->__sk_common.skc_flags & SG_SOCK_DONE && r->sums.bytes_in)
        r->sums.bytes_in--;
    r->sums.packets_out = BPF_CORE_READ(tp, segs_out);
    r->sums.packets_in = BPF_CORE_READ(tp, segs_in);
    r->retransmits = BPF_CORE_READ(tp, total_retrans);
    bpf_ringbuf_submit(r, sg_flow_wake(r->time_ns));
}

static __always_inline void sg_flow_begins(struct sock *sk)
{
    struct sg_flow_connection c = {};

    c.begin_ns = bpf_ktime_get_boot_ns();
    sg_flow_who_now(&c.who);
    sg_flow_note(sk, &c, BPF_ANY);
}

static __always_inline void sg_flow_established(struct sock *sk, int old)
{
    struct sg_flow_connection *c = sg_flow_find(sk), in = {.incoming = 1};

    if (c && !c->incoming) {
        c->told = 1;
        sg_flow_tell(sk, c, SG_FLOW_CONNECT);
    } else if (!c && old == SG_TCP_SYN_SENT) {
        sg_flow_tell(sk, NULL, SG_FLOW_CONNECT);
    } else if (!c) {
        in.begin_ns = bpf_ktime_get_boot_ns();
        sg_flow_note(sk, &in, BPF_NOEXIST);
    }
}

static __always_inline void sg_flow_ends(struct sock *sk, int old)
{
    struct sg_flow_connection *c = sg_flow_find(sk);

    if (old == SG_TCP_LISTEN) {
        if (!c || c->told)
            sg_flow_tell(sk, c, SG_FLOW_LISTEN_END);
    } else if (old == SG_TCP_SYN_RECV && !c) {
        return; /* it was never established, and nobody knows of it */
    } else if (old == SG_TCP_SYN_SENT && !c && !sk->sk_err) {
        return; /* it is in connect(2), which is about to say why */
    } else {
        sg_flow_closes(sk, c, old);
    }
    if (c)
        sg_flow_forget(sk);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(flow_state, struct sock *sk, int old, int new)
{
    if (sk->sk_protocol != IPPROTO_TCP)
        return 0;
    switch (new) {
    case SG_TCP_LISTEN: sg_flow_begins(sk); break;
    case SG_TCP_ESTABLISHED: sg_flow_established(sk, old); break;
    case SG_TCP_CLOSE: sg_flow_ends(sk, old); break;
    }
    return 0;
}

/*
 * The same once more, for what the kernel left out because it was in the middle of the program above on this CPU: what comes by the
 * backlog of a socket is handled by its process, which is interrupted, and preempted where a kernel does that. What was done above
 * is seen by its entry, and not done again; an end without an entry is that one's alone.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(flow_state_again, struct sock *sk, int old, int new)
{
    struct sg_flow_connection *c;

    if (sk->sk_protocol != IPPROTO_TCP)
        return 0;
    if (new != SG_TCP_ESTABLISHED &&new != SG_TCP_CLOSE &&new != SG_TCP_LISTEN)
        return 0;
    c = sg_flow_find(sk);
    if (new == SG_TCP_LISTEN && !c)
        sg_flow_begins(sk);
    else if (new == SG_TCP_ESTABLISHED && (c ? !c->incoming && !c->told : old == SG_TCP_SYN_RECV))
        sg_flow_established(sk, old);
    else if (new == SG_TCP_CLOSE && c)
        sg_flow_ends(sk, old);
    return 0;
}

/* Its port is known by now. It may be called again, for another length of the queue. */
SEC("fexit/inet_listen")
int BPF_PROG(flow_listen, struct socket *sock, int backlog, int ret)
{
    struct sock *sk = sock->sk;
    struct sg_flow_connection *c;

    if (ret || !sk)
        return 0;
    c = sg_flow_find(sk);
    if (!c || c->told)
        return 0;
    c->told = 1;
    sg_flow_tell(sk, c, SG_FLOW_LISTEN);
    return 0;
}

static __always_inline int sg_flow_accepted(struct sock *sk)
{
    struct sg_flow_connection *c, in = {.incoming = 1};

    if (!sk || sk->sk_protocol != IPPROTO_TCP)
        return 0;
    in.begin_ns = bpf_ktime_get_boot_ns();
    sg_flow_who_now(&in.who);
    /* What has ended already is told of, and nothing would take its entry away. */
    c = sk->__sk_common.skc_state == SG_TCP_CLOSE ? NULL : sg_flow_note(sk, &in, BPF_NOEXIST);
    if (c)
        c->who = in.who;
    sg_flow_tell(sk, c ? c : &in, SG_FLOW_ACCEPT);
    if (c && sk->__sk_common.skc_state == SG_TCP_CLOSE)
        sg_flow_forget(sk);
    return 0;
}

/* Up to 6.9. */
SEC("fexit/inet_csk_accept")
int BPF_PROG(flow_accept_4, struct sock *sk, int flags, int *error, bool kern, struct sock *ret)
{
    return sg_flow_accepted(SG_OR_NULL(ret));
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(flow_accept_2, struct sock *sk, void *argument, struct sock *ret)
{
    return sg_flow_accepted(SG_OR_NULL(ret));
}

struct sg_sockaddr {
    __u16 family;
    __u16 port; /* in network order */
    __u32 address;
    __u32 address6[4];
};

/* What a program asked for, since a socket that did not come to it has forgotten. */
static __always_inline void sg_flow_remote_of(struct sg_ends *ret, const void *sockaddr)
{
    struct sg_sockaddr a = {};

    bpf_probe_read_kernel(&a, sizeof(a), sockaddr);
    ret->remote_port = bpf_ntohs(a.port);
    ret->flags |= SG_ENDS_HAS_REMOTE;
    if (a.family == AF_INET6) {
        __builtin_memcpy(ret->remote, a.address6, sizeof(ret->remote));
    } else {
        sg_flow_map_ipv4(ret->remote, a.address);
        ret->family = AF_INET;
    }
}

/* What the call alone can tell: nothing leads there, no port is free … */
static __always_inline void sg_flow_not_begun(struct sock *sk, const void *sockaddr, int error)
{
    struct sg_flow_record *r = sg_flow_reserve(sk, SG_FLOW_CLOSE);

    if (!r)
        return;
    sg_flow_ends_of(&r->ends, sk);
    r->ends.protocol = IPPROTO_TCP;
    sg_flow_remote_of(&r->ends, sockaddr);
    sg_flow_who_now(&r->who);
    r->begin_ns = r->time_ns;
    r->error = -error;
    r->reason = sg_flow_reason_of(SG_TCP_SYN_SENT, -error);
    bpf_ringbuf_submit(r, sg_flow_wake(r->time_ns));
}

/*
 * The answer cannot have come by now: the socket is still its process'. The tracepoint was passed with interrupts let in, and a
 * kernel leaves out a program that it is in the middle of: little is done there.
 */
static __always_inline int sg_flow_connected(struct sock *sk, const void *sockaddr, int ret)
{
    if (ret < 0)
        sg_flow_not_begun(sk, sockaddr, ret);
    else
        sg_flow_begins(sk);
    return 0;
}

SEC("fexit/tcp_v4_connect")
int BPF_PROG(flow_connect_4, struct sock *sk, void *sockaddr, int len, int ret)
{
    return sg_flow_connected(sk, sockaddr, ret);
}

/* To a mapped address it calls the other one, which has told of it by now. */
SEC("fexit/tcp_v6_connect")
int BPF_PROG(flow_connect_6, struct sock *sk, void *sockaddr, int len, int ret)
{
    struct sg_sockaddr a = {};

    bpf_probe_read_kernel(&a, sizeof(a), sockaddr);
    if (a.family != AF_INET6 || sg_flow_is_ipv4((__u8 *)a.address6))
        return 0;
    return sg_flow_connected(sk, sockaddr, ret);
}

#endif
