// SPDX-License-Identifier: Apache-2.0
#include "api/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/thread.h"

#define STACK_SIZE ((size_t)512 << 10)

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work, ended;
    struct job *first, *last;
    size_t queued, queue_max, running;
    bool stopping;
    pthread_t *threads;
    size_t n_threads, alive;
};

static void *work(void *ctx)
{
    struct workers *p = ctx;

    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        struct job *job = p->first;

        if (!job && p->stopping)
            break;
        if (!job) {
            (void)pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        p->first = job->next;
        if (!p->first)
            p->last = NULL;
        p->queued--;
        p->running++;
        (void)pthread_mutex_unlock(&p->lock);
        job->fn(job);
        (void)pthread_mutex_lock(&p->lock);
        p->running--;
    }
    p->alive--;
    (void)pthread_cond_signal(&p->ended);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

int workers_new(unsigned threads, size_t queue_max, struct workers **ret)
{
    struct workers *p = new0(struct workers, 1);
    int r = 0;

    if (!p)
        return -ENOMEM;
    p->threads = new0(pthread_t, threads);
    if (!p->threads) {
        free(p);
        return -ENOMEM;
    }
    p->queue_max = queue_max;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    cond_init_monotonic(&p->ended);
    for (unsigned i = 0; i < threads && r == 0; i++) {
        (void)pthread_mutex_lock(&p->lock);
        r = thread_start(&p->threads[p->n_threads], "api-worker", STACK_SIZE, work, p);
        if (r == 0) {
            p->n_threads++;
            p->alive++;
        }
        (void)pthread_mutex_unlock(&p->lock);
    }
    if (r < 0) {
        (void)workers_stop(p, UINT64_MAX);
        (void)workers_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

int workers_add(struct workers *p, struct job *job, bool always)
{
    int r = 0;

    (void)pthread_mutex_lock(&p->lock);
    if (p->stopping)
        r = -ESHUTDOWN;
    else if (!always && p->queued >= p->queue_max)
        r = -ENOBUFS;
    if (r == 0) {
        job->next = NULL;
        if (p->last)
            p->last->next = job;
        else
            p->first = job;
        p->last = job;
        p->queued++;
        (void)pthread_cond_signal(&p->work);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

void workers_lengths(struct workers *p, size_t *ret_queued, size_t *ret_running)
{
    (void)pthread_mutex_lock(&p->lock);
    *ret_queued = p->queued;
    *ret_running = p->running;
    (void)pthread_mutex_unlock(&p->lock);
}

bool workers_stop(struct workers *p, uint64_t timeout_ms)
{
    uint64_t until = now_ns(CLOCK_MONOTONIC) / NS_PER_MS + MIN(timeout_ms, (uint64_t)86400000);
    const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                .tv_nsec = (long)(until % 1000 * NS_PER_MS)};
    bool ended;

    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->work);
    while (p->alive > 0 && pthread_cond_timedwait(&p->ended, &p->lock, &at) == 0)
        ;
    ended = p->alive == 0;
    (void)pthread_mutex_unlock(&p->lock);
    if (!ended)
        return false;
    for (size_t i = 0; i < p->n_threads; i++)
        (void)pthread_join(p->threads[i], NULL);
    p->n_threads = 0;
    return true;
}

struct workers *workers_free(struct workers *p)
{
    if (!p)
        return NULL;
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->ended);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
    return NULL;
}
