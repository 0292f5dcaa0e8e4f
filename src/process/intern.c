// SPDX-License-Identifier: Apache-2.0
#include "process/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"

#define MIN_BUCKETS 256

void intern_init(struct intern_pool *pool)
{
    *pool = (struct intern_pool){};
    if (getrandom(&pool->seed, sizeof(pool->seed), GRND_NONBLOCK) != (ssize_t)sizeof(pool->seed))
        pool->seed = now_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)pool;
}

void intern_done(struct intern_pool *pool)
{
    assert(pool->n == 0);
    free(pool->buckets);
    *pool = (struct intern_pool){};
}

static size_t size_of(const struct istr *str)
{
    return sizeof(*str) + str->len;
}

// Twice the buckets when there are as many texts as buckets. Where memory ends, chains get longer.
static void widen(struct intern_pool *pool)
{
    size_t n = pool->n_buckets ? pool->n_buckets * 2 : MIN_BUCKETS;
    struct istr **wider;

    if (pool->n < pool->n_buckets)
        return;
    wider = new0(struct istr *, n);
    if (!wider)
        return;
    for (size_t i = 0; i < pool->n_buckets; i++) {
        struct istr *str = pool->buckets[i];

        while (str) {
            struct istr *next = str->next, **head = &wider[str->hash & (n - 1)];

            str->next = *head;
            *head = str;
            str = next;
        }
    }
    free(pool->buckets);
    pool->buckets = wider;
    pool->n_buckets = n;
}

int intern_get(struct intern_pool *pool, struct bytes text, struct istr **ret_str)
{
    struct istr *str, **head;
    uint64_t hash;

    if (text.len == 0) {
        *ret_str = NULL;
        return 0;
    }
    widen(pool);
    if (!pool->n_buckets)
        return -ENOMEM;
    hash = XXH3_64bits_withSeed(text.s, text.len, pool->seed);
    head = &pool->buckets[hash & (pool->n_buckets - 1)];
    for (str = *head; str; str = str->next) {
        if (str->hash == hash && bytes_equal(istr_bytes(str), text)) {
            *ret_str = intern_ref(str);
            return 0;
        }
    }
    str = malloc(sizeof(*str) + text.len);
    if (!str)
        return -ENOMEM;
    *str = (struct istr){.next = *head, .hash = hash, .refs = 1, .len = text.len};
    memcpy(str->s, text.s, text.len);
    *head = str;
    pool->n++;
    pool->bytes += size_of(str);
    *ret_str = str;
    return 0;
}

struct istr *intern_ref(struct istr *str)
{
    if (str)
        str->refs++;
    return str;
}

struct istr *intern_put(struct intern_pool *pool, struct istr *str)
{
    struct istr **at;

    if (!str || --str->refs > 0)
        return NULL;
    at = &pool->buckets[str->hash & (pool->n_buckets - 1)];
    while (*at != str)
        at = &(*at)->next;
    *at = str->next;
    pool->n--;
    pool->bytes -= size_of(str);
    free(str);
    return NULL;
}
