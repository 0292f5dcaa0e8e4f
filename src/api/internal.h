// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share. A request belongs to one thread at a time: to the loop of its connection while
// bytes come and go, to a worker while the connection is suspended, to the table of parked ones in between.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "api/api.h"
#include "api/router.h"
#include "api/target.h"
#include "api/workers.h"
#include "base/strbuf.h"

#define EXTRA_HEADERS_MAX 8
#define REQUEST_ID_SIZE   32

struct MHD_Connection;
struct asset;
struct conn;
struct conns;
struct door;
struct files;
struct parking;
struct stream;
struct tls;

// What handlers return that is not an errno; each has its function in api.h.
enum { HANDLER_ANSWERED = 0, HANDLER_PARKED = 1, HANDLER_EVENTS = 2, HANDLER_STREAM = 3 };

struct answer {
    unsigned status; // 0: not yet known
    char code[API_CODE_SIZE];
    struct strbuf body;
    const char *content_type; // static
    struct {
        char *name, *value;
    } headers[EXTRA_HEADERS_MAX];
    size_t n_headers;
    unsigned retry_after_s; // 0: no such header
    struct api_events *events;
    struct stream *stream;
    const struct asset *asset;
    struct files *files; // that the asset is of; a reference
};

// How the headers of a request are asked for.
typedef const char *(*header_fn)(void *ctx, const char *name);

enum request_phase {
    PHASE_BODY,    // its bytes are coming
    PHASE_RUNNING, // suspended: waits for a worker, is with one, or is parked
    PHASE_ANSWER,  // there is something to send
    PHASE_SENDING,
};

struct api_request {
    struct api *api;
    struct job job;
    struct MHD_Connection *connection; // NULL: no socket (tests, fuzzers)
    struct conn *conn;
    header_fn header;
    void *header_ctx;

    // What was asked.
    enum api_method method;
    bool head; // HEAD
    struct target target;
    const struct route *route; // NULL: none, see answer
    const char *args[ROUTE_ARGS_MAX];
    char **lists[API_PARAMS_MAX]; // by the number of the route's parameter
    struct strbuf body;
    size_t body_max, body_reserved;
    bool body_taken;
    struct json_object *json;
    char address[API_ADDRESS_SIZE];
    char id[REQUEST_ID_SIZE];
    uint64_t began_ns, bytes_in;

    // Who.
    bool identified;
    struct api_identity identity;
    struct actor actor;
    struct api_certificate certificate;

    // Waiting.
    uint64_t key, deadline_ms;  // CLOCK_MONOTONIC
    bool watching, parked, hit; // under the lock of the parking
    enum api_wake wake;
    uint64_t park_ms;
    struct api_request *next, *previous; // of the same key
    void *state;
    void (*free_state)(void *);

    enum request_phase phase;
    bool close_after; // the connection cannot be used again
    bool failed;      // the answer was settled before the body came
    uint64_t drained; // bytes of a body that nobody wants
    struct answer answer;
    struct error *error; // of a status from 500 on
};

struct api {
    struct api_options options; // texts inside are owned copies or static
    struct api_limits {
        unsigned connections, connections_per_address, queue, events, streams;
        unsigned handshakes, handshake_timeout_ms;
        unsigned head_timeout_ms, body_timeout_ms, idle_timeout_ms, ping_ms;
        size_t body_bytes;
    } limits;
    char **names;
    char *ui_dir;
    struct router *router;
    struct workers *pools[2]; // people, agents: neither waits for the other
    struct parking *parking;
    struct conns *conns;
    struct door *door;
    struct tls *tls;
    struct http_loop *loops;
    unsigned n_loops;
    int listen_fd;
    uint16_t port;
    char id_prefix[9];
    atomic_uint_least64_t next_id, next_key;
    atomic_bool stopping;

    pthread_mutex_t lock; // of what follows
    struct files *files;
    struct api_events *events; // all clients
    size_t n_events, n_streams;

    atomic_size_t active;    // requests between begin and end
    atomic_size_t suspended; // connections that no loop looks at now
    atomic_size_t body_bytes[2];
    atomic_uint_least64_t requests, refused_busy, errors_4xx, errors_5xx, events_sent, events_lost;
    pthread_t keeper;
    bool keeper_runs;
    pthread_mutex_t keeper_lock;
    pthread_cond_t keeper_wake;
    bool keeper_stop;
};

// request.c: a request from its first line to its answer, without a socket ------------------------

// Takes apart what can be known before the body comes. Always gives a request (but for -ENOMEM); a refusal is in its answer,
// with `failed` set. method_name and target are copied where they are needed.
int request_new(struct api *api, const char *method_name, const char *target, header_fn header,
                void *header_ctx, const char *address, struct api_request **ret);
struct api_request *request_free(struct api_request *rq);
DEFINE_CLEANUP(struct api_request *, request_free)

// Settles the answer as this error.
void request_refuse(struct api_request *rq, int r, const struct error *err);
void request_refuse_as(struct api_request *rq, unsigned status, const char *code, const char *fmt,
                       ...) _printf_(4, 5);

// Bytes of the body. -E2BIG, -ENOBUFS (no memory for more bodies now): refused, the answer says why.
int request_body(struct api_request *rq, const void *mem, size_t len);

// Everything from "who is it" on. HANDLER_*: with HANDLER_PARKED the request is in the parking (or back in the pool) and
// must not be touched any more; otherwise the answer is settled.
int request_run(struct api_request *rq);

enum { LANE_PEOPLE, LANE_AGENTS };
int request_lane(const struct api_request *rq);

// auth.c ---------------------------------------------------------------------------------------

// Fills in rq->identity and the actor, and asks whether he may. Otherwise refuses.
int auth_identify(struct api_request *rq, struct error *err);
int auth_check_host(struct api_request *rq, struct error *err);

#define AUTH_SECRET_MAX 256   // bytes of a cookie or token
#define AUTH_AGAIN_MS   5000u // between two looks at whether an answer may go on

// Whom an answer is for that goes on for long. He was let in when it began, and may have been sent away since.
struct auth_standing {
    enum api_access access;
    bool token;
    char secret[AUTH_SECRET_MAX + 1]; // "": nobody in particular
    char address[API_ADDRESS_SIZE];
    uint64_t looked_ms;
};

void auth_stand(const struct api_request *rq, struct auth_standing *ret);
// False: his session or token is no more, or his roles are others. Looks every AUTH_AGAIN_MS at the most.
bool auth_stands(struct api *api, struct auth_standing *s, uint64_t now_ms);

// check.c: the query and the body against the route's rows ----------------------------------------

int check_params(struct api_request *rq, struct error *err);
int check_body(struct api_request *rq, struct error *err);

// answer.c ---------------------------------------------------------------------------------------

void answer_done(struct answer *a);
void answer_error(struct answer *a, int r, const struct error *err, const char *request_id);

// park.c -----------------------------------------------------------------------------------------

int parking_new(struct api *api, struct parking **ret);
struct parking *parking_free(struct parking *p);
// After the handler asked for it. From here on the request may run again at any moment.
void parking_add(struct parking *p, struct api_request *rq);
void parking_forget(struct parking *p, struct api_request *rq); // it was answered
void parking_tick(struct parking *p, uint64_t now_ms);
void parking_wake_all(struct parking *p, enum api_wake why);
size_t parking_len(struct parking *p);

// events.c, stream.c -----------------------------------------------------------------------------

struct MHD_Response;
void events_tick(struct api *api, uint64_t now_ms);
void events_end_all(struct api *api);
struct MHD_Response *events_response(struct api_request *rq);
void events_abandon(struct api_events *ev); // it was never sent
struct MHD_Response *stream_response(struct api_request *rq);
void stream_abandon(struct stream *s);

// files.c ----------------------------------------------------------------------------------------

int files_load(const char *dir, struct files **ret, struct error *err);
struct files *files_ref(struct files *f);
struct files *files_unref(struct files *f);
DEFINE_CLEANUP(struct files *, files_unref)
// Settles the answer: the file, 304, or 404.
void files_answer(struct api_request *rq);
// content is on loan as long as the files are held.
const char *asset_content(const struct asset *a, size_t *ret_len);

// listen.c ---------------------------------------------------------------------------------------

int listen_start(struct api *api, struct error *err);

// http.c -----------------------------------------------------------------------------------------

struct MHD_Daemon;

// One of libmicrohttpd's, with a thread of its own.
struct http_loop {
    struct MHD_Daemon *daemon;
    struct api *api;
    int epoll_fd; // what its thread waits for
    uint64_t rested_ns;
};

int http_start(struct api *api, struct error *err);
void http_resume(struct api_request *rq); // the answer is there
void http_stop(struct api *api);
// Gives a connection that was let in to a loop, with its descriptor, which is closed also on failure.
int http_serve(struct api *api, int fd, const struct sockaddr *from, socklen_t len);

// door.c -----------------------------------------------------------------------------------------

int door_start(struct api *api);
void door_stop(
    struct api *api); // nobody comes in any more; those that were not yet in are sent away
struct door *door_free(struct door *d);
// As many more may shake hands, or be there, as before.
void door_wake(struct door *d);
size_t door_waiting(struct door *d); // that have said something and are not yet in

// conn.c -----------------------------------------------------------------------------------------

enum conn_phase {
    CONN_SILENT,  // accepted; nothing has come
    CONN_WAITING, // its first words have come; as many as may are shaking hands
    CONN_SHAKING,
    CONN_FIRST,
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_BUSY,
    CONN_SENDING,
};

struct tls_peer {
    enum { PEER_UNKNOWN, PEER_NONE, PEER_GOOD, PEER_BAD } verdict;
    char why[128];
    const char *code; // of the error; static
    void *der;        // owned
    size_t len;
};

struct conn {
    int fd;
    // Of the loop that serves it, from conn_begin() on.
    struct conns *conns;
    struct http_loop *loop;
    bool shaken;
    char *target; // as it was sent
    struct tls_peer peer;
    struct api_identity *known; // of its certificate; owned
    // Of conn.c, under its lock.
    struct conn *next, *previous;
    struct address *address;
    enum conn_phase phase;
    uint64_t deadline_ms; // 0: none
    uint64_t let_in_ms;
    bool handed; // to a loop, which has not begun with it
    bool ended;
};

int conns_new(struct api *api, struct conns **ret);
struct conns *conns_free(struct conns *c);
// A socket that was accepted. -ENOSPC: there are as many connections as may be; -EUSERS: from this address. The descriptor
// stays the caller's.
int conn_new(struct conns *c, int fd, const struct sockaddr *from, struct conn **ret);
// Before the descriptor is closed, so that a number that was used again is never touched.
void conn_free(struct conn *conn);
void conn_set(struct conn *conn, enum conn_phase phase, uint64_t more_ms);
// From now on it counts as one that shakes hands. -EAGAIN: as many do as may; -EUSERS: of its address; -ENOMEM.
int conn_let_in(struct conn *conn);
// The connection that was let in with this descriptor; NULL: it was given up.
struct conn *conn_begin(struct conns *c, int fd, struct http_loop *loop);
void conn_shaken(struct conn *conn);
void conns_tick(struct conns *c, uint64_t now_ms);
bool conns_full(struct conns *c);
// How many there are; the counters that are about them are filled in.
size_t conns_len(struct conns *c, struct api_counters *ret);

// tls.c ------------------------------------------------------------------------------------------

int tls_new(const struct api_options *o, struct tls **ret, struct error *err);
struct tls *tls_free(struct tls *t);
int tls_set(struct tls *t, const char *certificate_pem, const char *key_pem, struct error *err);
// Who is at the other end; asked once a connection.
void tls_look(struct MHD_Connection *connection, struct tls_peer *peer);
// Its certificate, and how it is read until hands are shaken. Without `conn`, which was given up, they never are.
void tls_attach(struct MHD_Connection *connection, struct conn *conn);
void tls_peer_done(struct tls_peer *peer);
