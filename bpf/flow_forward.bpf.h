/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets that the host passes on for others, added up by both addresses, protocol and service, in each network namespace. They are
 * nobody's of this host, so that no socket tells of them. Counted is what is to be forwarded: what a rule of netfilter's stops behind
 * this place is among what is dropped, too.
 */
#ifndef SG_BPF_FLOW_FORWARD_H
#define SG_BPF_FLOW_FORWARD_H

#include "flow_drop.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SG_FORWARDS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_forward_key);
    __type(value, struct sg_forward_value);
} flow_forwards SEC(".maps");

static __always_inline int sg_forward(struct sk_buff *skb, __u16 ethertype)
{
    struct sg_forward_value fresh = {}, *v;
    struct sg_forward_key key = {};
    struct sg_drop_ends ends = {};
    struct net_device *dev = skb->dev;
    __u64 now = bpf_ktime_get_boot_ns();

    sg_drop_ends_of(&ends, skb, ethertype);
    __builtin_memcpy(key.source, ends.source, sizeof(key.source));
    __builtin_memcpy(key.destination, ends.destination, sizeof(key.destination));
    key.protocol = ends.protocol;
    key.service = sg_drop_service_of(&ends);
    if (dev)
        key.net_ns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
    v = bpf_map_lookup_elem(&flow_forwards, &key);
    if (!v) {
        fresh.first_ns = now;
        bpf_map_update_elem(&flow_forwards, &key, &fresh, BPF_NOEXIST);
        v = bpf_map_lookup_elem(&flow_forwards, &key);
    }
    if (!v) {
        SG_FLOW_COUNT(forwards_full);
        return 0;
    }
    __sync_fetch_and_add(&v->packets, 1);
    __sync_fetch_and_add(&v->bytes, skb->len);
    v->last_ns = now;
    return 0;
}

SEC("fentry/ip_forward")
int BPF_PROG(flow_forward_4, struct sk_buff *skb)
{
    return sg_forward(skb, ETH_P_IP);
}

SEC("fentry/ip6_forward")
int BPF_PROG(flow_forward_6, struct sk_buff *skb)
{
    return sg_forward(skb, ETH_P_IPV6);
}

#endif
