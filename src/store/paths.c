// SPDX-License-Identifier: Apache-2.0
//
// The most frequent paths of each hour. Anybody can make as many paths as he likes, so an hour keeps a bounded number: when there
// are more than PATHS_MAX the rarest half goes, and how often the most frequent of those had been seen is remembered as the error.
#include <errno.h>

#include "base/alloc.h"
#include "store/sqlite.h"

#define PATHS_MAX   8192
#define PATHS_KEPT  4096
#define PATH_LEN    1024 // longer ones are cut
#define MS_PER_HOUR UINT64_C(3600000)

struct path_count {
    uint32_t hour;
    uint8_t outcome;
    uint16_t len;
    uint64_t records, extra;
    char path[];
};

int paths_count(struct sqlite_store *st, const struct store_columns *c, uint64_t time_ms)
{
    struct {
        uint32_t hour;
        uint32_t outcome;
        char path[PATH_LEN];
    } key = {(uint32_t)(time_ms / MS_PER_HOUR), c->outcome, {0}};
    size_t len = MIN(c->path.len, (uint32_t)PATH_LEN),
           key_len = offsetof(__typeof__(key), path) + len;
    struct path_count *count;

    if (len == 0)
        return 0;
    if (!st->w.path_counts && map_new(MAP_STR, 0, free, &st->w.path_counts) < 0)
        return -ENOMEM;
    memcpy(key.path, c->path.s, len);
    count = map_get_mem(st->w.path_counts, &key, key_len);
    if (!count) {
        count = malloc(sizeof(*count) + len);
        if (!count)
            return -ENOMEM;
        *count = (struct path_count){.hour = key.hour,
                                     .outcome = (uint8_t)c->outcome,
                                     .len = (uint16_t)len};
        memcpy(count->path, c->path.s, len);
        if (map_put_mem(st->w.path_counts, &key, key_len, count) < 0) {
            free(count);
            return -ENOMEM;
        }
    }
    count->records++;
    count->extra += c->count - 1;
    return 0;
}

// The hour has too many: those that are rarer than the PATHS_KEPT most frequent ones go.
static int trim(struct db *db, uint32_t hour, struct error *err)
{
    int64_t n = 0, least = 0;
    int r = db_get_i64(db, err, &n, "SELECT count(*) FROM paths WHERE hour = ?1", "i",
                       (int64_t)hour);

    if (r < 0 || n <= PATHS_MAX)
        return MIN(r, 0);
    r = db_get_i64(
        db, err, &least,
        "SELECT records + extra FROM paths WHERE hour = ?1 ORDER BY records + extra DESC LIMIT 1 OFFSET ?2",
        "ii", (int64_t)hour, (int64_t)PATHS_KEPT);
    if (r > 0)
        r = db_do(db, err, "DELETE FROM paths WHERE hour = ?1 AND records + extra <= ?2", "ii",
                  (int64_t)hour, least);
    if (r == 0)
        r = db_do(db, err,
                  "INSERT INTO path_hours (hour, dropped) VALUES (?1, ?2) "
                  "ON CONFLICT DO UPDATE SET dropped = dropped + excluded.dropped",
                  "ii", (int64_t)hour, least);
    return r;
}

static int by_place(const void *a, const void *b)
{
    const struct path_count *x = *(struct path_count *const *)a,
                            *y = *(struct path_count *const *)b;
    int order;

    if (x->hour != y->hour)
        return x->hour < y->hour ? -1 : 1;
    order = memcmp(x->path, y->path, MIN(x->len, y->len));
    return order ? order : (int)x->len - (int)y->len;
}

static int write_paths(struct path_count *const *counts, size_t n, struct db *db, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        db,
        "INSERT INTO paths (hour, path, outcome, records, extra) VALUES (?1, CAST(?2 AS TEXT), ?3, ?4, ?5) "
        "ON CONFLICT DO UPDATE SET records = records + excluded.records, extra = extra + excluded.extra",
        &st, err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct path_count *c = counts[i];

        db_bind(st, "ibiuu", (int64_t)c->hour, c->path, (size_t)c->len, (int64_t)c->outcome,
                c->records, c->extra);
        r = db_run(st, err);
        if (r == 0 && (i + 1 == n || counts[i + 1]->hour != c->hour))
            r = trim(db, c->hour, err);
    }
    return r;
}

int paths_flush(struct sqlite_store *st, struct error *err)
{
    _cleanup_free_ struct path_count **counts = NULL;
    struct map_iter it = {};
    size_t n = 0;
    int r;

    if (!st->w.path_counts)
        return 0;
    counts = new0(struct path_count *, map_len(st->w.path_counts));
    if (!counts)
        return error_set(err, -ENOMEM, "no memory for paths");
    while (map_next(st->w.path_counts, &it))
        counts[n++] = it.value;
    qsort(counts, n, sizeof(*counts), by_place);
    r = write_paths(counts, n, st->w.db, err);
    map_clear(st->w.path_counts);
    return r;
}
