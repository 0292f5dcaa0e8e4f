// SPDX-License-Identifier: Apache-2.0
#include "store/series.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define POINTS_MAX (2u << 20) // of all series: 32 MiB
#define SERIES_MAX (256u << 10)

int series_init(struct series_set *s, uint64_t from_ms, uint64_t step_ms, uint32_t n_steps)
{
    int r;

    *s = (struct series_set){.from_ms = from_ms, .step_ms = step_ms, .n_steps = n_steps};
    r = map_new(MAP_STR, SERIES_MAX, NULL, &s->by_key);
    if (r < 0)
        return r;
    s->other.points = new0(struct store_count, n_steps);
    return s->other.points ? 0 : -ENOMEM;
}

void series_done(struct series_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->list[i]->key);
        free(s->list[i]->points);
        free(s->list[i]);
    }
    free(s->list);
    free(s->other.points);
    map_free(s->by_key);
    *s = (struct series_set){};
}

struct series *series_get(struct series_set *s, const char *key, size_t len)
{
    struct series *one = map_get_mem(s->by_key, len ? key : "", len);

    if (one)
        return one;
    if ((s->n + 1) * (size_t)s->n_steps > POINTS_MAX || s->n >= SERIES_MAX)
        return &s->other;
    if (!GREEDY(s->list, s->cap, s->n + 1) || !(one = new0(struct series, 1)))
        return NULL;
    one->key = xstrndup(len ? key : "", len);
    one->points = new0(struct store_count, s->n_steps);
    if (!one->key || !one->points || map_put_mem(s->by_key, len ? key : "", len, one) < 0) {
        free(one->key);
        free(one->points);
        free(one);
        return NULL;
    }
    s->list[s->n++] = one;
    return one;
}

void series_add(struct series_set *s, struct series *one, uint64_t time_ms, uint64_t records,
                uint64_t events)
{
    uint64_t step = time_ms >= s->from_ms ? (time_ms - s->from_ms) / s->step_ms : UINT64_MAX;

    if (step >= s->n_steps)
        return;
    one->points[step].records += records;
    one->points[step].events += events;
    one->total.records += records;
    one->total.events += events;
}

static int most_first(const void *a, const void *b)
{
    const struct series *x = *(struct series *const *)a, *y = *(struct series *const *)b;

    if (x->total.events != y->total.events)
        return x->total.events > y->total.events ? -1 : 1;
    return strcmp(x->key, y->key);
}

void series_sort(struct series_set *s, size_t limit)
{
    if (s->n)
        qsort(s->list, s->n, sizeof(struct series *), most_first);
    for (size_t i = limit; i < s->n; i++) {
        for (uint32_t step = 0; step < s->n_steps; step++) {
            s->other.points[step].records += s->list[i]->points[step].records;
            s->other.points[step].events += s->list[i]->points[step].events;
        }
        s->other.total.records += s->list[i]->total.records;
        s->other.total.events += s->list[i]->total.events;
    }
}
