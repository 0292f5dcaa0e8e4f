// SPDX-License-Identifier: Apache-2.0
//
// The OpenAPI document, from the same rows as the checks.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "api/schemas.h"
#include "base/macro.h"

static const char *const accesses[API_ACCESSES] = {
    [API_PUBLIC] = "anybody",
    [API_AGENT] = "agents",
    [API_SELF] = "whoever is signed in",
    [API_VIEW] = "viewer, operator, auditor",
    [API_OPERATE] = "operator",
    [API_ADMINISTER] = "admin",
    [API_OVERSEE] = "admin, auditor",
    [API_AUDIT] = "auditor",
};

static void write_lower(struct jw *jw, const char *name)
{
    char text[16];
    size_t i;

    for (i = 0; name[i] && i < sizeof(text) - 1; i++)
        text[i] = (char)(name[i] | 0x20);
    text[i] = '\0';
    jw_key(jw, text);
}

static void write_path_params(struct jw *jw, const struct route *route)
{
    for (size_t i = 0; i < route->n_segments; i++) {
        const char *s = route->segments[i];

        if (s[0] != '{')
            continue;
        jw_begin_object(jw);
        jw_kv_strn(jw, "name", s + 1, strlen(s) - 2);
        jw_kv_str(jw, "in", "path");
        jw_kv_bool(jw, "required", true);
        jw_kv_object(jw, "schema");
        jw_kv_str(jw, "type", "string");
        jw_end_object(jw);
        jw_end_object(jw);
    }
}

static void write_params(struct jw *jw, const struct route *route)
{
    jw_kv_array(jw, "parameters");
    write_path_params(jw, route);
    for (size_t i = 0; i < route->n_params; i++) {
        const struct route_param *p = &route->params[i];

        jw_begin_object(jw);
        jw_kv_str(jw, "name", p->row->name);
        jw_kv_str(jw, "in", "query");
        jw_kv_str(jw, "description", p->row->help);
        jw_key(jw, "schema");
        if (p->value->kind == API_TYPE_TIME) {
            jw_begin_object(jw);
            jw_kv_str(jw, "type", "string");
            jw_kv_str(jw, "description",
                      "milliseconds since 1970, RFC 3339, now, or -1h (so long ago)");
            jw_end_object(jw);
        } else {
            api_type_write(p->type, jw);
        }
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

static void write_content(struct jw *jw, const char *media, const struct api_type *t)
{
    jw_kv_object(jw, "content");
    jw_kv_object(jw, media);
    jw_key(jw, "schema");
    api_type_write(t, jw);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void write_responses(struct jw *jw, const struct route *route)
{
    uint32_t flags = route->row->flags;
    const char *media = "application/json", *status = "200";

    if (flags & API_EVENTS)
        media = "text/event-stream";
    else if (flags & API_LINES)
        media = "application/x-ndjson";
    if (flags & API_CREATED)
        status = "201";
    else if (flags & API_NO_BODY)
        status = "204";
    jw_kv_object(jw, "responses");
    jw_kv_object(jw, status);
    jw_kv_str(jw, "description", route->row->summary);
    if (route->response)
        write_content(jw, media, route->response);
    jw_end_object(jw);
    jw_kv_object(jw, "default");
    jw_kv_str(jw, "description", "an error");
    jw_kv_object(jw, "content");
    jw_kv_object(jw, "application/json");
    jw_kv_object(jw, "schema");
    jw_kv_str(jw, "$ref", "#/components/schemas/Error");
    jw_end_object(jw);
    jw_end_object(jw);
    jw_end_object(jw);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void write_security(struct jw *jw, const struct route *route)
{
    enum api_access access = route->row->access;

    jw_kv_array(jw, "security");
    if (access != API_PUBLIC && access != API_AGENT) {
        jw_begin_object(jw);
        jw_kv_array(jw, "session");
        jw_end_array(jw);
        if (route->row->method != API_GET) {
            jw_kv_array(jw, "csrf");
            jw_end_array(jw);
        }
        jw_end_object(jw);
        if (!(route->row->flags & API_COOKIE)) {
            jw_begin_object(jw);
            jw_kv_array(jw, "token");
            jw_end_array(jw);
            jw_end_object(jw);
        }
    }
    jw_end_array(jw);
}

static void write_operation(struct jw *jw, const struct route *route)
{
    char text[128];

    write_lower(jw, api_method_name(route->row->method));
    jw_begin_object(jw);
    jw_kv_str(jw, "operationId", route->row->id);
    jw_kv_str(jw, "summary", route->row->summary);
    (void)snprintf(text, sizeof(text), "For %s.%s", accesses[route->row->access],
                   route->row->fn ? "" : " Not there yet.");
    jw_kv_str(jw, "description", text);
    write_security(jw, route);
    write_params(jw, route);
    if (route->request) {
        jw_kv_object(jw, "requestBody");
        jw_kv_bool(jw, "required", true);
        write_content(jw, "application/json", route->request);
        jw_end_object(jw);
    }
    write_responses(jw, route);
    jw_end_object(jw);
}

static void write_paths(struct jw *jw, const struct router *r)
{
    jw_kv_object(jw, "paths");
    for (size_t i = 0; i < r->n_routes; i++) {
        const struct route *route = &r->routes[i];
        bool first = true;

        for (size_t k = 0; k < i; k++)
            first = first && !streq(r->routes[k].row->path, route->row->path);
        if (!first || route->row->flags & API_UNLISTED)
            continue;
        jw_key(jw, route->row->path);
        jw_begin_object(jw);
        for (size_t k = i; k < r->n_routes; k++)
            if (streq(r->routes[k].row->path, route->row->path))
                write_operation(jw, &r->routes[k]);
        jw_end_object(jw);
    }
    jw_end_object(jw);
}

static void write_scheme(struct jw *jw, const char *name, const char *in, const char *header)
{
    jw_kv_object(jw, name);
    if (in) {
        jw_kv_str(jw, "type", "apiKey");
        jw_kv_str(jw, "in", in);
        jw_kv_str(jw, "name", header);
    } else {
        jw_kv_str(jw, "type", "http");
        jw_kv_str(jw, "scheme", "bearer");
    }
    jw_end_object(jw);
}

static void write_document(struct jw *jw, const struct api_tables *tables, const struct router *r)
{
    jw_begin_object(jw);
    jw_kv_str(jw, "openapi", "3.1.0");
    jw_kv_object(jw, "info");
    jw_kv_str(jw, "title", tables->title);
    jw_kv_str(jw, "version", tables->version);
    jw_end_object(jw);
    write_paths(jw, r);
    jw_kv_object(jw, "components");
    jw_kv_object(jw, "securitySchemes");
    write_scheme(jw, "session", "cookie", API_SESSION_COOKIE);
    write_scheme(jw, "csrf", "header", "X-CSRF-Token");
    write_scheme(jw, "token", NULL, NULL);
    jw_end_object(jw);
    jw_kv_object(jw, "schemas");
    api_schemas_write(r->schemas, jw);
    jw_end_object(jw);
    jw_end_object(jw);
    jw_end_object(jw);
}

int api_openapi(const struct api_tables *tables, struct strbuf *out, struct error *err)
{
    _cleanup_(router_freep) struct router *r = NULL;
    struct jw jw;
    int code = router_new(tables, &r, err);

    if (code < 0)
        return code;
    jw_init(&jw, out);
    write_document(&jw, tables, r);
    code = jw_finish(&jw);
    return code < 0 ? error_set(err, code, "the document cannot be put together: %m") : 0;
}
