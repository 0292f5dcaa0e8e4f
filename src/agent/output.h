// SPDX-License-Identifier: Apache-2.0
//
// The way of records out of the agent: lines are collected and handed to a worker in one piece, at the
// latest after 200 ms or at 128 KiB. A destination that is full, gone or hangs holds nobody up: lines
// wait in memory up to a bound, are dropped after that and counted, audit records before denials, and
// written as soon as it goes again. Called by src/agent. Owns buffers, worker and sink.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sink.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/strbuf.h"

#define OUTPUT_FLUSH_MS    200
#define OUTPUT_FLUSH_BYTES ((size_t)128 << 10)
#define OUTPUT_BEHIND      (3 * OUTPUT_FLUSH_BYTES)
#define OUTPUT_BEHIND_MS   500
#define OUTPUT_RETRY_MS    1000
#define OUTPUT_BYTES_MAX   ((size_t)4 << 20) // that wait, besides those being written
#define OUTPUT_AUDIT_MAX   ((size_t)3 << 20) // of these for everything but denials

struct output_counters {
    uint64_t lines;            // taken
    uint64_t dropped;          // not taken: too many waited
    uint64_t failures;         // attempts to write that failed
    int error;                 // negative errno of the last attempt, 0: it went well
    uint64_t failing_since;    // CLOCK_REALTIME, ns; 0 while it goes well
    size_t waiting;            // bytes
    struct sink_counters sink; // as of the last attempt
};

struct output;

int output_new(struct loop *loop, const struct sink_options *options, struct output **ret_output);

// What nobody will write any more.
struct output_lost {
    uint64_t lines,
        bytes; // at most: how much of a batch a destination that hangs has taken is not known
    int error; // negative errno: why; 0: nothing is lost
};

// Tries once to write what waits, and takes nothing more. A destination that has hung for two seconds is given up.
void output_stop(struct output *o, struct output_lost *ret_lost);

// Without output_stop() before, what is lost is not known.
struct output *output_free(struct output *o);
DEFINE_CLEANUP(struct output *, output_free)

// A line, written where it waits: the caller appends it to the buffer, without its newline, and
// output_end() takes what is new. -ENOBUFS: dropped and counted; the buffer is as it was before.
struct strbuf *output_begin(struct output *o);
int output_end(struct output *o, bool denial);

// Both for a line that is there already.
int output_add(struct output *o, const char *line, size_t len, bool denial);

// The file was moved away: go on in a new one.
void output_reopen(struct output *o);

// The worker has not come back for what it writes, and as much as it should get next waits already: whoever
// can let the rest wait elsewhere should. Not for long, and not while writing fails: then lines are dropped.
bool output_is_behind(const struct output *o);

void output_counters(const struct output *o, struct output_counters *ret);
