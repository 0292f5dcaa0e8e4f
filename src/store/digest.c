// SPDX-License-Identifier: Apache-2.0
#include "store/digest.h"

#include <errno.h>
#include <zstd.h>

#include "base/alloc.h"

struct digester {
    struct cols_writer *cols;
    struct terms terms;
    struct store_str *texts; // of the record that is being read
    size_t n_texts, cap_texts;
    bool failed;
};

int digester_new(uint64_t seed, struct digester **ret_d)
{
    struct digester *t = new0(struct digester, 1);
    int r;

    if (!t)
        return -ENOMEM;
    t->terms.seed = seed;
    r = cols_writer_new(&t->cols);
    if (r < 0) {
        free(t);
        return r;
    }
    *ret_d = t;
    return 0;
}

struct digester *digester_free(struct digester *d)
{
    if (!d)
        return NULL;
    cols_writer_free(d->cols);
    terms_done(&d->terms);
    free(d->texts);
    free(d);
    return NULL;
}

void digest_reset(struct digest *d)
{
    if (d->x)
        extract_reset(d->x);
    sb_reset(&d->cols);
    sb_reset(&d->names);
    sb_reset(&d->terms);
    d->n_rows = d->n_unreadable = 0;
    d->n_runs = 0;
    d->error = 0;
}

void digest_done(struct digest *d)
{
    sb_done(&d->cols);
    sb_done(&d->names);
    sb_done(&d->terms);
    sb_done(&d->text_own);
    sb_done(&d->packed_own);
    extract_free(d->x);
    free(d->rows);
    free(d->ids);
    free(d->runs);
    *d = (struct digest){};
}

// ---- bytes of a block

int block_unpack(const void *packed, size_t len, struct strbuf *sb)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed, len);
    size_t got;
    char *room;

    if (size > DIGEST_RAW_MAX) // also when the frame does not tell
        return -EBADMSG;
    sb_reset(sb);
    room = sb_reserve(sb, (size_t)size + 1);
    if (!room)
        return -ENOMEM;
    got = ZSTD_decompress(room, (size_t)size, packed, len);
    if (ZSTD_isError(got) || got != size)
        return -EBADMSG;
    sb_written(sb, got);
    return 0;
}

static int get_text(struct digest *d)
{
    const struct record_block *b = d->block;
    int r;

    if (b->raw) {
        d->text = b->raw;
        return b->raw_len <= DIGEST_RAW_MAX ? 0 : -EBADMSG;
    }
    if (!b->packed)
        return -EBADMSG;
    r = block_unpack(b->packed, b->packed_len, &d->text_own);
    if (r == 0 && d->text_own.len != b->raw_len)
        r = -EBADMSG;
    d->text = sb_str(&d->text_own);
    return r;
}

// A block that came without its packed form; tests and imports have such.
static int get_packed(struct digest *d)
{
    const struct record_block *b = d->block;
    size_t bound, got;
    char *room;

    d->packed = b->packed;
    d->packed_len = b->packed_len;
    if (b->packed)
        return 0;
    sb_reset(&d->packed_own);
    bound = ZSTD_compressBound(b->raw_len);
    room = sb_reserve(&d->packed_own, bound);
    if (!room)
        return -ENOMEM;
    got = ZSTD_compress(room, bound, d->text, b->raw_len, 1);
    if (ZSTD_isError(got))
        return -ENOMEM;
    sb_written(&d->packed_own, got);
    d->packed = d->packed_own.s;
    d->packed_len = (uint32_t)got;
    return 0;
}

// ---- runs

static void keep_text(void *ctx, const char *s, size_t len)
{
    struct digester *t = ctx;

    if (!GREEDY(t->texts, t->cap_texts, t->n_texts + 1)) {
        t->failed = true;
        return;
    }
    t->texts[t->n_texts++] = (struct store_str){s, (uint32_t)len};
}

static void add_number_term(struct digester *t, char column, uint64_t value)
{
    char term[TERM_SIZE];

    term_number(term, column, value);
    terms_add(&t->terms, term, strlen(term));
}

static void add_text_term(struct digester *t, char column, const char *s, size_t len)
{
    char term[TERM_SIZE];

    term_text(term, column, s, len);
    terms_add(&t->terms, term, strlen(term));
}

static void add_dir_terms(struct digester *t, enum filter_text column, struct store_str s)
{
    char letter = term_dir_letter(column);
    size_t len;

    for (unsigned level = 1; letter && level <= TERM_DIRS; level++) {
        len = term_dir(s.s, s.len, level);
        if (len == 0)
            break;
        add_text_term(t, letter, s.s, len);
    }
}

static void add_value_terms(struct digester *t, const struct digest *d)
{
    add_text_term(t, TERM_HOST, d->batch->host, strlen(d->batch->host));
    add_number_term(t, TERM_STREAM, d->batch->class);
    for (uint32_t i = 0; i < cols_n_kinds(t->cols); i++) {
        const struct cols_kind *kind = cols_kind(t->cols, i);

        add_number_term(t, TERM_CLASS, kind->class_uid);
        add_number_term(t, TERM_ACTIVITY, kind->activity);
        add_number_term(t, TERM_SEVERITY,
                        MIN((unsigned)kind->severity, (unsigned)TERM_SEVERITY_MAX));
        add_number_term(t, TERM_OUTCOME, kind->outcome);
    }
    for (unsigned c = 0; c < FILTER_TEXTS; c++) {
        enum filter_text column = (enum filter_text)c;

        for (uint32_t i = 0; i < cols_n_names(t->cols, column); i++) {
            struct store_str s = cols_name(t->cols, column, i);

            if (s.len == 0)
                continue;
            add_text_term(t, term_letter(column), s.s, s.len);
            add_dir_terms(t, column, s);
        }
    }
    for (uint32_t i = 0; i < cols_n_marks(t->cols); i++) {
        enum store_mark mark;
        struct store_str s = cols_mark(t->cols, i, &mark);

        add_text_term(t, term_mark_letter(mark), s.s, s.len);
    }
}

static int end_run(struct digester *t, struct digest *d, uint32_t next)
{
    struct digest_run run = {.n = cols_count(t->cols),
                             .cols = d->cols.len,
                             .names = d->names.len,
                             .terms = d->terms.len};
    int r;

    if (run.n == 0)
        return 0;
    run.first = next - run.n;
    add_value_terms(t, d);
    sb_add(&d->terms, t->terms.text.s, t->terms.text.len);
    run.terms_len = d->terms.len - run.terms;
    if (t->terms.text.failed || d->terms.failed)
        return -ENOMEM;
    terms_reset(&t->terms);
    r = cols_finish(t->cols, &d->cols, &d->names, &run.time_min, &run.time_max);
    if (r < 0)
        return r;
    run.cols_len = d->cols.len - run.cols;
    run.names_len = d->names.len - run.names;
    if (!GREEDY(d->runs, d->runs_cap, d->n_runs + 1))
        return -ENOMEM;
    d->runs[d->n_runs++] = run;
    return 0;
}

static int add_to_run(struct digester *t, struct digest *d, uint32_t at,
                      const struct store_columns *c)
{
    uint64_t time_ms = MIN(c->time_ms, STORE_TIME_MAX);
    int r = 0;

    if (!cols_fits(t->cols, time_ms))
        r = end_run(t, d, at);
    if (r == 0)
        r = cols_add(t->cols, c, time_ms);
    for (size_t i = 0; i < t->n_texts; i++)
        terms_add_words(&t->terms, t->texts[i].s, t->texts[i].len);
    return t->failed ? -ENOMEM : r;
}

// ---- records

static int read_record(struct digester *t, struct digest *d, uint32_t at, const char *line,
                       size_t len)
{
    const struct record_batch *batch = d->batch;
    struct store_row *row = &d->rows[d->n_rows++];

    *row = (struct store_row){
        .id = "",
        .host = batch->host,
        .class = batch->class,
        .stream = batch->stream,
        .number = d->first_number + at,
        .received_ms = batch->received_ms,
        .line = line,
        .len = len,
    };
    t->n_texts = 0;
    extract_line(d->x, line, len, batch->received_ms, d->rows_only ? NULL : keep_text, t,
                 &row->columns);
    d->n_unreadable += row->columns.unreadable;
    return d->rows_only ? 0 : add_to_run(t, d, at, &row->columns);
}

static int read_records(struct digester *t, struct digest *d)
{
    const char *p = d->text, *end = p + d->block->raw_len;
    uint32_t n = d->block->n_records;
    int r;

    for (uint32_t at = 0; at < n; at++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        if (!newline || newline - p > (ptrdiff_t)RECORD_MAX)
            return -EBADMSG;
        if (at >= d->skip) {
            r = read_record(t, d, at, p, (size_t)(newline - p));
            if (r < 0)
                return r;
        }
        p = newline + 1;
    }
    if (p != end)
        return -EBADMSG;
    return end_run(t, d, n);
}

static void start_over(struct digester *t)
{
    struct strbuf nowhere = {}, neither = {};
    uint64_t time;

    if (cols_count(t->cols) > 0)
        (void)cols_finish(t->cols, &nowhere, &neither, &time, &time);
    sb_done(&nowhere);
    sb_done(&neither);
    terms_reset(&t->terms);
    t->failed = false;
}

void digest_read(struct digester *t, struct digest *d)
{
    size_t n = (size_t)d->block->n_records;

    digest_reset(d);
    if (!d->x && extract_new(&d->x) < 0) {
        d->error = -ENOMEM;
        return;
    }
    d->error = n <= d->block->raw_len && d->skip <= n ? get_text(d) : -EBADMSG;
    if (d->error == 0 && !d->rows_only)
        d->error = get_packed(d);
    if (d->error == 0 && !GREEDY(d->rows, d->rows_cap, n - d->skip + 1))
        d->error = -ENOMEM;
    if (d->error == 0)
        d->error = read_records(t, d);
    if (d->error < 0)
        start_over(t);
}
