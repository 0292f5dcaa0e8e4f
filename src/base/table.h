// SPDX-License-Identifier: Apache-2.0
//
// A hash map from numbers or strings to pointers. Open addressing, XXH3 under a random seed, so
// that nobody outside can choose keys that collide. Bounded: an insert above the limit is refused,
// and the caller counts it. Not for several threads at once.
//
// Values are never NULL. Who owns them is said at map_new(): with a free function the map frees
// values that are replaced, removed by map_delete_*() or left at map_free(). Keys are copied.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum map_kind {
    MAP_U64,
    MAP_STR, // bytes with a length; a string without its NUL
};

struct map;

// max_entries 0: no limit. free_value may be NULL: values are on loan.
int map_new(enum map_kind kind, size_t max_entries, void (*free_value)(void *),
            struct map **ret_map);
struct map *map_free(struct map *m);
DEFINE_CLEANUP(struct map *, map_free)

size_t map_len(const struct map *m);

// The value or NULL.
void *map_get_u64(const struct map *m, uint64_t key);
void *map_get_str(const struct map *m, const char *key);
void *map_get_mem(const struct map *m, const void *key, size_t len);

// Insert. -EEXIST when the key is there, -ENOSPC at the limit, -ENOMEM, -EINVAL (NULL value). On
// failure the caller keeps the value.
int map_put_u64(struct map *m, uint64_t key, void *value);
int map_put_str(struct map *m, const char *key, void *value);
int map_put_mem(struct map *m, const void *key, size_t len, void *value);

// Insert or replace; the old value is freed when the map owns values.
int map_set_u64(struct map *m, uint64_t key, void *value);
int map_set_str(struct map *m, const char *key, void *value);
int map_set_mem(struct map *m, const void *key, size_t len, void *value);

// Takes the entry out and hands its value to the caller; NULL when there is none.
void *map_take_u64(struct map *m, uint64_t key);
void *map_take_str(struct map *m, const char *key);
void *map_take_mem(struct map *m, const void *key, size_t len);

// Takes the entry out and frees the value when the map owns values. True when it was there.
bool map_delete_u64(struct map *m, uint64_t key);
bool map_delete_str(struct map *m, const char *key);
bool map_delete_mem(struct map *m, const void *key, size_t len);

void map_clear(struct map *m);

// All entries once, in no order. Between two calls the entry that was just returned, or any other,
// may be removed; nothing may be inserted.
//
//     struct map_iter it = {};
//     while (map_next(m, &it)) use(it.key_u64, it.value);
struct map_iter {
    size_t pos;          // private
    uint64_t key_u64;    // MAP_U64
    const char *key_str; // MAP_STR: on loan, followed by a NUL
    size_t key_len;
    void *value;
};
bool map_next(const struct map *m, struct map_iter *it);
