// SPDX-License-Identifier: Apache-2.0
//
// Messages that wait to be sent.
#include <stdio.h>

#include "base/json.h"
#include "registry/alertrow.h"
#include "registry/channel.h"
#include "registry/internal.h"

#define RETRY_FIRST_MS UINT64_C(15000)
#define RETRY_MAX_MS   (60 * MS_PER_MINUTE)
#define DIGEST_MAX     50 // alerts that a digest shows; more are a number

static void write_alert(struct jw *jw, const struct registry_alert *a)
{
    jw_begin_object(jw);
    jw_kv_u64(jw, "id", a->id);
    jw_kv_str(jw, "host", a->host);
    jw_kv_str(jw, "host_name", a->host_name);
    jw_kv_str(jw, "status", alert_state_name(a->state));
    jw_kv_u64(jw, "severity", a->severity);
    jw_kv_u64(jw, "class", a->class_uid);
    jw_kv_str(jw, "outcome", a->outcome);
    jw_kv_str(jw, "policy", a->policy);
    jw_kv_str(jw, "rule", a->rule);
    jw_kv_str(jw, "program", a->program);
    jw_kv_str(jw, "user", a->user);
    jw_kv_str(jw, "path", a->path);
    jw_kv_str(jw, "message", a->message);
    jw_kv_u64(jw, "count", a->count);
    jw_kv_u64(jw, "first", a->first_ms);
    jw_kv_u64(jw, "last", a->last_ms);
    jw_kv_u64(jw, "reopened", a->reopened);
    if (*a->condition) {
        enum host_condition c = condition_find(a->condition);

        jw_kv_str(jw, "condition", a->condition);
        jw_kv_str(jw, "cure", c == CONDITIONS ? "" : condition_row(c)->cure);
    }
    jw_end_object(jw);
}

static int alert_body(struct change *c, uint64_t id, struct strbuf *sb, unsigned *ret_severity,
                      struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_alert a;
    struct jw jw;
    int r = db_query(c->db, "SELECT " ALERT_COLUMNS " WHERE a.id = ?1", &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r
                     : error_set(err, -ENOENT, "there is no alert %llu", (unsigned long long)id);
    alert_read(st, &a);
    *ret_severity = a.severity;
    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "kind", "alert");
    jw_kv_u64(&jw, "time", c->now);
    jw_key(&jw, "alert");
    write_alert(&jw, &a);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    return r < 0 ? error_set(err, r, "a message could not be put together") : 0;
}

// Where there is no more room the message is not sent, and counted.
static int enqueue(struct change *c, uint64_t channel, const char *kind, const char *body,
                   struct error *err)
{
    int64_t n = 0;
    int r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM outbox", "");

    if (r < 0)
        return r;
    if (n >= OUTBOX_MAX)
        return db_do(c->db, err, "UPDATE channels SET dropped = dropped + 1 WHERE id = ?1", "u",
                     channel);
    change_tell(c, REGISTRY_OUTBOX, NULL);
    return db_do(
        c->db, err,
        "INSERT INTO outbox (channel, kind, body, created_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
        "ussu", channel, kind, body, c->now);
}

struct channel_ids {
    uint64_t ids[CHANNELS_MAX];
    size_t n;
};

static int wanting(struct change *c, unsigned severity, struct channel_ids *ret, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(c->db, "SELECT id FROM channels WHERE enabled AND severity_min <= ?1", &st,
                     err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, severity);
    while ((r = db_step(st, err)) > 0 && ret->n < CHANNELS_MAX)
        ret->ids[ret->n++] = db_col_u64(st, 0);
    return MIN(r, 0);
}

int outbox_alert(struct change *c, uint64_t alert, struct error *err)
{
    _cleanup_(sb_done) struct strbuf body = {};
    struct channel_ids channels = {};
    unsigned severity = 0;
    int r = alert_body(c, alert, &body, &severity, err);

    if (r == 0)
        r = wanting(c, severity, &channels, err);
    for (size_t i = 0; r == 0 && i < channels.n; i++)
        r = enqueue(c, channels.ids[i], "alert", sb_str(&body), err);
    return r;
}

// The first of them are shown, the others a number: a body that does not grow with the fleet.
static int condition_body(struct change *c, enum host_condition condition, uint64_t n,
                          struct strbuf *sb, struct error *err)
{
    const struct condition_row *row = condition_row(condition);
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_alert a;
    uint64_t shown = 0;
    char title[192];
    struct jw jw;
    int r = db_query(c->db,
                     "SELECT " ALERT_COLUMNS
                     " WHERE a.condition = ?1 AND a.tell_ms > 0 ORDER BY a.id LIMIT ?2",
                     &st, err);

    if (r < 0)
        return r;
    db_bind(st, "su", row->name, (uint64_t)DIGEST_MAX);
    (void)snprintf(title, sizeof(title), "%llu hosts: %s", (unsigned long long)n, row->title);
    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "kind", "digest");
    jw_kv_u64(&jw, "time", c->now);
    jw_kv_str(&jw, "title", title);
    jw_kv_array(&jw, "alerts");
    for (; (r = db_step(st, err)) > 0; shown++) {
        alert_read(st, &a);
        write_alert(&jw, &a);
    }
    jw_end_array(&jw);
    jw_kv_u64(&jw, "more", n - MIN(shown, n));
    jw_end_object(&jw);
    if (r == 0 && jw_finish(&jw) < 0)
        r = error_set(err, -ENOMEM, "a message could not be put together");
    return r;
}

int outbox_condition(struct change *c, enum host_condition condition, struct error *err)
{
    const struct condition_row *row = condition_row(condition);
    _cleanup_(sb_done) struct strbuf body = {};
    struct channel_ids channels = {};
    int64_t n = 0, first = 0;
    unsigned severity = 0;
    int r = db_get_i64(c->db, err, &n,
                       "SELECT count(*) FROM alerts WHERE condition = ?1 AND tell_ms > 0", "s",
                       row->name);

    if (r >= 0)
        r = db_get_i64(c->db, err, &first,
                       "SELECT min(id) FROM alerts WHERE condition = ?1 AND tell_ms > 0", "s",
                       row->name);
    if (r <= 0 || n == 0)
        return r;
    r = n == 1 ? alert_body(c, (uint64_t)first, &body, &severity, err)
               : condition_body(c, condition, (uint64_t)n, &body, err);
    if (r == 0)
        r = wanting(c, row->severity, &channels, err);
    for (size_t i = 0; r == 0 && i < channels.n; i++)
        r = enqueue(c, channels.ids[i], n == 1 ? "alert" : "digest", sb_str(&body), err);
    return r < 0
               ? r
               : db_do(
                     c->db, err,
                     "UPDATE alerts SET told_ms = ?2, tell_ms = 0 WHERE condition = ?1 AND tell_ms > 0",
                     "su", row->name, c->now);
}

int registry_outbox_test(struct registry *rg, const struct actor *actor, uint64_t channel,
                         struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char body[64], target[24];
    int64_t there = 0;
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = db_get_i64(c.db, err, &there, "SELECT 1 FROM channels WHERE id = ?1", "u", channel);
    if (r == 0)
        return error_set(err, -ENOENT, "there is no channel %llu", (unsigned long long)channel);
    (void)snprintf(body, sizeof(body), "{\"kind\":\"test\",\"time\":%llu}",
                   (unsigned long long)c.now);
    (void)snprintf(target, sizeof(target), "%llu", (unsigned long long)channel);
    if (r > 0)
        r = enqueue(&c, channel, "test", body, err);
    if (r == 0)
        r = change_audit(&c, err, "channel.test", target, "");
    return r < 0 ? r : change_commit(&c, err);
}

// The first message that is due, and the window of its channel.
struct due {
    uint64_t id, channel, created_ms, window_ms, window_n, waiting;
    unsigned attempts;
    char *kind, *body;
};

static void due_done(struct due *d)
{
    free(d->kind);
    free(d->body);
}

// Messages of channels that are turned off wait for them to be turned on, or to be given up.
static int first_due(struct change *c, uint64_t rate, struct due *d, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        c->db,
        "SELECT o.id, o.channel, o.kind, o.body, o.created_ms, o.attempts, c.window_ms, c.window_n,"
        " (SELECT count(*) FROM outbox x WHERE x.channel = o.channel AND x.kind = 'alert' AND x.attempts = 0)"
        " FROM outbox o JOIN channels c ON c.id = o.channel WHERE o.due_ms <= ?1 AND (c.enabled OR o.kind ="
        " 'test') AND NOT (c.window_n >= ?2 AND c.window_ms <= ?1 AND c.window_ms + ?3 > ?1)"
        " ORDER BY o.due_ms, o.id LIMIT 1",
        &st, err);

    if (r < 0)
        return r;
    db_bind(st, "uuu", c->now, rate, MS_PER_MINUTE);
    r = db_step(st, err);
    if (r <= 0)
        return r;
    d->id = db_col_u64(st, 0);
    d->channel = db_col_u64(st, 1);
    d->created_ms = db_col_u64(st, 4);
    d->attempts = (unsigned)db_col_u64(st, 5);
    d->window_ms = db_col_u64(st, 6);
    d->window_n = db_col_u64(st, 7);
    d->waiting = db_col_u64(st, 8);
    if (db_col_dup(st, 2, &d->kind) < 0 || db_col_dup(st, 3, &d->body) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return 1;
}

// Everything that waits for the channel for the first time becomes one message, under the number of the first.
static int make_digest(struct change *c, struct due *d, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    uint64_t shown = 0;
    int r = db_query(
        c->db,
        "SELECT json_extract(body, '$.alert') FROM outbox WHERE channel = ?1 AND kind = 'alert' AND attempts = 0"
        " ORDER BY id LIMIT ?2",
        &st, err);

    if (r < 0)
        return r;
    db_bind(st, "uu", d->channel, (uint64_t)DIGEST_MAX);
    sb_printf(&sb, "{\"kind\":\"digest\",\"time\":%llu,\"alerts\":[", (unsigned long long)c->now);
    while ((r = db_step(st, err)) > 0)
        sb_printf(&sb, "%s%s", shown++ ? "," : "", strempty(db_col_str(st, 0)));
    sb_printf(&sb, "],\"more\":%llu}", (unsigned long long)(d->waiting - MIN(shown, d->waiting)));
    if (r == 0)
        r = db_do(
            c->db, err,
            "DELETE FROM outbox WHERE channel = ?1 AND kind = 'alert' AND attempts = 0 AND id <> ?2",
            "uu", d->channel, d->id);
    if (r == 0)
        r = db_do(c->db, err, "UPDATE outbox SET kind = 'digest', body = ?1 WHERE id = ?2", "su",
                  sb_str(&sb), d->id);
    if (r < 0)
        return r;
    free(d->kind);
    free(d->body);
    d->kind = strdup("digest");
    d->body = NULL;
    return !d->kind || sb_finish(&sb, &d->body) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

// A server that is killed while it sends does not send at once again: the message is due later from now on.
static int take(struct change *c, uint64_t rate, struct due *d, struct error *err)
{
    bool fresh = d->window_ms > c->now || d->window_ms + MS_PER_MINUTE <= c->now;
    uint64_t n = fresh ? 0 : d->window_n;
    int r = 0;

    // The last of this minute takes the others along.
    if (streq(d->kind, "alert") && d->attempts == 0 && n + 1 >= rate && d->waiting > 1)
        r = make_digest(c, d, err);
    if (r == 0)
        r = db_do(c->db, err, "UPDATE channels SET window_ms = ?1, window_n = ?2 WHERE id = ?3",
                  "uuu", fresh ? c->now : d->window_ms, n + 1, d->channel);
    if (r == 0)
        r = db_do(c->db, err,
                  "UPDATE outbox SET attempts = attempts + 1, due_ms = ?1 WHERE id = ?2", "uu",
                  c->now + MIN(RETRY_MAX_MS, RETRY_FIRST_MS << MIN(d->attempts, 16u)), d->id);
    return r;
}

static int next_due(struct change *c, uint64_t rate, uint64_t *ret_due_ms, struct error *err)
{
    int64_t due = INT64_MAX;
    int r = db_get_i64(
        c->db, err, &due,
        "SELECT min(max(o.due_ms, CASE WHEN c.window_n >= ?1 AND c.window_ms <= ?3 THEN c.window_ms + ?2"
        " ELSE 0 END)) FROM outbox o JOIN channels c ON c.id = o.channel WHERE c.enabled OR o.kind = 'test'",
        "uuu", rate, MS_PER_MINUTE, c->now);

    if (r >= 0 && ret_due_ms)
        *ret_due_ms = r > 0 ? (uint64_t)due : UINT64_MAX;
    return MIN(r, 0);
}

int registry_outbox_next(struct registry *rg, registry_message_fn fn, void *ctx,
                         uint64_t *ret_due_ms, struct error *err)
{
    uint64_t rate = registry_setting_u64(rg, SETTING_NOTIFY_RATE);
    _cleanup_(change_done) struct change c = {};
    _cleanup_(due_done) struct due d = {};
    int r = change_begin(rg, &registry_self, RELAXED, &c, err), found;

    if (r < 0)
        return r;
    r = found = first_due(&c, rate, &d, err);
    if (r > 0)
        r = take(&c, rate, &d, err);
    if (r == 0)
        r = next_due(&c, rate, ret_due_ms, err);
    if (r == 0)
        r = change_commit(&c, err);
    if (r < 0 || found == 0)
        return r;
    r = fn(ctx,
           &(struct registry_message){d.id, d.channel, d.kind, d.body, d.created_ms, d.attempts});
    return r < 0 ? r : 1;
}

static int count_end(struct change *c, int64_t channel, const char *failure, bool over,
                     struct error *err)
{
    struct fact why;

    return db_do(
        c->db, err,
        "UPDATE channels SET sent = sent + ?1, failed = failed + ?2, last_ms = ?3, last_error = ?4 WHERE id = ?5",
        "uuusi", (uint64_t)(failure == NULL), (uint64_t)(failure && over), c->now,
        fact_clean(&why, failure, HOST_FACT_MAX), channel);
}

int registry_outbox_result(struct registry *rg, uint64_t id, const char *failure, bool for_ever,
                           struct error *err)
{
    uint64_t patience = registry_setting_u64(rg, SETTING_NOTIFY_AGE);
    _cleanup_(change_done) struct change c = {};
    int64_t channel = 0, created = 0;
    bool over;
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    if (r == 0)
        r = db_get_i64(c.db, err, &channel, "SELECT channel FROM outbox WHERE id = ?1", "u", id);
    if (r > 0)
        r = db_get_i64(c.db, err, &created, "SELECT created_ms FROM outbox WHERE id = ?1", "u", id);
    // Its channel was removed while it was sent.
    if (r <= 0)
        return r;
    over = !failure || for_ever || (uint64_t)created + patience <= c.now;
    r = count_end(&c, channel, failure, over, err);
    if (r == 0 && over)
        r = db_do(c.db, err, "DELETE FROM outbox WHERE id = ?1", "u", id);
    return r < 0 ? r : change_commit(&c, err);
}
