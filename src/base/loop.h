// SPDX-License-Identifier: Apache-2.0
//
// The event loop: thin names over sd-event (libsystemd). One loop a program, one thread.
//
// A callback returns 0; a negative errno ends the loop, and loop_run() returns it. A source is
// freed by loop_source_free(), also from inside its own callback. With ret_source NULL the loop
// owns the source until loop_free(). A source may outlive its loop; it does nothing then.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/cleanup.h"

struct loop;
struct loop_source;
struct sd_event;

typedef int (*loop_fd_fn)(void *ctx, int fd, uint32_t events);
typedef int (*loop_timer_fn)(void *ctx);
typedef int (*loop_signal_fn)(void *ctx, int signo);

int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free)

// Runs until loop_exit() or an error; returns the code of loop_exit() or the negative errno.
int loop_run(struct loop *loop);

// Waits for at most timeout_ms (UINT64_MAX: for ever) and dispatches one event. 1: dispatched, 0:
// time is up, -ESTALE: the loop has ended.
int loop_run_once(struct loop *loop, uint64_t timeout_ms);

int loop_exit(struct loop *loop, int code);

// events: EPOLLIN, EPOLLOUT, ...; the descriptor stays the caller's and must outlive the source.
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
                struct loop_source **ret_source);

// First after first_ms, then every period_ms (0: once; loop_source_rearm() starts it again).
// CLOCK_MONOTONIC. The kernel may wait accuracy_ms longer to wake up less often; 0: as exact as it
// can.
int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t period_ms, uint64_t accuracy_ms,
                   loop_timer_fn fn, void *ctx, struct loop_source **ret_source);

// Blocks the signal in the calling thread (before other threads start) and receives it here.
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn fn, void *ctx,
                    struct loop_source **ret_source);

// Runs once, before the loop waits again.
int loop_add_defer(struct loop *loop, loop_timer_fn fn, void *ctx, struct loop_source **ret_source);

// A timer that is switched on again and was due meanwhile fires at once.
int loop_source_enable(struct loop_source *source, bool on);
int loop_source_set_events(struct loop_source *source, uint32_t events); // descriptors only
int loop_source_rearm(struct loop_source *source, uint64_t delay_ms);    // timers only
int loop_source_set_priority(struct loop_source *source,
                             int64_t priority); // lower goes first, 0 is usual
struct loop_source *loop_source_free(struct loop_source *source);
DEFINE_CLEANUP(struct loop_source *, loop_source_free)

// Sends WATCHDOG=1 at half of $WATCHDOG_USEC. 1: on, 0: the manager did not ask for it.
int loop_set_watchdog(struct loop *loop, bool on);

// For what has no name here; on loan.
struct sd_event *loop_sd_event(struct loop *loop);
