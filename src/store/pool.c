// SPDX-License-Identifier: Apache-2.0
#include "store/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/thread.h"

#define THREADS_MAX 64

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;  // there are blocks to begin with
    pthread_cond_t ready; // one was read
    bool stop;
    struct digest *digests;
    bool *read; // one for each
    size_t n, begun, handed, cap;
    uint64_t seed;
    struct digester *own; // the writer's
    unsigned n_threads;
    pthread_t threads[THREADS_MAX];
};

// Under the lock, which is given up while a block is read.
static void read_one(struct pool *p, struct digester *t)
{
    size_t at = p->begun++;

    (void)pthread_mutex_unlock(&p->lock);
    digest_read(t, &p->digests[at]);
    (void)pthread_mutex_lock(&p->lock);
    p->read[at] = true;
    (void)pthread_cond_signal(&p->ready);
}

static void *run(void *arg)
{
    struct pool *p = arg;
    struct digester *t = NULL;

    // Without memory for it the writer reads alone.
    if (digester_new(p->seed, &t) < 0)
        return NULL;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        if (p->begun < p->n)
            read_one(p, t);
        else
            (void)pthread_cond_wait(&p->work, &p->lock);
    }
    (void)pthread_mutex_unlock(&p->lock);
    digester_free(t);
    return NULL;
}

static int start_threads(struct pool *p, unsigned threads)
{
    int r = 0;

    while (r == 0 && p->n_threads < MIN(threads, (unsigned)THREADS_MAX)) {
        r = thread_start(&p->threads[p->n_threads], "store-digest", 0, run, p);
        p->n_threads += r == 0;
    }
    return p->n_threads > 0 || threads == 0 ? 0 : r;
}

int pool_new(unsigned threads, struct pool **ret_pool)
{
    struct pool *p = new0(struct pool, 1);
    int r;

    if (!p)
        return -ENOMEM;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->ready, NULL);
    if (getrandom(&p->seed, sizeof(p->seed), 0) != sizeof(p->seed))
        p->seed = (uint64_t)(uintptr_t)p;
    r = digester_new(p->seed, &p->own);
    if (r == 0)
        r = start_threads(p, threads);
    if (r < 0) {
        pool_free(p);
        return r;
    }
    *ret_pool = p;
    return 0;
}

struct pool *pool_free(struct pool *p)
{
    if (!p)
        return NULL;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        (void)pthread_join(p->threads[i], NULL);
    (void)pthread_cond_destroy(&p->ready);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
    digester_free(p->own);
    free(p->read);
    free(p);
    return NULL;
}

void pool_start(struct pool *p, struct digest *digests, size_t n)
{
    (void)pthread_mutex_lock(&p->lock);
    p->digests = digests;
    p->handed = p->begun = p->n = 0;
    if (GREEDY(p->read, p->cap, n)) {
        memset(p->read, 0, n * sizeof(*p->read));
        p->n = n;
    } else {
        for (size_t i = 0; i < n; i++)
            digests[i].error = -ENOMEM;
    }
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
}

struct digest *pool_next(struct pool *p)
{
    struct digest *d = NULL;

    (void)pthread_mutex_lock(&p->lock);
    while (p->handed < p->n && !p->read[p->handed]) {
        if (p->begun < p->n)
            read_one(p, p->own);
        else
            (void)pthread_cond_wait(&p->ready, &p->lock);
    }
    if (p->handed < p->n)
        d = &p->digests[p->handed++];
    (void)pthread_mutex_unlock(&p->lock);
    return d;
}
