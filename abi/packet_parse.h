/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What packets are, once for both sides: programs at XDP and tc, tests and fuzzers.
 *
 * The includer says how a frame is read, before including this:
 *   SG_PACKET_T                  type of a handle on a frame
 *   sg_packet_load(m, at, to, n) n bytes (a constant) from `at` on; 0, or negative when they are not all there. `at` may be anything.
 *
 * Nothing here trusts the frame. Each loop is bounded by a constant of abi/packet.h, and whatever is wrong has its reason there. All
 * that differs from round to round is in `struct sg_packet` and not in variables: verifiers follow those.
 *
 * What is behind a fragment's first header is the first fragment's business: a later one has no ports (SG_PACKET_IS_LATER).
 */
#ifndef SG_ABI_PACKET_PARSE_H
#define SG_ABI_PACKET_PARSE_H

#include "packet.h"

#define SG_PACKET_INLINE static inline __attribute__((always_inline))

/* Nothing is kept in variables from one round to the next. */
#define SG_PACKET_ANEW() __asm__ volatile("" : : : "memory")

/* What the headers of the kernel call by names that user space has elsewhere. */
enum {
    SG_ETH_IP = 0x0800,
    SG_ETH_IPV6 = 0x86dd,
    SG_ETH_VLAN = 0x8100,
    SG_ETH_QINQ = 0x88a8,
    SG_IP_HOP = 0, /* numbers of headers, IANA */
    SG_IP_ICMP = 1,
    SG_IP_TCP = 6,
    SG_IP_UDP = 17,
    SG_IP_DCCP = 33,
    SG_IP_ROUTING = 43,
    SG_IP_FRAGMENT = 44,
    SG_IP_AH = 51,
    SG_IP_ICMP6 = 58,
    SG_IP_DESTINATION = 60,
    SG_IP_SCTP = 132,
    SG_IP_MOBILITY = 135,
    SG_IP_UDPLITE = 136,
    SG_IP_HIP = 139,
    SG_IP_SHIM6 = 140,
};

SG_PACKET_INLINE int sg_packet_bad(struct sg_packet *p, __u32 reason)
{
    p->reason = reason;
    return -1;
}

SG_PACKET_INLINE __u32 sg_packet_u16(const __u8 *b)
{
    return (__u32)b[0] << 8 | b[1];
}

SG_PACKET_INLINE __u32 sg_packet_u32(const __u8 *b)
{
    return (__u32)b[0] << 24 | (__u32)b[1] << 16 | (__u32)b[2] << 8 | b[3];
}

SG_PACKET_INLINE void sg_packet_map_ipv4(__u8 ret[16], const __u8 b[4])
{
    __builtin_memset(ret, 0, 10);
    ret[10] = ret[11] = 0xff;
    __builtin_memcpy(ret + 12, b, 4);
}

/* The type behind an Ethernet header and tags, into p->next, and where what it says begins, into p->at. */
SG_PACKET_INLINE int sg_packet_ethernet(SG_PACKET_T m, struct sg_packet *p)
{
    __u8 b[4];

    if (sg_packet_load(m, 12, b, 2))
        return sg_packet_bad(p, SG_PACKET_CUT);
    p->next = sg_packet_u16(b);
    p->at = 14;
    for (__u32 i = 0; i < SG_PACKET_TAGS_MAX; i++) {
        SG_PACKET_ANEW();
        if (p->next != SG_ETH_VLAN && p->next != SG_ETH_QINQ)
            return 0;
        if (sg_packet_load(m, p->at, b, 4))
            return sg_packet_bad(p, SG_PACKET_CUT);
        p->next = sg_packet_u16(b + 2);
        p->at += 4;
    }
    if (p->next == SG_ETH_VLAN || p->next == SG_ETH_QINQ)
        return sg_packet_bad(p, SG_PACKET_TAGS);
    return 0;
}

/* The header of IPv4 at p->at. `quoted`: what is quoted may be cut short. */
SG_PACKET_INLINE int sg_packet_ipv4(SG_PACKET_T m, struct sg_packet *p, struct sg_packet_ip *ip,
                                    int quoted)
{
    __u32 header, total, off, at = p->at;
    __u8 b[20];

    if (sg_packet_load(m, at, b, sizeof(b)))
        return sg_packet_bad(p, SG_PACKET_CUT);
    if (b[0] >> 4 != 4)
        return sg_packet_bad(p, SG_PACKET_VERSION);
    header = (b[0] & 15u) * 4;
    total = sg_packet_u16(b + 2);
    /* More than the field can say is one of several segments in a row; the kernel's own (BIG TCP). */
    if (!total && p->len > at + 0xffff)
        total = p->len - at;
    if (header < 20 || total < header)
        return sg_packet_bad(p, SG_PACKET_HEADER);
    if (at + header > p->len)
        return sg_packet_bad(p, SG_PACKET_CUT);
    ip->end = at + total;
    if (ip->end > p->len) {
        if (!quoted)
            return sg_packet_bad(p, SG_PACKET_LENGTH);
        ip->end = p->len;
    }
    ip->family = 4;
    ip->tos = b[1];
    ip->hops = b[8];
    ip->frag_id = sg_packet_u16(b + 4);
    off = sg_packet_u16(b + 6);
    if (off & 0x1fff)
        ip->flags |= SG_PACKET_IS_LATER;
    else if (off & 0x2000)
        ip->flags |= SG_PACKET_IS_FIRST;
    ip->protocol = b[9];
    if ((off & 0x1fff) == 1 && ip->protocol == SG_IP_TCP)
        return sg_packet_bad(p, SG_PACKET_TINY);
    sg_packet_map_ipv4(ip->src, b + 12);
    sg_packet_map_ipv4(ip->dst, b + 16);
    ip->l3 = at;
    ip->l4 = at + header;
    return 0;
}

/* One header of IPv6 behind the first. 1: there may be more; 0: it is none that is known here; -1: it is wrong. */
SG_PACKET_INLINE int sg_packet_extension(SG_PACKET_T m, struct sg_packet *p,
                                         struct sg_packet_ip *ip)
{
    __u32 next = p->next, off;
    __u8 b[8];

    if (next != SG_IP_HOP && next != SG_IP_ROUTING && next != SG_IP_FRAGMENT && next != SG_IP_AH &&
        next != SG_IP_DESTINATION && next != SG_IP_MOBILITY && next != SG_IP_HIP &&
        next != SG_IP_SHIM6)
        return 0;
    /* Only the first may be one of hops (RFC 8200 4.1). */
    if (next == SG_IP_HOP && p->at != ip->l3 + 40)
        return sg_packet_bad(p, SG_PACKET_EXTENSIONS);
    if (p->at + sizeof(b) > ip->end || sg_packet_load(m, p->at, b, sizeof(b)))
        return sg_packet_bad(p, ip->flags & SG_PACKET_IS_FIRST ? SG_PACKET_TINY : SG_PACKET_CUT);
    p->next = b[0];
    if (next == SG_IP_FRAGMENT) {
        off = sg_packet_u16(b + 2);
        ip->frag_id = sg_packet_u32(b + 4);
        p->at += 8;
        /* One that is alone is whole (RFC 6946). */
        if (off & 0xfff8)
            ip->flags |= SG_PACKET_IS_LATER;
        else if (off & 1)
            ip->flags |= SG_PACKET_IS_FIRST;
        if ((off & 0xfff8) == 8 && b[0] == SG_IP_TCP)
            return sg_packet_bad(p, SG_PACKET_TINY);
        return ip->flags & SG_PACKET_IS_LATER ? 0 : 1;
    }
    if (next == SG_IP_ROUTING && b[3])
        ip->flags |= SG_PACKET_IS_ROUTED;
    p->at += next == SG_IP_AH ? (b[1] + 2u) * 4 : (b[1] + 1u) * 8;
    if (p->at > ip->end)
        return sg_packet_bad(p, ip->flags & SG_PACKET_IS_FIRST ? SG_PACKET_TINY : SG_PACKET_HEADER);
    return 1;
}

SG_PACKET_INLINE int sg_packet_ipv6(SG_PACKET_T m, struct sg_packet *p, struct sg_packet_ip *ip,
                                    int quoted)
{
    __u32 payload, at = p->at;
    int more = 1;
    __u8 b[40];

    if (at + sizeof(b) > p->len || sg_packet_load(m, at, b, sizeof(b)))
        return sg_packet_bad(p, SG_PACKET_CUT);
    if (b[0] >> 4 != 6)
        return sg_packet_bad(p, SG_PACKET_VERSION);
    payload = sg_packet_u16(b + 4);
    /* 0: as long as it is (RFC 2675, and the kernel's own BIG TCP). */
    ip->end = payload ? at + 40 + payload : p->len;
    if (ip->end > p->len) {
        if (!quoted)
            return sg_packet_bad(p, SG_PACKET_LENGTH);
        ip->end = p->len;
    }
    ip->family = 6;
    ip->tos = (__u8)((b[0] & 15u) << 4 | b[1] >> 4);
    ip->hops = b[7];
    __builtin_memcpy(ip->src, b + 8, 16);
    __builtin_memcpy(ip->dst, b + 24, 16);
    ip->l3 = at;
    p->at = at + 40;
    p->next = b[6];
    for (__u32 i = 0; i < SG_PACKET_EXTENSIONS_MAX && more > 0; i++) {
        SG_PACKET_ANEW();
        more = sg_packet_extension(m, p, ip);
    }
    if (more < 0)
        return -1;
    if (more > 0 && (p->next == SG_IP_HOP || p->next == SG_IP_ROUTING || p->next == SG_IP_AH ||
                     p->next == SG_IP_FRAGMENT || p->next == SG_IP_DESTINATION ||
                     p->next == SG_IP_MOBILITY || p->next == SG_IP_HIP || p->next == SG_IP_SHIM6))
        return sg_packet_bad(p, SG_PACKET_EXTENSIONS);
    ip->protocol = (__u8)p->next;
    ip->l4 = p->at;
    return 0;
}

/* Types of ICMP that quote a packet. */
SG_PACKET_INLINE int sg_packet_quotes(__u8 family, __u32 type)
{
    if (family == 4)
        return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    return type >= 1 && type <= 4;
}

/* What the transport says: ports, or what stands for them. `quoted`: eight bytes are all that is sure to be there (RFC 792). */
SG_PACKET_INLINE int sg_packet_transport(SG_PACKET_T m, struct sg_packet *p,
                                         struct sg_packet_ip *ip, int quoted)
{
    __u32 l4 = ip->l4, protocol = ip->protocol, need = 8;
    __u32 cut = ip->flags & SG_PACKET_IS_FIRST ? SG_PACKET_TINY : SG_PACKET_CUT;
    __u8 b[16];

    if (ip->flags & SG_PACKET_IS_LATER)
        return 0;
    if (protocol == SG_IP_TCP && !quoted)
        need = 20;
    else if (protocol == SG_IP_SCTP && !quoted)
        need = 12;
    else if (protocol == SG_IP_DCCP && !quoted)
        need = 12;
    if (protocol != SG_IP_TCP && protocol != SG_IP_UDP && protocol != SG_IP_UDPLITE &&
        protocol != SG_IP_SCTP && protocol != SG_IP_DCCP &&
        protocol != (ip->family == 4 ? SG_IP_ICMP : SG_IP_ICMP6))
        return 0;
    if (l4 + need > ip->end || sg_packet_load(m, l4, b, 8))
        return sg_packet_bad(p, cut);
    if (protocol != SG_IP_ICMP && protocol != SG_IP_ICMP6) {
        ip->sport = (__u16)sg_packet_u16(b);
        ip->dport = (__u16)sg_packet_u16(b + 2);
        ip->flags |= SG_PACKET_HAS_PORTS;
        if (protocol != SG_IP_TCP || quoted)
            return 0;
        if (sg_packet_load(m, l4 + 12, b, 2))
            return sg_packet_bad(p, cut);
        if (b[0] >> 4 < 5 || l4 + (b[0] >> 4) * 4u > ip->end)
            return sg_packet_bad(p, ip->flags & SG_PACKET_IS_FIRST ? SG_PACKET_TINY
                                                                   : SG_PACKET_HEADER);
        if (b[1] & 5)
            ip->flags |= SG_PACKET_IS_END;
        else if ((b[1] & 0x12) == 2)
            ip->flags |= SG_PACKET_IS_SYN;
        return 0;
    }
    if (b[0] == (protocol == SG_IP_ICMP ? 8 : 128)) {
        ip->sport = (__u16)sg_packet_u16(b + 4);
        ip->flags |= SG_PACKET_IS_ECHO;
    } else if (b[0] == (protocol == SG_IP_ICMP ? 0 : 129)) {
        ip->dport = (__u16)sg_packet_u16(b + 4);
        ip->flags |= SG_PACKET_IS_ECHO | SG_PACKET_IS_REPLY;
    } else {
        ip->sport = (__u16)sg_packet_u16(b); /* type and code, for records */
        if (sg_packet_quotes(ip->family, b[0]))
            ip->flags |= SG_PACKET_IS_ERROR;
    }
    return 0;
}

/* The packet at p->at, of the type p->next. */
SG_PACKET_INLINE int sg_packet_ip(SG_PACKET_T m, struct sg_packet *p)
{
    int r;

    __builtin_memset(&p->ip, 0, sizeof(p->ip));
    if (p->next == SG_ETH_IP)
        r = sg_packet_ipv4(m, p, &p->ip, 0);
    else if (p->next == SG_ETH_IPV6)
        r = sg_packet_ipv6(m, p, &p->ip, 0);
    else
        r = sg_packet_bad(p, SG_PACKET_OTHER);
    return r ? r : sg_packet_transport(m, p, &p->ip, 0);
}

/* What an error of ICMP quotes, into p->quoted. Negative: nothing that could be told apart; p->reason is as it was. */
SG_PACKET_INLINE int sg_packet_quoted(SG_PACKET_T m, struct sg_packet *p)
{
    __u32 reason = p->reason, len = p->len;
    int r;

    __builtin_memset(&p->quoted, 0, sizeof(p->quoted));
    if (!(p->ip.flags & SG_PACKET_IS_ERROR))
        return -1;
    p->at = p->ip.l4 + 8;
    p->len = p->ip.end; /* what pads the frame is not quoted */
    r = p->ip.family == 4 ? sg_packet_ipv4(m, p, &p->quoted, 1)
                          : sg_packet_ipv6(m, p, &p->quoted, 1);
    if (!r)
        r = sg_packet_transport(m, p, &p->quoted, 1);
    p->reason = reason;
    p->len = len;
    return r || p->quoted.flags & (SG_PACKET_IS_LATER | SG_PACKET_IS_ERROR) ? -1 : 0;
}

/* Bytes from the header of IP on. */
SG_PACKET_INLINE __u32 sg_packet_length(const struct sg_packet *p)
{
    return p->len - p->ip.l3;
}

/* The number of the lowest bit of a word that has one. */
SG_PACKET_INLINE __u32 sg_packet_lowest(__u64 w)
{
    __u32 n = 0;

    if (!(w & 0xffffffffull)) {
        n += 32;
        w >>= 32;
    }
    if (!(w & 0xffff)) {
        n += 16;
        w >>= 16;
    }
    if (!(w & 0xff)) {
        n += 8;
        w >>= 8;
    }
    if (!(w & 0xf)) {
        n += 4;
        w >>= 4;
    }
    if (!(w & 3)) {
        n += 2;
        w >>= 2;
    }
    return n + !(w & 1);
}

/* The rows of a packet, besides those of its addresses and its interface: ports, protocol, DSCP into rows[3] to rows[6]. */
SG_PACKET_INLINE void sg_packet_rows(const struct sg_packet_tables *t,
                                     const struct sg_packet_ip *ip, __u16 rows[7])
{
    if (ip->flags & SG_PACKET_HAS_PORTS) {
        rows[3] = t->sport[ip->sport];
        rows[4] = t->dport[ip->dport];
    } else {
        rows[3] = t->no_sport;
        rows[4] = t->no_dport;
    }
    rows[5] = t->protocol[ip->protocol];
    rows[6] = t->dscp[ip->tos >> 2 & 63];
}

/* The first rule that is in all of seven rows (of source, destination, interface, and the four above). */
SG_PACKET_INLINE __u32 sg_packet_first(const struct sg_packet_tables *t, const __u16 rows[7])
{
    const __u32 mask = SG_PACKET_ROWS_MAX - 1;
    const struct sg_packet_row *a = &t->rows[rows[0] & mask], *b = &t->rows[rows[1] & mask],
                               *c = &t->rows[rows[2] & mask], *d = &t->rows[rows[3] & mask],
                               *e = &t->rows[rows[4] & mask], *f = &t->rows[rows[5] & mask],
                               *g = &t->rows[rows[6] & mask];

    for (__u32 i = 0; i < SG_PACKET_WORDS; i++) {
        __u64 w;

        if (i >= t->words)
            break;
        w = a->words[i] & b->words[i] & c->words[i] & d->words[i];
        if (w)
            w &= e->words[i] & f->words[i] & g->words[i];
        if (w)
            return i * 64 + sg_packet_lowest(w);
    }
    return SG_PACKET_NO_RULE;
}

#endif
