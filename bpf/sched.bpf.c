// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scheduling, added up where it happens: an object of its own, since its life is another one than that of what enforces. It is
 * loaded while somebody looks, its links are not pinned, and it goes with the agent at the latest.
 */
#include "sched.bpf.h"

char _license[] SEC("license") = "GPL";
