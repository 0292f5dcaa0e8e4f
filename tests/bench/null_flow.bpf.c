// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do nothing where flows are looked at (bpf/flow.bpf.c): what tests/vm/cases/flows_cost.sh compares with. */
#include "lib/common.bpf.h"

#define NULL_PLACE(name, section) \
    SEC(section)                  \
    int null_##name(void *ctx)    \
    {                             \
        return 0;                 \
    }

NULL_PLACE(udp_send_4, "fentry/udp_send_skb")
NULL_PLACE(udp_send_6, "fentry/udp_v6_send_skb")
NULL_PLACE(udp_receive, "fentry/skb_consume_udp")
NULL_PLACE(state, "tp_btf/inet_sock_set_state")
NULL_PLACE(accept, "fexit/inet_csk_accept")
NULL_PLACE(connect, "fexit/tcp_v4_connect")
NULL_PLACE(drop, "tp_btf/kfree_skb")

char _license[] SEC("license") = "GPL";
