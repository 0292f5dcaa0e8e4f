// SPDX-License-Identifier: Apache-2.0
//
// Passwords, and who has to wait after wrong ones.
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "registry/people.h"
#include "registry/user.h"

#define FREE_TRIES   5
#define WAIT_MAX_MS  (15 * MS_PER_MINUTE)
#define FORGET_MS    MS_PER_DAY
#define THROTTLE_MAX 100000

static unsigned long long passes(const struct registry *rg)
{
    if (rg->options.password_weak)
        return crypto_pwhash_OPSLIMIT_MIN;
    return MAX((unsigned long long)rg->options.password_passes,
               (unsigned long long)crypto_pwhash_OPSLIMIT_INTERACTIVE);
}

static size_t memory(const struct registry *rg)
{
    if (rg->options.password_weak)
        return crypto_pwhash_MEMLIMIT_MIN;
    return MAX((size_t)rg->options.password_memory, (size_t)crypto_pwhash_MEMLIMIT_INTERACTIVE);
}

static int make_hash(struct registry *rg, const char *password, char **ret_hash)
{
    char *hash = mallocz(crypto_pwhash_STRBYTES);
    int r;

    if (!hash)
        return -ENOMEM;
    (void)sem_wait(&rg->hashing);
    r = crypto_pwhash_str_alg(hash, password, strlen(password), passes(rg), memory(rg),
                              crypto_pwhash_ALG_ARGON2ID13);
    (void)sem_post(&rg->hashing);
    if (r < 0) {
        free(hash);
        return -ENOMEM;
    }
    *ret_hash = hash;
    return 0;
}

int password_hash(struct registry *rg, const char *user, const char *password, char **ret_hash,
                  struct error *err)
{
    size_t len = strlen(strempty(password)), characters = 0;
    int r;

    for (size_t i = 0, n; i < len; i += n, characters++) {
        n = utf8_decode(password + i, len - i, NULL);
        if (n == 0)
            return error_set(err, -EINVAL, "the password is not UTF-8");
    }
    if (characters < USER_PASSWORD_MIN || len > USER_PASSWORD_MAX)
        return error_set(err, -EINVAL,
                         "a password has at least %d characters, and at most %d bytes",
                         USER_PASSWORD_MIN, USER_PASSWORD_MAX);
    if (streq(password, user))
        return error_set(err, -EINVAL, "the password is the user's name");
    r = make_hash(rg, password, ret_hash);
    return r < 0 ? error_set(err, r, "there is not enough memory to hash a password") : 0;
}

// Takes as long as for a user who is there.
static int compare_with_nobody(struct registry *rg, const char *password)
{
    int r = 0;

    (void)pthread_mutex_lock(&rg->dummy_lock);
    if (!rg->dummy_hash)
        r = make_hash(rg, "nobody has this password", &rg->dummy_hash);
    (void)pthread_mutex_unlock(&rg->dummy_lock);
    if (r == 0) {
        (void)sem_wait(&rg->hashing);
        r = crypto_pwhash_str_verify(rg->dummy_hash, password, strlen(password));
        (void)sem_post(&rg->hashing);
    }
    return r == -ENOMEM ? r : -EACCES;
}

// A whole network of IPv6 belongs to one customer: its /64 counts as one address.
static void address_key(const char *address, char *ret, size_t size)
{
    struct in6_addr in6;

    if (address && strchr(address, ':') && inet_pton(AF_INET6, address, &in6) == 1 &&
        !IN6_IS_ADDR_V4MAPPED(&in6)) {
        char hex[17];

        hex_of(&in6, 8, hex);
        (void)snprintf(ret, size, "net:%s", hex);
        return;
    }
    (void)snprintf(ret, size, "addr:%.64s", str_isempty(address) ? "local" : address);
}

static void user_key(const char *user, char *ret, size_t size)
{
    // What is no name is nobody's: one row for all of it.
    (void)snprintf(ret, size, "user:%s",
                   check_name(NULL, "", user, REGISTRY_NAME_MAX) == 0 ? user : "?");
}

static uint64_t wait_after(uint64_t failures)
{
    if (failures <= FREE_TRIES)
        return 0;
    return MIN(WAIT_MAX_MS, UINT64_C(1000) << MIN(failures - FREE_TRIES - 1, UINT64_C(20)));
}

// 0: may try, and was counted; else the milliseconds to wait in *ret_wait and -EAGAIN.
static int take_one(struct change *c, const char *key, uint64_t *ret_wait, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t failures = 0, until = 0;
    int r = db_query(c->db, "SELECT failures, until_ms, last_ms FROM throttle WHERE key = ?1", &st,
                     err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, key);
    r = db_step(st, err);
    if (r < 0)
        return r;
    if (r > 0 && db_col_u64(st, 2) + FORGET_MS > c->now) {
        failures = db_col_u64(st, 0);
        until = db_col_u64(st, 1);
    }
    // Somebody may have set the clock back: nobody waits longer than he would have had to.
    until = MIN(until, c->now + WAIT_MAX_MS);
    if (until > c->now) {
        *ret_wait = MAX(*ret_wait, until - c->now);
        return -EAGAIN;
    }
    failures++;
    return db_do(
        c->db, err,
        "INSERT INTO throttle VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET failures = ?2,"
        " until_ms = ?3, last_ms = ?4",
        "suuu", key, failures, c->now + wait_after(failures), c->now);
}

static int bound_throttle(struct change *c, struct error *err)
{
    int64_t n = 0;
    int r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM throttle", "");

    if (r < 0 || n <= THROTTLE_MAX)
        return r < 0 ? r : 0;
    return db_do(
        c->db, err,
        "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle ORDER BY last_ms LIMIT ?1)",
        "u", (uint64_t)(n - THROTTLE_MAX));
}

int throttle_take(struct registry *rg, const char *user, const char *address, uint64_t *ret_wait_ms,
                  struct error *err)
{
    char key[REGISTRY_NAME_MAX + 16], net[REGISTRY_NAME_MAX + 16];
    _cleanup_(change_done) struct change c = {};
    uint64_t wait = 0;
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    address_key(address, net, sizeof(net));
    if (r == 0)
        r = take_one(&c, net, &wait, err);
    if (r == 0 && user) {
        user_key(user, key, sizeof(key));
        r = take_one(&c, key, &wait, err);
    }
    if (r == 0)
        r = bound_throttle(&c, err);
    if (r == -EAGAIN) {
        if (ret_wait_ms)
            *ret_wait_ms = wait;
        return error_set(err, -EAGAIN, "too many wrong tries: wait %llu seconds",
                         (unsigned long long)((wait + 999) / 1000));
    }
    return r < 0 ? r : change_commit(&c, err);
}

int throttle_forgive(struct change *c, const char *user, const char *address, struct error *err)
{
    char key[REGISTRY_NAME_MAX + 16], net[REGISTRY_NAME_MAX + 16];

    address_key(address, net, sizeof(net));
    user_key(strempty(user), key, sizeof(key));
    return db_do(c->db, err, "DELETE FROM throttle WHERE key IN (?1, ?2)", "ss", net,
                 user ? key : net);
}

static int stored_hash(struct registry *rg, const char *user, char **ret_hash, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    int r = reading_begin(rg, &rd, err);

    return r < 0 ? r
                 : db_get_str(rd.db, err, ret_hash,
                              "SELECT password FROM users WHERE name = ?1 AND NOT disabled", "s",
                              user);
}

static int verify(struct registry *rg, const char *user, const char *password, char **ret_better,
                  struct error *err)
{
    _cleanup_free_ char *hash = NULL;
    int r = strlen(password) > USER_PASSWORD_MAX ? 0 : stored_hash(rg, user, &hash, err);

    if (r < 0)
        return r;
    if (r == 0)
        return compare_with_nobody(rg, strlen(password) > USER_PASSWORD_MAX ? "" : password);
    (void)sem_wait(&rg->hashing);
    r = crypto_pwhash_str_verify(hash, password, strlen(password));
    (void)sem_post(&rg->hashing);
    if (r < 0)
        return -EACCES;
    // Made with less than what is asked for today.
    if (crypto_pwhash_str_needs_rehash(hash, passes(rg), memory(rg)) != 0)
        (void)make_hash(rg, password, ret_better);
    return 0;
}

int password_try(struct registry *rg, const char *user, const char *password, const char *address,
                 uint64_t *ret_wait_ms, struct error *err)
{
    const struct actor actor = {.kind = ACTOR_USER, .name = user, .address = address};
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *better = NULL;
    bool named = check_name(NULL, "", user, REGISTRY_NAME_MAX) == 0;
    int r = throttle_take(rg, user, address, ret_wait_ms, err), good;

    if (r < 0)
        return r;
    good = verify(rg, user, strempty(password), &better, err);
    if (good < 0 && good != -EACCES)
        return good;
    r = change_begin(rg, named ? &actor : &registry_self, RELAXED, &c, err);
    if (r == 0 && good < 0)
        r = change_audit(&c, err, "login.refused", named ? user : "?", "");
    if (r == 0 && good == 0)
        r = throttle_forgive(&c, user, address, err);
    if (r == 0 && better)
        r = db_do(c.db, err, "UPDATE users SET password = ?1 WHERE name = ?2", "ss", better, user);
    if (r == 0)
        r = change_commit(&c, err);
    if (r < 0)
        return r;
    return good == 0 ? 0 : error_set(err, -EACCES, "the user or the password is wrong");
}
