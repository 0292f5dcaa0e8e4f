// SPDX-License-Identifier: Apache-2.0
//
// Records from the source to the server: when, how many, and what an answer means for them.
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "transport/link_private.h"

#define IN_ROW_MAX      4 // frames of the security stream before the other one gets a turn
#define STREAM_PAUSE_MS 60000

static const struct link_source *source(const struct link *l)
{
    return &l->o.source;
}

void link_give_back(struct link *l)
{
    if (l->leased)
        (void)source(l)->rollback(source(l)->ctx, l->lease.class);
    l->leased = false;
}

// From the first record on that nobody has looked for, it is waited for others. Further calls of link_wake() cost
// nothing until then.
void link_records_waiting(struct link *l, uint64_t now)
{
    if (!atomic_load(&l->more))
        return;
    if (l->due[STREAM_SECURITY] == 0)
        l->due[STREAM_SECURITY] = now + l->o.linger_ms / 5;
    if (l->due[STREAM_AUDIT] == 0)
        l->due[STREAM_AUDIT] = now + l->o.linger_ms;
}

uint64_t link_records_due(const struct link *l)
{
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i < STREAM_CLASSES; i++)
        if (l->due[i])
            at = MIN(at, l->due[i]);
    return at;
}

// The security stream first, but not alone.
static enum stream_class choose(const struct link *l, uint64_t now)
{
    bool security = l->due[STREAM_SECURITY] && l->due[STREAM_SECURITY] <= now,
         audit = l->due[STREAM_AUDIT] && l->due[STREAM_AUDIT] <= now;

    if (security && (!audit || l->in_row < IN_ROW_MAX))
        return STREAM_SECURITY;
    return audit ? STREAM_AUDIT : STREAM_CLASSES;
}

static void source_failed(struct link *l, int r, const char *what)
{
    struct error err = {};

    (void)error_set(&err, r, "%s: %m", what);
    link_fault(l, WORK_RECORDS, &err);
    link_hold(l, WORK_RECORDS, SHORT_HOLD_MS);
}

// 1: leased, 0: nothing waits in this stream.
static int lease(struct link *l, enum stream_class class)
{
    int r;

    // What is put in from here on may not be in the lease.
    atomic_store(&l->more, false);
    r = source(l)->lease(source(l)->ctx, class, l->limit[class], FRAME_LEASE_MAX, &l->lease);
    if (r <= 0)
        return r;
    l->leased = true;
    l->lease.class = class;
    return 1;
}

static int send_lease(struct link *l)
{
    int r;

    sb_reset(&l->call.body);
    r = frame_encode(l->writer, &l->lease, &l->call.body);
    if (r < 0)
        return r;
    l->frame_len = l->call.body.len;
    return link_start(l, WORK_RECORDS, WIRE_RECORDS, FRAME_CONTENT_TYPE, WIRE_ANSWER_MAX);
}

int link_start_records(struct link *l, uint64_t now)
{
    enum stream_class class;
    int r;

    while ((class = choose(l, now)) != STREAM_CLASSES) {
        r = lease(l, class);
        if (r < 0) {
            source_failed(l, r, "records cannot be read from the spool");
            return 0;
        }
        if (r == 0) {
            l->due[class] = 0;
            // The other stream may have got some before the flag was cleared.
            link_records_waiting(l, now);
            continue;
        }
        l->in_row = class == STREAM_SECURITY ? l->in_row + 1 : 0;
        r = send_lease(l);
        if (r < 0) {
            link_give_back(l);
            source_failed(l, r, "records from the spool cannot be sent");
            return 0;
        }
        return 1;
    }
    return 0;
}

// Answers -------------------------------------------------------------------------------------

static const struct msg_stream *find_stream(const struct msg_stream *streams, size_t n,
                                            enum stream_class class, const struct stream_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (streams[i].class == class && stream_id_equal(&streams[i].id, id))
            return &streams[i];
    return NULL;
}

// The server has numbers that we have not given yet: this host was set back to an earlier state.
static void server_is_ahead(struct link *l)
{
    uint64_t now = link_now();
    bool again = l->renewed_stream_at && now - l->renewed_stream_at < STREAM_PAUSE_MS;
    struct error err = {};
    int r;

    link_give_back(l);
    r = again ? -EBUSY : source(l)->new_stream(source(l)->ctx);
    if (r < 0) {
        (void)error_set(&err, r,
                        "the server has records of this host that the host does not know, "
                        "and a new stream could not be begun");
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    l->renewed_stream_at = now;
    link_count(l, &l->status.counters.streams, 1);
    link_down(l, LINK_connecting, NULL, 0);
    l->next_try = now;
}

static bool ahead(struct link *l, enum stream_class class, const struct stream_id *id,
                  uint64_t acked)
{
    struct msg_stream streams[MSG_STREAMS_MAX] = {};
    const struct msg_stream *s;
    int n = source(l)->streams(source(l)->ctx, streams);

    if (n < 0 || n > MSG_STREAMS_MAX)
        return false;
    s = find_stream(streams, (size_t)n, class, id);
    return s && acked >= s->next;
}

static void commit(struct link *l, enum stream_class class, const struct stream_id *id,
                   uint64_t acked)
{
    int r = source(l)->commit(source(l)->ctx, class, id, acked);

    if (r < 0)
        source_failed(l, r, "the spool cannot keep what the server has acknowledged");
}

// Of a stream of an earlier boot nothing is remembered once there is a new one.
uint64_t link_acked(const struct link *l, const struct msg_stream *s)
{
    if (!stream_id_equal(&l->known[s->class].id, &s->id))
        return 0;
    return MIN(l->known[s->class].acked, s->next - 1);
}

static void acknowledged(struct link *l, enum stream_class class, const struct stream_id *id,
                         uint64_t acked)
{
    if (!stream_id_equal(&l->known[class].id, id))
        l->known[class].counted = 0;
    l->known[class].id = *id;
    l->known[class].acked = acked;
}

static void stored(struct link *l, const struct msg_records_answer *m, uint64_t n)
{
    struct link_counters *c = &l->status.counters;

    link_lock(l);
    c->frames++;
    c->records += n;
    c->raw_bytes += l->lease.len;
    c->sent_bytes += l->frame_len;
    c->duplicates += m->duplicates;
    link_unlock(l);
}

// After a full frame, or one that was cut, there is more, at once. After a small one what came meanwhile waits for
// company; a source may also stop short of what it has (the end of a file, of a stream).
static void next_due(struct link *l, enum stream_class class, bool whole)
{
    bool full = l->lease.n >= l->limit[class] || l->lease.len >= FRAME_LEASE_MAX / 2;

    l->due[class] = link_now();
    if (!full && whole && l->limit[class] == l->o.records)
        l->due[class] += class == STREAM_SECURITY ? l->o.linger_ms / 5 : l->o.linger_ms;
    // Half of what was refused was taken: towards the usual size again.
    l->limit[class] = MIN(l->limit[class] * 2, l->o.records);
}

void link_on_records(struct link *l)
{
    const struct record_lease *lease = &l->lease;
    uint64_t last = lease->first_seq + lease->n - 1;
    struct msg_records_answer m;
    struct error err = {};

    if (msg_records_answer_read(sb_str(&l->call.answer), l->call.answer.len, &m, &err) < 0) {
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    if (m.acked > last && ahead(l, lease->class, &lease->stream, m.acked)) {
        server_is_ahead(l);
        return;
    }
    if (m.acked < lease->first_seq) {
        (void)error_set(&err, -EPROTO, "the server took records and did not keep one of them");
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    l->leased = false;
    l->accepted = true;
    stored(l, &m, MIN(m.acked, last) - lease->first_seq + 1);
    if (l->status.state != LINK_online)
        link_set_state(l, LINK_online, NULL);
    acknowledged(l, lease->class, &lease->stream, m.acked);
    commit(l, lease->class, &lease->stream, m.acked);
    next_due(l, lease->class, m.acked >= last);
}

// The server cannot read the frame. What is in it is looked for by halves, so that one record that no server
// of this version reads does not keep all others back; but nothing is given up before some frame was taken: if none
// is, it is not the records.
void link_records_refused(struct link *l, const struct error *err)
{
    enum stream_class class = l->lease.class;

    if (l->lease.n > 1) {
        l->limit[class] = l->lease.n / 2;
        l->due[class] = link_now();
        link_give_back(l);
        return;
    }
    if (!l->accepted) {
        link_give_back(l);
        link_set_state(l, LINK_refused, err);
        link_hold(l, WORK_RECORDS, LONG_HOLD_MS);
        return;
    }
    l->leased = false;
    link_lock(l);
    l->status.counters.refused++;
    link_tell(l);
    link_unlock(l);
    commit(l, class, &l->lease.stream, l->lease.first_seq);
    l->due[class] = link_now();
}

// Hello ---------------------------------------------------------------------------------------

// Acknowledged once, and not there any more: the server was restored from a backup. Told once for each number.
static void count_behind(struct link *l, const struct msg_stream *ours, uint64_t acked)
{
    uint64_t *counted, from;

    acknowledged(l, ours->class, &ours->id, acked);
    counted = &l->known[ours->class].counted;
    from = MAX(acked, *counted);
    if (ours->acked <= from)
        return;
    *counted = ours->acked;
    link_lock(l);
    l->status.counters.behind += ours->acked - from;
    link_tell(l);
    link_unlock(l);
}

void link_compare_streams(struct link *l, const struct msg_hello_answer *m)
{
    for (size_t i = 0; i < l->n_streams; i++) {
        const struct msg_stream *ours = &l->streams[i],
                                *theirs = find_stream(m->streams, m->n_streams, ours->class,
                                                      &ours->id);
        uint64_t acked = theirs ? theirs->acked : 0;

        if (acked >= ours->next) {
            server_is_ahead(l);
            return;
        }
        count_behind(l, ours, acked);
        // An answer that was lost on its way.
        if (acked >= ours->first)
            link_count(l, &l->status.counters.unanswered, acked - ours->first + 1);
        // Also what it does not wait with any more: dropped while it was sent, it is lost only if it did not arrive.
        if (acked > 0)
            commit(l, ours->class, &ours->id, acked);
    }
}
