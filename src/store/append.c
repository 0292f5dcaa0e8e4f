// SPDX-License-Identifier: Apache-2.0
//
// Batches into the file, all with one commit: SQLite writes the WAL and asks the disk to keep it (synchronous=FULL) before the commit
// returns, and only then numbers are acknowledged. Records, counts, the index and the numbers of streams are in one transaction, so that
// after a crash at any point either all of a batch is there, with its number, or nothing.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/recordid.h"
#include "store/sqlite.h"

#define MS_PER_MINUTE UINT64_C(60000)
#define DIGESTS_KEPT  128 // whose memory is used again

struct append {
    struct sqlite_store *st;
    const struct record_batch *const *batches;
    size_t n;
    struct store_appended *out;
    struct stream_state **streams; // one for each batch
    struct error *err;
};

// ---- what is new

static int plan_block(struct sqlite_store *st, const struct record_batch *batch,
                      const struct record_block *block, uint64_t first, uint64_t acked)
{
    struct digest *d;

    if (block->n_records == 0 || first + block->n_records - 1 <= acked)
        return 0;
    if (st->n_digests == st->cap_digests &&
        !GREEDY(st->digests, st->cap_digests, st->n_digests + 1))
        return -ENOMEM;
    d = &st->digests[st->n_digests++];
    d->batch = batch;
    d->block = block;
    d->first_number = first;
    d->skip = acked >= first ? (uint32_t)(acked - first + 1) : 0;
    return 0;
}

static int plan_batch(struct append *a, size_t i)
{
    const struct record_batch *batch = a->batches[i];
    struct store_appended *out = &a->out[i];
    uint64_t last = batch->first_seq + batch->n_records - 1, number = batch->first_seq;
    struct stream_state *s;
    int r = stream_get(a->st, batch->host, &batch->stream, batch->class, &s);

    if (r < 0)
        return r;
    a->streams[i] = s;
    if (!s->touched) {
        s->new_acked = s->acked;
        s->new_missing = s->missing;
        s->touched = true;
    }
    for (uint32_t b = 0; r == 0 && b < batch->n_blocks; b++) {
        r = plan_block(a->st, batch, &batch->blocks[b], number, s->new_acked);
        number += batch->blocks[b].n_records;
    }
    out->n_duplicate = last <= s->new_acked ? batch->n_records
                       : batch->first_seq > s->new_acked
                           ? 0
                           : (uint32_t)(s->new_acked - batch->first_seq + 1);
    out->n_stored = batch->n_records - out->n_duplicate;
    out->n_missing = batch->n_records && batch->first_seq > s->new_acked + 1
                         ? batch->first_seq - s->new_acked - 1
                         : 0;
    s->new_missing += out->n_missing;
    if (batch->n_records)
        s->new_acked = MAX(s->new_acked, last);
    out->acked = s->new_acked;
    return r;
}

static int plan(struct append *a)
{
    int r = 0;

    a->st->n_digests = a->st->n_words = 0;
    for (size_t i = 0; r == 0 && i < a->n; i++)
        r = plan_batch(a, i);
    return r < 0 ? error_set(a->err, r, "no memory for an append") : 0;
}

// ---- rows

static int stream_row(struct append *a, const struct digest *d, struct stream_state **ret_s)
{
    struct stream_state *s = NULL;
    int r;

    for (size_t i = 0; !s; i++)
        s = a->batches[i] == d->batch ? a->streams[i] : NULL;
    *ret_s = s;
    if (s->row)
        return 0;
    // A stream that was forgotten (STREAMS_HOST_MAX) may have a row yet.
    r = db_do(
        a->st->w.db, a->err,
        "INSERT INTO streams (host, stream, class, acked, missing, received_ms) VALUES (?1, ?2, ?3, 0, 0, 0)"
        " ON CONFLICT (host, stream) DO NOTHING",
        "sbi", s->host, s->stream.b, (size_t)STREAM_ID_SIZE, (int64_t)s->class);
    if (r == 0)
        r = db_get_i64(a->st->w.db, a->err, &s->row,
                       "SELECT id FROM streams WHERE host = ?1 AND stream = ?2", "sb", s->host,
                       s->stream.b, (size_t)STREAM_ID_SIZE);
    return r < 0 ? r : 0;
}

// The first free id in the quarter of a second in which the run ends, or in the next one that has some.
static int run_id(struct append *a, uint64_t time_max, uint64_t *ret_id)
{
    struct db_stmt *q = a->st->w.last_in_unit;
    uint64_t wanted = time_max >> RUN_UNIT_BITS, unit = wanted;
    struct unit_hint *hint = &a->st->w.hints[wanted % UNIT_HINTS];
    int r;

    if (hint->next && hint->unit == wanted)
        unit = hint->next;
    for (;; unit++) {
        uint64_t first = unit << RUN_SEQ_BITS, last = first | RUN_SEQ_MAX;

        db_reset(q);
        db_bind_u64(q, 1, first);
        db_bind_u64(q, 2, last);
        r = db_step(q, a->err);
        if (r < 0)
            return r;
        if (r == 0 || db_col_null(q, 0)) {
            *ret_id = first;
            break;
        }
        if (db_col_u64(q, 0) < last) {
            *ret_id = db_col_u64(q, 0) + 1;
            break;
        }
    }
    db_reset(q);
    if (unit != wanted)
        *hint = (struct unit_hint){wanted, unit};
    return 0;
}

static int add_run(struct append *a, struct digest *d, const struct digest_run *run,
                   const struct stream_state *s, int64_t block)
{
    struct sqlite_store *st = a->st;
    struct db_stmt *q = st->w.add_run;
    struct day_bounds *b = &st->w.bounds;
    uint64_t id;
    int r = run_id(a, run->time_max, &id);

    if (r < 0)
        return r;
    db_reset(q);
    db_bind(q, "uiiuuuuuubb", id, block, s->row, d->first_number + run->first, (uint64_t)run->first,
            (uint64_t)run->n, run->time_min, run->time_max, d->batch->received_ms,
            d->cols.s + run->cols, run->cols_len, d->names.s + run->names, run->names_len);
    r = db_run(q, a->err);
    if (r < 0)
        return r;
    b->slack_ms = MAX(b->slack_ms, run_end_ms(id) - run->time_min);
    b->time_min = b->records ? MIN(b->time_min, run->time_min) : run->time_min;
    b->time_max = b->records ? MAX(b->time_max, run->time_max) : run->time_max;
    b->received_min = b->records ? MIN(b->received_min, d->batch->received_ms)
                                 : d->batch->received_ms;
    b->received_max = b->records ? MAX(b->received_max, d->batch->received_ms)
                                 : d->batch->received_ms;
    b->records += run->n;
    if (!GREEDY(st->words, st->cap_words, st->n_words + 1))
        return error_set(a->err, -ENOMEM, "no memory for an append");
    st->words[st->n_words++] = (struct words_row){id, d, run};
    return 0;
}

static int count_dim(struct append *a, struct cell *cell, enum store_dim dim, struct store_str s)
{
    int r = writer_key(a->st, dim, s.s, s.len, &cell->key, a->err);

    if (r < 0)
        return r;
    cell->dim = (uint8_t)dim;
    return cells_add(&a->st->w.cells, cell);
}

static int count_number(struct append *a, struct cell *cell, enum store_dim dim, uint32_t number)
{
    cell->dim = (uint8_t)dim;
    cell->key = number;
    return cells_add(&a->st->w.cells, cell);
}

static int count_row(struct append *a, uint32_t host, const struct store_row *row)
{
    const struct store_columns *c = &row->columns;
    uint64_t time_ms = MIN(c->time_ms, STORE_TIME_MAX);
    struct cell cell = {.outcome = (uint8_t)c->outcome,
                        .host = host,
                        .bucket = (uint32_t)(time_ms / MS_PER_MINUTE),
                        .records = 1,
                        .extra = c->count - 1};
    int r = count_number(a, &cell, STORE_BY_NONE, 0);

    if (r == 0)
        r = count_number(a, &cell, STORE_BY_CLASS, c->class_uid);
    if (r == 0)
        r = count_number(a, &cell, STORE_BY_SEVERITY, c->severity);
    if (r == 0)
        r = count_dim(a, &cell, STORE_BY_RULE, c->rule);
    if (r == 0)
        r = count_dim(a, &cell, STORE_BY_POLICY, c->policy);
    if (r == 0)
        r = count_dim(a, &cell, STORE_BY_PROGRAM, c->program);
    if (r == 0)
        r = count_dim(a, &cell, STORE_BY_USER, c->user);
    return r == 0 ? paths_count(a->st, c, time_ms) : r;
}

static int add_digest(struct append *a, struct digest *d)
{
    struct db_stmt *q = a->st->w.add_block;
    int64_t block = a->st->w.next_block++;
    struct stream_state *s;
    uint32_t host = 0;
    int r = stream_row(a, d, &s);

    if (r == 0) {
        db_reset(q);
        db_bind(q, "ib", block, d->packed, (size_t)d->packed_len);
        r = db_run(q, a->err);
    }
    for (size_t i = 0; r == 0 && i < d->n_runs; i++)
        r = add_run(a, d, &d->runs[i], s, block);
    if (r == 0)
        r = writer_key(a->st, STORE_BY_HOST, d->batch->host, strlen(d->batch->host), &host, a->err);
    for (uint32_t i = 0; r == 0 && i < d->n_rows; i++)
        r = count_row(a, host, &d->rows[i]);
    return r;
}

static int add_digests(struct append *a)
{
    struct sqlite_store *st = a->st;
    struct digest *d;
    size_t n = 0;
    int r = 0;

    pool_start(st->pool, st->digests, st->n_digests);
    // All are taken back, also when one was no good.
    while ((d = pool_next(st->pool))) {
        n++;
        if (r == 0 && d->error < 0)
            r = error_set(a->err, d->error == -EBADMSG ? -EINVAL : d->error,
                          "a block of host %.64s is not what it says", d->batch->host);
        if (r == 0)
            r = add_digest(a, d);
        if (r < 0 && !error_is_set(a->err))
            (void)error_set(a->err, r, "cannot append: %m");
    }
    return r == 0 && n < st->n_digests ? error_set(a->err, -ENOMEM, "no memory for an append") : r;
}

static int by_run(const void *a, const void *b)
{
    const struct words_row *x = a, *y = b;

    return (x->run > y->run) - (x->run < y->run);
}

static int add_words(struct append *a)
{
    struct sqlite_store *st = a->st;
    struct db_stmt *q = st->w.add_words;
    int r = 0;

    // An index that is written in order of rows is written once in a transaction.
    if (st->n_words)
        qsort(st->words, st->n_words, sizeof(*st->words), by_run);
    for (size_t i = 0; r == 0 && i < st->n_words; i++) {
        const struct words_row *w = &st->words[i];

        db_reset(q);
        db_bind_u64(q, 1, w->run);
        db_bind_strn(q, 2, w->digest->terms.s + w->of->terms, w->of->terms_len);
        r = db_run(q, a->err);
    }
    return r;
}

static int set_numbers(struct append *a)
{
    struct db_stmt *q = a->st->w.set_stream;
    const struct day_bounds *b = &a->st->w.bounds;
    int r = 0;

    for (size_t i = 0; r == 0 && i < a->n; i++) {
        const struct stream_state *s = a->streams[i];

        if (!s->row) // nothing of it is new
            continue;
        db_reset(q);
        db_bind(q, "iuuu", s->row, s->new_acked, s->new_missing, a->batches[i]->received_ms);
        r = db_run(q, a->err);
    }
    if (r < 0)
        return r;
    return db_do(
        a->st->w.db, a->err,
        "UPDATE bounds SET records = ?1, time_min = ?2, time_max = ?3, received_min = ?4, received_max = ?5, slack_ms = ?6",
        "uuuuuu", b->records, b->time_min, b->time_max, b->received_min, b->received_max,
        b->slack_ms);
}

static int write_all_rows(struct append *a)
{
    _cleanup_(db_txn_done) struct db_txn txn = {};
    int r = db_begin(a->st->w.db, DB_WRITE, &txn, a->err);

    if (r == 0)
        r = add_digests(a);
    if (r == 0)
        r = add_words(a);
    if (r == 0)
        r = cells_flush(&a->st->w.cells, a->st->w.db, a->err);
    if (r == 0)
        r = paths_flush(a->st, a->err);
    if (r == 0)
        r = set_numbers(a);
    return r < 0 ? r : db_commit(&txn, a->err);
}

// ---- afterwards

static void follow(struct sqlite_store *st)
{
    for (size_t i = 0; i < st->n_words; i++) {
        struct digest *d = st->words[i].digest;
        const struct digest_run *run = st->words[i].of;
        struct record_id id = {.run = st->words[i].run};

        memcpy(id.day, st->w.day->name, sizeof(id.day));
        if (!GREEDY(d->ids, d->ids_cap, d->n_rows))
            continue; // without ids, then
        for (uint32_t k = 0; k < run->n; k++) {
            uint32_t row = run->first - d->skip + k;

            id.record = k;
            record_id_format(&id, d->ids[row]);
            d->rows[row].id = d->ids[row];
        }
    }
    for (size_t i = 0; i < st->n_digests; i++)
        st->base.follow(st->base.follow_ctx, st->digests[i].rows, st->digests[i].n_rows);
}

static void accept(struct append *a)
{
    struct sqlite_store *st = a->st;
    struct store_stats *stats = &st->stats;

    for (size_t i = 0; i < st->n_digests; i++) {
        size_t b = 0;

        while (a->batches[b] != st->digests[i].batch)
            b++;
        a->out[b].n_unreadable += st->digests[i].n_unreadable;
    }
    store_lock(st);
    for (size_t i = 0; i < a->n; i++) {
        struct stream_state *s = a->streams[i];

        s->acked = s->new_acked;
        s->missing = s->new_missing;
        s->received_ms = a->batches[i]->received_ms;
        s->touched = false;
        stats->appended += a->out[i].n_stored;
        stats->duplicates += a->out[i].n_duplicate;
        stats->missing += a->out[i].n_missing;
        stats->unreadable += a->out[i].n_unreadable;
    }
    stats->commits++;
    if (st->w.day)
        st->w.day->bounds = st->w.bounds;
    store_unlock(st);
    st->w.full = false;
    if (st->base.follow)
        follow(st);
}

// The disk and what is known of it may differ now: everything is read again with the next append.
static void undo(struct append *a, int r)
{
    struct sqlite_store *st = a->st;

    for (size_t i = 0; i < a->n; i++) {
        if (a->streams[i])
            a->streams[i]->touched = false;
        a->out[i] = (struct store_appended){.acked = a->streams[i] ? a->streams[i]->acked : 0};
    }
    if (r == -EUCLEAN && st->w.day)
        day_condemn(st, st->w.day, a->err);
    writer_close(st);
    if (r != -ENOSPC)
        return;
    store_lock(st);
    st->stats.full++;
    store_unlock(st);
    if (!st->w.full && a->err)
        store_tell(st, STORE_TOLD_FULL, a->err);
    st->w.full = true;
}

// Memory of a group that was larger than usual is given back.
static void forget_digests(struct sqlite_store *st)
{
    for (size_t i = 0; i < st->cap_digests; i++) {
        if (i >= DIGESTS_KEPT)
            digest_done(&st->digests[i]);
        else
            st->digests[i].n_rows = 0;
    }
}

static int try_append(struct append *a)
{
    struct sqlite_store *st = a->st;
    uint64_t received_ms = 0;
    int r;

    memset(a->out, 0, a->n * sizeof(*a->out));
    memset(a->streams, 0, a->n * sizeof(struct stream_state *));
    for (size_t i = 0; i < a->n; i++)
        received_ms = MAX(received_ms, a->batches[i]->received_ms);
    r = plan(a);
    if (r == 0 && st->n_digests > 0) {
        r = writer_open(st, received_ms, a->err);
        if (r == 0)
            r = write_all_rows(a);
    }
    if (r < 0) {
        undo(a, r);
        return r;
    }
    accept(a);
    if (st->w.db && st->n_digests > 0)
        writer_checkpoint(st);
    return 0;
}

int sqlite_append_many(struct store *base, const struct record_batch *const *batches, size_t n,
                       struct store_appended *ret_appended, struct error *err)
{
    struct error local = {};
    struct append a = {.st = sqlite_of(base),
                       .batches = batches,
                       .n = n,
                       .err = err ? err : &local};
    _cleanup_free_ struct store_appended *out = new0(struct store_appended, n);
    _cleanup_free_ struct stream_state **streams = new0(struct stream_state *, n);
    int r;

    if (!out || !streams)
        return error_set(err, -ENOMEM, "no memory for an append");
    a.out = out;
    a.streams = streams;
    r = try_append(&a);
    // The file was damaged, and is out of the way now.
    if (r == -EUCLEAN)
        r = try_append(&a);
    forget_digests(a.st);
    if (r == 0)
        memcpy(ret_appended, out, n * sizeof(*out));
    return r;
}
