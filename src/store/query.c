// SPDX-License-Identifier: Apache-2.0
//
// Lists of records: the nearest `limit` of all that pass, by time. Runs come in the order of the ends of their times and overlap; a
// record is certain to be next when no run that is still to come can have a nearer one.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/fetch.h"
#include "store/recordid.h"

#define PAGE_BYTES (8u << 20)

// The place of a record in the order of all.
struct key {
    uint64_t time_ms;
    struct record_id id;
};

struct hit {
    struct key key;
    struct scan_day *day;
    const struct scan_stream *stream;
    int64_t block;
    uint32_t at; // record of the block
    uint64_t number, received_ms;
    char *line;
    size_t len;
};

struct query {
    struct scan scan;
    struct fetch fetch;
    struct extract *x;
    bool newest_first;
    bool after; // only what comes behind `key`
    struct key key;
    struct hit *hits; // a heap: what would leave next is the first
    size_t n, max;
    uint64_t scanned;
};

// ---- order

static int compare_keys(const struct key *a, const struct key *b)
{
    int names;

    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    names = strcmp(a->id.day, b->id.day);
    if (names)
        return names;
    if (a->id.run != b->id.run)
        return a->id.run < b->id.run ? -1 : 1;
    return (a->id.record > b->id.record) - (a->id.record < b->id.record);
}

// Whether a comes before b.
static bool before(const struct query *q, const struct key *a, const struct key *b)
{
    return q->newest_first ? compare_keys(a, b) > 0 : compare_keys(a, b) < 0;
}

static void swap(struct hit *a, struct hit *b)
{
    struct hit c = *a;

    *a = *b;
    *b = c;
}

static void sift_down(struct query *q, size_t at, size_t n)
{
    for (;;) {
        size_t last = at, left = 2 * at + 1;

        for (size_t child = left; child < n && child <= left + 1; child++)
            if (before(q, &q->hits[last].key, &q->hits[child].key))
                last = child;
        if (last == at)
            return;
        swap(&q->hits[at], &q->hits[last]);
        at = last;
    }
}

static void sift_up(struct query *q, size_t at)
{
    while (at > 0 && before(q, &q->hits[(at - 1) / 2].key, &q->hits[at].key)) {
        swap(&q->hits[at], &q->hits[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void keep_hit(struct query *q, const struct hit *hit)
{
    if (q->n < q->max) {
        q->hits[q->n] = *hit;
        sift_up(q, q->n++);
    } else {
        q->hits[0] = *hit;
        sift_down(q, 0, q->n);
    }
}

static void sort_hits(struct query *q)
{
    for (size_t n = q->n; n > 1; n--) {
        swap(&q->hits[0], &q->hits[n - 1]);
        sift_down(q, 0, n - 1);
    }
}

// ---- cursors: "nk.TIME.DAY.RUN.RECORD" behind a record, "nb.TIME" from a time on; n or o: newest or oldest first

static void narrow(const struct query *q, uint64_t time_ms, uint64_t after, uint64_t *from_ms,
                   uint64_t *to_ms)
{
    if (!q->newest_first)
        *from_ms = MAX(*from_ms, time_ms);
    else
        *to_ms = *to_ms ? MIN(*to_ms, time_ms + after) : time_ms + after;
}

static int read_cursor(struct query *q, const char *cursor, uint64_t *from_ms, uint64_t *to_ms,
                       struct error *err)
{
    char order = q->newest_first ? 'n' : 'o', kind;
    const char *p = cursor;
    struct record_id id;
    uint64_t time_ms;

    if (!*p)
        return 0;
    if (*p++ == order && (kind = *p++) && *p++ == '.' && hex_read(&p, 12, &time_ms)) {
        if (kind == 'b' && !*p) {
            narrow(q, time_ms, 0, from_ms, to_ms);
            return 0;
        }
        if (kind == 'k' && *p++ == '.' && record_id_read(&p, &id) && !*p) {
            q->key = (struct key){time_ms, id};
            q->after = true;
            narrow(q, time_ms, 1, from_ms, to_ms);
            return 0;
        }
    }
    (void)error_set(err, -EINVAL, "cursor: that is none of this list");
    error_cure(err, "begin again without a cursor");
    return -EINVAL;
}

static void write_cursor(const struct query *q, const struct key *k, uint64_t bound,
                         char ret[STORE_CURSOR_SIZE])
{
    char order = q->newest_first ? 'n' : 'o', id[STORE_ID_SIZE];

    if (k) {
        record_id_format(&k->id, id);
        (void)snprintf(ret, STORE_CURSOR_SIZE, "%ck.%" PRIx64 ".%s", order, k->time_ms, id);
    } else {
        (void)snprintf(ret, STORE_CURSOR_SIZE, "%cb.%" PRIx64, order, bound);
    }
}

// ---- what passes

// Words are in the record itself. 1, 0, negative errno.
static int line_passes(struct query *q, const struct scan_run *run, const struct hit *hit,
                       struct error *err)
{
    const char *line;
    size_t len;
    int r;

    if (!filter_asks_line(q->scan.filter, run->cols.marked))
        return 1;
    r = fetch_line(&q->fetch, hit->day, hit->day->db, hit->block, hit->at, &line, &len, err);
    if (r < 0)
        return r;
    return filter_line_matches(q->scan.filter, q->x, line, len);
}

static int look_at_run(struct query *q, const struct scan_run *run, struct error *err)
{
    struct hit hit = {.day = run->day,
                      .stream = run->stream,
                      .block = run->block,
                      .received_ms = run->received_ms};
    int r;

    memcpy(hit.key.id.day, run->day->view->day->name, DAY_NAME_SIZE);
    hit.key.id.run = run->id;
    q->scanned += run->n;
    if (!scan_match_begin(&q->scan, run))
        return 0;
    for (uint32_t i = 0; i < run->n; i++) {
        if (!scan_match(&q->scan, run, i))
            continue;
        hit.key.time_ms = cols_time(&run->cols, i);
        hit.key.id.record = i;
        if ((q->after && !before(q, &q->key, &hit.key)) ||
            (q->n == q->max && !before(q, &hit.key, &q->hits[0].key)))
            continue;
        hit.at = run->first + i;
        hit.number = run->number + i;
        r = line_passes(q, run, &hit, err);
        if (r < 0)
            return r;
        if (r > 0)
            keep_hit(q, &hit);
    }
    return 0;
}

// True when nothing that is still to come belongs to the page.
static bool complete(const struct query *q, uint64_t bound)
{
    if (q->n < q->max)
        return false;
    return q->newest_first ? q->hits[0].key.time_ms >= bound : q->hits[0].key.time_ms < bound;
}

// Hits of a file that was set aside meanwhile have no line any more.
static void drop_hits_of(struct query *q, const struct scan_day *day)
{
    size_t n = 0;

    for (size_t i = 0; i < q->n; i++)
        if (q->hits[i].day != day)
            q->hits[n++] = q->hits[i];
    q->n = n;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(q, i, n);
}

static int collect(struct query *q, bool *ret_truncated, uint64_t *ret_bound, struct error *err)
{
    struct scan *s = &q->scan;
    struct scan_run run;
    uint64_t bound;
    int r;

    while ((r = scan_bound(s, &bound, err)) > 0 && !complete(q, bound)) {
        // Each page gets on by some time, however little the clock lets it do.
        if (scan_late(s) && (q->newest_first ? bound < s->to_ms : bound > s->from_ms)) {
            *ret_truncated = true;
            *ret_bound = bound;
            return 0;
        }
        r = scan_next(s, &run, err);
        if (r <= 0)
            break;
        r = look_at_run(q, &run, err);
        if (r < 0) {
            r = scan_failed(s, run.day, r, err);
            drop_hits_of(q, run.day);
        }
        if (r < 0)
            return r;
    }
    return MIN(r, 0);
}

// ---- handing out

static int copy_line(struct query *q, struct hit *hit, struct error *err)
{
    const char *line;
    size_t len;
    int r;

    if (!hit->day->db && (r = day_reader(q->scan.st, hit->day->view->day, &hit->day->db, err)) < 0)
        return r;
    r = fetch_line(&q->fetch, hit->day, hit->day->db, hit->block, hit->at, &line, &len, err);
    if (r < 0)
        return r;
    hit->line = memdup(line, len);
    hit->len = len;
    return hit->line ? 0 : -ENOMEM;
}

// Copies lines, so that files and locks can be given back; fewer than n when they are long.
static int copy_lines(struct query *q, size_t *n, struct error *err)
{
    size_t bytes = 0, kept = 0;
    int r;

    for (size_t i = 0; i < *n && (bytes < PAGE_BYTES || kept == 0); i++) {
        struct hit *hit = &q->hits[i];

        r = copy_line(q, hit, err);
        if (r == -EUCLEAN || r == -EBADMSG) {
            r = scan_failed(&q->scan, hit->day, r, err);
            if (r < 0)
                return r;
            continue;
        }
        if (r < 0)
            return error_is_set(err) ? r : error_set(err, r, "no memory for a query");
        bytes += hit->len;
        q->hits[kept++] = *hit;
        if (kept - 1 != i)
            hit->line = NULL;
    }
    *n = kept;
    return 0;
}

static int hand_out(struct query *q, size_t n, store_row_fn fn, void *ctx, uint32_t *ret_n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct hit *h = &q->hits[i];
        char id[STORE_ID_SIZE];
        struct store_row row = {.id = id,
                                .host = h->stream->host,
                                .class = h->stream->class,
                                .stream = h->stream->id,
                                .number = h->number,
                                .received_ms = h->received_ms,
                                .line = h->line,
                                .len = h->len};

        record_id_format(&h->key.id, id);
        extract_reset(q->x);
        extract_line(q->x, h->line, h->len, h->received_ms, NULL, NULL, &row.columns);
        if (!filter_texts_match(q->scan.filter, &row.columns) ||
            !filter_marks_match(q->scan.filter, &row.columns))
            continue;
        ++*ret_n;
        r = fn(ctx, &row);
    }
    return r;
}

static void query_done(struct query *q)
{
    for (size_t i = 0; q->hits && i < q->n; i++)
        free(q->hits[i].line);
    free(q->hits);
    fetch_done(&q->fetch);
    extract_free(q->x);
    scan_close(&q->scan);
}

static void drop_uncertain(struct query *q, uint64_t bound)
{
    while (q->n > 0 && (q->newest_first ? q->hits[q->n - 1].key.time_ms < bound
                                        : q->hits[q->n - 1].key.time_ms >= bound))
        q->n--;
}

static int run_query(struct query *q, uint32_t limit, store_row_fn fn, void *ctx,
                     struct store_page *page, struct error *err)
{
    bool truncated = false;
    uint64_t bound = 0;
    size_t n, all;
    int r = collect(q, &truncated, &bound, err);

    if (r < 0)
        return r;
    sort_hits(q);
    if (truncated)
        drop_uncertain(q, bound);
    n = all = MIN(q->n, (size_t)limit);
    r = copy_lines(q, &n, err);
    if (r < 0)
        return r;
    scan_release(&q->scan);
    page->scanned = q->scanned;
    if (n > 0 && (q->n > limit || n < all)) {
        page->more = true;
        write_cursor(q, &q->hits[n - 1].key, 0, page->cursor);
    } else if (truncated) {
        page->more = page->truncated = true;
        page->until_ms = bound;
        write_cursor(q, NULL, bound, page->cursor);
    }
    return hand_out(q, n, fn, ctx, &page->n);
}

int sqlite_query(struct store *base, const struct filter *filter, uint32_t limit,
                 const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                 struct store_page *ret_page, struct error *err)
{
    struct query *q = new0(struct query, 1);
    uint64_t from_ms = filter->f.from_ms, to_ms = filter->f.to_ms;
    struct store_page page = {};
    int r;

    if (!q)
        return error_set(err, -ENOMEM, "no memory for a query");
    q->newest_first = newest_first;
    q->max = (size_t)limit + 1; // one more tells that there are more
    r = read_cursor(q, cursor, &from_ms, &to_ms, err);
    if (r == 0 && (extract_new(&q->x) < 0 || !(q->hits = new0(struct hit, q->max))))
        r = error_set(err, -ENOMEM, "no memory for a query");
    if (r == 0)
        r = scan_open(&q->scan, sqlite_of(base), filter, newest_first, from_ms, to_ms, err);
    if (r == 0)
        r = run_query(q, limit, fn, ctx, &page, err);
    if (r == 0)
        *ret_page = page;
    query_done(q);
    free(q);
    return r;
}
