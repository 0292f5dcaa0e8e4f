// SPDX-License-Identifier: Apache-2.0
#include "server/ingest.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/thread.h"
#include "server/counting.h"

#define COMMIT_BATCHES 256u
#define COMMIT_BYTES   ((size_t)64 << 20)
#define READERS_MAX    32
#define FLUSH_MS       ((uint64_t)600000)
#define BEHIND_MS      ((uint64_t)10000)
#define TELL_MS        ((uint64_t)60000)
#define RATE_SECONDS   60

struct ingest_item {
    struct ingest_item *next;
    atomic_int refs;
    atomic_bool done;
    int r;
    struct store_appended appended;
    uint64_t key;
    struct frame *frame;
    char *body; // the packed blocks are in it
    size_t bytes;
    char host[HOST_ID_SIZE];
};

struct ingest {
    struct ingest_options options;
    struct counting *counting;
    pthread_t thread;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t work, ended_cond;
    struct ingest_item *first, *last;
    size_t n_waiting, bytes_waiting;
    bool stopping, ended;
    struct ingest_stats stats;
    struct {
        uint64_t second, records;
    } rate[RATE_SECONDS];
    uint64_t began_ms; // the writer took what it is at; 0: it waits
    struct frame_reader *readers[READERS_MAX];
    size_t n_readers;
    // Of the writer.
    uint64_t flushed_ms, caught_up_ms, told_ms;
};

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

struct ingest_item *ingest_item_unref(struct ingest_item *item)
{
    if (item && atomic_fetch_sub(&item->refs, 1) == 1) {
        (void)frame_free(item->frame);
        free(item->body);
        free(item);
    }
    return NULL;
}

// Reading ----------------------------------------------------------------------------------------

static int reader_get(struct ingest *in, struct frame_reader **ret)
{
    struct frame_reader *reader = NULL;

    (void)pthread_mutex_lock(&in->lock);
    if (in->n_readers > 0)
        reader = in->readers[--in->n_readers];
    (void)pthread_mutex_unlock(&in->lock);
    if (!reader)
        return frame_reader_new(ret);
    *ret = reader;
    return 0;
}

static void reader_put(struct ingest *in, struct frame_reader *reader)
{
    (void)pthread_mutex_lock(&in->lock);
    if (in->n_readers < READERS_MAX) {
        in->readers[in->n_readers++] = reader;
        reader = NULL;
    }
    (void)pthread_mutex_unlock(&in->lock);
    (void)frame_reader_free(reader);
}

int ingest_read(struct ingest *in, const char *host, char *body, size_t len,
                struct ingest_item **ret, struct error *err)
{
    _cleanup_(ingest_item_unrefp) struct ingest_item *item = new0(struct ingest_item, 1);
    struct frame_reader *reader = NULL;
    int r;

    if (!item) {
        free(body);
        return error_set(err, -ENOMEM, "%m");
    }
    atomic_init(&item->refs, 1);
    item->body = body;
    (void)snprintf(item->host, sizeof(item->host), "%s", host);
    r = reader_get(in, &reader);
    if (r < 0)
        return error_set(err, r, "%m");
    r = frame_decode(reader, body, len, &item->frame, err);
    reader_put(in, reader);
    if (r < 0)
        return r;
    item->frame->batch.host = item->host;
    item->frame->batch.received_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    item->bytes = len + item->frame->raw_len;
    *ret = TAKE_PTR(item);
    return 0;
}

int ingest_add(struct ingest *in, struct ingest_item *item, uint64_t key)
{
    int r = 0;

    (void)pthread_mutex_lock(&in->lock);
    if (in->stopping) {
        r = -ESHUTDOWN;
    } else if (in->n_waiting > 0 && in->bytes_waiting + item->bytes > in->options.max_bytes) {
        in->stats.refused++;
        r = -ENOBUFS;
    } else {
        item->key = key;
        item->next = NULL;
        atomic_fetch_add(&item->refs, 1);
        if (in->last)
            in->last->next = item;
        else
            in->first = item;
        in->last = item;
        in->n_waiting++;
        in->bytes_waiting += item->bytes;
        (void)pthread_cond_signal(&in->work);
    }
    (void)pthread_mutex_unlock(&in->lock);
    return r;
}

int ingest_result(struct ingest_item *item, int *ret_r, struct store_appended *ret_appended)
{
    if (!atomic_load(&item->done))
        return 0;
    *ret_r = item->r;
    *ret_appended = item->appended;
    return 1;
}

// Writing ----------------------------------------------------------------------------------------

static void tell(struct ingest *in, const struct error *err)
{
    if (in->told_ms && now_ms() - in->told_ms < TELL_MS)
        return;
    in->told_ms = now_ms();
    if (in->options.told)
        in->options.told(in->options.ctx, err);
}

static void on_rows(void *ctx, const struct store_row *rows, size_t n_rows)
{
    struct ingest *in = ctx;

    counting_rows(in->counting, rows, n_rows);
    tail_publish(in->options.tail, rows, n_rows);
}

static void account(struct ingest *in, const struct ingest_item *item)
{
    uint64_t second = now_ms() / 1000;
    size_t slot = second % RATE_SECONDS;
    struct ingest_stats *s = &in->stats;

    if (item->r < 0) {
        s->refused++;
        s->last_error = item->r;
        return;
    }
    s->last_error = 0;
    s->batches++;
    s->records += item->appended.n_stored;
    s->duplicates += item->appended.n_duplicate;
    s->missing += item->appended.n_missing;
    s->unreadable += item->appended.n_unreadable;
    if (in->rate[slot].second != second) {
        in->rate[slot].second = second;
        in->rate[slot].records = 0;
    }
    in->rate[slot].records += item->appended.n_stored;
}

static void finish_item(struct ingest *in, struct ingest_item *item)
{
    uint64_t key = item->key;

    (void)pthread_mutex_lock(&in->lock);
    account(in, item);
    (void)pthread_mutex_unlock(&in->lock);
    atomic_store(&item->done, true);
    (void)ingest_item_unref(item);
    in->options.done(in->options.ctx, key);
}

// All of them with one commit. When one of them contradicts itself, none was stored: then one by one.
static void store_items(struct ingest *in, struct ingest_item **items, size_t n)
{
    const struct record_batch *batches[COMMIT_BATCHES] = {};
    struct store_appended appended[COMMIT_BATCHES] = {};
    struct error err = {};
    int r;

    for (size_t i = 0; i < n; i++)
        batches[i] = &items[i]->frame->batch;
    r = store_append_many(in->options.store, batches, n, appended, &err);
    if (r == -EINVAL && n > 1) {
        for (size_t i = 0; i < n; i++)
            store_items(in, &items[i], 1);
        return;
    }
    if (r < 0)
        tell(in, &err);
    for (size_t i = 0; i < n; i++) {
        items[i]->r = r;
        items[i]->appended = appended[i];
        if (r == 0 && appended[i].n_missing > 0)
            (void)registry_host_add_missing(in->options.registry, items[i]->host,
                                            appended[i].n_missing, NULL);
        if (r == 0)
            counting_batch(in->counting, items[i]->host, &batches[i]->stream, appended[i].acked);
    }
}

static size_t take_items(struct ingest *in, struct ingest_item **items)
{
    size_t n = 0, bytes = 0;

    while (in->first && n < COMMIT_BATCHES &&
           (n == 0 || bytes + in->first->bytes <= COMMIT_BYTES)) {
        items[n] = in->first;
        in->first = items[n]->next;
        bytes += items[n]->bytes;
        in->n_waiting--;
        in->bytes_waiting -= items[n]->bytes;
        n++;
    }
    if (!in->first)
        in->last = NULL;
    return n;
}

static void commit(struct ingest *in, struct ingest_item **items, size_t n)
{
    struct error err = {};

    store_items(in, items, n);
    // The records are safe: alerts that the database does not take now are counted later.
    if (counting_commit(in->counting, &err) < 0)
        tell(in, &err);
    for (size_t i = 0; i < n; i++)
        finish_item(in, items[i]);
}

// What can wait, between two commits.
static void care(struct ingest *in, bool now)
{
    struct error err = {};
    int r = 0;

    if (counting_behind(in->counting) > 0 && now_ms() - in->caught_up_ms >= BEHIND_MS) {
        in->caught_up_ms = now_ms();
        r = counting_catch_up(in->counting, false, &err);
    }
    if (r == 0 && (now || now_ms() - in->flushed_ms >= FLUSH_MS)) {
        in->flushed_ms = now_ms();
        r = counting_flush(in->counting, &err);
    }
    if (r < 0)
        tell(in, &err);
    (void)pthread_mutex_lock(&in->lock);
    in->stats.alerts_behind = counting_behind(in->counting);
    (void)pthread_mutex_unlock(&in->lock);
}

static void wait_for_work(struct ingest *in)
{
    uint64_t until = now_ms() + 1000;
    const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                .tv_nsec = (long)(until % 1000 * NS_PER_MS)};

    in->began_ms = 0;
    if (!in->first && !in->stopping)
        (void)pthread_cond_timedwait(&in->work, &in->lock, &at);
    in->began_ms = now_ms();
}

static void *write_loop(void *ctx)
{
    struct ingest *in = ctx;
    struct ingest_item *items[COMMIT_BATCHES];
    struct error err = {};
    bool stopping = false;
    size_t n;

    store_follow(in->options.store, on_rows, in);
    if (counting_catch_up(in->counting, true, &err) < 0)
        tell(in, &err);
    while (!stopping) {
        (void)pthread_mutex_lock(&in->lock);
        wait_for_work(in);
        n = take_items(in, items);
        stopping = in->stopping && n == 0;
        (void)pthread_mutex_unlock(&in->lock);
        if (n > 0)
            commit(in, items, n);
        care(in, stopping);
    }
    store_follow(in->options.store, NULL, NULL);
    (void)pthread_mutex_lock(&in->lock);
    in->ended = true;
    (void)pthread_cond_signal(&in->ended_cond);
    (void)pthread_mutex_unlock(&in->lock);
    return NULL;
}

int ingest_new(const struct ingest_options *options, struct ingest **ret, struct error *err)
{
    struct ingest *in = new0(struct ingest, 1);
    int r;

    r = in ? counting_new(options->store, options->registry, &in->counting) : -ENOMEM;
    if (r < 0) {
        free(in);
        return error_set(err, r, "%m");
    }
    in->options = *options;
    in->flushed_ms = now_ms();
    (void)pthread_mutex_init(&in->lock, NULL);
    cond_init_monotonic(&in->work);
    cond_init_monotonic(&in->ended_cond);
    r = thread_start(&in->thread, "ingest", 0, write_loop, in);
    if (r < 0) {
        (void)ingest_free(in);
        return error_set(err, r, "no thread for the store: %m");
    }
    *ret = in;
    return 0;
}

bool ingest_stop(struct ingest *in, uint64_t timeout_ms)
{
    uint64_t until = now_ms() + timeout_ms;
    const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                .tv_nsec = (long)(until % 1000 * NS_PER_MS)};
    bool ended;

    (void)pthread_mutex_lock(&in->lock);
    in->stopping = true;
    (void)pthread_cond_signal(&in->work);
    while (!in->ended && pthread_cond_timedwait(&in->ended_cond, &in->lock, &at) == 0)
        ;
    ended = in->ended;
    (void)pthread_mutex_unlock(&in->lock);
    if (ended)
        (void)pthread_join(in->thread, NULL);
    return ended;
}

struct ingest *ingest_free(struct ingest *in)
{
    if (!in)
        return NULL;
    for (size_t i = 0; i < in->n_readers; i++)
        (void)frame_reader_free(in->readers[i]);
    (void)counting_free(in->counting);
    (void)pthread_cond_destroy(&in->work);
    (void)pthread_cond_destroy(&in->ended_cond);
    (void)pthread_mutex_destroy(&in->lock);
    free(in);
    return NULL;
}

void ingest_stats(struct ingest *in, struct ingest_stats *ret)
{
    uint64_t second = now_ms() / 1000, records = 0;

    (void)pthread_mutex_lock(&in->lock);
    *ret = in->stats;
    ret->waiting = in->n_waiting;
    ret->waiting_bytes = in->bytes_waiting;
    ret->stuck_ms = in->began_ms ? now_ms() - in->began_ms : 0;
    for (size_t i = 0; i < RATE_SECONDS; i++)
        if (in->rate[i].second + RATE_SECONDS > second)
            records += in->rate[i].records;
    (void)pthread_mutex_unlock(&in->lock);
    ret->per_s = records / RATE_SECONDS;
}
