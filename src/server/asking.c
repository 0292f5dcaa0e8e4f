// SPDX-License-Identifier: Apache-2.0
#include "server/asking.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "registry/host.h"

#define ID_SIZE 40

struct question {
    char id[ID_SIZE], host[HOST_ID_SIZE];
    char *name, *args;
    uint64_t deadline_ns, answered_ns; // CLOCK_MONOTONIC; answered_ns 0: not yet
    uint64_t deadline_ms, answered_ms; // since 1970
    bool told;
    char *result;
    struct error error;
    unsigned refs; // one of them the list's
};

struct asking {
    pthread_mutex_t lock;
    uint64_t run, last;                 // numbers of questions: of this run of the server
    struct question *items[ASKING_MAX]; // the oldest first
    size_t n;
};

int asking_new(struct asking **ret)
{
    struct asking *a = new0(struct asking, 1);

    if (!a)
        return -ENOMEM;
    // An answer to a question of an earlier run is none to one of this run.
    if (getrandom(&a->run, sizeof(a->run), 0) != (ssize_t)sizeof(a->run)) {
        free(a);
        return -EIO;
    }
    (void)pthread_mutex_init(&a->lock, NULL);
    *ret = a;
    return 0;
}

static void unref(struct question *q)
{
    if (--q->refs > 0)
        return;
    free(q->name);
    free(q->args);
    free(q->result);
    free(q);
}

struct asking *asking_free(struct asking *a)
{
    if (!a)
        return NULL;
    for (size_t i = 0; i < a->n; i++)
        unref(a->items[i]);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

uint64_t asking_key(const char *host)
{
    return XXH3_64bits_withSeed(host, strlen(host), 1) >> 1;
}

bool asking_is_id(const char *id)
{
    return id[0] == 'q';
}

void question_unref(struct asking *a, struct question *q)
{
    if (!q)
        return;
    (void)pthread_mutex_lock(&a->lock);
    unref(q);
    (void)pthread_mutex_unlock(&a->lock);
}

// What is kept ---------------------------------------------------------------------------------------

static bool is_same(const struct question *q, const char *host, const char *name, const char *args)
{
    return streq(q->host, host) && streq(q->name, name) && streq(q->args, args);
}

static void drop(struct asking *a, size_t i)
{
    struct question *q = a->items[i];

    memmove(a->items + i, a->items + i + 1, (a->n - i - 1) * sizeof(struct question *));
    a->n--;
    unref(q);
}

// A later answer to the same, or a good one where this is none: nobody will ask for it.
static bool is_replaced(const struct asking *a, size_t i)
{
    const struct question *q = a->items[i];

    for (size_t k = i + 1; k < a->n; k++)
        if (a->items[k]->answered_ns && (a->items[k]->result || !q->result) &&
            is_same(a->items[k], q->host, q->name, q->args))
            return true;
    return false;
}

static bool is_over(const struct asking *a, size_t i, uint64_t now)
{
    const struct question *q = a->items[i];

    if (!q->answered_ns)
        return now > q->deadline_ns;
    return now > q->answered_ns + ASKING_KEPT_MS * NS_PER_MS || is_replaced(a, i) ||
           (!q->result && now > q->answered_ns + ASKING_FRESH_MS * NS_PER_MS);
}

static void tidy(struct asking *a, uint64_t now)
{
    size_t bytes = 0;

    for (size_t i = 0; i < a->n;) {
        if (is_over(a, i, now)) {
            drop(a, i);
            continue;
        }
        bytes += a->items[i]->result ? strlen(a->items[i]->result) : 0;
        i++;
    }
    for (size_t i = 0; i < a->n && (bytes > ASKING_ANSWERS_MAX || a->n == ASKING_MAX);) {
        if (!a->items[i]->answered_ns) {
            i++;
            continue;
        }
        bytes -= a->items[i]->result ? strlen(a->items[i]->result) : 0;
        drop(a, i);
    }
}

// Asking ---------------------------------------------------------------------------------------------

static struct question *find(const struct asking *a, const char *host, const char *name,
                             const char *args, uint64_t now)
{
    for (size_t i = a->n; i-- > 0;) {
        struct question *q = a->items[i];

        if (is_same(q, host, name, args) &&
            (!q->answered_ns || now <= q->answered_ns + ASKING_FRESH_MS * NS_PER_MS))
            return q;
    }
    return NULL;
}

static size_t waiting(const struct asking *a, const char *host)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += !a->items[i]->answered_ns && streq(a->items[i]->host, host);
    return n;
}

static int add(struct asking *a, const char *host, const char *name, const char *args, uint64_t now,
               struct question **ret)
{
    struct question *q = new0(struct question, 1);

    if (!q)
        return -ENOMEM;
    q->refs = 1;
    q->name = xstrndup(name, strlen(name));
    q->args = xstrndup(args, strlen(args));
    if (!q->name || !q->args) {
        unref(q);
        return -ENOMEM;
    }
    (void)snprintf(q->id, sizeof(q->id), "q%016llx-%llu", (unsigned long long)a->run,
                   (unsigned long long)++a->last);
    (void)snprintf(q->host, sizeof(q->host), "%s", host);
    q->deadline_ns = now + ASKING_WAIT_MS * NS_PER_MS;
    q->deadline_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS + ASKING_WAIT_MS;
    a->items[a->n++] = q;
    *ret = q;
    return 0;
}

int asking_begin(struct asking *a, const char *host, const char *name, const char *args,
                 struct question **ret, struct error *err)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    struct question *q;
    int r = 0;

    (void)pthread_mutex_lock(&a->lock);
    tidy(a, now);
    q = find(a, host, name, args, now);
    if (!q)
        r = a->n == ASKING_MAX || waiting(a, host) >= ASKING_HOST_MAX
                ? -EAGAIN
                : add(a, host, name, args, now, &q);
    if (r == 0) {
        q->refs++;
        *ret = q;
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (r == -EAGAIN)
        return error_set(err, r, "too many ask hosts at once: try again in a moment");
    return r < 0 ? error_set(err, r, "%m") : 0;
}

int asking_last(struct asking *a, const char *host, const char *name, const char *args,
                struct question **ret)
{
    int r = -ENOENT;

    (void)pthread_mutex_lock(&a->lock);
    tidy(a, now_ns(CLOCK_MONOTONIC));
    for (size_t i = a->n; i-- > 0 && r < 0;) {
        struct question *q = a->items[i];

        if (!q->result || !is_same(q, host, name, args))
            continue;
        q->refs++;
        *ret = q;
        r = 0;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return r;
}

bool question_answer(struct asking *a, const struct question *q, struct answer *ret)
{
    bool answered;

    (void)pthread_mutex_lock(&a->lock);
    answered = q->answered_ns != 0;
    (void)pthread_mutex_unlock(&a->lock);
    // Written once, before that.
    if (answered)
        *ret = (struct answer){q->answered_ms, q->result, &q->error};
    return answered;
}

// Hosts ----------------------------------------------------------------------------------------------

int asking_tell(struct asking *a, const char *host, asking_fn fn, void *ctx)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    int r = 0;

    (void)pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->n && r == 0; i++) {
        struct question *q = a->items[i];

        if (q->told || q->answered_ns || now > q->deadline_ns || !streq(q->host, host))
            continue;
        r = fn(ctx, q->id, q->name, q->args, q->deadline_ms);
        q->told = r == 0;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return r;
}

bool asking_answered(struct asking *a, const char *host, const char *id, const char *result,
                     const struct error *error)
{
    struct question *q = NULL;
    char *copy = result ? xstrndup(result, strlen(result)) : NULL;

    (void)pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->n && !q; i++)
        if (streq(a->items[i]->id, id) && streq(a->items[i]->host, host) &&
            !a->items[i]->answered_ns)
            q = a->items[i];
    if (q) {
        q->result = TAKE_PTR(copy);
        q->error = *error;
        if (!q->result && !error_is_set(error))
            (void)error_set(&q->error, -EIO, "the host answered nothing");
        q->answered_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
        q->answered_ns = now_ns(CLOCK_MONOTONIC);
    }
    (void)pthread_mutex_unlock(&a->lock);
    free(copy);
    return q != NULL;
}
