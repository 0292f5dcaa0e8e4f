// SPDX-License-Identifier: Apache-2.0
//
// What happened on the network last, for who looks at the host: connections that ended, questions that were answered, and who talks
// to whom, added up. All of it is bounded: the oldest goes. Texts are copied. Called by net.c and netanswer.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/event.h"
#include "model/network.h"

#define NET_CLOSED_MAX 256u
#define NET_ASKED_MAX  256u
#define NET_EDGES_MAX  1024u
#define NET_PAIRS      4096u // connections whose both ends may be here; a power of two
#define NET_TEXT       96u   // bytes of a program or name; longer ones keep their end

struct net_recent;

struct net_closed {
    struct flow flow;
    char program[NET_TEXT]; // path, or name
    char name[NET_TEXT];    // of the other end
};

struct net_asked {
    struct dns_record record;
    bool unanswered;
    char program[NET_TEXT];
};

// A program here, and a service of somebody: another program here, a host, a name.
struct net_edge {
    char program[NET_TEXT], peer_program[NET_TEXT], name[NET_TEXT];
    uint8_t peer[16];
    uint16_t port; // of the service
    uint8_t protocol;
    bool incoming; // the other end began
    uint64_t flows, failed;
    struct sg_flow_sums sums;
    uint64_t last_ns;
};

int net_recent_new(struct net_recent **ret); // -ENOMEM
struct net_recent *net_recent_free(struct net_recent *r);
DEFINE_CLEANUP(struct net_recent *, net_recent_free)

// A connection came about: its other end may be here, too.
void net_recent_open(struct net_recent *r, const struct flow *flow, struct bytes program);
// It ended: among those that did, and part of its edge. name: empty, when there is none.
void net_recent_end(struct net_recent *r, const struct flow *flow, struct bytes program,
                    struct bytes name);
void net_recent_asked(struct net_recent *r, const struct dns_record *record, bool unanswered,
                      struct bytes program);

// The program at the other end of a connection; "": it is not here, or not known. On loan.
const char *net_recent_peer(const struct net_recent *r, const struct flow *flow);

// The latest first, NULL behind the last one: i from 0. On loan until something is added.
const struct net_closed *net_recent_closed(const struct net_recent *r, size_t i);
const struct net_asked *net_recent_question(const struct net_recent *r, size_t i);
// In no order.
const struct net_edge *net_recent_edge(const struct net_recent *r, size_t i);
uint64_t net_recent_edges_gone(const struct net_recent *r); // for which there was no room any more
