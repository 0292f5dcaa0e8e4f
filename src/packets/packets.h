// SPDX-License-Identifier: Apache-2.0
//
// Packets that rules decide: loads the programs of bpf/packet.bpf.c, puts rules into the kernel, and programs onto the interfaces
// that rules are about, now and when one comes, goes, or gets another name. Called by the agent, and by nobody else at the same time
// with the same directory of pins. Owns programs, maps, and one place on each such interface; leaves filters, qdiscs and XDP programs
// of others alone. One thread owns a struct packets.
//
// What is in force outlives this process, by pins in a directory of a bpf file system: whoever comes next puts its own programs into
// the same places, at once. packets_clear() ends it.
//
//     r = packets_new(pin_dir, &p, &err);
//     r = packets_apply(p, &rules, &err);
//     … when packets_fd() is readable:  packets_consume(p, on_event, ctx);
//     … every few seconds:              packets_tick(p, on_event, ctx);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/packet.h"

struct packets;

// Nothing is loaded yet. The directory is made when there is something to pin; its parents have to be there.
int packets_new(const char *pin_dir, struct packets **ret, struct error *err);

// Ends this process's part; what is in force stays so.
struct packets *packets_free(struct packets *p);
DEFINE_CLEANUP(struct packets *, packets_free)

// These rules, which are copied, come into force in place of those before, all at once; none: everything is taken away. On an error
// what was in force still is. What could not be done on one interface is no error, but a problem (packets_problem()).
int packets_apply(struct packets *p, const struct packet_rules *rules, struct error *err);

// Takes everything away that this process, or one before it, has put there: programs, pins, and a clsact qdisc that nobody else
// uses. Without a struct packets, since a stopped agent's rules may be what is to end.
int packets_clear(const char *pin_dir, struct error *err);

// Readable when there are records, or when interfaces have changed. On loan.
int packets_fd(const struct packets *p);

// Takes what there is: records go to fn, interfaces that came get their programs. How many records, or what fn returned negative.
typedef int (*packets_fn)(void *ctx, const struct packet_event *e);
int packets_consume(struct packets *p, packets_fn fn, void *ctx);

// Tells of kinds of packets that have not been told of to their end. 0 or negative.
int packets_tick(struct packets *p, packets_fn fn, void *ctx);

// Where a program is, and how.
enum packets_way {
    PACKETS_NOT = 0,
    PACKETS_TCX,
    PACKETS_CLSACT,
    PACKETS_XDP_NATIVE,
    PACKETS_XDP_GENERIC,
};
const char *packets_way_name(enum packets_way way); // "tcx", …; NULL: PACKETS_NOT

struct packets_place {
    const char *interface;
    uint32_t ifindex;
    enum packets_way in, out, early;
};
// The i'th interface with a program; false: there is none.
bool packets_place(const struct packets *p, size_t i, struct packets_place *ret);

// The i'th problem, which says where, and its cure; false: there is none. On loan until the next call that changes something.
bool packets_problem(const struct packets *p, size_t i, const char **ret_what,
                     const char **ret_cure);

// Of a rule, since the policy is in force.
int packets_sums(const struct packets *p, uint32_t number, struct sg_packet_sums *ret);

// SG_PACKET_COUNT_MAX counters of all CPUs together.
int packets_counts(const struct packets *p, uint64_t ret[SG_PACKET_COUNT_MAX]);
