// SPDX-License-Identifier: Apache-2.0
//
// What a host is asked while somebody looks at it. The answer says how old it is, and where there is none, why: then the last one
// is given that there was.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/host.h"
#include "registry/settings.h"
#include "server/asking.h"
#include "server/live_json.h"
#include "server/server.h"
#include "server/write.h"

#define PIECES_MAX 8 // of a list
#define DEPTH_MAX  12
#define ARGS_MAX   160
#define AGAIN_MS   1000 // whether the host is still there

static const char *const states[] = {
    [LIVE_ANSWERED] = "answered",
    [LIVE_AWAY] = "away",
    [LIVE_LATE] = "late",
    [LIVE_FAILED] = "failed",
};

struct look {
    struct asking *asking;
    char host[HOST_ID_SIZE], name[HOST_FACT_MAX];
    uint64_t seen_ms, until_ns;
    enum live_state state;
    struct error error;
    struct question *waits, *got[PIECES_MAX];
    size_t n_got;
    uint64_t next; // where the next piece begins; 0: there is none
};

static void look_free(void *p)
{
    struct look *l = p;

    question_unref(l->asking, l->waits);
    for (size_t i = 0; i < l->n_got; i++)
        question_unref(l->asking, l->got[i]);
    free(l);
}

// Asking ---------------------------------------------------------------------------------------------

struct hosted {
    struct server *s;
    struct look *look;
};

// An agent asks for news every 5 s: one that has not for longer than the setting says is not there to be asked.
static int keep_host(void *ctx, const struct registry_host *h)
{
    struct hosted *c = ctx;
    struct look *l = c->look;
    uint64_t patience = registry_setting_u64(c->s->registry, SETTING_HOST_UNHEARD);

    (void)snprintf(l->host, sizeof(l->host), "%s", h->id);
    (void)snprintf(l->name, sizeof(l->name), "%s", *h->name ? h->name : h->id);
    l->seen_ms = h->seen_ms;
    l->state = LIVE_ANSWERED;
    if (h->state == HOST_REVOKED || h->state == HOST_CLONED || h->state == HOST_RETIRED) {
        l->state = LIVE_AWAY;
        (void)error_set(&l->error, -EACCES, "%s",
                        *h->reason ? h->reason : host_state_name(h->state));
        if (*h->cure)
            error_cure(&l->error, "%s", h->cure);
    } else if (h->seen_ms + patience < registry_now(c->s->registry)) {
        l->state = LIVE_AWAY;
    }
    return 0;
}

static uint64_t next_of(const char *result)
{
    struct json_object *o = json_parse(result, strlen(result), DEPTH_MAX);
    uint64_t next = json_get_u64(o, "next", 0);

    json_object_put(o);
    return next;
}

static void take(struct look *l, struct question *q, const char *result)
{
    l->got[l->n_got++] = q;
    l->next = next_of(result);
}

// args of the first piece, or of a further one.
static const char *args_of(const struct look *l, const char *first, char buf[ARGS_MAX])
{
    if (l->n_got == 0)
        return first;
    (void)snprintf(buf, ARGS_MAX, "{\"from\":%" PRIu64 "}", l->next);
    return buf;
}

// What was answered before, for want of anything newer.
static void take_last(struct look *l, const char *name, const char *first)
{
    char buf[ARGS_MAX];
    struct answer answer;
    struct question *q;

    while ((l->n_got == 0 || l->next) && l->n_got < PIECES_MAX &&
           asking_last(l->asking, l->host, name, args_of(l, first, buf), &q) == 0) {
        if (question_answer(l->asking, q, &answer) && answer.result)
            take(l, q, answer.result);
        else
            question_unref(l->asking, q);
    }
}

static void fail(struct look *l, enum live_state state, const char *name, const char *first)
{
    l->state = state;
    if (l->n_got == 0)
        take_last(l, name, first);
}

// True: there is nothing more to wait for.
static bool go_on(struct server *s, struct look *l, const char *name, const char *first, int *ret,
                  struct error *err)
{
    char buf[ARGS_MAX];
    struct answer answer;

    for (;;) {
        if (!l->waits) {
            *ret = asking_begin(l->asking, l->host, name, args_of(l, first, buf), &l->waits, err);
            if (*ret < 0)
                return true;
            api_wake(s->api, server_host_key(l->host));
        }
        if (!question_answer(l->asking, l->waits, &answer))
            return false;
        if (!answer.result) {
            l->error = *answer.error;
            fail(l, LIVE_FAILED, name, first);
            return true;
        }
        take(l, TAKE_PTR(l->waits), answer.result);
        if (!l->next || l->n_got == PIECES_MAX)
            return true;
    }
}

// Returns 0 with *ret_look when there is something to be written, or what the handler returns.
static int look(struct server *s, struct api_request *rq, const char *name, const char *args,
                struct look **ret_look, struct error *err)
{
    struct look *l = api_state(rq);
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    int r = 0;

    if (!l) {
        l = new0(struct look, 1);
        if (!l)
            return error_set(err, -ENOMEM, "%m");
        l->asking = s->asking;
        l->until_ns = now + ASKING_WAIT_MS * NS_PER_MS;
        api_set_state(rq, l, look_free);
    }
    *ret_look = l;
    r = registry_host_get(s->registry, api_path(rq, "id"), keep_host, &(struct hosted){s, l}, err);
    if (r < 0)
        return r;
    if (l->state == LIVE_AWAY) {
        fail(l, LIVE_AWAY, name, args);
        return 0;
    }
    api_watch(rq, asking_key(l->host));
    if (go_on(s, l, name, args, &r, err))
        return r;
    if (now >= l->until_ns || api_woken(rq) == API_STOPPING) {
        fail(l, LIVE_LATE, name, args);
        return 0;
    }
    return api_park(rq, MIN((l->until_ns - now) / NS_PER_MS + 1, (uint64_t)AGAIN_MS));
}

// Answers --------------------------------------------------------------------------------------------

static void begin(struct look *l, struct jw *out)
{
    uint64_t time_ms = 0;
    struct answer answer;

    // The oldest of them: the whole is not younger.
    if (l->n_got > 0 && question_answer(l->asking, l->got[0], &answer))
        time_ms = answer.time_ms;
    jw_begin_object(out);
    jw_kv_str(out, "host", l->host);
    jw_kv_str(out, "host_name", l->name);
    jw_kv_object(out, "live");
    jw_kv_str(out, "state", states[l->state]);
    write_text(out, "error", l->error.what);
    write_text(out, "cure", l->error.cure);
    write_time(out, "last_seen", l->seen_ms);
    write_time(out, "answered", time_ms);
    jw_end_object(out);
}

// The caller puts it. NULL: there is no answer.
static struct json_object *piece(struct look *l, size_t i)
{
    struct answer answer;

    if (i >= l->n_got || !question_answer(l->asking, l->got[i], &answer) || !answer.result)
        return NULL;
    return json_parse(answer.result, strlen(answer.result), DEPTH_MAX);
}

int route_host_live_processes(struct server *s, struct api_request *rq, struct jw *out,
                              struct error *err)
{
    struct look *l = NULL;
    int r = look(s, rq, "processes", "{\"from\":0}", &l, err);

    if (r != 0)
        return r;
    begin(l, out);
    jw_kv_array(out, "nodes");
    for (size_t i = 0; i < l->n_got; i++) {
        struct json_object *o = piece(l, i);

        live_processes_json(o, out);
        json_object_put(o);
    }
    jw_end_array(out);
    jw_kv_bool(out, "truncated", l->next != 0);
    jw_end_object(out);
    return 0;
}

static int answer_one(struct server *s, struct api_request *rq, const char *name, const char *args,
                      void (*write)(struct json_object *o, struct jw *out), struct jw *out,
                      struct error *err)
{
    struct json_object *o;
    struct look *l = NULL;
    int r = look(s, rq, name, args, &l, err);

    if (r != 0)
        return r;
    o = piece(l, 0);
    begin(l, out);
    write(o, out);
    jw_end_object(out);
    json_object_put(o);
    return 0;
}

int route_host_live_scheduling(struct server *s, struct api_request *rq, struct jw *out,
                               struct error *err)
{
    char args[ARGS_MAX];

    // The words are those of the row's type: nothing that would have to be escaped.
    (void)snprintf(args, sizeof(args),
                   "{\"sched\":true,\"window_ms\":1000,\"sort\":\"%s\",\"limit\":300}",
                   api_query_str(rq, "sort", "cpu"));
    return answer_one(s, rq, "scheduling", args, live_scheduling_json, out, err);
}

int route_host_live_network(struct server *s, struct api_request *rq, struct jw *out,
                            struct error *err)
{
    char args[ARGS_MAX];

    (void)snprintf(args, sizeof(args), "{\"what\":\"%s\",\"limit\":1000}",
                   api_query_str(rq, "what", "flows"));
    return answer_one(s, rq, "network", args, live_network_json, out, err);
}

int route_host_live_defence(struct server *s, struct api_request *rq, struct jw *out,
                            struct error *err)
{
    return answer_one(s, rq, "defence", "{}", live_defence_json, out, err);
}
