// SPDX-License-Identifier: Apache-2.0
//
// Reading a record by json-c: slower, and right about everything that is odd.
#include <json-c/json.h>
#include <string.h>

#include "base/json_valid.h"
#include "store/extract_internal.h"

#define DEPTH_MAX 32

static void walk(struct extract_job *job, struct json_object *value, enum extract_place place,
                 const struct extract_field *field);

// json-c frees its strings with the tree.
static struct store_str keep(struct extract_job *job, const char *s, size_t len)
{
    char *mem = extract_keep(job->x, len);

    if (!mem)
        return (struct store_str){};
    memcpy(mem, s, len);
    return (struct store_str){mem, (uint32_t)len};
}

static void walk_object(struct extract_job *job, struct json_object *o, enum extract_place place)
{
    json_object_object_foreach(o, key, value)
    {
        size_t len = strlen(key);
        const struct extract_field *field = extract_field_find(job->x, place, key, len);

        walk(job, value, extract_place_below(place, field, key, len), field);
    }
}

static void walk(struct extract_job *job, struct json_object *value, enum extract_place place,
                 const struct extract_field *field)
{
    struct store_str text;

    switch (json_object_get_type(value)) {
    case json_type_string:
        text = keep(job, json_object_get_string(value), (size_t)json_object_get_string_len(value));
        if (field && field->kind == FIELD_STRING)
            job->values.strings[field->what] = text;
        else if (field && field->kind == FIELD_WORDS && text.s)
            extract_word(job, field, text.s, text.len);
        if (place != PLACE_QUIET && job->fn && text.s)
            job->fn(job->ctx, text.s, text.len);
        break;
    case json_type_int:
        if (field && field->kind == FIELD_NUMBER && json_object_get_int64(value) >= 0)
            job->values.numbers[field->what] = json_object_get_uint64(value);
        break;
    case json_type_object: walk_object(job, value, place); break;
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++)
            walk(job, json_object_array_get_idx(value, i),
                 place == PLACE_QUIET ? PLACE_QUIET : PLACE_TEXT,
                 field && field->kind == FIELD_WORDS ? field : NULL);
        break;
    case json_type_null:
    case json_type_boolean:
    case json_type_double:
    default: break;
    }
}

bool extract_tree(struct extract_job *job)
{
    struct extract *x = job->x;
    struct json_object *root;
    bool good;

    // Readable records are handed on as they are, to readers who are less patient than json-c.
    if (!json_valid(job->line, job->len, DEPTH_MAX))
        return false;
    if (!x->tokener) {
        x->tokener = json_tokener_new_ex(DEPTH_MAX);
        if (!x->tokener)
            return false;
        json_tokener_set_flags(x->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    }
    json_tokener_reset(x->tokener);
    root = json_tokener_parse_ex(x->tokener, job->line, (int)job->len);
    good = json_tokener_get_error(x->tokener) == json_tokener_success &&
           json_tokener_get_parse_end(x->tokener) == job->len &&
           json_object_is_type(root, json_type_object);
    if (good)
        walk_object(job, root, PLACE_ROOT);
    json_object_put(root);
    return good;
}
