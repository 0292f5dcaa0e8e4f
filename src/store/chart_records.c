// SPDX-License-Identifier: Apache-2.0
//
// Counts record by record, from the columns of runs: for filters that no roll-up table answers.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/chart.h"
#include "store/fetch.h"

struct counting {
    struct chart *c;
    struct scan scan;
    struct fetch fetch;
    struct extract *x;
    struct series *of[COLS_RECORDS_MAX]; // by entry of the dictionary; NULL: not looked up yet
};

static int line_passes(struct counting *k, const struct scan_run *run, uint32_t at)
{
    const char *line;
    size_t len;
    int r;

    if (!filter_asks_line(k->scan.filter, run->cols.marked))
        return 1;
    r = fetch_line(&k->fetch, run->day, run->day->db, run->block, run->first + at, &line, &len,
                   k->c->err);
    if (r < 0)
        return r;
    return filter_line_matches(k->scan.filter, k->x, line, len);
}

static struct series *by_number(struct chart *c, uint32_t number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", number);
    return series_get(&c->series, text, strlen(text));
}

static unsigned column_of(enum store_dim by)
{
    switch (by) {
    case STORE_BY_RULE: return FILTER_RULE;
    case STORE_BY_POLICY: return FILTER_POLICY;
    case STORE_BY_USER: return FILTER_USER;
    case STORE_BY_PROGRAM: return FILTER_PROGRAM;
    case STORE_BY_PATH: return FILTER_PATH;
    case STORE_BY_NONE:
    case STORE_BY_HOST:
    case STORE_BY_OUTCOME:
    case STORE_BY_SEVERITY:
    case STORE_BY_CLASS:
    case STORE_DIM_COUNT:
    default: return COLS_STRINGS;
    }
}

// The series of an entry of the dictionary that `by` is about.
static struct series *series_of(struct counting *k, const struct scan_run *run, unsigned column,
                                uint32_t entry)
{
    struct chart *c = k->c;
    const struct cols_names *names;
    struct cols_kind kind;
    struct store_str s;

    if (column < COLS_STRINGS) {
        names = scan_names(&k->scan, run);
        if (!names)
            return &c->series.other;
        s = cols_names_at(names, (enum filter_text)column, entry);
        return series_get(&c->series, s.s, s.len);
    }
    kind = cols_kind_at(&run->cols, entry);
    switch (c->by) {
    case STORE_BY_HOST: return series_get(&c->series, run->stream->host, strlen(run->stream->host));
    case STORE_BY_CLASS: return by_number(c, kind.class_uid);
    case STORE_BY_SEVERITY: return by_number(c, kind.severity);
    case STORE_BY_OUTCOME: {
        const char *name = store_outcome_name((enum store_outcome)kind.outcome);

        return series_get(&c->series, name, strlen(name));
    }
    case STORE_BY_NONE:
    case STORE_BY_RULE:
    case STORE_BY_POLICY:
    case STORE_BY_USER:
    case STORE_BY_PROGRAM:
    case STORE_BY_PATH:
    case STORE_DIM_COUNT:
    default: return series_get(&c->series, "total", 5);
    }
}

static int count_run(struct counting *k, const struct scan_run *run)
{
    unsigned column = column_of(k->c->by);
    uint32_t n = column < COLS_STRINGS ? run->cols.strings[column].n : run->cols.n_kinds;
    int r;

    if (!scan_match_begin(&k->scan, run))
        return 0;
    memset(k->of, 0, n * sizeof(struct series *));
    for (uint32_t i = 0; i < run->n; i++) {
        uint32_t entry = cols_index(&run->cols, column, i);

        if (!scan_match(&k->scan, run, i))
            continue;
        r = line_passes(k, run, i);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (!k->of[entry] && !(k->of[entry] = series_of(k, run, column, entry)))
            return -ENOMEM;
        series_add(&k->c->series, k->of[entry], cols_time(&run->cols, i), 1,
                   cols_count_of(&run->cols, i));
    }
    return 0;
}

static int count_all(struct counting *k)
{
    struct chart *c = k->c;
    struct scan_run run;
    uint64_t bound;
    int r;

    while ((r = scan_bound(&k->scan, &bound, c->err)) > 0) {
        if (scan_late(&k->scan)) {
            c->out.truncated = true;
            c->out.until_ms = bound;
            return 0;
        }
        r = scan_next(&k->scan, &run, c->err);
        if (r <= 0)
            break;
        r = count_run(k, &run);
        if (r < 0)
            r = scan_failed(&k->scan, run.day, r, c->err);
        if (r < 0)
            break;
    }
    return MIN(r, 0);
}

int chart_add_records(struct chart *c, uint64_t from_ms, uint64_t to_ms)
{
    struct counting *k = new0(struct counting, 1);
    int r;

    if (!k || extract_new(&k->x) < 0) {
        free(k);
        return error_set(c->err, -ENOMEM, "no memory for a chart");
    }
    k->c = c;
    r = scan_open(&k->scan, c->st, c->filter, true, from_ms, to_ms, c->err);
    if (r == 0)
        r = count_all(k);
    if (r < 0 && !error_is_set(c->err))
        (void)error_set(c->err, r, "cannot count: %m");
    scan_close(&k->scan);
    fetch_done(&k->fetch);
    extract_free(k->x);
    free(k);
    return r;
}
