// SPDX-License-Identifier: Apache-2.0
//
// Rules about packets in the agent: they come into force with the policy that has them, their records go where records go, and the
// status says where they hold. Without such a rule nothing is loaded.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/uplink.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "packets/packets.h"

struct agent;

struct packet_room {
    struct packets *packets; // NULL: no rule ever asked for them
    struct loop_source *source;
    uint64_t records, lost; // that were made; that could not be
    struct error error;     // why the rules of the policy are not in force
};

void packets_policy_changed(struct agent *a);
void packets_second(struct agent *a);
// What is in force stays so.
void packets_stop(struct agent *a);
// All of it is taken away.
void packets_detach_all(struct agent *a);
void packets_json(const struct agent *a, struct jw *jw);
void packets_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);
