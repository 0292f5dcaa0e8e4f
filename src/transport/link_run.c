// SPDX-License-Identifier: Apache-2.0
//
// The link's thread: decides what to ask next, waits for answers.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/macro.h"
#include "transport/link_private.h"

#define KEEP_BYTES   (256u << 10)
#define CLOCK_SET_MS 2000

void link_hold(struct link *l, enum work work, uint64_t ms)
{
    l->hold[work] = link_now() + ms;
}

static void cancel(struct link *l, struct http_call *call)
{
    if (call->active)
        (void)curl_multi_remove_handle(l->multi, call->easy);
    call->active = false;
}

static int64_t clock_ms(void)
{
    return (int64_t)link_wall_ms() - (int64_t)link_now();
}

// The end of a session: nothing is on its way any more, and the next thing is a hello after a while.
void link_down(struct link *l, enum link_state state, const struct error *err, uint64_t at_least)
{
    uint64_t now = link_now(), wait;

    if (l->multi) {
        cancel(l, &l->call);
        cancel(l, &l->poll);
    }
    l->work = WORK_NONE;
    l->new_key = identity_key_free(l->new_key);
    link_give_back(l);
    // One that lasted, or that did something, was not the beginning of a failure.
    if (l->in_session && (l->answered || now - l->session_at > SESSION_MS))
        l->retry.last = 0;
    l->in_session = false;
    wait = link_retry_next(&l->retry, l->o.backoff_min_ms, l->o.backoff_max_ms);
    if (link_state_stuck(state))
        wait = l->o.backoff_max_ms / 2 + link_random(l->o.backoff_max_ms / 2);
    if (at_least)
        wait = at_least + link_random(at_least / 4);
    l->next_try = now + wait;
    l->clock_ms = clock_ms();
    link_lock(l);
    l->status.next_try_ms = link_wall_ms() + wait;
    link_unlock(l);
    link_set_state(l, state, err);
}

int link_start(struct link *l, enum work work, const char *path, const char *type,
               size_t answer_max)
{
    const char *session = work == WORK_HELLO || work == WORK_RENEW ? NULL : l->session;
    bool park = work == WORK_POLL;
    struct http_call *call = park ? &l->poll : &l->call;
    uint32_t total = park ? WIRE_PARK_MS + l->timing.stall_ms : TOTAL_MS;
    char pinned[LINK_ADDRESS_TEXT];
    int r;

    if (call->body.failed)
        return -ENOMEM;
    link_lock(l);
    memcpy(pinned, l->pinned, sizeof(pinned));
    link_unlock(l);
    r = http_connect_to(call, pinned);
    if (r < 0)
        return r;
    r = http_begin(call, l->id->server_url, path, type, session, answer_max, total, park,
                   &l->timing, NULL);
    if (r < 0)
        return r;
    if (curl_multi_add_handle(l->multi, call->easy) != CURLM_OK)
        return -ENOMEM;
    call->active = true;
    if (park)
        l->polled_at = link_now();
    else
        l->work = work;
    return 1;
}

static bool may(const struct link *l, enum work work, uint64_t now)
{
    return now >= l->hold[work];
}

// 1: something was begun, 0: there is nothing to do. What fails on this side is put off.
static int begin(struct link *l, enum work work, uint64_t now)
{
    int r = 0;

    if (!may(l, work, now))
        return 0;
    switch (work) {
    case WORK_RENEW: r = link_renew_due(l) ? link_start_renew(l) : 0; break;
    case WORK_RESULT: r = link_start_result(l); break;
    case WORK_BUNDLE: r = link_start_bundle(l); break;
    case WORK_STATE: r = link_start_state(l, now); break;
    case WORK_RECORDS: r = link_start_records(l, now); break;
    case WORK_POLL: r = link_start_poll(l); break;
    default: break;
    }
    if (r < 0)
        link_hold(l, work, SHORT_HOLD_MS);
    return r > 0;
}

// Small and rare things first; tables and records take turns.
static void begin_next(struct link *l, uint64_t now)
{
    if (begin(l, WORK_RENEW, now) || begin(l, WORK_RESULT, now) || begin(l, WORK_BUNDLE, now))
        return;
    l->state_turn = !l->state_turn;
    if (l->state_turn)
        (void)(begin(l, WORK_STATE, now) || begin(l, WORK_RECORDS, now));
    else
        (void)(begin(l, WORK_RECORDS, now) || begin(l, WORK_STATE, now));
}

// A host that starts gets the right time after a while: no reason to wait any longer.
static bool clock_was_set(const struct link *l)
{
    int64_t by = clock_ms() - l->clock_ms;

    return l->status.state == LINK_clock && (by > CLOCK_SET_MS || by < -CLOCK_SET_MS);
}

static void say_hello(struct link *l, uint64_t now)
{
    struct error err = {};
    int r = link_start_hello(l);

    if (r >= 0)
        return;
    (void)error_set(&err, r, "the link cannot say hello: %m");
    link_set_state(l, LINK_retrying, &err);
    l->next_try = now + SHORT_HOLD_MS;
}

static void step(struct link *l)
{
    uint64_t now = link_now();
    bool retry;

    link_lock(l);
    retry = l->retry_now;
    l->retry_now = false;
    link_unlock(l);
    if (retry) {
        memset(l->hold, 0, sizeof(l->hold));
        l->next_try = l->look_at = now;
    }
    link_records_waiting(l, now);
    if (!l->in_session)
        link_look_at_identity(l);
    if (!l->id || l->call.active)
        return;
    if (l->in_session)
        begin_next(l, now);
    else if (now >= l->next_try || clock_was_set(l))
        say_hello(l, now);
}

static void poll_too(struct link *l)
{
    if (l->in_session && !l->poll.active)
        (void)begin(l, WORK_POLL, link_now());
}

static void on_answer(struct link *l, enum work work, uint64_t now)
{
    link_lock(l);
    l->status.last_ok_ms = link_wall_ms();
    link_unlock(l);
    switch (work) {
    case WORK_HELLO: link_on_hello(l); return; // decides itself whether that was a success
    case WORK_RENEW: link_on_renewed(l); break;
    case WORK_RESULT: link_result_sent(l, false); break;
    case WORK_BUNDLE: link_on_bundle(l); break;
    case WORK_STATE: link_on_state(l); break;
    case WORK_RECORDS: link_on_records(l); break;
    case WORK_POLL: link_on_poll(l, now); break;
    default: break;
    }
    l->answered = l->in_session;
}

// Of one large answer or frame no memory stays behind.
static void trim(struct http_call *call)
{
    if (call->answer.cap > KEEP_BYTES)
        sb_done(&call->answer);
    if (call->body.cap > KEEP_BYTES)
        sb_done(&call->body);
}

static void note_address(struct link *l, const struct http_call *call)
{
    if (!*call->peer)
        return;
    link_lock(l);
    (void)snprintf(l->status.server_address, sizeof(l->status.server_address), "%s", call->peer);
    link_unlock(l);
}

static void finished(struct link *l, struct http_call *call, CURLcode curl)
{
    enum work work = call == &l->poll ? WORK_POLL : l->work;
    struct http_result result;
    struct error err = {};
    long connects = 0;

    cancel(l, call);
    if (call == &l->call)
        l->work = WORK_NONE;
    if (curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && connects > 0)
        link_count(l, &l->status.counters.connects, (uint64_t)connects);
    http_end(call, curl, l->id->server_url, &result, &err);
    if (result.failure == HTTP_NONE) {
        note_address(l, call);
        link_fault_over(l, work);
        on_answer(l, work, link_now());
    } else {
        link_count(l, &l->status.counters.failures, 1);
        link_on_failure(l, work, &result, &err);
    }
    if (!call->active)
        trim(call);
}

// What is done may begin what comes next, which may be done at once.
static void perform(struct link *l)
{
    int running = 0, left = 0;
    CURLMsg *message;

    if (!l->multi)
        return;
    (void)curl_multi_perform(l->multi, &running);
    while (l->multi && (message = curl_multi_info_read(l->multi, &left))) {
        CURLcode curl = message->data.result;
        CURL *easy = message->easy_handle;

        if (message->msg == CURLMSG_DONE)
            finished(l, easy == l->poll.easy ? &l->poll : &l->call, curl);
    }
}

// Milliseconds until something is due by itself.
static int wait_ms(struct link *l)
{
    uint64_t now = link_now(), at = now + IDLE_MS;

    if (!l->id)
        at = MIN(at, MAX(l->look_at, now));
    else if (!l->in_session && !l->call.active)
        at = MIN(at,
                 link_state_stuck(l->status.state) ? MIN(l->next_try, l->look_at) : l->next_try);
    if (l->in_session && !l->call.active) {
        at = MIN(at, MAX(link_records_due(l), l->hold[WORK_RECORDS]));
        at = MIN(at, MAX(link_state_due(l), l->hold[WORK_STATE]));
        for (enum work w = WORK_RENEW; w <= WORK_BUNDLE; w++)
            if (l->hold[w] > now)
                at = MIN(at, l->hold[w]);
    }
    if (l->in_session && !l->poll.active && l->hold[WORK_POLL] > now)
        at = MIN(at, l->hold[WORK_POLL]);
    return at > now ? (int)(at - now) : 0;
}

static void wait_for_something(struct link *l)
{
    struct curl_waitfd fd = {.fd = l->wake_fd, .events = CURL_WAIT_POLLIN};
    struct pollfd alone = {.fd = l->wake_fd, .events = POLLIN};
    int timeout = wait_ms(l);
    eventfd_t n;

    if (l->multi)
        (void)curl_multi_poll(l->multi, &fd, 1, timeout, NULL);
    else
        (void)poll(&alone, 1, timeout);
    (void)eventfd_read(l->wake_fd, &n);
}

static bool stopped(struct link *l)
{
    bool stop;

    link_lock(l);
    stop = l->stop;
    link_unlock(l);
    return stop;
}

void *link_run(void *arg)
{
    struct link *l = arg;

    (void)pthread_setname_np(pthread_self(), "safeguard-link");
    while (!stopped(l)) {
        step(l);
        poll_too(l);
        perform(l);
        // What an answer made possible is begun before anything is waited for.
        if (l->in_session && (!l->call.active || !l->poll.active)) {
            step(l);
            poll_too(l);
            perform(l);
        }
        wait_for_something(l);
    }
    link_give_back(l);
    link_close(l);
    return NULL;
}
