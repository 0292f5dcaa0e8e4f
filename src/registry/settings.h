// SPDX-License-Identifier: Apache-2.0
//
// Settings that can be changed while the server runs: the rows of settings.def.
#pragma once

#include "registry/registry.h"

enum setting_type { SETTING_BOOL, SETTING_COUNT, SETTING_BYTES, SETTING_MS, SETTING_TEXT };

enum setting {
#define SETTING(id, name, type, fallback, min, max, help) SETTING_##id,
#include "registry/settings.def"
    SETTING_N,
};

struct registry_setting {
    const char *name, *help;
    uint64_t value, fallback, min, max; // TEXT: min and max only
    const char *text;                   // TEXT: its value
    const char *fallback_text;          // TEXT: its default
    enum setting id;
    enum setting_type type;
    bool changed; // somebody has set it
};

// SETTING_N: no such name.
enum setting registry_setting_find(const char *name);
const char *setting_type_name(enum setting_type type); // "bool", "count", "bytes", "ms", "text"

// What is in force; from memory, never fails. For TEXT: 0.
uint64_t registry_setting_u64(struct registry *rg, enum setting id);
// A copy that the caller frees; "" where memory ended is NULL.
char *registry_setting_text(struct registry *rg, enum setting id);

typedef int (*registry_setting_fn)(void *ctx, const struct registry_setting *s);
int registry_setting_list(struct registry *rg, registry_setting_fn fn, void *ctx,
                          struct error *err);

// `value` as people write it: "on", "10G", "7d", a number, text. NULL: back to the default. -EINVAL: not of the type,
// -ERANGE: beyond its bounds; err names them.
int registry_setting_set(struct registry *rg, const struct actor *actor, const char *name,
                         const char *value, struct error *err);

struct registry_setting_value {
    const char *name, *value;
};
// All of them or none.
int registry_setting_set_many(struct registry *rg, const struct actor *actor,
                              const struct registry_setting_value *values, size_t n,
                              struct error *err);
