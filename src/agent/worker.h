// SPDX-License-Identifier: Apache-2.0
//
// A thread behind a bounded queue, for what must not hold up the loop: writing to a disk that may hang,
// compiling, walking directories. A job is handed over whole: between worker_submit() and done() nobody
// but the thread touches it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/loop.h"

struct worker;

struct job {
    void (*run)(struct job *job, struct worker *w); // in the thread
    // In the loop, exactly once for each job that was accepted, also for those that never ran.
    void (*done)(struct job *job, bool ran);
    struct job *next; // private
};

// `name` shows in ps (15 bytes). background: gives way to everything else on the machine. -ENOMEM, -EAGAIN.
int worker_new(struct loop *loop, const char *name, size_t max_jobs, bool background,
               struct worker **ret_worker);

// Tells the running job to end and waits for the thread, for at most two seconds. False: it did not come
// back; its job, and what that may touch, has to stay until the process ends.
bool worker_stop(struct worker *w);

// Stops, and takes back the jobs that never ran. One that did not come back is left behind.
struct worker *worker_free(struct worker *w);
DEFINE_CLEANUP(struct worker *, worker_free)

// -EBUSY: the queue is full; the job stays the caller's.
int worker_submit(struct worker *w, struct job *job);

// For jobs, from the thread: they should end.
bool worker_stopping(const struct worker *w);
