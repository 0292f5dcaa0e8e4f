// SPDX-License-Identifier: Apache-2.0
//
// Which records of flows and of names are written one by one, and which are one record with a number: whoever scans ten thousand
// ports, or asks for as many names, must not fill a disk. Time goes in windows. In each one a process has a number of records of its
// own, and all processes together have one; what comes beyond is added up by what it is about, and when that is too much, too, by
// ever less of it: without the port, without the peer, without the name, at last without the process. Bounded, whatever comes; nothing
// is lost but what tells records apart. Called by net.c; owns the rows.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "model/network.h"

#define NET_WINDOW_NS  (10 * NS_PER_SEC)
#define NET_SINGLE_MAX 100u  // records of a process by themselves, in a window
#define NET_SINGLE_ALL 5000u // … of all together
#define NET_EXACT_MAX  16u   // rows of a process that tell services and names apart
#define NET_PEERS_MAX  16u   // … that tell peers apart
#define NET_ROWS_MAX   1024u // of all processes together; those without any of it are a few more
#define NET_PROCESSES  4096u // that are told apart

struct net_merge;

// One row: the first record that it was made of, with the sums of all.
struct net_merged {
    bool is_flow;
    enum network_wide wide;
    bool unanswered; // dns
    uint64_t count;
    uint64_t first_ns, last_ns; // of the records' own times
    struct flow flow;           // is_flow
    struct dns_record dns;      // !is_flow
};

struct net_merge_counts {
    uint64_t single; // records that were written by themselves
    uint64_t merged; // … that became part of another one
    uint64_t wide;   // … of these, whose port, peer or name nobody knows any more
    uint64_t nobody; // … or whose process
};

int net_merge_new(struct net_merge **ret); // -ENOMEM
struct net_merge *net_merge_free(struct net_merge *m);
DEFINE_CLEANUP(struct net_merge *, net_merge_free)

// True: write it. False: it is part of a row, or there was no memory for one (-> counts.merged has it all the same). now_ns:
// CLOCK_BOOTTIME; what is told may be older than the window.
bool net_merge_flow(struct net_merge *m, const struct flow *flow, uint64_t now_ns);
bool net_merge_dns(struct net_merge *m, const struct dns_record *dns, bool unanswered,
                   uint64_t now_ns);

// Ends the window when it is over at now_ns (CLOCK_BOOTTIME; UINT64_MAX: it is): fn has each row, on loan.
typedef void (*net_merged_fn)(void *ctx, const struct net_merged *row);
void net_merge_tick(struct net_merge *m, uint64_t now_ns, net_merged_fn fn, void *ctx);

void net_merge_counts(const struct net_merge *m, struct net_merge_counts *ret);
