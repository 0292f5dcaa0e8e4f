// SPDX-License-Identifier: Apache-2.0
//
// Connections from accept() to the end: how many there may be, and how long each may take over what it does. libmicrohttpd
// knows only how long nothing came: whoever sends a byte now and then keeps a connection for ever. Here each phase as a
// whole has an end.
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/table.h"

#define SEND_TIMEOUT_MS ((uint64_t)600000) // for an answer that is not a stream
#define HURRY_MS        ((uint64_t)3000)   // to shake hands while others wait for it
#define LOST_MS         ((uint64_t)60000)  // since it was given to a loop, which could not take it

// Of those that shake hands at once, at most so many are from one address, so that no address keeps all others out.
#define ADDRESS_SHARE(handshakes) (((handshakes)*3 + 3) / 4)

struct address {
    unsigned char bytes[16]; // IPv6, or IPv4 in it
    unsigned connections, shaking;
};

struct conns {
    struct api *api;
    pthread_mutex_t lock;
    struct conn *first;
    size_t n, shaking;
    struct map *addresses; // by bytes
    struct map *handed;    // to a loop that has not begun with them, by descriptor
    uint64_t accepted, refused, refused_ms, timed_out;
};

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int conns_new(struct api *api, struct conns **ret)
{
    struct conns *c = new0(struct conns, 1);
    int r;

    if (!c)
        return -ENOMEM;
    c->api = api;
    (void)pthread_mutex_init(&c->lock, NULL);
    r = map_new(MAP_STR, 0, free, &c->addresses);
    r = r < 0 ? r : map_new(MAP_U64, 0, NULL, &c->handed);
    if (r < 0) {
        (void)conns_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct conns *conns_free(struct conns *c)
{
    if (!c)
        return NULL;
    while (c->first)
        conn_free(c->first);
    (void)map_free(c->addresses);
    (void)map_free(c->handed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

// Addresses -------------------------------------------------------------------------------------

static void address_bytes(const struct sockaddr *from, unsigned char ret[16])
{
    memset(ret, 0, 16);
    if (from->sa_family == AF_INET6) {
        memcpy(ret, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    } else if (from->sa_family == AF_INET) {
        memset(ret + 10, 0xff, 2);
        memcpy(ret + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    }
}

static int take_address(struct conns *c, const struct sockaddr *from, struct address **ret)
{
    unsigned char bytes[16];
    struct address *a;
    int r;

    address_bytes(from, bytes);
    a = map_get_mem(c->addresses, bytes, sizeof(bytes));
    if (!a) {
        a = new0(struct address, 1);
        if (!a)
            return -ENOMEM;
        memcpy(a->bytes, bytes, sizeof(bytes));
        r = map_put_mem(c->addresses, bytes, sizeof(bytes), a);
        if (r < 0) {
            free(a);
            return r;
        }
    }
    if (a->connections >= c->api->limits.connections_per_address)
        return -EUSERS;
    a->connections++;
    *ret = a;
    return 0;
}

static void leave_address(struct conns *c, struct address *a)
{
    if (--a->connections == 0)
        (void)map_delete_mem(c->addresses, a->bytes, sizeof(a->bytes));
}

// One connection --------------------------------------------------------------------------------

static int conn_add(struct conns *c, struct conn *conn, const struct sockaddr *from)
{
    int r;

    if (c->n >= c->api->limits.connections)
        return -ENOSPC;
    r = take_address(c, from, &conn->address);
    if (r < 0) {
        c->refused++;
        c->refused_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
        return r;
    }
    conn->next = c->first;
    if (conn->next)
        conn->next->previous = conn;
    c->first = conn;
    c->n++;
    c->accepted++;
    return 0;
}

int conn_new(struct conns *c, int fd, const struct sockaddr *from, struct conn **ret)
{
    struct conn *conn = new0(struct conn, 1);
    int r;

    if (!conn)
        return -ENOMEM;
    conn->fd = fd;
    conn->conns = c;
    conn->phase = CONN_SILENT;
    conn->deadline_ms = now_ms() + c->api->limits.head_timeout_ms;
    (void)pthread_mutex_lock(&c->lock);
    r = conn_add(c, conn, from);
    (void)pthread_mutex_unlock(&c->lock);
    if (r < 0) {
        free(conn);
        return r;
    }
    *ret = conn;
    return 0;
}

static void stop_shaking(struct conns *c, struct conn *conn)
{
    if (conn->phase != CONN_SHAKING)
        return;
    c->shaking--;
    conn->address->shaking--;
}

static void take_out(struct conns *c, struct conn *conn)
{
    stop_shaking(c, conn);
    if (conn->handed)
        (void)map_delete_u64(c->handed, (uint64_t)conn->fd);
    if (conn->next)
        conn->next->previous = conn->previous;
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        c->first = conn->next;
    c->n--;
    leave_address(c, conn->address);
}

static void release(struct conn *conn)
{
    free(conn->target);
    free(conn->known);
    tls_peer_done(&conn->peer);
    free(conn);
}

void conn_free(struct conn *conn)
{
    struct conns *c = conn->conns;

    (void)pthread_mutex_lock(&c->lock);
    take_out(c, conn);
    (void)pthread_mutex_unlock(&c->lock);
    release(conn);
    door_wake(c->api->door);
}

void conn_set(struct conn *conn, enum conn_phase phase, uint64_t more_ms)
{
    struct conns *c = conn->conns;
    const struct api_limits *l = &c->api->limits;
    const uint64_t timeouts[] = {
        [CONN_SILENT] = l->head_timeout_ms,       [CONN_WAITING] = l->head_timeout_ms,
        [CONN_SHAKING] = l->handshake_timeout_ms, [CONN_FIRST] = l->head_timeout_ms,
        [CONN_IDLE] = l->idle_timeout_ms,         [CONN_HEAD] = l->head_timeout_ms,
        [CONN_BODY] = l->body_timeout_ms,         [CONN_BUSY] = 0,
        [CONN_SENDING] = SEND_TIMEOUT_MS,
    };

    (void)pthread_mutex_lock(&c->lock);
    stop_shaking(c, conn);
    conn->phase = phase;
    conn->deadline_ms = timeouts[phase] ? now_ms() + timeouts[phase] + more_ms : 0;
    (void)pthread_mutex_unlock(&c->lock);
}

// From the door to a loop -----------------------------------------------------------------------

static int may_shake(const struct conns *c, const struct conn *conn)
{
    unsigned most = c->api->limits.handshakes;

    if (c->shaking >= most)
        return -EAGAIN;
    return conn->address->shaking >= ADDRESS_SHARE(most) ? -EUSERS : 0;
}

int conn_let_in(struct conn *conn)
{
    struct conns *c = conn->conns;
    int r;

    (void)pthread_mutex_lock(&c->lock);
    r = may_shake(c, conn);
    r = r < 0 ? r : map_put_u64(c->handed, (uint64_t)conn->fd, conn);
    if (r == 0) {
        conn->phase = CONN_SHAKING;
        conn->handed = true;
        conn->let_in_ms = now_ms();
        conn->deadline_ms = conn->let_in_ms + c->api->limits.handshake_timeout_ms;
        c->shaking++;
        conn->address->shaking++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return r;
}

struct conn *conn_begin(struct conns *c, int fd, struct http_loop *loop)
{
    struct conn *conn;

    (void)pthread_mutex_lock(&c->lock);
    conn = map_take_u64(c->handed, (uint64_t)fd);
    if (conn) {
        conn->handed = false;
        conn->loop = loop;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return conn;
}

void conn_shaken(struct conn *conn)
{
    conn->shaken = true;
    conn_set(conn, CONN_FIRST, 0);
    door_wake(conn->conns->api->door);
}

// Time ------------------------------------------------------------------------------------------

// The clock was looked at before the lock was held: what began meanwhile is as new as can be.
static uint64_t passed_ms(uint64_t now, uint64_t since)
{
    return now > since ? now - since : 0;
}

static bool has_ended(const struct conn *conn, bool hurry, uint64_t now)
{
    if (conn->deadline_ms == 0)
        return false;
    return now >= conn->deadline_ms ||
           (hurry && conn->phase == CONN_SHAKING && passed_ms(now, conn->let_in_ms) >= HURRY_MS);
}

void conns_tick(struct conns *c, uint64_t now)
{
    bool hurry = door_waiting(c->api->door) > 0;
    struct conn *next, *lost = NULL;

    (void)pthread_mutex_lock(&c->lock);
    for (struct conn *conn = c->first; conn; conn = next) {
        next = conn->next;
        if (conn->handed) {
            // Its loop had no memory for it and has closed it without a word.
            if (passed_ms(now, conn->let_in_ms) >= LOST_MS) {
                take_out(c, conn);
                conn->next = lost;
                lost = conn;
            }
            continue;
        }
        if (conn->ended || !has_ended(conn, hurry, now))
            continue;
        // Who serves it finds the end and does the rest.
        (void)shutdown(conn->fd, SHUT_RDWR);
        conn->ended = true;
        c->timed_out++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    for (; lost; lost = next) {
        next = lost->next;
        release(lost);
    }
}

bool conns_full(struct conns *c)
{
    bool full;

    (void)pthread_mutex_lock(&c->lock);
    full = c->n >= c->api->limits.connections;
    (void)pthread_mutex_unlock(&c->lock);
    return full;
}

size_t conns_len(struct conns *c, struct api_counters *ret)
{
    size_t n;

    (void)pthread_mutex_lock(&c->lock);
    n = c->n;
    ret->connections_accepted = c->accepted;
    ret->connections_refused = c->refused;
    ret->refused_ms = c->refused_ms;
    ret->connections_timed_out = c->timed_out;
    ret->shaking = c->shaking;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}
