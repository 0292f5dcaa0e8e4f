// SPDX-License-Identifier: Apache-2.0
//
// Files as a whole: versions, damage, copies, the WAL, a disk that is full.
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "db/db.h"

static const struct db_migration steps[] = {
    {"CREATE TABLE t (k INTEGER PRIMARY KEY, v)"},
    {"ALTER TABLE t ADD COLUMN w"},
};

static struct db *open_at(const char *path, struct db_options options)
{
    struct db *db = NULL;
    struct error err = {};

    options.create = true;
    assert_int_equal(db_open(path, &options, &db, &err), 0);
    return db;
}

static void test_migrations(void **state)
{
    static const struct db_migration broken[] = {
        {"CREATE TABLE t (k INTEGER PRIMARY KEY, v)"},
        {"CREATE TABLE u (k); CREATE TABLE t (k)"},
    };
    char *dir = unit_mkdtemp();
    char path[4096];
    struct error err = {};
    int64_t n = 0;
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"), (struct db_options){});

    (void)state;
    // A step that fails leaves nothing of itself.
    assert_int_equal(db_migrate(db, broken, 2, &err), -EINVAL);
    assert_non_null(strstr(err.what, "version 2"));
    assert_int_equal(db_get_i64(db, &err, &n, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'",
                                ""),
                     1);
    assert_int_equal(n, 0);
    assert_int_equal(db_get_i64(db, &err, &n, "PRAGMA user_version", ""), 1);
    assert_int_equal(n, 1);
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    assert_int_equal(db_exec(db, "INSERT INTO t VALUES (1, 2, 3)", &err), 0);
    assert_int_equal(db_migrate(db, steps, 1, &err), -EPROTONOSUPPORT);
    assert_true(err.cure[0] != '\0');
    db_close(db);
    unit_rmdir(dir);
}

static void test_not_ours(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096];
    struct error err = {};
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"),
                            (struct db_options){.application = 0x53470001});
    int fd;

    (void)state;
    assert_int_equal(db_exec(db, "CREATE TABLE t (k)", &err), 0);
    db_close(db);
    db = NULL;
    assert_int_equal(db_open(path, &(struct db_options){.application = 0x53470002}, &db, &err),
                     -EMEDIUMTYPE);
    assert_int_equal(db_open(path, &(struct db_options){.application = 0x53470001}, &db, &err), 0);
    db_close(db);
    db = NULL;
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    for (int i = 0; i < 200; i++)
        assert_int_equal(write(fd, "this is no database at all, is it", 33), 33);
    (void)close(fd);
    assert_int_equal(db_open(path, &(struct db_options){}, &db, &err), -EUCLEAN);
    assert_true(err.cure[0] != '\0');
    unit_rmdir(dir);
}

static void fill(struct db *db, int64_t n)
{
    struct db_txn txn = {};
    struct error err = {};

    assert_int_equal(db_begin(db, DB_WRITE, &txn, &err), 0);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(db_do(db, &err, "INSERT INTO t (v) VALUES (hex(zeroblob(500)))", ""), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

static void test_backup(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096], copy[4096];
    struct error err = {};
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"),
                            (struct db_options){.page_size = 8192});
    struct db *reader;
    struct stat st;
    int64_t n = 0;

    (void)state;
    (void)unit_path_in(copy, sizeof(copy), dir, "copy.db");
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    fill(db, 1000);
    assert_int_equal(db_backup(db, copy, &err), 0);
    fill(db, 10);
    assert_int_equal(db_backup(db, copy, &err), 0); // in place of the one before
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(unit_path(dir, "copy.db-wal"), F_OK), -1);
    assert_int_equal(access(unit_path(dir, "copy.db.part"), F_OK), -1);
    reader = open_at(copy, (struct db_options){});
    assert_int_equal(db_get_i64(reader, &err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 1010);
    assert_int_equal(db_check(reader, false, &err), 0);
    db_close(reader);
    assert_int_equal(db_backup(db, unit_path(dir, "no/where"), &err), -ENOENT);
    db_close(db);
    unit_rmdir(dir);
}

static void test_damage_is_found(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096];
    struct error err = {};
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"), (struct db_options){});
    int fd;

    (void)state;
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    fill(db, 1000);
    db_close(db);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (off_t at = 4096 * 20; at < 4096 * 60; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    (void)close(fd);
    db = open_at(path, (struct db_options){});
    assert_int_equal(db_check(db, true, &err), -EUCLEAN);
    assert_int_equal(db_exec(db, "SELECT sum(length(v)) FROM t", &err), -EUCLEAN);
    db_close(db);
    unit_rmdir(dir);
}

static void test_checkpoint(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096], wal[4096];
    struct error err = {};
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"),
                            (struct db_options){.no_checkpoint = true, .busy_ms = 20});
    struct db *reader = open_at(path, (struct db_options){.readonly = true});
    struct db_txn read = {};
    uint32_t left = 0;
    struct stat st;
    int64_t n = 0;

    (void)state;
    (void)unit_path_in(wal, sizeof(wal), dir, "x.db-wal");
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    assert_int_equal(db_begin(reader, DB_READ, &read, &err), 0);
    assert_int_equal(db_get_i64(reader, &err, &n, "SELECT count(*) FROM t", ""), 1);
    fill(db, 1000);
    // The reader holds back what was written after it began, and is not waited for.
    assert_true(db_wal_pages(db) > 100);
    assert_int_equal(db_checkpoint(db, false, &left, &err), 0);
    assert_true(left > 100);
    assert_int_equal(db_checkpoint(db, true, &left, &err), -EBUSY);
    assert_int_equal(db_commit(&read, &err), 0);
    assert_int_equal(db_checkpoint(db, true, &left, &err), 0);
    assert_int_equal(left, 0);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 0);
    fill(db, 1);
    assert_true(db_wal_pages(db) > 0 && db_wal_pages(db) < 10);
    db_close(reader);
    db_close(db);
    unit_rmdir(dir);
}

// A limit on the pages of the file stands for the end of the disk.
static void test_full_disk(void **state)
{
    char *dir = unit_mkdtemp();
    struct error err = {};
    char path[4096];
    struct db *db = open_at(unit_path_in(path, sizeof(path), dir, "x.db"), (struct db_options){});
    int64_t n = 0;

    (void)state;
    assert_int_equal(db_migrate(db, steps, 2, &err), 0);
    assert_int_equal(db_exec(db, "PRAGMA max_page_count = 50", &err), 0);
    {
        _cleanup_(db_txn_done) struct db_txn txn = {};
        int r = 0;

        assert_int_equal(db_begin(db, DB_WRITE, &txn, &err), 0);
        for (int i = 0; i < 1000 && r == 0; i++)
            r = db_do(db, &err, "INSERT INTO t (v) VALUES (hex(zeroblob(500)))", "");
        assert_int_equal(r, -ENOSPC);
        assert_true(err.cure[0] != '\0');
    }
    assert_int_equal(db_get_i64(db, &err, &n, "SELECT count(*) FROM t", ""), 1);
    assert_int_equal(n, 0);
    assert_int_equal(db_exec(db, "PRAGMA max_page_count = 5000", &err), 0);
    fill(db, 100);
    db_close(db);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_migrations), cmocka_unit_test(test_not_ours),
          cmocka_unit_test(test_backup), cmocka_unit_test(test_damage_is_found),
          cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_full_disk))
