// SPDX-License-Identifier: Apache-2.0
//
// What people do with alerts: look, take, comment, resolve, except.
#include <stdio.h>

#include "base/strutil.h"
#include "registry/alert.h"
#include "registry/alertrow.h"
#include "registry/internal.h"

#define FILTER_MAX 256

void alert_read(struct db_stmt *st, struct registry_alert *a)
{
    *a = (struct registry_alert){
        .id = db_col_u64(st, 0),
        .host = db_col_str(st, 1),
        .host_name = strempty(db_col_str(st, 2)),
        .state = (enum alert_state)db_col_i64(st, 3),
        .owner = db_col_str(st, 4),
        .class_uid = (unsigned)db_col_u64(st, 5),
        .severity = (unsigned)db_col_u64(st, 6),
        .outcome = db_col_str(st, 7),
        .policy = db_col_str(st, 8),
        .rule = db_col_str(st, 9),
        .rule_file = db_col_str(st, 10),
        .rule_line = (unsigned)db_col_u64(st, 11),
        .program = db_col_str(st, 12),
        .user = db_col_str(st, 13),
        .path = db_col_str(st, 14),
        .message = db_col_str(st, 15),
        .first_ms = db_col_u64(st, 16),
        .last_ms = db_col_u64(st, 17),
        .count = db_col_u64(st, 18),
        .changed_ms = db_col_u64(st, 19),
        .reopened = (unsigned)db_col_u64(st, 20),
        .overflow = db_col_bool(st, 21),
        .comments = (unsigned)db_col_u64(st, 22),
        .condition = strempty(db_col_str(st, 23)),
    };
}

// "time.id" of the last row.
static int read_cursor(const struct registry_page *page, uint64_t *ret_ms, uint64_t *ret_id,
                       struct error *err)
{
    const char *cursor = page_cursor(page), *dot = cursor ? strchr(cursor, '.') : NULL;
    uint64_t ms = 0, id = 0;
    char text[24];

    if (cursor) {
        (void)snprintf(text, sizeof(text), "%.*s", dot ? (int)MIN(dot - cursor, (ptrdiff_t)23) : 0,
                       cursor);
        if (!dot || parse_u64(text, &ms) < 0 || parse_u64(dot + 1, &id) < 0 || ms > INT64_MAX ||
            id > INT64_MAX)
            return error_set(err, -EINVAL, "this cursor is none of this list");
    }
    *ret_ms = ms;
    *ret_id = id;
    return 0;
}

static int query(struct reading *rd, const struct registry_alert_filter *f, uint64_t ms,
                 uint64_t id, unsigned limit, const char *text, struct db_stmt **ret_st,
                 struct error *err)
{
    int r = db_query(
        rd->db,
        "SELECT " ALERT_COLUMNS
        " WHERE (?1 < 0 OR a.state = ?1) AND (?11 = 0 OR (?11 >> a.state) & 1) AND (NOT ?2 OR a.state < 2) AND a.severity >="
        " ?3 AND (?4 IS NULL OR a.host = ?4) AND (?5 IS NULL OR a.rule = ?5) AND (?6 IS NULL OR a.owner = ?6)"
        " AND (?7 IS NULL OR a.program LIKE ?7 ESCAPE '\\' OR a.rule LIKE ?7 ESCAPE '\\' OR a.policy LIKE ?7"
        " ESCAPE '\\' OR a.path LIKE ?7 ESCAPE '\\' OR a.message LIKE ?7 ESCAPE '\\') AND"
        " (?9 = 0 OR a.last_ms < ?8 OR (a.last_ms = ?8 AND a.id < ?9))"
        " ORDER BY a.last_ms DESC, a.id DESC LIMIT ?10",
        ret_st, err);

    if (r == 0)
        db_bind(*ret_st, "iuussssuuuu", (int64_t)f->state, (uint64_t)f->open,
                (uint64_t)f->severity_min, f->host, f->rule, f->owner, text, ms, id,
                (uint64_t)limit + 1, (uint64_t)f->states);
    return r;
}

int registry_alert_list(struct registry *rg, const struct registry_alert_filter *filter,
                        const struct registry_page *page, registry_alert_fn fn, void *ctx,
                        struct registry_next *ret_next, struct error *err)
{
    static const struct registry_alert_filter all = {.state = -1};
    const struct registry_alert_filter *f = filter ? filter : &all;
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    _cleanup_free_ char *text = NULL;
    unsigned limit = page_limit(page), n = 0;
    struct registry_next next = {};
    struct registry_alert a;
    uint64_t ms = 0, id = 0;
    int r = read_cursor(page, &ms, &id, err);

    if (r == 0)
        r = check_text(err, "the text that is looked for", f->text, FILTER_MAX, false);
    if (r == 0 && !str_isempty(f->text) && like_part(f->text, &text) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = reading_begin(rg, &rd, err);
    if (r == 0)
        r = query(&rd, f, ms, id, limit, text, &st, err);
    while (r >= 0 && (r = db_step(st, err)) > 0 && n++ < limit) {
        alert_read(st, &a);
        (void)snprintf(next.cursor, sizeof(next.cursor), "%llu.%llu", (unsigned long long)a.last_ms,
                       (unsigned long long)a.id);
        r = fn(ctx, &a);
        if (r != 0)
            return r;
    }
    if (r >= 0 && ret_next)
        *ret_next = r > 0 ? next : (struct registry_next){};
    return r < 0 ? r : 0;
}

static int no_alert(struct error *err, uint64_t id)
{
    return error_set(err, -ENOENT, "there is no alert %llu", (unsigned long long)id);
}

int registry_alert_get(struct registry *rg, uint64_t id, registry_alert_fn fn, void *ctx,
                       struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_alert a;
    int r = reading_query(rg, "SELECT " ALERT_COLUMNS " WHERE a.id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r : no_alert(err, id);
    alert_read(st, &a);
    return fn(ctx, &a);
}

int registry_alert_counts(struct registry *rg, uint64_t ret_counts[ALERT_STATES], struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t counts[ALERT_STATES] = {0};
    int r = reading_query(rg, "SELECT state, count(*) FROM alerts GROUP BY state", &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0)
        if (db_col_u64(st, 0) < ALERT_STATES)
            counts[db_col_u64(st, 0)] = db_col_u64(st, 1);
    if (r == 0)
        memcpy(ret_counts, counts, sizeof(counts));
    return r;
}

int registry_alert_starts(struct registry *rg, uint64_t from_ms, uint64_t step_ms,
                          uint64_t *ret_counts, size_t n, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    // What began since was seen since: the index of what was seen when is enough.
    int r =
        reading_query(rg,
                      "SELECT (first_ms - ?1) / ?2, count(*) FROM alerts WHERE last_ms >= ?1 AND "
                      "first_ms >= ?1 AND first_ms < ?1 + ?2 * ?3 GROUP BY 1",
                      &rd, &st, err);

    memset(ret_counts, 0, n * sizeof(*ret_counts));
    if (r < 0)
        return r;
    db_bind(st, "uuu", from_ms, step_ms, (uint64_t)n);
    while ((r = db_step(st, err)) > 0)
        if (db_col_u64(st, 0) < n)
            ret_counts[db_col_u64(st, 0)] = db_col_u64(st, 1);
    return r;
}

static int add_comment(struct change *c, uint64_t id, const char *kind, const char *text,
                       struct error *err)
{
    int64_t n = 0;
    int r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM alert_comments WHERE alert = ?1", "u",
                       id);

    if (r >= 0 && n >= ALERT_COMMENTS_MAX)
        return error_set(err, -EDQUOT, "alert %llu has %d comments", (unsigned long long)id,
                         ALERT_COMMENTS_MAX);
    if (r >= 0)
        r = db_do(
            c->db, err,
            "INSERT INTO alert_comments (alert, time_ms, author, kind, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            "uusss", id, c->now, sb_str(&c->actor), kind, text);
    return r == -ENOLINK ? no_alert(err, id) : r;
}

static const char *target_of(uint64_t id, char ret[24])
{
    (void)snprintf(ret, 24, "%llu", (unsigned long long)id);
    return ret;
}

static int update_one(struct change *c, uint64_t id, const struct registry_alert_patch *patch,
                      struct error *err)
{
    const char *state = patch->state < 0 ? NULL : alert_state_name((enum alert_state)patch->state);
    char target[24], text[128];
    int r = db_do(
        c->db, err,
        "UPDATE alerts SET state = CASE WHEN ?1 < 0 THEN state ELSE ?1 END, owner = coalesce(?2, owner),"
        " changed_ms = ?3 WHERE id = ?4",
        "isuu", (int64_t)patch->state, patch->owner, c->now, id);

    if (r == 0 && db_changes(c->db) == 0)
        return no_alert(err, id);
    (void)snprintf(text, sizeof(text), "%s%s%s%s", state ? state : "",
                   state && patch->owner ? ", " : "", patch->owner ? "owner: " : "",
                   patch->owner ? (*patch->owner ? patch->owner : "nobody") : "");
    if (r == 0)
        r = add_comment(c, id, "status", text, err);
    return r < 0 ? r
                 : change_audit(c, err, "alert.update", target_of(id, target), "ss", "status",
                                state, "owner", patch->owner);
}

static int check_patch(struct change *c, const struct registry_alert_patch *patch,
                       struct error *err)
{
    int64_t one;
    int r;

    if (patch->state >= (int)ALERT_STATES || (patch->state < 0 && !patch->owner))
        return error_set(err, -EINVAL, "there is nothing to change");
    if (str_isempty(patch->owner))
        return 0;
    r = db_get_i64(c->db, err, &one, "SELECT 1 FROM users WHERE name = ?1", "s", patch->owner);
    return r < 0    ? r
           : r == 0 ? error_set(err, -EINVAL, "there is no user '%.64s'", patch->owner)
                    : 0;
}

int registry_alert_update(struct registry *rg, const struct actor *actor, const uint64_t *ids,
                          size_t n_ids, const struct registry_alert_patch *patch, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = n_ids == 0 || n_ids > REGISTRY_PAGE_MAX
                ? error_set(err, -EINVAL, "1 to %d alerts at a time", REGISTRY_PAGE_MAX)
                : change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = check_patch(&c, patch, err);
    for (size_t i = 0; r == 0 && i < n_ids; i++)
        r = update_one(&c, ids[i], patch, err);
    change_tell(&c, REGISTRY_ALERTS, NULL);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_alert_comments(struct registry *rg, uint64_t id, registry_alert_comment_fn fn,
                            void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(
        rg,
        "SELECT id, time_ms, author, text, kind FROM alert_comments WHERE alert = ?1 ORDER BY id",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    while ((r = db_step(st, err)) > 0) {
        r = fn(ctx, &(struct registry_alert_comment){db_col_u64(st, 0), db_col_u64(st, 1),
                                                     db_col_str(st, 2), db_col_str(st, 3),
                                                     db_col_str(st, 4)});
        if (r != 0)
            return r;
    }
    return r;
}

int registry_alert_comment(struct registry *rg, const struct actor *actor, uint64_t id,
                           const char *text, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char target[24];
    int r = str_isempty(text) ? error_set(err, -EINVAL, "the comment is empty")
                              : check_text(err, "the comment", text, REGISTRY_TEXT_MAX, true);

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = add_comment(&c, id, "comment", text, err);
    if (r == 0)
        r = change_audit(&c, err, "alert.comment", target_of(id, target), "s", "text", text);
    return r < 0 ? r : change_commit(&c, err);
}

static int check_exception(const struct registry_alert_exception *x, struct error *err)
{
    int r = check_text(err, "the name of the policy", x->policy, REGISTRY_NAME_MAX, false);

    if (r == 0)
        r = check_text(err, "the reason", x->reason, REGISTRY_TEXT_MAX, true);
    if (r == 0)
        r = check_text(err, "the scope", x->scope, REGISTRY_NAME_MAX, false);
    if (r == 0)
        r = check_text(err, "the rule", x->rule_text, 4 * REGISTRY_TEXT_MAX, true);
    if (r == 0 && str_isempty(x->reason))
        r = error_set(err, -EINVAL, "an exception needs a reason");
    return r;
}

// An exception changes what a rule decides; a host that is silent is none.
static int check_about_records(struct change *c, uint64_t id, struct error *err)
{
    int64_t one = 0;
    int r = db_get_i64(c->db, err, &one, "SELECT 1 FROM alerts WHERE id = ?1 AND condition <> ''",
                       "u", id);

    return r <= 0 ? r
                  : error_set(err, -EINVAL, "alert %llu is about a host, not about a rule",
                              (unsigned long long)id);
}

int registry_alert_except(struct registry *rg, const struct actor *actor, uint64_t id,
                          const struct registry_alert_exception *x, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char target[24];
    int r = check_exception(x, err);

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = check_about_records(&c, id, err);
    if (r == 0)
        r = add_comment(&c, id, "exception", x->reason, err);
    if (r == 0)
        r = db_do(
            c.db, err,
            "INSERT INTO alert_exceptions (alert, time_ms, author, policy, version, rule_text, reason, scope)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            "uussusss", id, c.now, sb_str(&c.actor), strempty(x->policy), (uint64_t)x->version,
            strempty(x->rule_text), x->reason, strempty(x->scope));
    if (r == 0)
        r = db_do(c.db, err, "UPDATE alerts SET state = ?1, changed_ms = ?2 WHERE id = ?3", "uuu",
                  (uint64_t)ALERT_FALSE_POSITIVE, c.now, id);
    if (r == 0)
        r = change_audit(&c, err, "alert.exception", target_of(id, target), "susss", "policy",
                         x->policy, "version", (uint64_t)x->version, "rule", x->rule_text, "reason",
                         x->reason, "scope", x->scope);
    change_tell(&c, REGISTRY_ALERTS, NULL);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_alert_exceptions(struct registry *rg, uint64_t id, registry_alert_exception_fn fn,
                              void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(
        rg,
        "SELECT policy, version, rule_text, reason, scope, author, time_ms FROM alert_exceptions WHERE alert ="
        " ?1 ORDER BY id",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    while ((r = db_step(st, err)) > 0) {
        const struct registry_alert_exception x = {db_col_str(st, 0), (unsigned)db_col_u64(st, 1),
                                                   db_col_str(st, 2), db_col_str(st, 3),
                                                   db_col_str(st, 4)};

        r = fn(ctx, &x, db_col_str(st, 5), db_col_u64(st, 6));
        if (r != 0)
            return r;
    }
    return r;
}

bool registry_alert_exists(struct registry *rg, uint64_t id)
{
    _cleanup_(reading_done) struct reading rd = {};
    int64_t one;

    return reading_begin(rg, &rd, NULL) == 0 &&
           db_get_i64(rd.db, NULL, &one, "SELECT 1 FROM alerts WHERE id = ?1", "u", id) > 0;
}
