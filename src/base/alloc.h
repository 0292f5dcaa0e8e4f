// SPDX-License-Identifier: Apache-2.0
//
// Allocation whose sizes cannot overflow. Everything is given back with free(). All return NULL (or
// false) when memory ends or a size would not fit; the caller returns -ENOMEM.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macro.h"

// Zeroed memory. A size of 0 gives one byte, so that NULL always means failure.
void *mallocz(size_t size);

// Zeroed room for n elements; n * elem is checked.
void *mallocz_array(size_t n, size_t elem);

// struct x *x = new0(struct x, 1);
#define new0(type, n) ((type *)mallocz_array((n), sizeof(type)))

// A copy of len bytes; len 0 gives one byte that is not to be read.
void *memdup(const void *mem, size_t len);

// A NUL-terminated copy of at most max bytes of s (like strndup), or NULL for a NULL s.
char *xstrndup(const char *s, size_t max);

// Makes an array hold at least `need` elements of `elem` bytes: *p is reallocated (at least
// doubled, so that appending n elements costs O(n)) and *cap set. What is new is zeroed. On failure
// nothing changes and false comes back. Use through GREEDY where the type is at hand.
bool grow(void **p, size_t *cap, size_t need, size_t elem);

// if (!GREEDY(v, cap, n + 1)) return -ENOMEM;      `v` any object pointer, `cap` a size_t
#define GREEDY(ptr, cap, need) grow((void **)&(ptr), &(cap), (need), sizeof(*(ptr)))
