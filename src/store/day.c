// SPDX-License-Identifier: Apache-2.0
//
// The files of the store: found, made, opened, removed, set aside.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "store/sqlite.h"

#define FILES_MAX  100000
#define PARTS_MAX  999
#define PAGE_SIZE  8192
#define CACHE_KIB  32768 // of the writer
#define READER_KIB 8192

// Words of a run are looked for one by one: where in it, and how often, does not matter; the texts themselves are in the blocks. One row a run,
// and a look at its records, instead of a row a record: 2.0 against 5.8 us of processor time and 12 against 73 bytes a record (with places,
// detail=column: 2.2 against 8.4 us, 29 against 205 bytes); appending has to stay well below 20 us.
static const struct db_migration migrations[] = {
    {"CREATE TABLE bounds (id INTEGER PRIMARY KEY CHECK (id = 1), records INTEGER NOT NULL,"
     " time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, received_min INTEGER NOT NULL,"
     " received_max INTEGER NOT NULL, slack_ms INTEGER NOT NULL);"
     "INSERT INTO bounds VALUES (1, 0, 0, 0, 0, 0, 0);"
     "CREATE TABLE streams (id INTEGER PRIMARY KEY, host TEXT NOT NULL, stream BLOB NOT NULL,"
     " class INTEGER NOT NULL, acked INTEGER NOT NULL, missing INTEGER NOT NULL,"
     " received_ms INTEGER NOT NULL, UNIQUE (host, stream));"
     "CREATE TABLE blocks (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);"
     "CREATE TABLE runs (id INTEGER PRIMARY KEY, block INTEGER NOT NULL, stream INTEGER NOT NULL,"
     " number INTEGER NOT NULL, first INTEGER NOT NULL, n INTEGER NOT NULL, time_min INTEGER NOT NULL,"
     " time_max INTEGER NOT NULL, received_ms INTEGER NOT NULL, cols BLOB NOT NULL, names BLOB NOT NULL);"
     "CREATE INDEX runs_by_number ON runs (stream, number);"
     "CREATE VIRTUAL TABLE words USING fts5(t, content='', columnsize=0, detail=none,"
     " tokenize=\"ascii tokenchars '#'\");"
     "INSERT INTO words (words, rank) VALUES ('hashsize', 33554432);"
     "CREATE TABLE keys (id INTEGER NOT NULL, dim INTEGER NOT NULL, text TEXT NOT NULL,"
     " PRIMARY KEY (dim, id)) WITHOUT ROWID;"
     "CREATE TABLE cells (step INTEGER NOT NULL, dim INTEGER NOT NULL, host INTEGER NOT NULL,"
     " bucket INTEGER NOT NULL, key INTEGER NOT NULL, outcome INTEGER NOT NULL, records INTEGER NOT NULL,"
     " extra INTEGER NOT NULL, PRIMARY KEY (step, dim, host, bucket, key, outcome)) WITHOUT ROWID;"
     "CREATE TABLE paths (hour INTEGER NOT NULL, path TEXT NOT NULL, outcome INTEGER NOT NULL,"
     " records INTEGER NOT NULL, extra INTEGER NOT NULL, PRIMARY KEY (hour, path, outcome)) WITHOUT ROWID;"
     "CREATE TABLE path_hours (hour INTEGER PRIMARY KEY, dropped INTEGER NOT NULL);"},
    // A file that has records without marks stays without them: whoever asks for one looks at its records.
    {"ALTER TABLE bounds ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;"
     "UPDATE bounds SET marked = 1 WHERE records = 0;"},
};

// ---- names

static bool name_is_day(const char *name)
{
    return strlen(name) == 12 + 3 && strspn(name, "0123456789") == 8 && name[8] == '-' &&
           strspn(name + 9, "0123456789") == 3 && str_endswith(name, ".db");
}

static void name_of(uint64_t received_ms, unsigned part, char ret_name[DAY_NAME_SIZE])
{
    time_t seconds = (time_t)(MIN(received_ms, STORE_TIME_MAX) / 1000);
    struct tm tm = {};

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(ret_name, DAY_NAME_SIZE, "%04d%02d%02d-%03u", (tm.tm_year + 1900) % 10000,
                   (tm.tm_mon + 1) % 100, tm.tm_mday % 100, part % 1000);
}

bool day_is(const struct day *day, uint64_t received_ms)
{
    char name[DAY_NAME_SIZE];

    name_of(received_ms, 1, name);
    // A clock that was set back begins no file before the newest one.
    return memcmp(name, day->name, 8) <= 0;
}

static struct day *new_day(const struct sqlite_store *st, const char *name)
{
    struct day *day = new0(struct day, 1);

    if (!day)
        return NULL;
    memcpy(day->name, name, strnlen(name, DAY_NAME_SIZE - 1));
    if (asprintf(&day->path, "%s/%s.db", st->dir, day->name) < 0) {
        free(day);
        return NULL;
    }
    return day;
}

static void free_day(struct day *day)
{
    for (unsigned i = 0; i < day->n_idle; i++)
        db_close(day->idle[i]);
    free(day->path);
    free(day);
}

static void for_each_file(const struct day *day, const char *renamed)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char from[4096], to[4096];

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (snprintf(from, sizeof(from), "%s%s", day->path, suffixes[i]) >= (int)sizeof(from))
            continue;
        if (!renamed)
            (void)unlink(from);
        else if (snprintf(to, sizeof(to), "%s%s%s", day->path, renamed, suffixes[i]) <
                 (int)sizeof(to))
            (void)rename(from, to);
    }
    (void)fsync_parent(AT_FDCWD, day->path);
}

uint64_t day_bytes(const struct day *day)
{
    static const char *const suffixes[] = {"", "-wal"};
    uint64_t bytes = 0;
    char name[4096];
    struct stat st;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (snprintf(name, sizeof(name), "%s%s", day->path, suffixes[i]) < (int)sizeof(name) &&
            stat(name, &st) == 0)
            bytes += (uint64_t)st.st_size;
    return bytes;
}

// ---- opening

int day_open(const struct day *day, struct db **ret_db, struct error *err)
{
    // Checkpoints are the writer's, between two commits (writer_checkpoint).
    struct db_options options = {.create = true,
                                 .keep_deleted = true,
                                 .no_checkpoint = true,
                                 .page_size = PAGE_SIZE,
                                 .cache_kib = CACHE_KIB,
                                 .application = DAY_APPLICATION};
    _cleanup_(db_closep) struct db *db = NULL;
    int r = db_open(day->path, &options, &db, err);

    if (r == 0)
        r = db_migrate(db, migrations, ARRAY_SIZE(migrations), err);
    if (r < 0)
        return r;
    *ret_db = TAKE_PTR(db);
    return 0;
}

int day_bounds_read(struct db *db, struct day_bounds *ret_bounds, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        db,
        "SELECT records, time_min, time_max, received_min, received_max, slack_ms, marked FROM bounds",
        &st, err);

    if (r == 0)
        r = db_step(st, err);
    if (r < 0)
        return r;
    if (r == 0)
        return error_set(err, -EUCLEAN, "%s has no bounds", db_path(db));
    *ret_bounds = (struct day_bounds){db_col_u64(st, 0),     db_col_u64(st, 1), db_col_u64(st, 2),
                                      db_col_u64(st, 3),     db_col_u64(st, 4), db_col_u64(st, 5),
                                      db_col_u64(st, 6) != 0};
    return 0;
}

static int load_one(struct sqlite_store *st, struct day *day, struct error *err)
{
    _cleanup_(db_closep) struct db *db = NULL;
    int r = day_open(day, &db, err);

    if (r == 0)
        r = day_bounds_read(db, &day->bounds, err);
    if (r == 0)
        r = streams_load(st, db, err);
    return r;
}

static void set_aside(struct sqlite_store *st, struct day *day, const struct error *why)
{
    struct error told = *why;

    for_each_file(day, ".corrupt");
    st->corrupt_files++;
    error_context(&told, "set aside as %s.db.corrupt", day->name);
    error_cure(
        &told,
        "its records are not shown any more; what 'sqlite3 %s.corrupt .recover' saves of it can be read by hand",
        day->path);
    store_tell(st, STORE_TOLD_CORRUPT, &told);
}

static int add_to_list(struct sqlite_store *st, struct day *day)
{
    if (!GREEDY(st->days, st->cap_days, st->n_days + 1))
        return -ENOMEM;
    st->days[st->n_days++] = day;
    day->refs = 1;
    return 0;
}

int days_load(struct sqlite_store *st, struct error *err)
{
    _cleanup_(strv_freep) char **names = NULL;
    char name[DAY_NAME_SIZE] = "";
    int r = dir_names(AT_FDCWD, st->dir, NULL, FILES_MAX, &names);

    if (r < 0)
        return error_set(err, r, "cannot read the directory %s: %m", st->dir);
    STRV_FOREACH (s, names) {
        struct day *day;

        st->corrupt_files += str_endswith(*s, ".db.corrupt");
        if (!name_is_day(*s))
            continue;
        memcpy(name, *s, 12);
        day = new_day(st, name);
        if (!day)
            return error_set(err, -ENOMEM, "cannot open %s: %m", *s);
        r = load_one(st, day, err);
        if (r == -EUCLEAN || r == -EMEDIUMTYPE) {
            set_aside(st, day, err);
            free_day(day);
            continue;
        }
        if (r == 0)
            r = add_to_list(st, day);
        if (r < 0) {
            free_day(day);
            return r;
        }
    }
    return 0;
}

void days_free(struct sqlite_store *st)
{
    for (size_t i = 0; i < st->n_days; i++)
        free_day(st->days[i]);
    free(st->days);
}

int day_new(struct sqlite_store *st, uint64_t received_ms, struct day **ret_day, struct error *err)
{
    const struct day *newest = st->n_days ? st->days[st->n_days - 1] : NULL;
    char name[DAY_NAME_SIZE];
    struct day *day = NULL;
    struct stat found;
    unsigned part = 1;
    int r;

    name_of(received_ms, part, name);
    if (newest && memcmp(newest->name, name, 8) >= 0)
        memcpy(name, newest->name, sizeof(name));
    // Names of files that were set aside are not used again, either: their records have ids.
    for (;; part++) {
        char aside[4096];

        (void)snprintf(name + 8, sizeof(name) - 8, "-%03u", part % 1000);
        day = new_day(st, name);
        if (!day || snprintf(aside, sizeof(aside), "%s.corrupt", day->path) >= (int)sizeof(aside) ||
            part > PARTS_MAX) {
            if (day)
                free_day(day);
            return error_set(err, part > PARTS_MAX ? -EMFILE : -ENOMEM,
                             "cannot begin another file in %s: %m", st->dir);
        }
        if (stat(day->path, &found) < 0 && stat(aside, &found) < 0 &&
            (!newest || memcmp(newest->name, name, 12) < 0))
            break;
        free_day(day);
    }
    struct db *db = NULL;
    r = day_open(day, &db, err);
    if (r == 0)
        r = streams_carry(st, db, err);
    db_close(db);
    store_lock(st);
    if (r == 0)
        r = add_to_list(st, day);
    store_unlock(st);
    if (r < 0) {
        for_each_file(day, NULL); // half made
        free_day(day);
        return r;
    }
    days_close_idle(st);
    *ret_day = day;
    return 0;
}

// ---- references

void day_ref(struct sqlite_store *st, struct day *day)
{
    store_lock(st);
    day->refs++;
    store_unlock(st);
}

void day_unref(struct sqlite_store *st, struct day *day)
{
    bool last;

    store_lock(st);
    last = --day->refs == 0;
    store_unlock(st);
    if (!last)
        return;
    while (day->n_idle > 0)
        db_close(day->idle[--day->n_idle]);
    if (day->removed)
        for_each_file(day, NULL);
    else if (day->condemned)
        for_each_file(day, ".corrupt");
    free_day(day);
}

static bool take_out(struct sqlite_store *st, const struct day *day)
{
    for (size_t i = 0; i < st->n_days; i++) {
        if (st->days[i] != day)
            continue;
        memmove(&st->days[i], &st->days[i + 1], (st->n_days - i - 1) * sizeof(*st->days));
        st->n_days--;
        return true;
    }
    return false;
}

void day_remove(struct sqlite_store *st, struct day *day)
{
    bool was_there;

    store_lock(st);
    was_there = take_out(st, day);
    day->removed = true;
    store_unlock(st);
    if (was_there)
        day_unref(st, day);
}

void day_condemn(struct sqlite_store *st, struct day *day, const struct error *why)
{
    struct error told = why ? *why : (struct error){};
    bool was_there;

    store_lock(st);
    was_there = take_out(st, day);
    day->condemned = true;
    st->corrupt_files += was_there;
    store_unlock(st);
    if (!was_there)
        return;
    error_context(&told, "set aside as %s.db.corrupt", day->name);
    error_cure(
        &told,
        "its records are not shown any more; what 'sqlite3 %s.corrupt .recover' saves of it can be read by hand",
        day->path);
    store_tell(st, STORE_TOLD_CORRUPT, &told);
    day_unref(st, day);
}

// ---- readers

int days_take(struct sqlite_store *st, uint64_t from_ms, uint64_t to_ms,
              struct day_view **ret_views, size_t *ret_n)
{
    struct day_view *views = NULL;
    size_t n = 0;

    store_lock(st);
    views = new0(struct day_view, st->n_days);
    for (size_t i = 0; views && i < st->n_days; i++) {
        struct day *day = st->days[i];

        if (day->bounds.records == 0 || day->bounds.time_max < from_ms ||
            (to_ms && day->bounds.time_min >= to_ms))
            continue;
        day->refs++;
        views[n++] = (struct day_view){day, day->bounds};
    }
    store_unlock(st);
    if (!views)
        return -ENOMEM;
    *ret_views = views;
    *ret_n = n;
    return 0;
}

void days_give(struct sqlite_store *st, struct day_view *views, size_t n)
{
    for (size_t i = 0; i < n; i++)
        day_unref(st, views[i].day);
    free(views);
}

struct day *day_find(struct sqlite_store *st, const char *name)
{
    struct day *day = NULL;

    store_lock(st);
    for (size_t i = 0; i < st->n_days && !day; i++)
        if (streq(st->days[i]->name, name))
            day = st->days[i];
    if (day)
        day->refs++;
    store_unlock(st);
    return day;
}

int day_reader(struct sqlite_store *st, struct day *day, struct db **ret_db, struct error *err)
{
    struct db_options options = {.readonly = true,
                                 .cache_kib = READER_KIB,
                                 .application = DAY_APPLICATION};
    struct db *db = NULL;

    store_lock(st);
    if (day->n_idle > 0)
        db = day->idle[--day->n_idle];
    store_unlock(st);
    if (!db) {
        int r = db_open(day->path, &options, &db, err);

        if (r < 0)
            return r;
    }
    *ret_db = db;
    return 0;
}

// How many connections are kept of a file: it is the newest ones that are asked. Under the lock.
static unsigned idle_of(const struct sqlite_store *st, const struct day *day)
{
    if (day->removed || day->condemned)
        return 0;
    for (size_t i = 1; i <= MIN(st->n_days, (size_t)DAYS_WITH_IDLE); i++)
        if (st->days[st->n_days - i] == day)
            return i == 1 ? DAY_IDLE_READERS : 1;
    return 0;
}

void day_reader_give(struct sqlite_store *st, struct day *day, struct db *db)
{
    store_lock(st);
    if (day->n_idle < idle_of(st, day)) {
        day->idle[day->n_idle++] = db;
        db = NULL;
    }
    store_unlock(st);
    db_close(db);
}

// Files that are not among the newest any more.
void days_close_idle(struct sqlite_store *st)
{
    store_lock(st);
    for (size_t i = 0; i < st->n_days; i++) {
        struct day *day = st->days[i];

        while (day->n_idle > idle_of(st, day))
            db_close(day->idle[--day->n_idle]);
    }
    store_unlock(st);
}
