// SPDX-License-Identifier: Apache-2.0
//
// Tables of keyed rows that agent and server keep equal (health, inventory, findings): the agent
// sends what changed, and a checksum tells both whether they hold the same. Used by the agent, by the
// link and by the server. Owns its rows. Looks into no value: a value is a text, by custom that
// of one JSON value, and two spellings of the same JSON are two values.
//
// The checksum is the XOR of one hash a row, so that it is the same in any order and follows
// a change without a look at the other rows. It finds mistakes, not attacks: each side is
// authenticated by other means. Not for several threads at once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define STATE_KEY_MAX       255         // bytes
#define STATE_VALUE_MAX     (32u << 10) // bytes of one value
#define STATE_ROWS_MAX      20000       // of one table
#define STATE_BYTES_MAX     (16u << 20) // keys and values of one table
#define STATE_CHECKSUM_TEXT 17          // 16 hexadecimal digits and a NUL

struct state_set;

struct state_row {
    const char *key;   // followed by a NUL
    const char *value; // followed by a NUL that value_len does not count
    size_t value_len;
};

// What a row adds to the checksum of its table: XXH3-64 of the value, seeded with the XXH3-64 of
// the key. For who keeps rows elsewhere: checksum ^= state_row_hash(old) ^ state_row_hash(new).
uint64_t state_row_hash(const char *key, const void *value, size_t value_len);

void state_checksum_format(uint64_t checksum, char ret_text[STATE_CHECKSUM_TEXT]);
int state_checksum_parse(const char *text, uint64_t *ret_checksum); // -EINVAL

int state_set_new(struct state_set **ret_set);
struct state_set *state_set_free(struct state_set *s);
DEFINE_CLEANUP(struct state_set *, state_set_free)

// Puts a row in, in place of the one with this key. 1: something changed, 0: it was there already.
// -EINVAL: a key that is empty, too long or has a control character, a key or value that is not UTF-8, or a value with a NUL; -EMSGSIZE: the value is
// too long; -ENOSPC: the table is full; -ENOMEM. On failure nothing changes.
int state_set_put(struct state_set *s, const char *key, const void *value, size_t value_len);

// 1: it was there, 0: it was not.
int state_set_remove(struct state_set *s, const char *key);
void state_set_clear(struct state_set *s);

// The value is on loan until the next change, the key is the one that was given. 1: there is one, 0: none.
int state_set_get(const struct state_set *s, const char *key, struct state_row *ret_row);

uint64_t state_set_checksum(const struct state_set *s); // 0 for no rows
size_t state_set_rows(const struct state_set *s);
size_t state_set_bytes(const struct state_set *s);

// All rows in no order, until fn returns something that is not 0, which is returned. `row` is on loan.
// The set must not be changed by fn.
typedef int (*state_row_fn)(void *ctx, const struct state_row *row);
int state_set_foreach(const struct state_set *s, state_row_fn fn, void *ctx);

// What makes `now` out of `base` (NULL: out of nothing): rows with a value are to be put, those without
// (value NULL) removed. Ends as state_set_foreach().
int state_delta(const struct state_set *base, const struct state_set *now, state_row_fn fn,
                void *ctx);

// Makes *set hold what `from` holds. On failure nothing changes.
int state_set_assign(struct state_set *set, const struct state_set *from);
