// SPDX-License-Identifier: Apache-2.0
#include "registry/state.h"

#include <stdio.h>
#include <string.h>

#include "registry/internal.h"

// The table while it is changed.
struct table {
    uint64_t checksum, rows, bytes;
};

static int check_table(struct error *err, const char *name)
{
    size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;

    if (len > 0 && len <= STATE_TABLE_NAME_MAX && !name[len])
        return 0;
    return error_set(err, -EINVAL, "a table is named by 1 to %d of a-z, 0-9 and _",
                     STATE_TABLE_NAME_MAX);
}

static int check_row(struct error *err, const struct registry_state_row *row)
{
    int r = str_isempty(row->key)
                ? error_set(err, -EINVAL, "a row has no key")
                : check_text(err, "the key of a row", row->key, STATE_KEY_MAX, false);

    if (r == 0 && row->value)
        r = check_json(err, "the value of a row", row->value, STATE_VALUE_MAX, false);
    return r;
}

static int load_table(struct change *c, const char *host, const char *name, struct table *ret,
                      struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r =
        db_query(c->db,
                 "SELECT checksum, n_rows, bytes FROM state_tables WHERE host = ?1 AND name = ?2",
                 &st, err);

    *ret = (struct table){};
    if (r < 0)
        return r;
    db_bind(st, "ss", host, name);
    r = db_step(st, err);
    if (r <= 0)
        return r;
    ret->rows = db_col_u64(st, 1);
    ret->bytes = db_col_u64(st, 2);
    return state_checksum_parse(strempty(db_col_str(st, 0)), &ret->checksum);
}

static int begin_table(struct change *c, const char *host, const struct registry_state_delta *d,
                       struct table *t, struct error *err)
{
    uint64_t base = 0;
    int64_t n = 0;
    int r = load_table(c, host, d->table, t, err);

    if (r < 0)
        return r;
    if (d->full) {
        *t = (struct table){};
        r = db_do(c->db, err, "DELETE FROM state_rows WHERE host = ?1 AND name = ?2", "ss", host,
                  d->table);
    } else if (d->base && state_checksum_parse(d->base, &base) < 0) {
        return error_set(err, -EINVAL, "a checksum has 16 hexadecimal digits");
    } else if (base != t->checksum) {
        return error_set(err, -ESTALE,
                         "the table '%s' is not what the change starts from: send it whole",
                         d->table);
    }
    if (r == 0)
        r = db_get_i64(c->db, err, &n,
                       "SELECT count(*) FROM state_tables WHERE host = ?1 AND name <> ?2", "ss",
                       host, d->table);
    if (r < 0)
        return r;
    return n < STATE_TABLES_MAX
               ? 0
               : error_set(err, -EDQUOT, "a host has at most %d tables", STATE_TABLES_MAX);
}

static int forget_row(struct change *c, const char *host, const char *table, const char *key,
                      struct table *t, struct error *err)
{
    _cleanup_free_ char *old = NULL;
    int r = db_get_str(c->db, err, &old,
                       "SELECT value FROM state_rows WHERE host = ?1 AND name = ?2 AND key = ?3",
                       "sss", host, table, key);

    if (r <= 0)
        return r;
    t->checksum ^= state_row_hash(key, old, strlen(old));
    t->bytes -= strlen(key) + strlen(old);
    t->rows--;
    return db_do(c->db, err, "DELETE FROM state_rows WHERE host = ?1 AND name = ?2 AND key = ?3",
                 "sss", host, table, key);
}

static int put_row(struct change *c, const char *host, const char *table,
                   const struct registry_state_row *row, struct table *t, struct error *err)
{
    int r = forget_row(c, host, table, row->key, t, err);

    if (r < 0 || !row->value)
        return r;
    t->checksum ^= state_row_hash(row->key, row->value, strlen(row->value));
    t->bytes += strlen(row->key) + strlen(row->value);
    t->rows++;
    if (t->rows > STATE_ROWS_MAX || t->bytes > STATE_BYTES_MAX)
        return error_set(err, -EDQUOT, "the table '%s' is too large: at most %d rows and %d bytes",
                         table, STATE_ROWS_MAX, (int)STATE_BYTES_MAX);
    return db_do(c->db, err, "INSERT INTO state_rows VALUES (?1, ?2, ?3, ?4, ?5)", "ssssu", host,
                 table, row->key, row->value, c->now);
}

static int end_table(struct change *c, const char *host, const struct registry_state_delta *d,
                     const struct table *t, char checksum[STATE_CHECKSUM_TEXT], struct error *err)
{
    state_checksum_format(t->checksum, checksum);
    if (d->checksum && !streq(d->checksum, checksum))
        return error_set(err, -ESTALE,
                         "the table '%s' would not be what the change ends in: send it whole",
                         d->table);
    return db_do(
        c->db, err,
        "INSERT INTO state_tables VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (host, name) DO UPDATE SET"
        " checksum = ?3, n_rows = ?4, bytes = ?5, changed_ms = ?6",
        "sssuuu", host, d->table, checksum, t->rows, t->bytes, c->now);
}

int registry_state_apply(struct registry *rg, const char *host,
                         const struct registry_state_delta *delta,
                         char ret_checksum[STATE_CHECKSUM_TEXT], struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char checksum[STATE_CHECKSUM_TEXT];
    struct table t;
    int r = check_table(err, delta->table);

    for (size_t i = 0; r == 0 && i < delta->n_rows; i++)
        r = check_row(err, &delta->rows[i]);
    if (r == 0)
        r = change_begin(rg, &registry_self, RELAXED, &c, err);
    if (r == 0)
        r = begin_table(&c, host, delta, &t, err);
    for (size_t i = 0; r == 0 && i < delta->n_rows; i++)
        r = put_row(&c, host, delta->table, &delta->rows[i], &t, err);
    if (r == 0)
        r = end_table(&c, host, delta, &t, checksum, err);
    if (r == -ENOLINK)
        return not_found(err, "host", host);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        memcpy(ret_checksum, checksum, sizeof(checksum));
    return r;
}

static int hand_rows(struct db_stmt *st, registry_state_fn fn, void *ctx, unsigned *ret_n,
                     struct error *err)
{
    int r;

    while ((r = db_step(st, err)) > 0) {
        ++*ret_n;
        r = fn(ctx, &(struct registry_state_row){db_col_str(st, 0), db_col_str(st, 1),
                                                 db_col_u64(st, 2)});
        if (r != 0)
            return r;
    }
    return r;
}

int registry_state_list(struct registry *rg, const char *host, const char *table,
                        registry_state_fn fn, void *ctx, char ret_checksum[STATE_CHECKSUM_TEXT],
                        struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_txn_done) struct db_txn txn = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    _cleanup_free_ char *checksum = NULL;
    unsigned n = 0;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_begin(rd.db, DB_READ, &txn, err);
    if (r == 0)
        r = db_get_str(rd.db, err, &checksum,
                       "SELECT checksum FROM state_tables WHERE host = ?1 AND name = ?2", "ss",
                       host, table);
    if (r >= 0)
        r = db_query(
            rd.db,
            "SELECT key, value, changed_ms FROM state_rows WHERE host = ?1 AND name = ?2 ORDER BY key",
            &st, err);
    if (r < 0)
        return r;
    db_bind(st, "ss", host, table);
    if (ret_checksum)
        (void)snprintf(ret_checksum, STATE_CHECKSUM_TEXT, "%s",
                       checksum ? checksum : "0000000000000000");
    return hand_rows(st, fn, ctx, &n, err);
}

int registry_state_get(struct registry *rg, const char *host, const char *table, const char *key,
                       registry_state_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(
        rg,
        "SELECT key, value, changed_ms FROM state_rows WHERE host = ?1 AND name = ?2 AND key = ?3",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind(st, "sss", host, table, key);
    r = hand_rows(st, fn, ctx, &n, err);
    return r == 0 && n == 0 ? not_found(err, "row", key) : r;
}
