// SPDX-License-Identifier: Apache-2.0
//
// Asks, and holds the answer against the schema of the route that was asked.
#pragma once

#include "tests/unit/server/rig.h"

#include "api/schema.h"
#include "base/jsonget.h"

static inline const struct api_route *say_route(const char *id)
{
    for (size_t i = 0; i < server_tables.n_routes; i++)
        if (streq(server_tables.routes[i].id, id))
            return &server_tables.routes[i];
    fail_msg("there is no route %s", id);
    return NULL;
}

static inline void say_check(const struct peer *p, const struct api_route *route)
{
    const char *text = p->answer.status < 400 ? route->response : "Error";
    struct json_object *o = json_tokener_parse(sb_str(&p->answer.body));
    struct api_schemas *schemas = NULL;
    struct api_type *type = NULL;
    struct error err = {};
    int r = 0;

    if (*text) {
        assert_int_equal(api_schemas_new(server_tables.fields, server_tables.n_fields, &schemas,
                                         &err),
                         0);
        assert_int_equal(api_type_parse(text, &type, &err), 0);
        r = api_schemas_check(schemas, type, o, &err);
    }
    if (r < 0) {
        (void)fprintf(stderr, "%s: %s\n", route->id, sb_str(&p->answer.body));
        error_print(&err, stderr);
    }
    assert_int_equal(r, 0);
    (void)api_type_free(type);
    (void)api_schemas_free(schemas);
    json_object_put(o);
}

// Calls the route `id` at `target` and expects this status. body NULL: none.
static inline void say(struct peer *p, const char *id, const char *target, const char *body,
                       long status)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    const struct api_route *route = say_route(id);
    long got = body ? peer_send(p, methods[route->method], target, body)
                    : peer_ask(p, methods[route->method], target, NULL, 0);

    if (got != status)
        (void)fprintf(stderr, "%s %s: %ld %s\n", id, target, got, sb_str(&p->answer.body));
    assert_int_equal(got, status);
    say_check(p, route);
}

// A text from the last answer: "policy.name", "items.0.id". The caller frees; NULL: there is none.
static inline char *said(const struct peer *p, const char *path)
{
    struct json_object *root = json_tokener_parse(sb_str(&p->answer.body)), *o = root;
    char *copy = NULL;

    while (*path && o) {
        size_t len = strcspn(path, ".");
        char key[64];

        (void)snprintf(key, sizeof(key), "%.*s", (int)len, path);
        o = json_object_is_type(o, json_type_array)
                ? json_object_array_get_idx(o, strtoul(key, NULL, 10))
                : json_get(o, key);
        path += len + (path[len] == '.');
    }
    if (o)
        copy = strdup(json_object_get_string(o));
    json_object_put(root);
    return copy;
}

#define expect_said(p, path, text)          \
    do {                                    \
        char *_said = said((p), (path));    \
                                            \
        assert_non_null(_said);             \
        assert_string_equal(_said, (text)); \
        free(_said);                        \
    } while (0)

// A user of this name with these roles, signed in.
static inline void say_as(struct rig *rig, struct peer *p, const char *name, uint32_t roles)
{
    rig_user(rig, name, roles);
    rig_peer(rig, p);
    peer_be(p, name);
}
