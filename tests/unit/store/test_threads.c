// SPDX-License-Identifier: Apache-2.0
//
// One writer, several readers, and files that are removed meanwhile.
#include <pthread.h>
#include <stdatomic.h>

#include "tests/store/suite.h"

const char *const suite_scheme = "sqlite";

#define READERS 3
#define BATCHES 150
#define HOST    "host-0"

// cmocka's own assertions are for the thread of the test.
#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

struct shared {
    struct fixture f;
    atomic_bool done;
    atomic_uint_fast64_t acked;
    pthread_t threads[READERS];
    uint64_t lists;
};

struct page_rows {
    uint64_t last_ms, n;
    char id[STORE_ID_SIZE];
};

static int check_row(void *ctx, const struct store_row *row)
{
    struct page_rows *p = ctx;

    CHECK(p->n == 0 || row->columns.time_ms <= p->last_ms);
    p->last_ms = row->columns.time_ms;
    p->n++;
    (void)snprintf(p->id, sizeof(p->id), "%s", row->id);
    return 0;
}

static int ignore_point(void *ctx, const char *key, uint64_t from_ms,
                        const struct store_count *count)
{
    (void)key;
    (void)from_ms;
    *(uint64_t *)ctx += count->records;
    return 0;
}

static void *read_on(void *arg)
{
    struct shared *s = arg;
    struct store *st = s->f.st;

    while (!atomic_load(&s->done)) {
        struct page_rows rows = {};
        struct store_page page = {};
        struct store_chart chart;
        struct store_stats stats;
        struct stream_id id = stream_of(0);
        struct error err = {};
        uint64_t acked = atomic_load(&s->acked), now = 0, counted = 0;
        int r;

        CHECK(store_query(st, &(struct store_filter){.text = "hello"}, 100, NULL, true, check_row,
                          &rows, &page, &err) == 0);
        if (acked > 0)
            CHECK(rows.n > 0 || page.truncated);
        if (rows.n > 0) {
            r = store_get(st, rows.id, check_row, &(struct page_rows){}, &err);
            CHECK(r == 0 || r == -ENOENT);
        }
        CHECK(store_acked(st, HOST, &id, &now) == 0);
        CHECK(now >= acked);
        CHECK(store_rollup(st, &(struct store_filter){}, STORE_BY_USER, 60000, 10, ignore_point,
                           &counted, &chart, &err) == 0);
        CHECK(store_stats(st, &stats) == 0);
    }
    return NULL;
}

static void test_readers_beside_the_writer(void **state)
{
    struct shared *s = new0(struct shared, 1);
    struct store_stats stats;

    (void)state;
    fixture_begin(&s->f);
    store_close(s->f.st);
    s->f.options.file_bytes = 300000;
    s->f.options.scan_ms = 100;
    fixture_open(&s->f);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&s->threads[i], NULL, read_on, s), 0);
    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        _cleanup_(sb_done) struct strbuf text = {};
        struct store_appended a;

        for (uint64_t i = 0; i < 200; i++)
            sb_printf(
                &text,
                "{\"time\":%llu,\"actor\":{\"user\":{\"name\":\"u%llu\"}},\"message\":\"hello %llu\"}\n",
                (unsigned long long)(s->f.now_ms + batch * 200 + i - 100000),
                (unsigned long long)(i % 7), (unsigned long long)(batch * i));
        assert_int_equal(append_text(&s->f, HOST, 0, batch * 200 + 1, text.s, &a), 0);
        atomic_store(&s->acked, a.acked);
        if (batch % 10 == 9)
            assert_int_equal(store_retain(s->f.st, 700000, 0, NULL, &s->f.err), 0);
    }
    atomic_store(&s->done, true);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(s->threads[i], NULL), 0);
    assert_int_equal(store_stats(s->f.st, &stats), 0);
    assert_int_equal(stats.appended, BATCHES * 200);
    assert_int_equal(stats.records + stats.removed_records, BATCHES * 200);
    assert_true(stats.removed_files > 0);
    assert_int_equal(stats.corrupt_files, 0);
    fixture_end(&s->f);
    free(s);
}

UNIT_MAIN(cmocka_unit_test(test_readers_beside_the_writer))
