/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to the rule that decides it, and what that rule does: fragments, limits, sums, records.
 */
#ifndef SG_BPF_LIB_PACKET_DECIDE_H
#define SG_BPF_LIB_PACKET_DECIDE_H

#include "packet.bpf.h"

static __always_inline void packet_frag_key(struct packet_work *w)
{
    struct sg_packet_ip *ip = &w->p.ip;

    __builtin_memset(&w->frag_key, 0, sizeof(w->frag_key));
    __builtin_memcpy(w->frag_key.src, ip->src, 16);
    __builtin_memcpy(w->frag_key.dst, ip->dst, 16);
    w->frag_key.id = ip->frag_id;
    w->frag_key.ifindex = w->ifindex;
    w->frag_key.protocol = ip->protocol;
    w->frag_key.stage = (__u8)w->stage;
}

/* A later fragment gets what its first one got. False: that is not known, and it is decided as what has no ports. */
static __always_inline bool packet_recall(struct packet_work *w)
{
    struct sg_packet_frag *f;

    packet_frag_key(w);
    f = bpf_map_lookup_elem(&packet_frags, &w->frag_key);
    if (!f || f->generation != w->generation ||
        bpf_ktime_get_boot_ns() - f->time_ns > SG_PACKET_FRAG_NS) {
        if (w->stage != PACKET_XDP)
            packet_count(SG_PACKET_COUNT_FRAG_UNKNOWN);
        return false;
    }
    w->frag = *f;
    w->rule = f->rule;
    return true;
}

/* After a first fragment was decided: for the later ones. */
__noinline int packet_remember(void)
{
    struct packet_work *w = packet_work_of();

    if (!w || !(w->p.ip.flags & SG_PACKET_IS_FIRST))
        return 0;
    packet_frag_key(w);
    w->frag.time_ns = bpf_ktime_get_boot_ns();
    w->frag.rule = w->rule;
    w->frag.generation = w->generation;
    w->frag.dropped = w->verdict == SG_PACKET_DROPPED || w->verdict == SG_PACKET_LIMITED;
    if (bpf_map_update_elem(&packet_frags, &w->frag_key, &w->frag, BPF_ANY))
        packet_count(SG_PACKET_COUNT_FULL);
    return 0;
}

static __always_inline __u16 packet_row(void *tries, struct packet_work *w, const __u8 addr[16])
{
    void *trie = bpf_map_lookup_elem(tries, &w->half);
    __u32 *row;

    if (!trie)
        return 0;
    w->prefix.bits = 128;
    __builtin_memcpy(w->prefix.addr, addr, 16);
    row = bpf_map_lookup_elem(trie, &w->prefix);
    return row ? (__u16)*row : 0;
}

/* Which rule? Into w->rule. */
__noinline int packet_decide(void)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_tables *t;

    if (!w)
        return 0;
    if (w->p.ip.flags & SG_PACKET_IS_LATER && packet_recall(w))
        return 0;
    t = packet_tables_of(w->half);
    if (!t) {
        packet_count(SG_PACKET_COUNT_NO_POLICY);
        return 0;
    }
    w->rows[0] = packet_row(&packet_sources, w, w->p.ip.src);
    w->rows[1] = packet_row(&packet_targets, w, w->p.ip.dst);
    w->rows[2] = w->iface.row[w->direction & 1];
    sg_packet_rows(t, &w->p.ip, w->rows);
    w->rule = sg_packet_first(t, w->rows);
    return 0;
}

static __always_inline struct sg_packet_rule *packet_rule_of(struct packet_work *w)
{
    struct sg_packet_tables *t;

    if (w->rule >= SG_PACKET_RULES_MAX)
        return NULL;
    t = packet_tables_of(w->half);
    return t ? &t->rules[w->rule & (SG_PACKET_RULES_MAX - 1)] : NULL;
}

/* Does this source exceed its rate with this packet? The bucket is the time by which what it got will have been earned. */
static __always_inline bool packet_exceeds(struct packet_work *w, struct sg_packet_rule *r)
{
    __u64 units = r->actions & SG_PACKET_DO_BYTES ? sg_packet_length(&w->p) : 1;
    __u64 now = bpf_ktime_get_boot_ns(), cost, until;
    struct sg_packet_limit *l;
    struct packet_lock *lock;
    bool over;

    if (!r->rate)
        return true;
    cost = units * 1000000000ull / r->rate;
    __builtin_memset(&w->limit_key, 0, sizeof(w->limit_key));
    __builtin_memcpy(w->limit_key.src, w->p.ip.src, 16);
    w->limit_key.id = r->id;
    l = bpf_map_lookup_elem(&packet_limits, &w->limit_key);
    if (!l) {
        w->limit.until_ns = now;
        w->limit.dropped = 0;
        bpf_map_update_elem(&packet_limits, &w->limit_key, &w->limit, BPF_NOEXIST);
        l = bpf_map_lookup_elem(&packet_limits, &w->limit_key);
    }
    lock = packet_lock_of(w->p.ip.src);
    if (!l || !lock) {
        packet_count(SG_PACKET_COUNT_FULL);
        return true;
    }
    bpf_spin_lock(&lock->lock);
    until = l->until_ns > now ? l->until_ns : now;
    over = until + cost > now + r->burst_ns;
    if (over)
        l->dropped++;
    else
        l->until_ns = until + cost;
    bpf_spin_unlock(&lock->lock);
    return over;
}

volatile __u64 packet_woken_ns = 0;

static __always_inline void packet_send(struct packet_work *w, const struct sg_packet_seen *seen,
                                        __u32 actions, __u64 packets, __u64 bytes, __u64 now)
{
    struct sg_packet_record *rec = bpf_ringbuf_reserve(&packet_records, sizeof(*rec), 0);
    __u64 wake = BPF_RB_NO_WAKEUP;

    if (!rec) {
        packet_count(SG_PACKET_COUNT_LOST);
        return;
    }
    rec->size = sizeof(*rec);
    rec->actions = actions;
    __builtin_memcpy(&rec->kind, &w->kind, sizeof(rec->kind));
    rec->first_ns = seen->first_ns;
    rec->time_ns = now;
    rec->packets = packets;
    rec->bytes = bytes;
    rec->length = seen->length;
    rec->sport = seen->sport;
    rec->reserved = 0;
    if (now - packet_woken_ns >= SG_WAKE_NS) {
        packet_woken_ns = now;
        wake = BPF_RB_FORCE_WAKEUP;
    }
    bpf_ringbuf_submit(rec, wake);
    packet_count(SG_PACKET_COUNT_RECORDS);
}

/* A kind that was told of before: adds this packet, and tells of it again when it is time. */
static __always_inline void packet_tell_again(struct packet_work *w, struct sg_packet_seen *s,
                                              __u32 actions, __u64 now)
{
    struct packet_lock *lock = packet_lock_of(w->kind.src);
    __u64 packets = 0, bytes = 0;

    if (!lock)
        return;
    bpf_spin_lock(&lock->lock);
    s->packets++;
    s->bytes += w->seen.bytes;
    s->last_ns = now;
    if (now - s->told_ns >= SG_PACKET_TELL_NS) {
        packets = s->packets - s->told_packets;
        bytes = s->bytes - s->told_bytes;
        s->told_packets = s->packets;
        s->told_bytes = s->bytes;
        s->told_ns = now;
    }
    bpf_spin_unlock(&lock->lock);
    if (packets)
        packet_send(w, s, actions, packets, bytes, now);
}

/* Tells of this packet, or adds it to what was told of its kind. */
__noinline int packet_tell(__u32 actions, __u32 verdict)
{
    struct packet_work *w = packet_work_of();
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_packet_seen *seen;
    struct sg_packet_ip *ip;

    if (!w)
        return 0;
    ip = &w->p.ip;
    __builtin_memset(&w->kind, 0, sizeof(w->kind));
    __builtin_memcpy(w->kind.src, ip->src, 16);
    __builtin_memcpy(w->kind.dst, ip->dst, 16);
    w->kind.rule = w->rule;
    w->kind.generation = w->generation;
    w->kind.ifindex = w->ifindex;
    w->kind.port = ip->flags & SG_PACKET_HAS_PORTS ? ip->dport : 0;
    w->kind.protocol = ip->protocol;
    w->kind.direction = (__u8)w->direction;
    w->kind.verdict = (__u8)verdict;
    w->kind.monitor = (actions & SG_PACKET_DO_MONITOR) != 0;
    w->seen.bytes = sg_packet_length(&w->p);
    seen = bpf_map_lookup_elem(&packet_kinds, &w->kind);
    if (seen) {
        packet_tell_again(w, seen, actions, now);
        return 0;
    }
    w->seen.first_ns = w->seen.last_ns = w->seen.told_ns = now;
    w->seen.packets = w->seen.told_packets = 1;
    w->seen.told_bytes = w->seen.bytes;
    w->seen.length = (__u32)w->seen.bytes;
    w->seen.sport = ip->flags & SG_PACKET_HAS_PORTS ? ip->sport : 0;
    w->seen.reserved = 0;
    if (bpf_map_update_elem(&packet_kinds, &w->kind, &w->seen, BPF_NOEXIST) == 0)
        packet_send(w, &w->seen, actions, 1, w->seen.bytes, now);
    else {
        seen = bpf_map_lookup_elem(&packet_kinds, &w->kind);
        if (seen)
            packet_tell_again(w, seen, actions, now);
        else
            packet_count(SG_PACKET_COUNT_FULL);
    }
    return 0;
}

static __always_inline void packet_add(struct packet_work *w, bool packet, bool drop)
{
    __u32 i = (w->half & 1) * SG_PACKET_RULES_MAX + (w->rule & (SG_PACKET_RULES_MAX - 1));
    struct sg_packet_sums *s = bpf_map_lookup_elem(&packet_sums, &i);

    if (!s)
        return;
    if (packet) {
        s->packets++;
        s->bytes += sg_packet_length(&w->p);
    }
    s->drops += drop;
}

/* What a rule's actions come to, for this packet. */
static __always_inline __u32 packet_judge(struct packet_work *w, struct sg_packet_rule *r)
{
    __u32 actions = r->actions;

    if (actions & SG_PACKET_DO_DROP)
        return SG_PACKET_DROPPED;
    /* Without its first fragment a datagram is of no use to anybody. */
    if (w->p.ip.flags & SG_PACKET_IS_LATER && w->frag.dropped)
        return SG_PACKET_LIMITED;
    /* What XDP let pass was taken from the bucket there. */
    if (actions & SG_PACKET_DO_LIMIT &&
        (w->stage == PACKET_XDP || w->direction == SG_PACKET_OUT ||
         !(w->iface.flags & SG_PACKET_IF_EARLY) || actions & SG_PACKET_DO_MONITOR) &&
        packet_exceeds(w, r))
        return SG_PACKET_LIMITED;
    if (actions & SG_PACKET_DO_ROUTE)
        return SG_PACKET_ROUTED;
    if (actions & (SG_PACKET_DO_MARK | SG_PACKET_DO_DSCP | SG_PACKET_DO_REWRITE))
        return SG_PACKET_CHANGED;
    return SG_PACKET_PASSED;
}

/* The rule's say: w->verdict, and in w->actions what is to be done with a packet that passes. */
__noinline int packet_apply(void)
{
    struct packet_work *w = packet_work_of();
    struct sg_packet_rule *r;
    __u32 verdict, actions;
    bool drop;

    if (!w)
        return 0;
    r = packet_rule_of(w);
    if (!r)
        return 0;
    actions = r->actions;
    verdict = packet_judge(w, r);
    drop = verdict == SG_PACKET_DROPPED || verdict == SG_PACKET_LIMITED;
    /* What goes on from XDP is counted where it comes to next. */
    if (w->stage == PACKET_XDP && !drop)
        return 0;
    if (!(actions & SG_PACKET_DO_MONITOR)) {
        w->verdict = verdict;
        w->actions = actions;
    }
    packet_add(w, true, drop && !(actions & SG_PACKET_DO_MONITOR));
    if (actions & SG_PACKET_DO_AUDIT || drop ||
        (actions & SG_PACKET_DO_MONITOR && verdict != SG_PACKET_PASSED))
        packet_tell(actions, verdict);
    return 0;
}

/* What the rule asks for cannot be done: the packet goes nowhere, and that is told of. */
static __always_inline void packet_refuse(__u32 why)
{
    struct packet_work *w = packet_work_of();

    packet_count(why);
    if (!w || w->rule >= SG_PACKET_RULES_MAX)
        return;
    w->verdict = SG_PACKET_REFUSED;
    packet_add(w, false, true);
    packet_tell(w->actions, SG_PACKET_REFUSED);
}

#endif
