// SPDX-License-Identifier: Apache-2.0
#include "registry/user.h"

#include <stdio.h>

#include "registry/internal.h"
#include "registry/people.h"
#include "registry/session.h"

#define USERS_MAX 10000
#define POWERS    (ROLE_OPERATOR | ROLE_ADMIN | ROLE_AUDITOR)
#define COLUMNS   "name, roles, disabled, password IS NOT NULL, created_ms, password_ms, login_ms"

static int hand_users(struct db_stmt *st, registry_user_fn fn, void *ctx, unsigned *ret_n,
                      struct error *err)
{
    int r;

    while ((r = db_step(st, err)) > 0) {
        const struct registry_user u = {
            .name = db_col_str(st, 0),
            .roles = (uint32_t)db_col_u64(st, 1),
            .disabled = db_col_bool(st, 2),
            .has_password = db_col_bool(st, 3),
            .created_ms = db_col_u64(st, 4),
            .password_ms = db_col_u64(st, 5),
            .last_login_ms = db_col_u64(st, 6),
        };

        ++*ret_n;
        r = fn(ctx, &u);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_user_list(struct registry *rg, registry_user_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM users ORDER BY name", &rd, &st, err);

    return r < 0 ? r : hand_users(st, fn, ctx, &n, err);
}

int registry_user_get(struct registry *rg, const char *name, registry_user_fn fn, void *ctx,
                      struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM users WHERE name = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, name);
    r = hand_users(st, fn, ctx, &n, err);
    return r == 0 && n == 0 ? not_found(err, "user", name) : r;
}

static int check_user_name(struct error *err, const char *name)
{
    int r = check_name(err, "the name of a user", name, REGISTRY_NAME_MAX);

    if (r == 0 && strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return error_set(err, -EINVAL, "the name of a user is in lower case");
    return r;
}

static int check_roles(struct change *c, uint32_t roles, struct error *err)
{
    uint32_t powers = roles & POWERS;

    if (roles == 0 || (roles & ~(uint32_t)ROLES_ALL))
        return error_set(
            err, -EINVAL,
            "a user has at least one of the roles viewer, operator, admin and auditor");
    if ((powers & (powers - 1)) == 0)
        return 0;
    if (!(c->settings[SETTING_SEPARATION].set ? c->settings[SETTING_SEPARATION].number
                                              : registry_setting_u64(c->rg, SETTING_SEPARATION)))
        return 0;
    (void)error_set(
        err, -EPERM,
        "nobody may be more than one of operator, admin and auditor: the setting 'separation' is on");
    error_cure(err, "make a user of its own for each of them");
    return -EPERM;
}

static int is_last_admin(struct change *c, const char *name, struct error *err)
{
    int64_t is = 0;
    int r = db_get_i64(
        c->db, err, &is,
        "SELECT count(*) FROM users WHERE name = ?1 AND roles & ?2 AND NOT disabled AND NOT EXISTS"
        " (SELECT 1 FROM users WHERE name <> ?1 AND roles & ?2 AND NOT disabled)",
        "su", name, (uint64_t)ROLE_ADMIN);

    return r < 0 ? r : is > 0;
}

static int refuse_last_admin(struct change *c, const char *name, struct error *err)
{
    int r = is_last_admin(c, name, err);

    if (r <= 0)
        return r;
    (void)error_set(err, -EBUSY, "'%s' is the last admin", name);
    error_cure(err, "make another admin first");
    return -EBUSY;
}

// The second user: from now on powers are apart, unless somebody decided otherwise.
static int separate(struct change *c, struct error *err)
{
    int64_t users = 0, decided = 0;
    int r = db_get_i64(c->db, err, &users, "SELECT count(*) FROM users", "");

    if (r >= 0)
        r = db_get_i64(c->db, err, &decided,
                       "SELECT count(*) FROM settings WHERE name = 'separation'", "");
    if (r >= 0 && users >= USERS_MAX)
        return error_set(err, -EDQUOT, "there are %d users already", USERS_MAX);
    if (r < 0 || users == 0 || decided > 0)
        return r < 0 ? r : 0;
    return settings_put(c, SETTING_SEPARATION, "on", err);
}

static int roles_text(uint32_t roles, struct strbuf *sb, struct error *err)
{
    roles_json(sb, roles);
    return sb->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static int insert_user(struct change *c, const char *name, const char *hash, uint32_t roles,
                       struct error *err)
{
    _cleanup_(sb_done) struct strbuf text = {};
    int r = separate(c, err);

    if (r == 0)
        r = check_roles(c, roles, err);
    if (r == 0)
        r = roles_text(roles, &text, err);
    if (r == 0)
        r = db_do(
            c->db, err,
            "INSERT INTO users (name, roles, password, created_ms, password_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            "susuu", name, (uint64_t)roles, hash, c->now, hash ? c->now : (uint64_t)0);
    if (r == -EEXIST)
        return error_set(err, -EEXIST, "there is a user '%s' already", name);
    return r < 0 ? r : change_audit(c, err, "user.create", name, "j", "roles", sb_str(&text));
}

int registry_user_create(struct registry *rg, const struct actor *actor, const char *name,
                         const char *password, uint32_t roles, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *hash = NULL;
    int r = check_user_name(err, name);

    if (r == 0 && password)
        r = password_hash(rg, name, password, &hash, err);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = insert_user(&c, name, hash, roles, err);
    return r < 0 ? r : change_commit(&c, err);
}

static int put_roles(struct change *c, const char *name, uint32_t roles, struct error *err)
{
    _cleanup_(sb_done) struct strbuf before = {}, after = {};
    int64_t old = 0;
    int r = check_roles(c, roles, err);

    if (r == 0 && !(roles & ROLE_ADMIN))
        r = refuse_last_admin(c, name, err);
    if (r == 0)
        r = db_get_i64(c->db, err, &old, "SELECT roles FROM users WHERE name = ?1", "s", name);
    if (r >= 0)
        r = roles_text((uint32_t)old, &before, err);
    if (r == 0)
        r = roles_text(roles, &after, err);
    if (r == 0)
        r = db_do(c->db, err, "UPDATE users SET roles = ?1 WHERE name = ?2", "us", (uint64_t)roles,
                  name);
    return r < 0 ? r
                 : change_audit(c, err, "user.roles", name, "jj", "from", sb_str(&before), "to",
                                sb_str(&after));
}

static int put_disabled(struct change *c, const char *name, bool disabled, struct error *err)
{
    int r = disabled ? refuse_last_admin(c, name, err) : 0;

    if (r == 0)
        r = db_do(c->db, err, "UPDATE users SET disabled = ?1 WHERE name = ?2", "us",
                  (uint64_t)disabled, name);
    if (r == 0 && disabled)
        r = sessions_end(c, name, err);
    return r < 0 ? r : change_audit(c, err, disabled ? "user.disable" : "user.enable", name, "");
}

static int put_password(struct change *c, const char *name, const char *hash, struct error *err)
{
    int r = db_do(c->db, err, "UPDATE users SET password = ?1, password_ms = ?2 WHERE name = ?3",
                  "sus", hash, c->now, name);

    if (r == 0)
        r = sessions_end(c, name, err);
    return r < 0 ? r : change_audit(c, err, "user.password", name, "");
}

static int user_exists(struct change *c, const char *name, struct error *err)
{
    int64_t one;
    int r = db_get_i64(c->db, err, &one, "SELECT 1 FROM users WHERE name = ?1", "s", name);

    return r < 0 ? r : r == 0 ? not_found(err, "user", name) : 0;
}

int registry_user_update(struct registry *rg, const struct actor *actor, const char *name,
                         const struct registry_user_patch *patch, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *hash = NULL;
    int r = patch->password ? password_hash(rg, name, patch->password, &hash, err) : 0;

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = user_exists(&c, name, err);
    if (r == 0 && patch->roles)
        r = put_roles(&c, name, *patch->roles, err);
    if (r == 0 && patch->disabled)
        r = put_disabled(&c, name, *patch->disabled, err);
    if (r == 0 && hash)
        r = put_password(&c, name, hash, err);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_user_delete(struct registry *rg, const struct actor *actor, const char *name,
                         struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = user_exists(&c, name, err);
    if (r == 0)
        r = refuse_last_admin(&c, name, err);
    if (r == 0)
        r = db_do(c.db, err, "DELETE FROM users WHERE name = ?1", "s", name);
    if (r == 0)
        r = change_audit(&c, err, "user.delete", name, "");
    return r < 0 ? r : change_commit(&c, err);
}

int registry_user_change_password(struct registry *rg, const struct actor *actor, const char *name,
                                  const char *old, const char *password, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *hash = NULL;
    int r = password_hash(rg, name, password, &hash, err);

    if (r == 0)
        r = password_try(rg, name, old, actor->address, NULL, err);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = put_password(&c, name, hash, err);
    return r < 0 ? r : change_commit(&c, err);
}
