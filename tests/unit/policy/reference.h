// SPDX-License-Identifier: Apache-2.0
//
// A slow second opinion: patterns matched by recursion over text, rules tried one by one on the
// loaded policy. Shares no code with the compiler. Also random numbers that are the same
// everywhere.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "policy/explain.h"
#include "policy/policy.h"

// Does a pattern match a canonical path ("/" is the root)?
bool ref_match(const char *pattern, const char *path);

// Which rule decides an operation: its index, or -1.
int ref_decide(const struct policy *policy, const struct policy_query *query, uint32_t op);

bool ref_subject(const struct policy_subject *s, const struct policy_query *query);

// xorshift64*: the same sequence on every machine.
struct ref_random {
    uint64_t state;
};

static inline uint64_t ref_next(struct ref_random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(2685821657736338717);
}

// 0 … n - 1
static inline uint32_t ref_below(struct ref_random *r, uint32_t n)
{
    return (uint32_t)((ref_next(r) >> 33) % n);
}
