// SPDX-License-Identifier: Apache-2.0
//
// One connection, listener or flow of datagrams: what the room that reads them (src/flows) hands to those that show or record them.
// Plain values, owned by whoever has the structure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/flow.h"

struct flow {
    enum sg_flow_type type;     // of the record that it was made of last
    enum sg_flow_reason reason; // SG_FLOW_GOES_ON until it has ended
    bool unseen;                // its beginning was not
    bool datagrams;             // SG_FLOW_BEGIN, SG_FLOW_END
    uint64_t socket;
    uint64_t begin_ns; // CLOCK_BOOTTIME; 0: not known
    uint64_t last_ns;  // of its end, or of the last that is known of it; never before begin_ns
    struct sg_ends ends;
    struct sg_flow_who who;
    struct sg_flow_sums sums; // of a connection: at its end only
    uint32_t rtt_us;
    uint32_t retransmits;
    uint32_t error;
};

bool flow_is_end(const struct flow *flow);
// Nanoseconds; 0 when its beginning is not known.
uint64_t flow_duration_ns(const struct flow *flow);

const char *flow_type_name(enum sg_flow_type type); // "connect", ...; NULL: none
const char *flow_reason_name(
    enum sg_flow_reason reason); // "fin_by_us", ...; "none" while it goes on
