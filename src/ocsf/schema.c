// SPDX-License-Identifier: Apache-2.0
//
// The closed JSON schema of our records, from the rows that also write them.
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/macro.h"
#include "ocsf/ocsf.h"
#include "ocsf/ops.h"

enum row_kind { ROW_OBJECT, ROW_JOIN, ROW_VALUE, ROW_NUMBER, ROW_ONE, ROW_MANY };

struct row {
    enum row_kind kind;
    const char *name; // of the attribute; ROW_OBJECT, ROW_JOIN: of the object
    const char *type; // of the value; the object within; ROW_JOIN: the object it is a part of
    enum ocsf_table table;
    bool required;
};

// Of the text of `when`, since `true` is a macro for 1, too.
#define REQUIRED(text) (sizeof(text) == sizeof("1") && (text)[0] == '1')

static const struct row rows[] = {
#define OBJECT(object)     {ROW_OBJECT, #object, NULL, 0, false},
#define JOIN(object, into) {ROW_JOIN, #object, #into, 0, false},
#define LATER(place, when)
#define PART(name, object)            {ROW_ONE, #name, #object, 0, true},
#define ATTR(name, kind, when, value) {ROW_VALUE, #name, #kind, 0, REQUIRED(#when)},
#define ENUM(name, caption_name, table, when, value)                \
    {ROW_NUMBER, #name, NULL, OCSF_TABLE_##table, REQUIRED(#when)}, \
        {ROW_VALUE, #caption_name, "WORD", 0, REQUIRED(#when)},
#define ID(name, table, when, value)      {ROW_NUMBER, #name, NULL, OCSF_TABLE_##table, REQUIRED(#when)},
#define OBJ(name, object, when, value)    {ROW_ONE, #name, #object, 0, REQUIRED(#when)},
#define LIST(name, object, when, n, item) {ROW_MANY, #name, #object, 0, REQUIRED(#when)},
#define OCSF_WANT_all
#include "ocsf/objects.def"
};

// How the kinds of objects.def look as JSON.
static const struct {
    const char *kind, *type, *pattern;
} kinds[] = {
    {"STR", "string", NULL},
    {"WORD", "string", NULL},
    {"WORDS", "array", NULL},
    {"CAPS", "string", "^0x[0-9a-f]{1,16}$"},
    {"ERRNO", "string", NULL},
    {"PATH", "string", NULL},
    {"NAME", "string", NULL},
    {"MESSAGE", "string", NULL},
    {"DEC", "string", "^[0-9]+$"},
    {"DEV", "string", "^[0-9]+:[0-9]+$"},
    {"HEX", "string", "^([0-9a-f]{2})+$"},
    {"UID_PROCESS", "string", "^[0-9a-f-]{36}:[0-9]+:[0-9]+$"},
    {"UID_EVENT", "string", "^[0-9a-f-]{36}:[0-9]+:[a-z]+:[0-9]+:[0-9]+$"},
    {"INO", "string", "^[0-9]+$"},
    {"UINT", "integer", NULL},
    {"SEQ", "integer", NULL},
    {"TIME", "integer", NULL},
    {"MS", "integer", NULL},
    {"BOOL", "boolean", NULL},
    {"BITS_ACCESS", "array", NULL},
    {"BITS_FLAGS", "array", NULL},
    {"BITS_LAUNCH", "array", NULL},
    {"CAPABILITIES", "array", NULL},
    {"ARGS", "array", NULL},
    {"CMD_LINE", "string", NULL},
    {"TTY", "string", NULL},
    {"IP", "string", "^[0-9a-f.:]+$"},
    {"PROFILES", "array", NULL},
    {"DNS_TYPE", "string", "^[A-Z0-9]+$"},
    {"DNS_CLASS", "string", "^[A-Z0-9]+$"},
};

static void put_value(struct jw *jw, const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!streq(kinds[i].kind, kind))
            continue;
        jw_kv_str(jw, "type", kinds[i].type);
        if (kinds[i].pattern)
            jw_kv_str(jw, "pattern", kinds[i].pattern);
        if (streq(kinds[i].type, "integer"))
            jw_kv_u64(jw, "minimum", 0);
        if (streq(kinds[i].type, "array")) {
            jw_kv_object(jw, "items");
            jw_kv_str(jw, "type", "string");
            jw_end_object(jw);
        }
        return;
    }
    jw->error = -EINVAL; // a kind without a row above
}

static void put_numbers(struct jw *jw, enum ocsf_table table)
{
    jw_kv_array(jw, "enum");
    for (size_t i = 0; i < OCSF_CAPTIONS_MAX; i++) {
        if (ocsf_captions[table][i].caption.len)
            jw_u64(jw, ocsf_captions[table][i].id);
    }
    jw_end_array(jw);
}

static void put_ref(struct jw *jw, const char *object)
{
    char ref[64] = "#/$defs/";
    size_t len = strlen(object);

    if (len >= sizeof(ref) - 8) {
        jw->error = -EINVAL;
        return;
    }
    memcpy(ref + 8, object, len + 1);
    jw_kv_str(jw, "$ref", ref);
}

static void put_row(struct jw *jw, const struct row *row)
{
    jw_kv_object(jw, row->name);
    switch (row->kind) {
    case ROW_VALUE: put_value(jw, row->type); break;
    case ROW_NUMBER: put_numbers(jw, row->table); break;
    case ROW_ONE: put_ref(jw, row->type); break;
    case ROW_MANY:
        jw_kv_str(jw, "type", "array");
        jw_kv_object(jw, "items");
        put_ref(jw, row->type);
        jw_end_object(jw);
        break;
    default: break;
    }
    jw_end_object(jw);
}

// An object's rows end where the next object's begin.
static size_t end_of(size_t object)
{
    size_t i = object + 1;

    while (i < ARRAY_SIZE(rows) && rows[i].kind != ROW_OBJECT)
        i++;
    return i;
}

// Do the rows that begin at `object` belong to the object with this name?
static bool belongs(size_t object, const char *name)
{
    if (rows[object].kind != ROW_OBJECT)
        return false;
    if (streq(rows[object].name, name))
        return true;
    for (size_t i = object + 1; i < end_of(object); i++) {
        if (rows[i].kind == ROW_JOIN && streq(rows[i].type, name))
            return true;
    }
    return false;
}

static bool is_attribute(const struct row *row)
{
    return row->kind != ROW_OBJECT && row->kind != ROW_JOIN;
}

// Calls fn for every attribute of an object; of one that two parts have, for the first.
static void each_attribute(struct jw *jw, const char *name,
                           void (*fn)(struct jw *, const struct row *))
{
    const struct row *seen[128];
    size_t n = 0;

    for (size_t object = 0; object < ARRAY_SIZE(rows); object++) {
        if (!belongs(object, name))
            continue;
        for (size_t i = object + 1; i < end_of(object); i++) {
            bool again = !is_attribute(&rows[i]);

            for (size_t k = 0; k < n && !again; k++)
                again = streq(seen[k]->name, rows[i].name);
            if (again)
                continue;
            if (n == ARRAY_SIZE(seen)) {
                jw->error = -E2BIG;
                return;
            }
            seen[n++] = &rows[i];
            fn(jw, &rows[i]);
        }
    }
}

static void put_required(struct jw *jw, const struct row *row)
{
    if (row->required)
        jw_cstr(jw, row->name);
}

static void put_object(struct jw *jw, const char *name)
{
    jw_kv_object(jw, name);
    jw_kv_str(jw, "type", "object");
    jw_kv_bool(jw, "additionalProperties", false);
    jw_kv_object(jw, "properties");
    each_attribute(jw, name, put_row);
    jw_end_object(jw);
    jw_kv_array(jw, "required");
    each_attribute(jw, name, put_required);
    jw_end_array(jw);
    jw_end_object(jw);
}

static bool is_part(size_t object)
{
    return rows[object + 1].kind == ROW_JOIN;
}

static const struct {
    const char *name;
    uint32_t uid;
} classes[] = {
    {"file_activity", 1001},    {"kernel_activity", 1003},  {"memory_activity", 1004},
    {"module_activity", 1005},  {"process_activity", 1007}, {"detection_finding", 2004},
    {"network_activity", 4001}, {"dns_activity", 4003},
};

// What a class allows beyond the shape: its number, its activities and its types.
static void put_class_numbers(struct jw *jw, uint32_t uid)
{
    jw_begin_object(jw);
    jw_kv_object(jw, "properties");
    jw_kv_object(jw, "class_uid");
    jw_kv_u64(jw, "const", uid);
    jw_end_object(jw);
    for (int types = 0; types < 2; types++) {
        uint32_t base = types ? uid * 100 : 0;

        jw_kv_object(jw, types ? "type_uid" : "activity_id");
        jw_kv_array(jw, "enum");
        for (size_t i = 0; i < ocsf_n_activities; i++) {
            if (ocsf_activities[i].class->uid == uid)
                jw_u64(jw, base + ocsf_activities[i].id);
        }
        jw_u64(jw, base + 99);
        jw_end_array(jw);
        jw_end_object(jw);
    }
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_classes(struct jw *jw)
{
    jw_kv_array(jw, "oneOf");
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        jw_begin_object(jw);
        jw_kv_array(jw, "allOf");
        jw_begin_object(jw);
        put_ref(jw, classes[i].name);
        jw_end_object(jw);
        put_class_numbers(jw, classes[i].uid);
        jw_end_array(jw);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

int ocsf_schema(struct strbuf *out)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "$schema", "https://json-schema.org/draft/2020-12/schema");
    jw_kv_str(&jw, "title", "safeguard: records of OCSF " OCSF_VERSION);
    put_classes(&jw);
    jw_kv_object(&jw, "$defs");
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        put_object(&jw, classes[i].name);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].kind == ROW_OBJECT && !is_part(i))
            put_object(&jw, rows[i].name);
    }
    jw_end_object(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}
