// SPDX-License-Identifier: Apache-2.0
#include "server/write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/macro.h"
#include "base/strutil.h"

void write_json(struct jw *jw, const char *key, const char *json)
{
    jw_key(jw, key);
    if (str_isempty(json))
        jw_null(jw);
    else
        jw_raw(jw, json, strlen(json));
}

void write_id(struct jw *jw, const char *key, uint64_t id)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
    jw_kv_str(jw, key, text);
}

void write_roles(struct jw *jw, const char *key, uint32_t roles)
{
    _cleanup_(sb_done) struct strbuf list = {};

    roles_json(&list, roles);
    jw_key(jw, key);
    jw_raw(jw, sb_str(&list), list.len);
}

struct registry_page page_of(const struct api_request *rq, unsigned limit)
{
    return (struct registry_page){
        .cursor = api_query_str(rq, "cursor", NULL),
        .limit = (unsigned)api_query_u64(rq, "limit", limit),
    };
}

void begin_items(struct jw *jw)
{
    jw_begin_object(jw);
    jw_kv_array(jw, "items");
}

void end_items(struct jw *jw, const struct registry_next *next)
{
    jw_end_array(jw);
    if (next)
        write_text(jw, "next", next->cursor);
    jw_end_object(jw);
}

int read_id(const char *text, const char *what, uint64_t *ret, struct error *err)
{
    // One form only, so that two texts never name one thing.
    if (strspn(text, "0123456789") == strlen(text) && parse_u64(text, ret) == 0 && *ret > 0 &&
        *ret <= INT64_MAX)
        return 0;
    return error_set(err, -ENOENT, "there is no %s '%.32s'", what, text);
}

uint32_t query_bits(const struct api_request *rq, const char *name,
                    unsigned (*find)(const char *word), unsigned n)
{
    const char *const *words = api_query_list(rq, name);
    uint32_t bits = 0;

    for (; words && *words; words++) {
        unsigned value = find(*words);

        if (value < n)
            bits |= 1u << value;
    }
    return bits;
}

uint32_t read_roles(struct json_object *list, uint32_t otherwise)
{
    uint32_t roles = 0;

    if (!list)
        return otherwise;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        roles |= role_find(json_object_get_string(json_object_array_get_idx(list, i)));
    return roles;
}
