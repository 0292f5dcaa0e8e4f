// SPDX-License-Identifier: Apache-2.0
//
// Statements: where they are kept, values in, values out.
#include <errno.h>
#include <stdarg.h>

#include "base/alloc.h"
#include "db/internal.h"

void db_stmt_free(void *st)
{
    struct db_stmt *s = st;

    (void)sqlite3_finalize(s->handle);
    free(s);
}

static int prepare(struct db *db, const char *sql, unsigned flags, struct db_stmt **ret_stmt,
                   struct error *err)
{
    struct db_stmt *st = new0(struct db_stmt, 1);
    int r;

    if (!st) {
        (void)error_set(err, -ENOMEM, "cannot prepare a statement: %m");
        return -ENOMEM;
    }
    r = sqlite3_prepare_v3(db->handle, sql, -1, flags, &st->handle, NULL);
    if (r != SQLITE_OK || !st->handle) {
        free(st);
        if (r != SQLITE_OK) {
            r = db_fail(db, r, err);
            return r < 0 ? r : -EIO; // never: analysers do not see it
        }
        (void)error_set(err, -EINVAL, "%s: there is no statement", db->path);
        return -EINVAL;
    }
    st->db = db;
    st->taken = true;
    *ret_stmt = st;
    return 0;
}

int db_prepare(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct error *err)
{
    return prepare(db, sql, 0, ret_stmt, err);
}

int db_query(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct error *err)
{
    struct db_stmt *st = map_get_str(db->statements, sql);
    int r;

    if (st && !st->taken) {
        st->taken = true;
        *ret_stmt = st;
        return 0;
    }
    r = prepare(db, sql, st ? 0 : SQLITE_PREPARE_PERSISTENT, ret_stmt, err);
    if (r == 0 && !st)
        (*ret_stmt)->kept = map_put_str(db->statements, sql, *ret_stmt) == 0;
    return r;
}

struct db_stmt *db_done(struct db_stmt *st)
{
    if (!st)
        return NULL;
    if (st->kept) {
        (void)sqlite3_reset(st->handle);
        (void)sqlite3_clear_bindings(st->handle);
        st->failed = 0;
        st->taken = false;
    } else {
        db_stmt_free(st);
    }
    return NULL;
}

void db_reset(struct db_stmt *st)
{
    (void)sqlite3_reset(st->handle);
    st->failed = 0;
}

// ---- values

static void check(struct db_stmt *st, int code)
{
    if (code != SQLITE_OK && st->failed == 0)
        st->failed = code;
}

void db_bind_i64(struct db_stmt *st, int n, int64_t value)
{
    check(st, sqlite3_bind_int64(st->handle, n, value));
}

void db_bind_u64(struct db_stmt *st, int n, uint64_t value)
{
    check(st, sqlite3_bind_int64(st->handle, n, (int64_t)value));
}

void db_bind_str(struct db_stmt *st, int n, const char *s)
{
    check(st, sqlite3_bind_text(st->handle, n, s, -1, SQLITE_STATIC));
}

void db_bind_strn(struct db_stmt *st, int n, const char *s, size_t len)
{
    check(st, sqlite3_bind_text64(st->handle, n, s, len, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_stmt *st, int n, const void *mem, size_t len)
{
    check(st, sqlite3_bind_blob64(st->handle, n, mem, len, SQLITE_STATIC));
}

void db_bind_null(struct db_stmt *st, int n)
{
    check(st, sqlite3_bind_null(st->handle, n));
}

static void bind_all(struct db_stmt *st, const char *types, va_list *ap)
{
    const void *mem;

    for (int n = 1; *types; types++, n++) {
        switch (*types) {
        case 'i': db_bind_i64(st, n, va_arg(*ap, int64_t)); break;
        case 'u': db_bind_u64(st, n, va_arg(*ap, uint64_t)); break;
        case 's': db_bind_str(st, n, va_arg(*ap, const char *)); break;
        case 'b':
            mem = va_arg(*ap, const void *);
            db_bind_blob(st, n, mem, va_arg(*ap, size_t));
            break;
        case 'n': db_bind_null(st, n); break;
        default: check(st, SQLITE_MISUSE); return;
        }
    }
}

void db_bind(struct db_stmt *st, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    bind_all(st, types, &ap);
    va_end(ap);
}

int db_step(struct db_stmt *st, struct error *err)
{
    int r;

    if (st->failed != 0)
        return error_set(err, db_errno(st->failed, 0), "%s: a value does not fit its statement: %s",
                         st->db->path, sqlite3_errstr(st->failed));
    r = sqlite3_step(st->handle);
    if (r == SQLITE_ROW)
        return 1;
    if (r != SQLITE_DONE) {
        r = db_fail(st->db, r, err);
        (void)sqlite3_reset(st->handle);
        return r;
    }
    (void)sqlite3_reset(st->handle);
    return 0;
}

int db_run(struct db_stmt *st, struct error *err)
{
    int r;

    do
        r = db_step(st, err);
    while (r > 0);
    return r;
}

int64_t db_col_i64(struct db_stmt *st, int column)
{
    return sqlite3_column_int64(st->handle, column);
}

uint64_t db_col_u64(struct db_stmt *st, int column)
{
    return (uint64_t)sqlite3_column_int64(st->handle, column);
}

bool db_col_bool(struct db_stmt *st, int column)
{
    return sqlite3_column_int64(st->handle, column) != 0;
}

const char *db_col_str(struct db_stmt *st, int column)
{
    return (const char *)sqlite3_column_text(st->handle, column);
}

const void *db_col_blob(struct db_stmt *st, int column, size_t *ret_len)
{
    const void *mem = sqlite3_column_blob(st->handle, column);

    *ret_len = (size_t)sqlite3_column_bytes(st->handle, column);
    return mem;
}

bool db_col_null(struct db_stmt *st, int column)
{
    return sqlite3_column_type(st->handle, column) == SQLITE_NULL;
}

int db_col_dup(struct db_stmt *st, int column, char **ret_s)
{
    const char *s = db_col_str(st, column);
    char *copy = NULL;

    if (s && !(copy = strdup(s)))
        return -ENOMEM;
    if (!s && !db_col_null(st, column))
        return -ENOMEM;
    *ret_s = copy;
    return 0;
}

// ---- in one line

int db_do(struct db *db, struct error *err, const char *sql, const char *types, ...)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    va_list ap;
    int r = db_query(db, sql, &st, err);

    if (r < 0)
        return r;
    va_start(ap, types);
    bind_all(st, types, &ap);
    va_end(ap);
    return db_run(st, err);
}

// Runs a statement to its first row. 1: its first column has a value; 0: there is no row, or it is null.
static int first_value(struct db *db, struct error *err, const char *sql, const char *types,
                       va_list *ap, struct db_stmt **ret_stmt)
{
    int r = db_query(db, sql, ret_stmt, err);

    if (r < 0)
        return r;
    bind_all(*ret_stmt, types, ap);
    r = db_step(*ret_stmt, err);
    return r <= 0 || db_col_null(*ret_stmt, 0) ? MIN(r, 0) : 1;
}

int db_get_i64(struct db *db, struct error *err, int64_t *ret_value, const char *sql,
               const char *types, ...)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    va_list ap;
    int r;

    va_start(ap, types);
    r = first_value(db, err, sql, types, &ap, &st);
    va_end(ap);
    if (r > 0)
        *ret_value = db_col_i64(st, 0);
    return r;
}

int db_get_str(struct db *db, struct error *err, char **ret_s, const char *sql, const char *types,
               ...)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    va_list ap;
    int r;

    va_start(ap, types);
    r = first_value(db, err, sql, types, &ap, &st);
    va_end(ap);
    if (r > 0 && db_col_dup(st, 0, ret_s) < 0)
        return error_set(err, -ENOMEM, "%s: no memory for a value", db->path);
    return r;
}
