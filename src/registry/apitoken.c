// SPDX-License-Identifier: Apache-2.0
#include "registry/apitoken.h"

#include <stdio.h>

#include "base/strutil.h"
#include "registry/people.h"

#define PREFIX      "sgt_"
#define TOKENS_MAX  100 // of one user
#define LIFE_MIN_MS MS_PER_MINUTE

STATIC_ASSERT(sizeof(PREFIX) - 1 + 44 == API_TOKEN_SIZE, "the size of a token");

int registry_api_token_list(struct registry *rg, const char *owner, registry_api_token_fn fn,
                            void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(
        rg,
        "SELECT id, name, owner, roles, created_ms, expires_ms, used_ms FROM api_tokens WHERE ?1 IS NULL OR"
        " owner = ?1 ORDER BY owner, name, id",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, owner);
    while ((r = db_step(st, err)) > 0) {
        const struct registry_api_token t = {
            .id = db_col_str(st, 0),
            .name = db_col_str(st, 1),
            .owner = db_col_str(st, 2),
            .roles = (uint32_t)db_col_u64(st, 3),
            .created_ms = db_col_u64(st, 4),
            .expires_ms = db_col_u64(st, 5),
            .used_ms = db_col_u64(st, 6),
        };

        r = fn(ctx, &t);
        if (r != 0)
            return r;
    }
    return r;
}

static int check_owner(struct change *c, const char *owner, uint32_t roles, struct error *err)
{
    int64_t has = 0, n = 0;
    int r = db_get_i64(c->db, err, &has, "SELECT roles FROM users WHERE name = ?1", "s", owner);

    if (r == 0)
        return not_found(err, "user", owner);
    if (r > 0)
        r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM api_tokens WHERE owner = ?1", "s",
                       owner);
    if (r < 0)
        return r;
    if (roles == 0 || (roles & ~(uint32_t)has))
        return error_set(err, -EPERM,
                         "a token has at least one role, and none that its owner has not");
    return n < TOKENS_MAX
               ? 0
               : error_set(err, -EDQUOT, "'%s' has %d tokens already", owner, TOKENS_MAX);
}

static int insert_token(struct change *c, const char *owner, const char *name, uint32_t roles,
                        uint64_t life_ms, const char *token, const char *id, struct error *err)
{
    _cleanup_(sb_done) struct strbuf text = {};
    uint8_t hash[32];
    int r;

    hash_text("token", token, hash);
    roles_json(&text, roles);
    r = db_do(c->db, err,
              "INSERT INTO api_tokens (id, hash, name, owner, roles, created_ms, expires_ms)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
              "sbssuuu", id, (const void *)hash, sizeof(hash), name, owner, (uint64_t)roles, c->now,
              c->now + life_ms);
    if (r == 0)
        r = change_audit(c, err, "api-token.create", id, "ssju", "owner", owner, "name", name,
                         "roles", sb_str(&text), "expires", c->now + life_ms);
    return r;
}

int registry_api_token_create(struct registry *rg, const struct actor *actor, const char *owner,
                              const char *name, uint32_t roles, uint64_t life_ms,
                              char ret_token[API_TOKEN_SIZE], char ret_id[9], struct error *err)
{
    uint64_t longest = registry_setting_u64(rg, SETTING_TOKEN_MAX);
    _cleanup_(change_done) struct change c = {};
    char token[API_TOKEN_SIZE] = PREFIX, id[9];
    int r = check_name(err, "the name of a token", name, REGISTRY_NAME_MAX);

    random_base64(token + sizeof(PREFIX) - 1);
    random_hex(id, 8);
    if (r == 0 && (life_ms < LIFE_MIN_MS || life_ms > longest))
        r = error_set(err, -EINVAL, "a token lives between 1 minute and %llu days",
                      (unsigned long long)(longest / MS_PER_DAY));
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = check_owner(&c, owner, roles, err);
    if (r == 0)
        r = insert_token(&c, owner, name, roles, life_ms, token, id, err);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0) {
        memcpy(ret_token, token, sizeof(token));
        memcpy(ret_id, id, sizeof(id));
    }
    return r;
}

int registry_api_token_revoke(struct registry *rg, const struct actor *actor, const char *owner,
                              const char *id, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = db_do(c.db, err, "DELETE FROM api_tokens WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)",
                  "ss", id, owner);
    if (r == 0 && db_changes(c.db) == 0)
        r = not_found(err, "token", id);
    if (r == 0)
        r = change_audit(&c, err, "api-token.revoke", id, "");
    return r < 0 ? r : change_commit(&c, err);
}

static int read_token(struct registry *rg, const uint8_t hash[32], uint64_t now,
                      struct registry_api_token_use *ret, bool *ret_due)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_begin(rg, &rd, NULL);

    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT t.name, t.owner, t.roles & u.roles, t.used_ms FROM api_tokens t JOIN users u ON u.name ="
            " t.owner WHERE t.hash = ?1 AND t.expires_ms > ?2 AND NOT u.disabled",
            &st, NULL);
    if (r < 0)
        return r;
    db_bind(st, "bu", (const void *)hash, (size_t)32, now);
    r = db_step(st, NULL);
    if (r <= 0 || db_col_u64(st, 2) == 0)
        return r < 0 ? r : -EACCES;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", db_col_str(st, 0));
    (void)snprintf(ret->owner, sizeof(ret->owner), "%s", db_col_str(st, 1));
    ret->roles = (uint32_t)db_col_u64(st, 2);
    *ret_due = db_col_u64(st, 3) + MS_PER_MINUTE <= now;
    return 0;
}

int registry_api_token_check(struct registry *rg, const char *token,
                             struct registry_api_token_use *ret)
{
    struct registry_api_token_use use = {};
    bool is_due = false;
    uint8_t hash[32];
    int r;

    if (!token || strlen(token) != API_TOKEN_SIZE - 1 || !str_startswith(token, PREFIX))
        return -EACCES;
    hash_text("token", token, hash);
    r = read_token(rg, hash, registry_now(rg), &use, &is_due);
    if (r < 0)
        return r;
    if (is_due) {
        _cleanup_(change_done) struct change c = {};

        if (change_begin(rg, &registry_self, RELAXED, &c, NULL) == 0 &&
            db_do(c.db, NULL, "UPDATE api_tokens SET used_ms = ?1 WHERE hash = ?2", "ub", c.now,
                  (const void *)hash, sizeof(hash)) == 0)
            (void)change_commit(&c, NULL);
    }
    *ret = use;
    return 0;
}
