// SPDX-License-Identifier: Apache-2.0
//
// Equal denials within a second are one record and a number. The record went out when the first of them
// was denied and is remembered here; when the second is over it goes out again, with the number of those
// that followed. Numbers whose record is not known (any more) go out with what their key says.
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "abi/guard.h"
#include "abi/network.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "sensor/internal.h"

#define RECORDS_MAX     2048
#define BYTES_MAX       ((size_t)1 << 20)
#define BYTES_FIRST     ((size_t)32 << 10)
#define BYTES_KEPT      ((size_t)512 << 10)
#define BATCH           512
#define FORGET_AFTER_NS (10 * NS_PER_SEC)
#define SETTLED_NS      (SG_MERGE_WINDOW_NS * 11 / 10)
#define SWEEP_NS        (30 * NS_PER_SEC)
#define CROWDED         6144 // entries, of the 8192 that the kernel's table has room for

// What the kernel does for each, in instructions, to choose the cheapest way: a call for one key; a pass over all buckets
// of the table, and over an entry there.
#define COST_KEY   800
#define COST_PASS  150000
#define COST_ENTRY 120

// A record that was handed on. Almost none of them is looked for again, so that it has to cost little to keep one: they
// lie one behind the other, and only a pass that has numbers to hand on makes itself an index.
struct kept {
    struct sg_merge_key key;
    uint64_t time_ns;
    uint32_t size, len; // of all of it; of the record
    uint64_t data[];
};

static void key_of(const struct sg_record *r, struct sg_merge_key *ret)
{
    *ret = (struct sg_merge_key){
        .ino = r->ino,
        .start_ns = r->start_ns,
        .dev = r->dev,
        .tgid = r->tgid,
        .access = r->access,
        .policy = (uint16_t)r->policy_id,
        .rule = r->rule,
        .hook = r->hook,
    };
}

// Positions count all bytes that were ever kept.
static struct kept *kept_at(const struct merged *m, uint64_t at)
{
    return (struct kept *)(m->bytes + (at - m->base));
}

// What a burst needed is given back; what ordinary times need is not, since the kernel's work for fresh memory costs more
// than the records in it.
static void start_anew(struct merged *m)
{
    m->base = m->first = m->open = m->last;
    if (m->cap <= BYTES_KEPT)
        return;
    free(m->bytes);
    m->bytes = NULL;
    m->cap = 0;
}

static void forget_oldest(struct merged *m)
{
    m->first += kept_at(m, m->first)->size;
    m->open = MAX(m->open, m->first);
    m->n--;
    if (m->n == 0)
        start_anew(m);
}

static void forget_index(struct merged *m)
{
    m->index = map_free(m->index);
}

int merged_open(struct merged *m)
{
    *m = (struct merged){.room = BATCH};
    m->keys = mallocz_array(m->room, sizeof(struct sg_merge_key));
    m->values = mallocz_array(m->room, sizeof(struct sg_merge));
    return m->keys && m->values ? 0 : -ENOMEM;
}

void merged_close(struct merged *m)
{
    forget_index(m);
    free(m->bytes);
    free(m->keys);
    free(m->values);
    *m = (struct merged){};
}

// Room for one more behind the last. What was forgotten in front is used again once it is more than what is kept, so
// that no byte is moved more often than others are added.
static bool make_room(struct merged *m, size_t size)
{
    size_t used = (size_t)(m->last - m->first), gone = (size_t)(m->first - m->base), cap = m->cap;
    char *bytes;

    if (gone + used + size <= cap)
        return true;
    if (used && gone >= used) {
        memmove(m->bytes, m->bytes + gone, used);
        m->base = m->first;
        gone = 0;
    }
    while (gone + used + size > cap)
        cap = cap ? cap * 2 : BYTES_FIRST;
    if (cap == m->cap)
        return true;
    bytes = realloc(m->bytes, cap);
    if (!bytes)
        return false;
    m->bytes = bytes;
    m->cap = cap;
    return true;
}

void merged_remember(struct merged *m, const struct sg_record *record, size_t len)
{
    size_t size = sizeof(struct kept) + ((len + 7) & ~(size_t)7);
    struct kept *k;

    // Without an object the kernel does not count, it sends every one.
    if ((record->type != SG_RECORD_FILE && record->type != SG_RECORD_CONTROL) || record->ino == 0 ||
        len > SG_RECORD_MAX)
        return;
    while (m->n && ((size_t)(m->last - m->first) + size > BYTES_MAX || m->n >= RECORDS_MAX))
        forget_oldest(m);
    if (!make_room(m, size))
        return;
    k = kept_at(m, m->last);
    key_of(record, &k->key);
    k->time_ns = record->time_ns;
    k->size = (uint32_t)size;
    k->len = (uint32_t)len;
    memcpy(k->data, record, len);
    m->last += size;
    m->n++;
    m->entries++;
}

static uint64_t hash_of(const struct sg_merge_key *key)
{
    return XXH3_64bits(key, sizeof(*key));
}

// Of equal keys the latest counts.
static int make_index(struct merged *m)
{
    int r = map_new(MAP_U64, RECORDS_MAX, NULL, &m->index);

    for (uint64_t at = m->first; r == 0 && at < m->last; at += kept_at(m, at)->size)
        r = map_set_u64(m->index, hash_of(&kept_at(m, at)->key), kept_at(m, at));
    return r;
}

struct sg_record *merged_find(struct merged *m, const struct sg_merge_key *key, size_t *ret_len)
{
    struct kept *k;

    if (!m->index && make_index(m) < 0)
        forget_index(m);
    k = m->index ? map_get_u64(m->index, hash_of(key)) : NULL;
    if (!k || memcmp(&k->key, key, sizeof(*key)) != 0)
        return NULL;
    *ret_len = k->len;
    return (struct sg_record *)k->data;
}

// Takes an entry out of the kernel's table with its last number.
static int take(int fd, const struct sg_merge_key *key, struct sg_merge *ret)
{
    if (bpf_map_lookup_and_delete_elem(fd, key, ret) == 0)
        return 0;
    if (errno == ENOENT)
        return -ENOENT;
    // Before 5.14 in two steps: what is counted in between is not in the sum.
    if (bpf_map_lookup_elem(fd, key, ret) < 0 || bpf_map_delete_elem(fd, key) < 0)
        return -errno;
    return 0;
}

size_t merged_lone(const struct sg_merge_key *key, struct merged_lone *ret)
{
    size_t len = sizeof(ret->record);

    *ret = (struct merged_lone){
        .record =
            {
                .type = SG_RECORD_FILE,
                .flags = SG_RECORD_PATH_CUT,
                .tgid = key->tgid,
                .start_ns = key->start_ns,
                .hook = key->hook,
                .rule = key->rule,
                .verdict = SG_DENY,
                .access = key->access,
                .ino = key->ino,
                .dev = key->dev,
                .error = EPERM,
            },
        .field = {.type = SG_FIELD_CONTROL, .len = sizeof(ret->control)},
        .control =
            {
                .kind = (uint16_t)SG_CONTROL_DEV_KIND(key->dev),
                .target_tgid = SG_CONTROL_INO_TARGET(key->ino),
                .number = {SG_CONTROL_INO_WHAT(key->ino)},
            },
    };
    // Of sockets the number is a digest, and says nothing.
    if (SG_NET_KINDS >> ret->control.kind % 64 & 1) {
        ret->control.target_tgid = 0;
        ret->control.number[0] = 0;
    }
    if (key->rule == SG_RULE_DEFENCE) {
        uint64_t in = ret->control.number[0];

        ret->control.number[0] = SG_GUARD_WHAT_ARGUMENT(in);
        ret->control.number[1] = SG_GUARD_WHAT_ACT(SG_GUARD_WHAT_OF(in));
        ret->control.number[2] = SG_GUARD_WHAT_WHOM(SG_GUARD_WHAT_OF(in));
    }
    if (SG_CONTROL_IS_DEV(key->dev)) {
        ret->record.type = SG_RECORD_CONTROL;
        ret->record.flags = 0;
        len = sizeof(*ret);
    }
    ret->record.size = (uint32_t)len;
    return len;
}

static int hand_on(struct merged *m, const struct sg_merge_key *key, const struct sg_merge *merge,
                   sensor_record_fn fn, void *userdata)
{
    struct merged_lone lone;
    size_t len = 0;
    struct sg_record *record = merged_find(m, key, &len);

    if (!record) {
        len = merged_lone(key, &lone);
        record = &lone.record;
    }
    record->count = merge->count < UINT32_MAX ? (uint32_t)merge->count : UINT32_MAX;
    record->first_ns = record->count > 1 ? merge->first_ns : 0;
    record->time_ns = merge->last_ns;
    record->policy_id = merge->policy_id;
    record->seq = 0; // it comes from no ring: its time tells it from others
    return fn(userdata, record, len);
}

// What one pass over the kernel's table is for.
struct pass {
    enum merged_turn turn;
    uint32_t cursor;
    bool begun, over;
};

static int ask_batch(struct merged *m, int fd, const struct pass *p, uint32_t *ret_cursor,
                     uint32_t *ret_n)
{
    // Read and written by the call: the cursor of a pass stays as it was when it has to be done again.
    uint32_t from = p->cursor, *in = p->begun ? &from : NULL;
    int r;

    *ret_n = m->room;
    *ret_cursor = p->cursor;
    r = p->turn == MERGED_SWEEP
            ? bpf_map_lookup_and_delete_batch(fd, in, ret_cursor, m->keys, m->values, ret_n, NULL)
            : bpf_map_lookup_batch(fd, in, ret_cursor, m->keys, m->values, ret_n, NULL);
    return r < 0 ? -errno : 0;
}

// One bucket of the table holds more than there is room for.
static int more_room(struct merged *m)
{
    void *keys = mallocz_array((size_t)m->room * 2, sizeof(struct sg_merge_key));
    void *values = mallocz_array((size_t)m->room * 2, sizeof(struct sg_merge));

    if (!keys || !values) {
        free(keys);
        free(values);
        return -ENOMEM;
    }
    free(m->keys);
    free(m->values);
    m->keys = keys;
    m->values = values;
    m->room *= 2;
    return 0;
}

// The next entries of the kernel's table into m->keys and m->values.
static int next_batch(struct merged *m, int fd, struct pass *p, uint32_t *ret_n)
{
    uint32_t n = 0, cursor = 0;
    int r;

    while ((r = ask_batch(m, fd, p, &cursor, &n)) == -ENOSPC) {
        r = more_room(m);
        if (r < 0)
            return r;
    }
    if (r < 0 && r != -ENOENT)
        return r;
    p->cursor = cursor;
    p->begun = true;
    p->over = r == -ENOENT;
    *ret_n = n;
    return 0;
}

// Hands on the numbers of a batch. What a sweep has read is nowhere else any more: all of it is handed on, whatever
// becomes of the first.
static int flush_batch(struct sensor *s, enum merged_turn turn, uint32_t n, uint64_t now,
                       sensor_record_fn fn, void *userdata)
{
    const struct sg_merge_key *keys = s->merged.keys;
    const struct sg_merge *values = s->merged.values;
    int fd = map_fd(s, "sg_merged"), handed = 0, result = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct sg_merge last = values[i];
        int r;

        if (last.count == 0)
            continue;
        if (turn == MERGED_LOOK &&
            (last.first_ns + SG_MERGE_WINDOW_NS > now || take(fd, &keys[i], &last) < 0))
            continue;
        if (last.count == 0 || keys[i].dev == s->canary.dev)
            continue;
        r = hand_on(&s->merged, &keys[i], &last, fn, userdata);
        handed += r >= 0;
        result = result < 0 ? result : r;
    }
    return result < 0 ? result : handed;
}

// When the first record came whose window was not over at the last look; 0: there is none.
static uint64_t open_since(const struct merged *m)
{
    return m->open < m->last ? kept_at(m, m->open)->time_ns : 0;
}

// Records whose window is over and was not looked at, up to what is enough to choose by; *ret_all: there are no others.
static uint32_t count_due(const struct merged *m, uint64_t now, bool *ret_all)
{
    uint32_t n = 0;

    *ret_all = true;
    for (uint64_t at = m->open; at < m->last; at += kept_at(m, at)->size) {
        *ret_all = *ret_all && kept_at(m, at)->time_ns + SETTLED_NS <= now;
        n += kept_at(m, at)->time_ns + SG_MERGE_WINDOW_NS <= now;
    }
    return n;
}

// Numbers are asked for when the window of their record is over: by its key where that is cheaper, else in a pass over the
// kernel's table. Entries without a number, numbers that came late, and those whose record was lost on its way, are for a
// sweep, which takes everything there is in a few calls: when no window is open and there are many to look at anyway,
// when the table fills, and now and then. What a sweep takes before its window is over is told earlier, and the next
// denial of the kind has a record of its own.
enum merged_turn merged_turn(struct merged *m, uint64_t now)
{
    uint64_t open = open_since(m), rest = open ? 2 * SWEEP_NS : SWEEP_NS;
    bool over, cheap;
    uint32_t due;

    // An earlier agent may have left numbers.
    if (m->swept_ns == 0) {
        m->swept_ns = now;
        return MERGED_LOOK;
    }
    due = count_due(m, now, &over);
    cheap = (uint64_t)due * COST_KEY <= COST_PASS + (uint64_t)m->entries * COST_ENTRY;
    if (m->entries > CROWDED || now >= m->swept_ns + rest || (due && !cheap && over)) {
        m->swept_ns = now;
        return MERGED_SWEEP;
    }
    if (!due)
        return MERGED_NOTHING;
    return cheap ? MERGED_ASK : MERGED_LOOK;
}

// What a program was about to count when its window ended had this time to do so; what comes later is for the sweep.
void merged_looked(struct merged *m, uint64_t now)
{
    while (m->open < m->last && open_since(m) + SETTLED_NS <= now)
        m->open += kept_at(m, m->open)->size;
}

// Those that are due, by their keys.
static int flush_due(struct sensor *s, uint64_t now, sensor_record_fn fn, void *userdata)
{
    struct merged *m = &s->merged;
    int fd = map_fd(s, "sg_merged"), handed = 0, r = 0;

    for (uint64_t at = m->open; r >= 0 && at < m->last; at += kept_at(m, at)->size) {
        const struct sg_merge_key key = kept_at(m, at)->key;
        struct sg_merge merge;

        if (kept_at(m, at)->time_ns + SG_MERGE_WINDOW_NS > now || key.dev == s->canary.dev ||
            bpf_map_lookup_elem(fd, &key, &merge) < 0)
            continue;
        // It may have a new window by now, and a record of its own.
        if (merge.count == 0 || merge.first_ns + SG_MERGE_WINDOW_NS > now ||
            take(fd, &key, &merge) < 0 || merge.count == 0)
            continue;
        r = hand_on(m, &key, &merge, fn, userdata);
        handed += r >= 0;
    }
    return r < 0 ? r : handed;
}

static int flush_all(struct sensor *s, enum merged_turn turn, uint64_t now, sensor_record_fn fn,
                     void *userdata)
{
    struct pass pass = {.turn = turn};
    struct merged *m = &s->merged;
    int handed = 0, r = 0;

    m->entries = 0;
    while (r >= 0 && !pass.over) {
        uint32_t n = 0;

        r = next_batch(m, map_fd(s, "sg_merged"), &pass, &n);
        r = r < 0 ? r : flush_batch(s, turn, n, now, fn, userdata);
        handed += MAX(r, 0);
        m->entries += turn == MERGED_SWEEP ? 0 : n;
    }
    return r < 0 ? r : handed;
}

int sensor_flush_merged(struct sensor *s, sensor_record_fn fn, void *userdata)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    enum merged_turn turn = merged_turn(&s->merged, now);
    int r = turn == MERGED_NOTHING ? 0
            : turn == MERGED_ASK   ? flush_due(s, now, fn, userdata)
                                   : flush_all(s, turn, now, fn, userdata);

    forget_index(&s->merged);
    if (r >= 0 && turn != MERGED_NOTHING)
        merged_looked(&s->merged, now);
    while (s->merged.n && kept_at(&s->merged, s->merged.first)->time_ns + FORGET_AFTER_NS < now)
        forget_oldest(&s->merged);
    return r;
}

int sensor_sweep_merged(struct sensor *s, sensor_record_fn fn, void *userdata)
{
    int r = flush_all(s, MERGED_SWEEP, now_ns(CLOCK_BOOTTIME), fn, userdata);

    forget_index(&s->merged);
    return r;
}
