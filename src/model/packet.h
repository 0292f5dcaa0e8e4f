// SPDX-License-Identifier: Apache-2.0
//
// Rules about packets as policies say them, checked: what the room `policy` reads and the room `packets` puts into the kernel; and
// what the kernel tells of packets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/packet.h"
#include "base/cleanup.h"

#define PACKET_PORT_MAX 65535u

// Addresses; `bits` of 128 count. IPv4 is IPv4-mapped, so that 10.0.0.0/8 has 104.
struct packet_prefix {
    uint8_t addr[16];
    uint8_t bits;
};

// One of the ends that a rule names: any of these addresses (none: any address) with any of these ports. From 0 to PACKET_PORT_MAX
// is any port, and what has no ports.
struct packet_end {
    const struct packet_prefix *prefixes;
    size_t n_prefixes;
    uint16_t first, last;
};

// A rule. All is on loan from whoever read it.
struct packet_rule {
    uint32_t number; // by which records and sums name it, from 0 on
    uint32_t file;   // of the policy
    uint32_t line;
    const char *policy;            // its name
    const char *const *interfaces; // names or patterns; none: all but loopback devices
    size_t n_interfaces;
    const struct packet_end *from, *to; // any of them; none: any
    size_t n_from, n_to;
    uint64_t protocols[4]; // bits; none: any
    uint64_t dscps;        // bits; none: any
    bool in, out;
    uint32_t actions; // SG_PACKET_DO_*
    uint32_t mark, mark_mask;
    uint64_t rate, burst;           // packets or bytes: a second, at once
    uint8_t source[16], target[16]; // with SG_PACKET_DO_ADDRESS
    uint16_t source_first, source_last, target_port;
    uint8_t family; // of these
    uint8_t dscp;
    uint8_t via[16], via_family;
    uint32_t route_table;
    const char *route_interface; // NULL: none
    const char *mirror;          // NULL: none
};

struct packet_rules {
    const struct packet_rule *items;
    size_t n;
};

// A copy that depends on nothing. -ENOMEM.
int packet_rules_copy(const struct packet_rules *from, struct packet_rules **ret);
struct packet_rules *packet_rules_free(struct packet_rules *rules);
DEFINE_CLEANUP(struct packet_rules *, packet_rules_free)

// What the kernel told of packets of one kind.
struct packet_event {
    const struct packet_rule *rule;
    struct sg_packet_record record;
    char interface[16]; // "": it is gone
};
