// SPDX-License-Identifier: Apache-2.0
//
// The backend that keeps nothing: it knows how far each stream has come, as long as it is open, and hands records to who follows. For servers that
// pass records on, and for measurements of what comes before a store.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"
#include "store/backend.h"
#include "store/digest.h"

#define STREAMS_MAX (4u << 20)

struct null_stream {
    char host[64];
    struct store_stream s;
};

struct null_store {
    struct store base;
    pthread_mutex_t lock;
    struct map *streams;
    struct store_stats stats;
    struct digester *digester;
    struct digest digest;
};

struct null_key {
    char host[64];
    struct stream_id id;
};

static struct null_key key_of(const char *host, const struct stream_id *id)
{
    struct null_key key = {.id = *id};

    (void)snprintf(key.host, sizeof(key.host), "%s", host);
    return key;
}

static void null_close(struct store *base)
{
    struct null_store *st = (struct null_store *)base;

    map_free(st->streams);
    digest_done(&st->digest);
    digester_free(st->digester);
    (void)pthread_mutex_destroy(&st->lock);
    free(st);
}

static int null_open(const char *where, const struct store_options *options,
                     struct store **ret_store, struct error *err)
{
    struct null_store *st;

    (void)options;
    if (where[0])
        return error_set(err, -EINVAL, "a store that keeps nothing has no place ('null:%.64s')",
                         where);
    st = new0(struct null_store, 1);
    if (!st)
        return error_set(err, -ENOMEM, "cannot open the store: %m");
    (void)pthread_mutex_init(&st->lock, NULL);
    if (map_new(MAP_STR, STREAMS_MAX, free, &st->streams) < 0 ||
        digester_new(0, &st->digester) < 0) {
        null_close(&st->base);
        return error_set(err, -ENOMEM, "cannot open the store: %m");
    }
    *ret_store = &st->base;
    return 0;
}

static struct null_stream *stream_of(struct null_store *st, const struct record_batch *b)
{
    struct null_key key = key_of(b->host, &b->stream);
    struct null_stream *s = map_get_mem(st->streams, &key, sizeof(key));

    if (s)
        return s;
    s = new0(struct null_stream, 1);
    if (!s)
        return NULL;
    (void)snprintf(s->host, sizeof(s->host), "%s", b->host);
    s->s = (struct store_stream){.stream = b->stream, .class = b->class};
    if (map_put_mem(st->streams, &key, sizeof(key), s) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

// Looks into each block, as every backend does: what is no block is refused before anything counts as taken.
static int read_blocks(struct null_store *st, const struct record_batch *b, uint64_t acked,
                       bool hand_on, uint32_t *unreadable)
{
    uint64_t number = b->first_seq;

    for (uint32_t i = 0; i < b->n_blocks; number += b->blocks[i++].n_records) {
        struct digest *d = &st->digest;
        uint32_t n = b->blocks[i].n_records;

        if (n == 0 || number + n - 1 <= acked)
            continue;
        d->batch = b;
        d->block = &b->blocks[i];
        d->first_number = number;
        d->skip = acked >= number ? (uint32_t)(acked - number + 1) : 0;
        d->rows_only = true;
        digest_read(st->digester, d);
        if (d->error < 0)
            return d->error == -EBADMSG ? -EINVAL : d->error;
        *unreadable += d->n_unreadable;
        if (hand_on)
            st->base.follow(st->base.follow_ctx, d->rows, d->n_rows);
    }
    return 0;
}

// Under the lock; the stream is there.
static void count_one(struct null_store *st, const struct record_batch *b, uint32_t unreadable,
                      struct store_appended *out)
{
    struct null_stream *s = stream_of(st, b);
    uint64_t last = b->first_seq + b->n_records - 1, acked = s->s.acked;

    *out = (struct store_appended){.acked = b->n_records ? MAX(last, acked) : acked,
                                   .n_unreadable = unreadable};
    out->n_duplicate = acked < b->first_seq ? 0 : (uint32_t)(MIN(acked, last) - b->first_seq + 1);
    out->n_stored = b->n_records - out->n_duplicate;
    out->n_missing = b->n_records && b->first_seq > acked + 1 ? b->first_seq - acked - 1 : 0;
    s->s.acked = out->acked;
    s->s.missing += out->n_missing;
    s->s.received_ms = b->received_ms;
    st->stats.appended += out->n_stored;
    st->stats.duplicates += out->n_duplicate;
    st->stats.missing += out->n_missing;
    st->stats.unreadable += unreadable;
}

static int null_append_many(struct store *base, const struct record_batch *const *batches, size_t n,
                            struct store_appended *ret_appended, struct error *err)
{
    struct null_store *st = (struct null_store *)base;
    _cleanup_free_ uint64_t *acked = new0(uint64_t, n);
    _cleanup_free_ uint32_t *unreadable = new0(uint32_t, n);
    uint32_t ignored = 0;
    int r = acked && unreadable ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct null_stream *s;

        (void)pthread_mutex_lock(&st->lock);
        s = stream_of(st, batches[i]);
        (void)pthread_mutex_unlock(&st->lock);
        acked[i] = s ? s->s.acked : 0;
        r = s ? read_blocks(st, batches[i], acked[i], false, &unreadable[i]) : -ENOMEM;
    }
    if (r < 0)
        return error_set(err, r, "a batch is not what it says");
    (void)pthread_mutex_lock(&st->lock);
    for (size_t i = 0; i < n; i++) {
        acked[i] = stream_of(st, batches[i])->s.acked;
        count_one(st, batches[i], unreadable[i], &ret_appended[i]);
    }
    st->stats.commits++;
    (void)pthread_mutex_unlock(&st->lock);
    for (size_t i = 0; st->base.follow && i < n; i++)
        (void)read_blocks(st, batches[i], acked[i], true, &ignored);
    return 0;
}

static int null_acked(struct store *base, const char *host, const struct stream_id *stream,
                      uint64_t *ret_seq)
{
    struct null_store *st = (struct null_store *)base;
    struct null_key key = key_of(host, stream);
    const struct null_stream *s;

    (void)pthread_mutex_lock(&st->lock);
    s = map_get_mem(st->streams, &key, sizeof(key));
    *ret_seq = s ? s->s.acked : 0;
    (void)pthread_mutex_unlock(&st->lock);
    return 0;
}

static int null_streams(struct store *base, store_stream_fn fn, void *ctx, struct error *err)
{
    struct null_store *st = (struct null_store *)base;
    struct map_iter it = {};
    int r = 0;

    (void)err;
    (void)pthread_mutex_lock(&st->lock);
    while (r == 0 && map_next(st->streams, &it)) {
        const struct null_stream *s = it.value;
        struct store_stream copy = s->s;

        copy.host = s->host;
        if (copy.acked > 0)
            r = fn(ctx, &copy);
    }
    (void)pthread_mutex_unlock(&st->lock);
    return r;
}

static int null_stats(struct store *base, struct store_stats *ret_stats)
{
    struct null_store *st = (struct null_store *)base;

    (void)pthread_mutex_lock(&st->lock);
    *ret_stats = st->stats;
    (void)pthread_mutex_unlock(&st->lock);
    return 0;
}

const struct store_backend store_null = {
    .scheme = "null",
    .capabilities = 0,
    .open = null_open,
    .close = null_close,
    .append_many = null_append_many,
    .acked = null_acked,
    .streams = null_streams,
    .stats = null_stats,
};
