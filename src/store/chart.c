// SPDX-License-Identifier: Apache-2.0
//
// Charts over time, top lists, time-lines.
#include <errno.h>

#include "base/alloc.h"
#include "store/chart.h"

#define STEPS_MAX     2000
#define MS_PER_MINUTE UINT64_C(60000)
#define MS_PER_HOUR   UINT64_C(3600000)
#define MS_PER_YEAR   (366 * 24 * MS_PER_HOUR)

static uint64_t down(uint64_t ms, uint64_t unit)
{
    return ms / unit * unit;
}

static uint64_t up(uint64_t ms, uint64_t unit)
{
    return (ms + unit - 1) / unit * unit;
}

static int begin(struct chart *c, uint64_t from_ms, uint64_t step_ms, uint64_t to_ms)
{
    uint64_t n = (to_ms - from_ms + step_ms - 1) / step_ms;

    c->out.from_ms = from_ms;
    c->out.to_ms = to_ms;
    c->out.step_ms = step_ms;
    if (series_init(&c->series, from_ms, step_ms, (uint32_t)n) < 0)
        return error_set(c->err, -ENOMEM, "no memory for a chart");
    return 0;
}

// Without a beginning: from the oldest record on, or, where a clock is quite wrong, from ten years ago.
static uint64_t beginning(const struct chart *c)
{
    uint64_t from_ms = c->filter->f.from_ms, to_ms = c->filter->f.to_ms, oldest = to_ms;

    if (from_ms)
        return from_ms;
    store_lock(c->st);
    for (size_t i = 0; i < c->st->n_days; i++)
        if (c->st->days[i]->bounds.records)
            oldest = MIN(oldest, c->st->days[i]->bounds.time_min);
    store_unlock(c->st);
    from_ms = to_ms > 10 * MS_PER_YEAR ? to_ms - 10 * MS_PER_YEAR : 0;
    return MAX(oldest, from_ms);
}

static int chart_init(struct chart *c, struct store *base, const struct filter *filter,
                      enum store_dim by, struct error *err, struct error *local)
{
    *c =
        (struct chart){.st = sqlite_of(base), .filter = filter, .by = by, .err = err ? err : local};
    if (filter->f.to_ms > STORE_TIME_MAX)
        return error_set(err, -EINVAL, "the end of the time is too far away");
    return 0;
}

// ---- over time

static int hand_out_series(const struct chart *c, const struct series *s, const char *key,
                           store_point_fn fn, void *ctx)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < c->series.n_steps; i++)
        if (s->points[i].records)
            r = fn(ctx, key, c->series.from_ms + i * c->series.step_ms, &s->points[i]);
    return r;
}

static int count_over_time(struct chart *c, uint64_t from_ms, uint64_t to_ms, uint64_t step_ms)
{
    bool minutes = step_ms % MS_PER_HOUR != 0;
    struct cell_plan plan;
    int r = begin(c, from_ms, step_ms, to_ms);

    if (r < 0)
        return r;
    if (chart_plan(c, minutes, &plan))
        return chart_add_cells(c, &plan, minutes ? CELL_MINUTE : CELL_HOUR, from_ms, to_ms);
    return chart_add_records(c, from_ms, to_ms);
}

int sqlite_rollup(struct store *base, const struct filter *filter, enum store_dim by,
                  uint64_t step_ms, uint32_t limit, store_point_fn fn, void *ctx,
                  struct store_chart *ret_chart, struct error *err)
{
    uint64_t from_ms, to_ms = filter->f.to_ms, unit;
    struct error local = {};
    struct chart c;
    int r = chart_init(&c, base, filter, by, err, &local);

    if (r < 0)
        return r;
    from_ms = beginning(&c);
    step_ms = up(MAX(MAX(step_ms, (to_ms - from_ms) / STEPS_MAX), UINT64_C(1)), MS_PER_MINUTE);
    // Longer steps are whole hours, so that there are few cells to read.
    if (step_ms > MS_PER_HOUR)
        step_ms = up(step_ms, MS_PER_HOUR);
    unit = step_ms % MS_PER_HOUR ? MS_PER_MINUTE : MS_PER_HOUR;
    r = count_over_time(&c, down(from_ms, unit), up(to_ms, unit), step_ms);
    if (r == 0)
        series_sort(&c.series, limit);
    for (size_t i = 0; r == 0 && i < MIN(c.series.n, (size_t)limit); i++)
        r = hand_out_series(&c, c.series.list[i], c.series.list[i]->key, fn, ctx);
    if (r == 0 && c.series.other.total.records)
        r = hand_out_series(&c, &c.series.other, SERIES_OTHER, fn, ctx);
    if (r == 0 && ret_chart)
        *ret_chart = c.out;
    series_done(&c.series);
    return r;
}

// ---- most frequent

// Whole hours, and minutes at both ends.
static int count_cells(struct chart *c, const struct cell_plan *plan, uint64_t from_ms,
                       uint64_t to_ms)
{
    uint64_t first = MIN(up(from_ms, MS_PER_HOUR), to_ms),
             last = MAX(down(to_ms, MS_PER_HOUR), first);
    int r = chart_add_cells(c, plan, CELL_MINUTE, from_ms, first);

    if (r == 0)
        r = chart_add_cells(c, plan, CELL_HOUR, first, last);
    return r < 0 ? r : chart_add_cells(c, plan, CELL_MINUTE, last, to_ms);
}

static bool by_time_and_outcome(const struct filter *filter)
{
    struct store_filter f = filter->f;

    for (unsigned i = 0; i < FILTER_TEXTS; i++)
        if (filter->texts[i].s)
            return false;
    return !f.n_hosts && !f.class_uid && !f.n_classes && !f.activity && !f.severity_min &&
           !(f.not_hosts && f.not_hosts[0]) && filter_is_plain(filter) &&
           (!f.streams || f.streams == (1u << STREAM_CLASSES) - 1);
}

static int count_all(struct chart *c, uint64_t from_ms, uint64_t to_ms)
{
    struct cell_plan plan;
    uint64_t unit = MS_PER_MINUTE;
    bool paths = c->by == STORE_BY_PATH && by_time_and_outcome(c->filter),
         cells = !paths && chart_plan(c, false, &plan), hours;
    int r;

    // Of single hosts some columns are there by the hour only: then a short time is counted by records, a long one by whole hours.
    hours = paths || (cells && !chart_plan(c, true, &plan));
    if (hours && to_ms - from_ms >= 3 * MS_PER_HOUR)
        unit = MS_PER_HOUR;
    from_ms = down(from_ms, unit);
    to_ms = up(to_ms, unit);
    r = begin(c, from_ms, to_ms - from_ms, to_ms);
    if (r < 0)
        return r;
    if (hours && unit != MS_PER_HOUR)
        return chart_add_records(c, from_ms, to_ms);
    if (paths)
        return chart_add_paths(c, from_ms, to_ms);
    if (!cells)
        return chart_add_records(c, from_ms, to_ms);
    return hours ? chart_add_cells(c, &plan, CELL_HOUR, from_ms, to_ms)
                 : count_cells(c, &plan, from_ms, to_ms);
}

int sqlite_top(struct store *base, const struct filter *filter, enum store_dim by, uint32_t limit,
               store_top_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err)
{
    struct error local = {};
    struct chart c;
    int r = chart_init(&c, base, filter, by, err, &local);

    if (r < 0)
        return r;
    r = count_all(&c, beginning(&c), filter->f.to_ms);
    if (r == 0)
        series_sort(&c.series, limit);
    for (size_t i = 0; r == 0 && i < MIN(c.series.n, (size_t)limit); i++)
        if (c.series.list[i]->total.records)
            r = fn(ctx, c.series.list[i]->key, &c.series.list[i]->total);
    if (r == 0 && ret_chart)
        *ret_chart = c.out;
    series_done(&c.series);
    return r;
}

// ---- time-line

static int hand_out_buckets(struct chart *c, store_bucket_fn fn, void *ctx)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < c->series.n_steps; i++) {
        struct store_count counts[STORE_OUTCOMES] = {};

        for (size_t s = 0; s < c->series.n; s++) {
            enum store_outcome outcome;

            if (store_outcome_find(c->series.list[s]->key, &outcome) == 0)
                counts[outcome] = c->series.list[s]->points[i];
        }
        r = fn(ctx, c->series.from_ms + i * c->series.step_ms, counts);
    }
    return r;
}

int sqlite_timeline(struct store *base, const struct filter *filter, uint32_t n_buckets,
                    store_bucket_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err)
{
    uint64_t from_ms, to_ms = filter->f.to_ms, step_ms;
    struct cell_plan plan;
    struct error local = {};
    struct chart c;
    int r = chart_init(&c, base, filter, STORE_BY_OUTCOME, err, &local);

    if (r < 0)
        return r;
    from_ms = beginning(&c);
    step_ms = MAX((to_ms - from_ms + n_buckets - 1) / n_buckets, UINT64_C(1));
    if (step_ms >= MS_PER_MINUTE && chart_plan(&c, true, &plan)) {
        uint64_t unit = step_ms >= 6 * MS_PER_HOUR ? MS_PER_HOUR : MS_PER_MINUTE;

        step_ms = up(step_ms, unit);
        r = count_over_time(&c, down(from_ms, unit), up(to_ms, unit), step_ms);
    } else {
        r = begin(&c, from_ms, step_ms, to_ms);
        if (r == 0)
            r = chart_add_records(&c, from_ms, to_ms);
    }
    if (r == 0)
        r = hand_out_buckets(&c, fn, ctx);
    if (r == 0 && ret_chart)
        *ret_chart = c.out;
    series_done(&c.series);
    return r;
}
