// SPDX-License-Identifier: Apache-2.0
//
// The server, as `safeguard status` tells of it.
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"

#define SKEW_MS 5000 // clocks that differ by more are told of

static void kv_ms_or_null(struct jw *jw, const char *key, uint64_t ms)
{
    if (ms)
        jw_kv_u64(jw, key, ms);
    else
        jw_kv_null(jw, key);
}

static void put_link(struct agent *a, struct jw *jw)
{
    struct link_status s = {};

    jw_kv_object(jw, "link");
    if (a->uplink.feed.link) {
        link_status(a->uplink.feed.link, &s);
        jw_kv_str(jw, "state", link_state_word(s.state));
        jw_kv_str(jw, "help", link_state_help(s.state));
        jw_kv_bool(jw, "stuck", link_state_stuck(s.state));
        jw_kv_str(jw, "url", s.server_url[0] ? s.server_url : NULL);
        jw_kv_str(jw, "agent_id", s.agent_id[0] ? s.agent_id : NULL);
    } else {
        jw_kv_str(jw, "state", "off");
    }
    kv_ms_or_null(jw, "since_ms", s.since_ms);
    kv_ms_or_null(jw, "last_ok_ms", s.last_ok_ms);
    kv_ms_or_null(jw, "next_try_ms", s.next_try_ms);
    if (s.skew_known)
        jw_kv_i64(jw, "skew_ms", s.skew_ms);
    else
        jw_kv_null(jw, "skew_ms");
    kv_ms_or_null(jw, "certificate_until_ms", s.not_after_ms);
    jw_kv_u64(jw, "sessions", s.counters.sessions);
    jw_kv_u64(jw, "failures", s.counters.failures);
    jw_kv_u64(jw, "records", s.counters.records);
    jw_kv_u64(jw, "sent_bytes", s.counters.sent_bytes);
    jw_kv_u64(jw, "refused", s.counters.refused);
    jw_kv_u64(jw, "behind", s.counters.behind);
    status_error(jw, "error", &s.error);
    jw_end_object(jw);
}

static void put_queue(struct spool *s, enum stream_class class, struct jw *jw)
{
    struct spool_counters c;

    spool_counters(s, class, &c);
    jw_kv_object(jw, stream_class_name(class));
    jw_kv_u64(jw, "accepted", c.accepted);
    jw_kv_u64(jw, "stored", c.committed);
    jw_kv_u64(jw, "waiting", c.waiting + c.unwritten);
    jw_kv_u64(jw, "waiting_bytes", c.waiting_bytes);
    jw_kv_u64(jw, "oldest_ms", c.oldest_ms);
    jw_kv_object(jw, "dropped");
    for (int i = 0; i < SPOOL_REASONS; i++)
        jw_kv_u64(jw, spool_reason_name((enum spool_reason)i), c.dropped[i].records);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_spool(struct agent *a, struct jw *jw)
{
    struct spool *s = a->uplink.feed.spool;
    struct spool_health h;

    jw_key(jw, "spool");
    if (!s) {
        jw_null(jw);
        return;
    }
    spool_health(s, &h);
    jw_begin_object(jw);
    jw_kv_str(jw, "directory", a->config.spool_dir);
    jw_kv_u64(jw, "bytes", h.bytes);
    jw_kv_u64(jw, "max_bytes", h.max_bytes);
    jw_kv_u64(jw, "corrupt_files", h.corrupt);
    jw_kv_u64(jw, "sync_failures", h.sync_failures);
    jw_kv_str(jw, "error", h.error ? strerror(-h.error) : NULL);
    for (int c = 0; c < STREAM_CLASSES; c++)
        put_queue(s, (enum stream_class)c, jw);
    jw_end_object(jw);
}

void uplink_json(struct agent *a, struct jw *jw)
{
    if (!uplink_wanted(a)) {
        jw_null(jw);
        return;
    }
    jw_begin_object(jw);
    jw_kv_str(jw, "url", a->config.server_url[0] ? a->config.server_url : NULL);
    put_link(a, jw);
    put_spool(a, jw);
    status_error(jw, "error", &a->uplink.error);
    jw_end_object(jw);
}

static void link_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    char text[1400], time[RFC3339_MS_SIZE];
    struct link_status s;

    link_status(a->uplink.feed.link, &s);
    if (s.state == LINK_expired && s.not_after_ms &&
        format_rfc3339_ms(s.not_after_ms * NS_PER_MS, time, sizeof(time)) == 0) {
        (void)snprintf(
            text, sizeof(text),
            "the certificate of this host expired at %s: the server lets it in no more; what is enforced "
            "goes on, and records wait on this host",
            time);
        fn(ctx, "high", s.error.cure, text);
    } else if (link_state_stuck(s.state)) {
        (void)snprintf(text, sizeof(text), "the server: %s%s%s", link_state_help(s.state),
                       s.error.what[0] ? ": " : "", s.error.what);
        fn(ctx, "high", s.error.cure, text);
    } else if (s.state != LINK_online && error_is_set(&s.error)) {
        (void)snprintf(text, sizeof(text),
                       "the server cannot be reached: %s; records wait on this host", s.error.what);
        fn(ctx, "medium", s.error.cure, text);
    }
    if (s.skew_known && (s.skew_ms > SKEW_MS || s.skew_ms < -SKEW_MS)) {
        (void)snprintf(text, sizeof(text),
                       "the clock of this host is %lld seconds %s that of the server",
                       (long long)(s.skew_ms < 0 ? -s.skew_ms : s.skew_ms) / 1000,
                       s.skew_ms < 0 ? "ahead of" : "behind");
        fn(ctx, "medium", "have both follow one source of time (chrony, systemd-timesyncd)", text);
    }
    if (a->config.server_url[0] && s.server_url[0] && !streq(a->config.server_url, s.server_url)) {
        (void)snprintf(text, sizeof(text), "this host is enrolled with %s, its settings name %s",
                       s.server_url, a->config.server_url);
        fn(ctx, "medium", "enrol it anew (safeguard-agent enrol), or change server_url", text);
    }
}

void uplink_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct uplink *u = &a->uplink;
    struct output_counters out;
    struct spool_health h;
    char text[1400];

    if (error_is_set(&u->error))
        fn(ctx, "high", u->error.cure, u->error.what);
    if (u->refused) {
        (void)snprintf(text, sizeof(text), "the policies that the server sent were refused: %s",
                       u->refusal.what);
        fn(ctx, "high", u->refusal.cure, text);
    }
    if (u->feed.link)
        link_problems(a, fn, ctx);
    if (!u->feed.spool || !u->out)
        return;
    spool_health(u->feed.spool, &h);
    output_counters(u->out, &out);
    if (h.error || out.failing_since) {
        (void)snprintf(text, sizeof(text), "records for the server cannot be kept: %s",
                       strerror(h.error ? -h.error : -out.error));
        fn(ctx, "high", UPLINK_SPACE_CURE, text);
    }
}
