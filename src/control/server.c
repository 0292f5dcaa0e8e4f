// SPDX-License-Identifier: Apache-2.0
#include "control/server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "control/frame.h"

// Responses of this size and a stream of records beside them: more is not kept for anybody.
#define EVENTS_MAX (CONTROL_QUEUE_MAX / 2)

struct peer {
    struct control_server *server;
    struct peer *next;
    uint64_t number;
    int fd;
    struct loop_source *source;
    struct control_reader reader;
    struct strbuf out;
    size_t sent;   // of `out`
    uint64_t lost; // records, not yet told
    struct ucred who;
    bool subscribed, closing, dead;
};

struct control_server {
    struct loop *loop;
    char *path;
    int fd;
    struct loop_source *source, *sweeper;
    control_fn fn;
    void *ctx;
    struct peer *peers;
    uint64_t last_number;
    struct control_server_counters counters;
};

static struct peer *peer_free(struct peer *p)
{
    p->source = loop_source_free(p->source);
    (void)safe_close(p->fd);
    control_reader_done(&p->reader);
    sb_done(&p->out);
    free(p);
    return NULL;
}

// Connections are freed from here only, never from inside a call that still uses them.
static int sweep(void *ctx)
{
    struct control_server *s = ctx;

    for (struct peer **at = &s->peers; *at;) {
        struct peer *p = *at;

        if (!p->dead) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        s->counters.peers--;
        s->counters.subscribers -= p->subscribed;
        (void)peer_free(p);
    }
    return 0;
}

static void kill_peer(struct peer *p)
{
    if (p->dead)
        return;
    p->dead = true;
    (void)loop_source_enable(p->source, false);
    (void)loop_source_enable(p->server->sweeper, true);
}

static size_t waiting(const struct peer *p)
{
    return p->out.len - p->sent;
}

// Sends what the socket takes, and asks to be told when it takes more.
static void push(struct peer *p)
{
    while (!p->dead && waiting(p) > 0) {
        ssize_t n = send(p->fd, p->out.s + p->sent, waiting(p), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            kill_peer(p);
            return;
        }
        p->sent += (size_t)n;
    }
    if (waiting(p) == 0) {
        sb_reset(&p->out);
        p->sent = 0;
        if (p->closing)
            kill_peer(p);
    } else if (p->sent > CONTROL_QUEUE_MAX / 4) {
        memmove(p->out.s, p->out.s + p->sent, waiting(p));
        sb_truncate(&p->out, waiting(p));
        p->sent = 0;
    }
    if (!p->dead)
        (void)loop_source_set_events(p->source, (p->closing ? 0u : (uint32_t)EPOLLIN) |
                                                    (waiting(p) ? (uint32_t)EPOLLOUT : 0u));
}

static void report_lost(struct peer *p)
{
    _cleanup_(sb_done) struct strbuf text = {};

    if (p->lost == 0)
        return;
    sb_printf(&text, "{\"lost\":%llu}", (unsigned long long)p->lost);
    if (control_frame_add(&p->out, CONTROL_LOST, sb_str(&text), text.len) == 0)
        p->lost = 0;
}

static struct peer *find(struct control_server *s, const struct control_caller *caller)
{
    for (struct peer *p = s->peers; p; p = p->next)
        if (p->number == caller->peer && !p->dead)
            return p;
    return NULL;
}

// A frame was appended (r == 0), or could not be: then the error says so instead.
static void finish_reply(struct peer *p, uint64_t id, int r)
{
    struct error err = {};

    if (r < 0) {
        (void)error_set(&err, r, "the answer cannot be sent: %m");
        if (r == -EMSGSIZE)
            error_cure(&err, "ask for less at once");
        r = p->out.failed ? -ENOMEM : control_response_write_error(&p->out, id, &err);
    }
    if (r < 0 || waiting(p) > CONTROL_QUEUE_MAX)
        kill_peer(p);
    else
        push(p);
}

void control_server_reply(struct control_server *s, const struct control_caller *caller,
                          const struct strbuf *result)
{
    struct peer *p = find(s, caller);

    if (p)
        finish_reply(p, caller->id, control_response_write(&p->out, caller->id, result));
}

void control_server_fail(struct control_server *s, const struct control_caller *caller,
                         const struct error *err)
{
    struct peer *p = find(s, caller);

    s->counters.failed++;
    if (p)
        finish_reply(p, caller->id, control_response_write_error(&p->out, caller->id, err));
}

static void answer(struct peer *p, const struct control_frame *frame)
{
    struct control_server *s = p->server;
    struct control_caller caller = {.peer = p->number, .uid = p->who.uid, .pid = p->who.pid};
    _cleanup_(sb_done) struct strbuf result = {};
    struct control_request request = {};
    struct error err = {};
    struct jw jw;
    int r;

    s->counters.requests++;
    if (frame->kind != CONTROL_REQUEST)
        r = error_set(&err, -EBADMSG, "only requests are expected here");
    else
        r = control_request_parse(frame->payload, frame->len, &request, &err);
    caller.id = request.id;
    if (r == 0) {
        jw_init(&jw, &result);
        r = s->fn(s->ctx, &caller, &request, &jw, &err);
        if (r == 0 && jw_finish(&jw) < 0)
            r = error_set(&err, -EIO, "the answer could not be put together");
    }
    control_request_done(&request);
    if (r < 0) {
        if (!error_is_set(&err))
            (void)error_set(&err, r, "%s: %m", "the agent could not do it");
        control_server_fail(s, &caller, &err);
    } else if (r == 0) {
        control_server_reply(s, &caller, &result);
    }
}

// What cannot be understood is answered once, then the connection ends.
static void give_up(struct peer *p, int code)
{
    struct error err = {};

    (void)error_set(&err, code, "the request cannot be read: %m");
    if (code == -EPROTONOSUPPORT)
        error_cure(&err,
                   "this agent speaks version %d of the protocol: install programs of one version",
                   CONTROL_VERSION);
    p->closing = true;
    p->server->counters.failed++;
    finish_reply(p, 0, control_response_write_error(&p->out, 0, &err));
}

static void read_requests(struct peer *p)
{
    ssize_t n = control_reader_fill(&p->reader, p->fd);
    struct control_frame frame;
    int r = 0;

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        kill_peer(p);
        return;
    }
    while (!p->dead && !p->closing && (r = control_reader_next(&p->reader, &frame)) > 0)
        answer(p, &frame);
    if (r < 0 && !p->dead)
        give_up(p, r);
}

static int on_peer(void *ctx, int fd _unused_, uint32_t events)
{
    struct peer *p = ctx;

    if (events & EPOLLIN && !p->closing)
        read_requests(p);
    else if (events & (EPOLLHUP | EPOLLERR))
        kill_peer(p);
    if (!p->dead && events & EPOLLOUT) {
        report_lost(p);
        push(p);
    }
    return 0;
}

static int add_peer(struct control_server *s, int fd, const struct ucred *who)
{
    struct peer *p = new0(struct peer, 1);
    int r;

    if (!p)
        return -ENOMEM;
    *p = (struct peer){.server = s, .fd = -1, .who = *who, .number = ++s->last_number};
    r = loop_add_fd(s->loop, fd, EPOLLIN, on_peer, p, &p->source);
    if (r < 0) {
        (void)peer_free(p);
        return r;
    }
    p->fd = fd;
    p->next = s->peers;
    s->peers = p;
    s->counters.peers++;
    s->counters.accepted++;
    return 0;
}

static int on_connect(void *ctx, int fd, uint32_t events _unused_)
{
    struct control_server *s = ctx;
    _cleanup_close_ int peer = -1;
    struct ucred who = {};
    socklen_t len = sizeof(who);

    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0)
        return 0; // it has gone again, or there is no descriptor for it: it may ask again
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ||
        (who.uid != 0 && who.uid != geteuid()) || s->counters.peers >= CONTROL_PEERS_MAX ||
        add_peer(s, peer, &who) < 0) {
        s->counters.refused++;
        return 0;
    }
    (void)TAKE_FD(peer);
    return 0;
}

static int listen_at(const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;
    size_t len = strlen(path);
    int r = 0;

    if (len >= sizeof(address.sun_path))
        return error_set(err, -ENAMETOOLONG, "%s: %m", path);
    memcpy(address.sun_path, path, len + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(err, negative_errno(), "no socket: %m");
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set(err, negative_errno(), "%s: %m", path);
    // The mode of a socket before bind() is that of the file which bind() makes: at no time is it wider.
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 16) < 0)
        r = negative_errno();
    if (r < 0)
        return error_set(err, r, "%s: %m", path);
    return TAKE_FD(fd);
}

int control_server_new(struct loop *loop, const char *path, control_fn fn, void *ctx,
                       struct control_server **ret_server, struct error *err)
{
    _cleanup_(control_server_freep) struct control_server *s = new0(struct control_server, 1);
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "%m");
    *s = (struct control_server){.loop = loop, .fd = -1, .fn = fn, .ctx = ctx};
    r = listen_at(path, err);
    if (r < 0)
        return r;
    s->fd = r;
    s->path = xstrndup(path, strlen(path));
    if (!s->path)
        return error_set(err, -ENOMEM, "%m");
    r = loop_add_fd(loop, s->fd, EPOLLIN, on_connect, s, &s->source);
    if (r == 0)
        r = loop_add_defer(loop, sweep, s, &s->sweeper);
    if (r < 0)
        return error_set(err, r, "%s: %m", path);
    *ret_server = TAKE_PTR(s);
    return 0;
}

struct control_server *control_server_free(struct control_server *s)
{
    if (!s)
        return NULL;
    s->source = loop_source_free(s->source);
    s->sweeper = loop_source_free(s->sweeper);
    while (s->peers) {
        struct peer *p = s->peers;

        s->peers = p->next;
        (void)peer_free(p);
    }
    if (s->path)
        (void)unlink(s->path);
    (void)safe_close(s->fd);
    free(s->path);
    free(s);
    return NULL;
}

void control_server_subscribe(struct control_server *s, const struct control_caller *caller)
{
    struct peer *p = find(s, caller);

    if (!p || p->subscribed)
        return;
    p->subscribed = true;
    s->counters.subscribers++;
}

bool control_server_has_subscribers(const struct control_server *s)
{
    return s->counters.subscribers > 0;
}

void control_server_publish(struct control_server *s, const char *line, size_t len)
{
    for (struct peer *p = s->peers; p; p = p->next) {
        if (!p->subscribed || p->dead)
            continue;
        s->counters.events++;
        if (waiting(p) + len + CONTROL_HEAD > EVENTS_MAX) {
            p->lost++;
            s->counters.lost++;
            continue;
        }
        report_lost(p);
        if (control_frame_add(&p->out, CONTROL_EVENT, line, len) < 0)
            kill_peer(p);
        else
            push(p);
    }
}

void control_server_counters(const struct control_server *s, struct control_server_counters *ret)
{
    *ret = s->counters;
}
