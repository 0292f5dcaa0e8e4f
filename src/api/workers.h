// SPDX-License-Identifier: Apache-2.0
//
// Threads behind one queue. A job is part of what it is about, so that queueing cannot fail for want of memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct job {
    struct job *next;
    void (*fn)(struct job *job); // may free what the job is part of
};

struct workers;

int workers_new(unsigned threads, size_t queue_max, struct workers **ret);
// -ENOBUFS: as many wait as may; -ESHUTDOWN. `always`: not for new work, but for what was let in already.
int workers_add(struct workers *p, struct job *job, bool always);
void workers_lengths(struct workers *p, size_t *ret_queued, size_t *ret_running);
// Does what waits, then ends the threads. False: some are still at work after timeout_ms.
bool workers_stop(struct workers *p, uint64_t timeout_ms);
struct workers *workers_free(struct workers *p); // after workers_stop() returned true
