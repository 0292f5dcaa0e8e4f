// SPDX-License-Identifier: Apache-2.0
#include "base/json_valid.h"

#include <stdint.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"

struct cursor {
    const char *p, *end;
    uint64_t objects; // bit d: level d is an object, otherwise an array
    unsigned depth, max;
};

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
        c->p++;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0)
        return false;
    c->p += len;
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool escape(struct cursor *c)
{
    if (c->p == c->end)
        return false;
    if (*c->p != 'u')
        return *c->p && strchr("\"\\/bfnrt", *c->p++);
    c->p++;
    for (int i = 0; i < 4; i++)
        if (c->p == c->end || !is_hex(*c->p++))
            return false;
    return true;
}

static bool string(struct cursor *c)
{
    if (!take(c, '"'))
        return false;
    while (c->p < c->end) {
        size_t n = ascii_plain_prefix(c->p, (size_t)(c->end - c->p));

        c->p += n;
        if (c->p == c->end)
            return false;
        if (*c->p == '"' || *c->p == '\\') {
            if (*c->p++ == '"')
                return true;
            if (!escape(c))
                return false;
            continue;
        }
        n = (unsigned char)*c->p < ' ' ? 0 : utf8_decode(c->p, (size_t)(c->end - c->p), NULL);
        if (n == 0)
            return false;
        c->p += n;
    }
    return false;
}

static bool digits(struct cursor *c)
{
    const char *start = c->p;

    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > start;
}

static bool number(struct cursor *c)
{
    (void)take(c, '-');
    if (!take(c, '0') && !digits(c))
        return false;
    if (take(c, '.') && !digits(c))
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            (void)take(c, '-');
        return digits(c);
    }
    return true;
}

static bool scalar(struct cursor *c)
{
    if (c->p == c->end)
        return false;
    switch (*c->p) {
    case '"': return string(c);
    case 't': return take_word(c, "true");
    case 'f': return take_word(c, "false");
    case 'n': return take_word(c, "null");
    default: return number(c);
    }
}

static bool key(struct cursor *c)
{
    skip_blanks(c);
    if (!string(c))
        return false;
    skip_blanks(c);
    return take(c, ':');
}

static bool in_object(const struct cursor *c)
{
    return c->objects >> (c->depth - 1) & 1;
}

// '{' or '['. *ret_empty: its end came, too.
static bool open_level(struct cursor *c, bool *ret_empty)
{
    bool object = *c->p++ == '{';

    if (c->depth == c->max)
        return false;
    c->objects = (c->objects & ~(UINT64_C(1) << c->depth)) | (uint64_t)object << c->depth;
    c->depth++;
    skip_blanks(c);
    *ret_empty = take(c, object ? '}' : ']');
    if (*ret_empty) {
        c->depth--;
        return true;
    }
    return !object || key(c);
}

// Behind a value: the ends of levels, and what comes before the next value. False: a mistake.
static bool close_levels(struct cursor *c)
{
    while (c->depth > 0) {
        skip_blanks(c);
        if (take(c, ','))
            return !in_object(c) || key(c);
        if (!take(c, in_object(c) ? '}' : ']'))
            return false;
        c->depth--;
    }
    return true;
}

bool json_valid(const char *text, size_t len, unsigned depth)
{
    struct cursor c = {.p = text, .end = text + len, .max = MIN(depth, JSON_VALID_DEPTH_MAX)};

    do {
        bool empty = true;

        skip_blanks(&c);
        if (c.p < c.end && (*c.p == '{' || *c.p == '[')) {
            if (!open_level(&c, &empty))
                return false;
        } else if (!scalar(&c)) {
            return false;
        }
        if (empty && !close_levels(&c))
            return false;
    } while (c.depth > 0);
    skip_blanks(&c);
    return c.p == c.end;
}
