// SPDX-License-Identifier: Apache-2.0
//
// Counting.
#include "registry/alert.h"

#include <sodium.h>
#include <stdio.h>

#include "base/alloc.h"
#include "registry/internal.h"

#define WATERMARKS_HOST_MAX 2048

const char *alert_state_name(enum alert_state state)
{
    static const char *const names[ALERT_STATES] = {
#define ALERT_STATE(id, name) [ALERT_##id] = (name),
#include "registry/alert_states.def"
    };

    return (unsigned)state < ALERT_STATES ? names[state] : NULL;
}

enum alert_state alert_state_find(const char *name)
{
    for (unsigned i = 0; i < ALERT_STATES; i++)
        if (streq(alert_state_name((enum alert_state)i), name))
            return (enum alert_state)i;
    return ALERT_STATES;
}

static void put(crypto_generichash_state *st, const char *s)
{
    (void)crypto_generichash_update(st, (const unsigned char *)s, strlen(s) + 1);
}

// What makes two records one matter.
static void key_of(const char *host, const struct alert_input *in, bool overflow, uint8_t ret[16])
{
    crypto_generichash_state st;
    char number[24];

    (void)crypto_generichash_init(&st, NULL, 0, 16);
    put(&st, host);
    put(&st, overflow ? "overflow" : "");
    if (!overflow) {
        (void)snprintf(number, sizeof(number), "%u", in->class_uid);
        put(&st, number);
        put(&st, strempty(in->outcome));
        put(&st, strempty(in->policy));
        put(&st, strempty(in->rule));
        put(&st, strempty(in->program));
    }
    (void)crypto_generichash_final(&st, ret, 16);
}

// An alert as it is in the table.
struct found {
    uint64_t id, count, first_ms, last_ms;
    enum alert_state state;
    unsigned severity;
};

static int find(struct change *c, const uint8_t key[16], struct found *ret, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r =
        db_query(c->db,
                 "SELECT id, count, first_ms, last_ms, state, severity FROM alerts WHERE key = ?1",
                 &st, err);

    if (r < 0)
        return r;
    db_bind_blob(st, 1, key, 16);
    r = db_step(st, err);
    if (r > 0)
        *ret = (struct found){db_col_u64(st, 0),
                              db_col_u64(st, 1),
                              db_col_u64(st, 2),
                              db_col_u64(st, 3),
                              (enum alert_state)db_col_i64(st, 4),
                              (unsigned)db_col_u64(st, 5)};
    return r;
}

// Cleaned and cut.
struct texts {
    struct fact outcome, policy, rule, rule_file, program, user, path, message;
};

static void clean(const struct alert_input *in, struct texts *t)
{
    (void)fact_clean(&t->outcome, in->outcome, 32);
    (void)fact_clean(&t->policy, in->policy, HOST_FACT_MAX);
    (void)fact_clean(&t->rule, in->rule, HOST_FACT_MAX);
    (void)fact_clean(&t->rule_file, in->rule_file, HOST_FACT_MAX);
    (void)fact_clean(&t->program, in->program, HOST_FACT_MAX);
    (void)fact_clean(&t->user, in->user, HOST_FACT_MAX);
    (void)fact_clean(&t->path, in->path, HOST_FACT_MAX);
    (void)fact_clean(&t->message, in->message, HOST_FACT_MAX);
}

static uint64_t weight(const struct alert_input *in)
{
    return in->count ? MIN(in->count, (uint64_t)UINT32_MAX) : 1;
}

// Hosts may say what time they like: put right by what is known of their clock, none is later than now. One that is older
// than anything that is kept comes from a clock that was wrong: it would stand at the end of each list.
static uint64_t time_of(const struct change *c, const struct alert_input *in)
{
    uint64_t time = in->time_ms, age = registry_setting_u64(c->rg, SETTING_RECORDS_AGE);

    if (c->skew_ms > 0)
        time -= MIN(time, (uint64_t)c->skew_ms);
    else
        time += (uint64_t)-c->skew_ms;
    return time > c->now || time + age < c->now ? c->now : time;
}

static void know_clock(struct change *c, const char *host)
{
    int64_t off = (int64_t)registry_setting_u64(c->rg, SETTING_CLOCK_OFF);
    struct live live = {};

    live_get(c->rg, host, &live);
    if (live.skew_known && (live.skew_ms > off || live.skew_ms < -off))
        c->skew_ms = live.skew_ms;
}

static unsigned severity_of(const struct alert_input *in)
{
    return CLAMP(in->severity, 1u, 6u);
}

static int insert_alert(struct change *c, const char *host, const uint8_t key[16],
                        const struct alert_input *in, bool overflow, uint64_t *ret_id,
                        struct error *err)
{
    struct texts *t = new0(struct texts, 1);
    int r;

    if (!t)
        return error_set(err, -ENOMEM, "out of memory");
    clean(in, t);
    r = db_do(
        c->db, err,
        "INSERT INTO alerts (key, host, class_uid, severity, outcome, policy, rule, rule_file, rule_line, program,"
        " user, path, message, first_ms, last_ms, count, overflow)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, ?16)",
        "bsuussssussssuuu", (const void *)key, (size_t)16, host, (uint64_t)in->class_uid,
        (uint64_t)severity_of(in), t->outcome.s, overflow ? "" : t->policy.s,
        overflow ? "" : t->rule.s, overflow ? "" : t->rule_file.s,
        (uint64_t)(overflow ? 0 : in->rule_line), overflow ? "" : t->program.s,
        overflow ? "" : t->user.s, overflow ? "" : t->path.s,
        overflow ? "more different alerts than one host may have: only counted here" : t->message.s,
        time_of(c, in), weight(in), (uint64_t)overflow);
    if (r == 0)
        *ret_id = (uint64_t)db_last_id(c->db);
    free(t);
    return r;
}

static int update_alert(struct change *c, const struct found *f, const struct alert_input *in,
                        bool reopen, struct error *err)
{
    uint64_t time = time_of(c, in);
    struct fact path, message, user;
    int r = db_do(
        c->db, err,
        "UPDATE alerts SET count = ?2, first_ms = ?3, last_ms = ?4, severity = ?5, state = ?6, reopened ="
        " reopened + ?7, path = CASE overflow WHEN 0 THEN ?8 ELSE path END, message = CASE overflow WHEN 0 THEN"
        " ?9 ELSE message END, user = CASE overflow WHEN 0 THEN ?10 ELSE user END WHERE id = ?1",
        "uuuuuuusss", f->id, MIN(f->count + weight(in), (uint64_t)INT64_MAX),
        MIN(f->first_ms, time), MAX(f->last_ms, time), (uint64_t)MAX(f->severity, severity_of(in)),
        (uint64_t)(reopen ? ALERT_NEW : f->state), (uint64_t)reopen,
        fact_clean(&path, in->path, HOST_FACT_MAX),
        fact_clean(&message, in->message, HOST_FACT_MAX),
        fact_clean(&user, in->user, HOST_FACT_MAX));

    if (r == 0 && reopen)
        r = db_do(
            c->db, err,
            "INSERT INTO alert_comments (alert, time_ms, author, kind, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            "uusss", f->id, c->now, "server", "seen-again", "It was resolved and was seen again.");
    return r;
}

// Where a new alert would be one too many, the one for all further ones of the host.
static int choose(struct change *c, const char *host, const struct alert_input *in, uint8_t key[16],
                  bool *ret_overflow, struct found *f, struct error *err)
{
    int64_t n = 0;
    int r;

    key_of(host, in, false, key);
    r = find(c, key, f, err);
    if (r == 0)
        r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM alerts WHERE host = ?1", "s", host);
    else
        return r;
    if (r < 0 || n < ALERTS_HOST_MAX)
        return MIN(r, 0);
    *ret_overflow = true;
    key_of(host, in, true, key);
    return find(c, key, f, err);
}

// Ids of alerts that are new, or new again, in this call: told of once each.
struct raised {
    uint64_t *ids;
    size_t n, cap;
};

static int count_one(struct change *c, const char *host, const struct alert_input *in,
                     struct raised *raised, struct error *err)
{
    struct found f = {};
    bool overflow = false, is_new;
    uint8_t key[16];
    int r = choose(c, host, in, key, &overflow, &f, err);

    if (r < 0)
        return r;
    is_new = r == 0 || f.state == ALERT_RESOLVED;
    r = r == 0 ? insert_alert(c, host, key, in, overflow, &f.id, err)
               : update_alert(c, &f, in, is_new, err);
    if (r < 0 || !is_new)
        return r;
    if (!GREEDY(raised->ids, raised->cap, raised->n + 1))
        return error_set(err, -ENOMEM, "out of memory");
    raised->ids[raised->n++] = f.id;
    return 0;
}

static int tell(struct change *c, const struct raised *raised, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < raised->n; i++)
        r = outbox_alert(c, raised->ids[i], err);
    if (raised->n > 0)
        change_tell(c, REGISTRY_ALERTS, NULL);
    return r;
}

static int check_inputs(const char *host, const char *stream, uint64_t up_to,
                        const struct alert_input *inputs, size_t n, struct error *err)
{
    int r = check_host(err, host);

    if (r == 0)
        r = check_hex(err, "the id of a stream", stream, 32);
    if (r == 0 && (n > ALERT_COUNT_MAX || up_to > INT64_MAX))
        r = error_set(err, -EINVAL, "at most %d records at a time", ALERT_COUNT_MAX);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (inputs[i].seq > up_to || (i > 0 && inputs[i].seq <= inputs[i - 1].seq))
            r = error_set(err, -EINVAL, "records have to come in the order of their numbers");
    return r;
}

// A host may make as many streams as it likes. More are kept here than a store remembers of it (store/sqlite.h), so that none
// of those is counted anew.
static int bound_watermarks(struct change *c, const char *host, struct error *err)
{
    return db_do(
        c->db, err,
        "DELETE FROM watermarks WHERE host = ?1 AND stream IN (SELECT stream FROM watermarks WHERE host = ?1"
        " ORDER BY changed_ms DESC LIMIT -1 OFFSET ?2)",
        "su", host, (uint64_t)WATERMARKS_HOST_MAX);
}

static int count_all(struct change *c, const char *host, const char *stream, uint64_t up_to,
                     const struct alert_input *inputs, size_t n, struct alert_counted *ret,
                     struct error *err)
{
    struct raised raised = {};
    int64_t mark = 0;
    int r = db_get_i64(c->db, err, &mark,
                       "SELECT seq FROM watermarks WHERE host = ?1 AND stream = ?2", "ss", host,
                       stream);

    r = MIN(r, 0);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (inputs[i].seq <= (uint64_t)mark)
            continue;
        ret->counted++;
        r = count_one(c, host, &inputs[i], &raised, err);
    }
    if (r == 0 && up_to > (uint64_t)mark)
        r = db_do(
            c->db, err,
            "INSERT INTO watermarks VALUES (?1, ?2, ?3, ?4) ON CONFLICT (host, stream) DO UPDATE SET seq = ?3,"
            " changed_ms = ?4",
            "ssuu", host, stream, up_to, c->now);
    if (r == 0 && mark == 0)
        r = bound_watermarks(c, host, err);
    if (r == 0)
        r = tell(c, &raised, err);
    ret->raised = (unsigned)raised.n;
    free(raised.ids);
    return r;
}

int registry_alert_count(struct registry *rg, const char *host, const char *stream, uint64_t up_to,
                         const struct alert_input *inputs, size_t n_inputs,
                         struct alert_counted *ret, struct error *err)
{
    struct alert_counted counted = {};
    _cleanup_(change_done) struct change c = {};
    int r = check_inputs(host, stream, up_to, inputs, n_inputs, err);

    if (r == 0)
        r = change_begin(rg, &registry_self, RELAXED, &c, err);
    if (r == 0)
        know_clock(&c, host);
    if (r == 0)
        r = count_all(&c, host, stream, up_to, inputs, n_inputs, &counted, err);
    if (r == -ENOLINK)
        return not_found(err, "host", host);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        *ret = counted;
    return r;
}

int registry_alert_watermarks(struct registry *rg, registry_watermark_fn fn, void *ctx,
                              struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(rg, "SELECT host, stream, seq FROM watermarks ORDER BY host, stream", &rd,
                          &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        r = fn(ctx, db_col_str(st, 0), db_col_str(st, 1), db_col_u64(st, 2));
        if (r != 0)
            return r;
    }
    return r;
}

int registry_alert_watermark(struct registry *rg, const char *host, const char *stream,
                             uint64_t *ret_seq, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    int64_t seq = 0;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_get_i64(rd.db, err, &seq,
                       "SELECT seq FROM watermarks WHERE host = ?1 AND stream = ?2", "ss", host,
                       stream);
    if (r < 0)
        return r;
    *ret_seq = (uint64_t)seq;
    return 0;
}
