// SPDX-License-Identifier: Apache-2.0
#include "policy/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define ARENA_CHUNK ((size_t)64 << 10)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    alignas(max_align_t) unsigned char data[];
};

struct policy_arena {
    struct arena_chunk *chunks;
};

int arena_new(struct policy_arena **ret_arena)
{
    struct policy_arena *a = new0(struct policy_arena, 1);

    if (!a)
        return -ENOMEM;
    *ret_arena = a;
    return 0;
}

struct policy_arena *arena_free(struct policy_arena *a)
{
    if (!a)
        return NULL;
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
    return NULL;
}

void *arena_alloc(struct policy_arena *a, size_t n, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct arena_chunk *c = a->chunks;
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    if (bytes == 0)
        bytes = align;
    if (!c || c->size - c->used < bytes) {
        size_t room = bytes > ARENA_CHUNK / 4 ? bytes : ARENA_CHUNK;
        struct arena_chunk *fresh = mallocz(sizeof(*fresh) + room);

        if (!fresh)
            return NULL;
        fresh->size = room;
        if (c && room != ARENA_CHUNK) {
            // A large piece of its own goes behind the chunk that still has room.
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            a->chunks = fresh;
        }
        c = fresh;
    }
    p = c->data + c->used;
    c->used += bytes;
    return p;
}

char *arena_strn(struct policy_arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1, 1);

    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_str(struct policy_arena *a, const char *s)
{
    return arena_strn(a, s, strlen(s));
}

void *arena_dup(struct policy_arena *a, const void *mem, size_t n, size_t size)
{
    void *copy = arena_alloc(a, n, size);

    if (copy && n > 0)
        memcpy(copy, mem, n * size);
    return copy;
}
