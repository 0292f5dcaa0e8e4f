// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who talks to whom, and what the kernel dropped: an object of its own, since it decides nothing and has a life of its own. It is
 * loaded when somebody asks for it, its links are not pinned, and it goes with its reader at the latest.
 */
#include "flow_datagram.bpf.h"
#include "flow_drop.bpf.h"
#include "flow_forward.bpf.h"
#include "flow_tcp.bpf.h"

char _license[] SEC("license") = "GPL";
