// SPDX-License-Identifier: Apache-2.0
//
// Counts from the roll-up tables.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/chart.h"

#define MS_PER_MINUTE UINT64_C(60000)
#define MS_PER_HOUR   UINT64_C(3600000)

static bool has_minutes_of_hosts(enum store_dim dim)
{
    return dim == STORE_BY_NONE || dim == STORE_BY_CLASS || dim == STORE_BY_SEVERITY;
}

// The one column that the filter is about, besides time, host and outcome; false: there are several, or one without cells.
static bool one_column(const struct filter *filter, struct cell_plan *plan)
{
    static const enum store_dim dims[FILTER_TEXTS] = {STORE_BY_RULE, STORE_BY_POLICY, STORE_BY_USER,
                                                      STORE_BY_PROGRAM, STORE_BY_PATH};
    const struct store_filter *f = &filter->f;
    unsigned columns = 0;

    if (!filter_is_plain(filter) || f->activity || f->n_classes ||
        (f->streams && f->streams != (1u << STREAM_CLASSES) - 1))
        return false;
    for (unsigned i = 0; i < FILTER_TEXTS; i++) {
        if (!filter->texts[i].s)
            continue;
        if (filter->texts[i].prefix || i == FILTER_PATH)
            return false;
        plan->dim = dims[i];
        plan->key = filter->texts[i].s;
        columns++;
    }
    if (f->class_uid) {
        *plan = (struct cell_plan){.dim = STORE_BY_CLASS,
                                   .numbers = true,
                                   .number = f->class_uid,
                                   .number_max = f->class_uid};
        columns++;
    }
    if (f->severity_min) {
        *plan = (struct cell_plan){.dim = STORE_BY_SEVERITY,
                                   .numbers = true,
                                   .number = f->severity_min,
                                   .number_max = UINT32_MAX};
        columns++;
    }
    return columns <= 1;
}

bool chart_plan(const struct chart *c, bool minutes, struct cell_plan *ret_plan)
{
    struct cell_plan plan = {.dim = STORE_BY_NONE};

    if (c->by == STORE_BY_PATH || !one_column(c->filter, &plan))
        return false;
    if (c->by != STORE_BY_NONE && c->by != STORE_BY_OUTCOME && c->by != STORE_BY_HOST &&
        c->by != plan.dim) {
        if (plan.dim != STORE_BY_NONE)
            return false;
        plan.dim = c->by;
    }
    plan.hosts = c->by == STORE_BY_HOST || c->filter->f.n_hosts > 0 ||
                 (c->filter->f.not_hosts && c->filter->f.not_hosts[0]);
    if (plan.hosts && minutes && !has_minutes_of_hosts(plan.dim))
        return false;
    *ret_plan = plan;
    return true;
}

// ---- keys of a file

struct key_series {
    struct series **at; // by number
    size_t cap;
};

static struct series *series_of_key(struct chart *c, struct db *db, enum store_dim dim,
                                    uint32_t key, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    struct series *one;
    char number[16];

    if (dim == STORE_BY_CLASS || dim == STORE_BY_SEVERITY) {
        (void)snprintf(number, sizeof(number), "%u", key);
        return series_get(&c->series, number, strlen(number));
    }
    if (key == 0)
        return &c->series.other;
    if (db_query(db, "SELECT text FROM keys WHERE dim = ?1 AND id = ?2", &q, err) < 0)
        return NULL;
    db_bind(q, "ii", (int64_t)dim, (int64_t)key);
    if (db_step(q, err) <= 0)
        return &c->series.other;
    one = series_get(&c->series, strempty(db_col_str(q, 0)), strlen(strempty(db_col_str(q, 0))));
    return one;
}

// By NONE and OUTCOME and HOST the key says nothing.
static struct series *series_for(struct chart *c, struct db *db, const struct cell_plan *plan,
                                 struct key_series *keys, uint32_t key, uint32_t outcome,
                                 struct series *host, struct error *err)
{
    const char *name;

    if (host)
        return host;
    if (c->by == STORE_BY_NONE)
        return series_get(&c->series, "total", 5);
    if (c->by == STORE_BY_OUTCOME) {
        name = strempty(store_outcome_name((enum store_outcome)outcome));
        return series_get(&c->series, name, strlen(name));
    }
    if (plan->dim == STORE_BY_CLASS) // numbers of classes are few, and large
        return series_of_key(c, db, plan->dim, key, err);
    if (key > (1u << 20))
        return &c->series.other;
    if (!GREEDY(keys->at, keys->cap, (size_t)key + 1))
        return NULL;
    if (!keys->at[key])
        keys->at[key] = series_of_key(c, db, plan->dim, key, err);
    return keys->at[key];
}

// ---- cells

struct cell_read {
    struct chart *c;
    const struct cell_plan *plan;
    enum cell_step step;
    uint64_t from_ms, to_ms;
    struct db *db;
    struct key_series keys;
    int64_t key; // of plan->key in this file; -1: all
};

static int add_rows(struct cell_read *x, uint32_t host, struct series *host_series)
{
    struct chart *c = x->c;
    uint64_t unit = x->step == CELL_HOUR ? MS_PER_HOUR : MS_PER_MINUTE;
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int r = db_query(x->db,
                     "SELECT bucket, key, outcome, records, extra FROM cells "
                     "WHERE step = ?1 AND dim = ?2 AND host = ?3 AND bucket >= ?4 AND bucket < ?5",
                     &q, c->err);

    if (r < 0)
        return r;
    db_bind(q, "iiiuu", (int64_t)x->step, (int64_t)x->plan->dim, (int64_t)host, x->from_ms / unit,
            x->to_ms / unit);
    while ((r = db_step(q, c->err)) > 0) {
        uint32_t key = (uint32_t)db_col_u64(q, 1), outcome = (uint32_t)db_col_u64(q, 2);
        struct series *one;

        if (!filter_outcome_matches(c->filter, outcome) || (x->key >= 0 && key != x->key) ||
            (x->plan->numbers && (key < x->plan->number || key > x->plan->number_max)))
            continue;
        one = series_for(c, x->db, x->plan, &x->keys, key, outcome, host_series, c->err);
        if (!one)
            return error_is_set(c->err) ? c->err->code : -ENOMEM;
        series_add(&c->series, one, db_col_u64(q, 0) * unit, db_col_u64(q, 3),
                   db_col_u64(q, 3) + db_col_u64(q, 4));
    }
    return r;
}

static int add_hosts(struct cell_read *x)
{
    struct chart *c = x->c;
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    int r = db_query(x->db, "SELECT id, text FROM keys WHERE dim = ?1", &q, c->err);

    if (r < 0)
        return r;
    db_bind_i64(q, 1, STORE_BY_HOST);
    while ((r = db_step(q, c->err)) > 0) {
        const char *host = strempty(db_col_str(q, 1));
        struct series *one = NULL;

        if (!filter_host_matches(c->filter, host))
            continue;
        if (c->by == STORE_BY_HOST && !(one = series_get(&c->series, host, strlen(host))))
            return -ENOMEM;
        r = add_rows(x, (uint32_t)db_col_u64(q, 0), one);
        if (r < 0)
            return r;
    }
    return r;
}

static int add_day(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                   uint64_t from_ms, uint64_t to_ms, struct day *day)
{
    struct cell_read x = {
        .c = c, .plan = plan, .step = step, .from_ms = from_ms, .to_ms = to_ms, .key = -1};
    int r = day_reader(c->st, day, &x.db, c->err);

    if (r < 0)
        return r;
    if (plan->key) {
        r = db_get_i64(x.db, c->err, &x.key, "SELECT id FROM keys WHERE dim = ?1 AND text = ?2",
                       "is", (int64_t)plan->dim, plan->key);
        r = r == 0 ? 1 : r; // not in this file
        r = r > 0 && x.key < 0 ? 0 : r;
    } else {
        r = 1;
    }
    if (r > 0)
        r = plan->hosts ? add_hosts(&x) : add_rows(&x, 0, NULL);
    free(x.keys.at);
    day_reader_give(c->st, day, x.db);
    return r;
}

typedef int (*day_fn)(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                      uint64_t from_ms, uint64_t to_ms, struct day *day);

static int for_each_day(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                        uint64_t from_ms, uint64_t to_ms, day_fn fn)
{
    struct day_view *views = NULL;
    size_t n = 0;
    int r = days_take(c->st, from_ms, to_ms, &views, &n);

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = fn(c, plan, step, from_ms, to_ms, views[i].day);
        if (r == -EUCLEAN) {
            day_condemn(c->st, views[i].day, c->err);
            error_reset(c->err);
            r = 0;
        }
    }
    if (views)
        days_give(c->st, views, n);
    return r < 0 && !error_is_set(c->err) ? error_set(c->err, r, "cannot count: %m") : r;
}

int chart_add_cells(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                    uint64_t from_ms, uint64_t to_ms)
{
    return from_ms < to_ms ? for_each_day(c, plan, step, from_ms, to_ms, add_day) : 0;
}

// ---- paths

static int add_paths_of_day(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                            uint64_t from_ms, uint64_t to_ms, struct day *day)
{
    struct db *db = NULL;
    struct db_stmt *q = NULL;
    int64_t dropped = 0;
    int r = day_reader(c->st, day, &db, c->err);

    (void)plan;
    (void)step;
    if (r < 0)
        return r;
    r = db_get_i64(db, c->err, &dropped,
                   "SELECT sum(dropped) FROM path_hours WHERE hour >= ?1 AND hour < ?2", "uu",
                   from_ms / MS_PER_HOUR, to_ms / MS_PER_HOUR);
    if (r >= 0)
        r = db_query(
            db,
            "SELECT hour, path, outcome, records, extra FROM paths WHERE hour >= ?1 AND hour < ?2",
            &q, c->err);
    if (r == 0) {
        db_bind(q, "uu", from_ms / MS_PER_HOUR, to_ms / MS_PER_HOUR);
        while ((r = db_step(q, c->err)) > 0) {
            const char *path = strempty(db_col_str(q, 1));
            struct series *one;

            if (!filter_outcome_matches(c->filter, (unsigned)db_col_u64(q, 2)))
                continue;
            one = series_get(&c->series, path, strlen(path));
            if (!one) {
                r = -ENOMEM;
                break;
            }
            series_add(&c->series, one, db_col_u64(q, 0) * MS_PER_HOUR, db_col_u64(q, 3),
                       db_col_u64(q, 3) + db_col_u64(q, 4));
        }
    }
    c->out.estimated |= dropped > 0;
    c->out.error_max += (uint64_t)MAX(dropped, (int64_t)0);
    db_done(q);
    day_reader_give(c->st, day, db);
    return r;
}

int chart_add_paths(struct chart *c, uint64_t from_ms, uint64_t to_ms)
{
    return for_each_day(c, NULL, CELL_HOUR, from_ms, to_ms, add_paths_of_day);
}
