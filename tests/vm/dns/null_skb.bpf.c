// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do nothing, where every packet of a socket passes: what tests/vm/cases/dns_cost.sh compares with. */
#include "lib/kernel.h"

#include <bpf/bpf_helpers.h>

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
