// SPDX-License-Identifier: Apache-2.0
#include "api/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/schemas.h"
#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"

#define NESTING_MAX 8

static const struct {
    const char *word;
    enum api_kind kind;
    bool bounds; // may be followed by (min..max)
} plain[] = {
    {"string", API_TYPE_STRING, true},  {"integer", API_TYPE_INTEGER, true},
    {"number", API_TYPE_NUMBER, false}, {"boolean", API_TYPE_BOOLEAN, false},
    {"object", API_TYPE_OBJECT, false}, {"any", API_TYPE_ANY, false},
    {"time", API_TYPE_TIME, false},     {"uuid", API_TYPE_UUID, false},
};

struct api_type *api_type_free(struct api_type *t)
{
    if (!t)
        return NULL;
    (void)api_type_free(t->item);
    (void)strv_free(t->words);
    free(t->name);
    free(t);
    return NULL;
}

struct cursor {
    const char *at;
    unsigned depth;
};

static int read_type(struct cursor *c, struct api_type **ret);

static int read_number(struct cursor *c, int64_t *ret)
{
    size_t len = strspn(c->at, "-0123456789");
    char text[24];

    if (len == 0 || len >= sizeof(text))
        return -EINVAL;
    memcpy(text, c->at, len);
    text[len] = '\0';
    c->at += len;
    return parse_i64(text, ret) < 0 ? -EINVAL : 0;
}

// (min..max), (min..)
static int read_bounds(struct cursor *c, struct api_type *t)
{
    int r;

    if (*c->at != '(')
        return 0;
    c->at++;
    t->bounded = true;
    t->max = INT64_MAX;
    r = read_number(c, &t->min);
    if (r < 0 || strncmp(c->at, "..", 2) != 0)
        return -EINVAL;
    c->at += 2;
    if (*c->at != ')')
        r = read_number(c, &t->max);
    if (r < 0 || *c->at != ')' || t->min > t->max)
        return -EINVAL;
    c->at++;
    return 0;
}

static int read_words(struct cursor *c, struct api_type *t)
{
    const char *end = strchr(c->at, ')');
    _cleanup_free_ char *text = NULL;
    int r;

    if (*c->at != '(' || !end)
        return -EINVAL;
    text = xstrndup(c->at + 1, (size_t)(end - c->at - 1));
    r = text ? strv_split(text, "|", &t->words) : -ENOMEM;
    if (r < 0)
        return r;
    c->at = end + 1;
    return strv_len(t->words) > 0 ? 0 : -EINVAL;
}

static int read_item(struct cursor *c, struct api_type *t, char end)
{
    int r;

    c->at++;
    if (++c->depth > NESTING_MAX)
        return -EINVAL;
    r = read_type(c, &t->item);
    if (r < 0)
        return r;
    c->depth--;
    if (*c->at != end)
        return -EINVAL;
    c->at++;
    return read_bounds(c, t);
}

static int read_word(struct cursor *c, struct api_type *t)
{
    size_t len = 0;

    while ((c->at[len] >= 'a' && c->at[len] <= 'z') || (c->at[len] >= 'A' && c->at[len] <= 'Z') ||
           (c->at[len] >= '0' && c->at[len] <= '9'))
        len++;
    if (len == 0)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (len != strlen(plain[i].word) || strncmp(c->at, plain[i].word, len) != 0)
            continue;
        c->at += len;
        t->kind = plain[i].kind;
        return plain[i].bounds ? read_bounds(c, t) : 0;
    }
    if (len == 4 && strncmp(c->at, "word", 4) == 0) {
        c->at += len;
        t->kind = API_TYPE_WORD;
        return read_words(c, t);
    }
    if (c->at[0] < 'A' || c->at[0] > 'Z')
        return -EINVAL;
    t->kind = API_TYPE_NAME;
    t->name = xstrndup(c->at, len);
    c->at += len;
    return t->name ? 0 : -ENOMEM;
}

static int read_type(struct cursor *c, struct api_type **ret)
{
    _cleanup_(api_type_freep) struct api_type *t = new0(struct api_type, 1);
    int r;

    if (!t)
        return -ENOMEM;
    if (*c->at == '[') {
        t->kind = API_TYPE_LIST;
        r = read_item(c, t, ']');
    } else if (*c->at == '{') {
        t->kind = API_TYPE_MAP;
        r = read_item(c, t, '}');
    } else {
        r = read_word(c, t);
    }
    if (r < 0)
        return r;
    if (*c->at == '?') {
        t->nullable = true;
        c->at++;
    }
    *ret = TAKE_PTR(t);
    return 0;
}

int api_type_parse(const char *text, struct api_type **ret, struct error *err)
{
    _cleanup_(api_type_freep) struct api_type *t = NULL;
    struct cursor c = {.at = text};
    int r = read_type(&c, &t);

    if (r == 0 && *c.at)
        r = -EINVAL;
    if (r == -EINVAL)
        (void)error_set(err, r, "'%s' is not a type, from '%s' on", text, c.at);
    else if (r < 0)
        (void)error_set(err, r, "%m");
    if (r < 0)
        return r;
    *ret = TAKE_PTR(t);
    return 0;
}

// The objects -----------------------------------------------------------------------------------

static void schema_free(void *p)
{
    struct schema *s = p;

    if (!s)
        return;
    for (size_t i = 0; i < s->n_fields; i++)
        (void)api_type_free(s->fields[i].type);
    free(s->fields);
    (void)api_type_free(s->alias);
    free(s);
}

struct api_schemas *api_schemas_free(struct api_schemas *s)
{
    if (!s)
        return NULL;
    s->by_name = map_free(s->by_name);
    free(s->order);
    free(s);
    return NULL;
}

static int add_schema(struct api_schemas *s, const struct api_field *row, struct error *err)
{
    struct schema *schema = new0(struct schema, 1);
    int r;

    if (!schema)
        return error_set(err, -ENOMEM, "%m");
    schema->row = row;
    r = row->type ? api_type_parse(row->type, &schema->alias, err) : 0;
    if (r == 0 && !GREEDY(s->order, s->cap, s->n + 1))
        r = error_set(err, -ENOMEM, "%m");
    if (r == 0) {
        r = map_put_str(s->by_name, row->schema, schema);
        if (r < 0)
            (void)error_set(err, r, "%m");
    }
    if (r < 0) {
        error_context(err, "%s", row->schema);
        schema_free(schema);
        return r;
    }
    s->order[s->n++] = schema;
    return 0;
}

static int add_field(struct api_schemas *s, const struct api_field *row, struct error *err)
{
    struct schema *schema = map_get_str(s->by_name, row->schema);
    struct field *f;
    int r;

    if (!schema || schema->alias)
        return error_set(err, -EINVAL, "%s.%s: there is no such object before it", row->schema,
                         row->field);
    for (size_t i = 0; i < schema->n_fields; i++)
        if (streq(schema->fields[i].row->field, row->field))
            return error_set(err, -EEXIST, "%s.%s: %m", row->schema, row->field);
    if (!GREEDY(schema->fields, schema->cap, schema->n_fields + 1))
        return error_set(err, -ENOMEM, "%m");
    f = &schema->fields[schema->n_fields];
    f->row = row;
    r = api_type_parse(row->type, &f->type, err);
    if (r < 0) {
        error_context(err, "%s.%s", row->schema, row->field);
        return r;
    }
    schema->n_fields++;
    return 0;
}

bool api_schemas_have(const struct api_schemas *s, const struct api_type *t)
{
    if (t->kind == API_TYPE_NAME)
        return map_get_str(s->by_name, t->name);
    return !t->item || api_schemas_have(s, t->item);
}

static int check_names(const struct api_schemas *s, struct error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct schema *schema = s->order[i];

        if (schema->alias && !api_schemas_have(s, schema->alias))
            return error_set(err, -ENOENT, "%s: '%s' names nothing", schema->row->schema,
                             schema->row->type);
        for (size_t k = 0; k < schema->n_fields; k++)
            if (!api_schemas_have(s, schema->fields[k].type))
                return error_set(err, -ENOENT, "%s.%s: '%s' names nothing", schema->row->schema,
                                 schema->fields[k].row->field, schema->fields[k].row->type);
    }
    return 0;
}

int api_schemas_new(const struct api_field *fields, size_t n_fields, struct api_schemas **ret,
                    struct error *err)
{
    _cleanup_(api_schemas_freep) struct api_schemas *s = new0(struct api_schemas, 1);
    int r = s ? map_new(MAP_STR, 0, schema_free, &s->by_name) : -ENOMEM;

    if (r < 0)
        return error_set(err, r, "%m");
    for (size_t i = 0; i < n_fields && r == 0; i++)
        r = fields[i].field ? add_field(s, &fields[i], err) : add_schema(s, &fields[i], err);
    if (r == 0)
        r = check_names(s, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}
