// SPDX-License-Identifier: GPL-2.0-only
/* A program that does nothing on the hook that every use of a capability passes: what tests/vm/cases/control_cost.sh compares with. */
#include "lib/common.bpf.h"

SEC("lsm/capable")
int null_capable(void *ctx)
{
    return 0;
}

char _license[] SEC("license") = "GPL";
