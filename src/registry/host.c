// SPDX-License-Identifier: Apache-2.0
#include "registry/host.h"

#include <stdio.h>
#include <stdlib.h>

#include "registry/condition.h"
#include "registry/hostrow.h"
#include "registry/internal.h"
#include "registry/label.h"

#define FILTER_MAX 256

const char *host_state_name(enum host_state state)
{
    static const char *const names[HOST_STATES] = {
#define HOST_STATE(id, name) [HOST_##id] = (name),
#include "registry/host_states.def"
    };

    return (unsigned)state < HOST_STATES ? names[state] : NULL;
}

enum host_state host_state_find(const char *name)
{
    for (unsigned i = 0; i < HOST_STATES; i++)
        if (streq(host_state_name((enum host_state)i), name))
            return (enum host_state)i;
    return HOST_STATES;
}

const char *host_admission_word(enum host_admission a)
{
    static const char *const words[] = {
        [HOST_ADMITTED] = "admitted",       [HOST_REFUSED_UNKNOWN] = "unknown",
        [HOST_REFUSED_CLONED] = "cloned",   [HOST_REFUSED_REVOKED] = "revoked",
        [HOST_REFUSED_RETIRED] = "retired",
    };

    return (unsigned)a < ARRAY_SIZE(words) ? words[a] : NULL;
}

static enum host_state state_of(const struct registry_host *h, int64_t lifecycle)
{
    if (lifecycle >= HOST_CLONED && lifecycle <= HOST_RETIRED)
        return (enum host_state)lifecycle;
    if (h->conditions & CONDITION_BIT(CONDITION_SILENT))
        return HOST_SILENT;
    for (unsigned c = 0; c < CONDITIONS; c++)
        if (h->conditions & CONDITION_BIT(c) && condition_row((enum host_condition)c)->state)
            return HOST_DEGRADED;
    return *h->health ? HOST_DEGRADED : HOST_OK;
}

// What is to be told first of all that is wrong.
static enum host_condition worst_of(const struct registry_host *h)
{
    static const enum host_condition first[] = {
        CONDITION_CLONED,      CONDITION_EXPIRED,  CONDITION_SILENT,
        CONDITION_UNPROTECTED, CONDITION_UNHEARD,  CONDITION_DEGRADED,
        CONDITION_REFUSED,     CONDITION_EXPIRING, CONDITION_CLOCK,
    };

    for (size_t i = 0; i < ARRAY_SIZE(first); i++)
        if (h->conditions & CONDITION_BIT(first[i]))
            return first[i];
    return CONDITIONS;
}

static void explain(struct registry_host *h, const char *stored)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    enum host_condition c = worst_of(h);

    h->reason = h->cure = "";
    if (h->state == HOST_OK)
        return;
    if (h->state >= HOST_CLONED || c == CONDITIONS) {
        h->reason = h->state == HOST_DEGRADED ? h->health : stored;
    } else {
        condition_text(h, c, &sb);
        (void)snprintf(h->text, sizeof(h->text), "%s", sb_str(&sb));
        h->reason = h->text;
    }
    if (c != CONDITIONS)
        h->cure = condition_row(c)->cure;
    else if (h->state == HOST_REVOKED || h->state == HOST_RETIRED)
        h->cure = "enrol it anew to take it back";
    else
        h->cure = condition_row(CONDITION_DEGRADED)->cure;
}

void host_read(struct registry *rg, struct db_stmt *st, uint64_t now, struct registry_host *h)
{
    const char *id = db_col_str(st, 0);
    int64_t lifecycle = db_col_i64(st, 2);
    struct live live = {};

    live_get(rg, id, &live);
    *h = (struct registry_host){
        .id = id,
        .name = db_col_str(st, 1),
        .health = strempty(db_col_str(st, 4)),
        .labels = db_col_str(st, 5),
        .os = db_col_str(st, 6),
        .kernel = db_col_str(st, 7),
        .arch = db_col_str(st, 8),
        .version = db_col_str(st, 9),
        .machine_id = db_col_str(st, 10),
        .boot_id = db_col_str(st, 11),
        .address = db_col_str(st, 12),
        .enrolled_ms = db_col_u64(st, 13),
        .seen_ms = live.seen_ms ? live.seen_ms : db_col_u64(st, 14),
        .cert_not_after_ms = db_col_u64(st, 15),
        .bundle_wanted = db_col_str(st, 16),
        .bundle_applied = db_col_str(st, 17),
        .bundle_error = db_col_str(st, 18),
        .bundle_wanted_ms = db_col_u64(st, 19),
        .bundle_applied_ms = db_col_u64(st, 20),
        .health_severity = (unsigned)db_col_u64(st, 21),
        .skew_known = live.skew_known || !db_col_null(st, 22),
        .skew_ms = live.skew_known ? live.skew_ms : db_col_i64(st, 22),
        .lost = db_col_u64(st, 23),
        .lost_ms = db_col_u64(st, 24),
        .told = (uint32_t)db_col_u64(st, 25),
    };
    h->conditions = conditions_judge(rg, h, lifecycle, now);
    h->state = state_of(h, lifecycle);
    explain(h, strempty(db_col_str(st, 3)));
}

static bool contains(const char *s, const char *part)
{
    return strcasestr(strempty(s), part) != NULL;
}

static int wanted(const struct registry_host_filter *f, const struct selector *selector,
                  const struct registry_host *h, struct error *err)
{
    _cleanup_(labels_done) struct labels labels = {};
    int r;

    if ((f->state >= 0 && h->state != (enum host_state)f->state) ||
        (f->states && !(f->states >> h->state & 1)))
        return 0;
    if (!str_isempty(f->text) && !contains(h->name, f->text) && !contains(h->id, f->text) &&
        !contains(h->address, f->text) && !contains(h->os, f->text))
        return 0;
    if (str_isempty(f->selector))
        return 1;
    r = labels_from_json(h->labels, &labels, err);
    return r < 0 ? r : selector_matches(selector, &labels);
}

struct host_walk {
    const struct registry_host_filter *filter;
    const struct selector *selector;
    unsigned limit, n;
    registry_host_fn fn;
    void *ctx;
    char last[REGISTRY_ID_MAX + 1];
};

// 1: the page is full and there is more.
static int walk(struct registry *rg, struct db_stmt *st, struct host_walk *w, struct error *err)
{
    uint64_t now = registry_now(rg);
    struct registry_host h;
    int r;

    while ((r = db_step(st, err)) > 0) {
        host_read(rg, st, now, &h);
        r = wanted(w->filter, w->selector, &h, err);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (w->n++ == w->limit)
            return 1;
        (void)snprintf(w->last, sizeof(w->last), "%s", h.id);
        r = w->fn(w->ctx, &h);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_host_list(struct registry *rg, const struct registry_host_filter *filter,
                       const struct registry_page *page, registry_host_fn fn, void *ctx,
                       struct registry_next *ret_next, struct error *err)
{
    static const struct registry_host_filter all = {.state = -1};
    struct host_walk w = {.filter = filter ? filter : &all,
                          .limit = page_limit(page),
                          .fn = fn,
                          .ctx = ctx};
    _cleanup_(selector_freep) struct selector *selector = NULL;
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = selector_parse(w.filter->selector, &selector, err);

    if (r == 0)
        r = check_text(err, "the text that is looked for", w.filter->text, FILTER_MAX, false);
    if (r == 0 && page_cursor(page))
        r = check_host(err, page->cursor);
    if (r == 0)
        r = reading_begin(rg, &rd, err);
    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT " HOST_COLUMNS " FROM hosts WHERE (?1 IS NULL OR (name, id) >"
            " (SELECT name, id FROM hosts WHERE id = ?1)) AND (?2 IS NULL OR name = ?2 OR id = ?2)"
            " ORDER BY name, id",
            &st, err);
    if (r < 0)
        return r;
    db_bind(st, "ss", page_cursor(page), w.filter->name);
    w.selector = selector;
    r = walk(rg, st, &w, err);
    if (r == 1 && w.n > w.limit) {
        if (ret_next)
            (void)snprintf(ret_next->cursor, sizeof(ret_next->cursor), "%s", w.last);
        return 0;
    }
    if (r == 0 && ret_next)
        ret_next->cursor[0] = '\0';
    return r;
}

int registry_host_get(struct registry *rg, const char *id, registry_host_fn fn, void *ctx,
                      struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_host h;
    int r = reading_query(rg, "SELECT " HOST_COLUMNS " FROM hosts WHERE id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r : not_found(err, "host", id);
    host_read(rg, st, registry_now(rg), &h);
    return fn(ctx, &h);
}

int registry_host_name(struct registry *rg, const char *id, char **ret_name)
{
    _cleanup_(reading_done) struct reading rd = {};
    int r = reading_begin(rg, &rd, NULL);

    if (r == 0)
        r = db_get_str(rd.db, NULL, ret_name, "SELECT name FROM hosts WHERE id = ?1", "s", id);
    return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int registry_host_counts(struct registry *rg, uint64_t ret_counts[HOST_STATES], struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t counts[HOST_STATES] = {0}, now = registry_now(rg);
    struct registry_host h;
    int r = reading_query(rg, "SELECT " HOST_COLUMNS " FROM hosts", &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        host_read(rg, st, now, &h);
        counts[h.state]++;
    }
    if (r == 0)
        memcpy(ret_counts, counts, sizeof(counts));
    return r;
}

// -ENOENT with err when there is none.
static int lifecycle_of(struct change *c, const char *id, int64_t *ret, struct error *err)
{
    int r = check_host(err, id);

    if (r == 0)
        r = db_get_i64(c->db, err, ret, "SELECT lifecycle FROM hosts WHERE id = ?1", "s", id);
    return r < 0 ? r : r == 0 ? not_found(err, "host", id) : 0;
}

int registry_host_set_labels(struct registry *rg, const struct actor *actor, const char *id,
                             const char *labels, struct error *err)
{
    _cleanup_(labels_done) struct labels parsed = {};
    _cleanup_free_ char *json = NULL, *before = NULL;
    _cleanup_(change_done) struct change c = {};
    int64_t lifecycle = 0;
    int r = labels_from_json(labels, &parsed, err);

    if (r == 0 && (r = labels_to_json(&parsed, &json)) < 0)
        return error_set(err, r, "out of memory");
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = lifecycle_of(&c, id, &lifecycle, err);
    if (r == 0)
        r = db_get_str(c.db, err, &before, "SELECT labels FROM hosts WHERE id = ?1", "s", id);
    if (r < 0)
        return r;
    if (streq_ptr(before, json))
        return 0;
    r = db_do(c.db, err, "UPDATE hosts SET labels = ?1 WHERE id = ?2", "ss", json, id);
    if (r == 0)
        r = change_audit(&c, err, "host.labels", id, "jj", "from", strempty(before), "to", json);
    if (r == 0)
        r = bundles_refresh(&c, id, err);
    return r < 0 ? r : change_commit(&c, err);
}

static int end_certificates(struct change *c, const char *id, const char *reason, struct error *err)
{
    return db_do(c->db, err,
                 "UPDATE certs SET revoked_ms = ?1, reason = ?2 WHERE host = ?3 AND revoked_ms = 0",
                 "uss", c->now, reason, id);
}

int registry_host_revoke(struct registry *rg, const struct actor *actor, const char *id,
                         const char *reason, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int64_t lifecycle = 0;
    int r = check_text(err, "the reason", reason, REGISTRY_TEXT_MAX, true);

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = lifecycle_of(&c, id, &lifecycle, err);
    if (r < 0 || lifecycle == HOST_REVOKED || lifecycle == HOST_RETIRED)
        return r;
    r = db_do(c.db, err, "UPDATE hosts SET lifecycle = 4, session = '', reason = ?1 WHERE id = ?2",
              "ss", strempty(reason), id);
    if (r == 0)
        r = end_certificates(&c, id, strempty(reason), err);
    if (r == 0)
        r = change_audit(&c, err, "host.revoke", id, "s", "reason", strempty(reason));
    if (r == 0)
        r = journal_add(rg, id, err);
    c.live = (struct live_change){.host = id, .refused = true};
    change_tell(&c, REGISTRY_REVOKED, id);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_host_retire(struct registry *rg, const struct actor *actor, const char *id,
                         struct error *err)
{
    static const char *const forget[] = {
        "DELETE FROM state_rows WHERE host = ?1", "DELETE FROM state_tables WHERE host = ?1",
        "DELETE FROM boots WHERE host = ?1",      "DELETE FROM commands WHERE host = ?1",
        "DELETE FROM rivals WHERE host = ?1",
    };
    _cleanup_(change_done) struct change c = {};
    int64_t lifecycle = 0;
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = lifecycle_of(&c, id, &lifecycle, err);
    if (r < 0 || lifecycle == HOST_RETIRED)
        return r;
    r = db_do(
        c.db, err,
        "UPDATE hosts SET lifecycle = 5, session = '', reason = '', health = '', bundle_wanted = '',"
        " bundle_applied = '', bundle_error = '' WHERE id = ?1",
        "s", id);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(forget); i++)
        r = db_do(c.db, err, forget[i], "s", id);
    if (r == 0)
        r = end_certificates(&c, id, "the host was retired", err);
    if (r == 0)
        r = change_audit(&c, err, "host.retire", id, "");
    if (r == 0)
        r = journal_add(rg, id, err);
    c.live = (struct live_change){.host = id, .refused = true};
    change_tell(&c, REGISTRY_REVOKED, id);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_host_set_health(struct registry *rg, const char *id, const char *reason,
                             unsigned severity, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    struct fact fact;
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    if (r == 0)
        r = db_do(
            c.db, err,
            "UPDATE hosts SET health = ?1, health_severity = ?3 WHERE id = ?2 AND (health <> ?1 OR"
            " health_severity <> ?3)",
            "ssu", fact_clean(&fact, reason, HOST_FACT_MAX), id,
            (uint64_t)(str_isempty(reason) ? 0 : CLAMP(severity, 1u, 6u)));
    r = r < 0 ? r : change_commit(&c, err);
    if (r == 0)
        atomic_store(&rg->health_changed, true);
    return r;
}

int registry_host_set_lost(struct registry *rg, const char *id, uint64_t lost, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    lost = MIN(lost, (uint64_t)1 << 53);
    if (r == 0)
        r = db_do(
            c.db, err,
            "UPDATE hosts SET lost_total = min(lost_total + CASE WHEN ?1 >= lost THEN ?1 - lost ELSE ?1 END,"
            " 1 << 53), lost_ms = CASE WHEN ?1 > 0 THEN ?3 ELSE lost_ms END, lost = ?1 WHERE id = ?2 AND"
            " lost <> ?1",
            "usu", lost, id, c.now);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_host_add_missing(struct registry *rg, const char *id, uint64_t n, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    if (r == 0)
        r = db_do(
            c.db, err,
            "UPDATE hosts SET missing = min(missing + ?1, 1 << 53), lost_ms = CASE WHEN missing + ?1 >"
            " lost_total THEN ?3 ELSE lost_ms END WHERE id = ?2",
            "usu", MIN(n, (uint64_t)1 << 53), id, c.now);
    return r < 0 ? r : change_commit(&c, err);
}
