// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "process/table.h"

// Living entries that the hand passes by before it gives up; every entry may need two visits.
#define HAND_ROUNDS 2

int table_init(struct process_table *t)
{
    uint32_t n = 1;

    while (n < t->max_processes)
        n *= 2;
    t->buckets = new0(uint32_t, n);
    if (!t->buckets)
        return -ENOMEM;
    memset(t->buckets, 0xff, n * sizeof(*t->buckets)); // NO_INDEX
    t->bucket_mask = n - 1;
    if (getrandom(&t->hash_factor, sizeof(t->hash_factor), GRND_NONBLOCK) !=
        (ssize_t)sizeof(t->hash_factor))
        t->hash_factor = now_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)t;
    t->hash_factor |= 1;
    t->free_list = NO_INDEX;
    t->dead = t->held = (struct queue){NO_INDEX, NO_INDEX};
    t->next_serial = 1;
    return 0;
}

size_t table_memory(const struct process_table *t)
{
    return sizeof(*t) + t->cap_slabs * sizeof(*t->slabs) +
           (t->n_slabs << SLAB_SHIFT) * sizeof(struct process) +
           ((size_t)t->bucket_mask + 1) * sizeof(*t->buckets) + t->n_before * sizeof(struct image) +
           t->texts.n_buckets * sizeof(*t->texts.buckets);
}

static uint32_t *bucket_of(const struct process_table *t, const struct process_ref *ref)
{
    uint64_t key = (uint64_t)ref->tgid << 42 ^ process_ref_ticks(ref);

    return &t->buckets[(key * t->hash_factor) >> 32 & t->bucket_mask];
}

struct process *table_find(const struct process_table *t, const struct process_ref *ref)
{
    for (uint32_t i = *bucket_of(t, ref); i != NO_INDEX;) {
        struct process *p = table_at(t, i);

        if (process_ref_same(&p->ref, ref))
            return p;
        i = p->next;
    }
    return NULL;
}

static void queue_push(struct process_table *t, struct queue *q, struct process *p)
{
    p->older = q->youngest;
    p->younger = NO_INDEX;
    if (q->youngest != NO_INDEX)
        table_at(t, q->youngest)->younger = p->index;
    else
        q->oldest = p->index;
    q->youngest = p->index;
}

static void queue_remove(struct process_table *t, struct queue *q, struct process *p)
{
    if (p->older != NO_INDEX)
        table_at(t, p->older)->younger = p->younger;
    else
        q->oldest = p->younger;
    if (p->younger != NO_INDEX)
        table_at(t, p->younger)->older = p->older;
    else
        q->youngest = p->older;
}

void image_clear(struct process_table *t, struct image *image)
{
    (void)intern_put(&t->texts, image->exe);
    (void)intern_put(&t->texts, image->cmdline);
    (void)intern_put(&t->texts, image->facts);
    *image = (struct image){};
}

void table_drop_before(struct process_table *t, struct process *p)
{
    if (p->before) {
        image_clear(t, p->before);
        free(p->before);
        p->before = NULL;
        t->n_before--;
    }
}

static void unlink_hash(struct process_table *t, struct process *p)
{
    uint32_t *at = bucket_of(t, &p->ref);

    while (*at != p->index)
        at = &table_at(t, *at)->next;
    *at = p->next;
}

// Takes the child from its parent. Returns that, when it was only held for this child.
static struct process *leave_parent(struct process_table *t, struct process *p)
{
    struct process *parent = table_get(t, p->parent);

    p->parent = (struct handle){NO_INDEX, 0};
    if (!parent || --parent->children > 0)
        return NULL;
    return parent->state == PROCESS_HELD ? parent : NULL;
}

// Gives one entry back. Returns its parent when that was only held for it.
static struct process *release(struct process_table *t, struct process *p)
{
    struct process *parent = leave_parent(t, p);
    uint32_t index = p->index, generation = p->generation + 1;

    if (p->state == PROCESS_LIVE)
        t->n_live--;
    else
        t->n_dead--;
    if (p->state != PROCESS_LIVE)
        queue_remove(t, p->state == PROCESS_DEAD ? &t->dead : &t->held, p);
    unlink_hash(t, p);
    image_clear(t, &p->image);
    table_drop_before(t, p);
    (void)cgroup_unref(p->cgroup);
    *p = (struct process){.index = index, .generation = generation, .next = t->free_list};
    t->next_serial++;
    t->free_list = index;
    return parent;
}

static void release_chain(struct process_table *t, struct process *p)
{
    while (p)
        p = release(t, p);
}

static struct process *oldest_of(const struct process_table *t, const struct queue *q,
                                 const struct process *keep)
{
    struct process *p = q->oldest == NO_INDEX ? NULL : table_at(t, q->oldest);

    if (p && p == keep)
        p = p->younger == NO_INDEX ? NULL : table_at(t, p->younger);
    return p;
}

// A living process that nothing was heard of since the hand came by last.
static struct process *unused(struct process_table *t, const struct process *keep)
{
    uint32_t n = (uint32_t)(t->n_slabs << SLAB_SHIFT);

    for (uint64_t i = 0; i < (uint64_t)n * HAND_ROUNDS; i++) {
        struct process *p = table_at(t, t->hand);

        t->hand = t->hand + 1 < n ? t->hand + 1 : 0;
        if (p->state != PROCESS_LIVE || p == keep)
            continue;
        if (!p->used)
            return p;
        p->used = false;
    }
    return NULL;
}

static bool evict(struct process_table *t, const struct process *keep)
{
    struct process *p = oldest_of(t, &t->dead, keep);

    if (!p)
        p = oldest_of(t, &t->held, keep);
    if (p) {
        t->counters.evicted_dead++;
    } else {
        p = unused(t, keep);
        if (!p)
            return false;
        t->counters.evicted_live++;
    }
    release_chain(t, p);
    return true;
}

void table_bound_texts(struct process_table *t)
{
    if (t->texts.bytes <= t->max_text_bytes)
        return;
    who_clear(t);
    while (t->texts.bytes > t->max_text_bytes && evict(t, NULL))
        ;
}

static int add_slab(struct process_table *t)
{
    uint32_t first = (uint32_t)(t->n_slabs << SLAB_SHIFT);
    struct process *slab;

    if (!GREEDY(t->slabs, t->cap_slabs, t->n_slabs + 1))
        return -ENOMEM;
    slab = new0(struct process, SLAB_ENTRIES);
    if (!slab)
        return -ENOMEM;
    t->slabs[t->n_slabs++] = slab;
    for (uint32_t i = SLAB_ENTRIES; i-- > 0;) {
        slab[i].index = first + i;
        slab[i].next = t->free_list;
        t->free_list = first + i;
    }
    return 0;
}

int table_add(struct process_table *t, const struct process_ref *ref, const struct process *keep,
              struct process **ret_process)
{
    struct process *p;
    uint32_t *bucket;
    int r;

    if (t->n_live + t->n_dead >= t->max_processes && !evict(t, keep))
        return -ENOMEM;
    if (t->free_list == NO_INDEX) {
        r = add_slab(t);
        if (r < 0)
            return r;
    }
    p = table_at(t, t->free_list);
    t->free_list = p->next;
    bucket = bucket_of(t, ref);
    p->ref = *ref;
    p->parent = (struct handle){NO_INDEX, 0};
    p->next = *bucket;
    *bucket = p->index;
    p->state = PROCESS_LIVE;
    p->used = true;
    p->ids = (struct ids){.login_uid = ID_NONE, .session_id = ID_NONE};
    process_touch(t, p);
    t->n_live++;
    *ret_process = p;
    return 0;
}

void table_set_parent(struct process_table *t, struct process *p, struct process *parent)
{
    if (parent == p || table_get(t, p->parent))
        return;
    if (parent) {
        p->parent = handle_of(parent);
        parent->children++;
        process_touch(t, p);
    }
}

void table_set_forker(struct process_table *t, struct process *p, struct process *parent)
{
    struct process *before;

    // Whoever forked somebody began before him: there are no circles.
    if (table_get(t, p->parent) == parent ||
        process_ref_ticks(&parent->ref) > process_ref_ticks(&p->ref))
        return;
    before = leave_parent(t, p);
    table_set_parent(t, p, parent);
    release_chain(t, before);
}

void table_mark_dead(struct process_table *t, struct process *p, uint64_t now_ns)
{
    if (p->state != PROCESS_LIVE)
        return;
    p->state = PROCESS_DEAD;
    p->exit_ns = now_ns;
    t->n_live--;
    t->n_dead++;
    queue_push(t, &t->dead, p);
}

void table_expire(struct process_table *t, uint64_t now_ns)
{
    while (t->dead.oldest != NO_INDEX) {
        struct process *p = table_at(t, t->dead.oldest);

        if (p->exit_ns > now_ns || now_ns - p->exit_ns < t->keep_dead_ns)
            break;
        if (p->children == 0) {
            release_chain(t, p);
            continue;
        }
        queue_remove(t, &t->dead, p);
        p->state = PROCESS_HELD;
        queue_push(t, &t->held, p);
    }
}

void table_done(struct process_table *t)
{
    for (uint32_t i = 0; i < t->n_slabs << SLAB_SHIFT; i++) {
        struct process *p = table_at(t, i);

        if (p->state == PROCESS_FREE)
            continue;
        image_clear(t, &p->image);
        table_drop_before(t, p);
        (void)cgroup_unref(p->cgroup);
    }
    for (size_t i = 0; i < t->n_slabs; i++)
        free(t->slabs[i]);
    free(t->slabs);
    free(t->buckets);
}
