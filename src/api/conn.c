// SPDX-License-Identifier: Apache-2.0
//
// Connections, and how long each may take over what it does. libmicrohttpd knows only how long nothing came: whoever sends a
// byte now and then keeps a connection for ever. Here each phase as a whole has an end.
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define SEND_TIMEOUT_MS ((uint64_t)600000) // for an answer that is not a stream

struct conn {
    struct conn *next, *previous;
    int fd;
    uint64_t deadline_ms; // 0: none
    bool ended;
    // Of the loop that serves it.
    char *target;
    struct tls_peer peer;
};

struct conns {
    struct api *api;
    pthread_mutex_t lock;
    struct conn *first;
    size_t n;
    uint64_t accepted, timed_out;
};

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int conns_new(struct api *api, struct conns **ret)
{
    struct conns *c = new0(struct conns, 1);

    if (!c)
        return -ENOMEM;
    c->api = api;
    (void)pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return 0;
}

struct conns *conns_free(struct conns *c)
{
    if (!c)
        return NULL;
    while (c->first)
        conn_free(c, c->first);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

struct conn *conn_new(struct conns *c, int fd)
{
    struct conn *conn = new0(struct conn, 1);

    if (!conn)
        return NULL;
    conn->fd = fd;
    conn->deadline_ms = now_ms() + c->api->limits.head_timeout_ms;
    (void)pthread_mutex_lock(&c->lock);
    conn->next = c->first;
    if (conn->next)
        conn->next->previous = conn;
    c->first = conn;
    c->n++;
    c->accepted++;
    (void)pthread_mutex_unlock(&c->lock);
    return conn;
}

// Before the descriptor is closed, so that a number that was used again is never touched.
void conn_free(struct conns *c, struct conn *conn)
{
    (void)pthread_mutex_lock(&c->lock);
    if (conn->next)
        conn->next->previous = conn->previous;
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        c->first = conn->next;
    c->n--;
    (void)pthread_mutex_unlock(&c->lock);
    free(conn->target);
    tls_peer_done(&conn->peer);
    free(conn);
}

void conn_set(struct conns *c, struct conn *conn, enum conn_phase phase, uint64_t more_ms)
{
    const struct api_limits *l = &c->api->limits;
    const uint64_t timeouts[] = {
        [CONN_FIRST] = l->head_timeout_ms,
        [CONN_IDLE] = l->idle_timeout_ms,
        [CONN_HEAD] = l->head_timeout_ms,
        [CONN_BODY] = l->body_timeout_ms,
        [CONN_BUSY] = 0,
        [CONN_SENDING] = SEND_TIMEOUT_MS,
    };

    (void)pthread_mutex_lock(&c->lock);
    conn->deadline_ms = timeouts[phase] ? now_ms() + timeouts[phase] + more_ms : 0;
    (void)pthread_mutex_unlock(&c->lock);
}

void conns_tick(struct conns *c, uint64_t now)
{
    (void)pthread_mutex_lock(&c->lock);
    for (struct conn *conn = c->first; conn; conn = conn->next) {
        if (conn->ended || conn->deadline_ms == 0 || now < conn->deadline_ms)
            continue;
        // Its loop finds the end and does the rest.
        (void)shutdown(conn->fd, SHUT_RDWR);
        conn->ended = true;
        c->timed_out++;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

size_t conns_len(struct conns *c, uint64_t *ret_accepted, uint64_t *ret_timed_out)
{
    size_t n;

    (void)pthread_mutex_lock(&c->lock);
    n = c->n;
    *ret_accepted = c->accepted;
    *ret_timed_out = c->timed_out;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}

char **conn_target(struct conn *conn)
{
    return &conn->target;
}

struct tls_peer *conn_peer(struct conn *conn)
{
    return &conn->peer;
}
