// SPDX-License-Identifier: Apache-2.0
//
// What the server knows of this host besides records: one row a hook, and some about the whole. The link sends what has
// changed, so that rows are put together every few seconds and most often are the same.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"

#define ROWS_NS      (5 * NS_PER_SEC)
#define SLOW_ROWS_NS (60 * NS_PER_SEC) // what changes all the time
#define OFFSET_NS    (2 * (int64_t)NS_PER_SEC)
#define DIAGS_MAX    ((size_t)24 << 10)
#define FILES_MAX    40 // with what was found they fit into a row

static void put(struct agent *a, const char *key, struct strbuf *sb, struct jw *jw)
{
    static const char too_long[] = "{\"too_long\":true}";

    if (jw_finish(jw) == 0 && sb->len <= STATE_VALUE_MAX)
        (void)link_state_put(a->uplink.feed.link, UPLINK_TABLE, key, sb->s, sb->len);
    else
        (void)link_state_put(a->uplink.feed.link, UPLINK_TABLE, key, too_long,
                             sizeof(too_long) - 1);
    sb_reset(sb);
}

// A clock that is put right by milliseconds does not change a row.
static uint64_t proved_ms(struct agent *a, uint64_t boot_ns)
{
    int64_t offset = boottime_to_realtime_offset_ns();
    int64_t moved = offset - a->uplink.clock_offset_ns;

    if (moved > OFFSET_NS || moved < -OFFSET_NS)
        a->uplink.clock_offset_ns = offset;
    return boottime_to_realtime_ns(boot_ns, a->uplink.clock_offset_ns) / NS_PER_MS;
}

static void hook_rows(struct agent *a, struct strbuf *sb)
{
    const struct sensor_hook *hooks;
    size_t n;

    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < n; i++) {
        const struct sensor_hook *h = &hooks[i];
        struct jw jw;

        jw_init(&jw, sb);
        jw_begin_object(&jw);
        jw_kv_str(&jw, "help", h->help);
        jw_kv_str(&jw, "state", sensor_hook_state_name(h->state));
        jw_kv_str(&jw, "attach",
                  h->state == SENSOR_HOOK_OFF || h->state == SENSOR_HOOK_UNAVAILABLE
                      ? NULL
                      : sensor_attach_name(h->attach));
        if (h->proved_ns)
            jw_kv_u64(&jw, "proved_ms", proved_ms(a, h->proved_ns));
        else
            jw_kv_null(&jw, "proved_ms");
        jw_kv_str(&jw, "reason", h->reason[0] ? h->reason : NULL);
        jw_kv_str(&jw, "cure", h->cure[0] ? h->cure : NULL);
        jw_end_object(&jw);
        put(a, h->id, sb, &jw);
    }
}

static const char *bundle_state(const struct agent *a)
{
    const struct uplink *u = &a->uplink;
    const struct loaded *now = a->policies.now;

    if (u->refused)
        return "refused";
    if (u->known && !streq(u->wanted, now ? now->bundle : ""))
        return "trying";
    return now && now->bundle[0] ? "in-force" : "none";
}

static void put_bundle(const struct agent *a, struct jw *jw)
{
    const struct uplink *u = &a->uplink;
    const struct loaded *now = a->policies.now;

    jw_kv_object(jw, "bundle");
    jw_kv_str(jw, "wanted", u->known && u->wanted[0] ? u->wanted : NULL);
    jw_kv_str(jw, "applied", now && now->bundle[0] ? now->bundle : NULL);
    jw_kv_str(jw, "state", bundle_state(a));
    jw_end_object(jw);
}

void uplink_policy_row(struct agent *a, struct jw *jw)
{
    const struct uplink *u = &a->uplink;
    const struct policies *p = &a->policies;
    const char *diags = u->refused ? u->refusal_diags : p->diags;

    jw_begin_object(jw);
    status_policy_summary(a, jw);
    status_policy_files(a, FILES_MAX, jw);
    if (p->now && a->health.tested_ns >= p->changed_ns && !error_is_set(&a->health.error))
        jw_kv_u64(jw, "proved_ms", a->health.tested_ns / NS_PER_MS);
    else
        jw_kv_null(jw, "proved_ms");
    put_bundle(a, jw);
    status_error(jw, "error",
                 u->refused      ? &u->refusal
                 : p->refused_ns ? &p->error
                                 : &(struct error){});
    jw_key(jw, "found");
    if (diags && strlen(diags) <= DIAGS_MAX)
        jw_raw(jw, diags, strlen(diags));
    else
        jw_null(jw);
    jw_end_object(jw);
}

static void put_with(struct agent *a, const char *key, struct strbuf *sb,
                     void (*write)(struct agent *a, struct jw *jw))
{
    struct jw jw;

    jw_init(&jw, sb);
    write(a, &jw);
    put(a, key, sb, &jw);
}

static void write_losses(struct agent *a, struct jw *jw)
{
    losses_json(a, jw);
}

static void write_agent(struct agent *a, struct jw *jw)
{
    status_agent_json(a, jw);
}

// What changes seldom; who looks at the host asks it for the rest (linkquestions.c).
static void write_defence(struct agent *a, struct jw *jw)
{
    const struct defence *d = &a->defence;
    const struct health *h = &a->health;

    jw_begin_object(jw);
    jw_kv_str(jw, "state", defence_state(d));
    if (defence_open_until(d)) {
        jw_kv_u64(jw, "unlocked_until_ms", proved_ms(a, defence_open_until(d)));
        jw_kv_str(jw, "unlocked_by", d->opened_by[0] ? d->opened_by : NULL);
    }
    jw_kv_u64(jw, "attempts", d->attempts);
    jw_kv_u64(jw, "repairs", d->watch.repairs);
    jw_kv_u64(jw, "self_test_ms", h->tested_ns / NS_PER_MS);
    jw_kv_u64(jw, "failing", h->failing);
    jw_end_object(jw);
}

static void write_isolation(struct agent *a, struct jw *jw)
{
    isolation_json(a, jw);
}

static void write_resources(struct agent *a, struct jw *jw)
{
    status_resources_json(a, jw);
}

void uplink_rows_changed(struct agent *a)
{
    a->uplink.rows_due = true;
}

void uplink_rows_tick(struct agent *a)
{
    struct uplink *u = &a->uplink;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    _cleanup_(sb_done) struct strbuf sb = {};

    if (!u->rows_due && now < u->rows_ns)
        return;
    u->rows_due = false;
    u->rows_ns = now + ROWS_NS;
    hook_rows(a, &sb);
    put_with(a, "agent", &sb, write_agent);
    put_with(a, "policy", &sb, uplink_policy_row);
    put_with(a, "defence", &sb, write_defence);
    put_with(a, "isolation", &sb, write_isolation);
    put_with(a, "problems", &sb, status_problems_json);
    if (now < u->slow_rows_ns)
        return;
    u->slow_rows_ns = now + SLOW_ROWS_NS;
    put_with(a, "losses", &sb, write_losses);
    put_with(a, "resources", &sb, write_resources);
}
