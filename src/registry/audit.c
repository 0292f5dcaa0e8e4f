// SPDX-License-Identifier: Apache-2.0
#include "registry/audit.h"

#include <sodium.h>
#include <stdio.h>

#include "registry/internal.h"

#define HASH_SIZE  crypto_hash_sha256_BYTES
#define FILTER_MAX 256

struct audit_row {
    uint64_t seq, time_ms;
    const char *actor, *address, *action, *target, *detail;
};

static void put_u64(crypto_hash_sha256_state *st, uint64_t value)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    (void)crypto_hash_sha256_update(st, bytes, sizeof(bytes));
}

static void put_text(crypto_hash_sha256_state *st, const char *s)
{
    size_t len = strlen(s);

    put_u64(st, len);
    (void)crypto_hash_sha256_update(st, (const uint8_t *)s, len);
}

// Lengths and numbers in 8 bytes, the most significant first, so that an export can be checked by others.
static void hash_row(const uint8_t before[HASH_SIZE], const struct audit_row *row,
                     uint8_t ret[HASH_SIZE])
{
    crypto_hash_sha256_state st;

    (void)crypto_hash_sha256_init(&st);
    (void)crypto_hash_sha256_update(&st, before, HASH_SIZE);
    put_u64(&st, row->seq);
    put_u64(&st, row->time_ms);
    put_text(&st, row->actor);
    put_text(&st, row->address);
    put_text(&st, row->action);
    put_text(&st, row->target);
    put_text(&st, row->detail);
    (void)crypto_hash_sha256_final(&st, ret);
}

static int read_head(struct db *db, uint64_t *ret_seq, uint8_t ret_hash[HASH_SIZE],
                     struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    const void *hash;
    size_t len;
    int r = db_query(db, "SELECT seq, hash FROM audit_head", &st, err);

    if (r == 0)
        r = db_step(st, err);
    if (r < 0)
        return r;
    hash = r > 0 ? db_col_blob(st, 1, &len) : NULL;
    if (!hash || len != HASH_SIZE)
        return error_set(err, -EBADMSG, "the head of the audit trail is gone");
    *ret_seq = db_col_u64(st, 0);
    memcpy(ret_hash, hash, HASH_SIZE);
    return 0;
}

int audit_add(struct change *c, const char *action, const char *target, const char *detail,
              struct error *err)
{
    struct audit_row row = {.time_ms = c->now,
                            .actor = sb_str(&c->actor),
                            .address = c->address,
                            .action = action,
                            .target = target,
                            .detail = detail};
    uint8_t before[HASH_SIZE], hash[HASH_SIZE];
    int r = c->actor.failed ? error_set(err, -ENOMEM, "out of memory") : 0;

    if (r == 0)
        r = read_head(c->db, &row.seq, before, err);
    if (r < 0)
        return r;
    row.seq++;
    hash_row(before, &row, hash);
    r = db_do(c->db, err, "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", "uusssssb",
              row.seq, row.time_ms, row.actor, row.address, action, target, detail,
              (const void *)hash, sizeof(hash));
    if (r == 0)
        r = db_do(c->db, err, "UPDATE audit_head SET seq = ?1, hash = ?2", "ub", row.seq,
                  (const void *)hash, sizeof(hash));
    return r;
}

static const char select_sql[] =
    "SELECT seq, time_ms, actor, address, action, target, detail, hash FROM audit WHERE"
    " (?1 = 0 OR seq < ?1) AND seq > ?2 AND time_ms >= ?3 AND (?4 = 0 OR time_ms < ?4) AND"
    " (?5 IS NULL OR actor LIKE ?5 ESCAPE '\\') AND (?6 IS NULL OR action LIKE ?6 ESCAPE '\\') AND"
    " (?7 IS NULL OR target = ?7) ORDER BY seq DESC LIMIT ?8";
static const char select_after_sql[] =
    "SELECT seq, time_ms, actor, address, action, target, detail, hash FROM audit WHERE"
    " (?1 = 0 OR seq < ?1) AND seq > ?2 AND time_ms >= ?3 AND (?4 = 0 OR time_ms < ?4) AND"
    " (?5 IS NULL OR actor LIKE ?5 ESCAPE '\\') AND (?6 IS NULL OR action LIKE ?6 ESCAPE '\\') AND"
    " (?7 IS NULL OR target = ?7) ORDER BY seq LIMIT ?8";

static void read_row(struct db_stmt *st, struct audit_row *row)
{
    *row = (struct audit_row){
        .seq = db_col_u64(st, 0),
        .time_ms = db_col_u64(st, 1),
        .actor = strempty(db_col_str(st, 2)),
        .address = strempty(db_col_str(st, 3)),
        .action = strempty(db_col_str(st, 4)),
        .target = strempty(db_col_str(st, 5)),
        .detail = strempty(db_col_str(st, 6)),
    };
}

static int hand_row(struct db_stmt *st, registry_audit_fn fn, void *ctx, uint64_t *ret_seq)
{
    char hex[2 * HASH_SIZE + 1] = "";
    struct audit_row row;
    const void *hash;
    size_t len = 0;

    read_row(st, &row);
    hash = db_col_blob(st, 7, &len);
    if (hash && len == HASH_SIZE)
        hex_of(hash, len, hex);
    *ret_seq = row.seq;
    return fn(ctx, &(struct registry_audit){row.seq, row.time_ms, row.actor, row.address,
                                            row.action, row.target, row.detail, hex});
}

// `more` gets the number of the last row when there are further ones.
static int select_rows(struct registry *rg, const char *sql,
                       const struct registry_audit_filter *filter, uint64_t before, uint64_t after,
                       unsigned limit, registry_audit_fn fn, void *ctx, uint64_t *ret_more,
                       struct error *err)
{
    static const struct registry_audit_filter all;
    const struct registry_audit_filter *f = filter ? filter : &all;
    _cleanup_free_ char *actor = NULL, *action = NULL;
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t last = 0;
    unsigned n = 0;
    int r;

    if (strlen(strempty(f->actor)) > FILTER_MAX || strlen(strempty(f->action)) > FILTER_MAX)
        return error_set(err, -EINVAL, "a filter has at most %d bytes", FILTER_MAX);
    if ((f->actor && like_prefix(f->actor, &actor) < 0) ||
        (f->action && like_prefix(f->action, &action) < 0))
        return error_set(err, -ENOMEM, "out of memory");
    r = reading_begin(rg, &rd, err);
    if (r == 0)
        r = db_query(rd.db, sql, &st, err);
    if (r < 0)
        return r;
    db_bind(st, "uuuusssu", before, after, f->from_ms, f->to_ms, actor, action, f->target,
            (uint64_t)limit + 1);
    while ((r = db_step(st, err)) > 0) {
        if (n++ == limit) {
            *ret_more = last;
            return 0;
        }
        r = hand_row(st, fn, ctx, &last);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_audit_list(struct registry *rg, const struct registry_audit_filter *filter,
                        const struct registry_page *page, registry_audit_fn fn, void *ctx,
                        struct registry_next *ret_next, struct error *err)
{
    uint64_t before = 0, more = 0;
    int r = page_number(page, &before, err);

    if (r == 0)
        r = select_rows(rg, select_sql, filter, before, 0, page_limit(page), fn, ctx, &more, err);
    if (r == 0)
        next_number(ret_next, more);
    return r;
}

int registry_audit_after(struct registry *rg, const struct registry_audit_filter *filter,
                         uint64_t after, unsigned limit, registry_audit_fn fn, void *ctx,
                         struct error *err)
{
    uint64_t more;

    return select_rows(rg, select_after_sql, filter, 0, after, limit, fn, ctx, &more, err);
}

static int broken(struct error *err, uint64_t seq, const char *how)
{
    (void)error_set(err, -EBADMSG, "the audit trail was changed by somebody else: row %llu %s",
                    (unsigned long long)seq, how);
    error_expected(err, "rows without gaps, each with the hash of the row before");
    error_cure(err, "compare with an exported trail or a backup from before to see what was there");
    return -EBADMSG;
}

static int check_rows(struct db_stmt *st, uint64_t *seq, uint8_t hash[HASH_SIZE], struct error *err)
{
    struct audit_row row;
    const void *stored;
    size_t len;
    int r;

    while ((r = db_step(st, err)) > 0) {
        read_row(st, &row);
        if (row.seq != *seq + 1)
            return broken(err, *seq + 1, "is missing");
        hash_row(hash, &row, hash);
        stored = db_col_blob(st, 7, &len);
        if (!stored || len != HASH_SIZE || sodium_memcmp(stored, hash, HASH_SIZE) != 0)
            return broken(err, row.seq, "is not what was written");
        *seq = row.seq;
    }
    return r;
}

static int check_trail(struct registry *rg, uint64_t *ret_rows, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_txn_done) struct db_txn txn = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint8_t hash[HASH_SIZE] = {0}, head[HASH_SIZE];
    uint64_t seq = 0, last = 0;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_begin(rd.db, DB_READ, &txn, err);
    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT seq, time_ms, actor, address, action, target, detail, hash FROM audit ORDER BY seq",
            &st, err);
    if (r == 0)
        r = check_rows(st, &seq, hash, err);
    if (r == 0)
        r = read_head(rd.db, &last, head, err);
    if (r < 0)
        return r;
    if (last > seq)
        return broken(err, seq + 1, "is missing, and so is all behind it");
    if (last < seq || sodium_memcmp(head, hash, HASH_SIZE) != 0)
        return broken(err, last + 1, "was added");
    if (ret_rows)
        *ret_rows = seq;
    return 0;
}

int registry_audit_check(struct registry *rg, uint64_t *ret_rows, struct error *err)
{
    int r = check_trail(rg, ret_rows, err);

    if (r == 0 || r == -EBADMSG)
        atomic_store(&rg->audit_broken, r < 0);
    return r;
}

int registry_audit_note(struct registry *rg, const struct actor *actor, const char *action,
                        const char *target, const char *detail, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = check_name(err, "the action", action, REGISTRY_NAME_MAX);

    if (r == 0)
        r = check_text(err, "the target", target, 512, false);
    if (r == 0 && detail)
        r = check_json(err, "the detail", detail, REGISTRY_TEXT_MAX, true);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = audit_add(&c, action, strempty(target), detail ? detail : "{}", err);
    return r < 0 ? r : change_commit(&c, err);
}
