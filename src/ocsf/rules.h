// SPDX-License-Identifier: Apache-2.0
//
// The part of a record that says which rule decided, serialised once for each rule that decides
// often. Private to src/ocsf.
#pragma once

#include "base/strbuf.h"
#include "ocsf/objects.h"

struct rule_part {
    const struct rule_ref *rule; // NULL: empty
    uint32_t policy_id;
    char *memory;          // of the three below
    struct bytes sentence; // " (rule shadow)", escaped
    struct bytes event;    // members of the record
    struct bytes unmapped; // members of unmapped
};

// Rules that are kept at a time: policies have thousands, but few of them decide often.
#define RULE_SLOTS 64u

struct rules {
    struct strbuf scratch;
    struct rule_part slots[RULE_SLOTS];
};

void rules_done(struct rules *r);

// The part of ev->rule, which is not NULL. On loan until the next call. -ENOMEM.
int rules_get(struct rules *r, const struct event *ev, const struct rule_part **ret_part);
