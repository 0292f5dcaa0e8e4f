// SPDX-License-Identifier: Apache-2.0
//
// The file "state": what the segments do not say. How far they were read, the counters, the current streams,
// the clock. Two slots in turns, so that one of them is whole at any moment. Losing it costs counters, and records
// that are sent twice; never a number, which the segments and the boot take care of.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/fd.h"
#include "base/macro.h"
#include "spool/internal.h"

#define STATE_NAME  "state"
#define SLOT_BYTES  SPOOL_PAGE
#define REASONS_MAX 8 // room for what will be added

static const char magic[8] = {'S', 'G', 'S', 'T', 'A', 'T', 'E', '1'};

struct queue_bytes {
    struct stream_id stream;
    uint64_t next_seq, leased_seq, acked_seq, next_order;
    uint64_t order, at, index; // the reader
    uint64_t accepted, leased, committed;
    struct spool_loss dropped[REASONS_MAX], told[REASONS_MAX];
};

struct state_bytes {
    char magic[8];
    uint64_t generation;
    struct stream_id boot;
    uint64_t spool_ms, host_ms; // the two clocks at one moment
    uint64_t torn_bytes, sync_failures, write_failures;
    struct queue_bytes queues[STREAM_CLASSES];
    uint64_t check;
};
#define STATE_CHECKED offsetof(struct state_bytes, check)

STATIC_ASSERT(sizeof(struct state_bytes) <= SLOT_BYTES, "a slot holds it");
STATIC_ASSERT(SPOOL_REASONS <= REASONS_MAX, "all reasons have a place");

static void from_bytes(struct spool *s, const struct state_bytes *b, bool same_boot)
{
    uint64_t host_ms = s->options.clock_ms(s->options.ctx);

    s->generation = b->generation;
    s->torn_bytes = b->torn_bytes;
    s->sync_failures = b->sync_failures;
    s->write_failures = b->write_failures;
    s->clock_last = b->spool_ms;
    // In another boot the time before this one does not count, in this boot that since then does.
    s->clock_base = b->spool_ms - (same_boot ? MIN(b->host_ms, b->spool_ms) : 0);
    if (same_boot && s->clock_base + host_ms < b->spool_ms)
        s->clock_base = b->spool_ms - MIN(host_ms, b->spool_ms);
    for (int c = 0; c < STREAM_CLASSES; c++) {
        const struct queue_bytes *from = &b->queues[c];
        struct queue *q = &s->queues[c];

        q->stream = from->stream;
        q->next_seq = MAX(from->next_seq, UINT64_C(1));
        q->leased_seq = from->leased_seq;
        q->acked_seq = from->acked_seq;
        q->next_order = from->next_order;
        q->accepted = from->accepted;
        q->leased = from->leased;
        q->committed = from->committed;
        memcpy(q->dropped, from->dropped, sizeof(q->dropped));
        memcpy(q->told, from->told, sizeof(q->told));
        // Kept here until the segment it belongs to is found.
        q->lease = (struct lease){.order = from->order,
                                  .begin = from->at,
                                  .first_index = (uint32_t)from->index};
    }
}

int state_load(struct spool *s, bool *ret_found, bool *ret_same_boot)
{
    struct state_bytes b, best = {};
    bool found = false;

    s->state_fd = openat(s->dirfd, STATE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->state_fd < 0)
        return negative_errno();
    for (int slot = 0; slot < 2; slot++) {
        ssize_t n = pread(s->state_fd, &b, sizeof(b), (off_t)(slot * SLOT_BYTES));

        if (n != (ssize_t)sizeof(b) || memcmp(b.magic, magic, sizeof(magic)) != 0 ||
            b.check != XXH3_64bits(&b, STATE_CHECKED))
            continue;
        if (!found || b.generation > best.generation)
            best = b;
        found = true;
    }
    *ret_found = found;
    *ret_same_boot = found && stream_id_equal(&best.boot, &s->boot);
    if (found)
        from_bytes(s, &best, *ret_same_boot);
    return 0;
}

static void to_bytes(struct spool *s, struct state_bytes *b)
{
    *b = (struct state_bytes){
        .generation = ++s->generation,
        .boot = s->boot,
        .spool_ms = spool_now(s),
        .host_ms = s->options.clock_ms(s->options.ctx),
        .torn_bytes = s->torn_bytes,
        .sync_failures = s->sync_failures,
        .write_failures = s->write_failures,
    };
    memcpy(b->magic, magic, sizeof(magic));
    for (int c = 0; c < STREAM_CLASSES; c++) {
        const struct queue *q = &s->queues[c];
        struct queue_bytes *to = &b->queues[c];

        *to = (struct queue_bytes){
            .stream = q->stream,
            .next_seq = q->next_seq,
            .leased_seq = q->leased_seq,
            .acked_seq = q->acked_seq,
            .next_order = q->next_order,
            .accepted = q->accepted,
            .leased = q->leased,
            .committed = q->committed,
        };
        if (q->first) {
            to->order = q->first->label.order;
            to->at = q->first->at;
            to->index = q->first->index;
        }
        memcpy(to->dropped, q->dropped, sizeof(q->dropped));
        // As long as nobody knows whether it arrives: it is lost to whoever reads this after a kill.
        if (q->lease.dropped) {
            to->dropped[q->lease.reason].records += q->lease.n;
            to->dropped[q->lease.reason].bytes += lease_bytes(&q->lease);
        }
        memcpy(to->told, q->told, sizeof(q->told));
    }
    b->check = XXH3_64bits(b, STATE_CHECKED);
}

// A state that cannot be written is written with the next change: all of it is still known.
void state_save(struct spool *s, bool durable)
{
    struct state_bytes b;

    if (s->state_fd < 0)
        return;
    locked(&s->saving);
    locked(&s->lock);
    to_bytes(s, &b);
    unlocked(&s->lock);
    if (pwrite(s->state_fd, &b, sizeof(b), (off_t)(b.generation % 2 * SLOT_BYTES)) ==
            (ssize_t)sizeof(b) &&
        durable)
        (void)fdatasync(s->state_fd);
    unlocked(&s->saving);
}
