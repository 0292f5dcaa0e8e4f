// SPDX-License-Identifier: Apache-2.0
//
// One connection, listener or flow of datagrams as the reader knows it, and how it is made of a record of the kernel side. The
// record is what came out of a ring: nothing in it is taken for granted.
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

// -EBADMSG: no record of a flow, or one that contradicts itself.
int flow_decode(const void *data, size_t len, struct flow *ret);

// From an entry of the kernel's table: type SG_FLOW_BEGIN. The same errors.
int flow_of_entry(const struct sg_flow_key *key, const struct sg_flow_value *value,
                  struct flow *ret);

// The key of its entry in the kernel's table.
void flow_key_of(const struct flow *flow, struct sg_flow_key *ret);

bool flow_is_end(const struct flow *flow);
// Nanoseconds; 0 when its beginning is not known.
uint64_t flow_duration_ns(const struct flow *flow);

const char *flow_type_name(enum sg_flow_type type); // "connect", ...; NULL: none
const char *flow_reason_name(
    enum sg_flow_reason reason); // "fin_by_us", ...; "none" while it goes on
