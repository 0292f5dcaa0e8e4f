// SPDX-License-Identifier: Apache-2.0
//
// Rules about packets → the tables by which the kernel decides (abi/packet.h). Private to the room.
//
// A line is what one bit stands for: a rule, or where its ends come with different ports, one line for each pair of these.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/packet.h"

struct compiled_prefix {
    struct sg_packet_prefix key;
    uint32_t row;
};

struct compiled_line {
    const struct packet_rule *rule;
    const struct packet_end *from, *to; // one that stands for those of the same ports; NULL: any
};

struct compiled {
    struct sg_packet_tables *tables;
    struct compiled_line lines[SG_PACKET_RULES_MAX];
    size_t n_lines;
    struct compiled_prefix *sources, *targets;
    size_t n_sources, n_targets;
    uint32_t *index; // hash of a row → row + 1
};

// -E2BIG with err: more lines, addresses or rows than there is room for. -ENOMEM. Interfaces are not looked at.
int compiled_new(const struct packet_rules *rules, struct compiled **ret, struct error *err);
struct compiled *compiled_free(struct compiled *c);
DEFINE_CLEANUP(struct compiled *, compiled_free)

// The row of an interface for one direction, which may be a new one; *ret_early: a line there is for XDP; *ret_drops: what cannot be
// read is dropped there. `loopback`: only rules that name it hold. 0, -E2BIG.
int compiled_interface(struct compiled *c, const char *name, bool loopback, bool out,
                       uint16_t *ret_row, bool *ret_early, bool *ret_drops);

// The row of an address, as the kernel would find it; for tests and `explain`.
uint32_t compiled_address(const struct compiled_prefix *prefixes, size_t n, const uint8_t addr[16]);
