// SPDX-License-Identifier: Apache-2.0
//
// Who comes in. Connections are accepted here and given to a loop only when the first message of TLS is there as a whole,
// in the order of their coming, and so many at a time as the loops can shake hands with. A fleet that comes back at once
// waits in a row instead of having all its handshakes half done and none finished in time; whoever connects and says
// nothing costs a descriptor, and goes first when descriptors run out.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/thread.h"

#define EVENTS        128
#define ACCEPTS       64  // in a row, before those that wait are looked at
#define AGAIN_MS      100 // after accept() had no descriptor
#define RECORD_HEAD   5   // of TLS: type, version, length (RFC 8446, 5.1)
#define RECORD_MAX    ((size_t)1 << 14)
#define HANDSHAKE     22
#define PLAIN_MESSAGE "This server speaks HTTPS only: begin the address with https://\n"

struct visitor {
    TAILQ_ENTRY(visitor) entry;
    struct conn *conn;
    struct sockaddr_storage from;
    socklen_t from_len;
    bool waiting; // in the row of those, not of the silent
};

TAILQ_HEAD(row, visitor);

struct door {
    struct api *api;
    pthread_t thread;
    bool runs;
    int epoll_fd, wake_fd;
    atomic_bool stop;
    // Of the thread.
    struct row silent, waiting; // the first came first
    bool listening;
    atomic_size_t n_waiting;
};

static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                   "Connection: close\r\n\r\n" PLAIN_MESSAGE;

void door_wake(struct door *d)
{
    if (d)
        (void)eventfd_write(d->wake_fd, 1);
}

size_t door_waiting(struct door *d)
{
    return d ? atomic_load(&d->n_waiting) : 0;
}

static int watch(struct door *d, int op, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};

    return epoll_ctl(d->epoll_fd, op, fd, &event) < 0 ? negative_errno() : 0;
}

static void take_out(struct door *d, struct visitor *v)
{
    TAILQ_REMOVE(v->waiting ? &d->waiting : &d->silent, v, entry);
    if (v->waiting)
        atomic_fetch_sub(&d->n_waiting, 1);
}

static void send_away(struct door *d, struct visitor *v)
{
    int fd = v->conn->fd;

    take_out(d, v);
    conn_free(v->conn);
    (void)close(fd);
    free(v);
}

// Accepting -------------------------------------------------------------------------------------

static void listen_again(struct door *d, bool yes)
{
    if (d->listening != yes &&
        watch(d, yes ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, d->api->listen_fd, EPOLLIN, d) == 0)
        d->listening = yes;
}

static int receive(struct door *d, int fd, const struct sockaddr_storage *from, socklen_t len)
{
    struct visitor *v = new0(struct visitor, 1);
    int r;

    if (!v)
        return -ENOMEM;
    memcpy(&v->from, from, len);
    v->from_len = len;
    r = conn_new(d->api->conns, fd, (const struct sockaddr *)from, &v->conn);
    // The one that has been silent longest makes room.
    if (r == -ENOSPC && !TAILQ_EMPTY(&d->silent)) {
        send_away(d, TAILQ_FIRST(&d->silent));
        r = conn_new(d->api->conns, fd, (const struct sockaddr *)from, &v->conn);
    }
    if (r < 0) {
        free(v);
        return r;
    }
    TAILQ_INSERT_TAIL(&d->silent, v, entry);
    r = watch(d, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, v);
    if (r < 0) {
        TAILQ_REMOVE(&d->silent, v, entry);
        conn_free(v->conn);
        free(v);
    }
    return r;
}

// Until nobody is there, there is no room (the row in the kernel keeps them), or it is the turn of others.
static void accept_some(struct door *d)
{
    for (unsigned i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {};
        socklen_t len = sizeof(from);
        int fd;

        if (conns_full(d->api->conns) && TAILQ_EMPTY(&d->silent)) {
            listen_again(d, false);
            return;
        }
        fd = accept4(d->api->listen_fd, (struct sockaddr *)&from, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listen_again(d, false);
            return;
        }
        if (receive(d, fd, &from, len) < 0)
            (void)close(fd);
    }
}

// Letting in ------------------------------------------------------------------------------------

// What a browser shows to somebody who forgot the "s".
static void answer_plainly(int fd, unsigned char first)
{
    char request[4096];

    if (first < 'A' || first > 'Z')
        return;
    // A socket that is closed with bytes unread takes the answer back.
    for (unsigned i = 0; i < 8 && recv(fd, request, sizeof(request), 0) == sizeof(request); i++)
        ;
    (void)send(fd, plain_answer, sizeof(plain_answer) - 1, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}

// 1: its first message is there, 0: a part of it, negative: it is not TLS, or has gone.
static int look_at(int fd)
{
    unsigned char head[RECORD_HEAD];
    ssize_t n = recv(fd, head, sizeof(head), MSG_PEEK);
    int there = 0, whole = RECORD_HEAD;

    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -ECONNRESET;
    if (head[0] != HANDSHAKE) {
        answer_plainly(fd, head[0]);
        return -EPROTO;
    }
    if (n == RECORD_HEAD) {
        size_t len = ((size_t)head[3] << 8) | head[4];

        if (len == 0 || len > RECORD_MAX)
            return -EPROTO;
        whole += (int)len;
    }
    if (ioctl(fd, FIONREAD, &there) < 0)
        return negative_errno();
    if (there >= whole)
        return 1;
    // Woken again when there is enough to know more.
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &whole, sizeof(whole));
    return 0;
}

static void on_visitor(struct door *d, struct visitor *v, uint32_t events)
{
    int fd = v->conn->fd, one = 1, r;

    r = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? -ECONNRESET : look_at(fd);
    if (r == 0)
        r = watch(d, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, v);
    else if (r > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
        // From here on only for its end.
        r = watch(d, EPOLL_CTL_MOD, fd, EPOLLRDHUP | EPOLLONESHOT, v);
        if (r == 0) {
            TAILQ_REMOVE(&d->silent, v, entry);
            TAILQ_INSERT_TAIL(&d->waiting, v, entry);
            v->waiting = true;
            atomic_fetch_add(&d->n_waiting, 1);
            conn_set(v->conn, CONN_WAITING, 0);
        }
    }
    if (r < 0)
        send_away(d, v);
}

static void hand_over(struct door *d, struct visitor *v)
{
    struct conn *conn = v->conn;
    int fd = conn->fd;

    take_out(d, v);
    (void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    if (http_serve(d->api, fd, (const struct sockaddr *)&v->from, v->from_len) < 0)
        conn_free(conn);
    free(v);
}

static void let_in(struct door *d)
{
    const struct address *had_its_share = NULL;
    struct visitor *v, *next;

    for (v = TAILQ_FIRST(&d->waiting); v; v = next) {
        int r;

        next = TAILQ_NEXT(v, entry);
        if (v->conn->address == had_its_share)
            continue;
        r = conn_let_in(v->conn);
        if (r == 0)
            hand_over(d, v);
        else if (r == -EUSERS)
            had_its_share = v->conn->address;
        else
            return;
    }
}

// The thread ------------------------------------------------------------------------------------

static void *keep(void *ctx)
{
    struct door *d = ctx;
    struct epoll_event events[EVENTS];
    eventfd_t times;

    while (!atomic_load(&d->stop)) {
        int n = epoll_wait(d->epoll_fd, events, EVENTS, d->listening ? -1 : AGAIN_MS);
        bool accepts = false, woken = n == 0;

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == d)
                accepts = true;
            else if (events[i].data.ptr == &d->wake_fd)
                woken = eventfd_read(d->wake_fd, &times) == 0;
            else
                on_visitor(d, events[i].data.ptr, events[i].events);
        }
        // Last: it may send away whom an event is about.
        if (accepts)
            accept_some(d);
        let_in(d);
        if (woken)
            listen_again(d, true);
    }
    return NULL;
}

int door_start(struct api *api)
{
    struct door *d = new0(struct door, 1);
    int r = 0;

    if (!d)
        return -ENOMEM;
    d->api = api;
    TAILQ_INIT(&d->silent);
    TAILQ_INIT(&d->waiting);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->epoll_fd < 0 || d->wake_fd < 0)
        r = negative_errno();
    api->door = d;
    r = r < 0 ? r : watch(d, EPOLL_CTL_ADD, d->wake_fd, EPOLLIN, &d->wake_fd);
    r = r < 0 ? r : thread_start(&d->thread, "api-door", 0, keep, d);
    d->runs = r == 0;
    return r;
}

void door_stop(struct api *api)
{
    struct door *d = api->door;

    if (!d || !d->runs)
        return;
    atomic_store(&d->stop, true);
    door_wake(d);
    (void)pthread_join(d->thread, NULL);
    d->runs = false;
    while (!TAILQ_EMPTY(&d->silent))
        send_away(d, TAILQ_FIRST(&d->silent));
    while (!TAILQ_EMPTY(&d->waiting))
        send_away(d, TAILQ_FIRST(&d->waiting));
}

struct door *door_free(struct door *d)
{
    if (!d)
        return NULL;
    (void)safe_close(d->epoll_fd);
    (void)safe_close(d->wake_fd);
    free(d);
    return NULL;
}
