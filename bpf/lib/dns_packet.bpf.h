/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to the DNS message in it: IPv4 with options, IPv6 with extension headers, UDP, and TCP where a segment is a message.
 *
 * What a packet is, its own version says: `family` of the context is that of the socket, and sockets of AF_INET6 send IPv4. Both
 * programs see packets from the network header on, whole (before they are cut into fragments, and after they were put together);
 * fragments are of those who make packets themselves.
 */
#ifndef SG_BPF_DNS_PACKET_H
#define SG_BPF_DNS_PACKET_H

#include "dns_scratch.bpf.h"

#include <bpf/bpf_endian.h>

#define DNS_IP_TCP          6 /* protocols, and what comes next in IPv6 */
#define DNS_IP_UDP          17
#define DNS_IP_ICMP6        58
#define DNS_EXT_HOPS        0
#define DNS_EXT_ROUTING     43
#define DNS_EXT_FRAGMENT    44
#define DNS_EXT_AUTH        51
#define DNS_EXT_DESTINATION 60
#define DNS_EXT_MAX         8 /* extension headers that are looked through */

#define DNS_IPV4_BYTES 20
#define DNS_IPV6_BYTES 40
#define DNS_UDP_BYTES  8
#define DNS_TCP_BYTES  20

/* What is in front of the next expected byte of a socket, or further behind it than this, is no answer to it. */
#define DNS_TCP_WINDOW 65536u

#define DNS_PASSES 0 /* it is none of ours */
#define DNS_LOOK   1

static __always_inline void dns_mapped(__u8 *to, const __u8 *ipv4)
{
    __builtin_memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    __builtin_memcpy(to + 12, ipv4, 4);
}

/* Returns where what IPv4 carries begins; 0: nothing to be looked at. */
static __always_inline __u32 dns_ipv4(struct __sk_buff *skb, struct dns_packet *p)
{
    __u8 h[DNS_IPV4_BYTES];
    __u32 bytes;

    if (bpf_skb_load_bytes(skb, 0, h, sizeof(h)))
        return 0;
    bytes = (h[0] & 15) * 4;
    p->protocol = h[9];
    if (bytes < DNS_IPV4_BYTES || (h[9] != DNS_IP_UDP && h[9] != DNS_IP_TCP))
        return 0;
    if ((h[6] & 0x3f) | h[7]) {
        dns_count(SG_DNS_COUNT_FRAGMENT);
        return 0;
    }
    dns_mapped(p->outgoing ? p->local : p->server, h + 12);
    dns_mapped(p->outgoing ? p->server : p->local, h + 16);
    return bytes;
}

/* Is it an extension header with a length in units of 8 bytes behind the first 8? */
static __always_inline bool dns_is_plain(__u32 next)
{
    return next == DNS_EXT_HOPS || next == DNS_EXT_ROUTING || next == DNS_EXT_DESTINATION;
}

/* Likewise of IPv6. */
static __always_inline __u32 dns_ipv6(struct __sk_buff *skb, struct dns_packet *p)
{
    __u32 at = DNS_IPV6_BYTES, next;
    __u8 h[8];

    if (bpf_skb_load_bytes(skb, 8, p->outgoing ? p->local : p->server, 16) ||
        bpf_skb_load_bytes(skb, 24, p->outgoing ? p->server : p->local, 16) ||
        bpf_skb_load_bytes(skb, 6, h, 1))
        return 0;
    next = h[0];
    for (int i = 0; i < DNS_EXT_MAX; i++) {
        p->protocol = (__u16)next;
        if (next == DNS_IP_UDP || next == DNS_IP_TCP)
            return at;
        if (next == DNS_IP_ICMP6 || bpf_skb_load_bytes(skb, at, h, sizeof(h)))
            return 0;
        if (next == DNS_EXT_FRAGMENT) {
            /* One that has all of it is none (RFC 6946). */
            if (h[2] | (h[3] & 0xf9)) {
                dns_count(SG_DNS_COUNT_FRAGMENT);
                return 0;
            }
            at += 8;
        } else if (next == DNS_EXT_AUTH) {
            at += (h[1] + 2u) * 4;
        } else if (dns_is_plain(next)) {
            at += (h[1] + 1u) * 8;
        } else {
            return 0;
        }
        next = h[0];
    }
    dns_count(SG_DNS_COUNT_HEADERS);
    return 0;
}

static __always_inline bool dns_is_service(struct dns_packet *p, const __u8 *ports)
{
    __u16 from = (__u16)(ports[0] << 8 | ports[1]), to = (__u16)(ports[2] << 8 | ports[3]);

    p->server_port = p->outgoing ? to : from;
    p->local_port = p->outgoing ? from : to;
    return p->server_port == SG_DNS_PORT;
}

static __always_inline int dns_udp(struct __sk_buff *skb, struct dns_packet *p, __u32 at)
{
    __u8 h[DNS_UDP_BYTES];
    __u32 bytes, there;

    if (bpf_skb_load_bytes(skb, at, h, sizeof(h)) || !dns_is_service(p, h))
        return DNS_PASSES;
    bytes = (__u32)h[4] << 8 | h[5];
    there = skb->len - at;
    if (bytes > there || bytes < DNS_UDP_BYTES)
        return DNS_PASSES;
    p->at = at + DNS_UDP_BYTES;
    p->len = bytes - DNS_UDP_BYTES;
    return DNS_LOOK;
}

/* Programs see what comes in before the socket has looked whether it belongs to the connection: this does. */
static __always_inline bool dns_is_expected(struct __sk_buff *skb, const __u8 *h)
{
    __u32 seq = (__u32)h[4] << 24 | (__u32)h[5] << 16 | (__u32)h[6] << 8 | h[7];
    struct bpf_sock *sk = skb->sk;
    struct bpf_tcp_sock *tcp;

    if (!sk)
        return false;
    tcp = bpf_tcp_sock(sk);
    return tcp && seq - tcp->rcv_nxt < DNS_TCP_WINDOW;
}

/* A message with its length in front of it (RFC 1035 4.2.2), and nothing else in the segment. */
static __always_inline int dns_tcp(struct __sk_buff *skb, struct dns_packet *p, __u32 at)
{
    __u8 h[DNS_TCP_BYTES], len[2];
    __u32 there;

    if (bpf_skb_load_bytes(skb, at, h, sizeof(h)) || !dns_is_service(p, h))
        return DNS_PASSES;
    at += (h[12] >> 4) * 4u;
    if (skb->len <= at)
        return DNS_PASSES;
    there = skb->len - at;
    if (there < 2 || bpf_skb_load_bytes(skb, at, len, 2) ||
        ((__u32)len[0] << 8 | len[1]) != there - 2) {
        dns_count(SG_DNS_COUNT_SEGMENT);
        return DNS_PASSES;
    }
    if (!p->outgoing && !dns_is_expected(skb, h)) {
        dns_count(SG_DNS_COUNT_WINDOW);
        return DNS_PASSES;
    }
    p->at = at + 2;
    p->len = there - 2;
    return DNS_LOOK;
}

/* Finds the message of a packet; DNS_LOOK: there is one. */
__noinline int dns_find(struct __sk_buff *skb, __u32 slot, __u32 outgoing)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    __u8 first = 0;
    __u32 at = 0;

    if (!s || bpf_skb_load_bytes(skb, 0, &first, 1))
        return DNS_PASSES;
    s->packet.outgoing = outgoing != 0;
    if (first >> 4 == 4)
        at = dns_ipv4(skb, &s->packet);
    else if (first >> 4 == 6)
        at = dns_ipv6(skb, &s->packet);
    if (!at)
        return DNS_PASSES;
    return s->packet.protocol == DNS_IP_UDP ? dns_udp(skb, &s->packet, at)
                                            : dns_tcp(skb, &s->packet, at);
}

/* Copies the message and parses its question. DNS_LOOK: it is fine. */
__noinline int dns_load(struct __sk_buff *skb, __u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    __u64 len;

    if (!s)
        return DNS_PASSES;
    len = s->packet.len;
    if (len >= SG_DNS_HEADER_BYTES) {
        asm volatile("" : "+r"(len)); /* both bounds must hold in this register */
        if (len <= SG_DNS_MESSAGE_MAX &&
            bpf_skb_load_bytes(skb, s->packet.at, s->message.bytes, len))
            return DNS_PASSES;
    }
    if (sg_dns_begin(&s->message, &s->d, s->packet.len)) {
        dns_count(SG_DNS_COUNT_REASON + s->d.reason);
        return DNS_PASSES;
    }
    return DNS_LOOK;
}

/* Do the first bytes of a packet say that it is none of ours? Most are told by this, without a call. */
static __always_inline bool dns_passes(struct __sk_buff *skb, bool outgoing)
{
    const __u8 *h = (const void *)(long)skb->data, *end = (const void *)(long)skb->data_end;
    const __u8 *port;

    if (h + DNS_IPV6_BYTES + 4 > end) {
        if (h + DNS_IPV4_BYTES + 4 > end)
            return false;
        if (h[0] >> 4 != 4)
            return false;
    }
    if (h[0] == 0x45) {
        if (h[9] != DNS_IP_UDP && h[9] != DNS_IP_TCP)
            return true;
        port = h + DNS_IPV4_BYTES + (outgoing ? 2 : 0);
    } else if (h[0] >> 4 == 6 && h + DNS_IPV6_BYTES + 4 <= end) {
        if (h[6] == DNS_IP_ICMP6)
            return true;
        if (h[6] != DNS_IP_UDP && h[6] != DNS_IP_TCP)
            return false;
        port = h + DNS_IPV6_BYTES + (outgoing ? 2 : 0);
    } else {
        return false;
    }
    return port[0] != 0 || port[1] != SG_DNS_PORT;
}

#endif
