// SPDX-License-Identifier: Apache-2.0
#include "base/jsonget.h"

#include <json-c/json_tokener.h>
#include <limits.h>

struct json_object *json_parse(const char *text, size_t len, int depth)
{
    struct json_tokener *tokener;
    struct json_object *o;

    if (len == 0 || len > INT_MAX)
        return NULL;
    tokener = json_tokener_new_ex(depth);
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(tokener, text, (int)len);
    if (json_tokener_get_error(tokener) != json_tokener_success ||
        json_tokener_get_parse_end(tokener) != len) {
        json_object_put(o);
        o = NULL;
    }
    json_tokener_free(tokener);
    return o;
}

struct json_object *json_get(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(o, json_type_object))
        return NULL;
    return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

const char *json_get_str(struct json_object *o, const char *key, const char *otherwise)
{
    struct json_object *value = json_get(o, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : otherwise;
}

uint64_t json_get_u64(struct json_object *o, const char *key, uint64_t otherwise)
{
    struct json_object *value = json_get(o, key);

    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return otherwise;
    return json_object_get_uint64(value);
}

int64_t json_get_i64(struct json_object *o, const char *key, int64_t otherwise)
{
    struct json_object *value = json_get(o, key);

    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : otherwise;
}

int json_get_bool(struct json_object *o, const char *key, int otherwise)
{
    struct json_object *value = json_get(o, key);

    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                         : otherwise;
}
