// SPDX-License-Identifier: Apache-2.0
#include "model/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/table.h"
#include "base/utf8.h"

struct value {
    uint64_t hash; // of the row
    size_t key_len, len;
    char text[]; // len bytes and a NUL
};

struct state_set {
    struct map *rows; // key -> struct value
    uint64_t checksum;
    size_t bytes;
};

uint64_t state_row_hash(const char *key, const void *value, size_t value_len)
{
    return XXH3_64bits_withSeed(value, value_len, XXH3_64bits(key, strlen(key)));
}

void state_checksum_format(uint64_t checksum, char ret_text[STATE_CHECKSUM_TEXT])
{
    (void)snprintf(ret_text, STATE_CHECKSUM_TEXT, "%016llx", (unsigned long long)checksum);
}

int state_checksum_parse(const char *text, uint64_t *ret_checksum)
{
    uint64_t checksum = 0;

    if (!text || strnlen(text, STATE_CHECKSUM_TEXT) != STATE_CHECKSUM_TEXT - 1)
        return -EINVAL;
    for (const char *c = text; *c; c++) {
        if (*c >= '0' && *c <= '9')
            checksum = checksum << 4 | (uint64_t)(*c - '0');
        else if (*c >= 'a' && *c <= 'f')
            checksum = checksum << 4 | (uint64_t)(*c - 'a' + 10);
        else
            return -EINVAL;
    }
    *ret_checksum = checksum;
    return 0;
}

int state_set_new(struct state_set **ret_set)
{
    _cleanup_(state_set_freep) struct state_set *s = new0(struct state_set, 1);
    int r;

    if (!s)
        return -ENOMEM;
    r = map_new(MAP_STR, STATE_ROWS_MAX, free, &s->rows);
    if (r < 0)
        return r;
    *ret_set = TAKE_PTR(s);
    return 0;
}

struct state_set *state_set_free(struct state_set *s)
{
    if (s) {
        map_free(s->rows);
        free(s);
    }
    return NULL;
}

static int check_key(const char *key)
{
    size_t len = strnlen(key, STATE_KEY_MAX + 1);

    if (len == 0 || len > STATE_KEY_MAX || !utf8_valid(key, len))
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7f)
            return -EINVAL;
    return 0;
}

int state_set_put(struct state_set *s, const char *key, const void *value, size_t value_len)
{
    struct value *old, *v;
    size_t bytes;
    int r;

    r = check_key(key);
    if (r < 0)
        return r;
    if (value_len > STATE_VALUE_MAX)
        return -EMSGSIZE;
    // What does not come out of JSON as it went in would make the two sides differ for ever.
    if (!utf8_valid(value, value_len) || memchr(value, '\0', value_len))
        return -EINVAL;
    old = map_get_str(s->rows, key);
    if (old && old->len == value_len && memcmp(old->text, value, value_len) == 0)
        return 0;
    bytes = s->bytes - (old ? old->key_len + old->len : 0) + strlen(key) + value_len;
    if (bytes > STATE_BYTES_MAX)
        return -ENOSPC;
    v = mallocz(sizeof(*v) + value_len + 1);
    if (!v)
        return -ENOMEM;
    v->hash = state_row_hash(key, value, value_len);
    v->key_len = strlen(key);
    v->len = value_len;
    memcpy(v->text, value, value_len);
    uint64_t checksum = s->checksum ^ v->hash ^ (old ? old->hash : 0);
    r = map_set_str(s->rows, key, v);
    if (r < 0) {
        free(v);
        return r;
    }
    s->checksum = checksum;
    s->bytes = bytes;
    return 1;
}

int state_set_remove(struct state_set *s, const char *key)
{
    struct value *v = map_take_str(s->rows, key);

    if (!v)
        return 0;
    s->checksum ^= v->hash;
    s->bytes -= v->key_len + v->len;
    free(v);
    return 1;
}

void state_set_clear(struct state_set *s)
{
    map_clear(s->rows);
    s->checksum = 0;
    s->bytes = 0;
}

int state_set_get(const struct state_set *s, const char *key, struct state_row *ret_row)
{
    const struct value *v = map_get_str(s->rows, key);

    if (!v)
        return 0;
    *ret_row = (struct state_row){.key = key, .value = v->text, .value_len = v->len};
    return 1;
}

uint64_t state_set_checksum(const struct state_set *s)
{
    return s->checksum;
}

size_t state_set_rows(const struct state_set *s)
{
    return map_len(s->rows);
}

size_t state_set_bytes(const struct state_set *s)
{
    return s->bytes;
}

int state_set_foreach(const struct state_set *s, state_row_fn fn, void *ctx)
{
    struct map_iter it = {};

    while (map_next(s->rows, &it)) {
        const struct value *v = it.value;
        struct state_row row = {.key = it.key_str, .value = v->text, .value_len = v->len};
        int r = fn(ctx, &row);

        if (r != 0)
            return r;
    }
    return 0;
}

static int removed(const struct state_set *base, const struct state_set *now, state_row_fn fn,
                   void *ctx)
{
    struct map_iter it = {};

    while (base && map_next(base->rows, &it)) {
        struct state_row row = {.key = it.key_str};
        int r = map_get_str(now->rows, it.key_str) ? 0 : fn(ctx, &row);

        if (r != 0)
            return r;
    }
    return 0;
}

int state_delta(const struct state_set *base, const struct state_set *now, state_row_fn fn,
                void *ctx)
{
    struct map_iter it = {};
    int r;

    // First what goes, so that a table that is full has room for what comes.
    r = removed(base, now, fn, ctx);
    if (r != 0)
        return r;
    while (map_next(now->rows, &it)) {
        const struct value *v = it.value, *old = base ? map_get_str(base->rows, it.key_str) : NULL;
        struct state_row row = {.key = it.key_str, .value = v->text, .value_len = v->len};

        // Two values with one hash would look equal to the checksum, too, but not to a person.
        if (old && old->len == v->len && memcmp(old->text, v->text, v->len) == 0)
            continue;
        r = fn(ctx, &row);
        if (r != 0)
            return r;
    }
    return 0;
}

static int put_row(void *ctx, const struct state_row *row)
{
    int r = state_set_put(ctx, row->key, row->value, row->value_len);

    return r < 0 ? r : 0;
}

int state_set_assign(struct state_set *set, const struct state_set *from)
{
    _cleanup_(state_set_freep) struct state_set *copy = NULL;
    int r;

    r = state_set_new(&copy);
    if (r < 0)
        return r;
    r = state_set_foreach(from, put_row, copy);
    if (r < 0)
        return r;
    struct state_set old = *set;

    *set = *copy;
    *copy = old;
    return 0;
}
