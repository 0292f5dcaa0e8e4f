/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Changing packets, once for both sides: addresses, ports, DSCP, hops, and whatever checksum covers them.
 *
 * Beyond what abi/packet_parse.h asks of the includer, all as the helpers of the kernel's programs have it, 0 or negative:
 *   sg_packet_store(m, at, from, n, flags)      bpf_skb_store_bytes()
 *   sg_packet_l3_csum(m, at, from, to, size)    bpf_l3_csum_replace()
 *   sg_packet_l4_csum(m, at, from, to, flags)   bpf_l4_csum_replace(), `flags` with the size
 *
 * These know what is in the checksum's place now: the checksum itself, the sum of the pseudo-header that a card will go on from
 * (CHECKSUM_PARTIAL), or beside it a sum over the whole that a card has made (CHECKSUM_COMPLETE). For IPv6, no checksum of a header
 * takes back what a changed address does to the latter, while the helper acts as if: storing the address with BPF_F_RECOMPUTE_CSUM
 * makes up for that, on kernels with and without BPF_F_IPV6.
 *
 * A negative answer may leave a packet half changed: the caller drops it.
 */
#ifndef SG_ABI_PACKET_EDIT_H
#define SG_ABI_PACKET_EDIT_H

#include <linux/bpf.h>

#include "packet_parse.h"

enum {
    SG_IP_IPIP = 4,
    SG_IP_IPV6 = 41,
    SG_IP_GRE = 47,
    SG_IP_ESP = 50,
};

/* What the ends of a packet are to be. */
struct sg_packet_ends {
    __u8 src[16], dst[16];
    __u16 sport, dport;
};

SG_PACKET_INLINE __u32 sg_packet_word(const __u8 *b)
{
    __u32 w;

    __builtin_memcpy(&w, b, sizeof(w));
    return w;
}

/* A number of 16 bits as it is in a packet. */
SG_PACKET_INLINE __u16 sg_packet_wire(__u16 n)
{
    __u8 b[2] = {(__u8)(n >> 8), (__u8)n};
    __u16 w;

    __builtin_memcpy(&w, b, sizeof(w));
    return w;
}

SG_PACKET_INLINE int sg_packet_is_same(const __u8 a[16], const __u8 b[16])
{
    return sg_packet_word(a) == sg_packet_word(b) &&
           sg_packet_word(a + 4) == sg_packet_word(b + 4) &&
           sg_packet_word(a + 8) == sg_packet_word(b + 8) &&
           sg_packet_word(a + 12) == sg_packet_word(b + 12);
}

/* A checksum after `from` became `to`, all as they are in a packet (RFC 1624, equation 3). */
SG_PACKET_INLINE __u16 sg_packet_sum(__u16 sum, __u32 from, __u32 to)
{
    __u32 n = (__u16)~sum + (__u16)~from + (__u16) ~(from >> 16) + (to & 0xffff) + (to >> 16);

    n = (n & 0xffff) + (n >> 16);
    n = (n & 0xffff) + (n >> 16);
    return (__u16)~n;
}

/* Where the checksum of a transport is; 0: it has none, or none that addresses are in. */
SG_PACKET_INLINE __u32 sg_packet_sum_at(const struct sg_packet_ip *ip)
{
    if (ip->flags & SG_PACKET_IS_LATER)
        return 0;
    switch (ip->protocol) {
    case SG_IP_TCP: return ip->l4 + 16;
    case SG_IP_UDP:
    case SG_IP_UDPLITE: return ip->l4 + 6;
    case SG_IP_ICMP:
    case SG_IP_ICMP6: return ip->l4 + 2;
    default: return 0;
    }
}

/* Can its addresses, and with `ports` its ports, be changed? Unknown transports may have addresses in a checksum, or sign them. */
SG_PACKET_INLINE int sg_packet_can_write(const struct sg_packet_ip *ip, int ports)
{
    if (ip->flags & SG_PACKET_IS_ROUTED)
        return 0;
    switch (ip->protocol) {
    case SG_IP_TCP:
    case SG_IP_UDP:
    case SG_IP_UDPLITE: return 1;
    case SG_IP_ICMP:
    case SG_IP_ICMP6: return (ip->flags & (SG_PACKET_IS_ECHO | SG_PACKET_IS_LATER)) != 0;
    case SG_IP_SCTP: /* a CRC of itself alone */
    case SG_IP_IPIP:
    case SG_IP_IPV6:
    case SG_IP_GRE:
    case SG_IP_ESP: return !ports;
    default: return 0;
    }
}

/* The flags of a transport's checksum for what is in it by way of the pseudo-header, or not. */
SG_PACKET_INLINE __u64 sg_packet_sum_flags(const struct sg_packet_ip *ip, int pseudo)
{
    __u64 flags = pseudo ? BPF_F_PSEUDO_HDR : 0;

    /* Zero is no checksum, and must not become one, nor come about. */
    if (ip->protocol == SG_IP_UDP || ip->protocol == SG_IP_UDPLITE)
        flags |= BPF_F_MARK_MANGLED_0;
    return flags;
}

/* One address: `at` is where it is. */
SG_PACKET_INLINE int sg_packet_write_address(SG_PACKET_T m, const struct sg_packet_ip *ip, __u32 at,
                                             const __u8 from[16], const __u8 to[16])
{
    __u32 sum_at = sg_packet_sum_at(ip), first = ip->family == 4 ? 12 : 0;
    __u64 flags = sg_packet_sum_flags(ip, 1);

    for (__u32 i = 0; i < 16; i += 4) {
        __u32 was, is;

        if (i < first)
            continue;
        was = sg_packet_word(from + i);
        is = sg_packet_word(to + i);
        if (was == is)
            continue;
        if (sum_at && ip->protocol != SG_IP_ICMP &&
            sg_packet_l4_csum(m, sum_at, was, is, flags | 4))
            return -1;
        if (ip->family == 4 && sg_packet_l3_csum(m, ip->l3 + 10, was, is, 4))
            return -1;
        if (sg_packet_store(m, at + i - first, &is, 4, ip->family == 4 ? 0 : BPF_F_RECOMPUTE_CSUM))
            return -1;
    }
    return 0;
}

SG_PACKET_INLINE int sg_packet_write_port(SG_PACKET_T m, const struct sg_packet_ip *ip, __u32 at,
                                          __u16 from, __u16 to)
{
    __u16 was = sg_packet_wire(from), is = sg_packet_wire(to);
    __u32 sum_at = sg_packet_sum_at(ip);

    if (was == is || !at)
        return 0;
    if (sum_at && sg_packet_l4_csum(m, sum_at, was, is, sg_packet_sum_flags(ip, 0) | 2))
        return -1;
    return sg_packet_store(m, at, &is, 2, 0);
}

/* Where the ports are, and of an echo the identifier; 0: it has no such. */
SG_PACKET_INLINE __u32 sg_packet_sport_at(const struct sg_packet_ip *ip)
{
    if (ip->flags & SG_PACKET_IS_ECHO)
        return ip->flags & SG_PACKET_IS_REPLY ? 0 : ip->l4 + 4;
    return ip->flags & SG_PACKET_HAS_PORTS ? ip->l4 : 0;
}

SG_PACKET_INLINE __u32 sg_packet_dport_at(const struct sg_packet_ip *ip)
{
    if (ip->flags & SG_PACKET_IS_ECHO)
        return ip->flags & SG_PACKET_IS_REPLY ? ip->l4 + 4 : 0;
    return ip->flags & SG_PACKET_HAS_PORTS ? ip->l4 + 2 : 0;
}

/* Gives a packet other ends; of a later fragment, other addresses. */
SG_PACKET_INLINE int sg_packet_write(SG_PACKET_T m, const struct sg_packet_ip *ip,
                                     const struct sg_packet_ends *to)
{
    __u32 src_at = ip->l3 + (ip->family == 4 ? 12 : 8);
    __u32 dst_at = ip->l3 + (ip->family == 4 ? 16 : 24);

    if (sg_packet_write_address(m, ip, src_at, ip->src, to->src) ||
        sg_packet_write_address(m, ip, dst_at, ip->dst, to->dst))
        return -1;
    if (sg_packet_write_port(m, ip, sg_packet_sport_at(ip), ip->sport, to->sport))
        return -1;
    return sg_packet_write_port(m, ip, sg_packet_dport_at(ip), ip->dport, to->dport);
}

/* Two bytes of what an error quotes, which the error's own checksum is over. */
SG_PACKET_INLINE int sg_packet_quoted_put(SG_PACKET_T m, const struct sg_packet *p, __u32 at,
                                          __u16 was, __u16 is)
{
    if (was == is || !at)
        return 0;
    if (sg_packet_l4_csum(m, p->ip.l4 + 2, was, is, 2))
        return -1;
    return sg_packet_store(m, at, &is, 2, 0);
}

SG_PACKET_INLINE int sg_packet_quoted_address(SG_PACKET_T m, const struct sg_packet *p, __u32 at,
                                              const __u8 from[16], const __u8 to[16])
{
    __u32 first = p->quoted.family == 4 ? 12 : 0;

    for (__u32 i = 0; i < 16; i += 4) {
        __u32 was, is;

        if (i < first)
            continue;
        was = sg_packet_word(from + i);
        is = sg_packet_word(to + i);
        if (was == is)
            continue;
        if (sg_packet_l4_csum(m, p->ip.l4 + 2, was, is, 4) ||
            sg_packet_store(m, at + i - first, &is, 4, 0))
            return -1;
    }
    return 0;
}

/* What two addresses that change do to a checksum. */
SG_PACKET_INLINE __u16 sg_packet_sum_ends(__u16 sum, const struct sg_packet_ip *q,
                                          const struct sg_packet_ends *to, int addresses)
{
    if (addresses)
        for (__u32 i = 0; i < 16; i += 4) {
            sum = sg_packet_sum(sum, sg_packet_word(q->src + i), sg_packet_word(to->src + i));
            sum = sg_packet_sum(sum, sg_packet_word(q->dst + i), sg_packet_word(to->dst + i));
        }
    return sum;
}

/* The checksums within what is quoted, as far as they are there: first, since they are reckoned from the old ends. */
SG_PACKET_INLINE int sg_packet_quoted_sums(SG_PACKET_T m, const struct sg_packet *p,
                                           const struct sg_packet_ends *to)
{
    const struct sg_packet_ip *q = &p->quoted;
    __u32 at = sg_packet_sum_at(q);
    __u16 was, is;

    if (q->family == 4) {
        if (sg_packet_load(m, q->l3 + 10, &was, 2))
            return -1;
        is = sg_packet_sum_ends(was, q, to, 1);
        if (sg_packet_quoted_put(m, p, q->l3 + 10, was, is))
            return -1;
    }
    if (!at || at + 2 > q->end)
        return 0;
    if (sg_packet_load(m, at, &was, 2))
        return -1;
    if (!was && (q->protocol == SG_IP_UDP || q->protocol == SG_IP_UDPLITE))
        return 0;
    is = sg_packet_sum_ends(was, q, to, q->protocol != SG_IP_ICMP);
    if (sg_packet_sport_at(q))
        is = sg_packet_sum(is, sg_packet_wire(q->sport), sg_packet_wire(to->sport));
    if (sg_packet_dport_at(q))
        is = sg_packet_sum(is, sg_packet_wire(q->dport), sg_packet_wire(to->dport));
    if (!is && (q->protocol == SG_IP_UDP || q->protocol == SG_IP_UDPLITE))
        is = 0xffff;
    return sg_packet_quoted_put(m, p, at, was, is);
}

/* Gives what an error quotes other ends. */
SG_PACKET_INLINE int sg_packet_write_quoted(SG_PACKET_T m, const struct sg_packet *p,
                                            const struct sg_packet_ends *to)
{
    const struct sg_packet_ip *q = &p->quoted;
    __u32 src_at = q->l3 + (q->family == 4 ? 12 : 8), dst_at = q->l3 + (q->family == 4 ? 16 : 24);

    if (sg_packet_quoted_sums(m, p, to) ||
        sg_packet_quoted_address(m, p, src_at, q->src, to->src) ||
        sg_packet_quoted_address(m, p, dst_at, q->dst, to->dst))
        return -1;
    if (sg_packet_quoted_put(m, p, sg_packet_sport_at(q), sg_packet_wire(q->sport),
                             sg_packet_wire(to->sport)))
        return -1;
    return sg_packet_quoted_put(m, p, sg_packet_dport_at(q), sg_packet_wire(q->dport),
                                sg_packet_wire(to->dport));
}

SG_PACKET_INLINE int sg_packet_write_dscp(SG_PACKET_T m, const struct sg_packet_ip *ip, __u8 dscp)
{
    __u8 b[2], tos = (__u8)(dscp << 2 | (ip->tos & 3));
    __u16 was, is;

    if (tos == ip->tos)
        return 0;
    if (sg_packet_load(m, ip->l3, b, 2))
        return -1;
    __builtin_memcpy(&was, b, 2);
    if (ip->family == 4) {
        b[1] = tos;
    } else {
        b[0] = (__u8)((b[0] & 0xf0) | tos >> 4);
        b[1] = (__u8)((b[1] & 0x0f) | tos << 4);
    }
    __builtin_memcpy(&is, b, 2);
    if (ip->family == 4 && sg_packet_l3_csum(m, ip->l3 + 10, was, is, 2))
        return -1;
    return sg_packet_store(m, ip->l3, &is, 2, ip->family == 4 ? 0 : BPF_F_RECOMPUTE_CSUM);
}

/* One hop fewer, for who sends a packet on; the caller has seen that there is one. */
SG_PACKET_INLINE int sg_packet_write_hops(SG_PACKET_T m, const struct sg_packet_ip *ip)
{
    __u32 at = ip->l3 + (ip->family == 4 ? 8 : 6);
    __u16 was, is;
    __u8 b[2];

    if (sg_packet_load(m, at, b, 2))
        return -1;
    __builtin_memcpy(&was, b, 2);
    if (ip->family == 4)
        b[0]--;
    else
        b[1]--;
    __builtin_memcpy(&is, b, 2);
    if (ip->family == 4 && sg_packet_l3_csum(m, ip->l3 + 10, was, is, 2))
        return -1;
    return sg_packet_store(m, at, &is, 2, ip->family == 4 ? 0 : BPF_F_RECOMPUTE_CSUM);
}

#endif
