// SPDX-License-Identifier: Apache-2.0
//
// A record as "Event" of schemas.def.
#pragma once

#include "base/json.h"
#include "store/store.h"

void event_json_write(struct jw *jw, const struct store_row *row, const char *host_name);
// The members alone, into an object that is open.
void event_json_members(struct jw *jw, const struct store_row *row, const char *host_name);
