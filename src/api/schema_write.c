// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "api/schemas.h"
#include "base/macro.h"
#include "base/strutil.h"

static void write_kind(const struct api_type *t, struct jw *jw, const char *kind)
{
    jw_key(jw, "type");
    if (!t->nullable) {
        jw_cstr(jw, kind);
        return;
    }
    jw_begin_array(jw);
    jw_cstr(jw, kind);
    jw_cstr(jw, "null");
    jw_end_array(jw);
}

static void write_bounds(const struct api_type *t, struct jw *jw, const char *min, const char *max)
{
    if (!t->bounded)
        return;
    if (t->min != INT64_MIN)
        jw_kv_i64(jw, min, t->min);
    if (t->max != INT64_MAX)
        jw_kv_i64(jw, max, t->max);
}

static void write_words(const struct api_type *t, struct jw *jw)
{
    write_kind(t, jw, "string");
    jw_kv_array(jw, "enum");
    STRV_FOREACH (word, t->words)
        jw_cstr(jw, *word);
    if (t->nullable)
        jw_null(jw);
    jw_end_array(jw);
}

static void write_ref(const struct api_type *t, struct jw *jw)
{
    char ref[160];

    (void)snprintf(ref, sizeof(ref), "#/components/schemas/%s", t->name);
    if (t->nullable) {
        jw_kv_array(jw, "anyOf");
        jw_begin_object(jw);
        jw_kv_str(jw, "$ref", ref);
        jw_end_object(jw);
        jw_begin_object(jw);
        jw_kv_str(jw, "type", "null");
        jw_end_object(jw);
        jw_end_array(jw);
    } else {
        jw_kv_str(jw, "$ref", ref);
    }
}

static void write_members(const struct api_type *t, struct jw *jw)
{
    switch (t->kind) {
    case API_TYPE_STRING:
        write_kind(t, jw, "string");
        write_bounds(t, jw, "minLength", "maxLength");
        break;
    case API_TYPE_INTEGER:
        write_kind(t, jw, "integer");
        jw_kv_str(jw, "format", "int64");
        write_bounds(t, jw, "minimum", "maximum");
        break;
    case API_TYPE_TIME:
        write_kind(t, jw, "integer");
        jw_kv_str(jw, "format", "int64");
        jw_kv_u64(jw, "minimum", 0);
        break;
    case API_TYPE_NUMBER: write_kind(t, jw, "number"); break;
    case API_TYPE_BOOLEAN: write_kind(t, jw, "boolean"); break;
    case API_TYPE_OBJECT: write_kind(t, jw, "object"); break;
    case API_TYPE_ANY: break;
    case API_TYPE_UUID:
        write_kind(t, jw, "string");
        jw_kv_str(jw, "format", "uuid");
        break;
    case API_TYPE_WORD: write_words(t, jw); break;
    case API_TYPE_LIST:
        write_kind(t, jw, "array");
        jw_key(jw, "items");
        api_type_write(t->item, jw);
        write_bounds(t, jw, "minItems", "maxItems");
        break;
    case API_TYPE_MAP:
        write_kind(t, jw, "object");
        jw_key(jw, "additionalProperties");
        api_type_write(t->item, jw);
        write_bounds(t, jw, "minProperties", "maxProperties");
        break;
    case API_TYPE_NAME: write_ref(t, jw); break;
    }
}

void api_type_write(const struct api_type *t, struct jw *jw)
{
    jw_begin_object(jw);
    write_members(t, jw);
    jw_end_object(jw);
}

static void write_field(const struct field *f, struct jw *jw)
{
    jw_key(jw, f->row->field);
    jw_begin_object(jw);
    write_members(f->type, jw);
    if (*f->row->help)
        jw_kv_str(jw, "description", f->row->help);
    jw_end_object(jw);
}

static void write_schema(const struct schema *s, struct jw *jw)
{
    bool required = false;

    jw_key(jw, s->row->schema);
    jw_begin_object(jw);
    if (*s->row->help)
        jw_kv_str(jw, "description", s->row->help);
    if (s->alias) {
        write_members(s->alias, jw);
        jw_end_object(jw);
        return;
    }
    jw_kv_str(jw, "type", "object");
    jw_kv_object(jw, "properties");
    for (size_t i = 0; i < s->n_fields; i++) {
        write_field(&s->fields[i], jw);
        required = required || !s->fields[i].row->optional;
    }
    jw_end_object(jw);
    if (required) {
        jw_kv_array(jw, "required");
        for (size_t i = 0; i < s->n_fields; i++)
            if (!s->fields[i].row->optional)
                jw_cstr(jw, s->fields[i].row->field);
        jw_end_array(jw);
    }
    jw_kv_bool(jw, "additionalProperties", false);
    jw_end_object(jw);
}

void api_schemas_write(const struct api_schemas *s, struct jw *jw)
{
    for (size_t i = 0; i < s->n; i++)
        write_schema(s->order[i], jw);
}
