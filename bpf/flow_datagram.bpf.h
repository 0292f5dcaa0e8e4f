/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows of datagrams: UDP, echoes of ICMP and raw sockets, added up by socket and both ends.
 *
 * UDP is seen where a whole datagram goes down to IP and where it is handed to the program that receives it: both ends are known
 * there whatever the program said or did not say, what was corked counts once, and it is the process itself that runs. What
 * nobody received is not among it; it is in the table of what was dropped.
 *
 * Entries are the least recently used ones' loss when there is no room; the reader keeps what it knew of them. A socket with one
 * peer takes its flow along when it is closed. Those of others are found idle, or found to be another socket's by the cookie.
 */
#ifndef SG_BPF_FLOW_DATAGRAM_H
#define SG_BPF_FLOW_DATAGRAM_H

#include "lib/flow.bpf.h"

#define IPPROTO_ICMP   1
#define IPPROTO_UDP    17
#define IPPROTO_ICMPV6 58
#define SG_UDP_HEADER  8
#define SG_IPV4_HEADER 20
#define SG_IPV6_HEADER 40

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_FLOW_DATAGRAMS_MAX);
    __type(key, struct sg_flow_key);
    __type(value, struct sg_flow_value);
} flow_datagrams SEC(".maps");

/* The headers of a datagram up to its ports. */
struct sg_flow_ipv4 {
    __u32 before[3];
    __u32 source, destination;
    __u16 source_port, destination_port;
};

struct sg_flow_ipv6 {
    __u64 before;
    __u8 source[16], destination[16];
    __u16 source_port, destination_port;
};

static __always_inline void sg_flow_ends_of_key(struct sg_ends *ret, const struct sg_flow_key *key,
                                                const struct sg_flow_value *v)
{
    __builtin_memcpy(ret->local, key->local, sizeof(ret->local));
    __builtin_memcpy(ret->remote, key->remote, sizeof(ret->remote));
    ret->local_port = key->local_port;
    ret->remote_port = key->remote_port;
    ret->protocol = key->protocol;
    ret->family = v->family;
    ret->net_ns = v->net_ns;
    ret->ifindex = v->ifindex;
    ret->cookie = v->cookie;
    ret->flags = v->flags | SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE;
}

static __always_inline void sg_flow_tell_datagrams(struct sock *sk, const struct sg_flow_key *key,
                                                   const struct sg_flow_value *v, __u8 type,
                                                   __u8 reason)
{
    struct sg_flow_record *r = sg_flow_reserve(sk, type);
    __u64 wake;

    if (!r)
        return;
    wake = sg_flow_wake(r->time_ns);
    sg_flow_ends_of_key(&r->ends, key, v);
    r->reason = reason;
    r->begin_ns = v->first_ns;
    r->who = v->who;
    r->sums = v->sums;
    if (type == SG_FLOW_END)
        r->time_ns = v->last_ns;
    bpf_ringbuf_submit(r, wake);
}

static __always_inline struct sg_flow_value *sg_flow_make(struct sock *sk,
                                                          const struct sg_flow_key *key, __u64 now,
                                                          bool out, __u32 ifindex)
{
    struct sg_flow_value v = {}, *made;

    v.first_ns = now;
    v.last_ns = now;
    v.cookie = sg_flow_cookie(sk);
    v.net_ns = sk->__sk_common.skc_net.net->ns.inum;
    v.ifindex = ifindex;
    v.flags = out ? 0 : SG_ENDS_INCOMING;
    v.family = sg_flow_is_ipv4(key->remote) ? AF_INET : AF_INET6;
    sg_flow_who_now(&v.who);
    if (bpf_map_update_elem(&flow_datagrams, key, &v, BPF_ANY)) {
        SG_FLOW_COUNT(flows_full);
        return NULL;
    }
    SG_FLOW_COUNT(flows);
    made = bpf_map_lookup_elem(&flow_datagrams, key);
    sg_flow_tell_datagrams(sk, key, &v, SG_FLOW_BEGIN, SG_FLOW_GOES_ON);
    return made;
}

static __always_inline void sg_flow_add(struct sock *sk, const struct sg_flow_key *key, bool out,
                                        __u64 bytes, __u64 packets, __u32 ifindex)
{
    struct sg_flow_value *v = bpf_map_lookup_elem(&flow_datagrams, key);
    __u64 now = bpf_ktime_get_boot_ns(), cookie;

    if (v) {
        cookie = sk->__sk_common.skc_cookie.counter;
        if (!v->cookie) {
            v->cookie = cookie;
        } else if (v->cookie != cookie) {
            sg_flow_tell_datagrams(sk, key, v, SG_FLOW_END, SG_FLOW_CLOSED);
            SG_FLOW_COUNT(flows_ended);
            v = NULL;
        }
    }
    if (!v)
        v = sg_flow_make(sk, key, now, out, ifindex);
    if (!v)
        return;
    if (out) {
        __sync_fetch_and_add(&v->sums.bytes_out, bytes);
        __sync_fetch_and_add(&v->sums.packets_out, packets);
    } else {
        __sync_fetch_and_add(&v->sums.bytes_in, bytes);
        __sync_fetch_and_add(&v->sums.packets_in, packets);
    }
    v->last_ns = now;
}

/* What it is of a packet that is on its way out, without the header of UDP. */
static __always_inline __u64 sg_flow_payload(struct sk_buff *skb)
{
    __u64 before = (__u64)skb->head + skb->transport_header - (__u64)skb->data;

    return skb->len - before - SG_UDP_HEADER;
}

/* A segmented send is cut into datagrams of this size later, by the network or by its device. */
static __always_inline __u64 sg_flow_datagrams_of(struct inet_cork *cork, __u64 bytes)
{
    __u64 size = cork->gso_size;

    return size && bytes > size ? (bytes + size - 1) / size : 1;
}

SEC("fentry/udp_send_skb")
int BPF_PROG(flow_udp_send_4, struct sk_buff *skb, struct flowi4 *fl4, struct inet_cork *cork)
{
    struct sg_flow_key key = {.protocol = IPPROTO_UDP};
    struct sock *sk = skb->sk;
    __u64 bytes;

    if (!sk)
        return 0;
    bytes = sg_flow_payload(skb);
    key.socket = (__u64)sk;
    sg_flow_map_ipv4(key.local, fl4->saddr);
    sg_flow_map_ipv4(key.remote, fl4->daddr);
    key.local_port = bpf_ntohs(fl4->uli.ports.sport);
    key.remote_port = bpf_ntohs(fl4->uli.ports.dport);
    sg_flow_add(sk, &key, true, bytes, sg_flow_datagrams_of(cork, bytes),
                fl4->__fl_common.flowic_oif);
    return 0;
}

SEC("fentry/udp_v6_send_skb")
int BPF_PROG(flow_udp_send_6, struct sk_buff *skb, struct flowi6 *fl6, struct inet_cork *cork)
{
    struct sg_flow_key key = {.protocol = IPPROTO_UDP};
    struct sock *sk = skb->sk;
    __u64 bytes;

    if (!sk)
        return 0;
    bytes = sg_flow_payload(skb);
    key.socket = (__u64)sk;
    bpf_core_read(key.local, sizeof(key.local), &fl6->saddr);
    bpf_core_read(key.remote, sizeof(key.remote), &fl6->daddr);
    key.local_port = bpf_ntohs(fl6->uli.ports.sport);
    key.remote_port = bpf_ntohs(fl6->uli.ports.dport);
    sg_flow_add(sk, &key, true, bytes, sg_flow_datagrams_of(cork, bytes),
                fl6->__fl_common.flowic_oif);
    return 0;
}

/* Ends of a datagram that was received; the other end is what it came from. */
static __always_inline void sg_flow_received_ends(struct sg_flow_key *key, struct sk_buff *skb)
{
    __u16 header = skb->transport_header - skb->network_header;
    const unsigned char *at = skb->head + skb->network_header;
    struct sg_flow_ipv4 ip4;
    struct sg_flow_ipv6 ip6;
    __u16 ports[2];

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        bpf_probe_read_kernel(&ip4, sizeof(ip4), at);
        sg_flow_map_ipv4(key->local, ip4.destination);
        sg_flow_map_ipv4(key->remote, ip4.source);
        ports[0] = ip4.source_port;
        ports[1] = ip4.destination_port;
        header -= SG_IPV4_HEADER;
    } else {
        bpf_probe_read_kernel(&ip6, sizeof(ip6), at);
        __builtin_memcpy(key->local, ip6.destination, sizeof(key->local));
        __builtin_memcpy(key->remote, ip6.source, sizeof(key->remote));
        ports[0] = ip6.source_port;
        ports[1] = ip6.destination_port;
        header -= SG_IPV6_HEADER;
    }
    if (header) /* options, or further headers */
        bpf_probe_read_kernel(ports, sizeof(ports), skb->head + skb->transport_header);
    key->remote_port = bpf_ntohs(ports[0]);
    key->local_port = bpf_ntohs(ports[1]);
}

/* `len` is negative where the program only peeks. */
SEC("fentry/skb_consume_udp")
int BPF_PROG(flow_udp_receive, struct sock *sk, struct sk_buff *skb, int len)
{
    struct sg_flow_key key = {.protocol = IPPROTO_UDP};

    if (len < 0)
        return 0;
    key.socket = (__u64)sk;
    sg_flow_received_ends(&key, skb);
    sg_flow_add(sk, &key, false, skb->len, 1, skb->skb_iif);
    return 0;
}

static __always_inline int sg_flow_udp_closes(struct sock *sk)
{
    struct sg_flow_key key = {.protocol = IPPROTO_UDP};
    struct sg_flow_value *v;
    struct sg_ends ends = {};

    if (!sk->__sk_common.skc_dport)
        return 0;
    sg_flow_ends_of(&ends, sk);
    key.socket = (__u64)sk;
    __builtin_memcpy(key.local, ends.local, sizeof(key.local));
    __builtin_memcpy(key.remote, ends.remote, sizeof(key.remote));
    key.local_port = ends.local_port;
    key.remote_port = ends.remote_port;
    v = bpf_map_lookup_elem(&flow_datagrams, &key);
    if (!v)
        return 0;
    sg_flow_tell_datagrams(sk, &key, v, SG_FLOW_END, SG_FLOW_CLOSED);
    if (!bpf_map_delete_elem(&flow_datagrams, &key))
        SG_FLOW_COUNT(flows_ended);
    return 0;
}

SEC("fentry/udp_destroy_sock")
int BPF_PROG(flow_udp_close_4, struct sock *sk)
{
    return sg_flow_udp_closes(sk);
}

SEC("fentry/udpv6_destroy_sock")
int BPF_PROG(flow_udp_close_6, struct sock *sk)
{
    return sg_flow_udp_closes(sk);
}

/* The local end of a raw socket is what it is bound to, so that both directions are one flow. */
static __always_inline void sg_flow_raw_key(struct sg_flow_key *key, struct sock *sk,
                                            struct sg_ends *ends)
{
    sg_flow_ends_of(ends, sk);
    key->socket = (__u64)sk;
    key->protocol = sk->sk_protocol;
    key->local_port = sk->sk_type == SOCK_RAW ? 0 : ends->local_port;
    __builtin_memcpy(key->local, ends->local, sizeof(key->local));
}

static __always_inline int sg_flow_raw_sent(struct sock *sk, struct msghdr *msg, int sent)
{
    struct sg_ends ends = {};
    struct sg_flow_key key = {};
    const void *name = msg->msg_name;
    __u8 sockaddr[24] = {};

    if (sent < 0)
        return 0;
    sg_flow_raw_key(&key, sk, &ends);
    if (!name) {
        __builtin_memcpy(key.remote, ends.remote, sizeof(key.remote));
    } else {
        bpf_probe_read_kernel(sockaddr, sizeof(sockaddr), name);
        if (*(__u16 *)sockaddr == AF_INET6)
            __builtin_memcpy(key.remote, sockaddr + 8, sizeof(key.remote));
        else
            sg_flow_map_ipv4(key.remote, *(__u32 *)(sockaddr + 4));
    }
    sg_flow_add(sk, &key, true, sent, 1, ends.ifindex);
    return 0;
}

#define SG_FLOW_RAW_SEND(name, function)                                                       \
    SEC("fexit/" #function)                                                                    \
    int BPF_PROG(flow_##name, struct sock *sk, struct msghdr *msg, unsigned long len, int ret) \
    {                                                                                          \
        return sg_flow_raw_sent(sk, msg, ret);                                                 \
    }

SG_FLOW_RAW_SEND(raw_send_4, raw_sendmsg)
SG_FLOW_RAW_SEND(raw_send_6, rawv6_sendmsg)
SG_FLOW_RAW_SEND(ping_send_4, ping_v4_sendmsg)
SG_FLOW_RAW_SEND(ping_send_6, ping_v6_sendmsg)

/* Raw sockets and those for echoes give back here what a program received; so do others, of netlink for one. */
SEC("fentry/skb_free_datagram")
int BPF_PROG(flow_raw_receive, struct sock *sk, struct sk_buff *skb)
{
    struct sg_flow_key key = {}, from = {};
    struct sg_ends ends = {};
    __u16 protocol = sk->sk_protocol, family = sk->__sk_common.skc_family;

    if (family != AF_INET && family != AF_INET6)
        return 0;
    if (sk->sk_type != SOCK_RAW && protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6)
        return 0;
    if (skb->users.refs.counter > 1) /* peeked at */
        return 0;
    sg_flow_raw_key(&key, sk, &ends);
    sg_flow_received_ends(&from, skb);
    __builtin_memcpy(key.remote, from.remote, sizeof(key.remote));
    sg_flow_add(sk, &key, false, skb->len, 1, skb->skb_iif);
    return 0;
}

#endif
