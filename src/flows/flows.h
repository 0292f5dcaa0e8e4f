// SPDX-License-Identifier: Apache-2.0
//
// Who talks to whom, and what the kernel drops: loads the programs of bpf/flow.bpf.c, reads their records and tables, and takes the
// programs away again. They cost every connection, every datagram and every dropped packet of the host, so they are there only
// between flows_open() and flows_close(); nothing is pinned, and the kernel drops them with this process. Called by whoever shows
// the network or records it; owns programs, links, maps and the table of live flows. One thread owns a struct flows.
//
//     r = flows_open(&options, &flows, &err);
//     … when flows_fd() is readable: flows_consume(flows, on_flow, ctx);
//     … every few seconds:           flows_tick(flows, on_flow, ctx);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "flows/flow.h"
#include "flows/table.h"

#define FLOWS_ROWS_MAX 81920u // live flows: as many as the kernel side keeps
#define FLOWS_IDLE_NS \
    UINT64_C(         \
        30000000000) // the usual one, after NAT of UDP (RFC 4787 4.3 asks for more: they are the NAT's)

struct flows;

struct flows_options {
    size_t max_rows;  // 0: FLOWS_ROWS_MAX
    uint64_t idle_ns; // 0: FLOWS_IDLE_NS
};

// options may be NULL. -EPERM, -ENOTSUP (a kernel without type information), … with err.
int flows_open(const struct flows_options *options, struct flows **ret, struct error *err);
struct flows *flows_close(struct flows *f);
DEFINE_CLEANUP(struct flows *, flows_close)

// Places that this kernel lacks, so that what passes there is not seen: "fentry/udp_send_skb, …"; "" when it has all. On loan.
const char *flows_absent(const struct flows *f);

// Readable when there are records, or may be. On loan.
int flows_fd(const struct flows *f);

// Reads what is in the ring; fn has each record, in the order of the ring. How many there were, or what fn returned negative.
int flows_consume(struct flows *f, flow_fn fn, void *ctx);

// A look at the flows of datagrams: fn has those that ended, because no datagram came for a while or because the kernel put them out.
// Reads the ring as well, so that fn has its records, too. 0, a negative errno, or what fn returned negative.
int flows_tick(struct flows *f, flow_fn fn, void *ctx);

// The live flows, in no order, as of the last flows_consume() and flows_tick(). Negative of fn stops.
int flows_each(const struct flows *f, flow_fn fn, void *ctx);

// What was counted since flows_open(); bounds that were met are in here.
struct flows_counts {
    struct sg_flow_counts kernel; // of all CPUs together
    struct flow_table_counts table;
    uint64_t bad; // records that contradict themselves
    uint64_t
        missed; // calls of programs that the kernel left out, since it was in the middle of one; counted from 5.12 on
    uint64_t live; // rows
};
int flows_counts(const struct flows *f, struct flows_counts *ret);

// Dropped packets by reason, place, protocol and service.
struct drop {
    struct sg_drop_key key;
    struct sg_drop_value value;
    char reason
        [48]; // "NO_SOCKET"; "" where the kernel has none, "subsystem 2, 5" for one of a module's own
    char place[64]; // "tcp_v4_rcv+0x9a"; the address where there is no name
};

// Packets that this host passes on for others, by both addresses, protocol and service.
struct forward {
    struct sg_forward_key key;
    struct sg_forward_value value;
};

struct forwards {
    struct forward *items; // most bytes first
    size_t n, cap;
};
int flows_forwards(struct flows *f, struct forwards *ret);
void forwards_done(struct forwards *d);
// Takes out what was not seen for so long: the table is for what goes on. flows_tick() does it.
#define FORWARDS_KEPT_NS UINT64_C(600000000000)
void flows_forwards_forget(struct flows *f, uint64_t now_ns);

struct drops {
    struct drop *items; // most packets first
    size_t n, cap;
};
int flows_drops(struct flows *f, struct drops *ret);
void drops_done(struct drops *d);
