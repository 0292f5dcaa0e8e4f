// SPDX-License-Identifier: Apache-2.0
//
// Members of what a host answers, each with what has the type of its place, whatever the host sends. For live_*.c alone.
#pragma once

#include <json-c/json.h>

#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "server/write.h"

#define LIVE_TIME_MAX  UINT64_C(253402300799999) // the end of the year 9999
#define LIVE_COUNT_MAX ((uint64_t)1 << 53)       // what every reader of JSON has exactly

static inline void live_text(struct jw *out, const char *key, struct json_object *o,
                             const char *name)
{
    write_text(out, key, json_get_str(o, name, NULL));
}

static inline uint64_t live_count_of(struct json_object *o, const char *name)
{
    return MIN(json_get_u64(o, name, 0), LIVE_COUNT_MAX);
}

static inline void live_count(struct jw *out, const char *key, struct json_object *o,
                              const char *name)
{
    jw_kv_u64(out, key, live_count_of(o, name));
}

static inline void live_when(struct jw *out, const char *key, struct json_object *o,
                             const char *name)
{
    uint64_t ms = json_get_u64(o, name, 0);

    write_time(out, key, ms <= LIVE_TIME_MAX ? ms : 0);
}

static inline void live_flag(struct jw *out, const char *key, struct json_object *o,
                             const char *name)
{
    jw_kv_bool(out, key, json_get_bool(o, name, 0) == 1);
}

static inline size_t live_length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}
