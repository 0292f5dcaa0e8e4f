// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that do nothing, on the tracepoints that what is added up about scheduling attaches to and that a switch passes.
 */
#include "lib/kernel.h"

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int null_sched_switch(void *ctx)
{
    return 0;
}

SEC("tp_btf/sched_wakeup")
int null_sched_wakeup(void *ctx)
{
    return 0;
}

SEC("tp_btf/sched_wakeup_new")
int null_sched_wakeup_new(void *ctx)
{
    return 0;
}

char _license[] SEC("license") = "GPL";
