// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <json-c/json_tokener.h>
#include <limits.h>
#include <string.h>

#include "api/internal.h"
#include "api/time.h"
#include "base/macro.h"
#include "base/strutil.h"

static int unknown_param(const struct api_request *rq, const char *name, struct error *err)
{
    const struct route *route = rq->route;
    const char *names[API_PARAMS_MAX], *near;
    size_t n = MIN(route->n_params, ARRAY_SIZE(names));
    int r = error_set(err, -EINVAL, "the parameter '%.64s' is not known here", name);

    for (size_t i = 0; i < n; i++)
        names[i] = route->params[i].row->name;
    near = nearest_word(name, names, n);
    if (near)
        error_cure(err, "did you mean '%s'?", near);
    return r;
}

static int check_text(const struct api_request *rq, const struct route_param *p, const char *value,
                      struct error *err)
{
    uint64_t ms;
    int r = api_type_check_text(rq->api->router->schemas, p->value, value, &ms, err);

    if (r < 0)
        error_context(err, "parameter '%s'", p->row->name);
    return r;
}

static int add_list(struct api_request *rq, size_t number, const char *text, struct error *err)
{
    const struct route_param *p = &rq->route->params[number];
    _cleanup_(strv_freep) char **values = NULL;
    int r = strv_split(text, ",", &values);

    STRV_FOREACH (value, values) {
        r = r < 0 ? r : check_text(rq, p, *value, err);
        if (r == 0)
            r = strv_append(&rq->lists[number], *value);
        if (r == 0 && p->type->bounded && (int64_t)strv_len(rq->lists[number]) > p->type->max)
            r = error_set(err, -EINVAL, "parameter '%s': more than %lld values", p->row->name,
                          (long long)p->type->max);
        if (r < 0)
            break;
    }
    return r < 0 && !error_is_set(err) ? error_set(err, r, "%m") : r;
}

int check_params(struct api_request *rq, struct error *err)
{
    const struct target *t = &rq->target;
    int r = 0;

    for (size_t i = 0; i < t->n_params && r == 0; i++) {
        const struct route_param *p = route_find_param(rq->route, t->params[i].name);

        if (!p)
            return unknown_param(rq, t->params[i].name, err);
        if (p->list) {
            r = add_list(rq, (size_t)(p - rq->route->params), t->params[i].value, err);
            continue;
        }
        for (size_t k = 0; k < i; k++)
            if (streq(t->params[k].name, t->params[i].name))
                return error_set(err, -EINVAL, "the parameter '%s' is given twice", p->row->name);
        r = check_text(rq, p, t->params[i].value, err);
    }
    return r;
}

static bool is_json(const char *type)
{
    size_t len = type ? strcspn(type, "; \t") : 0;

    return len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0;
}

static int parse_json(const struct strbuf *body, struct json_object **ret, struct error *err)
{
    struct json_tokener *tokener = json_tokener_new_ex(API_JSON_DEPTH);
    struct json_object *o;
    enum json_tokener_error code;
    int r = 0;

    if (!tokener)
        return error_set(err, -ENOMEM, "%m");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(tokener, strempty(body->s), (int)body->len);
    code = json_tokener_get_error(tokener);
    if (code != json_tokener_success)
        r = error_set(err, -EBADMSG, "the body is not JSON, at byte %zu: %s",
                      json_tokener_get_parse_end(tokener),
                      code == json_tokener_continue ? "it ends too early"
                                                    : json_tokener_error_desc(code));
    else if (json_tokener_get_parse_end(tokener) != body->len)
        r = error_set(err, -EBADMSG, "the body goes on after its JSON, at byte %zu",
                      json_tokener_get_parse_end(tokener));
    json_tokener_free(tokener);
    if (r < 0) {
        json_object_put(o);
        return r;
    }
    *ret = o;
    return 0;
}

int check_body(struct api_request *rq, struct error *err)
{
    const struct route *route = rq->route;
    const char *type = api_header(rq, "Content-Type");
    int r;

    if (route->row->flags & (API_FRAME | API_RAW))
        return 0;
    // Some clients send an object with nothing in it where nothing is expected.
    if (!route->request && (rq->body.len == 0 || streq(sb_str(&rq->body), "{}")))
        return 0;
    if (!route->request)
        return error_set(err, -EINVAL, "a body is not expected here");
    if (!is_json(type)) {
        (void)error_set(err, -EPROTONOSUPPORT, "the body is not said to be JSON");
        error_expected(err, "Content-Type: application/json");
        return -EPROTONOSUPPORT;
    }
    r = parse_json(&rq->body, &rq->json, err);
    if (r == 0)
        r = api_schemas_check(rq->api->router->schemas, route->request, rq->json, err);
    return r;
}
