/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is learnt from packets, as an object of its own: it is of use to rules that speak of domain names, and to records of who asked
 * for which, and costs others nothing.
 */
#include "dns.bpf.h"

char _license[] SEC("license") = "GPL";
