// SPDX-License-Identifier: Apache-2.0
#include "registry/enrol.h"

#include <sodium.h>
#include <stdio.h>

#include "registry/internal.h"
#include "registry/label.h"

#define LIFE_MIN   MS_PER_MINUTE
#define LIFE_MAX   (90 * MS_PER_DAY)
#define USES_MAX   1000000u
#define TOKENS_MAX 1000

static void hash_secret(const uint8_t secret[ENROL_SECRET_SIZE], uint8_t ret[32])
{
    char hex[2 * ENROL_SECRET_SIZE + 1];

    hex_of(secret, ENROL_SECRET_SIZE, hex);
    hash_text("enrol", hex, ret);
    sodium_memzero(hex, sizeof(hex));
}

static int check_spec(const struct registry_enrol_spec *spec, char **ret_labels, struct error *err)
{
    _cleanup_(labels_done) struct labels labels = {};
    int r = check_text(err, "the note", spec->note, REGISTRY_TEXT_MAX, false);

    if (r == 0 && spec->labels)
        r = labels_from_json(spec->labels, &labels, err);
    if (r == 0 && spec->uses > USES_MAX)
        r = error_set(err, -EINVAL, "a token is for at most %u hosts, or for any number (0)",
                      USES_MAX);
    if (r == 0 && (spec->life_ms < LIFE_MIN || spec->life_ms > LIFE_MAX))
        r = error_set(err, -EINVAL, "a token lives between 1 minute and 90 days");
    return r == 0 ? labels_to_json(&labels, ret_labels) : r;
}

int registry_enrol_token_create(struct registry *rg, const struct actor *actor,
                                const struct registry_enrol_spec *spec,
                                uint8_t ret_secret[ENROL_SECRET_SIZE], char ret_id[9],
                                struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *labels = NULL;
    uint8_t secret[ENROL_SECRET_SIZE], hash[32];
    int64_t n = 0;
    char id[9];
    int r = check_spec(spec, &labels, err);

    random_hex(id, 8);
    randombytes_buf(secret, sizeof(secret));
    hash_secret(secret, hash);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &n, "SELECT count(*) FROM enrol_tokens", "");
    if (r < 0)
        return r;
    if (n >= TOKENS_MAX)
        return error_set(err, -EDQUOT, "there are %d enrolment tokens already: revoke some",
                         TOKENS_MAX);
    r = db_do(
        c.db, err,
        "INSERT INTO enrol_tokens (id, hash, note, labels, uses, created_ms, expires_ms, created_by)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        "sbssuuus", id, (const void *)hash, sizeof(hash), strempty(spec->note), labels,
        (uint64_t)spec->uses, c.now, c.now + spec->life_ms, sb_str(&c.actor));
    if (r == 0)
        r = change_audit(&c, err, "enrol-token.create", id, "sjuu", "note", strempty(spec->note),
                         "labels", labels, "uses", (uint64_t)spec->uses, "expires",
                         c.now + spec->life_ms);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0) {
        memcpy(ret_secret, secret, sizeof(secret));
        memcpy(ret_id, id, sizeof(id));
    }
    sodium_memzero(secret, sizeof(secret));
    return r;
}

int registry_enrol_token_list(struct registry *rg, registry_enrol_token_fn fn, void *ctx,
                              struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(
        rg,
        "SELECT id, note, labels, uses, used, created_ms, expires_ms, revoked_ms, created_by"
        " FROM enrol_tokens ORDER BY created_ms DESC, id",
        &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        const struct registry_enrol_token t = {
            .id = db_col_str(st, 0),
            .note = db_col_str(st, 1),
            .labels = db_col_str(st, 2),
            .uses = (unsigned)db_col_u64(st, 3),
            .used = (unsigned)db_col_u64(st, 4),
            .created_ms = db_col_u64(st, 5),
            .expires_ms = db_col_u64(st, 6),
            .revoked_ms = db_col_u64(st, 7),
            .created_by = db_col_str(st, 8),
        };

        r = fn(ctx, &t);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_enrol_token_revoke(struct registry *rg, const struct actor *actor, const char *id,
                                struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = db_do(c.db, err,
                  "UPDATE enrol_tokens SET revoked_ms = ?1 WHERE id = ?2 AND revoked_ms = 0", "us",
                  c.now, id);
    if (r == 0 && db_changes(c.db) == 0)
        r = not_found(err, "enrolment token that is not revoked", id);
    if (r == 0)
        r = change_audit(&c, err, "enrol-token.revoke", id, "");
    return r < 0 ? r : change_commit(&c, err);
}

struct token {
    char id[9];
    char *labels;
    const char *refused; // why, NULL when it is good
};

static int find_token(struct change *c, const uint8_t secret[ENROL_SECRET_SIZE], struct token *ret,
                      struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint8_t hash[32];
    int r = db_query(
        c->db,
        "SELECT id, labels, revoked_ms > 0, expires_ms <= ?2, uses > 0 AND used >= uses FROM enrol_tokens"
        " WHERE hash = ?1",
        &st, err);

    if (r < 0)
        return r;
    hash_secret(secret, hash);
    db_bind(st, "bu", (const void *)hash, sizeof(hash), c->now);
    r = db_step(st, err);
    if (r < 0)
        return r;
    ret->refused = r == 0               ? "it is none of this server's"
                   : db_col_bool(st, 2) ? "it was revoked"
                   : db_col_bool(st, 3) ? "its time is over"
                   : db_col_bool(st, 4) ? "it is used up"
                                        : NULL;
    (void)snprintf(ret->id, sizeof(ret->id), "%s", r ? db_col_str(st, 0) : "-");
    return r ? db_col_dup(st, 1, &ret->labels) : 0;
}

// The trail grows for ever, and whoever has an old token may try it as often as he likes: once a minute is told.
static int was_told(struct change *c, const struct token *token, struct error *err)
{
    int64_t one;

    return db_get_i64(
        c->db, err, &one,
        "SELECT 1 FROM audit WHERE time_ms BETWEEN ?1 AND ?2 AND action = 'host.enrol-refused' AND target = ?3",
        "uus", c->now - MIN(c->now, MS_PER_MINUTE), c->now, token->id);
}

static int refuse(struct change *c, const struct token *token, struct error *err)
{
    int r = 1;

    // Tokens that never were are anybody's guess: nothing of them is kept.
    if (!streq(token->id, "-"))
        r = was_told(c, token, err);
    if (r > 0)
        r = 0;
    else if (r == 0)
        r = change_audit(c, err, "host.enrol-refused", token->id, "s", "reason", token->refused);
    if (r == 0)
        r = change_commit(c, err);
    if (r < 0)
        return r;
    (void)error_set(err, -EACCES, "this enrolment token is not good (any more)");
    error_cure(err, "make a new one with 'safeguard-server token create'");
    return -EACCES;
}

static void random_uuid(char ret[HOST_ID_SIZE])
{
    uint8_t b[16];
    char hex[33];

    randombytes_buf(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_of(b, sizeof(b), hex);
    (void)snprintf(ret, HOST_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
}

// Whether a host may stay who it was. 1: it is in the database; 0: it is not, and was never revoked; -EACCES: it may not.
static int may_stay(struct change *c, const struct registry_former *former,
                    const struct host_facts *facts, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = check_host(err, former->host);

    if (r == 0)
        r = check_hex(err, "the serial number", former->serial, 0);
    if (r == 0)
        r = db_query(
            c->db,
            "SELECT lifecycle, machine_id = ?2, EXISTS (SELECT 1 FROM certs WHERE host = ?1 AND serial = ?3"
            " AND revoked_ms > 0) FROM hosts WHERE id = ?1",
            &st, err);
    if (r < 0)
        return r;
    db_bind(st, "sss", former->host, facts->machine_id, former->serial);
    r = db_step(st, err);
    if (r < 0)
        return r;
    if (r > 0)
        return db_col_i64(st, 0) == 0 && db_col_bool(st, 1) && !db_col_bool(st, 2) ? 1 : -EACCES;
    r = journal_has(c->rg, former->host, err);
    return r > 0 ? -EACCES : r;
}

// With its new certificate; those before it end, in case that somebody else has them.
static int put_back(struct change *c, const char *host, const struct host_facts *facts,
                    const char *serial, uint64_t not_after_ms, struct error *err)
{
    struct fact name;
    int r = db_do(
        c->db, err,
        "UPDATE certs SET revoked_ms = ?1, reason = 'the host was enrolled again' WHERE host = ?2 AND revoked_ms = 0",
        "us", c->now, host);

    if (r == 0)
        r = db_do(
            c->db, err,
            "INSERT INTO certs (serial, host, issued_ms, not_after_ms) VALUES (?1, ?2, ?3, ?4)",
            "ssuu", serial, host, c->now, not_after_ms);
    // It says hello with what it has now; the session before is another's from here on.
    if (r == 0)
        r = db_do(c->db, err, "UPDATE hosts SET session = '', name = ?2 WHERE id = ?1", "ss", host,
                  fact_clean(&name, facts->name, 64));
    c->live = (struct live_change){.host = host};
    change_tell(c, REGISTRY_REVOKED, host);
    return r;
}

static int add_host(struct change *c, const struct token *token, const struct host_facts *facts,
                    bool back, registry_sign_fn sign, void *ctx, const char *host,
                    struct error *err)
{
    char serial[REGISTRY_ID_MAX] = "";
    uint64_t not_after_ms = 0;
    struct fact name;
    int r = sign(ctx, host, serial, &not_after_ms, err);

    if (r == 0)
        r = check_hex(err, "the serial number", serial, 0);
    if (r == 0)
        r = back ? put_back(c, host, facts, serial, not_after_ms, err)
                 : host_insert(c, host, facts, token->labels, serial, not_after_ms, err);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM strangers WHERE id = ?1", "s", host);
    if (r == 0)
        r = db_do(c->db, err, "UPDATE enrol_tokens SET used = used + 1 WHERE id = ?1", "s",
                  token->id);
    return r < 0 ? r
                 : change_audit(c, err, back ? "host.enrol-again" : "host.enrol", host, "sssj",
                                "token", token->id, "serial", serial, "name",
                                fact_clean(&name, facts->name, HOST_FACT_MAX), "labels",
                                back ? "{}" : token->labels);
}

int registry_enrol(struct registry *rg, const uint8_t secret[ENROL_SECRET_SIZE],
                   const struct host_facts *facts, const struct registry_former *former,
                   registry_sign_fn sign, void *ctx, char ret_host[HOST_ID_SIZE], struct error *err)
{
    char host[HOST_ID_SIZE];
    struct actor actor = {.kind = ACTOR_AGENT, .name = host, .address = facts->address};
    _cleanup_(change_done) struct change c = {};
    struct token token = {};
    bool back = false;
    int r, stays = -EACCES;

    random_uuid(host);
    if (former && check_host(NULL, former->host) == 0)
        memcpy(host, former->host, sizeof(host));
    r = change_begin(rg, &actor, DURABLE, &c, err);
    if (r == 0)
        r = find_token(&c, secret, &token, err);
    if (r == 0 && token.refused) {
        r = refuse(&c, &token, err);
    } else if (r == 0) {
        if (former)
            stays = may_stay(&c, former, facts, NULL);
        if (stays < 0)
            random_uuid(host);
        back = stays > 0;
        r = add_host(&c, &token, facts, back, sign, ctx, host, err);
    }
    free(token.labels);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        memcpy(ret_host, host, sizeof(host));
    return r;
}
