// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "api/schemas.h"
#include "api/time.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "base/utf8.h"

// Where the value is that is being looked at; "" for the whole body.
struct where {
    char text[256];
    size_t len;
};

struct check {
    const struct api_schemas *schemas;
    struct where where;
    struct error *err;
};

static int check_value(struct check *c, const struct api_type *t, struct json_object *value);

static size_t enter(struct where *w, const char *name, size_t index)
{
    size_t before = w->len, room = sizeof(w->text) - w->len;
    int n;

    if (name)
        n = snprintf(w->text + w->len, room, "%s%.64s", w->len ? "." : "", name);
    else
        n = snprintf(w->text + w->len, room, "[%zu]", index);
    if (n > 0)
        w->len += MIN((size_t)n, room - 1);
    return before;
}

static void leave(struct where *w, size_t before)
{
    w->len = before;
    w->text[before] = '\0';
}

static int refuse(struct check *c, const char *what)
{
    return error_set(c->err, -EINVAL, "%s %s", c->where.len ? c->where.text : "the body", what);
}

static size_t characters(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

static bool is_uuid(const char *s, size_t len)
{
    if (len != 36)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return true;
}

static const char *expected_kind(const struct api_type *t)
{
    static const char *const texts[] = {
        [API_TYPE_STRING] = "a text",
        [API_TYPE_INTEGER] = "a whole number",
        [API_TYPE_NUMBER] = "a number",
        [API_TYPE_BOOLEAN] = "true or false",
        [API_TYPE_OBJECT] = "an object",
        [API_TYPE_ANY] = "anything",
        [API_TYPE_TIME] = "milliseconds since 1970",
        [API_TYPE_UUID] = "a UUID in lower case",
        [API_TYPE_WORD] = "one of the words",
        [API_TYPE_LIST] = "a list",
        [API_TYPE_MAP] = "an object",
        [API_TYPE_NAME] = "an object",
    };

    return texts[t->kind];
}

static int refuse_kind(struct check *c, const struct api_type *t)
{
    int r = refuse(c, "is of the wrong type");

    error_expected(c->err, "%s%s", expected_kind(t), t->nullable ? ", or null" : "");
    return r;
}

static int in_bounds(struct check *c, const struct api_type *t, int64_t n, const char *unit)
{
    int r;

    if (!t->bounded || (n >= t->min && n <= t->max))
        return 0;
    r = refuse(c, n < t->min ? "is too small" : "is too large");
    if (t->max == INT64_MAX)
        error_expected(c->err, "at least %" PRId64 "%s", t->min, unit);
    else
        error_expected(c->err, "%" PRId64 " to %" PRId64 "%s", t->min, t->max, unit);
    return r;
}

static int check_string(struct check *c, const struct api_type *t, const char *s, size_t len)
{
    if (memchr(s, '\0', len))
        return refuse(c, "has a NUL");
    if (!utf8_valid(s, len))
        return refuse(c, "is not valid UTF-8");
    return in_bounds(c, t, (int64_t)characters(s, len), " characters");
}

static int check_word(struct check *c, const struct api_type *t, const char *s)
{
    _cleanup_free_ char *words = NULL;
    int r;

    if (strv_contains(t->words, s))
        return 0;
    r = refuse(c, "is none of the words that are known here");
    if (strv_join(t->words, ", ", &words) == 0)
        error_expected(c->err, "one of: %s", words);
    return r;
}

static int check_uuid(struct check *c, const char *s, size_t len)
{
    int r;

    if (is_uuid(s, len))
        return 0;
    r = refuse(c, "is not a UUID");
    error_expected(c->err, "36 characters, as 0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e");
    return r;
}

static int check_list(struct check *c, const struct api_type *t, struct json_object *value)
{
    size_t n = json_object_array_length(value);
    int r = in_bounds(c, t, (int64_t)n, " entries");

    for (size_t i = 0; i < n && r == 0; i++) {
        size_t before = enter(&c->where, NULL, i);

        r = check_value(c, t->item, json_object_array_get_idx(value, i));
        leave(&c->where, before);
    }
    return r;
}

static int check_map(struct check *c, const struct api_type *t, struct json_object *value)
{
    int r = in_bounds(c, t, json_object_object_length(value), " entries");

    json_object_object_foreach(value, key, member)
    {
        size_t before = enter(&c->where, key, 0);

        r = r < 0 ? r : check_value(c, t->item, member);
        leave(&c->where, before);
    }
    return r;
}

static const struct field *find_field(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->n_fields; i++)
        if (streq(s->fields[i].row->field, name))
            return &s->fields[i];
    return NULL;
}

static int unknown_member(struct check *c, const struct schema *s, const char *key)
{
    const char *names[64], *near;
    size_t n = MIN(s->n_fields, ARRAY_SIZE(names));
    int r;

    for (size_t i = 0; i < n; i++)
        names[i] = s->fields[i].row->field;
    r = error_set(c->err, -EINVAL, "%s%s'%.64s' is not known here",
                  c->where.len ? c->where.text : "", c->where.len ? ": " : "", key);
    near = nearest_word(key, names, n);
    if (near)
        error_cure(c->err, "did you mean '%s'?", near);
    return r;
}

static int check_object(struct check *c, const struct schema *s, struct json_object *value)
{
    size_t before;
    int r = 0;

    json_object_object_foreach(value, key, member)
    {
        const struct field *f = find_field(s, key);

        if (!f)
            return unknown_member(c, s, key);
        before = enter(&c->where, key, 0);
        r = check_value(c, f->type, member);
        leave(&c->where, before);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->n_fields && r == 0; i++) {
        if (s->fields[i].row->optional ||
            json_object_object_get_ex(value, s->fields[i].row->field, NULL))
            continue;
        before = enter(&c->where, s->fields[i].row->field, 0);
        r = refuse(c, "is missing");
        error_expected(c->err, "%s", expected_kind(s->fields[i].type));
        leave(&c->where, before);
    }
    return r;
}

static int check_named(struct check *c, const struct api_type *t, struct json_object *value)
{
    const struct schema *s = map_get_str(c->schemas->by_name, t->name);

    if (!s)
        return error_set(c->err, -EINVAL, "'%s' names nothing", t->name);
    if (s->alias)
        return check_value(c, s->alias, value);
    return json_object_is_type(value, json_type_object) ? check_object(c, s, value)
                                                        : refuse_kind(c, t);
}

static int check_integer(struct check *c, const struct api_type *t, struct json_object *value)
{
    int64_t n = json_object_get_int64(value);

    // json-c pulls what does not fit to the nearest end.
    if (n == INT64_MAX && json_object_get_uint64(value) > (uint64_t)INT64_MAX)
        return refuse(c, "is too large");
    if (t->kind == API_TYPE_TIME && n < 0)
        return refuse(c, "is before 1970");
    return in_bounds(c, t, n, "");
}

static bool type_fits(const struct api_type *t, struct json_object *value)
{
    switch (t->kind) {
    case API_TYPE_STRING:
    case API_TYPE_UUID:
    case API_TYPE_WORD: return json_object_is_type(value, json_type_string);
    case API_TYPE_INTEGER:
    case API_TYPE_TIME: return json_object_is_type(value, json_type_int);
    case API_TYPE_NUMBER:
        return json_object_is_type(value, json_type_int) ||
               json_object_is_type(value, json_type_double);
    case API_TYPE_BOOLEAN: return json_object_is_type(value, json_type_boolean);
    case API_TYPE_LIST: return json_object_is_type(value, json_type_array);
    case API_TYPE_OBJECT:
    case API_TYPE_MAP: return json_object_is_type(value, json_type_object);
    case API_TYPE_ANY:
    case API_TYPE_NAME: return true;
    }
    return false;
}

static int check_value(struct check *c, const struct api_type *t, struct json_object *value)
{
    if (!value && t->nullable)
        return 0;
    if (!type_fits(t, value))
        return refuse_kind(c, t);
    switch (t->kind) {
    case API_TYPE_STRING:
        return check_string(c, t, json_object_get_string(value),
                            (size_t)json_object_get_string_len(value));
    case API_TYPE_UUID:
        return check_uuid(c, json_object_get_string(value),
                          (size_t)json_object_get_string_len(value));
    case API_TYPE_WORD: return check_word(c, t, json_object_get_string(value));
    case API_TYPE_INTEGER:
    case API_TYPE_TIME: return check_integer(c, t, value);
    case API_TYPE_LIST: return check_list(c, t, value);
    case API_TYPE_MAP: return check_map(c, t, value);
    case API_TYPE_NAME: return check_named(c, t, value);
    case API_TYPE_NUMBER:
    case API_TYPE_BOOLEAN:
    case API_TYPE_OBJECT:
    case API_TYPE_ANY: return 0;
    }
    return 0;
}

int api_schemas_check(const struct api_schemas *s, const struct api_type *t,
                      struct json_object *value, struct error *err)
{
    struct check c = {.schemas = s, .err = err};

    return check_value(&c, t, value);
}

// A query holds texts only.
int api_type_check_text(const struct api_schemas *s, const struct api_type *t, const char *text,
                        uint64_t *ret_time, struct error *err)
{
    struct check c = {.schemas = s, .err = err};
    const struct schema *named;
    int64_t n;
    bool b;

    (void)enter(&c.where, "the value", 0);
    switch (t->kind) {
    case API_TYPE_STRING: return check_string(&c, t, text, strlen(text));
    case API_TYPE_UUID: return check_uuid(&c, text, strlen(text));
    case API_TYPE_WORD: return check_word(&c, t, text);
    case API_TYPE_TIME: return api_time_parse(text, ret_time, err);
    case API_TYPE_LIST: return api_type_check_text(s, t->item, text, ret_time, err);
    case API_TYPE_INTEGER:
        return parse_i64(text, &n) < 0 ? refuse_kind(&c, t) : in_bounds(&c, t, n, "");
    case API_TYPE_BOOLEAN: return parse_bool(text, &b) < 0 ? refuse_kind(&c, t) : 0;
    case API_TYPE_NAME:
        named = map_get_str(s->by_name, t->name);
        return named && named->alias ? api_type_check_text(s, named->alias, text, ret_time, err)
                                     : refuse_kind(&c, t);
    case API_TYPE_NUMBER:
    case API_TYPE_OBJECT:
    case API_TYPE_ANY:
    case API_TYPE_MAP: break;
    }
    return refuse_kind(&c, t);
}
