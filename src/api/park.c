// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for something to happen. They are in no thread: only here, by the key that they wait for, and their
// connections are suspended.
#include <errno.h>
#include <stdlib.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/table.h"

struct parking {
    pthread_mutex_t lock;
    struct map *by_key; // the first of each key, on loan
    size_t n_parked;
};

int parking_new(struct api *api _unused_, struct parking **ret)
{
    struct parking *p = new0(struct parking, 1);
    int r = p ? map_new(MAP_U64, 0, NULL, &p->by_key) : -ENOMEM;

    if (r < 0) {
        free(p);
        return r;
    }
    (void)pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

struct parking *parking_free(struct parking *p)
{
    if (!p)
        return NULL;
    (void)map_free(p->by_key);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

void api_watch(struct api_request *rq, uint64_t key)
{
    struct parking *p = rq->api->parking;
    struct api_request *first;

    (void)pthread_mutex_lock(&p->lock);
    if (!rq->watching) {
        first = map_get_u64(p->by_key, key);
        rq->key = key;
        rq->previous = NULL;
        rq->next = first;
        // Without memory it is only called when its time is up.
        if (map_set_u64(p->by_key, key, rq) == 0) {
            if (first)
                first->previous = rq;
            rq->watching = true;
            rq->hit = false;
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
}

static void unlink_locked(struct parking *p, struct api_request *rq)
{
    if (rq->next)
        rq->next->previous = rq->previous;
    if (rq->previous)
        rq->previous->next = rq->next;
    else if (rq->next)
        (void)map_set_u64(p->by_key, rq->key, rq->next); // replaces, needs no memory
    else
        (void)map_delete_u64(p->by_key, rq->key);
    rq->next = rq->previous = NULL;
    rq->watching = false;
}

void parking_forget(struct parking *p, struct api_request *rq)
{
    (void)pthread_mutex_lock(&p->lock);
    if (rq->watching)
        unlink_locked(p, rq);
    (void)pthread_mutex_unlock(&p->lock);
}

int api_park(struct api_request *rq, uint64_t timeout_ms)
{
    rq->park_ms = MIN(timeout_ms, (uint64_t)600000);
    return HANDLER_PARKED;
}

// Back to a worker. It stays in the list, as one that runs and watches, so that its handler can park it again.
static void run_again(struct parking *p, struct api_request *rq, enum api_wake why)
{
    rq->parked = false;
    rq->hit = false;
    rq->wake = why;
    p->n_parked--;
    // The pool ends after the last request has.
    (void)workers_add(rq->api->pools[request_lane(rq)], &rq->job, true);
}

void parking_add(struct parking *p, struct api_request *rq)
{
    uint64_t park_ms = rq->park_ms;

    if (!rq->watching)
        api_watch(rq, api_unique_key(rq->api));
    (void)pthread_mutex_lock(&p->lock);
    rq->parked = true;
    p->n_parked++;
    rq->deadline_ms = now_ns(CLOCK_MONOTONIC) / NS_PER_MS + park_ms;
    if (rq->hit)
        run_again(p, rq, API_WOKEN);
    else if (atomic_load(&rq->api->stopping) && rq->wake != API_STOPPING)
        run_again(p, rq, API_STOPPING);
    else if (!rq->watching)
        run_again(p, rq, API_TIMED_OUT);
    (void)pthread_mutex_unlock(&p->lock);
}

void api_wake(struct api *api, uint64_t key)
{
    struct parking *p = api->parking;

    (void)pthread_mutex_lock(&p->lock);
    for (struct api_request *rq = map_get_u64(p->by_key, key); rq; rq = rq->next) {
        if (rq->parked)
            run_again(p, rq, API_WOKEN);
        else
            rq->hit = true;
    }
    (void)pthread_mutex_unlock(&p->lock);
}

static void wake_some(struct parking *p, uint64_t now_ms, bool all, enum api_wake why)
{
    struct map_iter it = {};

    (void)pthread_mutex_lock(&p->lock);
    while (p->n_parked > 0 && map_next(p->by_key, &it))
        for (struct api_request *rq = it.value; rq; rq = rq->next)
            if (rq->parked && (all || now_ms >= rq->deadline_ms))
                run_again(p, rq, why);
    (void)pthread_mutex_unlock(&p->lock);
}

void parking_tick(struct parking *p, uint64_t now_ms)
{
    wake_some(p, now_ms, false, API_TIMED_OUT);
}

void api_wake_all(struct api *api)
{
    struct parking *p = api->parking;
    struct map_iter it = {};

    (void)pthread_mutex_lock(&p->lock);
    while (map_next(p->by_key, &it))
        for (struct api_request *rq = it.value; rq; rq = rq->next) {
            if (rq->parked)
                run_again(p, rq, API_WOKEN);
            else
                rq->hit = true;
        }
    (void)pthread_mutex_unlock(&p->lock);
}

void parking_wake_all(struct parking *p, enum api_wake why)
{
    wake_some(p, 0, true, why);
}

size_t parking_len(struct parking *p)
{
    size_t n;

    (void)pthread_mutex_lock(&p->lock);
    n = p->n_parked;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

uint64_t api_unique_key(struct api *api)
{
    return UINT64_C(1) << 63 | atomic_fetch_add(&api->next_key, 1);
}
