// SPDX-License-Identifier: Apache-2.0
//
// Domain names from the wire: loads the programs of bpf/dns.bpf.c, reads their records, and says by which names an address was
// learnt. Called by whoever records questions and answers, and by whoever decides by names: then the table of names is one that
// other programs read, and the programs outlive this process (pin_dir). Owns programs, links, maps and the watch on resolv.conf.
// One thread owns a struct dns. Never logs.
//
//     r = dns_open(&(struct dns_options){.names_fd = -1}, &dns, &err);
//     … when dns_fd() is readable: dns_consume(dns, on_record, ctx);
//
// Pinned, a set is
//     <pin_dir>/links/<program>   what goes on without us; a changed object is put in its place in one step
//     <pin_dir>/maps/<map>        names, open questions, records that wait, counters: whoever comes next has them, unless his are of
//                                 another kind or size
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/dns.h"
#include "abi/network.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "model/dns.h"

#define DNS_SERVERS_MAX 256u // that are believed; as many as the kernel side keeps

struct dns;

struct dns_options {
    const char *pin_dir; // in a bpf file system; NULL: nothing outlives this process
    int names_fd; // of a map sg_names that is used in the place of one of our own; -1: none is. On loan for the call.
    // Names are learnt of these servers, and of those that this host's resolv.conf has, in this host's network namespace; of all
    // others only without servers_only. Copied.
    const struct sg_dns_server *servers;
    size_t n_servers;
    bool servers_only;
    const char *root; // in front of the paths of resolv.conf, for tests; NULL: ""
};

// -EPERM, -ENOTSUP (no control groups of version 2, no type information), -EBUSY (somebody has pin_dir), -EMEDIUMTYPE (it is in no bpf
// file system), … with err; what was in force by pin_dir before goes on then.
int dns_open(const struct dns_options *options, struct dns **ret, struct error *err);

// What is pinned stays in force.
struct dns *dns_close(struct dns *d);
DEFINE_CLEANUP(struct dns *, dns_close)

// Ends what is pinned there, by us or an earlier process; nothing there is fine. -EBUSY: somebody has it.
int dns_remove(const char *pin_dir, struct error *err);

// Readable when there are records, or resolv.conf may have changed. On loan.
int dns_fd(const struct dns *d);

// The table of names, for bpf_map__reuse_fd(). On loan.
int dns_names_fd(const struct dns *d);

// Takes what came: fn has each record, on loan, in the order of the ring. Reads resolv.conf again when it changed. How many records there
// were, or what fn returned negative: that record counts as read.
typedef int (*dns_fn)(void *ctx, const struct dns_record *record);
int dns_consume(struct dns *d, dns_fn fn, void *ctx);

// The names by which the address (16 bytes, IPv4 as IPv4-mapped) was learnt and which are in use still, the one that is in use longest
// first; each is proved to be whole and of this address (abi/names.h). How many, up to SG_NAMES_MAX.
struct dns_name {
    uint64_t expires_ns; // CLOCK_BOOTTIME
    char name[SG_NET_NAME_MAX + 1];
};
size_t dns_names_of(const struct dns *d, const uint8_t address[16],
                    struct dns_name ret_names[SG_NAMES_MAX]);

// What was counted, of all CPUs together; since the maps were made, which a pinned set carries from process to process.
struct dns_counts {
    uint64_t kernel[SG_DNS_COUNT_MAX]; // by enum sg_dns_counter
    uint64_t bad;                      // records that contradict themselves
    uint64_t servers;                  // that are believed now
    uint64_t servers_full;             // … for which there was no room
};
int dns_counts(const struct dns *d, struct dns_counts *ret);
