// SPDX-License-Identifier: Apache-2.0
//
// The files of the SQLite backend: begun, removed, damaged, in use, and how long their WAL gets.
#include <sys/stat.h>
#include <unistd.h>

#include "db/db.h"
#include "store/sqlite.h"
#include "tests/store/suite.h"

const char *const suite_scheme = "sqlite";

#define DAY_MS UINT64_C(86400000)
#define HOST   "host-0"

static void fill(struct fixture *f, uint64_t first, unsigned n)
{
    _cleanup_(sb_done) struct strbuf text = {};

    for (uint64_t i = first; i < first + n; i++)
        sb_printf(&text,
                  "{\"time\":%llu,\"message\":\"record %llu\",\"file\":{\"path\":\"/etc/%llu\"}}\n",
                  (unsigned long long)(f->now_ms + i), (unsigned long long)i,
                  (unsigned long long)(i * 7919 % 1000));
    assert_int_equal(append_text(f, HOST, 0, first, text.s, NULL), 0);
}

static unsigned count(struct fixture *f)
{
    struct store_page page = {};
    struct lines l = {};

    do {
        char cursor[STORE_CURSOR_SIZE];

        (void)snprintf(cursor, sizeof(cursor), "%s", page.cursor);
        assert_int_equal(store_query(f->st, &(struct store_filter){}, 1000, cursor, true,
                                     collect_line, &l, &page, &f->err),
                         0);
    } while (page.more);
    sb_done(&l.text);
    return l.n;
}

static void name_of(struct fixture *f, const char *name, char path[4096])
{
    assert_true(snprintf(path, 4096, "%s/records/%s", f->dir, name) < 4096);
}

static bool is_there(struct fixture *f, const char *name)
{
    char path[4096];

    name_of(f, name, path);
    return access(path, F_OK) == 0;
}

static void damage(struct fixture *f, const char *name, off_t from, off_t to)
{
    char path[4096], junk[512];
    int fd;

    memset(junk, 0xa5, sizeof(junk));
    name_of(f, name, path);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = from; at < to; at += (off_t)sizeof(junk))
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
    (void)close(fd);
}

// What a file of the time before marks looks like: neither its columns nor its index have any.
static void unmark(struct fixture *f, const char *name)
{
    struct db_stmt *q = NULL;
    struct error err = {};
    struct db *db = NULL;
    char path[4096];

    name_of(f, name, path);
    assert_int_equal(db_open(path, &(struct db_options){.application = DAY_APPLICATION}, &db, &err),
                     0);
    assert_int_equal(db_query(db, "SELECT id, cols, n, time_min FROM runs", &q, &err), 0);
    while (db_step(q, &err) > 0) {
        size_t len = 0;
        const uint8_t *mem = db_col_blob(q, 1, &len);
        uint8_t copy[4096];
        struct cols c;

        assert_int_equal(cols_parse(mem, len, (uint32_t)db_col_u64(q, 2), db_col_u64(q, 3), &c), 0);
        assert_true(c.marked && len <= sizeof(copy));
        len = (size_t)(c.marks - 2 - mem);
        memcpy(copy, mem, len);
        copy[0] = 1;
        assert_int_equal(db_do(db, &err, "UPDATE runs SET cols = ?2 WHERE id = ?1", "ub",
                               db_col_u64(q, 0), copy, len),
                         0);
    }
    db_done(q);
    assert_int_equal(db_exec(db,
                             "INSERT INTO words (words) VALUES ('delete-all');"
                             "ALTER TABLE bounds DROP COLUMN marked; PRAGMA user_version = 1",
                             &err),
                     0);
    db_close(db);
}

static void add_processes(struct fixture *f, uint64_t first, unsigned n)
{
    _cleanup_(sb_done) struct strbuf text = {};

    for (uint64_t i = first; i < first + n; i++)
        sb_printf(
            &text,
            "{\"time\":%llu,\"class_uid\":1007,\"launch_type_id\":3,\"process\":{\"uid\":\"b:%llu:1\",\"cmd_line\":\"run %llu\"}}\n",
            (unsigned long long)(f->now_ms + i), (unsigned long long)(i % 10),
            (unsigned long long)i);
    assert_int_equal(append_text(f, HOST, 0, first, text.s, NULL), 0);
}

static int count_bucket(void *ctx, uint64_t from_ms, const struct store_count *counts)
{
    (void)from_ms;
    for (unsigned i = 0; i < STORE_OUTCOMES; i++)
        *(unsigned *)ctx += (unsigned)counts[i].records;
    return 0;
}

static void test_before_marks(void **state)
{
    const char *const process[] = {"b:3:1", NULL}, *const none[] = {"b:77:1", NULL};
    struct store_filter filter = {.marks[STORE_MARK_PROCESS] = process};
    struct store_chart chart;
    struct store_page page = {};
    struct lines l = {};
    struct fixture f;
    unsigned total = 0, truncated = 0;

    (void)state;
    fixture_begin(&f);
    for (unsigned i = 0; i < 20; i++, f.now_ms += 60000)
        add_processes(&f, 1 + 20 * i, 20);
    f.st = store_close(f.st);
    unmark(&f, "20251126-001.db");
    fixture_open(&f);
    // It is read, and not written to any more.
    assert_int_equal(store_query(f.st, &filter, 1000, NULL, true, collect_line, &l, &page, &f.err),
                     0);
    assert_int_equal(l.n, 40);
    assert_int_equal(store_timeline(f.st,
                                    &(struct store_filter){.marks[STORE_MARK_PROCESS] = process,
                                                           .from_ms = 1,
                                                           .to_ms = f.now_ms + 1},
                                    1, count_bucket, &total, &chart, &f.err),
                     0);
    assert_int_equal(total, 40);
    assert_false(is_there(&f, "20251126-002.db"));
    add_processes(&f, 401, 20);
    assert_true(is_there(&f, "20251126-002.db"));
    l.n = 0;
    assert_int_equal(store_query(f.st, &filter, 1000, NULL, true, collect_line, &l, &page, &f.err),
                     0);
    assert_int_equal(l.n, 42);
    fixture_reopen(&f);
    add_processes(&f, 421, 20);
    assert_false(is_there(&f, "20251126-003.db"));
    // Without time to look at all of it, it says so, and goes on from there.
    f.options.scan_ms = 1;
    fixture_reopen(&f);
    filter.marks[STORE_MARK_PROCESS] = none;
    page = (struct store_page){};
    do {
        char cursor[STORE_CURSOR_SIZE];

        (void)snprintf(cursor, sizeof(cursor), "%s", page.cursor);
        assert_int_equal(store_query(f.st, &filter, 10, cursor, true, collect_line, &l, &page,
                                     &f.err),
                         0);
        truncated += page.truncated;
        assert_int_equal(page.n, 0);
    } while (page.more);
    assert_false(page.truncated);
    sb_done(&l.text);
    fixture_end(&f);
}

static void test_retention_by_age(void **state)
{
    struct store_retained removed = {};
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (unsigned day = 0; day < 5; day++, f.now_ms += DAY_MS)
        fill(&f, day * 100 + 1, 100);
    f.now_ms -= DAY_MS;
    assert_int_equal(store_retain(f.st, 0, 30 * DAY_MS, &removed, &f.err), 0);
    assert_int_equal(removed.files, 0);
    assert_int_equal(store_retain(f.st, 0, 2 * DAY_MS + DAY_MS / 2, &removed, &f.err), 0);
    assert_int_equal(removed.files, 2);
    assert_int_equal(removed.records, 200);
    assert_true(removed.bytes > 0);
    assert_int_equal(f.told[STORE_TOLD_REMOVED], 2);
    assert_non_null(
        strstr(f.last_told.what, "20251127-001: 100 records that came from 2025-11-27T00:00:00"));
    assert_int_equal(count(&f), 300);
    assert_false(is_there(&f, "20251126-001.db") || is_there(&f, "20251126-001.db-wal") ||
                 is_there(&f, "20251126-001.db-shm"));
    // Never the newest one, however old it is.
    f.now_ms += 1000 * DAY_MS;
    assert_int_equal(store_retain(f.st, 0, DAY_MS, &removed, &f.err), 0);
    assert_int_equal(removed.files, 2);
    assert_int_equal(count(&f), 100);
    f.now_ms -= 1000 * DAY_MS;
    // What was removed is not forgotten: its numbers are duplicates.
    fixture_reopen(&f);
    fill(&f, 1, 100);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.duplicates, 100);
    assert_int_equal(stats.records, 100);
    fill(&f, 501, 10);
    assert_int_equal(count(&f), 110);
    fixture_end(&f);
}

static void test_retention_by_bytes(void **state)
{
    struct store_retained removed = {};
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    store_close(f.st);
    f.options.file_bytes = 300000;
    fixture_open(&f);
    for (unsigned i = 0; i < 40; i++)
        fill(&f, i * 500 + 1, 500);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_true(stats.files > 3); // of one day
    assert_true(is_there(&f, "20251126-002.db"));
    uint64_t limit = stats.bytes / 2;
    assert_int_equal(store_retain(f.st, limit, 0, &removed, &f.err), 0);
    assert_true(removed.files > 0);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_true(stats.bytes <= limit);
    assert_int_equal(count(&f), 20000 - removed.records);
    assert_int_equal(store_retain(f.st, 1, 0, &removed, &f.err), 0);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.files, 1);
    fixture_end(&f);
}

struct reading {
    struct fixture *f;
    unsigned n;
};

// While a page is handed out, its files may be removed.
static int remove_meanwhile(void *ctx, const struct store_row *row)
{
    struct reading *r = ctx;

    assert_true(row->len > 10);
    if (r->n++ == 0)
        assert_int_equal(store_retain(r->f->st, 1, 0, NULL, &r->f->err), 0);
    return 0;
}

static void test_retention_under_a_reader(void **state)
{
    struct reading r;
    struct store_page page;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    r = (struct reading){.f = &f};
    for (unsigned day = 0; day < 3; day++, f.now_ms += DAY_MS)
        fill(&f, day * 100 + 1, 100);
    assert_int_equal(store_query(f.st, &(struct store_filter){}, 250, NULL, true, remove_meanwhile,
                                 &r, &page, &f.err),
                     0);
    assert_int_equal(r.n, 250);
    assert_true(page.more);
    // And the list goes on where there still is something.
    assert_int_equal(store_query(f.st, &(struct store_filter){}, 250, page.cursor, true,
                                 remove_meanwhile, &r, &page, &f.err),
                     0);
    assert_int_equal(r.n, 250);
    fixture_end(&f);
}

static void test_corrupt_at_open(void **state)
{
    struct store_stats stats;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (unsigned day = 0; day < 3; day++, f.now_ms += DAY_MS)
        fill(&f, day * 100 + 1, 100);
    store_close(f.st);
    damage(&f, "20251127-001.db", 0, 8192);
    fixture_open(&f);
    assert_int_equal(f.told[STORE_TOLD_CORRUPT], 1);
    assert_non_null(strstr(f.last_told.what, "20251127-001.db.corrupt"));
    assert_true(f.last_told.cure[0] != '\0');
    assert_true(is_there(&f, "20251127-001.db.corrupt"));
    assert_int_equal(count(&f), 200);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.corrupt_files, 1);
    fill(&f, 301, 100);
    assert_int_equal(count(&f), 300);
    fixture_reopen(&f);
    assert_int_equal(f.told[STORE_TOLD_CORRUPT], 1);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_int_equal(stats.corrupt_files, 1);
    // It goes with age, as all others.
    assert_int_equal(store_retain(f.st, 1, 0, NULL, &f.err), 0);
    assert_false(is_there(&f, "20251127-001.db.corrupt"));
    fixture_end(&f);
}

// Damage that shows only when the page is read; of a file that is written to, too.
static void test_corrupt_in_use(void **state)
{
    struct store_appended a;
    struct store_stats stats;
    struct fixture f;
    struct stat st;
    char path[4096];

    (void)state;
    fixture_begin(&f);
    for (unsigned i = 0; i < 20; i++) {
        f.now_ms += i == 10 ? DAY_MS : 0;
        fill(&f, i * 1000 + 1, 1000);
    }
    fixture_reopen(&f);
    assert_int_equal(count(&f), 20000);
    store_close(f.st);
    for (unsigned i = 0; i < 2; i++) {
        const char *name = i ? "20251127-001.db" : "20251126-001.db";

        name_of(&f, name, path);
        assert_int_equal(stat(path, &st), 0);
        // Not the first pages, which tell the schema and are looked at when it is opened.
        assert_true(st.st_size > 8192 * 40);
        damage(&f, name, 8192 * 25, st.st_size / 8192 * 8192);
    }
    fixture_open(&f);
    assert_int_equal(f.told[STORE_TOLD_CORRUPT], 0);
    assert_true(count(&f) < 20000);
    assert_true(f.told[STORE_TOLD_CORRUPT] >= 1);
    // The host sends on, whatever became of the file.
    f.now_ms += 1000;
    assert_int_equal(append_text(&f, HOST, 0, 20001, "{\"time\":1764115200000}\n", &a), 0);
    assert_int_equal(a.n_stored, 1);
    assert_int_equal(a.n_missing, 0);
    assert_int_equal(store_stats(f.st, &stats), 0);
    assert_true(stats.corrupt_files >= 1);
    assert_true(count(&f) >= 1);
    fixture_end(&f);
}

static void test_two_servers(void **state)
{
    struct store *second = NULL;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(store_open(f.url, NULL, &second, &f.err), -EAGAIN);
    assert_true(f.err.cure[0] != '\0');
    assert_null(second);
    fixture_end(&f);
}

static void test_open_bad(void **state)
{
    struct store *st = NULL;
    struct error err = {};
    char *dir = unit_mkdtemp();
    char url[4200];

    (void)state;
    assert_int_equal(store_open("sqlite:", NULL, &st, &err), -EINVAL);
    assert_int_equal(store_open("nowhere:/x", NULL, &st, &err), -EPROTONOSUPPORT);
    assert_true(err.expected[0] != '\0');
    assert_int_equal(store_open("sqlite", NULL, &st, &err), -EPROTONOSUPPORT);
    assert_int_equal(store_open("null:x", NULL, &st, &err), -EINVAL);
    assert_int_equal(store_open("sqlite:/proc/none/x", NULL, &st, &err), -ENOENT);
    (void)snprintf(url, sizeof(url), "sqlite:%s", dir);
    assert_int_equal(store_open(url, NULL, &st, &err), 0);
    store_close(st);
    // Of a newer program: not touched.
    struct db *db = NULL;
    char path[4096];
    assert_int_equal(db_open(unit_path_in(path, sizeof(path), dir, "20250101-001.db"),
                             &(struct db_options){.create = true, .application = 0x53475231}, &db,
                             &err),
                     0);
    assert_int_equal(db_exec(db, "PRAGMA user_version = 99", &err), 0);
    db_close(db);
    assert_int_equal(store_open(url, NULL, &st, &err), -EPROTONOSUPPORT);
    assert_int_equal(access(path, F_OK), 0);
    unit_rmdir(dir);
}

// A file that was being made when the power went.
static void test_half_made_file(void **state)
{
    struct fixture f;
    char path[4096];
    int fd;

    (void)state;
    fixture_begin(&f);
    fill(&f, 1, 10);
    store_close(f.st);
    name_of(&f, "20251126-002.db", path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    fixture_open(&f);
    assert_int_equal(f.told[STORE_TOLD_CORRUPT], 0);
    fill(&f, 1, 20);
    assert_int_equal(count(&f), 20);
    fixture_end(&f);
}

// The WAL does not grow with what was written.
static void test_wal_is_bounded(void **state)
{
    struct fixture f;
    struct stat st;
    char path[4096];

    (void)state;
    fixture_begin(&f);
    for (unsigned i = 0; i < 40; i++)
        fill(&f, i * 2000 + 1, 2000);
    name_of(&f, "20251126-001.db-wal", path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 64 << 20);
    assert_int_equal(count(&f), 80000);
    store_close(f.st);
    assert_true(stat(path, &st) < 0 || st.st_size == 0);
    fixture_open(&f);
    fixture_end(&f);
}

// More runs of one moment than a quarter of a second has ids: each record is a run of its own, since the clock jumps to and fro.
static void test_one_moment(void **state)
{
    struct store_page page = {};
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t batch = 0; batch < 6; batch++) {
        _cleanup_(sb_done) struct strbuf text = {};

        for (uint64_t i = 0; i < 2000; i++)
            sb_printf(&text, "{\"time\":%s}\n", i % 2 ? "1764115100000" : "1764115200000");
        assert_int_equal(append_text(&f, HOST, 0, batch * 2000 + 1, text.s, NULL), 0);
        if (batch == 4)
            fixture_reopen(&f);
    }
    assert_int_equal(count(&f), 12000);
    assert_int_equal(store_query(f.st, &(struct store_filter){.to_ms = 1764115100001}, 1000, NULL,
                                 false, collect_line, &l, &page, &f.err),
                     0);
    assert_int_equal(l.n, 1000);
    assert_true(page.more);
    sb_done(&l.text);
    fixture_end(&f);
}

static int append_to(struct fixture *f, const char *host, unsigned stream)
{
    struct store_appended a = {};

    f->now_ms += 10; // which of them is the oldest
    assert_int_equal(append_text(f, host, stream, 1, "{\"message\":\"x\"}\n", &a), 0);
    return (int)a.n_stored;
}

static uint64_t acked(struct fixture *f, const char *host, unsigned stream)
{
    const struct stream_id id = stream_of(stream);
    uint64_t seq = 0;

    assert_int_equal(store_acked(f->st, host, &id, &seq), 0);
    return seq;
}

// A host that makes one stream after the other forgets its own, and no other host's.
static void test_streams_are_bounded(void **state)
{
    const unsigned n = STREAMS_HOST_MAX + 20;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_to(&f, "other", 0), 1);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(append_to(&f, HOST, i), 1);
    assert_int_equal(acked(&f, "other", 0), 1);
    assert_int_equal(acked(&f, HOST, 0), 0);
    assert_int_equal(acked(&f, HOST, 19), 0);
    assert_int_equal(acked(&f, HOST, 20), 1);
    assert_int_equal(acked(&f, HOST, n - 1), 1);
    // One that was forgotten has a row in the file yet, and goes on; those that are known stay exact.
    assert_int_equal(append_to(&f, HOST, 3), 1);
    assert_int_equal(append_to(&f, HOST, 3), 0);
    assert_int_equal(append_to(&f, HOST, n - 1), 0);
    fixture_reopen(&f);
    assert_int_equal(acked(&f, "other", 0), 1);
    assert_int_equal(acked(&f, HOST, 0), 0);
    assert_int_equal(acked(&f, HOST, 3), 1);
    assert_int_equal(acked(&f, HOST, n - 1), 1);
    assert_int_equal(append_to(&f, HOST, n - 1), 0);
    assert_int_equal(append_to(&f, "other", 0), 0);
    assert_int_equal(append_to(&f, HOST, n), 1);
    assert_int_equal(count(&f), n + 3);
    fixture_end(&f);
}

UNIT_MAIN(cmocka_unit_test(test_one_moment), cmocka_unit_test(test_streams_are_bounded),
          cmocka_unit_test(test_retention_by_age), cmocka_unit_test(test_retention_by_bytes),
          cmocka_unit_test(test_retention_under_a_reader), cmocka_unit_test(test_corrupt_at_open),
          cmocka_unit_test(test_corrupt_in_use), cmocka_unit_test(test_two_servers),
          cmocka_unit_test(test_open_bad), cmocka_unit_test(test_half_made_file),
          cmocka_unit_test(test_wal_is_bounded), cmocka_unit_test(test_before_marks))
