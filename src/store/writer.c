// SPDX-License-Identifier: Apache-2.0
//
// The file that is written to: opened, changed for the next one, its WAL kept short.
#include <errno.h>

#include "base/alloc.h"
#include "store/sqlite.h"

#define KEYS_MAX        65536
#define WAL_PAGES       4096 // 32 MiB: moved into the file when there are more, as far as readers let it
#define WAL_PAGES_LIMIT 32768 // 256 MiB: then readers are waited for

static void free_statements(struct writer *w)
{
    w->add_block = db_done(w->add_block);
    w->add_run = db_done(w->add_run);
    w->last_in_unit = db_done(w->last_in_unit);
    w->add_words = db_done(w->add_words);
    w->set_stream = db_done(w->set_stream);
}

void writer_close(struct sqlite_store *st)
{
    struct writer *w = &st->w;

    if (!w->day)
        return;
    free_statements(w);
    if (w->db && !w->day->condemned)
        (void)db_checkpoint(w->db, true, NULL, NULL);
    w->db = db_close(w->db);
    w->keys = map_free(w->keys);
    cells_clear(&w->cells);
    w->path_counts = map_free(w->path_counts);
    day_unref(st, w->day);
    w->day = NULL;
}

// ---- keys

static size_t key_text(enum store_dim dim, const char *s, size_t len, char *buf, size_t size)
{
    len = MIN(len, size - 1);
    buf[0] = (char)('0' + dim);
    if (len)
        memcpy(buf + 1, s, len);
    return len + 1;
}

static int remember_key(struct writer *w, enum store_dim dim, const char *s, size_t len,
                        uint32_t id)
{
    char buf[1 + COLS_NAME_MAX];
    size_t n = key_text(dim, s, len, buf, sizeof(buf));

    return map_set_mem(w->keys, buf, n, (void *)(uintptr_t)(id + 1));
}

static int load_keys(struct writer *w, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int r = map_new(MAP_STR, 0, NULL, &w->keys);

    if (r < 0)
        return error_set(err, r, "no memory for keys");
    memset(w->n_keys, 0, sizeof(w->n_keys));
    r = db_query(w->db, "SELECT dim, id, text FROM keys", &q, err);
    if (r < 0)
        return r;
    while ((r = db_step(q, err)) > 0) {
        uint64_t dim = db_col_u64(q, 0), id = db_col_u64(q, 1);
        size_t len = 0;
        const char *text = db_col_blob(q, 2, &len);

        if (dim >= STORE_DIM_COUNT || id > UINT32_MAX - 1)
            return error_set(err, -EUCLEAN, "%s: a key is none", db_path(w->db));
        r = remember_key(w, (enum store_dim)dim, text, len, (uint32_t)id);
        if (r < 0)
            return error_set(err, r, "no memory for keys");
        w->n_keys[dim] = MAX(w->n_keys[dim], (uint32_t)id);
    }
    return r;
}

int writer_key(struct sqlite_store *st, enum store_dim dim, const char *s, size_t len,
               uint32_t *ret_key, struct error *err)
{
    struct writer *w = &st->w;
    char buf[1 + COLS_NAME_MAX];
    size_t n = key_text(dim, s, len, buf, sizeof(buf));
    const void *found = map_get_mem(w->keys, buf, n);
    uint32_t id;
    int r;

    if (found) {
        *ret_key = (uint32_t)(uintptr_t)found - 1;
        return 0;
    }
    // Hosts are as many as were enrolled; texts come from whoever names a program.
    if (w->n_keys[dim] >= KEYS_MAX && dim != STORE_BY_HOST) {
        *ret_key = 0;
        return 0;
    }
    id = ++w->n_keys[dim];
    r = db_do(w->db, err, "INSERT INTO keys (dim, id, text) VALUES (?1, ?2, CAST(?3 AS TEXT))",
              "iub", (int64_t)dim, (uint64_t)id, n > 1 ? buf + 1 : "", n - 1);
    if (r == 0 && remember_key(w, dim, buf + 1, n - 1, id) < 0)
        r = error_set(err, -ENOMEM, "no memory for keys");
    if (r == 0)
        *ret_key = id;
    return r;
}

// ---- opening

static int prepare(struct writer *w, struct error *err)
{
    struct {
        struct db_stmt **to;
        const char *sql;
    } rows[] = {
        {&w->add_block, "INSERT INTO blocks (id, packed) VALUES (?1, ?2)"},
        {&w->add_run,
         "INSERT INTO runs (id, block, stream, number, first, n, time_min, time_max, received_ms, cols, names) "
         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"},
        {&w->last_in_unit, "SELECT max(id) FROM runs WHERE id BETWEEN ?1 AND ?2"},
        {&w->add_words, "INSERT INTO words (rowid, t) VALUES (?1, ?2)"},
        {&w->set_stream,
         "UPDATE streams SET acked = ?2, missing = ?3, received_ms = ?4 WHERE id = ?1"},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
        r = db_prepare(w->db, rows[i].sql, rows[i].to, err);
    return r;
}

static int load_rows(struct sqlite_store *st, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int r = db_query(st->w.db, "SELECT id, host, stream, class FROM streams", &q, err);

    streams_forget_rows(st);
    while (r >= 0 && (r = db_step(q, err)) > 0) {
        struct stream_state *s;
        struct stream_id id;
        size_t len = 0;
        const void *mem = db_col_blob(q, 2, &len);

        if (!db_col_str(q, 1) || len != STREAM_ID_SIZE)
            return error_set(err, -EUCLEAN, "%s: a stream is none", st->w.day->path);
        memcpy(id.b, mem, STREAM_ID_SIZE);
        r = stream_get(st, db_col_str(q, 1), &id,
                       (enum stream_class)(db_col_u64(q, 3) % STREAM_CLASSES), &s);
        if (r < 0)
            return error_set(err, r, "no memory for streams");
        s->row = db_col_i64(q, 0);
    }
    return r;
}

static int open_day(struct sqlite_store *st, struct day *day, struct error *err)
{
    struct writer *w = &st->w;
    int r;

    day_ref(st, day);
    w->day = day;
    r = day_open(day, &w->db, err);
    if (r == 0)
        r = day_bounds_read(w->db, &w->bounds, err);
    if (r == 0)
        r = load_keys(w, err);
    if (r == 0)
        r = load_rows(st, err);
    if (r == 0)
        r = prepare(w, err);
    w->next_block = 1;
    memset(w->hints, 0, sizeof(w->hints));
    if (r == 0) {
        r = db_get_i64(w->db, err, &w->next_block, "SELECT max(id) + 1 FROM blocks", "");
        r = MIN(r, 0);
    }
    if (r == -EUCLEAN)
        day_condemn(st, day, err);
    if (r < 0)
        writer_close(st);
    return r;
}

int writer_open(struct sqlite_store *st, uint64_t received_ms, struct error *err)
{
    struct writer *w = &st->w;
    struct day *day;
    int r;

    if (w->day && (w->day->condemned || !day_is(w->day, received_ms) ||
                   day_bytes(w->day) > st->base.options.file_bytes))
        writer_close(st);
    if (w->day)
        return 0;
    day = st->n_days ? st->days[st->n_days - 1] : NULL;
    if (day && (day->bounds.marked || day->bounds.records == 0) && day_is(day, received_ms) &&
        day_bytes(day) <= st->base.options.file_bytes) {
        r = open_day(st, day, err);
        if (r != -EUCLEAN)
            return r;
    }
    r = day_new(st, received_ms, &day, err);
    return r < 0 ? r : open_day(st, day, err);
}

void writer_checkpoint(struct sqlite_store *st)
{
    uint32_t pages = db_wal_pages(st->w.db);

    // What cannot be moved now (a reader, a full disk) stays in the WAL, where it is just as durable.
    if (pages > WAL_PAGES)
        (void)db_checkpoint(st->w.db, pages > WAL_PAGES_LIMIT, NULL, NULL);
}
