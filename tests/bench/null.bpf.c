// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that do nothing, on every place that safeguard attaches to for a policy with all
 * operations: what the mechanism costs before any decision.
 */
#include "lib/common.bpf.h"

#define NULL_LSM(hook)         \
    SEC("lsm/" #hook)          \
    int null_##hook(void *ctx) \
    {                          \
        return 0;              \
    }

#define SG_HOOK(id, ops, canary, help)         NULL_LSM(id)
#define SG_HOOK_CONTROL(id, ops, canary, help) /* of other policies */
#define NULL_PLACE(name, section) \
    SEC(section)                  \
    int null_##name(void *ctx)    \
    {                             \
        return 0;                 \
    }

#include "abi/hooks.def"

NULL_PLACE(fork, "tp_btf/sched_process_fork")
NULL_PLACE(exec, "tp_btf/sched_process_exec")
NULL_PLACE(exit, "tp_btf/sched_process_exit")
NULL_PLACE(d_move, "fexit/d_move")
NULL_PLACE(d_exchange, "fexit/d_exchange")

char _license[] SEC("license") = "GPL";
