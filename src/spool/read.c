// SPDX-License-Identifier: Apache-2.0
//
// Records out of segments. Files are read without a lock; what was read counts when the segment is still what it
// was, seen under the lock afterwards.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "spool/internal.h"

#define READ_MIN      ((size_t)64 << 10)
#define READ_MAX      ((size_t)2 << 20)   // of a lease, whatever was asked for
#define READ_KEPT     ((size_t)256 << 10) // of memory, when nothing waits
#define READ_FAILURES 3                   // of one place, before it is given up

int cursor_fill(struct cursor *c, size_t need)
{
    size_t want;

    c->off += c->p;
    c->p = c->got = 0;
    if (need > c->cap) {
        uint8_t *bigger = realloc(c->buf, need);

        if (!bigger)
            return -ENOMEM;
        c->buf = bigger;
        c->cap = need;
    }
    want = (size_t)MIN((uint64_t)c->cap, c->limit - MIN(c->limit, c->off));
    while (c->got < want) {
        ssize_t n = pread(c->fd, c->buf + c->got, want - c->got, (off_t)(c->off + c->got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return negative_errno();
        if (n == 0) {
            c->limit = c->off + c->got; // somebody has cut the file
            break;
        }
        c->got += (size_t)n;
    }
    return 0;
}

// Up to the next place that looks like a record. Always goes forward.
static int skip_rubbish(struct cursor *c, uint32_t index, uint64_t *ret_skipped)
{
    size_t left = c->got - c->p;
    size_t step = left > 1 ? 1 + segment_resync(c->seed, index, c->buf + c->p + 1, left - 1) : left;

    c->p += step;
    *ret_skipped += step;
    return 0;
}

int cursor_next(struct cursor *c, uint32_t index, struct segment_record *ret_record,
                int64_t *ret_size, uint64_t *ret_skipped)
{
    for (;;) {
        size_t left = c->got - c->p;
        uint64_t rest = c->limit - MIN(c->limit, c->off + c->p);
        struct segment_record record = {};
        int64_t size = 0;
        size_t need;
        int r = 0;

        if (rest == 0)
            return 0;
        if (left >= SEGMENT_HEAD)
            size = segment_record_decode(c->seed, c->buf + c->p, left, &record);
        if (size > 0 && !record.foot) {
            *ret_record = record;
            *ret_size = size;
            return 1;
        }
        need = left < SEGMENT_HEAD ? SEGMENT_HEAD : (size_t)SEGMENT_HEAD + record.len;
        if (size == 0 && need > left && need <= rest)
            r = cursor_fill(c, need);
        else if (size == 0 && left < rest && left < SEGMENT_HEAD)
            r = cursor_fill(c, (size_t)rest);
        else
            r = skip_rubbish(c, index, ret_skipped);
        if (r < 0)
            return r;
    }
}

// What a look at the file has found.
struct batch {
    uint64_t order, at, limit;
    uint32_t index, n_in_file;
    uint64_t synced;
    bool linked;
    struct segment_label label;
    // Found:
    uint64_t begin, end; // of the records
    uint32_t first, n;   // index of the first, how many
    size_t len;          // of the lines
    uint32_t lost;       // records in front of them that cannot be read
    uint64_t lost_bytes;
    bool damaged;
};

// Takes the record that stands at the cursor. false: the batch ends in front of it.
static bool take(struct lease *lease, struct cursor *c, struct batch *b, uint32_t expected,
                 const struct segment_record *record, size_t max_bytes)
{
    if (b->n > 0 &&
        (record->index != expected || !record->whole || b->len + record->len > max_bytes))
        return false;
    if (b->n == 0) {
        b->first = record->index;
        b->begin = c->off + c->p;
    }
    memmove(c->buf + b->len, record->line, record->len); // to the front: heads make the room
    b->len += record->len;
    b->end = c->off + c->p + SEGMENT_HEAD + record->len;
    lease->ends[b->n] = (uint32_t)b->end;
    lease->ages[b->n] = record->age_ms;
    b->n++;
    return true;
}

// The first record that can be handed out, at the cursor: 1. What is in front of it and was expected is lost.
static int find_first(struct cursor *c, struct batch *b, struct segment_record *ret_record,
                      int64_t *ret_size)
{
    uint32_t expected = b->index;
    int r;

    while ((r = cursor_next(c, expected, ret_record, ret_size, &b->lost_bytes)) > 0) {
        bool stale = ret_record->index < expected;

        if (!stale && ret_record->whole && ret_record->index < b->n_in_file)
            break;
        if (!stale)
            b->lost_bytes += (uint64_t)*ret_size;
        c->p += (size_t)*ret_size;
    }
    if (r < 0)
        return r;
    b->lost = (r > 0 ? ret_record->index : b->n_in_file) - expected;
    b->damaged = b->lost_bytes > 0;
    return r;
}

static int read_batch(struct lease *lease, struct cursor *c, struct batch *b, uint32_t max_records,
                      size_t max_bytes)
{
    struct segment_record record = {};
    int64_t size = 0;
    int r;

    r = cursor_fill(c, READ_MIN);
    if (r == 0)
        r = find_first(c, b, &record, &size);
    while (r > 0) {
        uint32_t next = b->first + b->n;

        if (!take(lease, c, b, next, &record, max_bytes))
            break;
        c->p += (size_t)size;
        if (b->n == max_records || c->got - c->p < SEGMENT_HEAD)
            break;
        size = segment_record_decode(c->seed, c->buf + c->p, c->got - c->p, &record);
        r = size > 0 && !record.foot && record.index < b->n_in_file;
    }
    return MIN(r, 0);
}

static int open_reader(struct spool *s, struct queue *q, const struct batch *b)
{
    char name[SPOOL_NAME_SIZE];

    if (q->read_fd >= 0 && q->read_order == b->order)
        return 0;
    q->read_fd = safe_close(q->read_fd);
    segment_name(&b->label, name);
    q->read_fd = openat(s->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (q->read_fd < 0)
        return negative_errno();
    q->read_order = b->order;
    q->read_failures = 0;
    return 0;
}

// What is handed out is on the disk first. Where the disk refuses, it is sent all the same: nothing is safer for
// waiting, and the boot keeps numbers apart.
static void make_durable(struct spool *s, struct queue *q, struct batch *b)
{
    bool failed = false;

    if (b->synced < b->limit && fdatasync(q->read_fd) < 0)
        failed = true;
    if (!b->linked && fsync(s->dirfd) < 0)
        failed = true;
    locked(&s->lock);
    s->sync_failures += failed;
    unlocked(&s->lock);
    b->synced = b->limit;
    b->linked = true;
}

void lease_end(struct spool *s, enum stream_class class, uint32_t stored)
{
    struct queue *q = &s->queues[class];
    struct lease *l = &q->lease;

    if (!l->on && !l->doubtful)
        return;
    if (l->dropped && stored < l->n) {
        struct spool_loss *loss = &q->dropped[l->reason];

        loss->records += l->n - stored;
        loss->bytes += l->ends[l->n - 1] - (stored ? l->ends[stored - 1] : l->begin);
    }
    l->on = l->dropped = l->doubtful = false;
}

// The first segment with something to read: 1. Removes what is in front of it.
static int choose(struct spool *s, enum stream_class class, struct batch *ret)
{
    struct queue *q = &s->queues[class];
    struct segment *seg;

    spool_finish(s, class);
    locked(&s->lock);
    lease_end(s, class, 0);
    for (seg = q->first; seg && seg->index >= seg->n;)
        seg = seg->next;
    if (seg)
        *ret = (struct batch){
            .order = seg->label.order,
            .at = seg->at,
            .limit = seg->end,
            .index = seg->index,
            .n_in_file = seg->n,
            .synced = seg->synced,
            .linked = seg->linked,
            .label = seg->label,
        };
    unlocked(&s->lock);
    return seg != NULL;
}

// What was found becomes the lease, if the segment is still there: 1. 0: look again.
static int conclude(struct spool *s, enum stream_class class, const struct batch *b,
                    struct spool_lease *ret)
{
    struct queue *q = &s->queues[class];
    struct segment *seg;
    int r = 0;

    locked(&s->lock);
    seg = queue_find(q, b->order);
    if (seg) {
        seg->synced = MAX(seg->synced, b->synced);
        seg->linked = b->linked;
        seg->damaged = seg->damaged || b->damaged;
        seg->index += b->lost;
        q->dropped[SPOOL_CORRUPT].records += b->lost;
        q->dropped[SPOOL_CORRUPT].bytes += b->lost_bytes;
        seg->at = b->n ? b->begin : b->limit;
    }
    if (seg && b->n) {
        struct lease *l = &q->lease;

        l->on = true;
        l->dropped = false;
        l->order = b->order;
        l->stream = seg->label.stream;
        l->first_index = b->first;
        l->first_seq = segment_seq(seg, b->first);
        l->begin = b->begin;
        l->n = b->n;
        q->leased += b->n;
        q->oldest_ms = seg->label.created_ms + l->ages[0];
        if (stream_id_equal(&l->stream, &q->stream))
            q->leased_seq = MAX(q->leased_seq, l->first_seq + l->n - 1);
        *ret = (struct spool_lease){class, l->stream, l->first_seq, l->n, (const char *)l->data,
                                    b->len};
        r = 1;
    }
    unlocked(&s->lock);
    return r;
}

// The file cannot be opened, or read at this place time and again: what is left of it is given up.
static void give_up(struct spool *s, enum stream_class class, const struct batch *b)
{
    struct queue *q = &s->queues[class];
    struct segment *seg;

    q->read_fd = safe_close(q->read_fd);
    q->read_failures = 0;
    locked(&s->lock);
    seg = queue_find(q, b->order);
    if (seg) {
        q->dropped[SPOOL_CORRUPT].records += b->n_in_file - b->index;
        q->dropped[SPOOL_CORRUPT].bytes += b->limit - b->at;
        seg->index = b->n_in_file;
        seg->at = b->limit;
        seg->damaged = true;
    }
    unlocked(&s->lock);
    state_save(s, false);
}

static int prepare(struct lease *l)
{
    if (!l->ends)
        l->ends = new0(uint32_t, SPOOL_LEASE_MAX);
    if (!l->ages)
        l->ages = new0(uint32_t, SPOOL_LEASE_MAX);
    return l->ends && l->ages ? 0 : -ENOMEM;
}

static void give_back_memory(struct lease *l)
{
    if (l->cap <= READ_KEPT)
        return;
    free(l->data);
    l->data = NULL;
    l->cap = 0;
}

// 1: a lease; 0: look again; -ENODATA: nothing waits.
static int lease_once(struct spool *s, enum stream_class class, uint32_t max_records,
                      size_t max_bytes, struct spool_lease *ret)
{
    struct queue *q = &s->queues[class];
    struct cursor c = {.buf = q->lease.data, .cap = q->lease.cap};
    struct batch b;
    int r;

    if (!choose(s, class, &b)) {
        give_back_memory(&q->lease);
        return -ENODATA;
    }
    r = open_reader(s, q, &b);
    if (r < 0) {
        if (r != -ENOENT && r != -ELOOP && r != -ENXIO)
            return r;
        give_up(s, class, &b); // somebody has removed it, or put something else in its place
        return 0;
    }
    make_durable(s, q, &b);
    c.fd = q->read_fd;
    c.seed = b.label.seed;
    c.limit = b.limit;
    c.off = b.at;
    // Read what is asked for and not much more; never less than fits a record of usual length.
    if (c.cap < MIN(max_bytes, READ_MAX)) {
        uint8_t *bigger = realloc(c.buf, MIN(max_bytes, READ_MAX));

        if (!bigger)
            return -ENOMEM;
        q->lease.data = c.buf = bigger;
        q->lease.cap = c.cap = MIN(max_bytes, READ_MAX);
    }
    r = read_batch(&q->lease, &c, &b, max_records, max_bytes);
    q->lease.data = c.buf;
    q->lease.cap = c.cap;
    if (r < 0) {
        if (r == -EIO && ++q->read_failures >= READ_FAILURES)
            give_up(s, class, &b);
        return r;
    }
    q->read_failures = 0;
    return conclude(s, class, &b, ret);
}

int spool_lease(struct spool *s, enum stream_class class, uint32_t max_records, size_t max_bytes,
                struct spool_lease *ret_lease)
{
    int r;

    if (max_records == 0 || max_bytes == 0)
        return -EINVAL;
    max_records = MIN(max_records, SPOOL_LEASE_MAX);
    r = prepare(&s->queues[class].lease);
    if (r < 0)
        return r;
    spool_tend(s);
    while ((r = lease_once(s, class, max_records, max_bytes, ret_lease)) == 0)
        ;
    state_save(s, false);
    return r == -ENODATA ? 0 : r;
}
