// SPDX-License-Identifier: Apache-2.0
//
// The routes that tests of the API ask, and people who are known to them.
#pragma once

#include "base/jsonget.h"
#include "tests/unit/api/peer.h"

#define CSRF    "csrf-of-the-session"
#define KEY     UINT64_C(77)
#define AS(who) "Cookie: __Host-safeguard=" who

struct server {
    struct api *api;
    atomic_bool news, hold, wake_inside;
    // What the hooks say of everybody: known no more, with a role that sees nothing, not to be looked up.
    atomic_bool sent_away, demoted, unknown;
    atomic_bool endless; // lines: one now and then, for ever
    atomic_uint waiting, freed, done, last_status;
    struct api_events *_Atomic events;
    unsigned pulls, pull_max;
    struct error last_error;
    char last_code[32];
};

static int route_echo(struct server *s _unused_, struct api_request *rq, struct jw *out,
                      struct error *err _unused_)
{
    struct json_object *body = api_body(rq);

    jw_begin_object(out);
    jw_kv_str(out, "id", api_path(rq, "id"));
    jw_kv_str(out, "text", json_get_str(body, "text", NULL));
    jw_kv_u64(out, "n", json_get_u64(body, "n", api_query_u64(rq, "n", 0)));
    jw_kv_str(out, "q", api_query_str(rq, "q", NULL));
    jw_kv_u64(out, "at", api_query_time(rq, "at", 0));
    jw_kv_array(out, "words");
    for (const char *const *w = api_query_list(rq, "words"); w && *w; w++)
        jw_cstr(out, *w);
    jw_end_array(out);
    jw_kv_str(out, "by", api_actor(rq)->name);
    jw_kv_str(out, "address", api_address(rq));
    jw_end_object(out);
    return 0;
}

static int route_raw(struct server *s _unused_, struct api_request *rq, struct jw *out,
                     struct error *err _unused_)
{
    size_t len;
    const unsigned char *bytes = api_body_raw(rq, &len);
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += bytes[i];
    jw_begin_object(out);
    jw_kv_u64(out, "len", len);
    jw_kv_u64(out, "sum", sum);
    jw_kv_str(out, "by", api_actor(rq)->name);
    jw_end_object(out);
    return 0;
}

static int route_fail(struct server *s _unused_, struct api_request *rq, struct jw *out,
                      struct error *err)
{
    const char *what = api_path(rq, "id");

    jw_begin_object(out); // what was begun is not sent
    if (streq(what, "full"))
        return error_set(err, -ENOSPC, "no room");
    if (streq(what, "secret"))
        return error_set(err, -ENOTCONN, "/var/lib/secret is broken");
    if (streq(what, "teapot"))
        return api_fail(rq, error_set(err, -EINVAL, "short and stout"), 418, "teapot");
    if (streq(what, "half"))
        return 0;
    return error_set(err, -ENOENT, "no '%s'", what);
}

static int route_login(struct server *s _unused_, struct api_request *rq, struct jw *out,
                       struct error *err _unused_)
{
    jw_begin_object(out);
    jw_end_object(out);
    return api_set_session(rq, "anna");
}

static int route_logout(struct server *s _unused_, struct api_request *rq, struct jw *out _unused_,
                        struct error *err _unused_)
{
    return api_set_session(rq, NULL);
}

static int route_wait(struct server *s, struct api_request *rq, struct jw *out,
                      struct error *err _unused_)
{
    static const char *const words[] = {"first", "woken", "timed-out", "stopping"};

    api_watch(rq, KEY);
    if (!atomic_load(&s->news) && api_woken(rq) != API_TIMED_OUT && api_woken(rq) != API_STOPPING) {
        if (api_woken(rq) == API_FIRST)
            atomic_fetch_add(&s->waiting, 1);
        // As if somebody else did, after the look and before it is parked.
        if (atomic_exchange(&s->wake_inside, false)) {
            atomic_store(&s->news, true);
            api_wake(s->api, KEY);
        }
        return api_park(rq, api_query_u64(rq, "ms", 30000));
    }
    jw_begin_object(out);
    jw_kv_str(out, "why", words[api_woken(rq)]);
    jw_end_object(out);
    return 0;
}

static int route_slow(struct server *s, struct api_request *rq _unused_, struct jw *out,
                      struct error *err _unused_)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    atomic_fetch_add(&s->waiting, 1);
    while (atomic_load(&s->hold))
        (void)nanosleep(&pause, NULL);
    jw_begin_object(out);
    jw_end_object(out);
    return 0;
}

static void on_gone(void *ctx)
{
    struct server *s = ctx;
    struct api_events *ev = atomic_exchange(&s->events, NULL);

    (void)api_events_unref(ev);
    atomic_fetch_add(&s->freed, 1);
}

static int route_events(struct server *s, struct api_request *rq, struct jw *out _unused_,
                        struct error *err)
{
    struct api_events *ev = NULL;
    int r = api_events_begin(rq, on_gone, s, &ev, err);

    if (r < 0)
        return r;
    (void)api_events_push(ev, "1", "hello", strempty(api_last_event_id(rq)),
                          strlen(strempty(api_last_event_id(rq))));
    atomic_store(&s->events, ev);
    return r;
}

static int on_pull(void *ctx, struct strbuf *out)
{
    struct server *s = ctx;

    if (atomic_load(&s->endless)) {
        const struct timespec pause = {.tv_nsec = 5000000};

        (void)nanosleep(&pause, NULL);
        sb_puts(out, "{}\n");
        atomic_store(&s->waiting, 1);
        return 1;
    }
    if (s->pulls == s->pull_max)
        return s->pull_max == 3 ? -EIO : 0;
    for (unsigned i = 0; i < 1000; i++)
        sb_printf(out, "{\"line\":%u,\"text\":\"0123456789012345678901234567890123456789\"}\n",
                  s->pulls * 1000 + i);
    s->pulls++;
    return 1;
}

static void on_pull_end(void *ctx)
{
    struct server *s = ctx;

    atomic_fetch_add(&s->freed, 1);
}

static int route_lines(struct server *s, struct api_request *rq, struct jw *out _unused_,
                       struct error *err)
{
    s->pulls = 0;
    return api_stream(rq, "application/x-ndjson", on_pull, s, on_pull_end, err);
}

static const struct api_route test_routes[] = {
    {"echo", API_GET, "/api/v1/things/{id}", API_VIEW, 0, "", "", "Echo", route_echo},
    {"echo_fixed", API_GET, "/api/v1/things/fixed", API_PUBLIC, 0, "", "", "Echo", route_echo},
    {"change", API_PUT, "/api/v1/things/{id}", API_OPERATE, 0, "", "Thing", "Echo", route_echo},
    {"make", API_POST, "/api/v1/things", API_OPERATE, API_CREATED | API_BIG, "", "Thing", "Echo",
     route_echo},
    {"public", API_POST, "/api/v1/public", API_PUBLIC, 0, "", "Thing", "Echo", route_echo},
    {"remove", API_DELETE, "/api/v1/things/{id}", API_ADMINISTER, API_NO_BODY, "", "", "",
     route_echo},
    {"fail", API_GET, "/api/v1/fail/{id}", API_PUBLIC, 0, "", "", "object", route_fail},
    {"later", API_GET, "/api/v1/later", API_PUBLIC, 0, "", "", "object", NULL},
    {"login", API_POST, "/api/v1/login", API_PUBLIC, 0, "", "object", "object", route_login},
    {"logout", API_POST, "/api/v1/logout", API_SELF, API_NO_BODY | API_COOKIE, "", "", "",
     route_logout},
    {"wait", API_GET, "/api/v1/wait", API_PUBLIC, 0, "", "", "object", route_wait},
    {"slow", API_GET, "/api/v1/slow", API_PUBLIC, 0, "", "", "object", route_slow},
    {"events", API_GET, "/api/v1/events", API_PUBLIC, API_EVENTS, "", "", "object", route_events},
    {"events_mine", API_GET, "/api/v1/events/mine", API_VIEW, API_EVENTS, "", "", "object",
     route_events},
    {"lines_mine", API_GET, "/api/v1/lines/mine", API_VIEW, API_LINES, "", "", "object",
     route_lines},
    {"lines", API_GET, "/api/v1/lines", API_PUBLIC, API_LINES, "", "", "object", route_lines},
    {"raw", API_POST, "/agent/v1/raw", API_AGENT, API_FRAME, "", "", "object", route_raw},
};

static const struct api_param test_params[] = {
    {"echo_fixed", "n", "integer(0..100)", ""}, {"echo_fixed", "q", "string(1..8)", ""},
    {"echo_fixed", "at", "time", ""},           {"echo_fixed", "words", "[Word](0..3)", ""},
    {"wait", "ms", "integer(1..600000)", ""},
};

static const struct api_field test_fields[] = {
    {"Word", NULL, "word(one|two|three)", "", false},
    {"Error", NULL, NULL, "", false},
    {"Error", "error", "object", "", false},
    {"Thing", NULL, NULL, "a thing", false},
    {"Thing", "text", "string(1..10)", "", false},
    {"Thing", "n", "integer(0..9)", "", true},
    {"Thing", "words", "[Word](0..2)", "", true},
    {"Thing", "labels", "{string(0..3)}(0..2)", "", true},
    {"Thing", "inner", "Inner?", "", true},
    {"Thing", "id", "uuid", "", true},
    {"Inner", NULL, NULL, "", false},
    {"Inner", "ok", "boolean", "", false},
    {"Inner", "when", "time?", "", false},
    {"Echo", NULL, NULL, "", false},
    {"Echo", "id", "string", "", false},
    {"Echo", "text", "string?", "", false},
    {"Echo", "n", "integer", "", false},
    {"Echo", "q", "string?", "", false},
    {"Echo", "at", "time", "", false},
    {"Echo", "words", "[Word]", "", false},
    {"Echo", "by", "string?", "", false},
    {"Echo", "address", "string", "", false},
};

static const struct api_tables test_tables = {
    .routes = test_routes,
    .n_routes = ARRAY_SIZE(test_routes),
    .params = test_params,
    .n_params = ARRAY_SIZE(test_params),
    .fields = test_fields,
    .n_fields = ARRAY_SIZE(test_fields),
    .title = "test",
    .version = "1",
};

// The cookie is the name; "tina" is a token. Whoever is called after a role has it.
static int hook_session(struct server *s, const char *cookie, const char *address _unused_,
                        struct api_identity *ret, struct error *err)
{
    uint32_t role = streq(cookie, "operator")  ? ROLE_OPERATOR
                    : streq(cookie, "viewer")  ? ROLE_VIEWER
                    : streq(cookie, "admin")   ? ROLE_ADMIN
                    : streq(cookie, "auditor") ? ROLE_AUDITOR
                                               : 0;

    if (streq(cookie, "broken") || atomic_load(&s->unknown))
        return error_set(err, -EIO, "the disk");
    if (atomic_load(&s->demoted))
        role = ROLE_ADMIN;
    if (!role || atomic_load(&s->sent_away))
        return -EACCES;
    ret->kind = ACTOR_USER;
    ret->roles = role;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", cookie);
    (void)snprintf(ret->user, sizeof(ret->user), "%s", cookie);
    (void)snprintf(ret->csrf, sizeof(ret->csrf), "%s", CSRF);
    return 0;
}

static int hook_token(struct server *s, const char *token, const char *address _unused_,
                      struct api_identity *ret, struct error *err _unused_)
{
    if (!streq(token, "tina") || atomic_load(&s->sent_away))
        return -EACCES;
    ret->kind = ACTOR_TOKEN;
    ret->roles = ROLE_OPERATOR;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", "ci");
    (void)snprintf(ret->user, sizeof(ret->user), "%s", token);
    return 0;
}

static int hook_agent(struct server *s _unused_, const struct api_certificate *certificate,
                      struct api_identity *ret, struct error *err)
{
    struct cert_info info;
    int r = cert_read_der(certificate->der, certificate->len, &info, err);

    if (r < 0)
        return r;
    ret->kind = ACTOR_AGENT;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", info.agent_id);
    return 0;
}

static void hook_done(struct server *s, const struct api_done *done)
{
    atomic_store(&s->last_status, done->status);
    atomic_fetch_add(&s->done, 1);
}

struct rig {
    struct server server;
    struct peer_ca ca;
    struct api_options options;
    struct api *api;
    struct peer peer;
};

static inline struct rig *rig_new(void)
{
    struct rig *rig = new0(struct rig, 1);

    assert_non_null(rig);
    peer_ca_new(&rig->ca);
    rig->options = (struct api_options){
        .address = "127.0.0.1",
        .certificate_pem = rig->ca.chain,
        .key_pem = rig->ca.key,
        .ca_pem = ca_pem(rig->ca.ca),
        .tables = test_tables,
        .hooks = {hook_session, hook_token, hook_agent, hook_done},
        .server = &rig->server,
        .threads = 2,
    };
    return rig;
}

static inline void rig_start(struct rig *rig)
{
    struct error err = {};
    int r = api_new(&rig->options, &rig->api, &err);

    r = r < 0 ? r : api_start(rig->api, &err);
    error_print(&err, stderr);
    assert_int_equal(r, 0);
    rig->server.api = rig->api;
    peer_init(&rig->peer, rig->api, &rig->ca);
}

static inline void rig_free(struct rig *rig)
{
    if (rig->api) {
        assert_int_equal(api_stop(rig->api, 5000), 0);
        (void)api_free(rig->api);
        peer_done(&rig->peer);
    }
    peer_ca_done(&rig->ca);
    free(rig);
}

static inline void await(atomic_uint *count, unsigned n)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < 30000 && atomic_load(count) < n; i++)
        (void)nanosleep(&pause, NULL);
    assert_true(atomic_load(count) >= n);
}
