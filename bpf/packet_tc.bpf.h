/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets at tc, in both directions: read, decided, changed, copied, sent another way.
 *
 * What no rule speaks of goes on to the next filter, as what passes does (TC_ACT_UNSPEC, which is TCX_NEXT).
 */
#ifndef SG_BPF_PACKET_TC_H
#define SG_BPF_PACKET_TC_H

#include "lib/packet_conn.bpf.h"

#include <bpf/bpf_endian.h>

#define TC_ACT_UNSPEC (-1) /* include/uapi/linux/pkt_cls.h */
#define TC_ACT_SHOT   2
#define PACKET_AF4    2
#define PACKET_AF6    10

/* skb->tc_index of what these programs have sent themselves: no rule sends it on again, none is tried on a copy. */
#define PACKET_ROUTED 0x5347
#define PACKET_COPY   0x5348

#define PACKET_FIB_DIRECT     1u /* BPF_FIB_LOOKUP_DIRECT */
#define PACKET_FIB_SKIP_NEIGH 4u /* from 6.3 on */
#define PACKET_FIB_TABLE      8u /* BPF_FIB_LOOKUP_TBID, from 6.5 on */

__noinline int packet_read(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();

    if (!w)
        return -1;
    if (w->iface.flags & SG_PACKET_IF_RAW) {
        w->p.next = bpf_ntohs((__u16)skb->protocol);
        w->p.at = 0;
    } else if (sg_packet_ethernet(m, &w->p)) {
        return -1;
    }
    return sg_packet_ip(m, &w->p);
}

__noinline int packet_read_quoted(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();

    return w ? sg_packet_quoted(m, &w->p) : -1;
}

__noinline int packet_write(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();

    return w ? sg_packet_write(m, &w->p.ip, &w->ends) : -1;
}

__noinline int packet_write_quoted(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();

    return w ? sg_packet_write_quoted(m, &w->p, &w->ends) : -1;
}

/* The outer addresses of an error, whose quoted ends become w->ends: to whom it goes, and whose it is if it comes from the end. */
static __always_inline void packet_turn(struct packet_work *w)
{
    struct sg_packet_ip *ip = &w->p.ip, *q = &w->p.quoted;
    bool dst = sg_packet_is_same(ip->dst, q->src), src = sg_packet_is_same(ip->src, q->dst);

    __builtin_memcpy(w->key.src, w->ends.src, 16);
    __builtin_memcpy(w->key.dst, w->ends.dst, 16);
    __builtin_memcpy(w->ends.src, src ? w->key.dst : ip->src, 16);
    __builtin_memcpy(w->ends.dst, dst ? w->key.src : ip->dst, 16);
    w->ends.sport = ip->sport;
    w->ends.dport = ip->dport;
}

/* An error of ICMP about a packet that was rewritten. 0, or negative: it is dropped. */
static __always_inline int packet_translate_error(struct __sk_buff *skb, struct packet_work *w)
{
    if (packet_read_quoted(skb) || packet_conn_quoted() != PACKET_CONN_WRITE)
        return 0;
    packet_count(SG_PACKET_COUNT_QUOTED);
    if (packet_write_quoted(skb))
        return -1;
    packet_turn(w);
    return packet_write(skb);
}

static __always_inline int packet_translate_later(struct __sk_buff *skb, struct packet_work *w)
{
    if (w->frag.rewritten) {
        __builtin_memcpy(w->ends.src, w->frag.src, 16);
        __builtin_memcpy(w->ends.dst, w->frag.dst, 16);
        return packet_write(skb);
    }
    if (w->frag.time_ns || !(w->actions & SG_PACKET_DO_REWRITE))
        return 0;
    /* Before its first one, of a rule that rewrites: whose connection it is of, nobody can know. */
    packet_refuse(SG_PACKET_COUNT_FRAG_UNKNOWN);
    return 0;
}

/* Ends of packets of connections that are rewritten. Leaves w->verdict at SG_PACKET_REFUSED where that cannot be. */
__noinline int packet_translate(struct __sk_buff *skb)
{
    struct packet_work *w = packet_work_of();
    int what, r = 0;

    if (!w)
        return 0;
    if (w->p.ip.flags & SG_PACKET_IS_LATER) {
        r = packet_translate_later(skb, w);
    } else if (w->p.ip.flags & SG_PACKET_IS_ERROR) {
        r = packet_translate_error(skb, w);
    } else {
        what = packet_conn_find();
        if (what == PACKET_CONN_NONE && w->actions & SG_PACKET_DO_REWRITE)
            what = packet_conn_begin();
        if (what == PACKET_CONN_WRITE) {
            r = packet_write(skb);
            w->frag.rewritten = 1;
            __builtin_memcpy(w->frag.src, w->ends.src, 16);
            __builtin_memcpy(w->frag.dst, w->ends.dst, 16);
        }
    }
    if (r) {
        packet_count(SG_PACKET_COUNT_EDIT_FAILED);
        w->verdict = SG_PACKET_REFUSED;
    }
    return 0;
}

/* Mark and DSCP. */
__noinline int packet_label(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();
    struct sg_packet_rule *r;

    if (!w)
        return 0;
    r = packet_rule_of(w);
    if (!r)
        return 0;
    if (w->actions & SG_PACKET_DO_MARK)
        skb->mark = (skb->mark & ~r->mark_mask) | (r->mark & r->mark_mask);
    if (w->actions & SG_PACKET_DO_DSCP && sg_packet_write_dscp(m, &w->p.ip, r->dscp))
        packet_refuse(SG_PACKET_COUNT_EDIT_FAILED);
    return 0;
}

/*
 * A copy of the packet, as it is now, to an interface. The program that sees it go out there runs within this one, knows it by
 * tc_index, and leaves the memory of this CPU alone.
 */
__noinline int packet_mirror(struct __sk_buff *skb)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_rule *r;
    __u32 index = skb->tc_index;

    if (!w)
        return 0;
    r = packet_rule_of(w);
    if (!r || index == PACKET_ROUTED || w->ifindex == r->mirror_ifindex)
        return 0;
    skb->tc_index = PACKET_COPY;
    if (!r->mirror_ifindex || w->iface.flags & SG_PACKET_IF_RAW ||
        bpf_clone_redirect(skb, r->mirror_ifindex, 0))
        packet_count(SG_PACKET_COUNT_MIRROR_FAILED);
    skb->tc_index = index;
    return 0;
}

/* The way by a routing table: interface and next hop. Negative: there is none. */
static __always_inline int packet_look_up(struct __sk_buff *skb, struct packet_work *w,
                                          struct sg_packet_rule *r, struct bpf_redir_neigh *hop,
                                          __u32 *ret_ifindex)
{
    struct bpf_fib_lookup fib = {.ifindex = w->ifindex};
    struct sg_packet_ip *ip = &w->p.ip;
    __u32 table = r->route_table;

    fib.l4_protocol = ip->protocol;
    fib.sport = sg_packet_wire(ip->sport);
    fib.dport = sg_packet_wire(ip->dport);
    if (ip->family == 4) {
        fib.family = PACKET_AF4;
        fib.ipv4_src = sg_packet_word(ip->src + 12);
        fib.ipv4_dst = sg_packet_word(ip->dst + 12);
    } else {
        fib.family = PACKET_AF6;
        __builtin_memcpy(fib.ipv6_src, ip->src, 16);
        __builtin_memcpy(fib.ipv6_dst, ip->dst, 16);
    }
    /* Headers of before 6.5 have no name for it: it shares its place with these two. */
    __builtin_memcpy(&fib.h_vlan_proto, &table, sizeof(table));
    if (bpf_fib_lookup(skb, &fib, sizeof(fib),
                       PACKET_FIB_DIRECT | PACKET_FIB_SKIP_NEIGH | PACKET_FIB_TABLE))
        return -1;
    hop->nh_family = fib.family;
    if (fib.family == PACKET_AF4)
        hop->ipv4_nh = fib.ipv4_dst;
    else
        __builtin_memcpy(hop->ipv6_nh, fib.ipv6_dst, 16);
    *ret_ifindex = fib.ifindex;
    return 0;
}

/* Sends the packet another way. What the way needs that is not there leaves SG_PACKET_REFUSED. */
__noinline int packet_route(struct __sk_buff *skb)
{
    struct packet_frame m = {.skb = skb};
    struct packet_work *w = packet_work_of();
    struct bpf_redir_neigh hop = {};
    struct sg_packet_rule *r;
    __u32 ifindex;

    if (!w)
        return TC_ACT_UNSPEC;
    r = packet_rule_of(w);
    if (!r)
        return TC_ACT_UNSPEC;
    ifindex = r->route_ifindex;
    if (w->actions & SG_PACKET_DO_VIA) {
        hop.nh_family = r->via_family == 4 ? PACKET_AF4 : PACKET_AF6;
        if (r->via_family == 4)
            hop.ipv4_nh = sg_packet_word(r->via + 12);
        else
            __builtin_memcpy(hop.ipv6_nh, r->via, 16);
    } else if (w->actions & SG_PACKET_DO_TABLE && packet_look_up(skb, w, r, &hop, &ifindex)) {
        ifindex = 0;
    }
    if (!ifindex) {
        packet_refuse(SG_PACKET_COUNT_NO_ROUTE);
        return TC_ACT_SHOT;
    }
    if (w->direction == SG_PACKET_IN) {
        if (w->p.ip.hops <= 1) {
            packet_count(SG_PACKET_COUNT_HOPS);
            return TC_ACT_UNSPEC;
        }
        if (sg_packet_write_hops(m, &w->p.ip)) {
            packet_refuse(SG_PACKET_COUNT_EDIT_FAILED);
            return TC_ACT_SHOT;
        }
    } else if (ifindex == w->ifindex && !hop.nh_family) {
        return TC_ACT_UNSPEC; /* it is on that way already */
    }
    skb->tc_index = PACKET_ROUTED;
    if (hop.nh_family)
        return (int)bpf_redirect_neigh(ifindex, &hop, sizeof(hop), 0);
    return (int)bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

/* What comes of a packet that a rule has decided, or that may be one of a way back. */
__noinline int packet_carry_out(struct __sk_buff *skb)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_tables *t;
    __u32 actions, verdict;

    if (!w)
        return TC_ACT_UNSPEC;
    t = packet_tables_of(w->half);
    if (t && t->flags & SG_PACKET_REWRITES && w->verdict != SG_PACKET_DROPPED &&
        w->verdict != SG_PACKET_LIMITED)
        packet_translate(skb);
    actions = w->actions;
    if (w->verdict == SG_PACKET_CHANGED || w->verdict == SG_PACKET_ROUTED)
        packet_label(skb);
    packet_remember();
    verdict = w->verdict;
    if (actions & SG_PACKET_DO_MIRROR)
        packet_mirror(skb);
    if (verdict == SG_PACKET_DROPPED || verdict == SG_PACKET_LIMITED ||
        verdict == SG_PACKET_REFUSED)
        return TC_ACT_SHOT;
    return TC_ACT_UNSPEC;
}

static __always_inline int packet_tc(struct __sk_buff *skb, __u32 direction)
{
    __u32 index = skb->tc_index;
    struct packet_work *w;
    int r;

    /* What comes in has been through another network namespace, or a card: nothing of that is ours. */
    if (direction == SG_PACKET_IN && (index == PACKET_COPY || index == PACKET_ROUTED))
        skb->tc_index = index = 0;
    if (index == PACKET_COPY ||
        !packet_begin(skb->ifindex, direction, PACKET_TC + direction, skb->len))
        return TC_ACT_UNSPEC;
    r = packet_read(skb);
    w = packet_work_of();
    if (!w)
        return TC_ACT_UNSPEC;
    if (r)
        return packet_is_refused(w) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
    packet_decide();
    packet_apply();
    r = packet_carry_out(skb);
    if (r != TC_ACT_UNSPEC || index == PACKET_ROUTED)
        return r;
    if (w->verdict == SG_PACKET_ROUTED && w->actions & SG_PACKET_DO_ROUTE)
        return packet_route(skb);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int packet_ingress(struct __sk_buff *skb)
{
    return packet_tc(skb, SG_PACKET_IN);
}

SEC("tc")
int packet_egress(struct __sk_buff *skb)
{
    return packet_tc(skb, SG_PACKET_OUT);
}

#endif
