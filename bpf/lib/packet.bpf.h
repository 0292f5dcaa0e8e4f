/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all programs about packets share: tables, counters, memory for the packet at hand, and how its bytes are read.
 *
 * Each CPU has one piece of memory. Programs at XDP and tc run where bottom halves are off, so none of them comes in between another
 * on its CPU, but for the copy of a packet that a program sends itself (packet_mirror()), which leaves the memory alone.
 *
 * Functions are global and look for the memory by themselves, to be verified once each.
 */
#ifndef SG_BPF_LIB_PACKET_H
#define SG_BPF_LIB_PACKET_H

#include "common.bpf.h"

#include "abi/packet.h"

/* Which context it is, the compiler knows at each place. */
struct packet_frame {
    struct __sk_buff *skb;
    struct xdp_md *xdp;
    bool early; /* it is xdp */
};
#define SG_PACKET_T                               struct packet_frame
#define sg_packet_load(m, at, to, n)              packet_load(m, at, to, n)
#define sg_packet_store(m, at, from, n, flags)    bpf_skb_store_bytes((m).skb, at, from, n, flags)
#define sg_packet_l3_csum(m, at, from, to, size)  bpf_l3_csum_replace((m).skb, at, from, to, size)
#define sg_packet_l4_csum(m, at, from, to, flags) bpf_l4_csum_replace((m).skb, at, from, to, flags)

static __always_inline int packet_load(struct packet_frame m, __u32 at, void *to, const __u32 n)
{
    void *data, *end;

    __u64 off = at;

    if (at > SG_PACKET_HEADERS_MAX)
        return -1;
    /* The same once more, in the register that is added: verifiers do not know of a copy what is known of its original. */
    asm volatile("%0 &= 4095" : "+r"(off));
    if (m.early) {
        data = (void *)(long)m.xdp->data;
        end = (void *)(long)m.xdp->data_end;
    } else {
        data = (void *)(long)m.skb->data;
        end = (void *)(long)m.skb->data_end;
    }
    data += off;
    asm volatile("" : "+r"(data)); /* what is compared is what is read from */
    if (data + n <= end) {
        __builtin_memcpy(to, data, n);
        return 0;
    }
    /* What is not in one piece. */
    return m.early ? -1 : (int)bpf_skb_load_bytes(m.skb, at, to, n);
}

#include "abi/packet_edit.h"

enum { PACKET_XDP = 0, PACKET_TC = 1 }; /* stages: PACKET_TC + direction */

struct packet_work {
    struct sg_packet p;
    struct sg_packet_interface iface;
    __u32 ifindex, direction, stage, half;
    __u32 generation;
    __u32 rule;    /* SG_PACKET_NO_RULE: none */
    __u32 actions; /* that are done */
    __u32 verdict; /* enum sg_packet_verdict, that is carried out */
    __u16 rows[8];
    struct sg_packet_prefix prefix;
    struct sg_packet_ends ends; /* what they are to be */
    struct sg_packet_conn_key key, other;
    struct sg_packet_conn conn;
    struct sg_packet_frag_key frag_key;
    struct sg_packet_frag frag;
    struct sg_packet_limit_key limit_key;
    struct sg_packet_limit limit;
    struct sg_packet_kind kind;
    struct sg_packet_seen seen;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct packet_work);
} packet_works SEC(".maps");

/* By size: a type that is only reached from within another map's is left out of the object. */
struct packet_tables_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(struct sg_packet_tables));
};

struct packet_trie {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, SG_PACKET_PREFIXES_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(key_size, sizeof(struct sg_packet_prefix));
    __uint(value_size, sizeof(__u32));
};

/* By half. What is written to one of these is only there when every program that may still see what was there has ended. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, struct packet_tables_map);
} packet_tables SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, struct packet_trie);
} packet_sources SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, struct packet_trie);
} packet_targets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2 * SG_PACKET_INTERFACES_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_packet_interface_key);
    __type(value, struct sg_packet_interface);
} packet_interfaces SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_packet_control);
} packet_control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_PACKET_COUNT_MAX);
    __type(key, __u32);
    __type(value, __u64);
} packet_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2 * SG_PACKET_RULES_MAX);
    __type(key, __u32);
    __type(value, struct sg_packet_sums);
} packet_sums SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries,
           SG_PACKET_CONNS_MAX); /* few where nothing is rewritten: the loader sees to it */
    __type(key, struct sg_packet_conn_key);
    __type(value, struct sg_packet_conn);
} packet_conns SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_PACKET_FRAGS_MAX);
    __type(key, struct sg_packet_frag_key);
    __type(value, struct sg_packet_frag);
} packet_frags SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_PACKET_LIMITS_MAX); /* as packet_conns, where nothing is limited */
    __type(key, struct sg_packet_limit_key);
    __type(value, struct sg_packet_limit);
} packet_limits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_PACKET_KINDS_MAX);
    __type(key, struct sg_packet_kind);
    __type(value, struct sg_packet_seen);
} packet_kinds SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} packet_records SEC(".maps");

struct packet_lock {
    struct bpf_spin_lock lock;
};

/* Of those who add to an entry of packet_limits or packet_kinds, by what it is of: such tables take no lock of their own on 5.10. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SG_PACKET_LOCKS);
    __type(key, __u32);
    __type(value, struct packet_lock);
} packet_locks SEC(".maps");

/* A name among the constants: without one the object would have no type information on 5.10. */
const volatile __u32 packet_version = 1;

static __always_inline void packet_count(__u32 what)
{
    __u64 *n = bpf_map_lookup_elem(&packet_counters, &what);

    if (n)
        *n += 1;
}

static __always_inline struct packet_work *packet_work_of(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&packet_works, &zero);
}

static __always_inline struct sg_packet_tables *packet_tables_of(__u32 half)
{
    void *map = bpf_map_lookup_elem(&packet_tables, &half);
    __u32 zero = 0;

    return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

static __always_inline struct packet_lock *packet_lock_of(const __u8 addr[16])
{
    __u32 n = sg_packet_word(addr + 12) ^ sg_packet_word(addr + 4);

    n ^= n >> 16;
    n ^= n >> 8;
    n &= SG_PACKET_LOCKS - 1;
    return bpf_map_lookup_elem(&packet_locks, &n);
}

/* Begins with a packet: what its interface is to the policy in force. False: no rule speaks of it. */
static __always_inline bool packet_begin(__u32 ifindex, __u32 direction, __u32 stage, __u32 len)
{
    struct sg_packet_interface_key key = {.ifindex = ifindex};
    struct sg_packet_interface *iface;
    struct sg_packet_control *control;
    struct packet_work *w;
    __u32 zero = 0;

    control = bpf_map_lookup_elem(&packet_control, &zero);
    if (!control || !control->generation)
        return false;
    key.half = *(volatile __u32 *)&control->half;
    iface = bpf_map_lookup_elem(&packet_interfaces, &key);
    w = packet_work_of();
    if (!iface || !w || (stage == PACKET_XDP && !(iface->flags & SG_PACKET_IF_EARLY)))
        return false;
    w->iface = *iface;
    w->ifindex = ifindex;
    w->direction = direction;
    w->stage = stage;
    w->half = key.half;
    w->generation = control->generation;
    w->rule = SG_PACKET_NO_RULE;
    w->actions = 0;
    w->verdict = SG_PACKET_PASSED;
    w->frag.time_ns = 0;
    w->frag.rewritten = 0;
    w->frag.dropped = 0;
    w->p.len = len;
    w->p.reason = SG_PACKET_FINE;
    return true;
}

/* A packet that cannot be read: is it dropped? */
static __always_inline bool packet_is_refused(struct packet_work *w)
{
    bool drop = w->p.reason > SG_PACKET_OTHER && w->iface.drops_bad[w->direction & 1];

    /* One that passes at XDP is counted where it comes to next. */
    if (drop || w->stage != PACKET_XDP)
        packet_count(SG_PACKET_COUNT_REASON + (w->p.reason & 15));
    if (drop)
        packet_count(SG_PACKET_COUNT_BAD_DROPPED);
    return drop;
}

#endif
