// SPDX-License-Identifier: Apache-2.0
//
// The live flows: one row for each connection, listener and flow of datagrams that goes on. Rows come and go by records of the
// kernel side; those of datagrams also by looks at the kernel's table, which tells what they have sent, which are idle, and which
// were put out for others. Bounded: what finds no room is counted, and its end is handed on all the same.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "flows/flow.h"

// Takes an event: the flow is on loan for the call. Negative: the caller stops and passes it on.
typedef int (*flow_fn)(void *ctx, const struct flow *flow);

struct flow_table;

struct flow_table_counts {
    uint64_t full;     // flows without a row
    uint64_t replaced; // rows whose end was never told
    uint64_t evicted;  // flows of datagrams that the kernel put out for others
    uint64_t idle;     // … that came to rest
};

// idle_ns: after how long without a datagram a flow has ended.
int flow_table_new(size_t max_rows, uint64_t idle_ns, struct flow_table **ret);
struct flow_table *flow_table_free(struct flow_table *t);
DEFINE_CLEANUP(struct flow_table *, flow_table_free)

// A record: brings the table up to date and hands it on; before it, the end of a flow of datagrams whose place it takes.
int flow_table_record(struct flow_table *t, const struct flow *flow, flow_fn fn, void *ctx);

// A look at the kernel's table: begin, each of its entries, end. flow_table_entry() says true when the entry is to be taken out of
// the kernel's table: the flow is idle at now_ns. What was taken out is said by flow_table_idle(), with its last sums, before the
// look ends; it hands on the end. Flows that began before the look and were in no entry were put out: flow_table_look_end() hands
// on their ends.
void flow_table_look(struct flow_table *t, uint64_t now_ns);
bool flow_table_entry(struct flow_table *t, const struct flow *entry);
int flow_table_idle(struct flow_table *t, const struct flow *entry, flow_fn fn, void *ctx);
int flow_table_look_end(struct flow_table *t, flow_fn fn, void *ctx);

// After records were lost: takes out connections and listeners that `lives` denies. Returns how many.
size_t flow_table_prune(struct flow_table *t, bool (*lives)(void *ctx, uint64_t socket), void *ctx);

size_t flow_table_len(const struct flow_table *t);
void flow_table_counts(const struct flow_table *t, struct flow_table_counts *ret);
// All rows, in no order; negative of fn stops.
int flow_table_each(const struct flow_table *t, flow_fn fn, void *ctx);
