// SPDX-License-Identifier: Apache-2.0
//
// Reading a record in one pass. Strict JSON as the agent writes it; whatever else it meets, it gives up, and json-c reads the record:
// members of interest that are there twice, numbers of more than 18 digits, escapes of surrogates and NUL, bytes that are not
// UTF-8, control characters, depth.
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "store/extract_internal.h"

#define DEPTH_MAX  24 // less than json-c's: it decides what is too deep
#define DIGITS_MAX 18 // fit any 64-bit number

struct scan {
    struct extract_job *job;
    const char *p, *end;
    uint64_t seen[EXTRACT_FIELDS_MAX / 64]; // bit: row of fields.def
    unsigned depth;
};

struct span {
    const char *s;
    size_t len;
    bool escaped;
};

static bool read_value(struct scan *s, enum extract_place place, const struct extract_field *field);

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
        s->p++;
}

static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

// ---- strings

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

// Bit 7 of each byte of w that is '"', '\\', below 0x20 or above 0x7f; perhaps of more bytes above the first such.
static uint64_t special_bytes(uint64_t w)
{
    uint64_t quote = w ^ (ONES * '"'), backslash = w ^ (ONES * '\\');

    return (((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash) | (w - ONES * 0x20) | w) &
           HIGHS;
}

// The first byte from p on that is not a plain one.
static const char *skip_plain(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        if (special_bytes(w))
            break;
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

// Behind a backslash.
static bool skip_escape(struct scan *s)
{
    unsigned value = 0;

    if (s->p == s->end)
        return false;
    if (*s->p != 'u')
        return *s->p && strchr("\"\\/bfnrt", *s->p++);
    s->p++;
    if (s->end - s->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *s->p++, lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9')
            value = value * 16 + (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (unsigned)(lower - 'a' + 10);
        else
            return false;
    }
    return value != 0 && (value < 0xd800 || value > 0xdfff);
}

static bool read_string(struct scan *s, struct span *ret)
{
    bool wide = false, escaped = false;
    const char *start;

    if (!take(s, '"'))
        return false;
    start = s->p;
    for (;;) {
        s->p = skip_plain(s->p, s->end);
        if (s->p == s->end || (unsigned char)*s->p < 0x20)
            return false;
        if (*s->p == '"')
            break;
        if ((unsigned char)*s->p >= 0x80) {
            wide = true;
            s->p++;
            continue;
        }
        s->p++;
        escaped = true;
        if (!skip_escape(s))
            return false;
    }
    *ret = (struct span){start, (size_t)(s->p - start), escaped};
    s->p++;
    return !wide || utf8_valid(ret->s, ret->len);
}

static unsigned hex4(const char *p)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++)
        value = value * 16 + (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    return value;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

static char plain_escape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

// What the escapes of a string, which were looked at, stand for: never longer than they are.
static bool decode(struct scan *s, const struct span *span, struct store_str *ret)
{
    char *mem = extract_keep(s->job->x, span->len), *to = mem;
    const char *p = span->s, *end = p + span->len;

    if (!mem)
        return false;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (p[1] == 'u') {
            to = put_utf8(to, hex4(p + 2));
            p += 6;
        } else {
            *to++ = plain_escape(p[1]);
            p += 2;
        }
    }
    *ret = (struct store_str){mem, (uint32_t)(to - mem)};
    return true;
}

static bool string_value(struct scan *s, enum extract_place place,
                         const struct extract_field *field)
{
    bool wanted = field && (field->kind == FIELD_STRING || field->kind == FIELD_WORDS),
         searched = place != PLACE_QUIET && s->job->fn;
    struct store_str text;
    struct span span;

    if (!read_string(s, &span))
        return false;
    if (!wanted && !searched)
        return true;
    text = (struct store_str){span.s, (uint32_t)span.len};
    if (span.escaped && !decode(s, &span, &text))
        return false;
    if (wanted && field->kind == FIELD_STRING)
        s->job->values.strings[field->what] = text;
    else if (wanted)
        extract_word(s->job, field, text.s, text.len);
    if (searched)
        s->job->fn(s->job->ctx, text.s, text.len);
    return true;
}

// ---- numbers, words

static size_t skip_digits(struct scan *s)
{
    const char *start = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return (size_t)(s->p - start);
}

static bool number_value(struct scan *s, const struct extract_field *field)
{
    bool negative = take(s, '-'), whole = true;
    const char *start = s->p;
    size_t digits = skip_digits(s);
    uint64_t value = 0;

    if (digits == 0 || digits > DIGITS_MAX || (digits > 1 && *start == '0'))
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(start[i] - '0');
    if (take(s, '.')) {
        whole = false;
        if (skip_digits(s) == 0)
            return false;
    }
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        whole = false;
        s->p++;
        if (!take(s, '+'))
            (void)take(s, '-');
        if (skip_digits(s) == 0)
            return false;
    }
    if (field && field->kind == FIELD_NUMBER && whole && (!negative || value == 0))
        s->job->values.numbers[field->what] = value;
    return true;
}

static bool word(struct scan *s, const char *text, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, text, len) != 0)
        return false;
    s->p += len;
    return true;
}

// ---- objects, arrays

static bool seen_before(struct scan *s, const struct extract_field *field)
{
    size_t row = (size_t)(field - extract_fields);
    uint64_t bit = SG_BIT(row % 64), *seen = &s->seen[row / 64];
    bool before = (*seen & bit) != 0;

    *seen |= bit;
    return before;
}

static bool read_member(struct scan *s, enum extract_place place)
{
    const struct extract_field *field;
    struct span key;

    if (!read_string(s, &key) || key.escaped)
        return false;
    skip_blanks(s);
    if (!take(s, ':'))
        return false;
    field = extract_field_find(s->job->x, place, key.s, key.len);
    if (field && seen_before(s, field))
        return false;
    return read_value(s, extract_place_below(place, field, key.s, key.len), field);
}

static bool read_object(struct scan *s, enum extract_place place)
{
    skip_blanks(s);
    if (take(s, '}'))
        return true;
    for (;;) {
        skip_blanks(s);
        if (!read_member(s, place))
            return false;
        skip_blanks(s);
        if (take(s, '}'))
            return true;
        if (!take(s, ','))
            return false;
    }
}

static bool read_array(struct scan *s, enum extract_place place, const struct extract_field *field)
{
    // Members of what is in an array are no columns.
    enum extract_place below = place == PLACE_QUIET ? PLACE_QUIET : PLACE_TEXT;

    field = field && field->kind == FIELD_WORDS ? field : NULL;
    skip_blanks(s);
    if (take(s, ']'))
        return true;
    for (;;) {
        if (!read_value(s, below, field))
            return false;
        skip_blanks(s);
        if (take(s, ']'))
            return true;
        if (!take(s, ','))
            return false;
    }
}

static bool read_nested(struct scan *s, enum extract_place place, const struct extract_field *field,
                        bool object)
{
    bool good;

    s->p++;
    if (++s->depth > DEPTH_MAX)
        return false;
    good = object ? read_object(s, place) : read_array(s, place, field);
    s->depth--;
    return good;
}

static bool read_value(struct scan *s, enum extract_place place, const struct extract_field *field)
{
    skip_blanks(s);
    if (s->p == s->end)
        return false;
    switch (*s->p) {
    case '"': return string_value(s, place, field);
    case '{': return read_nested(s, place, field, true);
    case '[': return read_nested(s, place, field, false);
    case 't': return word(s, "true", 4);
    case 'f': return word(s, "false", 5);
    case 'n': return word(s, "null", 4);
    default: return number_value(s, field);
    }
}

bool extract_fast(struct extract_job *job)
{
    struct scan s = {.job = job, .p = job->line, .end = job->line + job->len};

    if (job->len == 0 || job->line[0] != '{')
        return false;
    return read_value(&s, PLACE_ROOT, NULL) && s.p == s.end;
}
