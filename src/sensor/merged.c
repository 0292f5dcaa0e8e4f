// SPDX-License-Identifier: Apache-2.0
//
// Equal denials within a second are one record and a number. The record went out when the first of them
// was denied and is remembered here; when the second is over it goes out again, with the number of those
// that followed. Numbers whose record is not known (any more) go out with what their key says.
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "sensor/internal.h"

#define RECORDS_MAX     2048
#define BYTES_MAX       ((size_t)1 << 20)
#define BATCH           512
#define FORGET_AFTER_NS (10 * NS_PER_SEC)
#define SETTLED_NS      (SG_MERGE_WINDOW_NS * 3 / 2)
#define QUIET_NS        (30 * NS_PER_SEC)

struct kept {
    struct kept *older, *newer;
    struct sg_merge_key key;
    size_t len;
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

int merged_open(struct merged *m)
{
    *m = (struct merged){.room = BATCH};
    m->keys = mallocz_array(m->room, sizeof(struct sg_merge_key));
    m->values = mallocz_array(m->room, sizeof(struct sg_merge));
    if (!m->keys || !m->values)
        return -ENOMEM;
    return map_new(MAP_STR, RECORDS_MAX, NULL, &m->records);
}

static void forget(struct merged *m, struct kept *k)
{
    *(k->older ? &k->older->newer : &m->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &m->newest) = k->older;
    (void)map_delete_mem(m->records, &k->key, sizeof(k->key));
    m->bytes -= k->len;
    free(k);
}

void merged_close(struct merged *m)
{
    while (m->oldest)
        forget(m, m->oldest);
    (void)map_free(m->records);
    free(m->keys);
    free(m->values);
    *m = (struct merged){};
}

void merged_remember(struct merged *m, const struct sg_record *record, size_t len)
{
    struct sg_merge_key key;
    struct kept *k;

    // Without an object the kernel does not count, it sends every one.
    if (record->type != SG_RECORD_FILE || record->ino == 0 || len > SG_RECORD_MAX)
        return;
    key_of(record, &key);
    k = map_get_mem(m->records, &key, sizeof(key));
    if (k)
        forget(m, k);
    while (m->oldest && (m->bytes + len > BYTES_MAX || map_len(m->records) >= RECORDS_MAX))
        forget(m, m->oldest);
    k = mallocz(sizeof(*k) + len);
    if (!k)
        return;
    k->key = key;
    k->len = len;
    memcpy(k->data, record, len);
    if (map_put_mem(m->records, &k->key, sizeof(k->key), k) < 0) {
        free(k);
        return;
    }
    k->older = m->newest;
    *(m->newest ? &m->newest->newer : &m->oldest) = k;
    m->newest = k;
    m->bytes += len;
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

static int hand_on(struct merged *m, const struct sg_merge_key *key, const struct sg_merge *merge,
                   sensor_record_fn fn, void *userdata)
{
    struct kept *k = map_get_mem(m->records, key, sizeof(*key));
    struct sg_record lone = {
        .size = sizeof(lone),
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
    };
    struct sg_record *record = k ? (struct sg_record *)k->data : &lone;
    int r;

    record->count = merge->count < UINT32_MAX ? (uint32_t)merge->count : UINT32_MAX;
    record->first_ns = record->count > 1 ? merge->first_ns : 0;
    record->time_ns = merge->last_ns;
    record->policy_id = merge->policy_id;
    record->seq = 0; // it does not come from a ring
    r = fn(userdata, record, k ? k->len : sizeof(lone));
    if (k)
        forget(m, k);
    return r;
}

// One batch of the kernel's table into m->keys and m->values; *cursor goes on. -ENOENT: that was the last.
static int next_batch(struct merged *m, int fd, bool first, uint32_t *cursor, uint32_t *ret_n)
{
    for (;;) {
        uint32_t n = m->room, out = *cursor;
        int r = bpf_map_lookup_batch(fd, first ? NULL : cursor, &out, m->keys, m->values, &n, NULL);

        if (r < 0 && errno == ENOSPC) {
            // One bucket of the table holds more than there is room for.
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
            continue;
        }
        if (r < 0 && errno != ENOENT)
            return -errno;
        *cursor = out;
        *ret_n = n;
        return r < 0 ? -ENOENT : 0;
    }
}

static int flush_batch(struct sensor *s, uint32_t n, uint64_t now, sensor_record_fn fn,
                       void *userdata)
{
    const struct sg_merge_key *keys = s->merged.keys;
    const struct sg_merge *values = s->merged.values;
    int fd = map_fd(s, "sg_merged"), handed = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct sg_merge last;
        int r;

        // Entries that counted nothing stay for a while: a denial may be on its way to them.
        if (values[i].first_ns + (values[i].count ? SG_MERGE_WINDOW_NS : FORGET_AFTER_NS) > now)
            continue;
        if (take(fd, &keys[i], &last) < 0 || last.count == 0 || keys[i].dev == s->canary.dev)
            continue;
        r = hand_on(&s->merged, &keys[i], &last, fn, userdata);
        if (r < 0)
            return r;
        handed++;
    }
    return handed;
}

static uint64_t time_of(const struct kept *k)
{
    return ((const struct sg_record *)k->data)->time_ns;
}

// Looking through the kernel's table costs more than everything else that an idle agent does in a second. Once
// that was done after the window of the last denial, nothing is counted without a new record; for numbers
// whose record was lost on its way, and for entries without a number, now and then is enough.
static bool flush_is_due(struct merged *m, uint64_t now)
{
    bool counting = m->newest && m->flushed_ns < time_of(m->newest) + SETTLED_NS;

    if (!counting && now < m->flushed_ns + QUIET_NS)
        return false;
    m->flushed_ns = now;
    return true;
}

static int flush_all(struct sensor *s, uint64_t now, sensor_record_fn fn, void *userdata)
{
    uint32_t cursor = 0, n = 0;
    int r = 0, handed = 0;
    bool first = true;

    while (r == 0) {
        int k;

        r = next_batch(&s->merged, map_fd(s, "sg_merged"), first, &cursor, &n);
        if (r < 0 && r != -ENOENT)
            return r;
        first = false;
        k = flush_batch(s, n, now, fn, userdata);
        if (k < 0)
            return k;
        handed += k;
    }
    return handed;
}

int sensor_flush_merged(struct sensor *s, sensor_record_fn fn, void *userdata)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    int handed;

    handed = flush_is_due(&s->merged, now) ? flush_all(s, now, fn, userdata) : 0;
    while (s->merged.oldest && time_of(s->merged.oldest) + FORGET_AFTER_NS < now)
        forget(&s->merged, s->merged.oldest);
    return handed;
}
