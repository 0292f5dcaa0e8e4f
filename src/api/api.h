// SPDX-License-Identifier: Apache-2.0
//
// HTTP for the server: TLS, routes, bodies, who is asking, and answers. Called by src/server, which brings
// the tables (routes, parameters, schemas) and the functions behind them, and never by a middle room. Owns the
// listening socket, its connections, a pool of worker threads and the files of the UI. Knows nothing of hosts,
// records or users: who somebody is it asks through struct api_hooks.
//
// A request goes: route → access → parameters and body against their rows → handler, in a worker thread. The connection
// is suspended meanwhile. A handler writes one JSON value to `out` and returns 0, or fills err and returns a negative errno;
// api_status() and api_fail() say more than these two. Instead of an answer it may return
//     api_park(rq, ms)          called again when api_wake() finds it, or when time is up; no thread waits
//     api_events_begin(rq, …)   server-sent events, pushed by anybody
//     api_stream(rq, …)         lines that a function makes as fast as the client reads
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "model/actor.h"

struct api;
struct api_request;
struct server; // the caller's; handed through

#define API_BODY_MAX       ((size_t)64 << 10)  // of a JSON body, unless the route says otherwise
#define API_BODY_BIG       ((size_t)2 << 20)   // API_BIG
#define API_BODY_RAW       ((size_t)256 << 10) // API_RAW
#define API_BODY_FRAME     ((size_t)4 << 20)   // API_FRAME
#define API_JSON_DEPTH     16
#define API_TARGET_MAX     4096 // bytes of path and query together
#define API_PARAMS_MAX     32   // parameters of a query
#define API_SESSION_COOKIE "__Host-safeguard"
#define API_ADDRESS_SIZE   46 // as INET6_ADDRSTRLEN
#define API_CODE_SIZE      32

enum api_method { API_GET, API_POST, API_PUT, API_PATCH, API_DELETE, API_METHODS };

// Who may use a route. Roles are those of model/roles.def.
enum api_access {
    API_PUBLIC,     // anybody
    API_AGENT,      // a host, by its certificate
    API_SELF,       // whoever is signed in
    API_VIEW,       // viewer, operator, auditor
    API_OPERATE,    // operator
    API_ADMINISTER, // admin
    API_OVERSEE,    // admin, auditor: what is administered, for reading
    API_AUDIT,      // auditor
    API_ACCESSES,
};

// Flags of a route.
#define API_BIG      (1u << 0) // a JSON body of up to API_BODY_BIG
#define API_FRAME    (1u << 1) // a body of bytes, up to API_BODY_FRAME
#define API_RAW      (1u << 8) // a body of JSON that the handler reads itself, up to API_BODY_RAW
#define API_CREATED  (1u << 2) // answers 201
#define API_NO_BODY  (1u << 3) // answers 204, nothing is written to `out`
#define API_EVENTS   (1u << 4) // answers with server-sent events
#define API_LINES    (1u << 5) // answers with NDJSON
#define API_COOKIE   (1u << 6) // only for sessions: API tokens are refused
#define API_UNLISTED (1u << 7) // not in the OpenAPI document

typedef int (*api_handler)(struct server *s, struct api_request *rq, struct jw *out,
                           struct error *err);

struct api_route {
    const char *id;
    enum api_method method;
    const char *path; // "/api/v1/hosts/{id}"; a parameter is a whole segment
    enum api_access access;
    uint32_t flags;
    const char *summary;
    const char *request, *response; // types (api/schema.h); "": none
    api_handler fn;                 // NULL: only described, answers 501
};

// A parameter of the query. Types as in schema.h; a list is given as a=1&a=2 or a=1,2.
struct api_param {
    const char *route, *name, *type, *help;
};

// A field of an object; the object itself (field and type NULL); a name for a type (field NULL).
struct api_field {
    const char *schema, *field, *type, *help;
    bool optional;
};

struct api_tables {
    const struct api_route *routes;
    size_t n_routes;
    const struct api_param *params;
    size_t n_params;
    const struct api_field *fields;
    size_t n_fields;
    const char *title, *version; // of the OpenAPI document
};

// Who a request is from, as the hooks found. Texts end with a NUL.
struct api_identity {
    enum actor_kind kind; // ACTOR_USER, ACTOR_TOKEN, ACTOR_AGENT
    char name[128];       // of the user, the token, or the host's id
    char user[128];       // the token's owner; for a user his own name
    char session[96];     // of a session: what the hook wants back in api_session_id()
    char csrf[96];        // of a session: what X-CSRF-Token has to be
    uint32_t roles;
    // Of an agent, in ms since 1970: until then it is not asked again whose certificate the connection showed. 0: each time.
    uint64_t until_ms;
};

struct api_certificate {
    const void *der; // of the client, verified against the CA for client authentication
    size_t len;
};

// What somebody did, when it is done: for a log and for counters. Called in any thread.
struct api_done {
    const struct api_route *route; // NULL: none matched, or a file
    const char *method, *path, *address, *request_id;
    const struct api_identity *identity; // NULL: nobody known
    unsigned status;
    const char *code;          // of an error, else ""
    const struct error *error; // of a status from 500 on; may be NULL
    uint64_t duration_us, bytes_in;
};

// All may be called from several threads at once. 0, or a negative errno with err: -EACCES means "not known, or no
// longer valid" and becomes 401 (-EKEYEXPIRED from agent() likewise, with code "expired"); other codes as from a handler. Members may be NULL: nobody is known that way.
struct api_hooks {
    int (*session)(struct server *s, const char *cookie, const char *address,
                   struct api_identity *ret, struct error *err);
    int (*token)(struct server *s, const char *token, const char *address, struct api_identity *ret,
                 struct error *err);
    int (*agent)(struct server *s, const struct api_certificate *certificate,
                 struct api_identity *ret, struct error *err);
    void (*done)(struct server *s, const struct api_done *done);
};

struct api_options {
    const char *address; // "::", "0.0.0.0", "127.0.0.1"; NULL: "::" (both families)
    uint16_t port;       // 0: any, see api_port()
    const char *certificate_pem, *key_pem; // copied; certificates of the chain follow the first one
    const char *ca_pem; // clients' certificates are checked against it; NULL: none is asked for
    const char *const *names;         // Host headers that are served, beside addresses; NULL: any
    const char *ui_dir;               // NULL: no UI
    unsigned threads;                 // that run handlers; 0: 8
    unsigned loops;                   // that serve sockets; 0: 2
    unsigned connections;             // at once; 0: 8192
    unsigned connections_per_address; // 0: 1024
    unsigned queue;                   // requests that wait for a worker; 0: 1024
    unsigned events;                  // clients of server-sent events at once; 0: 256
    unsigned streams;                 // exports at once; 0: 8
    size_t body_bytes;                // memory for bodies of all requests; 0: 256 MiB
    unsigned handshakes;              // at once, of which three quarters from one address; 0: 64
    unsigned handshake_timeout_ms;    // for TLS; a third of it while others wait; 0: 10,000
    unsigned head_timeout_ms; // for the first message, and for request line and headers; 0: 30,000
    unsigned body_timeout_ms; // for a body (and 1 s for each 16 KiB); 0: 30,000
    unsigned idle_timeout_ms; // of a connection between two requests; 0: 75,000
    unsigned ping_ms;         // server-sent events: a ping when so long nothing came; 0: 15,000
    struct api_tables tables;
    struct api_hooks hooks;
    struct server *server;
};

struct api_counters {
    uint64_t connections_accepted, connections_refused, connections_timed_out, requests,
        refused_busy, errors_4xx, errors_5xx;
    uint64_t events_sent, events_lost;
    uint64_t refused_ms; // when a connection was refused last, since 1970; 0: never
    size_t connections, shaking, waiting, parked, events, streams, queued, running, body_bytes;
};

// Checks the tables, loads the UI, starts the workers; nobody is served yet, so that the caller can keep *ret_api where handlers look
// for it. -EINVAL, … with err.
int api_new(const struct api_options *options, struct api **ret_api, struct error *err);
// Listens and serves. -EADDRINUSE, -EBADMSG (certificate), … with err.
int api_start(struct api *api, struct error *err);
// Takes no new connections, wakes what is parked, ends events and streams, waits for handlers that run (at most timeout_ms).
// 0, or -ETIMEDOUT: one of them did not come back; nothing can be freed then.
int api_stop(struct api *api, uint64_t timeout_ms);
// After api_stop().
struct api *api_free(struct api *api);
DEFINE_CLEANUP(struct api *, api_free)

uint16_t api_port(const struct api *api);
void api_counters(struct api *api, struct api_counters *ret);
// Connections from now on get this one. Old ones keep theirs.
int api_set_certificate(struct api *api, const char *certificate_pem, const char *key_pem,
                        struct error *err);
// Reads the files of the UI anew; on failure the old ones stay.
int api_reload_ui(struct api *api, struct error *err);

// The OpenAPI 3.1 document of the tables, one JSON object.
int api_openapi(const struct api_tables *tables, struct strbuf *out, struct error *err);

// ---- for handlers: what was asked ----

// Part of the path, decoded; never NULL for a parameter that the route has.
const char *api_path(const struct api_request *rq, const char *name);
// From the query, checked against the type in the row; `otherwise` when it was not given.
const char *api_query_str(const struct api_request *rq, const char *name, const char *otherwise);
uint64_t api_query_u64(const struct api_request *rq, const char *name, uint64_t otherwise);
int64_t api_query_i64(const struct api_request *rq, const char *name, int64_t otherwise);
bool api_query_bool(const struct api_request *rq, const char *name, bool otherwise);
// Milliseconds since 1970, from such a number, RFC 3339, "now", or "-1h" (ago).
uint64_t api_query_time(const struct api_request *rq, const char *name, uint64_t otherwise);
// The values of a list: NULL-terminated, on loan; NULL when it was not given.
const char *const *api_query_list(const struct api_request *rq, const char *name);

// The body: an object that has the request's schema; on loan. NULL when the route takes none.
struct json_object *api_body(const struct api_request *rq);
const void *api_body_raw(const struct api_request *rq, size_t *ret_len); // API_FRAME, API_RAW
// The same, and the caller frees it; it counts as memory of this request until it is answered. NULL: there is none.
char *api_take_body(struct api_request *rq, size_t *ret_len);

const char *api_header(const struct api_request *rq, const char *name); // NULL: none
// The cookie of a session that came with the request, whether or not it is one: into buf. NULL: none, or it is longer.
const char *api_session_cookie(const struct api_request *rq, char *buf, size_t size);
const char *api_address(const struct api_request *rq); // of the client
const char *api_request_id(const struct api_request *rq);
const struct api_route *api_route(const struct api_request *rq);
// Who asks. For API_PUBLIC: kind ACTOR_SERVER and no roles.
const struct actor *api_actor(const struct api_request *rq);
const struct api_identity *api_identity(const struct api_request *rq);

// Who may use a route; for a UI that asks what it may show.
bool api_may(enum api_access access, const struct api_identity *identity);

// ---- for handlers: what is answered ----

void api_status(struct api_request *rq, unsigned status);
// Returns r; the answer has this status and this `code`, a stable word.
int api_fail(struct api_request *rq, int r, unsigned status, const char *code);
// An additional header of the answer. The value must not have control characters (-EINVAL).
int api_set_header(struct api_request *rq, const char *name, const char *value);
// The session cookie; NULL takes it away.
int api_set_session(struct api_request *rq, const char *value);

// ---- for handlers: answers that come later ----

enum api_wake { API_FIRST, API_WOKEN, API_TIMED_OUT, API_STOPPING };

// From here on no api_wake(key) is missed. One key a request.
void api_watch(struct api_request *rq, uint64_t key);
// `return api_park(rq, ms);`: the handler runs again later. What it keeps until then it puts into api_set_state().
int api_park(struct api_request *rq, uint64_t timeout_ms);
enum api_wake api_woken(const struct api_request *rq);
void api_set_state(struct api_request *rq, void *state, void (*free_state)(void *));
void *api_state(const struct api_request *rq);
// All that watch the key. From any thread.
void api_wake(struct api *api, uint64_t key);
// All that are parked. They look for what they wait for, and most will park again.
void api_wake_all(struct api *api);
// Numbers that nobody else has as a key; others are made of what is waited for (XXH3 of a host's id).
uint64_t api_unique_key(struct api *api);

// Server-sent events. The handler returns what this returns. `free_ctx` is called once, when the client has gone.
struct api_events;
int api_events_begin(struct api_request *rq, void (*gone)(void *ctx), void *ctx,
                     struct api_events **ret, struct error *err);
struct api_events *api_events_ref(struct api_events *ev);
struct api_events *api_events_unref(struct api_events *ev);
DEFINE_CLEANUP(struct api_events *, api_events_unref)
// One event; id may be NULL. data is one line. From any thread, never waits. 0; -ENOBUFS: the client reads too slowly, this one
// is lost and counted, and the client will be told; -EPIPE: it has gone.
int api_events_push(struct api_events *ev, const char *id, const char *event, const char *data,
                    size_t len);
// What the client had last when it comes back, or NULL.
const char *api_last_event_id(const struct api_request *rq);

// Appends some lines (about 64 KiB; the more, the more memory). 1: there is more, 0: that was all, negative: the connection is cut,
// so that the client sees that it is not all. Called in worker threads, one call at a time.
typedef int (*api_pull)(void *ctx, struct strbuf *out);
int api_stream(struct api_request *rq, const char *content_type, api_pull pull, void *ctx,
               void (*free_ctx)(void *), struct error *err);
