// SPDX-License-Identifier: Apache-2.0
//
// The file as a whole: its version, its WAL, copies of it, whether it is sound.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "db/internal.h"

#define BACKUP_PAGES 256 // copied between two looks at who else waits

static int migrate_one(struct db *db, const struct db_migration *step, size_t version,
                       struct error *err)
{
    _cleanup_(db_txn_done) struct db_txn txn = {};
    char sql[64];
    int r = db_begin(db, DB_WRITE, &txn, err);

    if (r < 0)
        return r;
    if (step->sql)
        r = db_exec(db, step->sql, err);
    if (r == 0 && step->code)
        r = step->code(db, err);
    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %zu", version);
    if (r == 0)
        r = db_exec(db, sql, err);
    if (r < 0) {
        error_context(err, "bringing it to version %zu", version);
        return r;
    }
    return db_commit(&txn, err);
}

int db_migrate(struct db *db, const struct db_migration *steps, size_t n_steps, struct error *err)
{
    int64_t version = 0;
    int r = db_get_i64(db, err, &version, "PRAGMA user_version", "");

    if (r < 0)
        return r;
    if (version < 0 || (uint64_t)version > n_steps) {
        (void)error_set(err, -EPROTONOSUPPORT, "%s was written by a newer version of this program",
                        db->path);
        error_expected(err, "version %zu of its form at the most, and it has %lld", n_steps,
                       (long long)version);
        error_cure(err, "install that version again");
        return -EPROTONOSUPPORT;
    }
    for (size_t i = (size_t)version; i < n_steps; i++) {
        r = migrate_one(db, &steps[i], i + 1, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int db_checkpoint(struct db *db, bool whole, uint32_t *ret_left, struct error *err)
{
    int in_wal = 0, moved = 0;
    int r = sqlite3_wal_checkpoint_v2(db->handle, NULL,
                                      whole ? SQLITE_CHECKPOINT_TRUNCATE
                                            : SQLITE_CHECKPOINT_PASSIVE,
                                      &in_wal, &moved);

    if (r != SQLITE_OK && (whole || (r & 0xff) != SQLITE_BUSY))
        return db_fail(db, r, err);
    if (ret_left)
        *ret_left = in_wal > moved ? (uint32_t)(in_wal - moved) : 0;
    return 0;
}

uint32_t db_wal_pages(const struct db *db)
{
    return db->wal_pages;
}

static int copy_pages(struct db *db, struct db *to, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", db->handle, "main");
    int r;

    if (!backup)
        return db_fail(to, sqlite3_errcode(to->handle), err);
    do
        r = sqlite3_backup_step(backup, BACKUP_PAGES);
    while (r == SQLITE_OK || r == SQLITE_BUSY || r == SQLITE_LOCKED);
    (void)sqlite3_backup_finish(backup);
    return r == SQLITE_DONE ? 0 : db_fail(to, r, err);
}

static int copy_to(struct db *db, const char *path, struct error *err)
{
    _cleanup_(db_txn_done) struct db_txn txn = {};
    _cleanup_(db_closep) struct db *to = NULL;
    struct db_options options = {.create = true, .keep_deleted = true};
    int64_t page_size = 0, any;
    int r = db_get_i64(db, err, &page_size, "PRAGMA page_size", "");

    if (r < 0)
        return r;
    options.page_size = (uint32_t)page_size; // a copy into a file in WAL mode cannot change it
    r = db_open(path, &options, &to, err);
    if (r < 0)
        return r;
    // A read transaction keeps one state for the whole copy: writers go on, and the copy does not begin again with each commit.
    r = db_begin(db, DB_READ, &txn, err);
    if (r == 0)
        r = db_get_i64(db, err, &any, "SELECT count(*) FROM sqlite_schema", "");
    if (r < 0)
        return r;
    r = copy_pages(db, to, err);
    if (r == 0)
        r = db_checkpoint(to, true, NULL, err);
    return r;
}

static void remove_copy(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[4096];

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (snprintf(name, sizeof(name), "%s%s", path, suffixes[i]) < (int)sizeof(name))
            (void)unlink(name);
}

int db_backup(struct db *db, const char *path, struct error *err)
{
    char name[4096];
    int r;

    if (snprintf(name, sizeof(name) - 16, "%s.part", path) >= (int)sizeof(name) - 16)
        return error_set(err, -ENAMETOOLONG, "cannot write a copy of %s: the name is too long",
                         db->path);
    remove_copy(name);
    r = copy_to(db, name, err);
    if (r == 0 && rename(name, path) < 0)
        r = error_set(err, negative_errno(), "cannot put the copy in place of %s: %m", path);
    if (r == 0) {
        r = fsync_parent(AT_FDCWD, path);
        if (r < 0)
            (void)error_set(err, r, "cannot make %s durable: %m", path);
    }
    remove_copy(name);
    return r;
}

int db_check(struct db *db, bool quick, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    const char *found;
    int r = db_query(db, quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)", &st, err);

    if (r < 0)
        return r;
    r = db_step(st, err);
    if (r < 0)
        return r;
    found = db_col_str(st, 0);
    if (found && streq(found, "ok"))
        return 0;
    (void)error_set(err, -EUCLEAN, "%s is damaged: %s", db->path,
                    found ? found : "it cannot be read");
    return -EUCLEAN;
}
