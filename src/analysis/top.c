// SPDX-License-Identifier: Apache-2.0
#include "analysis/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

static const char *const words[] = {
#define TOP_SORT(id, word) word,
#include "analysis/top.def"
};

void top_sample_done(struct top_sample *s)
{
    procstat_done(&s->processes);
    sched_reading_done(&s->sched);
    *s = (struct top_sample){};
}

void top_rows_done(struct top_rows *r)
{
    free(r->items);
    *r = (struct top_rows){};
}

int top_sort_find(const char *word, enum top_sort *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (streq(word, words[i])) {
            *ret = (enum top_sort)i;
            return 0;
        }
    return -EINVAL;
}

// Sums only grow; one that seems not to was read while something ended (see sched_read()).
static uint64_t grown(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

static uint64_t each_second(uint64_t n, uint64_t ns)
{
    return ns ? (uint64_t)((unsigned __int128)n * NS_PER_SEC / ns) : 0;
}

static uint32_t permille(uint64_t part, uint64_t ns)
{
    unsigned __int128 share = ns ? ((unsigned __int128)part * 1000 + ns / 2) / ns : 0;

    return share > UINT32_MAX ? UINT32_MAX : (uint32_t)share;
}

static uint64_t slot_end(size_t slot)
{
    return SG_SCHED_SLOT_BASE << slot;
}

void top_delay_of(const uint64_t delays[SG_SCHED_SLOTS], uint64_t delay_ns, struct top_delay *ret)
{
    uint64_t seen = 0, from;

    *ret = (struct top_delay){};
    for (size_t i = 0; i < SG_SCHED_SLOTS; i++) {
        ret->count += delays[i];
        if (delays[i])
            ret->max_ns = slot_end(i);
    }
    if (!ret->count)
        return;
    ret->mean_ns = delay_ns / ret->count;
    from = ret->count - ret->count / 20; // as many are not above it
    for (size_t i = 0; i < SG_SCHED_SLOTS; i++) {
        seen += delays[i];
        if (seen >= from) {
            ret->p95_ns = slot_end(i);
            return;
        }
    }
}

static void compare_sched(const struct sg_sched_sums *before, const struct sg_sched_sums *now,
                          uint64_t ns, struct top_sched *ret)
{
    uint64_t delays[SG_SCHED_SLOTS];

    for (size_t i = 0; i < SG_SCHED_SLOTS; i++)
        delays[i] = grown(before->delays[i], now->delays[i]);
    ret->switches = each_second(grown(before->switches, now->switches), ns);
    ret->involuntary = each_second(grown(before->involuntary, now->involuntary), ns);
    ret->on_permille = permille(grown(before->on_ns, now->on_ns), ns);
    ret->wait_permille = permille(grown(before->delay_ns, now->delay_ns), ns);
    for (size_t i = 0; i < SG_SCHED_REASONS; i++)
        ret->off_permille[i] = permille(grown(before->off_ns[i], now->off_ns[i]), ns);
    top_delay_of(delays, grown(before->delay_ns, now->delay_ns), &ret->delay);
}

static int by_tgid(const void *a, const void *b)
{
    const uint32_t *x = a;
    const struct procstat *y = b;

    return (*x > y->ref.tgid) - (*x < y->ref.tgid);
}

static const struct procstat *find_process(const struct top_sample *s,
                                           const struct process_ref *ref)
{
    const struct procstat *p = NULL;

    if (s && s->processes.n)
        p = bsearch(&ref->tgid, s->processes.items, s->processes.n, sizeof(*p), by_tgid);
    return p && process_ref_same(&p->ref, ref) ? p : NULL;
}

static uint64_t time_between(const struct top_sample *before, const struct top_sample *now,
                             const struct process_ref *ref)
{
    uint64_t from = before ? before->time_ns : ref->start_ns;

    return now->time_ns > from ? now->time_ns - from : 0;
}

static void add_usage(struct top_row *row, const struct top_sample *before,
                      const struct top_sample *now)
{
    static const struct procstat nothing = {};
    const struct procstat *was = find_process(before, &row->ref);
    uint64_t ns = time_between(before, now, &row->ref);

    was = was ? was : &nothing;
    row->cpu_permille = permille(grown(was->cpu_ns, row->process->cpu_ns), ns);
    row->read_bytes = each_second(grown(was->read_bytes, row->process->read_bytes), ns);
    row->written_bytes = each_second(grown(was->written_bytes, row->process->written_bytes), ns);
}

static void add_sched(struct top_row *row, const struct top_sample *before,
                      const struct sched_process *p, uint64_t ns)
{
    static const struct sg_sched_sums nothing = {};
    const struct sched_process *was = before && before->has_sched
                                          ? sched_find(&before->sched, &p->key)
                                          : NULL;

    row->has_sched = true;
    compare_sched(was ? &was->sums : &nothing, &p->sums, ns, &row->sched);
}

static uint64_t weight(const struct top_row *row, enum top_sort sort)
{
    switch (sort) {
    case TOP_SORT_memory: return row->process ? row->process->rss_bytes : 0;
    case TOP_SORT_io: return row->read_bytes + row->written_bytes;
    case TOP_SORT_threads: return row->process ? row->process->threads : 0;
    case TOP_SORT_switches: return row->sched.switches;
    case TOP_SORT_delay: return row->sched.delay.p95_ns;
    case TOP_SORT_wait: return row->sched.wait_permille;
    case TOP_SORT_cpu:
    case TOP_SORT_COUNT: break;
    }
    // Seen by the kernel side it is exact; procfs counts ticks.
    return row->has_sched ? row->sched.on_permille : row->cpu_permille;
}

static int by_weight(const void *a, const void *b, void *ctx)
{
    const struct top_row *x = a, *y = b;
    enum top_sort sort = *(enum top_sort *)ctx;
    uint64_t wx = weight(x, sort), wy = weight(y, sort);

    if (wx != wy)
        return wx > wy ? -1 : 1;
    return (x->ref.tgid > y->ref.tgid) - (x->ref.tgid < y->ref.tgid);
}

static struct top_row *add_row(struct top_rows *rows, const struct process_ref *ref)
{
    if (!GREEDY(rows->items, rows->cap, rows->n + 1))
        return NULL;
    rows->items[rows->n] = (struct top_row){.ref = *ref};
    return &rows->items[rows->n++];
}

// Every process that is there, and those that have ended since and did something before.
static int collect(const struct top_sample *before, const struct top_sample *now, uint64_t ns,
                   struct top_rows *rows)
{
    _cleanup_free_ bool *taken = new0(bool, now->sched.n + 1);
    struct top_row *row;

    if (!taken)
        return -ENOMEM;
    for (size_t i = 0, k = 0; i < now->processes.n; i++) {
        const struct procstat *p = &now->processes.items[i];

        row = add_row(rows, &p->ref);
        if (!row)
            return -ENOMEM;
        row->process = p;
        add_usage(row, before, now);
        while (k < now->sched.n && now->sched.items[k].key.tgid < p->ref.tgid)
            k++;
        for (size_t at = k; at < now->sched.n && now->sched.items[at].key.tgid == p->ref.tgid;
             at++) {
            const struct sched_process *s = &now->sched.items[at];
            const struct process_ref exact = {s->key.tgid, s->key.start_ns};

            if (!process_ref_same(&exact, &p->ref))
                continue;
            row->ref = exact;
            add_sched(row, before, s, ns);
            taken[at] = true;
        }
    }
    for (size_t i = 0; i < now->sched.n; i++) {
        const struct sched_process *s = &now->sched.items[i];

        if (taken[i] || !s->ended)
            continue;
        row = add_row(rows, &(struct process_ref){s->key.tgid, s->key.start_ns});
        if (!row)
            return -ENOMEM;
        add_sched(row, before, s, ns);
    }
    return 0;
}

static void compare_host(const struct top_sample *before, const struct top_sample *now,
                         struct top_rows *rows)
{
    static const struct sg_sched_host nothing = {};
    const struct sg_sched_host *was = before && before->has_sched ? &before->sched.host : &nothing;
    uint64_t delays[SG_SCHED_SLOTS];

    for (size_t i = 0; i < SG_SCHED_SLOTS; i++) {
        delays[i] = grown(was->delays[i], now->sched.host.delays[i]);
        rows->delays[i] = (uint32_t)MIN(delays[i], (uint64_t)UINT32_MAX);
    }
    rows->switches = each_second(grown(was->switches, now->sched.host.switches), rows->time_ns);
    top_delay_of(delays, grown(was->delay_ns, now->sched.host.delay_ns), &rows->delay);
}

int top_compare(const struct top_sample *before, const struct top_sample *now, enum top_sort sort,
                size_t max, struct top_rows *ret)
{
    _cleanup_(top_rows_done) struct top_rows rows = {};
    int r;

    if (before)
        rows.time_ns = now->time_ns > before->time_ns ? now->time_ns - before->time_ns : 0;
    r = collect(before, now, rows.time_ns, &rows);
    if (r < 0)
        return r;
    if (now->has_sched)
        compare_host(before, now, &rows);
    if (rows.n > 1)
        qsort_r(rows.items, rows.n, sizeof(*rows.items), by_weight, &sort);
    rows.all = rows.n;
    rows.n = MIN(rows.n, max);
    *ret = rows;
    rows = (struct top_rows){};
    return 0;
}
