// SPDX-License-Identifier: Apache-2.0
//
// Between libmicrohttpd and requests. Its loops take bytes in and give bytes out; whatever may wait is done by workers while
// the connection is suspended.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/framing.h"
#include "api/internal.h"
#include "api/tls.h"
#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"

// Of a connection, for its headers and for what is on its way. Untouched parts of it are no memory.
#define CONNECTION_MEMORY ((size_t)24 << 10)
#define MHD_TIMEOUT_S     120u // nothing at all came or went; phases have their own, shorter ends
#define DRAIN_MAX         ((uint64_t)8 << 20)

#define TLS_PRIORITIES                                                                        \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:" \
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

static const struct {
    const char *name, *value;
    bool api_only;
} security_headers[] = {
    {"Content-Security-Policy",
     "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
     "form-action 'self'; frame-ancestors 'none'",
     false},
    {"X-Content-Type-Options", "nosniff", false},
    {"X-Frame-Options", "DENY", false},
    {"Referrer-Policy", "no-referrer", false},
    {"Cross-Origin-Opener-Policy", "same-origin", false},
    {"Cross-Origin-Resource-Policy", "same-origin", false},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()", false},
    {"Strict-Transport-Security", "max-age=31536000", false},
    {"Cache-Control", "no-store", true},
};

static struct conn *conn_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static const char *get_header(void *ctx, const char *name)
{
    return MHD_lookup_connection_value(ctx, MHD_HEADER_KIND, name);
}

static void format_address(struct MHD_Connection *connection, char *buf, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN] = "";
    const char *shown = text;

    if (sa && sa->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, text,
                        sizeof(text));
    else if (sa && sa->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, text,
                        sizeof(text));
    if (strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.'))
        shown = text + 7;
    (void)snprintf(buf, size, "%s", shown);
}

// Answering -------------------------------------------------------------------------------------

static void release_files(void *cls)
{
    (void)files_unref(cls);
}

static struct MHD_Response *make_response(struct api_request *rq)
{
    struct answer *a = &rq->answer;
    struct MHD_Response *response;
    size_t len = 0;
    char *body;

    if (a->events)
        return events_response(rq);
    if (a->stream)
        return stream_response(rq);
    if (a->asset) {
        const char *content = asset_content(a->asset, &len);

        response =
            MHD_create_response_from_buffer_with_free_callback_cls(len, (void *)(uintptr_t)content,
                                                                   release_files, a->files);
        if (response)
            a->files = NULL;
        return response;
    }
    if (a->body.len == 0 || a->body.failed)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    len = a->body.len;
    if (sb_finish(&a->body, &body) < 0)
        return NULL;
    response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(body);
    return response;
}

static void add_headers(struct api_request *rq, struct MHD_Response *response)
{
    const struct answer *a = &rq->answer;
    char text[16];

    for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++)
        if (!security_headers[i].api_only || !a->asset)
            (void)MHD_add_response_header(response, security_headers[i].name,
                                          security_headers[i].value);
    if (a->content_type && a->status != 304)
        (void)MHD_add_response_header(response, "Content-Type", a->content_type);
    for (size_t i = 0; i < a->n_headers; i++) {
        // A file says itself how long it may be kept.
        if (streq(a->headers[i].name, "Cache-Control"))
            (void)MHD_del_response_header(response, "Cache-Control", "no-store");
        (void)MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    }
    (void)MHD_add_response_header(response, "X-Request-Id", rq->id);
    if (a->retry_after_s) {
        (void)snprintf(text, sizeof(text), "%u", a->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", text);
    }
    if (rq->close_after || atomic_load(&rq->api->stopping))
        (void)MHD_add_response_header(response, "Connection", "close");
}

static enum MHD_Result send_answer(struct api_request *rq)
{
    bool endless = rq->answer.events || rq->answer.stream;
    struct MHD_Response *response;
    enum MHD_Result result;

    if (rq->answer.status == 0)
        rq->answer.status = 500;
    response = make_response(rq);
    if (!response)
        return MHD_NO;
    add_headers(rq, response);
    rq->phase = PHASE_SENDING;
    conn_set(rq->conn, endless ? CONN_BUSY : CONN_SENDING, 0);
    result = MHD_queue_response(rq->connection, rq->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

// Running ---------------------------------------------------------------------------------------

void http_resume(struct api_request *rq)
{
    struct api *api = rq->api;

    rq->phase = PHASE_ANSWER;
    MHD_resume_connection(rq->connection);
    atomic_fetch_sub(&api->suspended, 1);
}

static void run_job(struct job *job)
{
    struct api_request *rq = container_of(job, struct api_request, job);

    if (request_run(rq) != HANDLER_PARKED)
        http_resume(rq);
}

static void refuse_busy(struct api_request *rq, int r)
{
    struct error err = {};

    atomic_fetch_add(&rq->api->refused_busy, 1);
    (void)error_set(&err, r, "%s",
                    r == -ESHUTDOWN ? "the server is stopping" : "the server has too much to do");
    request_refuse(rq, r, &err);
}

// The request is complete. Whoever stops waits for `suspended`, and says that it stops before it looks.
static enum MHD_Result run(struct api_request *rq)
{
    struct api *api = rq->api;
    int r = 0;

    atomic_fetch_add(&api->suspended, 1);
    rq->phase = PHASE_RUNNING;
    rq->job.fn = run_job;
    conn_set(rq->conn, CONN_BUSY, 0);
    if (atomic_load(&api->stopping)) {
        r = -ESHUTDOWN;
    } else {
        MHD_suspend_connection(rq->connection);
        r = workers_add(api->pools[request_lane(rq)], &rq->job, false);
        if (r == 0)
            return MHD_YES;
    }
    refuse_busy(rq, r);
    if (r == -ESHUTDOWN) {
        atomic_fetch_sub(&api->suspended, 1);
        return send_answer(rq);
    }
    http_resume(rq);
    return MHD_YES;
}

// Taking in -------------------------------------------------------------------------------------

static bool has_body(const struct api_request *rq)
{
    const char *length = api_header(rq, "Content-Length");

    return (length && !streq(length, "0")) || api_header(rq, "Transfer-Encoding");
}

static void look_at_peer(struct api_request *rq)
{
    struct tls_peer *peer = &rq->conn->peer;

    if (!rq->route || rq->route->row->access != API_AGENT || rq->failed)
        return;
    tls_look(rq->connection, peer);
    rq->certificate = (struct api_certificate){peer->der, peer->len};
    // Before its body is read: what strangers send is not kept.
    if (!peer->der)
        request_refuse_as(rq, 401, peer->verdict == PEER_BAD ? peer->code : "certificate", "%s",
                          peer->verdict == PEER_BAD ? peer->why
                                                    : "no certificate of an agent was shown");
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind _unused_, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    framing_add(cls, name, name_len, strempty(value), value ? value_len : 0);
    return MHD_YES;
}

static const char *framing_problem(struct MHD_Connection *connection, const char *version)
{
    struct framing framing = {};

    (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &framing);
    return framing_end(&framing, version);
}

static enum MHD_Result begin(struct api *api, struct MHD_Connection *connection, const char *method,
                             const char *url, const char *version, void **con_cls)
{
    struct conn *conn = conn_of(connection);
    char address[API_ADDRESS_SIZE];
    struct api_request *rq;
    const char *target, *problem;
    uint64_t length = 0;

    if (!conn)
        return MHD_NO;
    target = conn->target ? conn->target : url;
    format_address(connection, address, sizeof(address));
    if (request_new(api, method, target, get_header, connection, address, &rq) < 0)
        return MHD_NO;
    rq->connection = connection;
    rq->conn = conn;
    *con_cls = rq;
    free(conn->target);
    conn->target = NULL;
    problem = framing_problem(connection, version);
    if (problem) {
        request_refuse_as(rq, 400, "invalid", "%s", problem);
        rq->close_after = true; // where this request ends is anybody's guess
        return send_answer(rq);
    }
    look_at_peer(rq);
    // Somebody who waits for leave to send does not get it.
    if (rq->failed && has_body(rq) && (rq->close_after || api_header(rq, "Expect"))) {
        rq->close_after = true;
        return send_answer(rq);
    }
    if (has_body(rq)) {
        (void)parse_u64(strempty(api_header(rq, "Content-Length")), &length);
        conn_set(conn, CONN_BODY, MIN(length, DRAIN_MAX) / 16); // 16 KiB a second
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **con_cls)
{
    struct api_request *rq = *con_cls;

    if (!rq)
        return begin(cls, connection, method, url, version, con_cls);
    if (*upload_size > 0) {
        (void)request_body(rq, upload, *upload_size);
        *upload_size = 0;
        return rq->drained > DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    if (rq->phase == PHASE_ANSWER || rq->failed)
        return send_answer(rq);
    if (rq->phase != PHASE_BODY)
        return MHD_YES;
    if (!rq->route) { // a file: nothing to wait for
        files_answer(rq);
        return send_answer(rq);
    }
    return run(rq);
}

static void on_completed(void *cls _unused_, struct MHD_Connection *connection _unused_,
                         void **con_cls, enum MHD_RequestTerminationCode why _unused_)
{
    struct api_request *rq = *con_cls;

    *con_cls = NULL;
    if (!rq)
        return;
    conn_set(rq->conn, CONN_IDLE, 0);
    (void)request_free(rq);
}

// The request line has come, as it was sent.
static void *on_target(void *cls _unused_, const char *uri, struct MHD_Connection *connection)
{
    struct conn *conn = conn_of(connection);

    if (conn) {
        free(conn->target);
        conn->target = xstrndup(uri, API_TARGET_MAX + 1);
        conn_set(conn, CONN_HEAD, 0);
    }
    return NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_loop *loop = cls;
    const union MHD_ConnectionInfo *info;
    struct conn *conn;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context)
            conn_free(*socket_context);
        *socket_context = NULL;
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    conn = info ? conn_begin(loop->api->conns, info->connect_fd, loop) : NULL;
    *socket_context = conn;
    tls_attach(connection, conn);
}

// Loops -----------------------------------------------------------------------------------------

// What libmicrohttpd says about connections of others is no news; what matters is counted.
static void no_log(void *cls _unused_, const char *fmt _unused_, va_list ap _unused_)
{
}

static int start_loop(struct api *api, struct http_loop *loop)
{
    const char *ca = api->options.ca_pem;
    const struct MHD_OptionItem trust[] = {
        {ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)(uintptr_t)ca},
        {MHD_OPTION_END, 0, NULL},
    };
    const union MHD_DaemonInfo *info;

    loop->api = api;
    // How many connections there may be is the door's to say.
    loop->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
        0, NULL, NULL, on_request, api, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
        MHD_OPTION_CONNECTION_LIMIT, api->limits.connections + 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        MHD_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES,
        MHD_OPTION_HTTPS_CERT_CALLBACK, tls_retrieve, MHD_OPTION_ARRAY, trust, MHD_OPTION_END);
    if (!loop->daemon)
        return -EIO;
    info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    loop->epoll_fd = info ? info->epoll_fd : -1;
    return 0;
}

int http_start(struct api *api, struct error *err)
{
    unsigned n = api->options.loops ? api->options.loops : 2;
    int r = listen_start(api, err);

    if (r < 0)
        return r;
    api->loops = new0(struct http_loop, n);
    if (!api->loops)
        return error_set(err, -ENOMEM, "%m");
    for (; api->n_loops < n && r == 0; api->n_loops += r == 0)
        r = start_loop(api, &api->loops[api->n_loops]);
    if (r == 0)
        r = door_start(api);
    return r < 0 ? error_set(err, r, "the HTTP server does not start: %m") : 0;
}

int http_serve(struct api *api, int fd, const struct sockaddr *from, socklen_t len)
{
    struct http_loop *loop = &api->loops[(unsigned)fd % api->n_loops];

    return MHD_add_connection(loop->daemon, fd, from, len) == MHD_YES ? 0 : -ENOMEM;
}

void http_stop(struct api *api)
{
    door_stop(api);
    for (unsigned i = 0; i < api->n_loops; i++)
        MHD_stop_daemon(api->loops[i].daemon);
    api->n_loops = 0;
    free(api->loops);
    api->loops = NULL;
    api->listen_fd = safe_close(api->listen_fd);
}
