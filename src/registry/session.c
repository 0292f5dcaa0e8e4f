// SPDX-License-Identifier: Apache-2.0
#include "registry/session.h"

#include <sodium.h>
#include <stdio.h>

#include "registry/people.h"

#define CODE_LIFE_MAX     (15 * MS_PER_MINUTE)
#define CODES_MAX         100
#define SESSIONS_USER_MAX 50
#define TOUCH_MS          MS_PER_MINUTE

static bool is_token(const char *token)
{
    return token && strlen(token) == SESSION_TEXT_SIZE - 1;
}

// Bound to the session and not stored: who reads the database cannot make it.
static void csrf_of(const char *token, char ret[SESSION_TEXT_SIZE])
{
    uint8_t hash[32];

    hash_text("csrf", token, hash);
    base64_of(hash, ret);
}

int sessions_end(struct change *c, const char *user, struct error *err)
{
    int r = db_do(c->db, err, "DELETE FROM sessions WHERE user = ?1", "s", user);

    return r < 0 ? r : db_do(c->db, err, "DELETE FROM login_codes WHERE user = ?1", "s", user);
}

static int end_one(struct change *c, const char *token, struct error *err)
{
    uint8_t hash[32];

    if (!is_token(token))
        return 0;
    hash_text("session", token, hash);
    return db_do(c->db, err, "DELETE FROM sessions WHERE hash = ?1", "b", (const void *)hash,
                 sizeof(hash));
}

// The sessions that were not used for longest go when there are too many.
static int insert_session(struct change *c, const char *user, const char *token, struct error *err)
{
    uint8_t hash[32];
    int r;

    hash_text("session", token, hash);
    r = db_do(c->db, err, "INSERT INTO sessions VALUES (?1, ?2, ?3, ?3, ?4)", "bsus",
              (const void *)hash, sizeof(hash), user, c->now, c->address);
    if (r == 0)
        r = db_do(c->db, err,
                  "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user = ?1"
                  " ORDER BY used_ms DESC, created_ms DESC LIMIT -1 OFFSET ?2)",
                  "su", user, (uint64_t)SESSIONS_USER_MAX);
    return r;
}

static int log_in(struct registry *rg, const char *user, const char *how, const char *address,
                  const char *before, struct registry_login *ret, struct error *err)
{
    const struct actor actor = {.kind = ACTOR_USER, .name = user, .address = address};
    _cleanup_(change_done) struct change c = {};
    struct registry_login login = {};
    int64_t roles = 0;
    int r = change_begin(rg, &actor, DURABLE, &c, err);

    // Once more, with the lock: he may have been disabled while the password was looked at.
    if (r == 0)
        r = db_get_i64(c.db, err, &roles,
                       "SELECT roles FROM users WHERE name = ?1 AND NOT disabled", "s", user);
    if (r == 0)
        r = error_set(err, -EACCES, "the user or the password is wrong");
    if (r > 0)
        r = end_one(&c, before, err);
    random_base64(login.token);
    if (r == 0)
        r = insert_session(&c, user, login.token, err);
    if (r == 0)
        r = db_do(c.db, err, "UPDATE users SET login_ms = ?1 WHERE name = ?2", "us", c.now, user);
    if (r == 0)
        r = change_audit(&c, err, "login", user, "s", "by", how);
    if (r == 0)
        r = change_commit(&c, err);
    if (r < 0)
        return r;
    (void)snprintf(login.session.user, sizeof(login.session.user), "%s", user);
    login.session.roles = (uint32_t)roles;
    login.session.created_ms = c.now;
    login.session.expires_ms = c.now + registry_setting_u64(rg, SETTING_SESSION_MAX);
    csrf_of(login.token, login.session.csrf);
    *ret = login;
    return 0;
}

int registry_login(struct registry *rg, const char *user, const char *password, const char *address,
                   const char *before, struct registry_login *ret, uint64_t *ret_wait_ms,
                   struct error *err)
{
    int r = password_try(rg, strempty(user), password, address, ret_wait_ms, err);

    return r < 0 ? r : log_in(rg, user, "password", address, before, ret, err);
}

int registry_login_code_create(struct registry *rg, const struct actor *actor, const char *user,
                               uint64_t life_ms, char ret_code[LOGIN_CODE_SIZE], struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char code[LOGIN_CODE_SIZE];
    uint8_t hash[32];
    int64_t n = 0;
    int r = life_ms == 0 || life_ms > CODE_LIFE_MAX
                ? error_set(err, -EINVAL, "a one-time code lives for at most 15 minutes")
                : change_begin(rg, actor, DURABLE, &c, err);

    random_hex(code, LOGIN_CODE_SIZE - 1);
    hash_text("code", code, hash);
    if (r == 0)
        r = db_get_i64(c.db, err, &n, "SELECT count(*) FROM login_codes WHERE expires_ms > ?1", "u",
                       c.now);
    if (r < 0)
        return r;
    if (n >= CODES_MAX)
        return error_set(err, -EDQUOT,
                         "there are %d one-time codes already: wait until they are over",
                         CODES_MAX);
    r = db_do(c.db, err, "INSERT INTO login_codes VALUES (?1, ?2, ?3, ?4)", "bsuu",
              (const void *)hash, sizeof(hash), user, c.now, c.now + life_ms);
    if (r == -ENOLINK)
        return not_found(err, "user", user);
    if (r == 0)
        r = change_audit(&c, err, "login-code.create", user, "u", "expires", c.now + life_ms);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        memcpy(ret_code, code, sizeof(code));
    return r;
}

static int take_code(struct registry *rg, const char *code, const char *address, char **ret_user,
                     struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    uint8_t hash[32];
    int r = change_begin(rg, &registry_self, DURABLE, &c, err);

    hash_text("code", code, hash);
    // A clock that was set back does not make it live longer than it may.
    if (r == 0)
        r = db_get_str(
            c.db, err, ret_user,
            "SELECT user FROM login_codes WHERE hash = ?1 AND expires_ms > ?2 AND created_ms <= ?2",
            "bu", (const void *)hash, sizeof(hash), c.now);
    if (r == 0)
        return error_set(err, -EACCES, "this code is not good (any more)");
    if (r > 0)
        r = db_do(c.db, err, "DELETE FROM login_codes WHERE hash = ?1", "b", (const void *)hash,
                  sizeof(hash));
    if (r == 0)
        r = throttle_forgive(&c, NULL, address, err);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_login_once(struct registry *rg, const char *code, const char *address,
                        const char *before, struct registry_login *ret, uint64_t *ret_wait_ms,
                        struct error *err)
{
    _cleanup_free_ char *user = NULL;
    int r = throttle_take(rg, NULL, address, ret_wait_ms, err);

    if (r == 0 && (!code || strlen(code) != LOGIN_CODE_SIZE - 1))
        r = error_set(err, -EACCES, "this code is not good (any more)");
    if (r == 0)
        r = take_code(rg, code, address, &user, err);
    return r < 0 ? r : log_in(rg, user, "one-time code", address, before, ret, err);
}

static int touch(struct registry *rg, const uint8_t hash[32], struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    if (r == 0)
        r = db_do(c.db, err, "UPDATE sessions SET used_ms = ?1 WHERE hash = ?2", "ub", c.now,
                  (const void *)hash, (size_t)32);
    return r < 0 ? r : change_commit(&c, err);
}

static int read_session(struct registry *rg, const uint8_t hash[32], uint64_t now,
                        struct registry_session *ret, bool *ret_touch)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t created, used;
    int r = reading_begin(rg, &rd, NULL);

    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT s.user, u.roles, s.created_ms, s.used_ms FROM sessions s JOIN users u ON u.name = s.user"
            " WHERE s.hash = ?1 AND NOT u.disabled",
            &st, NULL);
    if (r < 0)
        return r;
    db_bind_blob(st, 1, hash, 32);
    r = db_step(st, NULL);
    if (r <= 0)
        return r < 0 ? r : -EACCES;
    created = db_col_u64(st, 2);
    used = db_col_u64(st, 3);
    ret->created_ms = created;
    ret->expires_ms = created + registry_setting_u64(rg, SETTING_SESSION_MAX);
    // Times ahead of the clock say that it was set back: such a session is over, or it would live for too long.
    if (now >= ret->expires_ms || used + registry_setting_u64(rg, SETTING_SESSION_IDLE) <= now ||
        used > now + TOUCH_MS)
        return -EACCES;
    (void)snprintf(ret->user, sizeof(ret->user), "%s", db_col_str(st, 0));
    ret->roles = (uint32_t)db_col_u64(st, 1);
    *ret_touch = used + TOUCH_MS <= now;
    return 0;
}

int registry_session_check(struct registry *rg, const char *token, struct registry_session *ret)
{
    struct registry_session s = {};
    bool is_due = false;
    uint8_t hash[32];
    int r;

    if (!is_token(token))
        return -EACCES;
    hash_text("session", token, hash);
    r = read_session(rg, hash, registry_now(rg), &s, &is_due);
    if (r < 0)
        return r;
    // When the disk is full he may still look.
    if (is_due)
        (void)touch(rg, hash, NULL);
    csrf_of(token, s.csrf);
    *ret = s;
    return 0;
}

bool registry_session_csrf_ok(const struct registry_session *s, const char *csrf)
{
    return csrf && strlen(csrf) == SESSION_TEXT_SIZE - 1 &&
           sodium_memcmp(csrf, s->csrf, SESSION_TEXT_SIZE - 1) == 0;
}

int registry_logout(struct registry *rg, const struct actor *actor, const char *token,
                    struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = end_one(&c, token, err);
    if (r == 0)
        r = change_audit(&c, err, "logout", strempty(actor->name), "");
    return r < 0 ? r : change_commit(&c, err);
}

int registry_session_end_all(struct registry *rg, const struct actor *actor, const char *user,
                             unsigned *ret_n, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int64_t n = 0;
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = db_get_i64(c.db, err, &n, "SELECT count(*) FROM sessions WHERE user = ?1", "s", user);
    if (r >= 0)
        r = sessions_end(&c, user, err);
    if (r == 0)
        r = change_audit(&c, err, "session.end-all", user, "u", "sessions", (uint64_t)n);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0 && ret_n)
        *ret_n = (unsigned)n;
    return r;
}
