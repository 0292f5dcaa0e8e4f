// SPDX-License-Identifier: Apache-2.0
//
// How far each stream is stored. All of them are in the newest file, so that a file which is removed takes none along; what other
// files know is looked at as well when the store is opened, for the case that the newest one had to be set aside.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/sqlite.h"

#define CARRY_DAYS     400
#define MS_PER_DAY     UINT64_C(86400000)
#define STREAM_KEY_MAX (64 + 1 + STREAM_ID_SIZE)

static size_t key_of(const char *host, const struct stream_id *id, char ret_key[STREAM_KEY_MAX])
{
    size_t len = strnlen(host, sizeof(((struct stream_state *)0)->host) - 1);

    memcpy(ret_key, host, len);
    ret_key[len] = '\0';
    memcpy(ret_key + len + 1, id->b, STREAM_ID_SIZE);
    return len + 1 + STREAM_ID_SIZE;
}

static int host_of(struct sqlite_store *st, const char *host, struct stream_host **ret_host)
{
    struct stream_host *h = map_get_str(st->stream_hosts, host);
    int r;

    if (!h) {
        h = new0(struct stream_host, 1);
        if (!h)
            return -ENOMEM;
        r = map_put_str(st->stream_hosts, host, h);
        if (r < 0) {
            free(h);
            return r;
        }
    }
    *ret_host = h;
    return 0;
}

// The one of which nothing came for longest, and which the append that runs does not need.
static void forget_oldest(struct sqlite_store *st, struct stream_host *h)
{
    struct stream_state **oldest = NULL, *s;
    char key[STREAM_KEY_MAX];

    for (struct stream_state **at = &h->first; *at; at = &(*at)->next)
        if (!(*at)->touched && (!oldest || (*at)->received_ms < (*oldest)->received_ms))
            oldest = at;
    if (!oldest)
        return;
    s = *oldest;
    *oldest = s->next;
    h->n--;
    (void)map_delete_mem(st->streams, key, key_of(s->host, &s->stream, key));
}

static int add_stream(struct sqlite_store *st, const char *host, const struct stream_id *id,
                      enum stream_class class, struct stream_state **ret_state)
{
    char key[STREAM_KEY_MAX];
    struct stream_host *h = NULL;
    struct stream_state *s;
    int r = host_of(st, host, &h);

    if (r < 0)
        return r;
    s = new0(struct stream_state, 1);
    if (!s)
        return -ENOMEM;
    (void)snprintf(s->host, sizeof(s->host), "%s", host);
    s->stream = *id;
    s->class = class;
    if (h->n >= STREAMS_HOST_MAX)
        forget_oldest(st, h);
    r = map_put_mem(st->streams, key, key_of(host, id, key), s);
    if (r < 0) {
        free(s);
        return r;
    }
    s->next = h->first;
    h->first = s;
    h->n++;
    *ret_state = s;
    return 0;
}

static int get_locked(struct sqlite_store *st, const char *host, const struct stream_id *id,
                      enum stream_class class, struct stream_state **ret_state)
{
    char key[STREAM_KEY_MAX];
    struct stream_state *s = map_get_mem(st->streams, key, key_of(host, id, key));

    if (!s)
        return add_stream(st, host, id, class, ret_state);
    *ret_state = s;
    return 0;
}

int stream_get(struct sqlite_store *st, const char *host, const struct stream_id *id,
               enum stream_class class, struct stream_state **ret_state)
{
    int r;

    store_lock(st);
    r = get_locked(st, host, id, class, ret_state);
    store_unlock(st);
    return r;
}

int streams_load(struct sqlite_store *st, struct db *db, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int r = db_query(db, "SELECT host, stream, class, acked, missing, received_ms FROM streams", &q,
                     err);

    if (r < 0)
        return r;
    while ((r = db_step(q, err)) > 0) {
        struct stream_state *s;
        struct stream_id id;
        size_t len = 0;
        const void *mem = db_col_blob(q, 1, &len);
        uint64_t class = db_col_u64(q, 2);

        if (!db_col_str(q, 0) || len != STREAM_ID_SIZE || class >= STREAM_CLASSES)
            return error_set(err, -EUCLEAN, "%s: a stream is none", db_path(db));
        memcpy(id.b, mem, STREAM_ID_SIZE);
        r = get_locked(st, db_col_str(q, 0), &id, (enum stream_class) class, &s);
        if (r < 0)
            return error_set(err, r, "no memory for streams");
        s->acked = MAX(s->acked, db_col_u64(q, 3));
        s->missing = MAX(s->missing, db_col_u64(q, 4));
        s->received_ms = MAX(s->received_ms, db_col_u64(q, 5));
    }
    return r;
}

int streams_carry(struct sqlite_store *st, struct db *db, struct error *err)
{
    _cleanup_(db_txn_done) struct db_txn txn = {};
    struct map_iter it = {};
    uint64_t now_ms = store_now_ms(&st->base);
    int r = db_begin(db, DB_WRITE, &txn, err);

    while (r == 0 && map_next(st->streams, &it)) {
        struct stream_state *s = it.value;

        s->row = 0;
        // A host that comes back after more than a year has a new stream: it has started anew, or its spool is long empty.
        if (s->acked == 0 || s->received_ms + CARRY_DAYS * MS_PER_DAY < now_ms)
            continue;
        r = db_do(
            db, err,
            "INSERT INTO streams (host, stream, class, acked, missing, received_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            "sbiuuu", s->host, s->stream.b, (size_t)STREAM_ID_SIZE, (int64_t)s->class, s->acked,
            s->missing, s->received_ms);
        s->row = r == 0 ? db_last_id(db) : 0;
    }
    return r < 0 ? r : db_commit(&txn, err);
}

void streams_forget_rows(struct sqlite_store *st)
{
    struct map_iter it = {};

    while (map_next(st->streams, &it))
        ((struct stream_state *)it.value)->row = 0;
}

int sqlite_acked(struct store *base, const char *host, const struct stream_id *stream,
                 uint64_t *ret_seq)
{
    struct sqlite_store *st = sqlite_of(base);
    const struct stream_state *s;
    char key[STREAM_KEY_MAX];
    size_t len = key_of(host, stream, key);

    store_lock(st);
    s = map_get_mem(st->streams, key, len);
    *ret_seq = s ? s->acked : 0;
    store_unlock(st);
    return 0;
}

int sqlite_streams(struct store *base, store_stream_fn fn, void *ctx, struct error *err)
{
    struct sqlite_store *st = sqlite_of(base);
    _cleanup_free_ struct stream_state *copy = NULL;
    struct map_iter it = {};
    size_t n = 0;
    int r = 0;

    // A copy, so that fn may take its time.
    store_lock(st);
    copy = new0(struct stream_state, map_len(st->streams));
    while (copy && map_next(st->streams, &it))
        copy[n++] = *(const struct stream_state *)it.value;
    store_unlock(st);
    if (!copy)
        return error_set(err, -ENOMEM, "no memory for streams");
    for (size_t i = 0; i < n && r == 0; i++) {
        struct store_stream s = {copy[i].host,  copy[i].stream,  copy[i].class,
                                 copy[i].acked, copy[i].missing, copy[i].received_ms};

        if (s.acked > 0)
            r = fn(ctx, &s);
    }
    return r;
}
