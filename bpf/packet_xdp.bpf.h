/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets at XDP: what is only dropped, or held to a rate, is so before the stack has made anything of it. All else is for tc. */
#ifndef SG_BPF_PACKET_XDP_H
#define SG_BPF_PACKET_XDP_H

#include "lib/packet_decide.bpf.h"

__noinline int packet_read_xdp(struct xdp_md *xdp)
{
    struct packet_frame m = {.xdp = xdp, .early = true};
    struct packet_work *w = packet_work_of();

    if (!w || sg_packet_ethernet(m, &w->p))
        return -1;
    return sg_packet_ip(m, &w->p);
}

/* Is this rule one that is carried out here? One that does more needs what only tc has. */
static __always_inline bool packet_is_early(struct packet_work *w)
{
    struct sg_packet_rule *r = packet_rule_of(w);

    return r && r->actions & SG_PACKET_DO_EARLY &&
           !(r->actions & (SG_PACKET_DO_MONITOR | SG_PACKET_DO_MIRROR));
}

SEC("xdp")
int packet_early(struct xdp_md *xdp)
{
    __u32 len = (__u32)(xdp->data_end - xdp->data);
    struct packet_work *w;
    int r;

    if (!packet_begin(xdp->ingress_ifindex, SG_PACKET_IN, PACKET_XDP, len))
        return XDP_PASS;
    r = packet_read_xdp(xdp);
    w = packet_work_of();
    if (!w)
        return XDP_PASS;
    if (r)
        return packet_is_refused(w) ? XDP_DROP : XDP_PASS;
    packet_decide();
    if (packet_is_early(w))
        packet_apply();
    packet_remember();
    return w->verdict == SG_PACKET_DROPPED || w->verdict == SG_PACKET_LIMITED ? XDP_DROP : XDP_PASS;
}

#endif
