// SPDX-License-Identifier: Apache-2.0
//
// What handlers ask of a request.
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "api/time.h"
#include "base/macro.h"
#include "base/strutil.h"

const char *api_path(const struct api_request *rq, const char *name)
{
    int n = route_arg(rq->route, name);

    return n < 0 ? "" : rq->args[n];
}

const char *api_query_str(const struct api_request *rq, const char *name, const char *otherwise)
{
    for (size_t i = 0; i < rq->target.n_params; i++)
        if (streq(rq->target.params[i].name, name))
            return rq->target.params[i].value;
    return otherwise;
}

int64_t api_query_i64(const struct api_request *rq, const char *name, int64_t otherwise)
{
    const char *text = api_query_str(rq, name, NULL);
    int64_t value;

    return text && parse_i64(text, &value) == 0 ? value : otherwise;
}

uint64_t api_query_u64(const struct api_request *rq, const char *name, uint64_t otherwise)
{
    const char *text = api_query_str(rq, name, NULL);
    uint64_t value;

    return text && parse_u64(text, &value) == 0 ? value : otherwise;
}

bool api_query_bool(const struct api_request *rq, const char *name, bool otherwise)
{
    const char *text = api_query_str(rq, name, NULL);
    bool value;

    return text && parse_bool(text, &value) == 0 ? value : otherwise;
}

uint64_t api_query_time(const struct api_request *rq, const char *name, uint64_t otherwise)
{
    const char *text = api_query_str(rq, name, NULL);
    uint64_t ms;

    return text && api_time_parse(text, &ms, NULL) == 0 ? ms : otherwise;
}

const char *const *api_query_list(const struct api_request *rq, const char *name)
{
    const struct route_param *p = route_find_param(rq->route, name);

    return p ? (const char *const *)rq->lists[p - rq->route->params] : NULL;
}

struct json_object *api_body(const struct api_request *rq)
{
    return rq->json;
}

const void *api_body_raw(const struct api_request *rq, size_t *ret_len)
{
    *ret_len = rq->body.len;
    return strempty(rq->body.s);
}

char *api_take_body(struct api_request *rq, size_t *ret_len)
{
    size_t len = rq->body.len;
    char *body;

    if (len == 0 || sb_finish(&rq->body, &body) < 0)
        return NULL;
    rq->body_taken = true;
    *ret_len = len;
    return body;
}

const char *api_header(const struct api_request *rq, const char *name)
{
    return rq->header ? rq->header(rq->header_ctx, name) : NULL;
}

const char *api_session_cookie(const struct api_request *rq, char *buf, size_t size)
{
    size_t len = 0;
    const char *cookie = cookie_find(api_header(rq, "Cookie"), API_SESSION_COOKIE, &len);

    if (!cookie || len == 0 || len >= size)
        return NULL;
    memcpy(buf, cookie, len);
    buf[len] = '\0';
    return buf;
}

const char *api_last_event_id(const struct api_request *rq)
{
    const char *id = api_header(rq, "Last-Event-ID");

    return id && *id && strlen(id) <= 128 ? id : NULL;
}

const char *api_address(const struct api_request *rq)
{
    return rq->address;
}

const char *api_request_id(const struct api_request *rq)
{
    return rq->id;
}

const struct api_route *api_route(const struct api_request *rq)
{
    return rq->route->row;
}

const struct actor *api_actor(const struct api_request *rq)
{
    return &rq->actor;
}

const struct api_identity *api_identity(const struct api_request *rq)
{
    return &rq->identity;
}

void api_set_state(struct api_request *rq, void *state, void (*free_state)(void *))
{
    rq->state = state;
    rq->free_state = free_state;
}

void *api_state(const struct api_request *rq)
{
    return rq->state;
}

enum api_wake api_woken(const struct api_request *rq)
{
    return rq->wake;
}
