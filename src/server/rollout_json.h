// SPDX-License-Identifier: Apache-2.0
//
// A roll-out as "Rollout" of schemas.def.
#pragma once

#include "registry/policy.h"
#include "registry/rollout.h"
#include "server/server.h"

void count_json_write(const struct registry_policy_count *count, struct jw *out);
void rollout_json_write(struct server *s, const struct registry_rollout *ro, struct jw *out);
// -ENOENT with err; then nothing was written.
int rollout_json_get(struct server *s, uint64_t id, struct jw *out, struct error *err);
