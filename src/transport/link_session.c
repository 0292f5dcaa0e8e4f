// SPDX-License-Identifier: Apache-2.0
//
// The beginning of a session, and what failures mean.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "transport/link_private.h"

#define BUSY_MS 10000 // where the server does not say how long

int link_start_hello(struct link *l)
{
    struct msg_hello m = {
        .boot_id = strempty(l->o.boot_id),
        .machine_id = strempty(l->o.machine_id),
        .host = l->o.host,
        .version = l->o.version,
        .time_ms = link_wall_ms(),
    };
    int n, r;

    n = l->o.source.streams(l->o.source.ctx, m.streams);
    if (n < 0 || n > MSG_STREAMS_MAX)
        return n < 0 ? n : -EINVAL;
    m.n_streams = (size_t)n;
    for (int i = 0; i < n; i++)
        m.streams[i].acked = link_acked(l, &m.streams[i]);
    memcpy(l->streams, m.streams, sizeof(l->streams));
    l->n_streams = m.n_streams;
    sb_reset(&l->call.body);
    r = msg_hello_write(&l->call.body, &m);
    if (r < 0)
        return r;
    l->asked_at = link_now();
    l->asked_wall_ms = (int64_t)m.time_ms;
    return link_start(l, WORK_HELLO, WIRE_HELLO, WIRE_JSON_TYPE, WIRE_ANSWER_MAX);
}

// The server's clock was read somewhere between question and answer.
static void take_skew(struct link *l, uint64_t server_ms)
{
    int64_t took = (int64_t)(link_now() - l->asked_at);

    link_lock(l);
    l->status.skew_known = true;
    l->status.skew_ms = (int64_t)server_ms - (l->asked_wall_ms + took / 2);
    l->status.next_try_ms = 0;
    l->status.counters.sessions++;
    link_unlock(l);
}

void link_on_hello(struct link *l)
{
    struct msg_hello_answer m = {};
    struct error err = {};
    int r;

    r = msg_hello_answer_read(sb_str(&l->call.answer), l->call.answer.len, &m, &err);
    if (r < 0) {
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    (void)snprintf(l->session, sizeof(l->session), "%s", m.session);
    take_skew(l, m.time_ms);
    l->in_session = true;
    l->answered = false;
    l->session_at = link_now();
    l->renew_asked = m.renew;
    memset(l->hold, 0, sizeof(l->hold));
    for (size_t i = 0; i < STREAM_CLASSES; i++)
        l->due[i] = l->session_at;
    link_state_unsure(l);
    link_want_bundle(l, m.bundle);
    link_set_state(l, LINK_online, NULL);
    // May end the session at once.
    link_compare_streams(l, &m);
    msg_hello_answer_done(&m);
}

// States in which somebody has to do something. LINK_STATE_COUNT: none of these.
static enum link_state stuck_by_code(const struct link *l, enum wire_code code)
{
    switch (code) {
    case WIRE_expired: return LINK_expired;
    case WIRE_revoked: return LINK_revoked;
    case WIRE_retired: return LINK_retired;
    case WIRE_cloned: return LINK_cloned;
    case WIRE_unknown: return LINK_unknown;
    case WIRE_certificate:
        // Where the server looks no further than at its validity.
        return l->id->info.not_after_ms < (int64_t)link_wall_ms() ? LINK_expired : LINK_unknown;
    default: return LINK_STATE_COUNT;
    }
}

static enum link_state state_of(const struct link *l, const struct http_result *result)
{
    switch (result->failure) {
    case HTTP_UNTRUSTED: return LINK_untrusted;
    case HTTP_CLOCK: return LINK_clock;
    case HTTP_EXPIRED: return LINK_expired;
    case HTTP_REFUSED: return stuck_by_code(l, WIRE_certificate);
    case HTTP_ANSWER:
        // Whatever it calls it: it does not know who we are.
        return stuck_by_code(l, result->status == 401 && !result->code ? WIRE_certificate
                                                                       : result->code);
    default: return LINK_STATE_COUNT;
    }
}

static void with_cure(const struct link *l, struct error *err, enum link_state state)
{
    if (state == LINK_expired)
        error_cure(
            err,
            "enrol anew: safeguard-agent enrol --server %s --token TOKEN (a token: safeguard-server token create); it stays "
            "the same host there, and the records that wait here arrive",
            l->id->server_url);
    else if (!*err->cure && (state == LINK_cloned || state == LINK_unknown ||
                             state == LINK_retired || state == LINK_revoked))
        error_cure(
            err,
            "enrol anew: safeguard-agent enrol --server %s --token TOKEN (a token: safeguard-server token create)",
            l->id->server_url);
}

// The server asks for time. Only what it cannot take now waits; all of it when it was hello.
static void on_busy(struct link *l, enum work work, const struct http_result *result,
                    const struct error *err)
{
    uint64_t wait = result->retry_after_ms ? result->retry_after_ms : BUSY_MS;

    if (work == WORK_HELLO) {
        link_down(l, LINK_retrying, err, result->retry_after_ms);
        return;
    }
    if (work == WORK_RECORDS) {
        link_give_back(l);
        link_set_state(l, LINK_full, err);
    }
    // Its rows were not taken: they are due again.
    if (work == WORK_STATE)
        link_state_unsure(l);
    link_hold(l, work, wait);
}

// An answer that is about this request alone. False: it is about more than that.
static bool refused_alone(struct link *l, enum work work, const struct http_result *result,
                          const struct error *err)
{
    if (result->status / 100 != 4)
        return false;
    switch (work) {
    case WORK_STATE:
        if (result->code == WIRE_resync) {
            link_state_differs(l);
            return true;
        }
        link_state_unsure(l);
        link_fault(l, WORK_STATE, err);
        link_hold(l, WORK_STATE, LONG_HOLD_MS);
        return true;
    case WORK_RESULT: link_result_sent(l, true); return true;
    case WORK_RECORDS: link_records_refused(l, err); return true;
    case WORK_RENEW:
    case WORK_BUNDLE:
        link_fault(l, work, err);
        link_hold(l, work, LONG_HOLD_MS);
        return true;
    default: return false;
    }
}

// Sessions end when the server starts again: hello at once, unless that was just said.
static void on_lost_session(struct link *l, const struct error *err)
{
    bool good = l->answered || link_now() - l->session_at > SESSION_MS;

    link_down(l, good ? LINK_connecting : LINK_retrying, good ? NULL : err, 0);
    if (good)
        l->next_try = link_now();
}

void link_on_failure(struct link *l, enum work work, const struct http_result *result,
                     const struct error *err)
{
    enum link_state state = state_of(l, result);
    struct error full = *err;

    if (state != LINK_STATE_COUNT) {
        with_cure(l, &full, state);
        link_down(l, state, &full, 0);
    } else if (result->failure != HTTP_ANSWER || result->status == 0) {
        link_down(l, LINK_retrying, err, 0);
    } else if (result->code == WIRE_session && work != WORK_HELLO) {
        on_lost_session(l, err);
    } else if (result->status == 503 || result->status == 429) {
        on_busy(l, work, result, err);
    } else if (!refused_alone(l, work, result, err)) {
        link_down(l, LINK_retrying, err, 0);
    }
}
