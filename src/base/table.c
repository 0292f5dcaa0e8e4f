// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define MIN_SLOTS 16

// A slot is free (never used since the last rehash), removed (a search goes on behind it) or used.
enum slot_state {
    SLOT_FREE,
    SLOT_REMOVED,
    SLOT_USED,
};

struct slot {
    union {
        uint64_t number;
        char *bytes; // owned
    } key;
    size_t key_len; // MAP_STR
    uint64_t hash;
    void *value;
    enum slot_state state;
};

struct map {
    struct slot *slots;
    size_t n_slots; // 0 or a power of two
    size_t n_used;
    size_t n_removed;
    size_t max_entries;
    uint64_t seed;
    void (*free_value)(void *);
    enum map_kind kind;
};

// A key on loan, with its hash.
struct key {
    const void *bytes;
    size_t len;
    uint64_t number;
    uint64_t hash;
};

int map_new(enum map_kind kind, size_t max_entries, void (*free_value)(void *),
            struct map **ret_map)
{
    struct map *m;

    m = new0(struct map, 1);
    if (!m)
        return -ENOMEM;
    m->kind = kind;
    m->max_entries = max_entries;
    m->free_value = free_value;
    // Where the pool of random numbers is not ready (early boot), the clock and an address still
    // differ from run to run.
    if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != (ssize_t)sizeof(m->seed))
        m->seed = now_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)m;
    *ret_map = m;
    return 0;
}

static struct key key_number(const struct map *m, uint64_t number)
{
    assert(m->kind == MAP_U64);
    return (struct key){
        .number = number,
        .hash = XXH3_64bits_withSeed(&number, sizeof(number), m->seed),
    };
}

static struct key key_bytes(const struct map *m, const void *bytes, size_t len)
{
    assert(m->kind == MAP_STR);
    return (struct key){
        .bytes = bytes,
        .len = len,
        .hash = XXH3_64bits_withSeed(bytes, len, m->seed),
    };
}

static bool same_key(const struct map *m, const struct slot *slot, const struct key *key)
{
    if (slot->hash != key->hash)
        return false;
    if (m->kind == MAP_U64)
        return slot->key.number == key->number;
    return slot->key_len == key->len && memcmp(slot->key.bytes, key->bytes, key->len) == 0;
}

static struct slot *find(const struct map *m, const struct key *key)
{
    size_t mask = m->n_slots - 1;

    if (m->n_slots == 0)
        return NULL;
    // At least a quarter of the slots is free, so the search ends.
    for (size_t i = key->hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &m->slots[i];

        if (slot->state == SLOT_FREE)
            return NULL;
        if (slot->state == SLOT_USED && same_key(m, slot, key))
            return slot;
    }
}

// The first slot for a key that is not in the map.
static struct slot *vacant(struct slot *slots, size_t n_slots, uint64_t hash)
{
    size_t i = hash & (n_slots - 1);

    while (slots[i].state == SLOT_USED)
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

// Makes room for one more entry. Removed slots count, since searches have to pass them; a rehash
// into the same size clears them away.
static int make_room(struct map *m)
{
    size_t n_slots = m->n_slots;
    struct slot *slots;

    if (n_slots && m->n_used + m->n_removed + 1 <= n_slots / 4 * 3)
        return 0;
    if (n_slots == 0)
        n_slots = MIN_SLOTS;
    else if (m->n_used + 1 > n_slots / 2)
        n_slots *= 2;

    slots = new0(struct slot, n_slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_slots; i++) {
        if (m->slots[i].state == SLOT_USED)
            *vacant(slots, n_slots, m->slots[i].hash) = m->slots[i];
    }
    free(m->slots);
    m->slots = slots;
    m->n_slots = n_slots;
    m->n_removed = 0;
    return 0;
}

static char *copy_key(const struct key *key)
{
    char *copy = malloc(key->len + 1);

    if (copy) {
        if (key->len)
            memcpy(copy, key->bytes, key->len);
        copy[key->len] = '\0';
    }
    return copy;
}

static void drop_value(const struct map *m, void *value)
{
    if (m->free_value && value)
        m->free_value(value);
}

static int insert(struct map *m, const struct key *key, void *value, bool replace)
{
    struct slot *slot, filled = {.hash = key->hash, .value = value, .state = SLOT_USED};
    int r;

    if (!value)
        return -EINVAL;
    slot = find(m, key);
    if (slot) {
        if (!replace)
            return -EEXIST;
        if (slot->value != value)
            drop_value(m, slot->value);
        slot->value = value;
        return 0;
    }
    if (m->max_entries && m->n_used == m->max_entries)
        return -ENOSPC;
    r = make_room(m);
    if (r < 0)
        return r;

    if (m->kind == MAP_U64) {
        filled.key.number = key->number;
    } else {
        filled.key_len = key->len;
        filled.key.bytes = copy_key(key);
        if (!filled.key.bytes)
            return -ENOMEM;
    }
    slot = vacant(m->slots, m->n_slots, key->hash);
    if (slot->state == SLOT_REMOVED)
        m->n_removed--;
    *slot = filled;
    m->n_used++;
    return 0;
}

static void *take(struct map *m, const struct key *key)
{
    struct slot *slot = find(m, key);
    void *value;

    if (!slot)
        return NULL;
    value = slot->value;
    if (m->kind == MAP_STR)
        free(slot->key.bytes);
    *slot = (struct slot){.state = SLOT_REMOVED};
    m->n_used--;
    m->n_removed++;
    return value;
}

static bool drop(struct map *m, const struct key *key)
{
    void *value = take(m, key);

    drop_value(m, value);
    return value != NULL;
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->n_slots; i++) {
        struct slot *slot = &m->slots[i];

        if (slot->state != SLOT_USED)
            continue;
        if (m->kind == MAP_STR)
            free(slot->key.bytes);
        drop_value(m, slot->value);
    }
    free(m->slots);
    m->slots = NULL;
    m->n_slots = m->n_used = m->n_removed = 0;
}

struct map *map_free(struct map *m)
{
    if (m) {
        map_clear(m);
        free(m);
    }
    return NULL;
}

size_t map_len(const struct map *m)
{
    return m->n_used;
}

bool map_next(const struct map *m, struct map_iter *it)
{
    while (it->pos < m->n_slots) {
        const struct slot *slot = &m->slots[it->pos++];

        if (slot->state != SLOT_USED)
            continue;
        it->key_u64 = m->kind == MAP_U64 ? slot->key.number : 0;
        it->key_str = m->kind == MAP_STR ? slot->key.bytes : NULL;
        it->key_len = slot->key_len;
        it->value = slot->value;
        return true;
    }
    return false;
}

void *map_get_u64(const struct map *m, uint64_t key)
{
    struct key k = key_number(m, key);
    const struct slot *slot = find(m, &k);

    return slot ? slot->value : NULL;
}

void *map_get_mem(const struct map *m, const void *key, size_t len)
{
    struct key k = key_bytes(m, key, len);
    const struct slot *slot = find(m, &k);

    return slot ? slot->value : NULL;
}

void *map_get_str(const struct map *m, const char *key)
{
    return map_get_mem(m, key, strlen(key));
}

int map_put_u64(struct map *m, uint64_t key, void *value)
{
    struct key k = key_number(m, key);

    return insert(m, &k, value, false);
}

int map_put_mem(struct map *m, const void *key, size_t len, void *value)
{
    struct key k = key_bytes(m, key, len);

    return insert(m, &k, value, false);
}

int map_put_str(struct map *m, const char *key, void *value)
{
    return map_put_mem(m, key, strlen(key), value);
}

int map_set_u64(struct map *m, uint64_t key, void *value)
{
    struct key k = key_number(m, key);

    return insert(m, &k, value, true);
}

int map_set_mem(struct map *m, const void *key, size_t len, void *value)
{
    struct key k = key_bytes(m, key, len);

    return insert(m, &k, value, true);
}

int map_set_str(struct map *m, const char *key, void *value)
{
    return map_set_mem(m, key, strlen(key), value);
}

void *map_take_u64(struct map *m, uint64_t key)
{
    struct key k = key_number(m, key);

    return take(m, &k);
}

void *map_take_mem(struct map *m, const void *key, size_t len)
{
    struct key k = key_bytes(m, key, len);

    return take(m, &k);
}

void *map_take_str(struct map *m, const char *key)
{
    return map_take_mem(m, key, strlen(key));
}

bool map_delete_u64(struct map *m, uint64_t key)
{
    struct key k = key_number(m, key);

    return drop(m, &k);
}

bool map_delete_mem(struct map *m, const void *key, size_t len)
{
    struct key k = key_bytes(m, key, len);

    return drop(m, &k);
}

bool map_delete_str(struct map *m, const char *key)
{
    return map_delete_mem(m, key, strlen(key));
}
