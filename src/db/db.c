// SPDX-License-Identifier: Apache-2.0
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "db/internal.h"

#define BUSY_MS   5000
#define CACHE_KIB 8192
#define PAGE_SIZE 4096
#define WAL_PAGES 1000

static int from_system(int system_errno, int otherwise)
{
    switch (system_errno) {
    case ENOSPC:
    case EDQUOT: return -ENOSPC;
    case EROFS:
    case EACCES:
    case EPERM:
    case ENOENT:
    case EMFILE:
    case ENFILE:
    case EISDIR:
    case ENOTDIR:
    case ELOOP: return -system_errno;
    default: return otherwise;
    }
}

int db_errno(int sqlite_code, int system_errno)
{
    switch (sqlite_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_PRIMARYKEY: return -EEXIST;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return -ENOLINK;
    case SQLITE_IOERR_NOMEM: return -ENOMEM;
    default: break;
    }
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return 0;
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EUCLEAN;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_ERROR: return -EINVAL;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH: return -EACCES;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_TOOBIG: return -E2BIG;
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT: return -ECANCELED;
    default: return from_system(system_errno, -EIO);
    }
}

int db_fail(struct db *db, int code, struct error *err)
{
    int r = db_errno(code, sqlite3_system_errno(db->handle));

    if (r >= 0)
        r = -EIO;
    (void)error_set(err, r, "%s: %s", db->path, sqlite3_errmsg(db->handle));
    if (r == -ENOSPC)
        error_cure(err, "make room on the disk that holds %s", db->path);
    else if (r == -EUCLEAN)
        error_cure(err, "the file is damaged: put a copy in its place, or move it away");
    return r;
}

// ---- opening

static int pragma(struct db *db, const char *name, long long value, struct error *err)
{
    char sql[96];

    (void)snprintf(sql, sizeof(sql), "PRAGMA %s = %lld", name, value);
    return db_exec(db, sql, err);
}

static int check_application(struct db *db, struct error *err)
{
    int64_t found = 0, pages = 0;
    int r;

    if (db->options.application == 0)
        return 0;
    r = db_get_i64(db, err, &found, "PRAGMA application_id", "");
    if (r < 0)
        return r;
    r = db_get_i64(db, err, &pages, "PRAGMA page_count", "");
    if (r < 0)
        return r;
    if ((uint32_t)found == db->options.application)
        return 0;
    if (found != 0 || pages > 1)
        return error_set(err, -EMEDIUMTYPE, "%s is a database of something else", db->path);
    return db->options.readonly ? 0 : pragma(db, "application_id", db->options.application, err);
}

// In place of the hook that moves the WAL into the file.
static int on_commit(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct db *db = arg;

    (void)handle;
    (void)name;
    db->wal_pages = (uint32_t)pages;
    return SQLITE_OK;
}

static int set_up(struct db *db, struct error *err)
{
    const struct db_options *o = &db->options;
    _cleanup_free_ char *mode = NULL;
    int r;

    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, (int)(o->busy_ms ? o->busy_ms : BUSY_MS));
    // What a damaged or prepared file could do with its schema.
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (o->no_checkpoint)
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!o->readonly) {
        r = pragma(db, "page_size", o->page_size ? o->page_size : PAGE_SIZE, err);
        if (r < 0)
            return r;
        r = db_get_str(db, err, &mode, "PRAGMA journal_mode = WAL", "");
        if (r < 0)
            return r;
    }
    r = check_application(db, err);
    if (r < 0)
        return r;
    r = pragma(db, "synchronous", o->relaxed ? 1 : 2, err);
    if (r == 0)
        r = pragma(db, "foreign_keys", 1, err);
    if (r == 0)
        r = pragma(db, "cache_size", -(long long)(o->cache_kib ? o->cache_kib : CACHE_KIB), err);
    if (r == 0)
        r = pragma(db, "temp_store", 2, err);
    if (r == 0 && o->keep_deleted)
        r = pragma(db, "secure_delete", 0, err);
    if (o->no_checkpoint) {
        (void)sqlite3_wal_hook(db->handle, on_commit, db);
        return r;
    }
    (void)sqlite3_wal_autocheckpoint(db->handle, (int)(o->wal_pages ? o->wal_pages : WAL_PAGES));
    return r;
}

// SQLite makes files with the umask's mode; what is in them is for the server alone, and the WAL takes over the mode of the file.
static int make_file(const char *path, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST)
        return error_set(err, negative_errno(), "cannot make the database %s: %m", path);
    return 0;
}

int db_open(const char *path, const struct db_options *options, struct db **ret_db,
            struct error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    _cleanup_(db_closep) struct db *db = NULL;
    int r;

    if (options->create && !streq(path, ":memory:")) {
        r = make_file(path, err);
        if (r < 0)
            return r;
    }
    db = new0(struct db, 1);
    if (!db)
        return error_set(err, -ENOMEM, "cannot open %s: %m", path);
    db->options = *options;
    db->path = strdup(path);
    if (!db->path || map_new(MAP_STR, DB_STATEMENTS_MAX, db_stmt_free, &db->statements) < 0)
        return error_set(err, -ENOMEM, "cannot open %s: %m", path);
    flags |= options->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    r = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (r != SQLITE_OK && !db->handle)
        return error_set(err, -ENOMEM, "cannot open %s: %m", path);
    if (r != SQLITE_OK)
        return db_fail(db, r, err);
    r = set_up(db, err);
    if (r < 0)
        return r;
    *ret_db = TAKE_PTR(db);
    return 0;
}

struct db *db_close(struct db *db)
{
    if (!db)
        return NULL;
    map_free(db->statements);
    (void)sqlite3_close_v2(db->handle);
    free(db->path);
    free(db);
    return NULL;
}

const char *db_path(const struct db *db)
{
    return db->path;
}

// ---- transactions

int db_exec(struct db *db, const char *sql, struct error *err)
{
    int r = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return r == SQLITE_OK ? 0 : db_fail(db, r, err);
}

int db_begin(struct db *db, enum db_begin kind, struct db_txn *ret_txn, struct error *err)
{
    int r = db_do(db, err, kind == DB_WRITE ? "BEGIN IMMEDIATE" : "BEGIN", "");

    if (r < 0)
        return r;
    ret_txn->db = db;
    return 0;
}

int db_commit(struct db_txn *txn, struct error *err)
{
    int r = db_do(txn->db, err, "COMMIT", "");

    if (r < 0) {
        db_txn_done(txn);
        return r;
    }
    txn->db = NULL;
    return 0;
}

void db_txn_done(struct db_txn *txn)
{
    // A full disk, for one, has rolled back already.
    if (txn->db && sqlite3_get_autocommit(txn->db->handle) == 0)
        (void)db_do(txn->db, NULL, "ROLLBACK", "");
    txn->db = NULL;
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

uint64_t db_changes(struct db *db)
{
    return (uint64_t)sqlite3_changes64(db->handle);
}

void db_interrupt(struct db *db)
{
    sqlite3_interrupt(db->handle);
}
