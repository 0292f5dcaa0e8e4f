// SPDX-License-Identifier: Apache-2.0
//
// How handlers write what is often written: times, texts that may be missing, pages.
#pragma once

#include "api/api.h"
#include "base/json.h"
#include "registry/registry.h"

// NULL and "": null.
static inline void write_text(struct jw *jw, const char *key, const char *s)
{
    jw_kv_str(jw, key, s && *s ? s : NULL);
}

// 0: null.
static inline void write_time(struct jw *jw, const char *key, uint64_t ms)
{
    if (ms)
        jw_kv_u64(jw, key, ms);
    else
        jw_kv_null(jw, key);
}

// JSON that is valid already; NULL and "": null.
void write_json(struct jw *jw, const char *key, const char *json);
// A number as text, since ids are opaque to clients.
void write_id(struct jw *jw, const char *key, uint64_t id);
void write_roles(struct jw *jw, const char *key, uint32_t roles);

// The page that the query asks for, from `cursor` and `limit`.
struct registry_page page_of(const struct api_request *rq, unsigned limit);
// {"items":[ … ],"next": …}
void begin_items(struct jw *jw);
void end_items(struct jw *jw, const struct registry_next *next);

// A number in the path or a body; -ENOENT with err when it is none, as for one that is not there.
int read_id(const char *text, const char *what, uint64_t *ret, struct error *err);
// Bits of the words in a list of the query; find returns a number from `n` on for a word that it does not know.
uint32_t query_bits(const struct api_request *rq, const char *name,
                    unsigned (*find)(const char *word), unsigned n);
// The roles in a list of words; `otherwise` when there is no list.
uint32_t read_roles(struct json_object *list, uint32_t otherwise);
