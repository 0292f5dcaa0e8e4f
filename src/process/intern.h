// SPDX-License-Identifier: Apache-2.0
//
// One copy of every text that many processes share: paths of programs, command lines. Counted
// references. Private to src/process.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"

struct istr {
    struct istr *next;
    uint64_t hash;
    uint32_t refs, len;
    char s[];
};

struct intern_pool {
    struct istr **buckets;
    size_t n_buckets; // 0 or a power of two
    size_t n;
    size_t bytes; // memory of all texts with their heads
    uint64_t seed;
};

void intern_init(struct intern_pool *pool);

// All references must have been given back.
void intern_done(struct intern_pool *pool);

// A reference to the text; NULL for an empty one. -ENOMEM.
int intern_get(struct intern_pool *pool, struct bytes text, struct istr **ret_str);

// One more reference; NULL stays NULL.
struct istr *intern_ref(struct istr *str);

// Gives one back. NULL is fine. Returns NULL.
struct istr *intern_put(struct intern_pool *pool, struct istr *str);

static inline struct bytes istr_bytes(const struct istr *str)
{
    return str ? (struct bytes){str->s, str->len} : (struct bytes){};
}
