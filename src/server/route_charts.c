// SPDX-License-Identifier: Apache-2.0
//
// Counts of records: over time, the most frequent, and how many there were when.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "registry/alert.h"
#include "server/event_filter.h"
#include "server/host_names.h"
#include "server/server.h"
#include "server/write.h"
#include "store/store.h"

#define POINTS_MAX  200000
#define SERIES      10
#define TOP         10
#define BUCKETS     60
#define STEPS_MAX   2000
#define HOUR_MS     UINT64_C(3600000)
#define AIMED_STEPS 96 // where no step is asked for

static void write_frame(struct jw *out, const struct store_chart *chart)
{
    jw_kv_u64(out, "from", chart->from_ms);
    jw_kv_u64(out, "to", chart->to_ms);
    jw_kv_u64(out, "step", chart->step_ms);
}

static void write_limits(struct jw *out, const struct store_chart *chart)
{
    if (chart->truncated)
        jw_kv_u64(out, "complete_from", chart->until_ms);
    if (chart->estimated)
        jw_kv_u64(out, "error_max", chart->error_max);
}

static void write_label(struct jw *out, enum store_dim by, const char *key,
                        struct host_names *names)
{
    jw_kv_str(out, "key", key);
    jw_kv_str(out, "label",
              by == STORE_BY_HOST && strchr(key, '-') ? host_names_get(names, key) : key);
}

// Over time ---------------------------------------------------------------------------------------

struct point {
    size_t series;
    uint64_t from_ms, events;
};

struct points {
    struct point *all;
    size_t n, cap;
    char **keys; // strv: of the series
    size_t n_keys;
};

static int on_point(void *ctx, const char *key, uint64_t from_ms, const struct store_count *count)
{
    struct points *p = ctx;

    if (p->n_keys == 0 || !streq(p->keys[p->n_keys - 1], key)) {
        if (strv_append(&p->keys, key) < 0)
            return -ENOMEM;
        p->n_keys++;
    }
    if (p->n >= POINTS_MAX || !GREEDY(p->all, p->cap, p->n + 1))
        return -ENOMEM;
    p->all[p->n++] = (struct point){p->n_keys - 1, from_ms, count->events};
    return 0;
}

static void write_series(struct jw *out, const struct points *p, const struct store_chart *chart,
                         enum store_dim by, struct host_names *names)
{
    uint64_t steps = (chart->to_ms - chart->from_ms + chart->step_ms - 1) / chart->step_ms;
    size_t at = 0;

    jw_kv_array(out, "series");
    for (size_t k = 0; k < p->n_keys; k++) {
        jw_begin_object(out);
        write_label(out, by, p->keys[k], names);
        jw_kv_array(out, "points");
        for (uint64_t step = 0; step < steps; step++) {
            bool here = at < p->n && p->all[at].series == k &&
                        p->all[at].from_ms == chart->from_ms + step * chart->step_ms;

            jw_u64(out, here ? p->all[at].events : 0);
            at += here;
        }
        jw_end_array(out);
        jw_end_object(out);
    }
    jw_end_array(out);
}

int route_rollup(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct host_names names = {.registry = s->registry};
    enum store_dim by = STORE_BY_NONE;
    struct store_chart chart = {};
    struct event_filter filter;
    struct points p = {};
    uint64_t step_ms;
    int r = event_filter_read_times(rq, &filter, err);

    if (r < 0)
        return r;
    (void)store_dim_find(api_query_str(rq, "by", "none"), &by);
    step_ms = api_query_u64(rq, "step",
                            filter.f.to_ms > filter.f.from_ms
                                ? (filter.f.to_ms - filter.f.from_ms) / AIMED_STEPS
                                : 1);
    r = store_rollup(s->store, &filter.f, by, step_ms, (uint32_t)api_query_u64(rq, "limit", SERIES),
                     on_point, &p, &chart, err);
    if (r == 0) {
        jw_begin_object(out);
        write_frame(out, &chart);
        write_series(out, &p, &chart, by, &names);
        write_limits(out, &chart);
        jw_end_object(out);
    }
    strv_free(p.keys);
    free(p.all);
    host_names_done(&names);
    return r;
}

// The most frequent -------------------------------------------------------------------------------

struct top {
    struct jw *out;
    enum store_dim by;
    struct host_names names;
};

static int on_top(void *ctx, const char *key, const struct store_count *count)
{
    struct top *t = ctx;

    if (*key == '\0') // records without such a thing are no item
        return 0;
    jw_begin_object(t->out);
    write_label(t->out, t->by, key, &t->names);
    jw_kv_u64(t->out, "count", count->events);
    jw_end_object(t->out);
    return 0;
}

int route_top(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct top t = {.out = out, .by = STORE_BY_RULE, .names = {.registry = s->registry}};
    struct store_chart chart = {};
    struct event_filter filter;
    int r = event_filter_read_times(rq, &filter, err);

    if (r < 0)
        return r;
    (void)store_dim_find(api_query_str(rq, "by", "rule"), &t.by);
    jw_begin_object(out);
    jw_kv_array(out, "items");
    r = store_top(s->store, &filter.f, t.by, (uint32_t)api_query_u64(rq, "limit", TOP), on_top, &t,
                  &chart, err);
    jw_end_array(out);
    write_limits(out, &chart);
    jw_end_object(out);
    host_names_done(&t.names);
    return r;
}

// How many there were when ------------------------------------------------------------------------

static int on_bucket(void *ctx, uint64_t from_ms _unused_,
                     const struct store_count counts[STORE_OUTCOMES])
{
    struct jw *out = ctx;

    jw_begin_object(out);
    for (unsigned i = 0; i < STORE_OUTCOMES; i++)
        if (counts[i].events)
            jw_kv_u64(out, store_outcome_name((enum store_outcome)i), counts[i].events);
    jw_end_object(out);
    return 0;
}

int route_events_timeline(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    struct store_chart chart = {};
    struct event_filter filter;
    int r = event_filter_read_times(rq, &filter, err);

    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_kv_array(out, "points");
    r = store_timeline(s->store, &filter.f, (uint32_t)api_query_u64(rq, "buckets", BUCKETS),
                       on_bucket, out, &chart, err);
    jw_end_array(out);
    write_frame(out, &chart);
    write_limits(out, &chart);
    jw_end_object(out);
    return r;
}

int route_alerts_timeline(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    uint64_t to_ms = api_query_time(rq, "to", server_now() + 1),
             from_ms = api_query_time(rq, "from", to_ms - MIN(to_ms, EVENT_DAY_MS)),
             step_ms = api_query_u64(rq, "step", HOUR_MS);
    uint64_t counts[STEPS_MAX];
    size_t n;
    int r;

    if (to_ms <= from_ms)
        return error_set(err, -EINVAL, "the end of the time is not after its beginning");
    from_ms = from_ms / step_ms * step_ms;
    if ((to_ms - from_ms) / step_ms >= STEPS_MAX)
        return error_set(err, -EINVAL, "more than %d steps", STEPS_MAX);
    n = (size_t)((to_ms - from_ms + step_ms - 1) / step_ms);
    r = registry_alert_starts(s->registry, from_ms, step_ms, counts, n, err);
    if (r < 0)
        return r;
    jw_begin_object(out);
    write_frame(out, &(struct store_chart){.from_ms = from_ms,
                                           .to_ms = from_ms + n * step_ms,
                                           .step_ms = step_ms});
    jw_kv_array(out, "points");
    for (size_t i = 0; i < n; i++)
        jw_u64(out, counts[i]);
    jw_end_array(out);
    jw_end_object(out);
    return 0;
}
