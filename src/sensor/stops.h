// SPDX-License-Identifier: Apache-2.0
//
// Processes that the kernel side stopped at their exec, because a rule says how they are scheduled (abi/sched.h). Called by
// src/agent. What is done about each is the caller's; that it goes on is done here, whatever came of that.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/sched.h"
#include "base/error.h"

struct ring_buffer;
struct sensor;

// Who looks at the table: several may, each with a view of its own.
struct stops_view {
    struct sg_stops *memory; // shared with the kernel side; NULL: not open
    uint64_t claimed_ns
        [SG_STOPS_MAX]; // CLOCK_BOOTTIME: since then a slot is seen claimed, with nobody stopped
};

struct stops {
    struct stops_view view;
    struct ring_buffer *told;
    int settled; // map, the sensor's
};

// The sensor has to outlive it.
int stops_open(struct sensor *s, struct stops *ret, struct error *err);
void stops_close(struct stops *s);

// Readable when somebody was stopped; stops_seen() makes it not readable.
int stops_fd(const struct stops *s);
void stops_seen(struct stops *s);

// Hands every stopped process to `fn`, then continues it. NULL: it goes on without its rule and is counted (sg_stops.late).
// older_ns: only those that have waited for that long; 0: all. Returns how many there were. Makes system calls only: good for a
// process that was forked.
typedef void (*stops_fn)(void *ctx, const struct sg_stopped *stopped);
size_t stops_each(struct stops_view *v, uint64_t older_ns, stops_fn fn, void *ctx);

// Whoever begins in this control group needs not be stopped for this rule any more.
int stops_settle(const struct stops *s, uint64_t cgroup_id, uint32_t policy_id, uint32_t rule);
