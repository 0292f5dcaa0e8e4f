/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that are rewritten. Each has two entries: how its packets are met, and how those of the way back are, on the other
 * direction's side: what was changed on its way in is changed back on its way out, whichever interface that is.
 *
 * The entry of the way back is made first and is what claims a port: two connections that would look the same to the other end do
 * not both get one. Only what begins a connection makes entries: connections of TCP that stood before the rule go on as they are.
 */
#ifndef SG_BPF_LIB_PACKET_CONN_H
#define SG_BPF_LIB_PACKET_CONN_H

#include "packet_decide.bpf.h"

#define PACKET_PORT_TRIES 32
#define PACKET_TOUCH_NS   1000000000ull /* how exact the time of an entry is */

enum {
    PACKET_CONN_NONE = 0,  /* it is none that is rewritten */
    PACKET_CONN_WRITE = 1, /* w->ends is what its ends are to be */
    PACKET_CONN_DROP = 2,
};

static __always_inline __u64 packet_conn_age(__u8 protocol, __u32 flags)
{
    if (protocol == SG_IP_TCP)
        return flags & SG_PACKET_CONN_ANSWER && !(flags & SG_PACKET_CONN_CLOSING)
                   ? SG_PACKET_AGE_TCP_NS
                   : SG_PACKET_AGE_OPEN_NS;
    return protocol == SG_IP_UDP || protocol == SG_IP_UDPLITE ? SG_PACKET_AGE_UDP_NS
                                                              : SG_PACKET_AGE_OTHER_NS;
}

/* The entry of the other way of the connection that `c` is an entry of. */
static __always_inline struct sg_packet_conn *packet_conn_other(struct packet_work *w,
                                                                struct sg_packet_conn *c)
{
    __builtin_memset(&w->other, 0, sizeof(w->other));
    __builtin_memcpy(w->other.src, c->dst, 16);
    __builtin_memcpy(w->other.dst, c->src, 16);
    w->other.sport = c->dport;
    w->other.dport = c->sport;
    w->other.protocol = w->key.protocol;
    w->other.direction = !w->key.direction;
    return bpf_map_lookup_elem(&packet_conns, &w->other);
}

/* Keeps both entries of a connection alive, also where packets only go one way, and notes where it is. */
static __always_inline void packet_conn_touch(struct packet_work *w, struct sg_packet_conn *c,
                                              __u64 now)
{
    __u32 flags = c->flags, packet = w->p.ip.flags;
    struct sg_packet_conn *other;

    if (flags & SG_PACKET_CONN_BACK)
        flags |= SG_PACKET_CONN_ANSWER;
    else if (packet & SG_PACKET_IS_SYN)
        flags &= ~(__u32)(SG_PACKET_CONN_ANSWER | SG_PACKET_CONN_CLOSING);
    if (packet & SG_PACKET_IS_END)
        flags |= SG_PACKET_CONN_CLOSING;
    if (flags == c->flags && now - c->last_ns < PACKET_TOUCH_NS)
        return;
    c->flags = flags;
    c->last_ns = now;
    other = packet_conn_other(w, c);
    if (!other)
        return;
    other->flags = (other->flags & SG_PACKET_CONN_BACK) | (flags & ~(__u32)SG_PACKET_CONN_BACK);
    other->last_ns = now;
}

static __always_inline void packet_conn_ends(struct packet_work *w, const struct sg_packet_conn *c)
{
    __builtin_memcpy(w->ends.src, c->src, 16);
    __builtin_memcpy(w->ends.dst, c->dst, 16);
    w->ends.sport = c->sport;
    w->ends.dport = c->dport;
}

static __always_inline void packet_conn_key(struct packet_work *w, const struct sg_packet_ip *ip)
{
    __builtin_memset(&w->key, 0, sizeof(w->key));
    __builtin_memcpy(w->key.src, ip->src, 16);
    __builtin_memcpy(w->key.dst, ip->dst, 16);
    if (ip->flags & (SG_PACKET_HAS_PORTS | SG_PACKET_IS_ECHO)) {
        w->key.sport = ip->sport;
        w->key.dport = ip->dport;
    }
    w->key.protocol = ip->protocol;
    w->key.direction = (__u8)w->direction;
}

/* A packet of a connection that is known. */
__noinline int packet_conn_find(void)
{
    struct packet_work *w = packet_work_of();
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_packet_rule *r;
    struct sg_packet_conn *c;

    if (!w)
        return PACKET_CONN_NONE;
    packet_conn_key(w, &w->p.ip);
    c = bpf_map_lookup_elem(&packet_conns, &w->key);
    if (!c)
        return PACKET_CONN_NONE;
    if (now - c->last_ns > packet_conn_age(w->key.protocol, c->flags)) {
        packet_conn_other(w, c);
        bpf_map_delete_elem(&packet_conns, &w->other);
        bpf_map_delete_elem(&packet_conns, &w->key);
        packet_count(SG_PACKET_COUNT_AGED);
        return PACKET_CONN_NONE;
    }
    if (!(c->flags & SG_PACKET_CONN_BACK)) {
        /* Another rule has come before the one that made it, or it is only watched now. */
        r = w->actions & SG_PACKET_DO_REWRITE ? packet_rule_of(w) : NULL;
        if (!r || r->id != c->id)
            return PACKET_CONN_NONE;
    } else {
        packet_count(SG_PACKET_COUNT_BACK);
    }
    packet_conn_touch(w, c, now);
    packet_conn_ends(w, c);
    return PACKET_CONN_WRITE;
}

/* The packet that an error quotes is one that went the other way: which connection was it of? w->ends: what that is to be there. */
__noinline int packet_conn_quoted(void)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_conn *c;
    struct sg_packet_ip *q;

    if (!w)
        return PACKET_CONN_NONE;
    q = &w->p.quoted;
    __builtin_memset(&w->key, 0, sizeof(w->key));
    __builtin_memcpy(w->key.src, q->dst, 16);
    __builtin_memcpy(w->key.dst, q->src, 16);
    if (q->flags & (SG_PACKET_HAS_PORTS | SG_PACKET_IS_ECHO)) {
        w->key.sport = q->dport;
        w->key.dport = q->sport;
    }
    w->key.protocol = q->protocol;
    w->key.direction = (__u8)w->direction;
    c = bpf_map_lookup_elem(&packet_conns, &w->key);
    if (!c)
        return PACKET_CONN_NONE;
    __builtin_memcpy(w->ends.src, c->dst, 16);
    __builtin_memcpy(w->ends.dst, c->src, 16);
    w->ends.sport = c->dport;
    w->ends.dport = c->sport;
    return PACKET_CONN_WRITE;
}

/* What the rule wants the ends to be, but for the port of who asks. */
static __always_inline void packet_conn_want(struct packet_work *w, struct sg_packet_rule *r)
{
    struct sg_packet_ip *ip = &w->p.ip;
    bool address = r->actions & SG_PACKET_DO_ADDRESS && r->family == ip->family;

    __builtin_memcpy(w->ends.src, ip->src, 16);
    __builtin_memcpy(w->ends.dst, ip->dst, 16);
    w->ends.sport = w->key.sport;
    w->ends.dport = w->key.dport;
    if (r->actions & SG_PACKET_DO_TO) {
        if (address)
            __builtin_memcpy(w->ends.dst, r->to, 16);
        if (r->to_port && ip->flags & SG_PACKET_HAS_PORTS)
            w->ends.dport = r->to_port;
    }
    if (r->actions & SG_PACKET_DO_FROM && address)
        __builtin_memcpy(w->ends.src, r->from, 16);
}

/* The `i`th port that is tried for who asks. */
static __always_inline __u16 packet_conn_port(struct packet_work *w, struct sg_packet_rule *r,
                                              __u32 i)
{
    __u32 first = r->from_first, last = r->from_last, own = w->key.sport;

    if (!(r->actions & SG_PACKET_DO_FROM) || !first) {
        if (!i)
            return (__u16)own;
        first = 1024;
        last = 65535;
    } else if (!i && own >= first && own <= last) {
        return (__u16)own;
    }
    return (__u16)(first + bpf_get_prandom_u32() % (last - first + 1));
}

/* Is an entry that stands in the way of the one in w->conn of the same connection, or too old to stand? */
static __always_inline bool packet_conn_gives_way(struct packet_work *w, struct sg_packet_conn *c,
                                                  __u64 now)
{
    if (sg_packet_is_same(c->src, w->conn.src) && sg_packet_is_same(c->dst, w->conn.dst) &&
        c->sport == w->conn.sport && c->dport == w->conn.dport)
        return true;
    if (now - c->last_ns <= packet_conn_age(w->key.protocol, c->flags))
        return false;
    packet_count(SG_PACKET_COUNT_AGED);
    return true;
}

/* Claims a port with the entry of the way back. */
__noinline int packet_conn_claim(void)
{
    struct packet_work *w = packet_work_of();
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_packet_rule *r;
    struct sg_packet_conn *c;
    __u32 ported;

    if (!w)
        return -1;
    r = packet_rule_of(w);
    if (!r)
        return -1;
    __builtin_memset(&w->other, 0, sizeof(w->other));
    __builtin_memcpy(w->other.src, w->ends.dst, 16);
    __builtin_memcpy(w->other.dst, w->ends.src, 16);
    w->other.sport = w->ends.dport;
    w->other.protocol = w->key.protocol;
    w->other.direction = !w->key.direction;
    __builtin_memcpy(w->conn.src, w->key.dst, 16);
    __builtin_memcpy(w->conn.dst, w->key.src, 16);
    w->conn.sport = w->key.dport;
    w->conn.dport = w->key.sport;
    w->conn.id = r->id;
    w->conn.first_ns = w->conn.last_ns = now;
    w->conn.flags = SG_PACKET_CONN_BACK;
    w->conn.reserved = 0;
    ported = w->p.ip.flags & (SG_PACKET_HAS_PORTS | SG_PACKET_IS_ECHO) &&
             w->key.protocol != SG_IP_SCTP;
    for (__u32 i = 0; i < PACKET_PORT_TRIES; i++) {
        w->ends.sport = ported ? packet_conn_port(w, r, i) : w->key.sport;
        w->other.dport = w->ends.sport;
        if (!bpf_map_update_elem(&packet_conns, &w->other, &w->conn, BPF_NOEXIST))
            return 0;
        c = bpf_map_lookup_elem(&packet_conns, &w->other);
        if (c && packet_conn_gives_way(w, c, now))
            return bpf_map_update_elem(&packet_conns, &w->other, &w->conn, BPF_ANY) ? -1 : 0;
        if (!ported)
            break;
    }
    return -1;
}

/* May this packet begin a connection that is rewritten? */
static __always_inline bool packet_conn_begins(const struct sg_packet_ip *ip)
{
    if (ip->protocol == SG_IP_TCP)
        return ip->flags & SG_PACKET_IS_SYN;
    return !(ip->flags & SG_PACKET_IS_REPLY);
}

/* Begins a connection. */
__noinline int packet_conn_begin(void)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_rule *r;
    struct sg_packet_conn *c;

    if (!w)
        return PACKET_CONN_NONE;
    r = packet_rule_of(w);
    if (!r || !packet_conn_begins(&w->p.ip))
        return PACKET_CONN_NONE;
    packet_conn_want(w, r);
    if (!sg_packet_can_write(&w->p.ip, w->ends.dport != w->key.dport || r->from_first)) {
        packet_refuse(SG_PACKET_COUNT_UNWRITABLE);
        return PACKET_CONN_DROP;
    }
    if (packet_conn_claim()) {
        packet_refuse(SG_PACKET_COUNT_NO_PORT);
        return PACKET_CONN_DROP;
    }
    __builtin_memcpy(w->conn.src, w->ends.src, 16);
    __builtin_memcpy(w->conn.dst, w->ends.dst, 16);
    w->conn.sport = w->ends.sport;
    w->conn.dport = w->ends.dport;
    w->conn.flags = 0;
    packet_count(SG_PACKET_COUNT_CONNS);
    if (w->ends.sport != w->key.sport)
        packet_count(SG_PACKET_COUNT_PORT_MOVED);
    if (!bpf_map_update_elem(&packet_conns, &w->key, &w->conn, BPF_NOEXIST))
        return PACKET_CONN_WRITE;
    /* Another CPU was faster: its port holds, and ours is free again; or it is an older rule's, and has ended. */
    c = bpf_map_lookup_elem(&packet_conns, &w->key);
    if (c && c->id == r->id && !(c->flags & SG_PACKET_CONN_BACK)) {
        if (c->sport != w->ends.sport)
            bpf_map_delete_elem(&packet_conns, &w->other);
        packet_conn_ends(w, c);
        return PACKET_CONN_WRITE;
    }
    if (bpf_map_update_elem(&packet_conns, &w->key, &w->conn, BPF_ANY))
        packet_count(SG_PACKET_COUNT_FULL);
    return PACKET_CONN_WRITE;
}

#endif
