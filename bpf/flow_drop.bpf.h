/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets that the kernel drops, added up by reason, place, protocol and service. What is merely used up (consume_skb) passes
 * another tracepoint; where a kernel has one for both, its reason says so.
 */
#ifndef SG_BPF_FLOW_DROP_H
#define SG_BPF_FLOW_DROP_H

#include "lib/flow.bpf.h"

#define SG_DROP_FRAGMENT 0x1fff /* of the offset in the header of IPv4 */
#define SG_NO_HEADER     0xffffu

/* From 5.17 on, with this one from 6.5 on. */
enum skb_drop_reason___consumed { SKB_CONSUMED___consumed = 1 };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SG_DROPS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_drop_key);
    __type(value, struct sg_drop_value);
} flow_drops SEC(".maps");

/* The header of either version, and the first bytes behind one of IPv4 without options or one of IPv6. */
struct sg_drop_header {
    __u8 bytes[44];
};

struct sg_drop_ends {
    __u8 source[16], destination[16];
    __u16 source_port, destination_port;
    __u8 protocol;
};

static __always_inline bool sg_drop_has_ports(__u8 protocol)
{
    /* TCP, UDP, DCCP, SCTP, UDP-Lite */
    return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

static __always_inline void sg_drop_read_ports(struct sg_drop_ends *e, const unsigned char *at)
{
    __u16 ports[2] = {};

    if (!sg_drop_has_ports(e->protocol))
        return;
    bpf_probe_read_kernel(ports, sizeof(ports), at);
    e->source_port = bpf_ntohs(ports[0]);
    e->destination_port = bpf_ntohs(ports[1]);
}

/* The packet may be no more than a header, or less: what is said of it is what lies there. */
static __always_inline void sg_drop_ends_of(struct sg_drop_ends *e, struct sk_buff *skb,
                                            __u16 ethertype)
{
    const unsigned char *at = skb->head + skb->network_header;
    struct sg_drop_header h = {};

    if (skb->network_header == SG_NO_HEADER || !skb->network_header)
        return;
    bpf_probe_read_kernel(&h, sizeof(h), at);
    if (ethertype == ETH_P_IP && h.bytes[0] >> 4 == 4) {
        e->protocol = h.bytes[9];
        sg_flow_map_ipv4(e->source, *(__u32 *)(h.bytes + 12));
        sg_flow_map_ipv4(e->destination, *(__u32 *)(h.bytes + 16));
        if (!(bpf_ntohs(*(__u16 *)(h.bytes + 6)) & SG_DROP_FRAGMENT))
            sg_drop_read_ports(e, at + (h.bytes[0] & 15) * 4);
    } else if (ethertype == ETH_P_IPV6 && h.bytes[0] >> 4 == 6) {
        e->protocol = h.bytes[6];
        __builtin_memcpy(e->source, h.bytes + 8, sizeof(e->source));
        __builtin_memcpy(e->destination, h.bytes + 24, sizeof(e->destination));
        sg_drop_read_ports(e, at + 40);
    }
}

static __always_inline __u16 sg_drop_service_of(const struct sg_drop_ends *e)
{
    __u16 low = e->source_port < e->destination_port ? e->source_port : e->destination_port;

    if (low < SG_DROP_REGISTERED)
        return low;
    return low < SG_DROP_EPHEMERAL ? SG_DROP_REGISTERED : SG_DROP_EPHEMERAL;
}

static __always_inline void sg_drop_make(const struct sg_drop_key *key,
                                         const struct sg_drop_ends *e, struct sk_buff *skb,
                                         __u64 now)
{
    struct net_device *dev = skb->dev;
    struct sg_drop_value v = {};

    v.first_ns = now;
    __builtin_memcpy(v.source, e->source, sizeof(v.source));
    __builtin_memcpy(v.destination, e->destination, sizeof(v.destination));
    v.source_port = e->source_port;
    v.destination_port = e->destination_port;
    v.ifindex = skb->skb_iif;
    /* A socket's queue has something else where the device was. */
    if (!skb->sk && dev) {
        v.net_ns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
        v.ifindex = BPF_CORE_READ(dev, ifindex);
    }
    bpf_map_update_elem(&flow_drops, key, &v, BPF_NOEXIST);
}

static __always_inline int sg_drop(struct sk_buff *skb, __u64 place, __u32 reason)
{
    struct sg_drop_key key = {.place = place, .reason = reason};
    struct sg_drop_ends ends = {};
    struct sg_drop_value *v;
    __u64 now;

    key.ethertype = bpf_ntohs(skb->protocol);
    if (!key.ethertype) {
        SG_FLOW_COUNT(drops_other);
        return 0;
    }
    sg_drop_ends_of(&ends, skb, key.ethertype);
    key.protocol = ends.protocol;
    key.service = sg_drop_service_of(&ends);
    now = bpf_ktime_get_boot_ns();
    v = bpf_map_lookup_elem(&flow_drops, &key);
    if (!v) {
        sg_drop_make(&key, &ends, skb, now);
        v = bpf_map_lookup_elem(&flow_drops, &key);
    }
    if (!v) {
        SG_FLOW_COUNT(drops_full);
        return 0;
    }
    __sync_fetch_and_add(&v->packets, 1);
    __sync_fetch_and_add(&v->bytes, skb->len);
    v->last_ns = now;
    return 0;
}

/* Up to 5.16. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(flow_drop_2, struct sk_buff *skb, void *location)
{
    return sg_drop(skb, (__u64)location, 0);
}

/* … and with a fourth argument, the socket, from 6.11 on. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(flow_drop_3, struct sk_buff *skb, void *location, __u32 reason)
{
    if (!reason)
        return 0; /* it was not dropped */
    if (bpf_core_enum_value_exists(enum skb_drop_reason___consumed, SKB_CONSUMED___consumed) &&
        reason == bpf_core_enum_value(enum skb_drop_reason___consumed, SKB_CONSUMED___consumed))
        return 0;
    return sg_drop(skb, (__u64)location, reason);
}

#endif
