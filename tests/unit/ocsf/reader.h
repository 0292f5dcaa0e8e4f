// SPDX-License-Identifier: Apache-2.0
//
// For tests: an event, the record that is written of it, and that record read back by json-c.
#pragma once

#include "tests/unit/ocsf/sink.h"

#include <json-c/json.h>

#include "base/macro.h"

struct fixture {
    struct ocsf *o;
    struct event *ev;
    struct strbuf line;
    struct who who, other;
    struct json_object *json;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || event_new(&f->ev) < 0 || ocsf_new(&test_host, TEST_RUN, 0, &f->o) < 0)
        return -1;
    make_who(&f->who);
    f->other = f->who;
    f->other.serial = 2;
    make_event(f->ev, &f->who);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    json_object_put(f->json);
    sb_done(&f->line);
    (void)ocsf_free(f->o);
    (void)event_free(f->ev);
    free(f);
    return 0;
}

// Writes the event and reads it back.
static inline void write_it(struct fixture *f)
{
    struct json_tokener *tok = json_tokener_new_ex(32);

    write_record(f->o, f->ev, &f->line);
    json_object_put(f->json);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    f->json = json_tokener_parse_ex(tok, f->line.s, (int)f->line.len + 1);
    assert_int_equal(json_tokener_get_error(tok), json_tokener_success);
    json_tokener_free(tok);
}

// "a.b.c": NULL when it is not there.
static inline struct json_object *at(struct fixture *f, const char *path)
{
    struct json_object *o = f->json;
    char name[64];

    while (o && *path) {
        size_t n = strcspn(path, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
        o = json_object_object_get(o, name);
        path += n + (path[n] == '.');
    }
    return o;
}

static inline int64_t number(struct fixture *f, const char *path)
{
    struct json_object *o = at(f, path);

    if (!o || !json_object_is_type(o, json_type_int))
        fail_msg("%s is no number", path);
    return json_object_get_int64(o);
}

static inline const char *string(struct fixture *f, const char *path)
{
    struct json_object *o = at(f, path);

    if (!o || !json_object_is_type(o, json_type_string))
        fail_msg("%s is no string", path);
    return json_object_get_string(o);
}

#define assert_string_at(f, path, text) assert_string_equal(string(f, path), text)

#define BOOT "11111111-2222-3333-4444-555555555555"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
