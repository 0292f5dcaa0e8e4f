// SPDX-License-Identifier: Apache-2.0
//
// Packs the edges of all states into one array in which the edges of one state lie between those of
// others: next(s, c) = edges[s.base + c].check == s ? edges[s.base + c].next : s.dflt. Private to
// the room.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "base/cleanup.h"
#include "policy/dfa.h"

struct comb {
    uint32_t *base; // of every state
    struct sg_edge
        *edges; // n_slots of them, the last 256 free, so that base + byte is always inside
    size_t n_slots, cap;
};

void comb_done(struct comb *c);

// 0; -E2BIG: more than max_slots; -ENOMEM.
int comb_pack(const struct dfa *dfa, size_t max_slots, struct comb *ret_comb);
