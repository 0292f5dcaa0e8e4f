// SPDX-License-Identifier: Apache-2.0
//
// Whole requests without a socket: "METHOD target\n", headers as "Name: value\n", an empty line, a body. Every one gets an
// answer, and what is answered in JSON is JSON.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "api/internal.h"
#include "base/jsonget.h"
#include "base/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 16

struct server {
    char unused;
};

static int route_echo(struct server *s _unused_, struct api_request *rq, struct jw *out,
                      struct error *err _unused_)
{
    size_t len;

    jw_begin_object(out);
    jw_kv_str(out, "id", api_path(rq, "id"));
    jw_kv_str(out, "q", api_query_str(rq, "q", NULL));
    jw_kv_u64(out, "n", api_query_u64(rq, "n", 0));
    jw_kv_u64(out, "at", api_query_time(rq, "at", 0));
    jw_kv_array(out, "words");
    for (const char *const *w = api_query_list(rq, "words"); w && *w; w++)
        jw_cstr(out, *w);
    jw_end_array(out);
    jw_kv_str(out, "text", json_get_str(api_body(rq), "text", NULL));
    (void)api_body_raw(rq, &len);
    jw_kv_u64(out, "len", len);
    jw_end_object(out);
    return 0;
}

static const struct api_route routes[] = {
    {"a", API_GET, "/api/{id}", API_PUBLIC, 0, "", "", "object", route_echo},
    {"b", API_GET, "/api/fixed", API_SELF, 0, "", "", "object", route_echo},
    {"c", API_POST, "/api/{id}", API_PUBLIC, 0, "", "Thing", "object", route_echo},
    {"d", API_PUT, "/api/{id}/x", API_OPERATE, API_BIG, "", "[Thing](0..3)", "object", route_echo},
    {"e", API_POST, "/agent/raw", API_PUBLIC, API_RAW, "", "", "object", route_echo},
};

static const struct api_param params[] = {
    {"a", "q", "string(0..20)", ""},
    {"a", "n", "integer(0..100)", ""},
    {"a", "at", "time", ""},
    {"a", "words", "[Word](0..3)", ""},
};

static const struct api_field fields[] = {
    {"Word", NULL, "word(one|two|three)", "", false},
    {"Thing", NULL, NULL, "", false},
    {"Thing", "text", "string(1..10)", "", false},
    {"Thing", "n", "integer(-5..9)?", "", true},
    {"Thing", "words", "[Word](0..2)", "", true},
    {"Thing", "labels", "{string(0..3)}(0..2)", "", true},
    {"Thing", "inner", "Thing?", "", true},
    {"Thing", "id", "uuid", "", true},
    {"Thing", "when", "time", "", true},
    {"Thing", "number", "number", "", true},
    {"Thing", "any", "any", "", true},
};

static int session(struct server *s _unused_, const char *cookie, const char *address _unused_,
                   struct api_identity *ret, struct error *err _unused_)
{
    if (*cookie != 'o')
        return -EACCES;
    ret->kind = ACTOR_USER;
    ret->roles = ROLE_OPERATOR;
    (void)snprintf(ret->name, sizeof(ret->name), "%.8s", cookie);
    (void)snprintf(ret->csrf, sizeof(ret->csrf), "c");
    return 0;
}

static int token(struct server *s _unused_, const char *text, const char *address _unused_,
                 struct api_identity *ret, struct error *err _unused_)
{
    if (*text != 't')
        return -EACCES;
    ret->kind = ACTOR_TOKEN;
    ret->roles = ROLES_ALL;
    return 0;
}

struct input {
    char *name[HEADERS_MAX], *value[HEADERS_MAX];
    size_t n;
};

static const char *header(void *ctx, const char *name)
{
    const struct input *in = ctx;

    for (size_t i = 0; i < in->n; i++)
        if (strcasecmp(in->name[i], name) == 0)
            return in->value[i];
    return NULL;
}

static char *line(char **at, char *end)
{
    char *start = *at, *newline = memchr(start, '\n', (size_t)(end - start));

    if (!newline)
        return NULL;
    *newline = '\0';
    *at = newline + 1;
    return start;
}

static void check(struct api_request *rq)
{
    struct answer *a = &rq->answer;
    struct json_object *o;

    if (a->status < 200 || a->status > 599)
        abort();
    if (a->body.len > 0) {
        o = json_tokener_parse(sb_str(&a->body));
        if (!json_object_is_type(o, json_type_object))
            abort();
        json_object_put(o);
    }
}

static void ask(struct api *api, const char *method, const char *target, struct input *in,
                const char *body, size_t len)
{
    struct api_request *rq = NULL;

    if (request_new(api, method, target, header, in, "192.0.2.1", &rq) < 0)
        return;
    for (size_t at = 0; at < len && !rq->failed; at += 1000)
        (void)request_body(rq, body + at, MIN(len - at, (size_t)1000));
    if (!rq->failed && request_run(rq) != HANDLER_ANSWERED)
        abort();
    check(rq);
    (void)request_free(rq);
}

static struct api *make_api(void)
{
    const struct api_options options = {
        .threads = 1,
        .tables = {routes, ARRAY_SIZE(routes), params, ARRAY_SIZE(params), fields,
                   ARRAY_SIZE(fields), "fuzz", "1"},
        .hooks = {.session = session, .token = token},
    };
    struct error err = {};
    struct api *api = NULL;

    if (api_new(&options, &api, &err) < 0) {
        error_print(&err, stderr);
        abort();
    }
    return api;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct api *api;
    struct input in = {};
    char *text = malloc(size + 1), *at = text, *end = text + size;
    char *method, *target, *h;

    if (!text)
        return 0;
    if (!api)
        api = make_api();
    memcpy(text, data, size);
    *end = '\0';
    method = line(&at, end);
    target = method ? strchr(method, ' ') : NULL;
    if (target) {
        *target++ = '\0';
        while (in.n < HEADERS_MAX && (h = line(&at, end)) && *h) {
            char *colon = strchr(h, ':');

            if (!colon)
                continue;
            *colon = '\0';
            in.name[in.n] = h;
            in.value[in.n++] = colon + 1 + strspn(colon + 1, " ");
        }
        ask(api, method, target, &in, at, (size_t)(end - at));
    }
    free(text);
    return 0;
}
