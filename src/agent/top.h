// SPDX-License-Identifier: Apache-2.0
//
// What processes do, for `safeguard top`: looks at procfs and, while somebody asks for it, at what the kernel adds up about
// scheduling. The programs for that are loaded when they are first asked for and taken away when nobody has asked for a while
// (setting `scheduling`).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/top.h"
#include "base/error.h"
#include "base/json.h"
#include "control/server.h"

#define TOP_SAMPLES   4     // several may look, each at a pace of its own
#define TOP_ROWS_MAX  1000u // of one answer
#define TOP_LEASE_SEC 30u

struct agent;

struct top {
    struct sched *sched;                    // NULL: nothing is looked at
    uint64_t lease_ns;                      // CLOCK_MONOTONIC: until then at least
    uint64_t retry_ns;                      // … not before, when it failed
    struct error error;                     // why it is not looked at
    struct top_sample samples[TOP_SAMPLES]; // the latest first
    uint64_t n_samples;                     // ever taken; the number of the latest
};

void top_start(struct agent *a);
void top_tick(struct agent *a);
void top_stop(struct agent *a);

// {"sched": whether, "since": number of an earlier sample or 0, "window_ms": without `since`, compared with the latest sample that
// is at least so old, "sort": word, "limit": rows}. Rows until the JSON has about `max` bytes: a row more, which has less than
// 80 KiB.
int top_answer(struct agent *a, struct json_object *args, size_t max, struct jw *result,
               struct error *err);
