// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

#define DRAIN_MAX \
    ((uint64_t)8 << 20) // bytes of an unwanted body that are read so that the answer arrives

static int read_length(struct api_request *rq)
{
    const char *text = api_header(rq, "Content-Length");
    uint64_t len;

    if (!text)
        return 0;
    if (strspn(text, "0123456789") != strlen(text) || parse_u64(text, &len) < 0) {
        request_refuse_as(rq, 400, "invalid", "Content-Length is not a number");
        rq->close_after = true;
        return -EINVAL;
    }
    if (len > rq->body_max) {
        if (len > DRAIN_MAX)
            rq->close_after = true;
        request_refuse_as(rq, 413, "too-large", "the body has more than %zu bytes", rq->body_max);
        return -E2BIG;
    }
    return 0;
}

static void refuse_method(struct api_request *rq, unsigned methods)
{
    char allow[64] = "";
    size_t len = 0;

    for (unsigned i = 0; i < API_METHODS; i++)
        if (methods & 1u << i)
            len += (size_t)snprintf(allow + len, sizeof(allow) - len, "%s%s", len ? ", " : "",
                                    api_method_name((enum api_method)i));
    (void)api_set_header(rq, "Allow", allow);
    request_refuse_as(rq, 405, "method", "this address does not know that method; it knows %s",
                      allow);
}

static bool is_api(const struct target *t)
{
    return t->n_segments > 0 && (streq(t->segments[0], "api") || streq(t->segments[0], "agent"));
}

static void find_route(struct api_request *rq, bool known_method)
{
    const struct route *route;
    unsigned methods = 0;
    size_t n = 0;

    route = router_find(rq->api->router, rq->method, &rq->target, &methods);
    if (!known_method || (!route && methods)) {
        refuse_method(rq, methods ? methods : 1u << API_GET);
        return;
    }
    if (route) {
        rq->route = route;
        for (size_t i = 0; i < route->n_segments; i++)
            if (route->segments[i][0] == '{')
                rq->args[n++] = rq->target.segments[i];
        rq->body_max = route_body_max(route->row);
        return;
    }
    if (is_api(&rq->target))
        request_refuse_as(rq, 404, "not-found", "there is nothing at this address");
    else if (rq->method != API_GET)
        refuse_method(rq, 1u << API_GET);
}

static void begin(struct api_request *rq, const char *method_name, const char *target)
{
    struct error err = {};
    bool known = api_method_find(method_name, &rq->method) == 0;
    int r;

    rq->head = streq(method_name, "HEAD");
    r = target_parse(target, &rq->target, &err);
    if (r < 0) {
        if (r == -E2BIG)
            (void)api_fail(rq, r, 414, "too-long");
        request_refuse(rq, r, &err);
        return;
    }
    r = auth_check_host(rq, &err);
    if (r < 0) {
        request_refuse(rq, r, &err);
        return;
    }
    if (atomic_load(&rq->api->stopping)) {
        (void)error_set(&err, -ESHUTDOWN, "the server is stopping");
        rq->close_after = true;
        request_refuse(rq, -ESHUTDOWN, &err);
        return;
    }
    find_route(rq, known);
    if (!rq->failed)
        (void)read_length(rq);
    // Nobody without a name makes us keep what is long.
    if (!rq->failed && rq->body_max > API_BODY_MAX && rq->route->row->access != API_AGENT &&
        rq->route->row->access != API_PUBLIC && !api_header(rq, "Cookie") &&
        !api_header(rq, "Authorization"))
        request_refuse_as(rq, 401, "unauthorized", "nobody is signed in");
}

int request_new(struct api *api, const char *method_name, const char *target, header_fn header,
                void *header_ctx, const char *address, struct api_request **ret)
{
    struct api_request *rq = new0(struct api_request, 1);

    if (!rq)
        return -ENOMEM;
    rq->api = api;
    rq->header = header;
    rq->header_ctx = header_ctx;
    rq->began_ns = now_ns(CLOCK_MONOTONIC);
    rq->actor = (struct actor){.kind = ACTOR_SERVER};
    (void)snprintf(rq->address, sizeof(rq->address), "%s", address);
    (void)snprintf(rq->id, sizeof(rq->id), "%s-%" PRIx64, api->id_prefix,
                   (uint64_t)atomic_fetch_add(&api->next_id, 1));
    atomic_fetch_add(&api->requests, 1);
    atomic_fetch_add(&api->active, 1);
    begin(rq, method_name, target);
    *ret = rq;
    return 0;
}

int request_lane(const struct api_request *rq)
{
    return rq->route && rq->route->row->access == API_AGENT ? LANE_AGENTS : LANE_PEOPLE;
}

// A body that nobody needs any more gives its memory back: a parked request is to be small.
static void drop_body(struct api_request *rq)
{
    sb_done(&rq->body);
    atomic_fetch_sub(&rq->api->body_bytes[request_lane(rq)], rq->body_reserved);
    rq->body_reserved = 0;
}

struct api_request *request_free(struct api_request *rq)
{
    struct api_done done;

    if (!rq)
        return NULL;
    if (rq->watching)
        parking_forget(rq->api->parking, rq);
    if (rq->answer.status >= 500)
        atomic_fetch_add(&rq->api->errors_5xx, 1);
    else if (rq->answer.status >= 400)
        atomic_fetch_add(&rq->api->errors_4xx, 1);
    if (rq->api->options.hooks.done) {
        done = (struct api_done){
            .route = rq->route ? rq->route->row : NULL,
            .method = api_method_name(rq->method),
            .path = rq->route ? rq->route->row->path : "",
            .address = rq->address,
            .request_id = rq->id,
            .identity = rq->identified ? &rq->identity : NULL,
            .status = rq->answer.status,
            .code = rq->answer.code,
            .error = rq->error,
            .duration_us = (now_ns(CLOCK_MONOTONIC) - rq->began_ns) / NS_PER_US,
            .bytes_in = rq->bytes_in,
        };
        rq->api->options.hooks.done(rq->api->options.server, &done);
    }
    if (rq->state && rq->free_state)
        rq->free_state(rq->state);
    for (size_t i = 0; i < API_PARAMS_MAX; i++)
        (void)strv_free(rq->lists[i]);
    json_object_put(rq->json);
    drop_body(rq);
    answer_done(&rq->answer);
    target_done(&rq->target);
    free(rq->error);
    atomic_fetch_sub(&rq->api->active, 1);
    free(rq);
    return NULL;
}

// A share for each lane, so that people cannot keep agents out, nor the other way round.
static int reserve(struct api_request *rq, size_t more)
{
    atomic_size_t *used = &rq->api->body_bytes[request_lane(rq)];
    size_t max = rq->api->limits.body_bytes, before = atomic_fetch_add(used, more);

    max = request_lane(rq) == LANE_AGENTS ? max - max / 4 : max / 4;
    if (before + more > max) {
        atomic_fetch_sub(used, more);
        return -ENOBUFS;
    }
    rq->body_reserved += more;
    return 0;
}

int request_body(struct api_request *rq, const void *mem, size_t len)
{
    struct error err = {};
    int r = 0;

    rq->bytes_in += len;
    if (rq->failed) {
        rq->drained += len;
        return 0;
    }
    if (len > rq->body_max - rq->body.len) {
        r = error_set(&err, -E2BIG, "the body has more than %zu bytes", rq->body_max);
    } else {
        r = reserve(rq, len);
        if (r < 0) {
            atomic_fetch_add(&rq->api->refused_busy, 1);
            (void)error_set(&err, r, "too much is being sent to the server at this moment");
        }
    }
    if (r == 0) {
        sb_add(&rq->body, mem, len);
        if (rq->body.failed)
            r = error_set(&err, -ENOBUFS, "no memory for this body");
    }
    if (r < 0) {
        drop_body(rq);
        request_refuse(rq, r, &err);
        rq->drained = 0;
    }
    return r;
}

static int call_handler(struct api_request *rq, struct error *err)
{
    struct answer *a = &rq->answer;
    struct jw jw;
    int r;

    if (!rq->route->row->fn)
        return error_set(err, -EOPNOTSUPP, "this is not there yet");
    sb_reset(&a->body);
    jw_init(&jw, &a->body);
    r = rq->route->row->fn(rq->api->options.server, rq, &jw, err);
    if (r != HANDLER_ANSWERED)
        return r;
    if (rq->route->row->flags & API_NO_BODY) {
        sb_reset(&a->body);
        a->status = a->status ? a->status : 204;
        return 0;
    }
    if (jw_finish(&jw) < 0)
        return error_set(err, -EBADE, "the answer could not be put together");
    a->content_type = "application/json";
    if (a->status == 0)
        a->status = rq->route->row->flags & API_CREATED ? 201 : 200;
    return 0;
}

int request_run(struct api_request *rq)
{
    struct error err = {};
    int r = 0;

    if (!rq->route) {
        files_answer(rq);
        return HANDLER_ANSWERED;
    }
    if (!rq->identified) {
        r = auth_identify(rq, &err);
        if (r == 0)
            r = check_params(rq, &err);
        if (r == 0)
            r = check_body(rq, &err);
    }
    if (r == 0)
        r = call_handler(rq, &err);
    if (r == HANDLER_PARKED) {
        json_object_put(rq->json);
        rq->json = NULL;
        if (!rq->body_taken)
            drop_body(rq);
        sb_done(&rq->answer.body);
        parking_add(rq->api->parking, rq);
        return HANDLER_PARKED;
    }
    if (rq->watching)
        parking_forget(rq->api->parking, rq);
    if (r < 0)
        request_refuse(rq, r, &err);
    else if (r != HANDLER_ANSWERED)
        rq->answer.status = 200;
    return r < 0 ? HANDLER_ANSWERED : r;
}
