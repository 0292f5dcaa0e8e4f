// SPDX-License-Identifier: Apache-2.0
//
// A round over all hosts: where what they are in differs from what was told, alerts are raised and resolved. Hosts are
// looked at by a reader; only those that changed are looked at again behind the lock, a few at a time.
#include <stdio.h>

#include "base/alloc.h"
#include "registry/condition.h"
#include "registry/hostrow.h"
#include "registry/internal.h"

#define STEP        200           // hosts of one transaction
#define GAP_MS      MS_PER_MINUTE // between two rounds: the server stood still, or its clock was set
#define PATIENCE_MS (5 * MS_PER_MINUTE) // a message does not wait longer, however many hosts follow

struct changed {
    char (*ids)[HOST_ID_SIZE];
    size_t n, cap;
};

static void changed_done(struct changed *ch)
{
    free(ch->ids);
}

// A server that did not listen heard of nobody.
static void note_time(struct registry *rg)
{
    uint64_t now = registry_now(rg);

    if (rg->round_ms && (now < rg->round_ms || now - rg->round_ms > GAP_MS))
        atomic_store(&rg->listening_ms, now);
    rg->round_ms = now;
}

static int find_changed(struct registry *rg, struct changed *ch, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t now = registry_now(rg);
    struct registry_host h;
    int r = reading_query(rg, "SELECT " HOST_COLUMNS " FROM hosts", &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        host_read(rg, st, now, &h);
        if (h.conditions == h.told)
            continue;
        if (!GREEDY(ch->ids, ch->cap, ch->n + 1))
            return error_set(err, -ENOMEM, "out of memory");
        (void)snprintf(ch->ids[ch->n++], HOST_ID_SIZE, "%s", h.id);
    }
    return r;
}

static const char *why_over(const struct registry_host *h)
{
    return h->state == HOST_REVOKED   ? "The host was revoked."
           : h->state == HOST_RETIRED ? "The host was retired."
                                      : "It is over.";
}

static int apply(struct change *c, const struct registry_host *h, struct conditions_report *report,
                 struct error *err)
{
    uint32_t on = h->conditions & ~h->told, off = h->told & ~h->conditions;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < CONDITIONS; i++) {
        bool is_new = false;

        if (on & CONDITION_BIT(i)) {
            r = alert_raise(c, h, (enum host_condition)i, &is_new, err);
            report->raised += is_new;
        } else if (off & CONDITION_BIT(i)) {
            r = alert_clear(c, h->id, (enum host_condition)i, why_over(h), err);
            report->cleared++;
        }
    }
    return r;
}

// 1: it is there, with its bits; 0: it is gone.
static int look_at(struct change *c, const char *id, struct conditions_report *report,
                   uint32_t *ret_bits, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_host h;
    int r = db_query(c->db, "SELECT " HOST_COLUMNS " FROM hosts WHERE id = ?1", &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r;
    host_read(c->rg, st, c->now, &h);
    *ret_bits = h.conditions;
    r = apply(c, &h, report, err);
    return r < 0 ? r : 1;
}

static int look_again(struct change *c, const char *id, struct conditions_report *report,
                      struct error *err)
{
    uint32_t bits = 0;
    int r = look_at(c, id, report, &bits, err);

    return r <= 0 ? r
                  : db_do(c->db, err, "UPDATE hosts SET conditions = ?1 WHERE id = ?2", "us",
                          (uint64_t)bits, id);
}

static int step(struct registry *rg, char (*ids)[HOST_ID_SIZE], size_t n,
                struct conditions_report *report, struct error *err)
{
    struct conditions_report sum = *report;
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, &registry_self, RELAXED, &c, err);

    for (size_t i = 0; r == 0 && i < n; i++)
        r = look_again(&c, ids[i], &sum, err);
    if (r == 0 && (sum.raised > report->raised || sum.cleared > report->cleared))
        change_tell(&c, REGISTRY_ALERTS, NULL);
    r = r < 0 ? r : change_commit(&c, err);
    if (r == 0)
        *report = sum;
    return r;
}

struct waiting {
    uint64_t n, first_ms, last_ms;
};

static int find_waiting(struct registry *rg, struct waiting ret[CONDITIONS], struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(rg,
                          "SELECT condition, count(*), min(tell_ms), max(tell_ms) FROM alerts WHERE"
                          " tell_ms > 0 GROUP BY condition",
                          &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        enum host_condition c = condition_find(strempty(db_col_str(st, 0)));

        if (c != CONDITIONS)
            ret[c] = (struct waiting){db_col_u64(st, 1), db_col_u64(st, 2), db_col_u64(st, 3)};
    }
    return r;
}

// Also where a clock that was set makes the times worthless.
static bool is_settled(const struct waiting *w, uint32_t settle_ms, uint64_t now)
{
    return w->last_ms + settle_ms <= now || w->first_ms + PATIENCE_MS <= now || w->last_ms > now;
}

static int tell(struct registry *rg, struct conditions_report *report, struct error *err)
{
    struct waiting waiting[CONDITIONS] = {};
    uint64_t now = registry_now(rg);
    int r = find_waiting(rg, waiting, err);

    for (unsigned i = 0; r == 0 && i < CONDITIONS; i++) {
        _cleanup_(change_done) struct change c = {};

        if (!waiting[i].n ||
            !is_settled(&waiting[i], condition_row((enum host_condition)i)->settle_ms, now))
            continue;
        r = change_begin(rg, &registry_self, RELAXED, &c, err);
        if (r == 0)
            r = outbox_condition(&c, (enum host_condition)i, err);
        r = r < 0 ? r : change_commit(&c, err);
        report->messages += r == 0;
    }
    return r;
}

bool registry_conditions_due(struct registry *rg)
{
    uint64_t now = registry_now(rg);

    return now < rg->round_ms || atomic_load(&rg->health_changed) ||
           live_fell_quiet(rg, registry_setting_u64(rg, SETTING_HOST_UNHEARD), rg->round_ms, now);
}

int registry_conditions_round(struct registry *rg, struct conditions_report *ret, struct error *err)
{
    _cleanup_(changed_done) struct changed ch = {};
    struct conditions_report report = {};
    int r;

    note_time(rg);
    atomic_store(&rg->health_changed, false);
    r = find_changed(rg, &ch, err);
    for (size_t i = 0; r == 0 && i < ch.n; i += STEP)
        r = step(rg, ch.ids + i, MIN(ch.n - i, (size_t)STEP), &report, err);
    if (r == 0)
        r = tell(rg, &report, err);
    if (r == 0)
        r = rollouts_stop(rg, err);
    if (r == 0 && ret)
        *ret = report;
    return r;
}
