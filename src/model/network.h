// SPDX-License-Identifier: Apache-2.0
//
// What a record of a flow, or of a question about a name, says beside it: who puts an event together (src/agent) has it from
// elsewhere. On loan with the event.
#pragma once

#include "model/dns.h"
#include "model/event.h"
#include "model/flow.h"

// Records that would be many are one: of how much it is.
enum network_wide {
    NETWORK_ONE = 0,   // of one service of one peer
    NETWORK_PORTS = 1, // of several services of one peer
    NETWORK_PEERS = 2, // of several peers
    NETWORK_NAMES = 3, // of several names that were asked for
};
#define NETWORK_WIDES 4

struct network_event {
    const struct flow *flow;      // EVENT_FLOW
    const struct dns_record *dns; // EVENT_DNS
    struct bytes name;      // by which the other end's address was learnt last; empty: by none
    struct bytes interface; // empty: not known
    enum network_wide wide;
    bool unanswered; // EVENT_DNS, a question: no answer came
};

const char *network_wide_name(enum network_wide wide); // "ports", ...; NULL: NETWORK_ONE
