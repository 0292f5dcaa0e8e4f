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

struct out {
    char *p, *end;
    bool full; // something did not fit; everything after it is ignored
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

// The text with its escapes, without the quotes.
void out_text(struct out *o, struct bytes text);

// Whether out_text() would change nothing but escapes.
bool out_is_utf8(struct bytes text);
void out_hex(struct out *o, struct bytes bytes);
