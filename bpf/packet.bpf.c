// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules about packets: an object of its own, since it is attached to interfaces and not to hooks, and only where rules speak of
 * packets.
 */
#include "packet_tc.bpf.h"
#include "packet_xdp.bpf.h"

char _license[] SEC("license") = "GPL";
