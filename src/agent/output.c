// SPDX-License-Identifier: Apache-2.0
#include "agent/output.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "agent/worker.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strbuf.h"

#define BATCH_KEPT (12 * OUTPUT_FLUSH_BYTES)
#define SPOOL_KEPT \
    (2 * OUTPUT_FLUSH_BYTES) // the same lines have room of their own on their way to the file
#define OUTPUT_END_SEC 2

struct output {
    struct loop *loop;
    struct worker *worker;
    struct loop_source *timer;
    struct strbuf lines;   // that wait
    size_t begin;          // of the line that is being written there
    bool armed;            // the timer runs
    bool busy;             // the worker has the batch
    uint64_t submitted_ns; // CLOCK_MONOTONIC
    bool closing;
    bool reopen; // before the next batch
    size_t kept; // bytes of memory

    // The worker's while `busy`.
    struct job job;
    struct strbuf batch;
    size_t written; // of the batch
    bool reopen_first;
    int result;
    struct sink *sink;
    struct sink_counters sink_counters;

    struct output_counters counters;
};

static void run_batch(struct job *job, struct worker *w _unused_)
{
    struct output *o = container_of(job, struct output, job);
    size_t n = 0;

    if (o->reopen_first)
        sink_reopen(o->sink);
    o->reopen_first = false;
    o->result = sink_write(o->sink, o->batch.s + o->written, o->batch.len - o->written, &n);
    o->written += n;
    sink_counters(o->sink, &o->sink_counters);
}

static void arm(struct output *o, uint64_t ms)
{
    if (o->armed || o->closing)
        return;
    o->armed = loop_source_rearm(o->timer, ms) == 0;
}

// Once a batch is written, what waits is the next one. False: there is nothing to do.
static bool next_batch(struct output *o)
{
    struct strbuf empty = o->batch;

    o->reopen_first = o->reopen_first || o->reopen;
    o->reopen = false;
    if (o->written < o->batch.len)
        return true;
    if (o->lines.len == 0)
        return o->reopen_first;
    o->batch = o->lines;
    o->lines = empty;
    sb_reset(&o->lines);
    o->written = 0;
    return true;
}

static void submit(struct output *o)
{
    if (o->busy || !next_batch(o))
        return;
    o->busy = worker_submit(o->worker, &o->job) == 0;
    o->submitted_ns = now_ns(CLOCK_MONOTONIC);
}

static void batch_done(struct job *job, bool ran)
{
    struct output *o = container_of(job, struct output, job);

    o->busy = false;
    if (!ran)
        return;
    o->counters.sink = o->sink_counters;
    o->counters.error = o->result;
    if (o->result < 0) {
        o->counters.failures++;
        if (!o->counters.failing_since)
            o->counters.failing_since = now_ns(CLOCK_REALTIME);
        arm(o, OUTPUT_RETRY_MS);
        return;
    }
    o->counters.failing_since = 0;
    // What a burst of long lines needed is not kept for ever. What an ordinary one needs is, all that waits until
    // we are behind and one turn of records more: memory that is given back and taken again costs the kernel more
    // than a record.
    if (o->batch.cap > o->kept) {
        sb_done(&o->batch);
        o->written = 0;
    }
    if (o->closing)
        return;
    if (o->lines.len >= OUTPUT_FLUSH_BYTES)
        submit(o);
    else if (o->lines.len > 0)
        arm(o, OUTPUT_FLUSH_MS);
}

static int on_timer(void *ctx)
{
    struct output *o = ctx;

    o->armed = false;
    submit(o);
    return 0;
}

int output_new(struct loop *loop, const struct sink_options *options, struct output **ret_output)
{
    _cleanup_(output_freep) struct output *o = new0(struct output, 1);
    int r;

    if (!o)
        return -ENOMEM;
    o->loop = loop;
    o->kept = options->spool ? SPOOL_KEPT : BATCH_KEPT;
    o->job = (struct job){.run = run_batch, .done = batch_done};
    r = sink_new(options, &o->sink);
    if (r == 0)
        r = loop_add_timer(loop, OUTPUT_FLUSH_MS, 0, OUTPUT_FLUSH_MS / 4, on_timer, o, &o->timer);
    if (r == 0)
        r = worker_new(loop, "sg-output", 1, false, &o->worker);
    if (r < 0)
        return r;
    o->armed = true;
    *ret_output = TAKE_PTR(o);
    return 0;
}

static void count_lost(const char *s, size_t len, struct output_lost *lost)
{
    const char *end = s + len;

    lost->bytes += len;
    while (s < end && (s = memchr(s, '\n', (size_t)(end - s)))) {
        lost->lines++;
        s++;
    }
}

static void *write_rest(void *arg)
{
    struct output *o = arg;

    run_batch(&o->job, NULL);
    return NULL;
}

// Hands out a batch without the worker, in a thread all the same: the destination may hang, and the agent is to end.
static void write_bounded(struct output *o)
{
    struct timespec until;
    pthread_t thread;

    o->busy = pthread_create(&thread, NULL, write_rest, o) == 0;
    if (!o->busy) {
        o->result = -EAGAIN;
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += OUTPUT_END_SEC;
    o->busy = pthread_timedjoin_np(thread, NULL, &until) != 0;
    if (o->busy)
        (void)pthread_detach(thread);
}

void output_stop(struct output *o, struct output_lost *ret_lost)
{
    struct output_lost lost = {};
    size_t written;

    o->closing = true;
    // What it writes just now and what still waits, in this order. A worker that does not come back keeps
    // everything that it may touch.
    o->worker = worker_free(o->worker);
    for (int i = 0; i < 2 && !o->busy && o->sink && next_batch(o); i++)
        write_bounded(o);
    written = o->busy ? 0 : o->written;
    count_lost(sb_str(&o->batch) + written, o->batch.len - written, &lost);
    count_lost(sb_str(&o->lines), o->lines.len, &lost);
    if (lost.bytes)
        lost.error = o->busy ? -ETIMEDOUT : o->result;
    *ret_lost = lost;
}

struct output *output_free(struct output *o)
{
    struct output_lost lost;

    if (!o)
        return NULL;
    if (!o->closing)
        output_stop(o, &lost);
    if (o->busy)
        return NULL;
    o->timer = loop_source_free(o->timer);
    o->sink = sink_free(o->sink);
    sb_done(&o->lines);
    sb_done(&o->batch);
    free(o);
    return NULL;
}

struct strbuf *output_begin(struct output *o)
{
    o->begin = o->lines.len;
    return &o->lines;
}

int output_end(struct output *o, bool denial)
{
    sb_putc(&o->lines, '\n');
    if (o->lines.failed || o->lines.len > (denial ? OUTPUT_BYTES_MAX : OUTPUT_AUDIT_MAX)) {
        o->lines.failed = false; // the room was not there for this line; the next may be shorter
        sb_truncate(&o->lines, o->begin);
        o->counters.dropped++;
        return -ENOBUFS;
    }
    o->counters.lines++;
    if (o->lines.len >= OUTPUT_FLUSH_BYTES && !o->counters.failing_since)
        submit(o);
    else
        arm(o, OUTPUT_FLUSH_MS);
    return 0;
}

int output_add(struct output *o, const char *line, size_t len, bool denial)
{
    sb_add(output_begin(o), line, len);
    return output_end(o, denial);
}

bool output_is_behind(const struct output *o)
{
    return o->lines.len >= OUTPUT_BEHIND && o->busy && !o->counters.failing_since &&
           now_ns(CLOCK_MONOTONIC) < o->submitted_ns + OUTPUT_BEHIND_MS * NS_PER_MS;
}

void output_reopen(struct output *o)
{
    o->reopen = true;
    submit(o);
}

void output_counters(const struct output *o, struct output_counters *ret)
{
    *ret = o->counters;
    ret->waiting = o->lines.len + (o->busy ? 0 : o->batch.len - o->written);
}
