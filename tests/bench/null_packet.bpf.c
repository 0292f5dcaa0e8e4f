// SPDX-License-Identifier: GPL-2.0-only
/* The other way to see every datagram, with programs that do nothing: for tests/vm/cases/flows_cost.sh. */
#include "lib/common.bpf.h"

SEC("cgroup_skb/egress")
int null_egress(void *ctx)
{
    return 1;
}

SEC("cgroup_skb/ingress")
int null_ingress(void *ctx)
{
    return 1;
}

char _license[] SEC("license") = "GPL";
