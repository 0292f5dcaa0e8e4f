// SPDX-License-Identifier: Apache-2.0
//
// Connections, statements, values, transactions, several connections to one file.
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "db/db.h"

struct fixture {
    char *dir;
    char path[4096];
    struct db *db;
    struct error err;
};

static struct db *open_it(struct fixture *f, struct db_options options)
{
    struct db *db = NULL;

    assert_int_equal(db_open(f->path, &options, &db, &f->err), 0);
    return db;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.dir = unit_mkdtemp()};
    (void)unit_path_in(f->path, sizeof(f->path), f->dir, "x.db");
    f->db = open_it(f, (struct db_options){.create = true, .busy_ms = 50});
    assert_int_equal(db_exec(f->db,
                             "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT UNIQUE, b BLOB);"
                             "CREATE TABLE c (k INTEGER REFERENCES t(k), n INTEGER CHECK (n < 10))",
                             &f->err),
                     0);
}

static void end(struct fixture *f)
{
    db_close(f->db);
    unit_rmdir(f->dir);
}

static void test_settings(void **state)
{
    struct fixture f;
    struct stat st;
    char *mode = NULL;
    int64_t n = 0;

    (void)state;
    begin(&f);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(db_get_str(f.db, &f.err, &mode, "PRAGMA journal_mode", ""), 1);
    assert_string_equal(mode, "wal");
    free(mode);
    assert_int_equal(db_get_i64(f.db, &f.err, &n, "PRAGMA synchronous", ""), 1);
    assert_int_equal(n, 2);
    assert_int_equal(db_get_i64(f.db, &f.err, &n, "PRAGMA foreign_keys", ""), 1);
    assert_int_equal(n, 1);
    assert_string_equal(db_path(f.db), f.path);
    end(&f);
}

static void test_values(void **state)
{
    static const char bytes[] = "a\0b";
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    _cleanup_free_ char *copy = NULL;
    struct fixture f;
    size_t len = 0;

    (void)state;
    begin(&f);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t VALUES (?1, ?2, ?3)", "usb", UINT64_MAX,
                           "text", bytes, sizeof(bytes)),
                     0);
    assert_int_equal(db_last_id(f.db), -1);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t VALUES (?1, ?2, ?3)", "isn", (int64_t)2,
                           NULL),
                     0);
    assert_int_equal(db_changes(f.db), 1);
    assert_int_equal(db_query(f.db, "SELECT * FROM t ORDER BY k", &st, &f.err), 0);
    assert_int_equal(db_step(st, &f.err), 1);
    assert_true(db_col_u64(st, 0) == UINT64_MAX);
    assert_string_equal(db_col_str(st, 1), "text");
    assert_memory_equal(db_col_blob(st, 2, &len), bytes, sizeof(bytes));
    assert_int_equal(len, sizeof(bytes));
    assert_int_equal(db_step(st, &f.err), 1);
    assert_int_equal(db_col_i64(st, 0), 2);
    assert_true(db_col_null(st, 1));
    assert_null(db_col_str(st, 1));
    assert_null(db_col_blob(st, 2, &len));
    assert_int_equal(db_col_dup(st, 1, &copy), 0);
    assert_null(copy);
    assert_int_equal(db_step(st, &f.err), 0);
    st = db_done(st);
    end(&f);
}

static void test_cached_statements(void **state)
{
    static const char sql[] = "SELECT k FROM t WHERE k >= ?1 ORDER BY k";
    struct db_stmt *a = NULL, *b = NULL, *again = NULL;
    struct fixture f;

    (void)state;
    begin(&f);
    for (int64_t i = 0; i < 4; i++)
        assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (?1)", "i", i), 0);
    // One text twice at a time: two statements, each with a place of its own.
    assert_int_equal(db_query(f.db, sql, &a, &f.err), 0);
    assert_int_equal(db_query(f.db, sql, &b, &f.err), 0);
    assert_ptr_not_equal(a, b);
    db_bind_i64(a, 1, 0);
    db_bind_i64(b, 1, 3);
    assert_int_equal(db_step(a, &f.err), 1);
    assert_int_equal(db_step(b, &f.err), 1);
    assert_int_equal(db_col_i64(a, 0), 0);
    assert_int_equal(db_col_i64(b, 0), 3);
    db_done(b);
    db_done(a);
    assert_int_equal(db_query(f.db, sql, &again, &f.err), 0);
    assert_ptr_equal(again, a);
    // Nothing is left of what was bound: null compares with nothing.
    assert_int_equal(db_step(again, &f.err), 0);
    db_done(again);
    end(&f);
}

static void test_mistakes(void **state)
{
    struct fixture f;
    struct db_stmt *st = NULL;
    int64_t n = 42;

    (void)state;
    begin(&f);
    assert_int_equal(db_exec(f.db, "SELEKT", &f.err), -EINVAL);
    assert_non_null(strstr(f.err.what, "SELEKT"));
    assert_int_equal(db_query(f.db, "", &st, &f.err), -EINVAL);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (?1)", "ii", (int64_t)1,
                           (int64_t)2),
                     -EINVAL);
    // The statement is as good as before.
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (?1)", "i", (int64_t)1), 0);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (?1)", "i", (int64_t)1),
                     -EEXIST);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO c VALUES (77, 1)", ""), -ENOLINK);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO c VALUES (1, 11)", ""), -EINVAL);
    assert_int_equal(db_get_i64(f.db, &f.err, &n, "SELECT k FROM t WHERE k = 9", ""), 0);
    assert_int_equal(n, 42);
    assert_int_equal(db_open(unit_path(f.dir, "none"), &(struct db_options){}, &f.db, &f.err),
                     -ENOENT);
    assert_int_equal(db_open(unit_path(f.dir, "no/where"), &(struct db_options){.create = true},
                             &f.db, &f.err),
                     -ENOENT);
    end(&f);
}

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(db_errno(SQLITE_OK, 0), 0);
    assert_int_equal(db_errno(SQLITE_ROW, ENOSPC), 0);
    assert_int_equal(db_errno(SQLITE_FULL, 0), -ENOSPC);
    assert_int_equal(db_errno(SQLITE_IOERR_WRITE, ENOSPC), -ENOSPC);
    assert_int_equal(db_errno(SQLITE_IOERR_FSYNC, EDQUOT), -ENOSPC);
    assert_int_equal(db_errno(SQLITE_IOERR_READ, EIO), -EIO);
    assert_int_equal(db_errno(SQLITE_BUSY_SNAPSHOT, 0), -EBUSY);
    assert_int_equal(db_errno(SQLITE_CORRUPT_VTAB, 0), -EUCLEAN);
    assert_int_equal(db_errno(SQLITE_NOTADB, 0), -EUCLEAN);
    assert_int_equal(db_errno(SQLITE_INTERRUPT, 0), -ECANCELED);
    assert_int_equal(db_errno(SQLITE_CANTOPEN, EMFILE), -EMFILE);
    assert_int_equal(db_errno(SQLITE_CANTOPEN, 0), -EIO);
}

static void test_transactions(void **state)
{
    struct fixture f;
    int64_t n = 0;

    (void)state;
    begin(&f);
    {
        _cleanup_(db_txn_done) struct db_txn txn = {};

        assert_int_equal(db_begin(f.db, DB_WRITE, &txn, &f.err), 0);
        assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (1)", ""), 0);
    }
    assert_int_equal(db_get_i64(f.db, &f.err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 0);
    {
        _cleanup_(db_txn_done) struct db_txn txn = {};

        assert_int_equal(db_begin(f.db, DB_WRITE, &txn, &f.err), 0);
        assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (1)", ""), 0);
        assert_int_equal(db_commit(&txn, &f.err), 0);
    }
    assert_int_equal(db_get_i64(f.db, &f.err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 1);
    end(&f);
}

// A reader sees one state and holds up no writer; two writers exclude one another.
static void test_connections(void **state)
{
    struct db_txn read = {}, write = {}, second = {};
    struct db *reader, *other;
    struct fixture f;
    int64_t n = 0;

    (void)state;
    begin(&f);
    reader = open_it(&f, (struct db_options){.readonly = true});
    other = open_it(&f, (struct db_options){.busy_ms = 20});
    assert_int_equal(db_begin(reader, DB_READ, &read, &f.err), 0);
    assert_int_equal(db_get_i64(reader, &f.err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(db_begin(f.db, DB_WRITE, &write, &f.err), 0);
    assert_int_equal(db_do(f.db, &f.err, "INSERT INTO t (k) VALUES (1)", ""), 0);
    assert_int_equal(db_begin(other, DB_WRITE, &second, &f.err), -EBUSY);
    assert_int_equal(db_commit(&write, &f.err), 0);
    assert_int_equal(db_get_i64(reader, &f.err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 0);
    assert_int_equal(db_commit(&read, &f.err), 0);
    assert_int_equal(db_get_i64(reader, &f.err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 1);
    assert_int_equal(db_do(reader, &f.err, "INSERT INTO t (k) VALUES (2)", ""), -EROFS);
    db_close(reader);
    db_close(other);
    end(&f);
}

struct interrupter {
    struct db *db;
    atomic_bool ended;
};

static void *interrupt(void *arg)
{
    struct interrupter *i = arg;

    // Before the statement has begun there is nothing to interrupt: again and again, then.
    while (!atomic_load(&i->ended)) {
        db_interrupt(i->db);
        (void)sched_yield();
    }
    return NULL;
}

static void test_interrupt(void **state)
{
    struct interrupter i = {};
    struct fixture f;
    pthread_t thread;

    (void)state;
    begin(&f);
    i.db = f.db;
    assert_int_equal(pthread_create(&thread, NULL, interrupt, &i), 0);
    assert_int_equal(db_exec(f.db,
                             "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "
                             "SELECT count(*) FROM r",
                             &f.err),
                     -ECANCELED);
    atomic_store(&i.ended, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    end(&f);
}

UNIT_MAIN(cmocka_unit_test(test_settings), cmocka_unit_test(test_values),
          cmocka_unit_test(test_cached_statements), cmocka_unit_test(test_mistakes),
          cmocka_unit_test(test_codes), cmocka_unit_test(test_transactions),
          cmocka_unit_test(test_connections), cmocka_unit_test(test_interrupt))
