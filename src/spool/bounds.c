// SPDX-License-Identifier: Apache-2.0
//
// What becomes of segments that are of no use any more, and of those that there is no room for.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "spool/internal.h"

static uint64_t pages(uint64_t bytes)
{
    return (bytes + SPOOL_PAGE - 1) / SPOOL_PAGE * SPOOL_PAGE;
}

uint64_t spool_bytes(const struct spool *s)
{
    uint64_t sum = 0;

    for (int c = 0; c < STREAM_CLASSES; c++)
        for (const struct segment *seg = s->queues[c].first; seg; seg = seg->next)
            sum += pages(seg->end + (seg->sealed ? SEGMENT_HEAD : 0));
    for (size_t i = 0; i < s->n_corrupt; i++)
        sum += pages(s->corrupt[i].bytes);
    return sum;
}

static void chores_add(struct chores *chores, const char *from, const char *to)
{
    (void)snprintf(chores->v[chores->n].from, SPOOL_NAME_SIZE, "%s", from);
    (void)snprintf(chores->v[chores->n].to, SPOOL_NAME_SIZE, "%s", to);
    chores->n++;
}

// One more segment, which may be set aside and push out another file.
static bool chores_room(const struct chores *chores)
{
    return ARRAY_SIZE(chores->v) - chores->n >= 2;
}

// A file that cannot be removed is found again when the spool is opened, and sent twice at the worst.
void chores_do(struct spool *s, struct chores *chores)
{
    for (size_t i = 0; i < chores->n; i++) {
        if (*chores->v[i].to)
            (void)renameat(s->dirfd, chores->v[i].from, s->dirfd, chores->v[i].to);
        else
            (void)unlinkat(s->dirfd, chores->v[i].from, 0);
    }
    chores->n = 0;
}

static void corrupt_forget(struct spool *s, struct chores *chores)
{
    chores_add(chores, s->corrupt[0].name, "");
    s->n_corrupt--;
    memmove(s->corrupt, s->corrupt + 1, s->n_corrupt * sizeof(s->corrupt[0]));
}

void corrupt_add(struct spool *s, const char *name, uint64_t bytes, struct chores *chores)
{
    struct corrupt *c;

    if (s->n_corrupt == SPOOL_CORRUPT_MAX)
        corrupt_forget(s, chores);
    c = &s->corrupt[s->n_corrupt++];
    (void)snprintf(c->name, SPOOL_NAME_SIZE, "%.48s.corrupt", name);
    c->bytes = bytes;
    chores_add(chores, name, c->name);
}

void segment_discard(struct spool *s, enum stream_class class, struct segment *seg,
                     struct chores *chores)
{
    char name[SPOOL_NAME_SIZE];

    segment_name(&seg->label, name);
    if (seg->damaged)
        corrupt_add(s, name, seg->end, chores);
    else
        chores_add(chores, name, "");
    queue_remove(&s->queues[class], seg);
}

void segment_drop(struct spool *s, enum stream_class class, struct segment *seg,
                  enum spool_reason reason, struct chores *chores)
{
    struct queue *q = &s->queues[class];
    struct lease *lease = &q->lease;
    struct spool_loss *loss = &q->dropped[reason];
    uint32_t index = seg->index;
    uint64_t at = seg->at;

    // What is on its way to the server is lost only if it does not get there.
    if (lease->on && lease->order == seg->label.order) {
        lease->dropped = true;
        lease->reason = reason;
        index = lease->first_index + lease->n;
        at = lease->ends[lease->n - 1];
    }
    if (index < seg->n) {
        loss->records += seg->n - index;
        loss->bytes += seg->end - at;
    }
    segment_discard(s, class, seg, chores);
    // A new one waits longest: when it was appended is found out with the next lease.
    q->oldest_ms = q->first && queue_waits(q) ? q->first->label.created_ms : 0;
}

static void finish_some(struct spool *s, enum stream_class class, struct chores *chores)
{
    struct queue *q = &s->queues[class];

    while (q->first && q->first->sealed && q->first->index >= q->first->n && chores_room(chores) &&
           !(q->lease.on && q->lease.order == q->first->label.order))
        segment_discard(s, class, q->first, chores);
}

void spool_finish(struct spool *s, enum stream_class class)
{
    struct chores chores = {};

    for (;;) {
        locked(&s->lock);
        finish_some(s, class, &chores);
        unlocked(&s->lock);
        if (chores.n == 0)
            return;
        // Which numbers were given is in the state before it is in no segment any more.
        state_save(s, true);
        chores_do(s, &chores);
    }
}

// Gives up the oldest segment of a class, if anything is in it.
static bool drop(struct spool *s, enum stream_class class, enum spool_reason reason)
{
    struct queue *q = &s->queues[class];
    struct chores chores = {};
    bool any, appended_to;
    uint64_t order;

    locked(&s->lock);
    any = q->first && q->first->n > 0;
    order = q->first ? q->first->label.order : 0;
    appended_to = q->first && !q->first->sealed;
    unlocked(&s->lock);
    if (!any)
        return false;
    if (appended_to)
        writer_seal(s, q);
    locked(&s->lock);
    if (q->first && q->first->label.order == order)
        segment_drop(s, class, q->first, reason, &chores);
    unlocked(&s->lock);
    state_save(s, false);
    chores_do(s, &chores);
    return true;
}

bool spool_make_room(struct spool *s)
{
    return drop(s, STREAM_AUDIT, SPOOL_NO_SPACE);
}

static bool is_overdue(struct spool *s, const struct queue *q)
{
    const struct segment *seg = q->first;

    return s->options.max_age_ms && seg && seg->n > 0 &&
           spool_now(s) > seg->newest_ms + s->options.max_age_ms;
}

bool spool_overdue(struct spool *s)
{
    return is_overdue(s, &s->queues[STREAM_SECURITY]) || is_overdue(s, &s->queues[STREAM_AUDIT]);
}

static bool is_full(struct spool *s, uint64_t more)
{
    bool full;

    locked(&s->lock);
    full = spool_bytes(s) + pages(more) > s->options.max_bytes ||
           s->queues[STREAM_SECURITY].n_segments + s->queues[STREAM_AUDIT].n_segments >
               SPOOL_SEGMENTS_MAX;
    unlocked(&s->lock);
    return full;
}

// What was set aside goes before anything that still waits.
static bool drop_corrupt(struct spool *s)
{
    struct chores chores = {};

    locked(&s->lock);
    if (s->n_corrupt)
        corrupt_forget(s, &chores);
    unlocked(&s->lock);
    if (!chores.n)
        return false;
    chores_do(s, &chores);
    return true;
}

void spool_bound(struct spool *s, uint64_t more)
{
    static const enum stream_class order[] = {STREAM_AUDIT, STREAM_SECURITY};

    STATIC_ASSERT(ARRAY_SIZE(order) == STREAM_CLASSES, "each class has its turn");
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        for (;;) {
            bool overdue;

            locked(&s->lock);
            overdue = is_overdue(s, &s->queues[order[i]]);
            unlocked(&s->lock);
            if (!overdue)
                break;
            (void)drop(s, order[i], SPOOL_BY_AGE);
        }
    }
    while (is_full(s, more)) {
        bool dropped = drop_corrupt(s);

        for (size_t i = 0; i < ARRAY_SIZE(order) && !dropped; i++)
            dropped = drop(s, order[i], SPOOL_BY_BYTES);
        if (!dropped)
            break;
    }
}
