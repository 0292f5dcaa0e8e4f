// SPDX-License-Identifier: Apache-2.0
//
// JSON into memory of a fixed size, for the path that every record takes: no calls and no checks
// but one for room. The order of brackets and keys is that of the rows it is called from.
// base/json.h is for everything else. Private to src/ocsf.
//
// Members end with a comma; the end of an object or array takes the last one back.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model/event.h"

// What differs between records that are alike in everything else (template.h).
enum gap_what { GAP_CPU, GAP_SEQ, GAP_PATH, GAP_NAME, GAP_INO, GAP_TIME };

struct gap {
    enum gap_what what;
    uint32_t start, end; // offsets in the line
};

#define GAPS_MAX 8

struct gaps {
    const char *line; // that the offsets count in
    uint32_t n;       // more than GAPS_MAX: there are some that are not noted
    struct gap at[GAPS_MAX];
};

// Where what is found out later belongs, in the line; 0: nowhere.
enum out_later { LATER_FILE, LATER_UNMAPPED, LATER_COUNT };

struct later {
    const char *line;
    uint32_t at[LATER_COUNT];
};

struct out {
    char *p, *end;
    bool full;           // something did not fit; everything after it is ignored
    struct gaps *gaps;   // to be noted there, or NULL
    struct later *later; // the same
};

static inline bool out_room(struct out *o, size_t n)
{
    if ((size_t)(o->end - o->p) >= n)
        return true;
    o->full = true;
    o->p = o->end;
    return false;
}

static inline void out_raw(struct out *o, const char *s, size_t n)
{
    if (out_room(o, n)) {
        memcpy(o->p, s, n);
        o->p += n;
    }
}

// Already escaped; may be empty.
static inline void out_bytes(struct out *o, struct bytes b)
{
    if (b.len)
        out_raw(o, b.s, b.len);
}

#define out_lit(o, literal) out_raw((o), (literal), sizeof(literal) - 1)

static inline void out_char(struct out *o, char c)
{
    if (out_room(o, 1))
        *o->p++ = c;
}

// Ends an object or array: the comma behind its last member becomes the bracket.
static inline void out_end(struct out *o, char bracket)
{
    if (o->full)
        return;
    if (o->p[-1] == ',')
        o->p[-1] = bracket;
    else
        out_char(o, bracket);
}

void out_u64(struct out *o, uint64_t value);

// The same where there is room: up to 20 bytes. Returns the end.
char *out_digits(char *at, uint64_t value);

// What was written since `start` is such a place.
static inline void out_gap(struct out *o, enum gap_what what, const char *start)
{
    struct gaps *gaps = o->gaps;

    if (!gaps || o->full)
        return;
    if (gaps->n < GAPS_MAX)
        gaps->at[gaps->n] = (struct gap){what, (uint32_t)(start - gaps->line),
                                         (uint32_t)(o->p - gaps->line)};
    gaps->n++;
}

static inline void out_later(struct out *o, enum out_later what)
{
    if (o->later && !o->full)
        o->later->at[what] = (uint32_t)(o->p - o->later->line);
}

// The text with its escapes, without the quotes.
void out_text(struct out *o, struct bytes text);

// Whether out_text() would change nothing but escapes; whether it would change nothing at all, and there is
// nothing but ASCII.
bool out_is_utf8(struct bytes text);
bool out_is_plain(struct bytes text);
void out_hex(struct out *o, struct bytes bytes);

// Capabilities: "0x" and as many hexadecimal digits as they need.
void out_caps(struct out *o, uint64_t caps);
