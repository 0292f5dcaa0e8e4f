// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scheduler for sched_ext, an object of its own: the agent loads it where its settings ask for it and a policy has rules that
 * schedule. It is held by a link that the agent has open, so that it goes with the agent, however that ends.
 */
#include "ext.bpf.h"

char _license[] SEC("license") = "GPL";
