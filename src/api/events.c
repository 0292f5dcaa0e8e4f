// SPDX-License-Identifier: Apache-2.0
//
// Server-sent events. Whoever pushes never waits: what does not fit into a client's queue is lost to that client, counted,
// and told to it as soon as there is room. Order of locks: api->lock, then that of a client.
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define QUEUE_MAX  ((size_t)512 << 10) // bytes that wait for a client
#define LOST_ROOM  128                 // of which for the word about what was lost
#define BLOCK_SIZE 4096

struct api_events {
    struct api *api;
    struct api_events *next, *previous; // under api->lock
    atomic_uint refs;
    void (*gone)(void *ctx);
    void *ctx;
    struct auth_standing standing; // of the keeper

    pthread_mutex_t lock; // of what follows
    struct strbuf queue;
    size_t sent; // of the queue
    uint64_t lost;
    uint64_t last_ms;
    struct MHD_Connection *connection;
    bool waiting; // the connection is suspended
    bool ending, closed;
};

struct api_events *api_events_ref(struct api_events *ev)
{
    atomic_fetch_add(&ev->refs, 1);
    return ev;
}

struct api_events *api_events_unref(struct api_events *ev)
{
    if (ev && atomic_fetch_sub(&ev->refs, 1) == 1) {
        sb_done(&ev->queue);
        explicit_bzero(&ev->standing, sizeof(ev->standing));
        (void)pthread_mutex_destroy(&ev->lock);
        free(ev);
    }
    return NULL;
}

int api_events_begin(struct api_request *rq, void (*gone)(void *ctx), void *ctx,
                     struct api_events **ret, struct error *err)
{
    struct api *api = rq->api;
    struct api_events *ev = new0(struct api_events, 1);
    bool full;

    if (!ev)
        return error_set(err, -ENOMEM, "%m");
    ev->api = api;
    ev->gone = gone;
    ev->ctx = ctx;
    ev->last_ms = now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
    auth_stand(rq, &ev->standing);
    atomic_init(&ev->refs, 2); // the answer's and the caller's
    (void)pthread_mutex_init(&ev->lock, NULL);
    (void)pthread_mutex_lock(&api->lock);
    full = api->n_events >= api->limits.events;
    if (!full) {
        api->n_events++;
        ev->next = api->events;
        if (ev->next)
            ev->next->previous = ev;
        api->events = ev;
    }
    (void)pthread_mutex_unlock(&api->lock);
    if (full) {
        atomic_init(&ev->refs, 1);
        (void)api_events_unref(ev);
        return error_set(err, -ENOBUFS, "%u live views are open, and that is as many as may be",
                         api->limits.events);
    }
    rq->answer.events = ev;
    rq->answer.content_type = "text/event-stream";
    *ret = ev;
    return HANDLER_EVENTS;
}

// The client has gone, or never came.
static void close_client(struct api_events *ev)
{
    struct api *api = ev->api;

    (void)pthread_mutex_lock(&ev->lock);
    ev->closed = true;
    ev->connection = NULL;
    (void)pthread_mutex_unlock(&ev->lock);
    (void)pthread_mutex_lock(&api->lock);
    if (ev->next)
        ev->next->previous = ev->previous;
    if (ev->previous)
        ev->previous->next = ev->next;
    else
        api->events = ev->next;
    api->n_events--;
    (void)pthread_mutex_unlock(&api->lock);
    if (ev->gone)
        ev->gone(ev->ctx);
    (void)api_events_unref(ev);
}

void events_abandon(struct api_events *ev)
{
    close_client(ev);
}

static size_t waiting_bytes(const struct api_events *ev)
{
    return ev->queue.len - ev->sent;
}

// The connection goes on in its loop.
static void wake_locked(struct api_events *ev)
{
    if (!ev->waiting)
        return;
    ev->waiting = false;
    MHD_resume_connection(ev->connection);
    atomic_fetch_sub(&ev->api->suspended, 1);
}

static void tell_lost(struct api_events *ev)
{
    if (ev->lost == 0)
        return;
    sb_printf(&ev->queue, "event: lost\ndata: {\"lost\":%" PRIu64 "}\n\n", ev->lost);
    ev->lost = 0;
}

static void append(struct api_events *ev, const char *id, const char *event, const char *data,
                   size_t len)
{
    if (ev->sent > 0 && ev->sent == ev->queue.len) {
        sb_reset(&ev->queue);
        ev->sent = 0;
    } else if (ev->sent > QUEUE_MAX / 2) {
        memmove(ev->queue.s, ev->queue.s + ev->sent, waiting_bytes(ev));
        sb_truncate(&ev->queue, waiting_bytes(ev));
        ev->sent = 0;
    }
    tell_lost(ev);
    if (id)
        sb_printf(&ev->queue, "id: %s\n", id);
    sb_printf(&ev->queue, "event: %s\ndata: ", event);
    sb_add(&ev->queue, data, len);
    sb_puts(&ev->queue, "\n\n");
}

int api_events_push(struct api_events *ev, const char *id, const char *event, const char *data,
                    size_t len)
{
    size_t need = len + strlen(event) + (id ? strlen(id) : 0) + 32;
    int r = 0;

    (void)pthread_mutex_lock(&ev->lock);
    if (ev->closed || ev->ending) {
        r = -EPIPE;
    } else if (waiting_bytes(ev) + need > QUEUE_MAX - LOST_ROOM || ev->queue.failed) {
        ev->lost++;
        atomic_fetch_add(&ev->api->events_lost, 1);
        r = -ENOBUFS;
    } else {
        append(ev, id, event, data, len);
        ev->last_ms = now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
        atomic_fetch_add(&ev->api->events_sent, 1);
        wake_locked(ev);
    }
    (void)pthread_mutex_unlock(&ev->lock);
    return r;
}

static ssize_t read_events(void *cls, uint64_t pos _unused_, char *buf, size_t max)
{
    struct api_events *ev = cls;
    ssize_t n = 0;

    (void)pthread_mutex_lock(&ev->lock);
    if (waiting_bytes(ev) == 0 && ev->lost > 0)
        tell_lost(ev);
    if (waiting_bytes(ev) > 0) {
        size_t len = MIN(waiting_bytes(ev), max);

        memcpy(buf, ev->queue.s + ev->sent, len);
        ev->sent += len;
        n = (ssize_t)len;
    } else if (ev->queue.failed) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else {
        atomic_fetch_add(&ev->api->suspended, 1);
        if (ev->ending || atomic_load(&ev->api->stopping)) {
            atomic_fetch_sub(&ev->api->suspended, 1);
            n = MHD_CONTENT_READER_END_OF_STREAM;
        } else {
            ev->waiting = true;
            MHD_suspend_connection(ev->connection);
        }
    }
    (void)pthread_mutex_unlock(&ev->lock);
    return n;
}

static void free_events(void *cls)
{
    close_client(cls);
}

struct MHD_Response *events_response(struct api_request *rq)
{
    struct api_events *ev = rq->answer.events;
    struct MHD_Response *response;

    ev->connection = rq->connection;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_events, ev,
                                                 free_events);
    if (response)
        rq->answer.events = NULL;
    return response;
}

// A client that nothing was sent to for a while gets a ping: so that what is between us does not take the connection for dead,
// and that we find out when it is.
static void ping_clients(struct api *api, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&api->lock);
    for (struct api_events *ev = api->events; ev; ev = ev->next) {
        (void)pthread_mutex_lock(&ev->lock);
        if (now_ms >= ev->last_ms + api->limits.ping_ms && waiting_bytes(ev) == 0 && !ev->ending &&
            !ev->closed) {
            append(ev, NULL, "ping", "{}", 2);
            ev->last_ms = now_ms;
            wake_locked(ev);
        }
        (void)pthread_mutex_unlock(&ev->lock);
    }
    (void)pthread_mutex_unlock(&api->lock);
}

// References, so that nobody waits for the database with the lock. NULL: none, or no memory for now.
static struct api_events **all_clients(struct api *api, size_t *ret_n)
{
    struct api_events **all;
    size_t n = 0;

    (void)pthread_mutex_lock(&api->lock);
    all = api->n_events ? new0(struct api_events *, api->n_events) : NULL;
    for (struct api_events *ev = api->events; all && ev; ev = ev->next)
        all[n++] = api_events_ref(ev);
    (void)pthread_mutex_unlock(&api->lock);
    *ret_n = n;
    return all;
}

// Who was sent away since he came sees nothing more: what waits for him goes, too.
static void end_strangers(struct api *api, uint64_t now_ms)
{
    _cleanup_free_ struct api_events **all = NULL;
    size_t n;

    all = all_clients(api, &n);
    for (size_t i = 0; i < n; i++) {
        struct api_events *ev = all[i];

        if (!auth_stands(api, &ev->standing, now_ms)) {
            (void)pthread_mutex_lock(&ev->lock);
            ev->ending = true;
            sb_reset(&ev->queue);
            ev->sent = 0;
            ev->lost = 0;
            wake_locked(ev);
            (void)pthread_mutex_unlock(&ev->lock);
        }
        (void)api_events_unref(ev);
    }
}

void events_tick(struct api *api, uint64_t now_ms)
{
    end_strangers(api, now_ms);
    ping_clients(api, now_ms);
}

void events_end_all(struct api *api)
{
    (void)pthread_mutex_lock(&api->lock);
    for (struct api_events *ev = api->events; ev; ev = ev->next) {
        (void)pthread_mutex_lock(&ev->lock);
        ev->ending = true;
        wake_locked(ev);
        (void)pthread_mutex_unlock(&ev->lock);
    }
    (void)pthread_mutex_unlock(&api->lock);
}
