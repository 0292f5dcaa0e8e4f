// SPDX-License-Identifier: Apache-2.0
#include "server/tail.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"

struct tail {
    pthread_mutex_t lock;
    struct {
        uint64_t number; // 0: free
        tail_fn fn;
        void *ctx;
    } listeners[TAIL_LISTENERS_MAX];
    uint64_t last;
    size_t n;
};

int tail_new(struct tail **ret)
{
    struct tail *t = new0(struct tail, 1);

    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    *ret = t;
    return 0;
}

struct tail *tail_free(struct tail *t)
{
    if (t)
        (void)pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

int tail_add(struct tail *t, tail_fn fn, void *ctx, uint64_t *ret_number)
{
    int r = -ENOBUFS;

    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TAIL_LISTENERS_MAX && r < 0; i++) {
        if (t->listeners[i].number)
            continue;
        t->listeners[i].number = *ret_number = ++t->last;
        t->listeners[i].fn = fn;
        t->listeners[i].ctx = ctx;
        t->n++;
        r = 0;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return r;
}

void tail_remove(struct tail *t, uint64_t number)
{
    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TAIL_LISTENERS_MAX; i++)
        if (number && t->listeners[i].number == number) {
            t->listeners[i].number = 0;
            t->n--;
        }
    (void)pthread_mutex_unlock(&t->lock);
}

void tail_publish(struct tail *t, const struct store_row *rows, size_t n_rows)
{
    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; t->n > 0 && i < TAIL_LISTENERS_MAX; i++)
        if (t->listeners[i].number)
            t->listeners[i].fn(t->listeners[i].ctx, rows, n_rows);
    (void)pthread_mutex_unlock(&t->lock);
}

size_t tail_len(struct tail *t)
{
    size_t n;

    (void)pthread_mutex_lock(&t->lock);
    n = t->n;
    (void)pthread_mutex_unlock(&t->lock);
    return n;
}
