// SPDX-License-Identifier: Apache-2.0
//
// What is said of policies that came into force or were refused: to the log, as a record, and kept for the
// status.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

#define LOGGED_MAX 20 // mistakes; the status has all

void policyreport_diags(struct agent *a, const struct policy_diags *diags)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *text;
    struct jw jw;

    jw_init(&jw, &sb);
    policy_diags_json(diags, &jw);
    if (jw_finish(&jw) < 0 || sb_finish(&sb, &text) < 0)
        return;
    free(a->policies.diags);
    a->policies.diags = text;
}

static void log_diags(const struct policy_diags *diags)
{
    for (size_t i = 0; i < diags->n && i < LOGGED_MAX; i++) {
        const struct policy_diag *d = &diags->items[i];
        struct error err = {};

        (void)error_at(&err, -EINVAL, d->file, d->line, d->column, "%s", strempty(d->message));
        if (d->expected)
            error_expected(&err, "%s", d->expected);
        if (d->cure)
            error_cure(&err, "%s", d->cure);
        (void)(d->severity == POLICY_ERROR ? log_error_struct(&err) : log_warning_struct(&err));
    }
    if (diags->n > LOGGED_MAX)
        log_warning("and %zu more: safeguard policy check", diags->n - LOGGED_MAX);
}

void policyreport_first(const struct policy_diags *diags, struct error *err)
{
    for (size_t i = 0; i < diags->n; i++) {
        const struct policy_diag *d = &diags->items[i];

        if (d->severity != POLICY_ERROR)
            continue;
        (void)error_at(err, -EINVAL, d->file, d->line, d->column, "%s", strempty(d->message));
        if (d->expected)
            error_expected(err, "%s", d->expected);
        error_cure(err, "%s%s'safeguard policy check' shows everything", strempty(d->cure),
                   d->cure ? "; " : "");
        return;
    }
}

static const char *what_stays(const struct agent *a)
{
    struct sensor_facts facts;

    if (a->policies.now)
        return "the policy before it stays in force";
    sensor_facts(a->sensor, &facts);
    return facts.policy_id ? "what an earlier agent put in force stays" : "no policy is in force";
}

void policyreport_refused(struct agent *a, const struct policy_diags *diags, struct error *err)
{
    struct policies *p = &a->policies;
    _cleanup_(sb_done) struct strbuf sb = {};

    if (diags->n_errors)
        policyreport_first(diags, err);
    p->error = *err;
    p->refused_ns = now_ns(CLOCK_REALTIME);
    p->n_refusals++;
    log_diags(diags);
    sb_printf(&sb, "the policies were refused: ");
    if (err->file[0])
        sb_printf(&sb, "%s:%u:%u: ", err->file, err->line, err->column);
    sb_printf(&sb, "%s; %s", err->what, what_stays(a));
    notice(a, &(struct notice){.kind = "policy",
                               .severity = NOTICE_HIGH,
                               .message = sb_str(&sb),
                               .cure = err->cure[0] ? err->cure : NULL});
}

// Why decisions cost more than they have to: once, and again when that changes.
static void report_quick(struct agent *a, const struct sensor_quick *q)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    bool told = a->policies.quick_told;

    a->policies.quick_told = !q->on;
    if (q->on || told)
        return;
    sb_printf(&sb, "quick decisions are limited: %s; %s", q->reason, SENSOR_QUICK_COST);
    if (*q->log)
        sb_printf(&sb, "; everything that the kernel said is in %s", q->log);
    notice(a, &(struct notice){.kind = "kernel",
                               .severity = q->refused ? NOTICE_MEDIUM : NOTICE_INFO,
                               .message = sb_str(&sb),
                               .cure = *q->cure ? q->cure : NULL});
}

static void report_unfinished(struct agent *a, const struct loaded *l)
{
    const struct error *err = &a->policies.unfinished;
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "policy %u is in force, but the change to it could not be completed: %s", l->id,
              err->what);
    notice(a, &(struct notice){.kind = "policy",
                               .severity = NOTICE_HIGH,
                               .message = sb_str(&sb),
                               .cure = err->cure[0] ? err->cure : POLICY_UNFINISHED_CURE});
}

void policyreport_in_force(struct agent *a, const struct loaded *l,
                           const struct policy_diags *diags)
{
    const struct notice_number numbers[] = {
        {"policy_id", l->id},
        {"files", l->policy->n_files - 1},
        {"rules", l->n_rules - l->n_own},
        {"warnings", diags->n_warnings},
    };
    _cleanup_(sb_done) struct strbuf sb = {};
    struct sensor_facts facts;

    log_diags(diags);
    sb_printf(&sb, "policy %u is in force: %zu rule%s of %u file%s", l->id, l->n_rules - l->n_own,
              l->n_rules - l->n_own == 1 ? "" : "s", l->policy->n_files - 1,
              l->policy->n_files == 2 ? "" : "s");
    if (a->config.mode == CONFIG_MODE_MONITOR)
        sb_puts(&sb, ", nothing is blocked (mode: monitor)");
    if (l->accepted)
        sb_puts(&sb,
                "; these are the ones that were accepted last, those in the directory are broken");
    notice(a, &(struct notice){.kind = "policy",
                               .severity = l->accepted ? NOTICE_HIGH : NOTICE_INFO,
                               .message = sb_str(&sb),
                               .numbers = numbers,
                               .n_numbers = ARRAY_SIZE(numbers)});
    if (error_is_set(&a->policies.unfinished))
        report_unfinished(a, l);
    sensor_facts(a->sensor, &facts);
    report_quick(a, &facts.quick);
}
