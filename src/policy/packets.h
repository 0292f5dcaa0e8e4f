// SPDX-License-Identifier: Apache-2.0
//
// The section `packets`: reading and checking. Private to the room. What a rule says is a struct packet_rule of the model; where it
// stands is kept beside it for warnings.
#pragma once

#include "model/packet.h"
#include "policy/loader.h"

struct packet_draft {
    struct packet_rule rule;
    struct policy_pos pos;
    const struct yaml_node *from, *to, *ports, *verb; // values of keys; NULL: not there
    bool bad;
};

// The rules of one file, behind those that were read. 0 or -ENOMEM.
int read_packets(struct loader *ld, const struct yaml_node *node);

// The value of `do`. 0 or -ENOMEM.
int read_packet_do(struct loader *ld, const struct yaml_node *node, struct packet_draft *d);

// When all files were read: rules that can never match, and those that cut what a host cannot do without.
void packets_lint(struct loader *ld);

// Addresses and ports of `from` and `to`, as ends_parse() has them; 0, -EINVAL (reported), -ENOMEM.
int read_packet_end(struct loader *ld, const struct yaml_node *node, struct packet_end *ret);

// "ef", "46". False: it was reported.
#define DSCP_HELP "0 to 63, ef, cs0 to cs7, af11 to af43, or a list of these"
bool read_dscp(struct loader *ld, const struct yaml_node *node, uint8_t *ret);

// The tables of keys, for the manual page.
const struct key_row *read_packet_keys(size_t *ret_n);
const struct key_row *read_packet_do_keys(size_t *ret_n);
