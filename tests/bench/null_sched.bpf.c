// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that does nothing, on the tracepoint that what is added up about scheduling attaches to and that a switch passes.
 */
#include "lib/kernel.h"

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int null_sched_switch(void *ctx)
{
    return 0;
}

char _license[] SEC("license") = "GPL";
