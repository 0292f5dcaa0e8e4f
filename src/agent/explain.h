// SPDX-License-Identifier: Apache-2.0
//
// The arguments of "policy explain" on the wire ↔ a policy_query. Both ends use it through the agent's
// command: the command line writes {"path" or "control": {"kind","number" or "name"},"ops","exe","ancestors","ancestor_uids","uid","gids","login_uid","caps",
// "env","cgroup","session","container","when","to","other_user"}; what is missing is unknown. "to" is an object of the same facts, of the
// process that a signal is for.
#pragma once

#include <json-c/json.h>

#include "base/error.h"
#include "policy/explain.h"

#define EXPLAIN_GIDS_MAX 256
#define EXPLAIN_ENVS_MAX 1024

// Where the lists of somebody's facts are.
struct explain_lists {
    const char *ancestors[POLICY_ANCESTORS_MAX];
    uint32_t ancestor_uids[POLICY_ANCESTORS_MAX];
    uint32_t gids[EXPLAIN_GIDS_MAX];
    const char *env[EXPLAIN_ENVS_MAX];
};

// Texts are on loan from `args`.
struct explain_args {
    struct policy_query query;
    struct policy_control control;
    struct policy_facts target;
    struct explain_lists lists, target_lists;
};

// -EINVAL with err.
int explain_args_read(struct json_object *args, struct explain_args *ret, struct error *err);
