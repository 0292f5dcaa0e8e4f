// SPDX-License-Identifier: Apache-2.0
//
// What the server says about streams: it has stored this much, or it knows a stream better than we do.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "spool/internal.h"

static bool is_of(const struct segment *seg, const struct stream_id *stream)
{
    return stream_id_equal(&seg->label.stream, stream);
}

// The highest number of the stream that can have reached the server; 0: we do not have the stream.
static uint64_t highest(const struct queue *q, const struct stream_id *stream)
{
    uint64_t seq = 0;

    if (stream_id_equal(&q->stream, stream))
        return q->leased_seq;
    for (const struct segment *seg = q->first; seg; seg = seg->next)
        if (is_of(seg, stream) && seg->n > seg->label.first_index)
            seq = segment_last_seq(seg);
    return seq;
}

static void move_on(struct queue *q, struct segment *seg, uint32_t index, uint64_t at)
{
    if (index <= seg->index)
        return;
    q->committed += index - seg->index;
    seg->index = index;
    seg->at = MAX(seg->at, at);
}

// The leased records up to acked_seq. Returns how many these are.
static uint32_t commit_lease(struct queue *q, uint64_t acked_seq)
{
    const struct lease *l = &q->lease;
    struct segment *seg = queue_find(q, l->order);
    uint32_t n = 0;

    if (acked_seq >= l->first_seq)
        n = (uint32_t)MIN(acked_seq - l->first_seq + 1, (uint64_t)l->n);
    if (n == 0)
        return 0;
    if (!seg) {
        q->committed += n; // its segment was dropped meanwhile
        return n;
    }
    move_on(q, seg, l->first_index + n, l->ends[n - 1]);
    // The next one's time is known, or will be with the next lease; it is not older than this one.
    q->oldest_ms = seg->label.created_ms + l->ages[n < l->n ? n : n - 1];
    return n;
}

static void commit_without(struct queue *q, const struct stream_id *stream, uint64_t acked_seq)
{
    for (struct segment *seg = q->first; seg; seg = seg->next) {
        uint64_t first = seg->label.first_seq;
        uint64_t n;

        if (!is_of(seg, stream) || acked_seq < first)
            continue;
        n = MIN(acked_seq - first + 1, (uint64_t)(seg->n - seg->label.first_index));
        // Where it is in the file is found by who reads on.
        move_on(q, seg, seg->label.first_index + (uint32_t)n,
                seg->label.first_index + n == seg->n ? seg->end : 0);
    }
}

int spool_commit(struct spool *s, enum stream_class class, const struct stream_id *stream,
                 uint64_t acked_seq)
{
    struct queue *q = &s->queues[class];
    struct lease *l = &q->lease;
    uint64_t most;

    locked(&s->lock);
    most = highest(q, stream);
    if ((l->on || l->doubtful) && stream_id_equal(&l->stream, stream))
        most = MAX(most, l->first_seq + l->n - 1);
    if (acked_seq > most && (most > 0 || stream_id_equal(&q->stream, stream))) {
        unlocked(&s->lock);
        return -ERANGE;
    }
    if ((l->on || l->doubtful) && stream_id_equal(&l->stream, stream))
        lease_end(s, class, commit_lease(q, acked_seq));
    commit_without(q, stream, acked_seq);
    if (stream_id_equal(&q->stream, stream))
        q->acked_seq = MAX(q->acked_seq, acked_seq);
    if (!queue_waits(q))
        q->oldest_ms = 0;
    unlocked(&s->lock);
    state_save(s, false);
    spool_finish(s, class);
    return 0;
}

void spool_rollback(struct spool *s, enum stream_class class)
{
    struct lease *l = &s->queues[class].lease;

    locked(&s->lock);
    // What was dropped on its way may have arrived: the next commit, or the next lease, settles it.
    if (l->on && l->dropped) {
        l->on = false;
        l->doubtful = true;
    } else if (l->on) {
        lease_end(s, class, 0);
    }
    unlocked(&s->lock);
}

static int write_label(struct spool *s, const struct segment_label *label)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_SIZE];
    uint8_t bytes[SEGMENT_LABEL_SIZE];

    segment_name(label, name);
    fd = openat(s->dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return negative_errno();
    segment_label_encode(label, bytes);
    // One after the other: whichever of them a crash leaves whole, it is either the old label or the new one.
    for (int i = 0; i < 2; i++) {
        off_t at = i ? 0 : SEGMENT_LABEL_AT;

        if (pwrite(fd, bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes) || fdatasync(fd) < 0)
            return negative_errno();
    }
    return 0;
}

// The next segment of the stream gets its label; *next_seq is the number that its first waiting record gets. 0: done; 1: there
// was none.
static int relabel_next(struct spool *s, struct queue *q, const struct stream_id *from,
                        const struct stream_id *to, uint64_t *next_seq)
{
    struct segment_label label = {};
    struct segment *seg;
    uint32_t n = 0;
    int r;

    locked(&s->lock);
    for (seg = q->first; seg; seg = seg->next)
        if (is_of(seg, from) && (seg->index < seg->n || !seg->sealed))
            break;
    if (seg) {
        label = seg->label;
        label.stream = *to;
        label.first_index = seg->index;
        label.first_seq = *next_seq;
        label.generation++;
        n = seg->n - seg->index;
    }
    unlocked(&s->lock);
    if (!seg)
        return 1;
    r = write_label(s, &label);
    if (r < 0)
        return r;
    locked(&s->lock);
    seg = queue_find(q, label.order);
    if (seg)
        seg->label = label;
    unlocked(&s->lock);
    *next_seq += n;
    return 0;
}

int spool_new_stream(struct spool *s, enum stream_class class, const struct stream_id *stream)
{
    struct queue *q = &s->queues[class];
    struct stream_id old = *stream, fresh;
    uint64_t next_seq = 1;
    bool current;
    int r;

    r = stream_id_new(&fresh);
    if (r < 0)
        return r;
    locked(&s->writing);
    spool_rollback(s, class);
    spool_finish(s, class);
    locked(&s->lock);
    current = stream_id_equal(&q->stream, &old);
    unlocked(&s->lock);
    while ((r = relabel_next(s, q, &old, &fresh, &next_seq)) == 0)
        ;
    if (r < 0 && current)
        writer_seal(
            s, q); // what comes now goes on in a stream of its own, whatever became of the rest
    locked(&s->lock);
    if (current) {
        // Where some labels could not be written, their records keep the old stream, for another attempt.
        if (r < 0)
            r = MIN(r, stream_id_new(&fresh));
        q->stream = fresh;
        q->next_seq = r < 0 ? 1 : next_seq;
        q->leased_seq = q->acked_seq = 0;
    }
    unlocked(&s->lock);
    unlocked(&s->writing);
    state_save(s, true);
    return MIN(r, 0);
}

size_t spool_streams(struct spool *s, struct spool_stream *ret, size_t max)
{
    size_t n = 0;

    locked(&s->lock);
    for (int c = 0; c < STREAM_CLASSES; c++) {
        const struct queue *q = &s->queues[c];
        size_t begin = n;
        bool current = false;

        // A place is kept for the stream that is appended to, of this class and of those to come.
        for (const struct segment *seg = q->first; seg && n < max; seg = seg->next) {
            struct spool_stream *last = n > begin ? &ret[n - 1] : NULL;

            if (seg->index >= seg->n)
                continue;
            if (last && stream_id_equal(&last->id, &seg->label.stream)) {
                last->next = segment_last_seq(seg) + 1;
                continue;
            }
            if (n + 1 + (size_t)(STREAM_CLASSES - 1 - c) >= max && !is_of(seg, &q->stream))
                continue;
            ret[n++] = (struct spool_stream){(enum stream_class)c, seg->label.stream,
                                             segment_seq(seg, seg->index),
                                             segment_last_seq(seg) + 1};
        }
        if (n > begin && stream_id_equal(&ret[n - 1].id, &q->stream)) {
            ret[n - 1].next = q->next_seq;
            ret[n - 1].acked = q->acked_seq;
            current = true;
        }
        if (!current && n < max)
            ret[n++] = (struct spool_stream){(enum stream_class)c, q->stream, q->next_seq,
                                             q->next_seq, q->acked_seq};
    }
    unlocked(&s->lock);
    return n;
}
