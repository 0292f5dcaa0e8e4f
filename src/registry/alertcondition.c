// SPDX-License-Identifier: Apache-2.0
//
// Alerts about hosts: one for each host and condition, raised and resolved by a round (conditionround.c).
#include <sodium.h>

#include "registry/alert.h"
#include "registry/internal.h"

#define CLASS_FINDING 2004                 // OCSF, Detection Finding
#define QUIET_MS      (60 * MS_PER_MINUTE) // one that comes and goes is told of once in so long
#define NOTES_MAX     100                  // of the server, in the history of an alert

struct found {
    uint64_t id, told_ms;
    enum alert_state state;
    bool owned;
};

static void key_of(const char *host, const char *name, uint8_t ret[16])
{
    crypto_generichash_state st;

    (void)crypto_generichash_init(&st, NULL, 0, 16);
    (void)crypto_generichash_update(&st, (const unsigned char *)host, strlen(host) + 1);
    (void)crypto_generichash_update(&st, (const unsigned char *)"condition", sizeof("condition"));
    (void)crypto_generichash_update(&st, (const unsigned char *)name, strlen(name) + 1);
    (void)crypto_generichash_final(&st, ret, 16);
}

static int find(struct change *c, const uint8_t key[16], struct found *ret, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(c->db, "SELECT id, told_ms, state, owner <> '' FROM alerts WHERE key = ?1",
                     &st, err);

    if (r < 0)
        return r;
    db_bind_blob(st, 1, key, 16);
    r = db_step(st, err);
    if (r > 0)
        *ret = (struct found){db_col_u64(st, 0), db_col_u64(st, 1),
                              (enum alert_state)db_col_i64(st, 2), db_col_bool(st, 3)};
    return r;
}

static int note(struct change *c, uint64_t id, const char *kind, const char *text,
                struct error *err)
{
    int r = db_do(
        c->db, err,
        "INSERT INTO alert_comments (alert, time_ms, author, kind, text) VALUES (?1, ?2, 'server', ?3, ?4)",
        "uuss", id, c->now, kind, text);

    if (r == 0)
        r = db_do(
            c->db, err,
            "DELETE FROM alert_comments WHERE alert = ?1 AND kind IN ('seen-again', 'over') AND id NOT IN"
            " (SELECT id FROM alert_comments WHERE alert = ?1 AND kind IN ('seen-again', 'over') ORDER BY id"
            " DESC LIMIT ?2)",
            "uu", id, (uint64_t)NOTES_MAX);
    return r;
}

static int insert(struct change *c, const uint8_t key[16], const struct registry_host *h,
                  const struct condition_row *row, const char *text, struct error *err)
{
    return db_do(
        c->db, err,
        "INSERT INTO alerts (key, host, class_uid, severity, outcome, policy, rule, rule_file, rule_line, program,"
        " user, path, message, first_ms, last_ms, count, condition, tell_ms) VALUES (?1, ?2, ?3, ?4, 'other', '',"
        " '', '', 0, '', '', '', ?5, ?6, ?6, 1, ?7, ?6)",
        "bsuusus", (const void *)key, (size_t)16, h->id, (uint64_t)CLASS_FINDING,
        (uint64_t)row->severity, text, c->now, row->name);
}

static int again(struct change *c, const struct found *f, const struct condition_row *row,
                 const char *text, struct error *err)
{
    bool reopen = f->state == ALERT_RESOLVED, tell = reopen && f->told_ms + QUIET_MS <= c->now;
    int r = db_do(
        c->db, err,
        "UPDATE alerts SET count = count + 1, last_ms = ?2, severity = ?3, message = ?4, state = ?5,"
        " reopened = reopened + ?6, tell_ms = CASE WHEN ?7 THEN ?2 ELSE tell_ms END WHERE id = ?1",
        "uuusuuu", f->id, c->now, (uint64_t)row->severity, text,
        (uint64_t)(reopen ? ALERT_NEW : f->state), (uint64_t)reopen, (uint64_t)tell);

    return r == 0 && reopen ? note(c, f->id, "seen-again", text, err) : r;
}

int alert_raise(struct change *c, const struct registry_host *h, enum host_condition condition,
                bool *ret_new, struct error *err)
{
    const struct condition_row *row = condition_row(condition);
    _cleanup_(sb_done) struct strbuf text = {};
    struct found f = {};
    struct fact fact;
    uint8_t key[16];
    int r;

    condition_text(h, condition, &text);
    (void)fact_clean(&fact, sb_str(&text), HOST_FACT_MAX);
    key_of(h->id, row->name, key);
    r = find(c, key, &f, err);
    if (r < 0)
        return r;
    *ret_new = r == 0 || f.state == ALERT_RESOLVED;
    return r == 0 ? insert(c, key, h, row, fact.s, err) : again(c, &f, row, fact.s, err);
}

// Who was away for a moment, and is back before anybody was told, is not told of at all.
int alert_clear(struct change *c, const char *host, enum host_condition condition, const char *why,
                struct error *err)
{
    const struct condition_row *row = condition_row(condition);
    struct found f = {};
    uint8_t key[16];
    bool resolve;
    int r;

    key_of(host, row->name, key);
    r = find(c, key, &f, err);
    if (r <= 0 || !row->resolves)
        return MIN(r, 0);
    resolve = f.state == ALERT_NEW && !f.owned;
    r = db_do(
        c->db, err,
        "UPDATE alerts SET state = CASE WHEN ?3 THEN ?4 ELSE state END, last_ms = ?2, tell_ms = 0 WHERE id ="
        " ?1",
        "uuuu", f.id, c->now, (uint64_t)resolve, (uint64_t)ALERT_RESOLVED);
    return r < 0 ? r : note(c, f.id, "over", why, err);
}
