/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Both ends of a socket as the kernel means them, and the end that rules ask about as a word of the automaton (abi/network.h).
 *
 * Addresses are taken from the kernel's copy of what the caller handed over, and are what the kernel will make of them: no
 * address is this host's own (0.0.0.0 and :: are led to the loopback by a connect), IPv4-mapped ones are IPv4.
 */
#ifndef SG_BPF_NETWORK_ENDS_H
#define SG_BPF_NETWORK_ENDS_H

#include <bpf/bpf_endian.h>

#include "abi/network.h"
#include "control.bpf.h"
#include "kernel_sock.h"

#define SG_NET_KINDS_MAX 2

/* One access. */
struct sg_net {
    __u16 hook;
    __u8 kinds
        [SG_NET_KINDS_MAX]; /* enum sg_control: each is asked, the strongest answer counts; equal ones are one */
    __u8 n;                 /* bytes of the word; 0: nothing that rules speak of */
    __u8 raw;               /* a socket that is handed whole packets of its protocol */
    __u8 unconnected; /* a datagram that says where it is for */
    __u8 datagrams;   /* the socket takes datagrams of the Internet */
    __u8 dead;        /* no rule of its kinds has the word */
    __u8 denials;     /* what passes is recorded elsewhere */
    __u8 lasting;     /* of what goes on a name counts that was the address's when it began */
    __u8 named_by;    /* the name that decided: its place, and 1 */
    __u32 uid;        /* of the owner */
    __u64 word[3];
    __u64 net;   /* address of the network namespace */
    __u64 owner; /* where sg_owners has whom it is for, 0: the current task */
    struct sg_ends ends;
};

#define SG_GROUP(n, byte) ((__u64)SG_NET_GROUP(n) << (8 * (byte)))

static __always_inline void sg_net_mapped(__u8 *addr, __u32 ipv4)
{
    __builtin_memset(addr, 0, 10);
    addr[10] = addr[11] = 0xff;
    __builtin_memcpy(addr + 12, &ipv4, 4);
}

static __always_inline int sg_net_is_mapped(const __u8 *addr)
{
    const __u32 *words = (const __u32 *)addr;

    return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline int sg_net_is_zero(const __u8 *addr)
{
    const __u32 *words = (const __u32 *)addr;

    return !(words[0] | words[1] | words[3]) && (!words[2] || words[2] == bpf_htonl(0xffff));
}

static __always_inline void sg_net_word4(struct sg_net *a, __u32 ip, __u64 protocol, __u16 port)
{
    a->word[0] = SG_NET_IPV4 | SG_GROUP(ip >> 28, 1) | SG_GROUP(ip >> 21, 2) |
                 SG_GROUP(ip >> 14, 3) | SG_GROUP(ip >> 7, 4) | SG_GROUP(ip, 5) | protocol << 48 |
                 SG_GROUP(port >> 14, 7);
    a->word[1] = SG_GROUP(port >> 7, 0) | SG_GROUP(port, 1);
    a->n = 10;
}

/* Seven bits from `shift` on of 128. */
static __always_inline __u64 sg_net_bits(__u64 high, __u64 low, int shift)
{
    if (shift >= 64)
        return high >> (shift - 64);
    return shift > 57 ? low >> shift | high << (64 - shift) : low >> shift;
}

static __always_inline void sg_net_word6(struct sg_net *a, const __u8 *addr, __u64 protocol,
                                         __u16 port)
{
    __u64 high = bpf_be64_to_cpu(*(const __u64 *)addr),
          low = bpf_be64_to_cpu(*(const __u64 *)(addr + 8));

    a->word[0] = SG_NET_IPV6;
    a->word[1] = 0;
    a->word[2] = protocol << 32 | SG_GROUP(port >> 14, 5) | SG_GROUP(port >> 7, 6) |
                 SG_GROUP(port, 7);
#pragma unroll
    for (int i = 0; i < SG_NET_GROUPS(128); i++)
        a->word[(i + 1) / 8] |= SG_GROUP(sg_net_bits(high, low, 7 * (18 - i)), (i + 1) % 8);
    a->n = SG_NET_WORD_MAX;
}

/* The word of an address with a port; protocols without ports have the port 0. */
static __always_inline void sg_net_word(struct sg_net *a, const __u8 *addr, __u16 port)
{
    __u64 protocol = SG_NET_PROTOCOL(a->ends.protocol);

    if (sg_net_is_mapped(addr))
        sg_net_word4(a, bpf_ntohl(*(const __u32 *)(addr + 12)), protocol, port);
    else
        sg_net_word6(a, addr, protocol, port);
}

static __always_inline void sg_net_word_other(struct sg_net *a, __u16 family)
{
    a->word[0] = SG_NET_OTHER | SG_GROUP(family >> 7, 1) | SG_GROUP(family, 2);
    a->n = 3;
}

static __always_inline void sg_net_word_vsock(struct sg_net *a, __u32 cid, __u32 port)
{
    a->word[0] = SG_NET_VSOCK | SG_GROUP(cid >> 28, 1) | SG_GROUP(cid >> 21, 2) |
                 SG_GROUP(cid >> 14, 3) | SG_GROUP(cid >> 7, 4) | SG_GROUP(cid, 5) |
                 SG_GROUP(port >> 28, 6) | SG_GROUP(port >> 21, 7);
    a->word[1] = SG_GROUP(port >> 14, 0) | SG_GROUP(port >> 7, 1) | SG_GROUP(port, 2);
    a->n = 11;
}

/* Sockets that end in this host's kernel, or have rules of another kind. */
static __always_inline int sg_net_is_local(__u16 family)
{
    return family == AF_UNSPEC || family == AF_UNIX || family == AF_NETLINK || family == AF_ALG;
}

/* Has the protocol ports? Raw sockets keep their protocol where others have theirs. */
static __always_inline int sg_net_has_ports(__u8 protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
           protocol == IPPROTO_DCCP || protocol == IPPROTO_LITE;
}

/*
 * The start of a socket, or of a request for one, which has all of its ends: fetched at once, since each piece by itself would
 * cost what all of it does.
 */
#define SG_SOCK_HEAD 128
struct sg_sock_head {
    __u8 bytes[SG_SOCK_HEAD] __attribute__((aligned(8)));
};

#define SG_HEAD(head, type, field) \
    (*(type *)((head)->bytes + bpf_core_field_offset(struct sock_common, field)))

static __always_inline void sg_net_copy(__u8 *to, const __u8 *from)
{
    __builtin_memcpy(to, from, 16);
}

/* Addresses and what else is told; not the ports. */
static __always_inline void sg_net_addresses(struct sg_net *a, const struct sg_sock_head *head)
{
    struct sg_ends *e = &a->ends;

    e->family = SG_HEAD(head, __u16, skc_family);
    e->ifindex = SG_HEAD(head, __u32, skc_bound_dev_if);
    e->cookie = SG_HEAD(head, __u64, skc_cookie);
    a->net = SG_HEAD(head, __u64, skc_net);
    if (e->family == AF_INET6 && bpf_core_field_exists(struct sock_common, skc_v6_daddr)) {
        sg_net_copy(e->local,
                    head->bytes + bpf_core_field_offset(struct sock_common, skc_v6_rcv_saddr));
        sg_net_copy(e->remote,
                    head->bytes + bpf_core_field_offset(struct sock_common, skc_v6_daddr));
    } else if (e->family == AF_INET) {
        sg_net_mapped(e->local, SG_HEAD(head, __u32, skc_rcv_saddr));
        sg_net_mapped(e->remote, SG_HEAD(head, __u32, skc_daddr));
    }
}

static __always_inline void sg_net_ports(struct sg_ends *e, const struct sg_sock_head *head)
{
    if (!sg_net_has_ports(e->protocol))
        return;
    e->local_port = SG_HEAD(head, __u16, skc_num);
    e->remote_port = bpf_ntohs(SG_HEAD(head, __u16, skc_dport));
}

/* Of a socket what is not at its start. */
#define SG_TRAITS(sk)         ((__u32)(sk)->sk_type << 16 | (sk)->sk_protocol)
#define SG_TRAITS_TYPE(t)     ((t) >> 16)
#define SG_TRAITS_PROTOCOL(t) ((t)&0xffff)

/* What a socket has of its ends. */
static __always_inline void sg_net_ends(struct sg_net *a, const struct sg_sock_head *head,
                                        __u32 traits)
{
    __u32 protocol = SG_TRAITS_PROTOCOL(traits);
    struct sg_ends *e = &a->ends;

    sg_net_addresses(a, head);
    if (protocol == IPPROTO_MPTCP) {
        e->flags |= SG_ENDS_MPTCP;
        protocol = IPPROTO_TCP;
    }
    if (e->family == AF_SMC)
        protocol = IPPROTO_TCP; /* what it is made of, and falls back to */
    e->protocol = (__u8)protocol;
    if (e->family != AF_INET && e->family != AF_INET6)
        return;
    sg_net_ports(e, head);
    a->raw = SG_TRAITS_TYPE(traits) == SOCK_RAW;
    a->datagrams = a->raw || protocol == IPPROTO_UDP || protocol == IPPROTO_LITE ||
                   protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMP6;
}

/* False: it cannot be read. */
static __always_inline int sg_net_begin(struct sg_net *a, const struct sock *sk, __u32 traits)
{
    struct sg_sock_head head;

    if (bpf_probe_read_kernel(&head, sizeof(head), sk))
        return 0;
    sg_net_ends(a, &head, traits);
    return 1;
}

/* What no address is led to. */
static __always_inline void sg_net_to_loopback(struct sg_ends *e)
{
    if (!sg_net_is_zero(e->remote))
        return;
    if (sg_net_is_mapped(e->remote) || (sg_net_is_mapped(e->local) && !sg_net_is_zero(e->local))) {
        sg_net_mapped(e->remote, bpf_htonl(0x7f000001));
        return;
    }
    e->remote[15] = 1;
}

/* What has no ports has other things in their place. */
static __always_inline void sg_net_no_ports(struct sg_net *a)
{
    if (a->raw || !sg_net_has_ports(a->ends.protocol))
        a->ends.local_port = a->ends.remote_port = 0;
}

/* The other end, as the service that the process goes out to. */
static __always_inline void sg_net_word_out(struct sg_net *a)
{
    if (a->n)
        return;
    sg_net_no_ports(a);
    sg_net_to_loopback(&a->ends);
    a->ends.flags |= SG_ENDS_HAS_REMOTE;
    sg_net_word(a, a->ends.remote, a->ends.remote_port);
}

/* Its own end. */
static __always_inline void sg_net_word_own(struct sg_net *a)
{
    if (a->n)
        return;
    sg_net_no_ports(a);
    a->ends.flags |= SG_ENDS_HAS_LOCAL;
    sg_net_word(a, a->ends.local, a->ends.local_port);
}

/* The other end, as who came to a service of this host. */
static __always_inline void sg_net_word_in(struct sg_net *a)
{
    sg_net_no_ports(a);
    a->ends.flags |= SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE | SG_ENDS_INCOMING;
    sg_net_word(a, a->ends.remote, a->ends.local_port);
}

/*
 * Puts the address that a caller handed over in the place of an end. False: no rule of the section is about it.
 * `plain`: what stands for an address of the socket's own family where it says none (sendto and bind take it, of IPv6 for raw sockets).
 */
static __always_inline int sg_net_take(struct sg_net *a, const void *address, __u8 *to, __u16 *port,
                                       int plain)
{
    struct sg_sockaddr_in6 six = {};
    struct sg_sockaddr_vm vm;
    __u16 family;

    if (bpf_probe_read_kernel(&six, 8, address))
        return 0;
    family = six.family;
    if (family == AF_UNSPEC && plain && (a->ends.family == AF_INET || a->raw))
        family = a->ends.family;
    if (family == AF_INET) {
        sg_net_mapped(to, six.flowinfo); /* where IPv4 has its address */
        *port = bpf_ntohs(six.port);
        a->ends.family = AF_INET;
        return 1;
    }
    if (family == AF_INET6) {
        if (bpf_probe_read_kernel(&six, sizeof(six), address))
            return 0;
        __builtin_memcpy(to, six.addr, 16);
        *port = bpf_ntohs(six.port);
        a->ends.family = sg_net_is_mapped(to) ? AF_INET : AF_INET6;
        return 1;
    }
    if (family == AF_VSOCK) {
        if (bpf_probe_read_kernel(&vm, sizeof(vm), address))
            return 0;
        sg_net_word_vsock(a, vm.cid, vm.port);
        return 1;
    }
    if (sg_net_is_local(family))
        return 0;
    sg_net_word_other(a, family);
    return 1;
}

/*
 * The state of a kind after the word; 0: no rule is about it, SG_DECISION_RETRY: the image changed. `n_kind`: bytes of the word and, in
 * the high half, the kind.
 */
__noinline __u64 sg_net_state(__u64 n_kind, __u64 word0, __u64 word1, __u64 word2, __u32 policy_id)
{
    __u64 start = sg_control_start((__u32)(n_kind >> 32), policy_id), answer;
    __u32 n = (__u32)n_kind;

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : 0;
    answer = sg_run_word(policy_id, (__u32)start, word0, n);
    if (n > 8 && answer && !SG_ANSWER_FAILED(answer))
        answer = sg_run_word(policy_id, (__u32)answer, word1, n - 8);
    if (n > 16 && answer && !SG_ANSWER_FAILED(answer))
        answer = sg_run_word(policy_id, (__u32)answer, word2, n - 16);
    return SG_ANSWER_FAILED(answer) ? SG_DECISION_RETRY : (__u32)answer;
}

static __always_inline __u64 sg_net_state_of(const struct sg_net *a, __u8 kind, __u32 policy_id)
{
    return sg_net_state((__u64)kind << 32 | a->n, a->word[0], a->word[1], a->word[2], policy_id);
}

#endif
