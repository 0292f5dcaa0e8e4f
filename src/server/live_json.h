// SPDX-License-Identifier: Apache-2.0
//
// What a host answers, as types of schemas.def: of each value only what has the type of its place, whatever the host sends.
// Members are written into an object that is open. o may be NULL or anything.
#pragma once

#include <json-c/json_object.h>

#include "base/json.h"

enum live_state {
    LIVE_ANSWERED,
    LIVE_AWAY,   // it does not ask for news: it cannot be asked
    LIVE_LATE,   // it was asked and has not answered in time
    LIVE_FAILED, // it says why it cannot answer
};

void live_processes_json(struct json_object *o, struct jw *out); // [LiveProcess], into an array
void live_scheduling_json(struct json_object *o, struct jw *out);
void live_defence_json(struct json_object *o, struct jw *out);
void live_network_json(struct json_object *o, struct jw *out); // live_network.c
// Of a row of state, too: state, until, by, attempts, repairs.
void live_defence_state_json(struct json_object *o, struct jw *out);
// Of the row alone: self_test, failing.
// Members of HostIsolation, of the row that the host said last; NULL: none.
#define ISOLATION_ALLOW_SHOWN 64
void live_isolation_row_json(struct json_object *o, struct jw *out);

void live_self_test_row_json(struct json_object *o, struct jw *out);
