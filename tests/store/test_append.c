// SPDX-License-Identifier: Apache-2.0
//
// Batches in: each record once, gaps told, all or nothing, in the order of the numbers.
#include <zstd.h>

#include "tests/store/suite.h"

#define HOST "5f0c0c5e-0000-4000-8000-000000000001"

// All that is kept, oldest first; nothing where nothing is.
static unsigned count_all(struct fixture *f)
{
    struct lines l = {};
    struct store_page page;

    if (!(store_capabilities(f->st) & STORE_KEEPS))
        return 0;
    assert_int_equal(store_query(f->st, &(struct store_filter){}, 1000, NULL, false, collect_line,
                                 &l, &page, &f->err),
                     0);
    sb_done(&l.text);
    return l.n;
}

static void check_kept(struct fixture *f, unsigned n)
{
    if (store_capabilities(f->st) & STORE_KEEPS)
        assert_int_equal(count_all(f), n);
}

static uint64_t acked(struct fixture *f, unsigned stream)
{
    struct stream_id id = stream_of(stream);
    uint64_t seq = 42;

    assert_int_equal(store_acked(f->st, HOST, &id, &seq), 0);
    return seq;
}

void test_append_once(void **state)
{
    struct store_appended a = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(acked(&f, 0), 0);
    assert_int_equal(append_text(&f, HOST, 0, 1, "{\"time\":1}\n{\"time\":2}\n{\"time\":3}\n", &a),
                     0);
    assert_int_equal(a.acked, 3);
    assert_int_equal(a.n_stored, 3);
    assert_int_equal(a.n_duplicate + a.n_missing + a.n_unreadable, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_text(&f, HOST, 0, 1, "{\"time\":1}\n{\"time\":2}\n{\"time\":3}\n",
                                     &a),
                         0);
        assert_int_equal(a.acked, 3);
        assert_int_equal(a.n_stored, 0);
        assert_int_equal(a.n_duplicate, 3);
        if (store_capabilities(f.st) & STORE_DURABLE)
            fixture_reopen(&f);
    }
    check_kept(&f, 3);
    assert_int_equal(acked(&f, 0), 3);
    assert_int_equal(acked(&f, 1), 0);
    fixture_end(&f);
}

void test_append_overlap(void **state)
{
    struct store_appended a = {};
    struct lines l = {};
    struct store_page page;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_text(&f, HOST, 0, 1, "{\"time\":1}\n{\"time\":2}\n", &a), 0);
    // The host packed it anew: what is there is left out, wherever the block begins.
    assert_int_equal(append_text(&f, HOST, 0, 2, "{\"time\":2}\n{\"time\":3}\n{\"time\":4}\n", &a),
                     0);
    assert_int_equal(a.n_duplicate, 1);
    assert_int_equal(a.n_stored, 2);
    assert_int_equal(a.n_missing, 0);
    assert_int_equal(a.acked, 4);
    if (store_capabilities(f.st) & STORE_KEEPS) {
        assert_int_equal(store_query(f.st, &(struct store_filter){}, 10, NULL, false, collect_line,
                                     &l, &page, &f.err),
                         0);
        assert_string_equal(l.text.s, "{\"time\":1}\n{\"time\":2}\n{\"time\":3}\n{\"time\":4}\n");
        assert_false(page.more);
    }
    sb_done(&l.text);
    fixture_end(&f);
}

void test_append_gap(void **state)
{
    struct store_appended a = {};
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_text(&f, HOST, 0, 5, "{\"time\":1}\n", &a), 0);
    assert_int_equal(a.n_missing, 4);
    assert_int_equal(append_text(&f, HOST, 0, 10, "{\"time\":1}\n", &a), 0);
    assert_int_equal(a.n_missing, 4);
    assert_int_equal(a.acked, 10);
    // Numbers that were passed over do not come back: what has them is a duplicate.
    assert_int_equal(append_text(&f, HOST, 0, 6, "{\"time\":1}\n", &a), 0);
    assert_int_equal(a.n_stored, 0);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.missing, 8);
    assert_int_equal(stats.appended, 2);
    assert_int_equal(stats.duplicates, 1);
    fixture_end(&f);
}

void test_append_many(void **state)
{
    struct one_batch b[4];
    const struct record_batch *list[] = {&b[0].batch, &b[1].batch, &b[2].batch, &b[3].batch};
    struct store_appended a[4];
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    batch_of(&b[0], HOST, 0, 1, "{\"time\":1}\n{\"time\":2}\n");
    batch_of(&b[1], HOST, 0, 2,
             "{\"time\":2}\n{\"time\":3}\n"); // overlaps the one before, in the same commit
    batch_of(&b[2], HOST, 1, 1, "{\"time\":9}\n");
    batch_of(&b[3], "other", 0, 7, "{\"time\":8}\n");
    assert_int_equal(store_append_many(f.st, list, 4, a, &f.err), 0);
    assert_int_equal(a[0].n_stored, 2);
    assert_int_equal(a[1].n_stored, 1);
    assert_int_equal(a[1].n_duplicate, 1);
    assert_int_equal(a[1].acked, 3);
    assert_int_equal(a[2].acked, 1);
    assert_int_equal(a[3].n_missing, 6);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.commits, 1);
    check_kept(&f, 5);
    assert_int_equal(store_append_many(f.st, list, 0, a, &f.err), 0);
    fixture_end(&f);
}

void test_append_bad(void **state)
{
    struct store_appended a;
    struct one_batch b;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
#define REFUSED(change)                                                      \
    do {                                                                     \
        batch_of(&b, HOST, 0, 1, "{\"time\":1}\n{\"time\":2}\n");            \
        change;                                                              \
        assert_int_equal(store_append(f.st, &b.batch, &a, &f.err), -EINVAL); \
        assert_true(f.err.what[0] != '\0');                                  \
    } while (0)
    REFUSED(b.batch.host = "");
    REFUSED(b.batch.host = NULL);
    REFUSED(b.batch.host = "a b");
    REFUSED(
        b.batch.host = "0123456789012345678901234567890123456789012345678901234567890123456789");
    REFUSED(b.batch.first_seq = 0);
    REFUSED(b.batch.first_seq = UINT64_MAX - 1);
    REFUSED(b.batch.first_seq = STREAM_NUMBER_MAX - 1);
    REFUSED(b.batch.n_records = 3);
    REFUSED(b.batch.class = STREAM_CLASSES);
    REFUSED(memset(&b.batch.stream, 0, sizeof(b.batch.stream)));
    // What only shows when it is read.
    REFUSED(b.block.n_records = b.batch.n_records = 3);
    REFUSED(b.block.n_records = b.batch.n_records = 1);
    REFUSED(b.block.raw_len--);
    REFUSED((b.block.raw = NULL, b.block.packed = "no zstd", b.block.packed_len = 7));
    REFUSED((b.block.raw = NULL, b.block.packed = NULL));
    REFUSED(b.block.n_records = b.batch.n_records = UINT32_MAX);
    check_kept(&f, 0);
    assert_int_equal(acked(&f, 0), 0);
    assert_int_equal(append_text(&f, HOST, 0, 1, "{\"time\":1}\n", &a), 0);
    check_kept(&f, 1);
    fixture_end(&f);
}

void test_append_all_or_nothing(void **state)
{
    struct one_batch good, bad;
    const struct record_batch *list[] = {&good.batch, &bad.batch};
    struct store_appended a[2];
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    batch_of(&good, HOST, 0, 1, "{\"time\":1}\n");
    batch_of(&bad, HOST, 1, 1, "{\"time\":1}\n{\"time\":1}\n");
    bad.block.n_records = bad.batch.n_records = 3;
    assert_int_equal(store_append_many(f.st, list, 2, a, &f.err), -EINVAL);
    assert_int_equal(acked(&f, 0), 0);
    check_kept(&f, 0);
    assert_int_equal(store_append(f.st, &good.batch, a, &f.err), 0);
    assert_int_equal(a[0].n_stored, 1);
    check_kept(&f, 1);
    fixture_end(&f);
}

void test_append_packed_only(void **state)
{
    static const char text[] = "{\"time\":1,\"message\":\"packed\"}\n";
    struct store_appended a;
    struct one_batch b;
    struct fixture f;
    char packed[256];

    (void)state;
    fixture_begin(&f);
    batch_of(&b, HOST, 0, 1, text);
    b.block.packed_len = (uint32_t)ZSTD_compress(packed, sizeof(packed), text, strlen(text), 1);
    b.block.packed = packed;
    b.block.raw = NULL;
    assert_int_equal(store_append(f.st, &b.batch, &a, &f.err), 0);
    assert_int_equal(a.n_stored, 1);
    check_kept(&f, 1);
    // A bomb: the frame says how large it is, and that is looked at first.
    b.batch.first_seq = 2;
    b.block.raw_len = 1u << 30;
    assert_int_equal(store_append(f.st, &b.batch, &a, &f.err), -EINVAL);
    fixture_end(&f);
}

struct followed {
    uint64_t numbers[64];
    unsigned n;
    struct fixture *f;
};

static int same_number(void *ctx, const struct store_row *row)
{
    assert_int_equal(row->number, *(const uint64_t *)ctx);
    return 0;
}

static void follow(void *ctx, const struct store_row *rows, size_t n)
{
    struct followed *w = ctx;
    uint64_t seq = 0;

    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rows[i].host, HOST);
        assert_int_equal(rows[i].columns.time_ms, rows[i].number * 10);
        assert_int_equal(rows[i].columns.user.len, 3);
        assert_memory_equal(rows[i].columns.user.s, "ann", 3);
        w->numbers[w->n++] = rows[i].number;
        // It can be asked for by the id that it comes with.
        if (store_capabilities(w->f->st) & STORE_KEEPS)
            assert_int_equal(store_get(w->f->st, rows[i].id, same_number,
                                       (uint64_t[]){rows[i].number}, &w->f->err),
                             0);
        else
            assert_string_equal(rows[i].id, "");
        // It is durable, and known to be.
        assert_int_equal(store_acked(w->f->st, HOST, &rows[i].stream, &seq), 0);
        assert_true(seq >= rows[i].number);
    }
}

#define LINE(time) "{\"time\":" #time ",\"actor\":{\"user\":{\"name\":\"ann\"}}}\n"

void test_append_follow(void **state)
{
    struct store_filter mine = {.user = "ann"}, text = {.text = "ann"}, other = {.user = "bob"};
    struct store_filter both = {.classes = (const uint32_t[]){0, 1001}, .n_classes = 2},
                        neither = {.classes = (const uint32_t[]){1, 2}, .n_classes = 2};
    struct followed w = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    w.f = &f;
    store_follow(f.st, follow, &w);
    assert_int_equal(append_text(&f, HOST, 0, 1, LINE(10) LINE(20), NULL), 0);
    assert_int_equal(append_text(&f, HOST, 0, 1, LINE(10) LINE(20), NULL), 0);
    assert_int_equal(append_text(&f, HOST, 0, 2, LINE(20) LINE(30), NULL), 0);
    assert_int_equal(w.n, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(w.numbers[i], i + 1);
    store_follow(f.st, NULL, NULL);
    assert_int_equal(append_text(&f, HOST, 0, 4, LINE(40), NULL), 0);
    assert_int_equal(w.n, 3);

    // A live view has the same filters as a list.
    struct store_row row = {.id = "", .host = HOST, .line = LINE(50), .len = strlen(LINE(50)) - 1};
    struct store_filter *const filters[] = {&mine, &text, &other, &both, &neither};
    struct extract *x = NULL;

    assert_int_equal(extract_new(&x), 0);
    extract_line(x, row.line, row.len, 1, NULL, NULL, &row.columns);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        struct store_matcher *m = NULL;

        assert_int_equal(store_matcher_new(filters[i], &m, &f.err), 0);
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(store_matcher_matches(m, &row), i != 2 && i != 4);
        store_matcher_free(m);
    }
    extract_free(x);
    fixture_end(&f);
}

static int note_stream(void *ctx, const struct store_stream *s)
{
    uint64_t *acked = ctx;

    assert_string_equal(s->host, HOST);
    acked[s->stream.b[2]] = s->acked * 100 + s->missing;
    assert_int_equal(s->class, s->stream.b[2] % 2 ? STREAM_AUDIT : STREAM_SECURITY);
    return 0;
}

void test_append_streams(void **state)
{
    uint64_t found[4] = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_text(&f, HOST, 1, 1, "{}\n{}\n", NULL), 0);
    assert_int_equal(append_text(&f, HOST, 2, 4, "{}\n", NULL), 0);
    if (store_capabilities(f.st) & STORE_DURABLE)
        fixture_reopen(&f);
    assert_int_equal(store_streams(f.st, note_stream, found, &f.err), 0);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 200);
    assert_int_equal(found[2], 403);
    fixture_end(&f);
}

void test_append_across_days(void **state)
{
    struct store_appended a = {};
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t day = 0; day < 5; day++) {
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(append_text(&f, HOST, 0, 1 + day * 2, "{\"time\":1}\n{\"time\":2}\n",
                                         &a),
                             0);
            assert_int_equal(a.n_stored, twice ? 0 : 2);
            assert_int_equal(a.n_missing, 0);
            f.now_ms += 16 * UINT64_C(3600000); // the second one may come on another day
            if (store_capabilities(f.st) & STORE_DURABLE)
                fixture_reopen(&f);
        }
    }
    check_kept(&f, 10);
    assert_int_equal(store_stats(f.st, &stats), 0);
    if (store_capabilities(f.st) & STORE_KEEPS) {
        assert_int_equal(stats.records, 10);
        assert_int_equal(stats.files, 5);
    }
    // The server's clock was set back: no matter.
    f.now_ms -= 40 * UINT64_C(86400000);
    assert_int_equal(append_text(&f, HOST, 0, 11, "{\"time\":3}\n", &a), 0);
    assert_int_equal(a.n_stored, 1);
    check_kept(&f, 11);
    fixture_end(&f);
}

void test_append_unreadable(void **state)
{
    static const char text[] =
        "this is no JSON\n[1,2]\n\n{\"time\":5,\"actor\":7}\n{\"time\":\"x\"}\n{\"time\":1,\"time\":2}\n{\"time\":5}x\n\xff\xfe\n";
    struct store_filter word = {.text = "json"};
    struct store_appended a = {};
    struct lines l = {};
    struct store_page page;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_text(&f, HOST, 0, 1, text, &a), 0);
    assert_int_equal(a.n_stored, 8);
    assert_int_equal(a.n_unreadable, 5);
    check_kept(&f, 8);
    if (store_capabilities(f.st) & STORE_TEXT) {
        assert_int_equal(store_query(f.st, &word, 10, NULL, true, collect_line, &l, &page, &f.err),
                         0);
        assert_string_equal(l.text.s, "this is no JSON\n");
    }
    sb_done(&l.text);
    fixture_end(&f);
}

// What a backend does not have is refused, and says so.
void test_refused(void **state)
{
    struct store_chart chart;
    struct store_page page;
    struct fixture f;
    uint32_t n;

    (void)state;
    fixture_begin(&f);
    if (!(store_capabilities(f.st) & STORE_KEEPS)) {
        struct stream_id id = stream_of(1);

        assert_int_equal(store_query(f.st, &(struct store_filter){}, 1, NULL, true, collect_line,
                                     NULL, &page, &f.err),
                         -EOPNOTSUPP);
        assert_int_equal(store_get(f.st, "20250101-001.1.1", collect_line, NULL, &f.err),
                         -EOPNOTSUPP);
        assert_int_equal(store_since(f.st, HOST, &id, 0, 1, collect_line, NULL, &n, &f.err),
                         -EOPNOTSUPP);
        assert_non_null(strstr(f.err.what, suite_scheme));
    }
    if (!(store_capabilities(f.st) & STORE_CHARTS)) {
        assert_int_equal(store_rollup(f.st, &(struct store_filter){}, STORE_BY_HOST, 1, 1, NULL,
                                      NULL, &chart, &f.err),
                         -EOPNOTSUPP);
        assert_int_equal(store_top(f.st, &(struct store_filter){}, STORE_BY_HOST, 1, NULL, NULL,
                                   &chart, &f.err),
                         -EOPNOTSUPP);
        assert_int_equal(store_timeline(f.st, &(struct store_filter){}, 1, NULL, NULL, &chart,
                                        &f.err),
                         -EOPNOTSUPP);
    }
    if (!(store_capabilities(f.st) & STORE_RETAINS))
        assert_int_equal(store_retain(f.st, 1, 1, NULL, &f.err), -EOPNOTSUPP);
    fixture_end(&f);
}
