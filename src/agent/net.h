// SPDX-License-Identifier: Apache-2.0
//
// Who talks to whom, in the agent: connections, flows of datagrams and questions about names become records, and what goes on now is
// shown to who looks (`safeguard net`, a server). The settings `flows` and `dns` say whether any of it is looked at. What cannot be
// looked at on this kernel is tried again, and said in the status.
//
//   net.c       the rooms flows and dns, from their records to ours    netmerge.c  many that are one record
//   netrecent.c what happened last, for who looks                       netanswer.c the answers
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netmerge.h"
#include "agent/netrecent.h"
#include "agent/uplink.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/table.h"
#include "dns/dns.h"
#include "flows/flows.h"

#define NET_NAMED_MAX   8192u             // live flows whose names are remembered
#define NET_PENDING_MAX 1024u             // questions that wait for their answer
#define NET_PENDING_NS  (10 * NS_PER_SEC) // after which nobody answers
#define NET_LOOK_NS     (5 * NS_PER_SEC)  // between two looks at flows of datagrams
#define NET_RETRY_NS    (60 * NS_PER_SEC)

struct agent;

// One of the two rooms.
struct net_part {
    struct loop_source *source;
    struct error error; // why it is not there; unset: it is, or is not to be
    uint64_t retry_ns;  // CLOCK_MONOTONIC
};

struct net {
    struct flows *flows; // NULL: not looked at
    struct dns *dns;
    struct net_part flows_part, dns_part;
    bool
        by_names; // rules have domain names: what is learnt outlives the agent, and only the host's own servers are believed
    struct net_merge *merge;
    struct net_recent *recent;
    struct map *names;   // by flow, of those that go on: char *, by which the other end was learnt
    struct map *pending; // by question: struct dns_record *
    struct event *event; // the record at hand
    bool
        settled; // whether there are, was said once: an agent before this one may have left programs
    uint64_t looked_ns;  // CLOCK_MONOTONIC
    uint64_t drained_ns; // CLOCK_BOOTTIME: records of processes were read up to then
    uint64_t seq;        // of the last record: how many were written
    uint64_t left_out;   // of loopback
    uint64_t unanswered, pending_full, names_full;
    uint64_t flows_lost, dns_lost; // as of the last look
};

int net_start(struct agent *a, struct error *err);
// Whether rules of the policy have domain names. Before it comes into force where they do, after that where they do not.
void net_by_names(struct agent *a, bool by_names);
// Enforcement ends: so does what it needs of the network.
void net_detach(struct agent *a);
void net_tick(struct agent *a);
void net_stop(struct agent *a); // what was not told yet is told

// A whole value for the status, and what needs somebody's attention.
void net_json(const struct agent *a, struct jw *jw);
void net_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);
// For losses.def.
uint64_t net_flows_lost(const struct agent *a);
uint64_t net_dns_lost(const struct agent *a);

// netanswer.c: {"what": "flows", "dns", "drops", "map" or "forwarded", "limit": rows}. Rows until the JSON has about `max` bytes: a row more.
// Is what is asked for looked at by the settings? err: which one is off.
bool net_is_on(const struct agent *a, struct json_object *args, struct error *err);
int net_answer(struct agent *a, struct json_object *args, size_t max, struct jw *result,
               struct error *err);
