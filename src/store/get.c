// SPDX-License-Identifier: Apache-2.0
//
// Records that are asked for by name: one by its id, and those of a stream behind a number.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/fetch.h"
#include "store/recordid.h"

#define SINCE_BYTES (8u << 20)

struct found {
    char id[STORE_ID_SIZE];
    char host[64];
    enum stream_class class;
    struct stream_id stream;
    uint64_t number, received_ms;
    char *line;
    size_t len;
};

#define COLUMNS                                                                                           \
    "SELECT r.id, r.block, r.number, r.first, r.n, r.received_ms, s.host, s.stream, s.class FROM runs r " \
    "JOIN streams s ON s.id = r.stream "

// Of the run that q stands at.
static int read_record(struct fetch *fetch, const struct day *day, struct db *db, struct db_stmt *q,
                       uint32_t at, struct found *f, struct error *err)
{
    struct record_id id = {.run = db_col_u64(q, 0), .record = at};
    uint64_t first = db_col_u64(q, 3);
    size_t id_len = 0;
    const void *stream = db_col_blob(q, 7, &id_len);
    const char *line;
    int r;

    if (!db_col_str(q, 6) || id_len != STREAM_ID_SIZE)
        return -EBADMSG;
    r = fetch_line(fetch, day, db, db_col_i64(q, 1), (uint32_t)first + at, &line, &f->len, err);
    if (r < 0)
        return r;
    memcpy(id.day, day->name, sizeof(id.day));
    record_id_format(&id, f->id);
    (void)snprintf(f->host, sizeof(f->host), "%s", db_col_str(q, 6));
    memcpy(f->stream.b, stream, STREAM_ID_SIZE);
    f->class = (enum stream_class)(db_col_u64(q, 8) % STREAM_CLASSES);
    f->number = db_col_u64(q, 2) + at;
    f->received_ms = db_col_u64(q, 5);
    f->line = memdup(line, f->len);
    return f->line ? 0 : -ENOMEM;
}

static int hand_out(const struct found *f, struct extract *x, store_row_fn fn, void *ctx)
{
    struct store_row row = {.id = f->id,
                            .host = f->host,
                            .class = f->class,
                            .stream = f->stream,
                            .number = f->number,
                            .received_ms = f->received_ms,
                            .line = f->line,
                            .len = f->len};

    extract_reset(x);
    extract_line(x, f->line, f->len, f->received_ms, NULL, NULL, &row.columns);
    return fn(ctx, &row);
}

// What a file's damage means for a query: it is set aside, and the record is not there any more.
static int damaged(struct sqlite_store *st, struct day *day, int r, struct error *err)
{
    if (r == -EBADMSG)
        (void)error_set(err, -EUCLEAN, "%s: a block cannot be read", day->path);
    if (r != -EBADMSG && r != -EUCLEAN)
        return r;
    day_condemn(st, day, err);
    return -ENOENT;
}

// ---- one record

static int find(struct sqlite_store *st, struct day *day, uint64_t run, uint32_t at,
                struct found *f, struct error *err)
{
    struct fetch *fetch = new0(struct fetch, 1);
    struct db *db = NULL;
    struct db_stmt *q = NULL;
    int r = fetch ? day_reader(st, day, &db, err) : -ENOMEM;

    if (r == 0)
        r = db_query(db, COLUMNS "WHERE r.id = ?1", &q, err);
    if (r == 0) {
        db_bind_u64(q, 1, run);
        r = db_step(q, err);
        if (r == 0 || (r > 0 && at >= db_col_u64(q, 4)))
            r = -ENOENT;
    }
    if (r > 0)
        r = read_record(fetch, day, db, q, at, f, err);
    db_done(q);
    if (db)
        day_reader_give(st, day, db);
    if (fetch)
        fetch_done(fetch);
    free(fetch);
    return r < 0 ? damaged(st, day, r, err) : 0;
}

int sqlite_get(struct store *base, const char *id, store_row_fn fn, void *ctx, struct error *err)
{
    struct sqlite_store *st = sqlite_of(base);
    const char *p = id;
    struct extract *x = NULL;
    struct found f = {};
    struct record_id name;
    struct day *day;
    int r = -ENOENT;

    if (!record_id_read(&p, &name) || *p)
        return error_set(err, -EINVAL, "'%.40s' is no id of a record", id);
    day = day_find(st, name.day);
    if (day) {
        r = find(st, day, name.run, name.record, &f, err);
        day_unref(st, day);
    }
    if (r == -ENOENT)
        return error_set(err, r, "there is no record %s, or not any more", id);
    if (r == 0 && extract_new(&x) < 0)
        r = error_set(err, -ENOMEM, "no memory for a record");
    if (r == 0)
        r = hand_out(&f, x, fn, ctx);
    extract_free(x);
    free(f.line);
    return r;
}

// ---- behind a number

struct since {
    struct sqlite_store *st;
    const char *host;
    const struct stream_id *stream;
    uint64_t after;
    uint32_t limit, n;
    size_t bytes;
    struct found *found;
    struct fetch fetch;
};

static int read_run(struct since *s, const struct day *day, struct db *db, struct db_stmt *q,
                    struct error *err)
{
    uint64_t number = db_col_u64(q, 2), n = db_col_u64(q, 4);
    int r = 0;

    for (uint64_t at = s->after >= number ? s->after - number + 1 : 0;
         r == 0 && at < n && s->n < s->limit; at++) {
        if (s->bytes > SINCE_BYTES)
            return 0;
        r = read_record(&s->fetch, day, db, q, (uint32_t)at, &s->found[s->n], err);
        if (r < 0)
            return r;
        s->bytes += s->found[s->n].len;
        s->after = s->found[s->n++].number;
    }
    return r;
}

static int read_day(struct since *s, const struct day *day, struct db *db, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int64_t row = 0, from = 0;
    int r = db_get_i64(db, err, &row, "SELECT id FROM streams WHERE host = ?1 AND stream = ?2",
                       "sb", s->host, s->stream->b, (size_t)STREAM_ID_SIZE);

    if (r <= 0)
        return r;
    // The run that may hold the number itself, and those behind it.
    r = db_get_i64(db, err, &from,
                   "SELECT max(number) FROM runs WHERE stream = ?1 AND number <= ?2", "iu", row,
                   s->after);
    if (r >= 0)
        r = db_query(db, COLUMNS "WHERE r.stream = ?1 AND r.number >= ?2 ORDER BY r.number", &q,
                     err);
    if (r < 0)
        return r;
    db_bind(q, "ii", row, from);
    while (s->n < s->limit && s->bytes <= SINCE_BYTES && (r = db_step(q, err)) > 0) {
        r = read_run(s, day, db, q, err);
        if (r < 0)
            return r;
    }
    return MIN(r, 0);
}

static int read_days(struct since *s, struct error *err)
{
    struct day_view *views = NULL;
    size_t n = 0;
    int r = days_take(s->st, 0, 0, &views, &n);

    // By the time of receipt, as the numbers grow.
    for (size_t i = 0; r == 0 && i < n && s->n < s->limit && s->bytes <= SINCE_BYTES; i++) {
        struct db *db = NULL;

        r = day_reader(s->st, views[i].day, &db, err);
        if (r == 0)
            r = read_day(s, views[i].day, db, err);
        if (db)
            day_reader_give(s->st, views[i].day, db);
        if (r < 0) {
            r = damaged(s->st, views[i].day, r, err);
            r = r == -ENOENT ? 0 : r;
        }
    }
    if (views)
        days_give(s->st, views, n);
    return r;
}

int sqlite_since(struct store *base, const char *host, const struct stream_id *stream,
                 uint64_t after, uint32_t limit, store_row_fn fn, void *ctx, uint32_t *ret_n,
                 struct error *err)
{
    struct since *s = new0(struct since, 1);
    struct extract *x = NULL;
    int r;

    if (!s || !(s->found = new0(struct found, limit)) || extract_new(&x) < 0) {
        r = error_set(err, -ENOMEM, "no memory for a query");
    } else {
        s->st = sqlite_of(base);
        s->host = host;
        s->stream = stream;
        s->after = after;
        s->limit = limit;
        r = read_days(s, err);
    }
    for (uint32_t i = 0; r == 0 && i < s->n; i++)
        r = hand_out(&s->found[i], x, fn, ctx);
    if (r == 0)
        *ret_n = s->n;
    for (uint32_t i = 0; s && i < s->n; i++)
        free(s->found[i].line);
    if (s) {
        free(s->found);
        fetch_done(&s->fetch);
    }
    free(s);
    extract_free(x);
    return r;
}
