// SPDX-License-Identifier: Apache-2.0
//
// Memory that lives as long as one policy or image and is given back in one piece. Private to the
// room.
#pragma once

#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct policy_arena;

int arena_new(struct policy_arena **ret_arena);
struct policy_arena *arena_free(struct policy_arena *a);
DEFINE_CLEANUP(struct policy_arena *, arena_free)

// Zeroed and aligned for any type; never NULL for size 0. NULL when memory ends or n * size
// overflows.
void *arena_alloc(struct policy_arena *a, size_t n, size_t size);
#define arena_new0(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

// A copy of len bytes, followed by a NUL.
char *arena_strn(struct policy_arena *a, const char *s, size_t len);
char *arena_str(struct policy_arena *a, const char *s);

// A copy of n elements; for n 0 a pointer that is not to be read.
void *arena_dup(struct policy_arena *a, const void *mem, size_t n, size_t size);
