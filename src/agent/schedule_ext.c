// SPDX-License-Identifier: Apache-2.0
//
// The scheduler for sched_ext, where the settings ask for it: in charge while rules schedule something. The rules stand in control
// groups, nice values and classes either way, so that nothing has to be done when it goes.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_NS     (60 * NS_PER_SEC)
#define CURE         "find out why in the kernel's log; a restart of the agent puts it in charge again"
#define RESTARTS_MAX 100u // for CPUs that come and go

static void say(struct agent *a, int severity, const char *cure, const struct error *err)
{
    _cleanup_(sb_done) struct strbuf text = {};

    sb_printf(&text, "the default scheduler serves the rules that schedule: %s", err->what);
    notice(a, &(struct notice){.kind = "scheduling",
                               .severity = severity,
                               .message = sb_str(&text),
                               .cure = cure});
}

static void begin(struct agent *a)
{
    struct schedule_ext *x = &a->scheduling.ext;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    struct error err = {};
    int r;

    if (x->given_up || now < x->retry_ns)
        return;
    agent_patience(a, true);
    r = ext_open(&x->ext, &err);
    agent_patience(a, false);
    if (r == 0) {
        error_reset(&x->error);
        log_info("the scheduler of safeguard is in charge, by sched_ext");
        return;
    }
    x->given_up = r != -EBUSY;
    x->retry_ns = now + RETRY_NS;
    if (!streq(x->error.what, err.what))
        say(a, r == -ENOTSUP ? NOTICE_INFO : NOTICE_MEDIUM, NULL, &err);
    x->error = err;
}

static void ended(struct agent *a, const struct error *err, bool again)
{
    struct schedule_ext *x = &a->scheduling.ext;

    x->ext = ext_close(x->ext);
    if (again && x->restarts < RESTARTS_MAX) {
        x->restarts++;
        log_info("the scheduler of safeguard is put in charge again: %s", err->what);
        begin(a);
        return;
    }
    x->ended = x->given_up = true;
    x->error = *err;
    say(a, NOTICE_HIGH, CURE, err);
}

void schedule_ext_judge(struct agent *a)
{
    struct schedule_ext *x = &a->scheduling.ext;
    struct sg_ext_state state;
    struct error err = {};

    if (a->config.sched_ext != CONFIG_SCHED_EXT_ON)
        return;
    if (a->scheduling.n_rules == 0) {
        if (x->ext)
            log_info("the default scheduler is in charge again: no rule schedules anything");
        x->ext = ext_close(x->ext);
        return;
    }
    if (!x->ext) {
        begin(a);
        return;
    }
    ext_read(x->ext, &state, &err);
    if (state.ended)
        ended(a, &err, (uint64_t)state.exit_code & SG_EXT_RESTART);
}

void schedule_ext_stop(struct agent *a)
{
    a->scheduling.ext.ext = ext_close(a->scheduling.ext.ext);
}

// What became of the setting, in a word.
static const char *word_of(const struct agent *a)
{
    const struct schedule_ext *x = &a->scheduling.ext;

    if (a->config.sched_ext != CONFIG_SCHED_EXT_ON)
        return "off";
    if (x->ext)
        return "in charge";
    if (x->ended)
        return "ended";
    return error_is_set(&x->error) ? "unavailable" : "idle";
}

void schedule_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct schedule_ext *x = &a->scheduling.ext;

    if (!x->ext && error_is_set(&x->error))
        fn(ctx, x->ended ? "high" : "low", x->ended ? CURE : NULL, x->error.what);
}

void schedule_ext_json(const struct agent *a, struct jw *jw)
{
    const struct schedule_ext *x = &a->scheduling.ext;
    struct sg_ext_state state = {};
    struct error err = {};

    if (x->ext)
        ext_read(x->ext, &state, &err);
    jw_begin_object(jw);
    jw_kv_str(jw, "state", word_of(a));
    jw_kv_u64(jw, "groups", state.groups);
    jw_kv_u64(jw, "groups_joined", state.groups_joined);
    jw_kv_u64(jw, "waits_for_quota", state.parked);
    jw_kv_u64(jw, "unknown", state.unknown);
    jw_kv_u64(jw, "restarts", x->restarts);
    status_error(jw, "error", x->ext ? &err : &x->error);
    jw_end_object(jw);
}
