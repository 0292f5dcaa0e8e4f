// SPDX-License-Identifier: Apache-2.0
//
// What a record says of who asked and of what was asked for, as the rules of a policy see it: an access to a file, an exec, or
// something that is asked of the kernel (abi/control.def). For dryrun.c.
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include "abi/network.h"
#include "base/strbuf.h"
#include "policy/explain.h"
#include "server/policycheck.h"
#include "store/store.h"

#define DRYRUN_ASKED_MAX 3 // a program, its script; or what no path leads to, twice

struct dryrun_facts {
    struct policy_query
        asked[DRYRUN_ASKED_MAX]; // one access may be several questions: the strongest answer counts
    size_t n_asked;
    struct policy_control controls[DRYRUN_ASKED_MAX];
    char ends[SG_NET_NAME_MAX + 96]; // text of the one that is about a socket
    const char *ancestors[POLICY_ANCESTORS_MAX];
    bool unsaid; // an exec that no rule had spoken of: it was allowed
};

// Texts are on loan from the record. False: none of these, or its place is not known.
bool dryrun_facts_read(const struct check *check, const struct store_row *row,
                       struct json_object *record, struct dryrun_facts *ret);

// What was asked for, for people: a path, or "ptrace:attach".
void dryrun_asked_format(const struct policy_query *asked, struct strbuf *sb);
