// SPDX-License-Identifier: Apache-2.0
//
// One YAML document as a tree of values with their places, bounded in depth and number. Anchors,
// aliases, tags, duplicate keys, keys that are not scalars and further documents are mistakes.
// Everything is reported to a policy_diags; what could be read stays readable. Private to the room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/arena.h"
#include "policy/diag.h"

enum yaml_kind {
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
};

struct yaml_node {
    enum yaml_kind kind;
    uint32_t line, column, width; // from 1, in characters; of a quoted text without the quotes
    bool quoted;                  // a scalar in quotes: always text
    bool reported;                // in the place of something that was a mistake
    const char *text;             // scalar: NUL-terminated, holds no NUL
    uint32_t len;
    uint32_t n;              // list: elements; map: pairs
    struct yaml_node *first; // list: elements; map: key, value, key, value … linked by next
    struct yaml_node *next;
    struct yaml_node *last; // of first; while it is being read
};

struct yaml_source {
    const char *name;
    const char *text;
    size_t len;
    uint32_t max_depth, max_nodes;
};

// 0 and the root (NULL for a file without a value); -EINVAL when anything was wrong, with what
// could be read still in *ret_root; -ENOMEM. Texts are copied into the arena.
int yaml_read(const struct yaml_source *source, struct policy_arena *arena,
              struct policy_diags *diags, struct yaml_node **ret_root);

// "a list", "a map", "text": for messages.
const char *yaml_kind_name(const struct yaml_node *node);
