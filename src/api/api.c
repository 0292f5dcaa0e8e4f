// SPDX-License-Identifier: Apache-2.0
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/thread.h"

#define TICK_MS  250
#define FLUSH_MS 500 // for answers that are on their way when the server stops

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

// Time-outs. Nothing else may depend on it being punctual.
static void *keep(void *ctx)
{
    struct api *api = ctx;

    (void)pthread_mutex_lock(&api->keeper_lock);
    while (!api->keeper_stop) {
        uint64_t until = now_ms() + TICK_MS;
        struct timespec at = {.tv_sec = (time_t)(until / 1000),
                              .tv_nsec = (long)(until % 1000 * NS_PER_MS)};

        (void)pthread_cond_timedwait(&api->keeper_wake, &api->keeper_lock, &at);
        (void)pthread_mutex_unlock(&api->keeper_lock);
        parking_tick(api->parking, now_ms());
        conns_tick(api->conns, now_ms());
        events_tick(api, now_ms());
        (void)pthread_mutex_lock(&api->keeper_lock);
    }
    (void)pthread_mutex_unlock(&api->keeper_lock);
    return NULL;
}

static int start_keeper(struct api *api)
{
    int r;

    (void)pthread_mutex_init(&api->keeper_lock, NULL);
    cond_init_monotonic(&api->keeper_wake);
    r = thread_start(&api->keeper, "api-keeper", 0, keep, api);
    api->keeper_runs = r == 0;
    return r;
}

static void stop_keeper(struct api *api)
{
    if (!api->keeper_runs)
        return;
    (void)pthread_mutex_lock(&api->keeper_lock);
    api->keeper_stop = true;
    (void)pthread_cond_signal(&api->keeper_wake);
    (void)pthread_mutex_unlock(&api->keeper_lock);
    (void)pthread_join(api->keeper, NULL);
    api->keeper_runs = false;
}

static void settle_limits(struct api *api, const struct api_options *o)
{
    api->limits = (struct api_limits){
        .connections = OR(o->connections, 8192u),
        .connections_per_address = OR(o->connections_per_address, 1024u),
        .queue = OR(o->queue, 1024u),
        .events = OR(o->events, 256u),
        .streams = OR(o->streams, 8u),
        .handshakes = OR(o->handshakes, 64u),
        .handshake_timeout_ms = OR(o->handshake_timeout_ms, 10000u),
        .head_timeout_ms = OR(o->head_timeout_ms, 30000u),
        .body_timeout_ms = OR(o->body_timeout_ms, 30000u),
        .idle_timeout_ms = OR(o->idle_timeout_ms, 75000u),
        .ping_ms = OR(o->ping_ms, 15000u),
        .body_bytes = OR(o->body_bytes, (size_t)256 << 20),
    };
}

static int make_names(struct api *api, struct error *err)
{
    unsigned char bytes[4] = {};
    int r = 0;

    for (size_t i = 0; api->options.names && api->options.names[i] && r == 0; i++)
        r = strv_append(&api->names, api->options.names[i]);
    if (r == 0 && getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        r = -EIO;
    if (r < 0)
        return error_set(err, r, "%m");
    (void)snprintf(api->id_prefix, sizeof(api->id_prefix), "%02x%02x%02x%02x", bytes[0], bytes[1],
                   bytes[2], bytes[3]);
    return 0;
}

int api_new(const struct api_options *o, struct api **ret_api, struct error *err)
{
    struct api *api = new0(struct api, 1);
    int r;

    if (!api)
        return error_set(err, -ENOMEM, "%m");
    api->options = *o;
    api->listen_fd = -1;
    (void)pthread_mutex_init(&api->lock, NULL);
    settle_limits(api, o);
    r = make_names(api, err);
    if (r == 0)
        r = router_new(&o->tables, &api->router, err);
    if (r == 0 && o->ui_dir) {
        api->ui_dir = xstrndup(o->ui_dir, strlen(o->ui_dir));
        r = api->ui_dir ? files_load(api->ui_dir, &api->files, err) : error_set(err, -ENOMEM, "%m");
    }
    if (r == 0) {
        r = parking_new(api, &api->parking);
        r = r < 0 ? r : conns_new(api, &api->conns);
        for (size_t i = 0; i < ARRAY_SIZE(api->pools) && r == 0; i++)
            r = workers_new(OR(o->threads, 8u), api->limits.queue, &api->pools[i]);
        if (r < 0)
            (void)error_set(err, r, "%m");
    }
    if (r < 0) {
        (void)api_free(api);
        return r;
    }
    *ret_api = api;
    return 0;
}

int api_start(struct api *api, struct error *err)
{
    int r = tls_new(&api->options, &api->tls, err);

    if (r == 0)
        r = http_start(api, err);
    if (r == 0) {
        r = start_keeper(api);
        if (r < 0)
            (void)error_set(err, r, "%m");
    }
    return r;
}

static bool wait_for(atomic_size_t *count, uint64_t until)
{
    const struct timespec pause = {.tv_nsec = 2 * NS_PER_MS};

    while (atomic_load(count) > 0) {
        if (now_ms() >= until)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

int api_stop(struct api *api, uint64_t timeout_ms)
{
    uint64_t until = now_ms() + timeout_ms;

    atomic_store(&api->stopping, true);
    door_stop(api);
    parking_wake_all(api->parking, API_STOPPING);
    events_end_all(api);
    if (!wait_for(&api->suspended, until))
        return -ETIMEDOUT;
    (void)wait_for(&api->active, MIN(until, now_ms() + FLUSH_MS));
    http_stop(api);
    stop_keeper(api);
    for (size_t i = 0; i < ARRAY_SIZE(api->pools); i++)
        if (api->pools[i] && !workers_stop(api->pools[i], timeout_ms))
            return -ETIMEDOUT;
    return 0;
}

struct api *api_free(struct api *api)
{
    if (!api)
        return NULL;
    http_stop(api);
    stop_keeper(api);
    for (size_t i = 0; i < ARRAY_SIZE(api->pools); i++) {
        if (api->pools[i])
            (void)workers_stop(api->pools[i], UINT64_MAX);
        api->pools[i] = workers_free(api->pools[i]);
    }
    (void)tls_free(api->tls);
    (void)conns_free(api->conns);
    api->door = door_free(api->door);
    (void)parking_free(api->parking);
    (void)router_free(api->router);
    (void)files_unref(api->files);
    (void)strv_free(api->names);
    (void)pthread_mutex_destroy(&api->lock);
    free(api->ui_dir);
    free(api);
    return NULL;
}

uint16_t api_port(const struct api *api)
{
    return api->port;
}

void api_counters(struct api *api, struct api_counters *ret)
{
    struct api_counters c = {
        .requests = atomic_load(&api->requests),
        .refused_busy = atomic_load(&api->refused_busy),
        .errors_4xx = atomic_load(&api->errors_4xx),
        .errors_5xx = atomic_load(&api->errors_5xx),
        .events_sent = atomic_load(&api->events_sent),
        .events_lost = atomic_load(&api->events_lost),
        .parked = parking_len(api->parking),
        .body_bytes = atomic_load(&api->body_bytes[0]) + atomic_load(&api->body_bytes[1]),
    };

    c.connections = conns_len(api->conns, &c);
    c.waiting = door_waiting(api->door);
    for (size_t i = 0; i < ARRAY_SIZE(api->pools); i++) {
        size_t queued, running;

        workers_lengths(api->pools[i], &queued, &running);
        c.queued += queued;
        c.running += running;
    }
    (void)pthread_mutex_lock(&api->lock);
    c.events = api->n_events;
    c.streams = api->n_streams;
    (void)pthread_mutex_unlock(&api->lock);
    *ret = c;
}

int api_set_certificate(struct api *api, const char *certificate_pem, const char *key_pem,
                        struct error *err)
{
    return tls_set(api->tls, certificate_pem, key_pem, err);
}

int api_reload_ui(struct api *api, struct error *err)
{
    struct files *f = NULL, *old;
    int r;

    if (!api->ui_dir)
        return 0;
    r = files_load(api->ui_dir, &f, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&api->lock);
    old = api->files;
    api->files = f;
    (void)pthread_mutex_unlock(&api->lock);
    (void)files_unref(old);
    return 0;
}
