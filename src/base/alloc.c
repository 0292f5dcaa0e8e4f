// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"

#include <string.h>

void *mallocz(size_t size)
{
    return calloc(1, size ? size : 1);
}

void *mallocz_array(size_t n, size_t elem)
{
    size_t size;

    if (__builtin_mul_overflow(n, elem, &size))
        return NULL;
    return mallocz(size);
}

void *memdup(const void *mem, size_t len)
{
    void *copy = malloc(len ? len : 1);

    if (copy && len)
        memcpy(copy, mem, len);
    return copy;
}

char *xstrndup(const char *s, size_t max)
{
    return s ? strndup(s, max) : NULL;
}

bool grow(void **p, size_t *cap, size_t need, size_t elem)
{
    size_t want, size;
    char *bigger;

    if (need <= *cap)
        return true;

    // Twice the old capacity, and not less than a cache line, so that small arrays grow rarely.
    if (__builtin_mul_overflow(*cap, (size_t)2, &want) || want < need)
        want = need;
    if (elem && want < 64 / elem)
        want = 64 / elem;
    if (__builtin_mul_overflow(want, elem, &size))
        return false;

    bigger = realloc(*p, size ? size : 1);
    if (!bigger)
        return false;
    memset(bigger + *cap * elem, 0, (want - *cap) * elem);
    *p = bigger;
    *cap = want;
    return true;
}
