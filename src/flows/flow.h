// SPDX-License-Identifier: Apache-2.0
//
// How a flow (model/flow.h) is made of a record of the kernel side. The record is what came out of a ring: nothing in it is taken
// for granted.
#pragma once

#include "model/flow.h"

// -EBADMSG: no record of a flow, or one that contradicts itself.
int flow_decode(const void *data, size_t len, struct flow *ret);

// From an entry of the kernel's table: type SG_FLOW_BEGIN. The same errors.
int flow_of_entry(const struct sg_flow_key *key, const struct sg_flow_value *value,
                  struct flow *ret);

// The key of its entry in the kernel's table.
void flow_key_of(const struct flow *flow, struct sg_flow_key *ret);
