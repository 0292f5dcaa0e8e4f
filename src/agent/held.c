// SPDX-License-Identifier: Apache-2.0
//
// Records that wait for what is not known yet of a program, and those behind them: they leave in the order in which they came. None
// waits for longer than HELD_MS, nor while more than HELD_BYTES wait: then it goes without, and says so.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

struct held_record {
    struct held_record *next;
    char *line;
    size_t len;
    uint64_t id;       // of what it waits for; 0: for nothing but its turn
    uint64_t until_ns; // CLOCK_MONOTONIC
    struct ocsf_later later;
    bool denial;
};

bool held_any(const struct agent *a)
{
    return a->held.first != NULL;
}

// As good as one that found no room to wait in.
static void drop(struct agent *a, bool denial)
{
    output_begin(a->output)->failed = true;
    (void)output_end(a->output, denial);
}

static void send(struct agent *a, const struct held_record *h)
{
    if (control_server_has_subscribers(a->control))
        control_server_publish(a->control, h->line, h->len);
    uplink_record(a, h->denial ? STREAM_SECURITY : STREAM_AUDIT, h->denial, h->line, h->len);
    (void)output_add(a->output, h->line, h->len, h->denial);
}

static void complete(struct agent *a, struct held_record *h, const struct file_facts *facts)
{
    _cleanup_(sb_done) struct strbuf line = {};
    char *whole = NULL;

    if (ocsf_complete(h->line, h->len, &h->later, facts, &line) == 0) {
        size_t len = line.len;

        if (sb_finish(&line, &whole) == 0) {
            a->held.bytes += len - h->len;
            free(h->line);
            h->line = whole;
            h->len = len;
        }
    }
    // Without memory it says nothing of its file.
    h->id = 0;
}

static void send_first(struct agent *a)
{
    static const struct file_facts late = {.hash = FILE_HASH_LATE};
    struct held *held = &a->held;
    struct held_record *h = held->first;

    if (h->id) {
        held->n_late++;
        complete(a, h, &late);
    }
    send(a, h);
    held->first = h->next;
    if (!held->first)
        held->last = NULL;
    held->bytes -= h->len;
    free(h->line);
    free(h);
}

// All whose turn it is; the timer is for the first that has to wait.
static void go_on(struct agent *a)
{
    struct held *held = &a->held;
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    while (held->first &&
           (!held->first->id || held->first->until_ns <= now || held->bytes > HELD_BYTES))
        send_first(a);
    if (held->first && held->timer)
        (void)loop_source_rearm(held->timer,
                                (held->first->until_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

static int on_timer(void *ctx)
{
    go_on(ctx);
    return 0;
}

void held_put(struct agent *a, const struct event *ev, bool denial)
{
    struct held *held = &a->held;
    struct held_record *h = new0(struct held_record, 1);
    _cleanup_(sb_done) struct strbuf line = {};
    bool was_empty = !held->first;
    int r = h ? ocsf_write(a->ocsf, ev, &line) : -ENOMEM;
    size_t len = line.len;

    if (r == 0 && ev->file && ev->file->hash == FILE_HASH_WAITING && ocsf_later(a->ocsf, &h->later))
        h->id = a->programs.next_id;
    r = r < 0 ? r : sb_finish(&line, &h->line);
    if (r < 0) {
        free(h);
        if (r != -EOPNOTSUPP)
            drop(a, denial);
        return;
    }
    h->len = len;
    h->denial = denial;
    h->until_ns = now_ns(CLOCK_MONOTONIC) + HELD_MS * NS_PER_MS;
    if (was_empty)
        held->first = h;
    else
        held->last->next = h;
    held->last = h;
    held->bytes += len;
    if (was_empty || held->bytes > HELD_BYTES)
        go_on(a);
}

void held_answer(struct agent *a, uint64_t id, const struct file_facts *facts)
{
    struct held_record *h = a->held.first;

    while (h && h->id != id)
        h = h->next;
    if (!h)
        return; // it went without
    complete(a, h, facts);
    go_on(a);
}

void held_flush(struct agent *a)
{
    while (a->held.first)
        send_first(a);
}

int held_start(struct agent *a)
{
    return loop_add_timer(a->loop, 0, 0, 0, on_timer, a, &a->held.timer);
}

void held_stop(struct agent *a)
{
    held_flush(a);
    a->held.timer = loop_source_free(a->held.timer);
}
