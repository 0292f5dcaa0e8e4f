// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/alloc.h"
#include "base/macro.h"

#define USEC_PER_MS UINT64_C(1000)

struct loop {
    sd_event *event;
    struct loop_source *owned; // sources that nobody else holds
};

struct loop_source {
    sd_event_source *source;
    struct loop_source *next; // in loop.owned
    union {
        loop_fd_fn fd;
        loop_timer_fn timer;
        loop_signal_fn signal;
    } fn;
    void *ctx;
    sd_event *event; // only looked at inside a callback, when the loop is there for sure
    uint64_t period_us;
    int on;       // what "enabled" means here: SD_EVENT_ON or SD_EVENT_ONESHOT
    bool running; // the callback is running
    bool dead;    // freed from inside its callback
};

int loop_new(struct loop **ret_loop)
{
    _cleanup_free_ struct loop *loop = NULL;
    int r;

    loop = new0(struct loop, 1);
    if (!loop)
        return -ENOMEM;
    r = sd_event_new(&loop->event);
    if (r < 0)
        return r;
    *ret_loop = TAKE_PTR(loop);
    return 0;
}

struct loop_source *loop_source_free(struct loop_source *s)
{
    if (!s)
        return NULL;
    sd_event_source_disable_unref(TAKE_PTR(s->source));
    if (s->running)
        s->dead = true; // finish_call() frees it
    else
        free(s);
    return NULL;
}

struct loop *loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    while (loop->owned) {
        struct loop_source *s = loop->owned;

        loop->owned = s->next;
        loop_source_free(s);
    }
    sd_event_unref(loop->event);
    free(loop);
    return NULL;
}

int loop_run(struct loop *loop)
{
    return sd_event_loop(loop->event);
}

int loop_run_once(struct loop *loop, uint64_t timeout_ms)
{
    uint64_t usec;

    if (__builtin_mul_overflow(timeout_ms, USEC_PER_MS, &usec))
        usec = UINT64_MAX;
    return sd_event_run(loop->event, usec);
}

int loop_exit(struct loop *loop, int code)
{
    return sd_event_exit(loop->event, code);
}

struct sd_event *loop_sd_event(struct loop *loop)
{
    return loop->event;
}

// After a callback: an error ends the loop, whatever the source is. sd-event itself would only
// switch the source off.
static int finish_call(struct loop_source *s, int r)
{
    s->running = false;
    if (r < 0)
        (void)sd_event_exit(s->event, r);
    if (s->dead)
        free(s);
    return 0;
}

static int on_fd(sd_event_source *es _unused_, int fd, uint32_t events, void *userdata)
{
    struct loop_source *s = userdata;

    s->running = true;
    return finish_call(s, s->fn.fd(s->ctx, fd, events));
}

static int start_timer(struct loop_source *s, uint64_t usec)
{
    int r;

    r = sd_event_source_set_time_relative(s->source, usec);
    if (r < 0)
        return r;
    return sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *es _unused_, uint64_t due _unused_, void *userdata)
{
    struct loop_source *s = userdata;
    int r = 0;

    s->running = true;
    // Before the callback, which may change the timer or free it. Relative to now: after a long
    // stop, missed turns are not made up for.
    if (s->period_us)
        r = start_timer(s, s->period_us);
    if (r >= 0)
        r = s->fn.timer(s->ctx);
    return finish_call(s, r);
}

static int on_signal(sd_event_source *es _unused_, const struct signalfd_siginfo *info,
                     void *userdata)
{
    struct loop_source *s = userdata;

    s->running = true;
    return finish_call(s, s->fn.signal(s->ctx, (int)info->ssi_signo));
}

static int on_defer(sd_event_source *es _unused_, void *userdata)
{
    struct loop_source *s = userdata;

    s->running = true;
    return finish_call(s, s->fn.timer(s->ctx));
}

static struct loop_source *source_new(struct loop *loop, void *ctx, int on)
{
    struct loop_source *s = new0(struct loop_source, 1);

    if (s) {
        s->event = loop->event;
        s->ctx = ctx;
        s->on = on;
    }
    return s;
}

// The end of every loop_add_*(): `r` is what sd-event answered.
static int finish_add(struct loop *loop, struct loop_source *s, int r,
                      struct loop_source **ret_source)
{
    if (r < 0) {
        free(s);
        return r;
    }
    if (ret_source) {
        *ret_source = s;
    } else {
        s->next = loop->owned;
        loop->owned = s;
    }
    return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
                struct loop_source **ret_source)
{
    struct loop_source *s = source_new(loop, ctx, SD_EVENT_ON);

    if (!s)
        return -ENOMEM;
    s->fn.fd = fn;
    return finish_add(loop, s, sd_event_add_io(loop->event, &s->source, fd, events, on_fd, s),
                      ret_source);
}

int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t period_ms, uint64_t accuracy_ms,
                   loop_timer_fn fn, void *ctx, struct loop_source **ret_source)
{
    struct loop_source *s;
    uint64_t first, period, accuracy;

    if (__builtin_mul_overflow(first_ms, USEC_PER_MS, &first) ||
        __builtin_mul_overflow(period_ms, USEC_PER_MS, &period) ||
        __builtin_mul_overflow(accuracy_ms, USEC_PER_MS, &accuracy))
        return -ERANGE;
    s = source_new(loop, ctx, SD_EVENT_ONESHOT);
    if (!s)
        return -ENOMEM;
    s->fn.timer = fn;
    s->period_us = period;
    // sd-event takes 0 for its default of 250 ms.
    return finish_add(loop, s,
                      sd_event_add_time_relative(loop->event, &s->source, CLOCK_MONOTONIC, first,
                                                 accuracy ? accuracy : 1, on_timer, s),
                      ret_source);
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn fn, void *ctx,
                    struct loop_source **ret_source)
{
    struct loop_source *s;
    sigset_t set;
    int r;

    sigemptyset(&set);
    if (sigaddset(&set, signo) < 0)
        return negative_errno();
    r = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (r > 0)
        return -r;
    s = source_new(loop, ctx, SD_EVENT_ON);
    if (!s)
        return -ENOMEM;
    s->fn.signal = fn;
    return finish_add(loop, s, sd_event_add_signal(loop->event, &s->source, signo, on_signal, s),
                      ret_source);
}

int loop_add_defer(struct loop *loop, loop_timer_fn fn, void *ctx, struct loop_source **ret_source)
{
    struct loop_source *s = source_new(loop, ctx, SD_EVENT_ONESHOT);

    if (!s)
        return -ENOMEM;
    s->fn.timer = fn;
    return finish_add(loop, s, sd_event_add_defer(loop->event, &s->source, on_defer, s),
                      ret_source);
}

int loop_source_enable(struct loop_source *s, bool on)
{
    return sd_event_source_set_enabled(s->source, on ? s->on : SD_EVENT_OFF);
}

int loop_source_set_events(struct loop_source *s, uint32_t events)
{
    return sd_event_source_set_io_events(s->source, events);
}

int loop_source_rearm(struct loop_source *s, uint64_t delay_ms)
{
    uint64_t usec;

    if (__builtin_mul_overflow(delay_ms, USEC_PER_MS, &usec))
        return -ERANGE;
    return start_timer(s, usec);
}

int loop_source_set_priority(struct loop_source *s, int64_t priority)
{
    return sd_event_source_set_priority(s->source, priority);
}

int loop_set_watchdog(struct loop *loop, bool on)
{
    return sd_event_set_watchdog(loop->event, on);
}
