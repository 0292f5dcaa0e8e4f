// SPDX-License-Identifier: Apache-2.0
//
// Thin access to SQLite for the rooms that keep something on the server (store, registry): a connection with the settings that
// a server needs, statements that are prepared once, values in and out, transactions, migrations, checks and copies, and SQLite's
// codes as negative errno. It owns connections and statements; it knows no table, and decides no policy of retention or retries.
//
// A connection belongs to one thread at a time (SQLite's own lock per connection is off); only db_interrupt() may come from any thread.
// Several connections to one file are the way to have readers beside a writer: in WAL mode neither waits for the other.
//
//     _cleanup_(db_closep) struct db *db = NULL;
//     r = db_open(path, &(struct db_options){.create = true}, &db, err);
//     ...
//     _cleanup_(db_donep) struct db_stmt *st = NULL;
//     r = db_query(db, "SELECT name FROM hosts WHERE id = ?1", &st, err);
//     if (r < 0)
//         return r;
//     db_bind_str(st, 1, id);
//     while ((r = db_step(st, err)) > 0)
//         use(db_col_str(st, 0));
//
// What comes of SQLite's codes: FULL, and input/output errors whose cause is a full disk or quota: -ENOSPC; BUSY, LOCKED: -EBUSY;
// CORRUPT, NOTADB: -EUCLEAN; a unique or primary key that is there already: -EEXIST; a foreign key without its row, or a row that
// others refer to: -ENOLINK; other constraints: -EINVAL; READONLY: -EROFS; PERM, AUTH: -EACCES; CANTOPEN: why not, or -EIO; NOMEM:
// -ENOMEM; TOOBIG: -E2BIG; INTERRUPT: -ECANCELED; a statement that is no SQL or misuse: -EINVAL; everything else: -EIO.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct db;
struct db_stmt;

struct db_options {
    bool create; // make the file (0600) when it is not there; else -ENOENT
    bool
        readonly; // no write comes from this connection; a WAL file needs write access to its directory all the same
    bool
        relaxed; // commits survive kill -9 but not a power cut until db_checkpoint(); false: each commit is on the disk (one fsync)
    bool keep_deleted; // do not overwrite deleted content with zeros: faster, for what is no secret
    bool
        no_checkpoint; // never move the WAL into the file at a commit, and do not remove it at the last close: the caller does
    uint32_t busy_ms;  // how long to wait for a lock; 0: 5000
    uint32_t cache_kib; // page cache; 0: 8192
    uint32_t page_size; // of a new file, bytes, a power of two from 512 to 65536; 0: 4096
    uint32_t
        wal_pages; // move the WAL into the file at the commit that makes it longer than that; 0: 1000
    uint32_t
        application; // a number in the header of a new file; one with another number is refused with -EMEDIUMTYPE; 0: none
};

// Opens path (or ":memory:") in WAL mode with foreign keys on. On failure err says what is wrong with which file.
int db_open(const char *path, const struct db_options *options, struct db **ret_db,
            struct error *err);

// NULL is fine, returns NULL. Every statement that was taken has to be given back before. An open transaction is rolled back.
struct db *db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)

const char *db_path(const struct db *db); // on loan until db_close()

// ---- statements

// A statement of the connection's cache: prepared at the first time, kept afterwards, found by its text. For texts that are
// constants of the program. While it is taken, a second one of the same text is another statement.
int db_query(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct error *err);
// A statement of its own, not kept: for texts that are put together, and for the hottest loops, which take it once and use db_reset().
int db_prepare(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct error *err);
// Gives it back (db_query) or away (db_prepare). NULL is fine, returns NULL.
struct db_stmt *db_done(struct db_stmt *st);
DEFINE_CLEANUP(struct db_stmt *, db_done)
// Ready for another run; values that were bound stay until others take their place.
void db_reset(struct db_stmt *st);

// Values for ?1, ?2, ... Text and bytes are on loan until db_reset() or db_done(). The first mistake sticks, and db_step() returns it.
void db_bind_i64(struct db_stmt *st, int n, int64_t value);
void db_bind_u64(struct db_stmt *st, int n,
                 uint64_t value); // kept as the i64 of the same bits: compares wrongly above 2^63
void db_bind_str(struct db_stmt *st, int n, const char *s); // NULL: null
void db_bind_strn(struct db_stmt *st, int n, const char *s, size_t len);
void db_bind_blob(struct db_stmt *st, int n, const void *mem, size_t len); // NULL: null
void db_bind_null(struct db_stmt *st, int n);

// 1: a row is there; 0: no more rows (and the statement is reset); negative errno.
int db_step(struct db_stmt *st, struct error *err);
// Runs to the end, whatever rows there are, and resets.
int db_run(struct db_stmt *st, struct error *err);

// Values of the row, columns from 0. Text and bytes are on loan until the next step, reset or done.
int64_t db_col_i64(struct db_stmt *st, int column);
uint64_t db_col_u64(struct db_stmt *st, int column);
bool db_col_bool(struct db_stmt *st, int column);
const char *db_col_str(struct db_stmt *st, int column); // NULL for null
const void *db_col_blob(struct db_stmt *st, int column,
                        size_t *ret_len); // NULL for null and for no bytes
bool db_col_null(struct db_stmt *st, int column);
int db_col_dup(struct db_stmt *st, int column,
               char **ret_s); // the caller frees; NULL for null; -ENOMEM

// ---- in one line

// Several statements in one text, without values.
int db_exec(struct db *db, const char *sql, struct error *err);
// One statement of the cache with values, to its end. types has a letter a value: i (int64_t), u (uint64_t), s (const char *, NULL:
// null), b (const void *, size_t), n (null, takes none).
//     r = db_do(db, err, "UPDATE hosts SET seen = ?1 WHERE id = ?2", "is", now, id);
int db_do(struct db *db, struct error *err, const char *sql, const char *types, ...);
// The same for the bindings of a statement.
void db_bind(struct db_stmt *st, const char *types, ...);
// The first column of the first row: 1 and the value, 0 (and ret untouched) when there is no row or it is null.
int db_get_i64(struct db *db, struct error *err, int64_t *ret_value, const char *sql,
               const char *types, ...);
int db_get_str(struct db *db, struct error *err, char **ret_s, const char *sql, const char *types,
               ...); // the caller frees

int64_t db_last_id(struct db *db);  // rowid of the last INSERT
uint64_t db_changes(struct db *db); // rows that the last INSERT, UPDATE or DELETE changed

// ---- transactions

// Commits or is undone when its scope ends:
//     _cleanup_(db_txn_done) struct db_txn txn = {};
//     r = db_begin(db, DB_WRITE, &txn, err);
//     ...
//     return db_commit(&txn, err);
struct db_txn {
    struct db *db; // NULL: none is open
};

enum db_begin {
    DB_READ,  // one state of the file for all statements in it
    DB_WRITE, // takes the write lock at once, so that no statement in it fails with -EBUSY
};

int db_begin(struct db *db, enum db_begin kind, struct db_txn *ret_txn, struct error *err);
// On failure everything is rolled back.
int db_commit(struct db_txn *txn, struct error *err);
void db_txn_done(struct db_txn *txn); // rolls back what was not committed

// ---- the file

// Step n brings a file from version n-1 to n (PRAGMA user_version), in a transaction of its own together with the number.
// Append only. `code` runs after `sql`; either may be NULL.
struct db_migration {
    const char *sql;
    int (*code)(struct db *db, struct error *err);
};
// -EPROTONOSUPPORT when the file is newer than the program.
int db_migrate(struct db *db, const struct db_migration *steps, size_t n_steps, struct error *err);

// Moves what the WAL holds into the file and makes it durable. `whole`: waits for readers (busy_ms) and empties the WAL file, -EBUSY when
// they did not end; else as much as goes without waiting. ret_left (may be NULL): pages that stayed.
int db_checkpoint(struct db *db, bool whole, uint32_t *ret_left, struct error *err);

// Pages in the WAL after the last commit of this connection; 0 without no_checkpoint.
uint32_t db_wal_pages(const struct db *db);

// A copy of the file as it is now, while others go on writing: complete, durable, mode 0600, put in place of `path` in one step.
int db_backup(struct db *db, const char *path, struct error *err);

// 0, or -EUCLEAN and what is wrong with the file. Reads all of it; `quick`: without comparing indices with tables.
int db_check(struct db *db, bool quick, struct error *err);

// From any thread: what runs on this connection now ends with -ECANCELED.
void db_interrupt(struct db *db);

// The negative errno for a code of SQLite; system_errno is sqlite3_system_errno(), or 0.
int db_errno(int sqlite_code, int system_errno);
