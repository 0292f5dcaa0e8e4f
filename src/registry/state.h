// SPDX-License-Identifier: Apache-2.0
//
// State rows of hosts: tables of keyed JSON values (health, and later inventories), which agents keep up to date by
// deltas. Both ends compare a checksum (model/state.h, whose bounds hold here, too); when they differ the agent sends the
// table as a whole.
#pragma once

#include "model/state.h"
#include "registry/registry.h"

#define STATE_TABLE_NAME_MAX 32 // bytes: [a-z0-9_]
#define STATE_TABLES_MAX     32 // of one host

struct registry_state_row {
    const char *key;
    const char *value; // JSON; NULL: remove
    uint64_t changed_ms;
};

struct registry_state_delta {
    const char *table;
    const char *base; // checksum that it starts from, 16 hex digits; NULL: that of an empty table
    const struct registry_state_row *rows;
    size_t n_rows;
    const char *checksum; // after it
    bool full;            // these are all rows
};

// -ESTALE: base or checksum differ: the agent sends the whole table; nothing was changed. -EDQUOT: beyond a bound.
int registry_state_apply(struct registry *rg, const char *host,
                         const struct registry_state_delta *delta,
                         char ret_checksum[STATE_CHECKSUM_TEXT], struct error *err);

typedef int (*registry_state_fn)(void *ctx, const struct registry_state_row *row);
// Sorted by key. An unknown table is an empty one. ret_checksum may be NULL.
int registry_state_list(struct registry *rg, const char *host, const char *table,
                        registry_state_fn fn, void *ctx, char ret_checksum[STATE_CHECKSUM_TEXT],
                        struct error *err);
// One row; -ENOENT.
int registry_state_get(struct registry *rg, const char *host, const char *table, const char *key,
                       registry_state_fn fn, void *ctx, struct error *err);
