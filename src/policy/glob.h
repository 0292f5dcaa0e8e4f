// SPDX-License-Identifier: Apache-2.0
//
// Path patterns: checked and taken apart into items, one at a time, for the automaton. Private to
// the room.
//
// A pattern is a list of components, each after a slash; "/" alone is the root directory. In a
// component `*` stands for any number of bytes, `?` for one, `[a-z]` for one of a set, `[!a-z]` for
// one outside; none of them for a slash, all of them also for a leading dot. They count bytes, not
// characters: "é" is two bytes in UTF-8. A backslash takes the meaning from the next byte. A
// component `*` needs at least one byte. `**` is a component of its own: in the middle any number
// of components, also none ("/a/**/b" matches /a/b); at the end one or more ("/a/**" matches
// everything beneath /a, but not /a itself).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum glob_kind {
    GLOB_BYTE,    // this byte
    GLOB_SET,     // one byte of a set
    GLOB_STAR,    // any number of bytes that are not a slash
    GLOB_DEEP,    // any number of components, each followed by a slash; stands behind a slash
    GLOB_BENEATH, // one or more components; stands behind a slash and is the last item
    GLOB_ANY,     // any number of bytes, also slashes: in values of variables only
};

struct glob_item {
    uint8_t kind; // enum glob_kind
    uint8_t byte; // GLOB_BYTE
    uint16_t set; // GLOB_SET: index into sets
};

struct glob_set {
    uint64_t bits[4]; // one bit a byte; never '/' and never NUL
};

// A zeroed structure is an empty glob, which is the pattern "/".
struct glob {
    struct glob_item *items;
    size_t n, cap;
    struct glob_set *sets; // set 0, when there is one, may be any set
    size_t n_sets, cap_sets;
    uint32_t literal_depth; // components in front of the first that is not literal
    bool wild;              // anything but GLOB_BYTE
    bool deep;              // has GLOB_DEEP
    bool beneath;           // ends in GLOB_BENEATH
};

// What is wrong with a pattern. The texts are constants.
struct glob_error {
    size_t offset, width; // bytes of the pattern
    const char *what, *expected, *cure;
};

// Every byte but '/' and NUL.
extern const struct glob_set glob_name_bytes;

// 0; -EINVAL with *err filled (err may be NULL); -ENOMEM. The pattern must not end in a slash,
// except "/".
int glob_parse(const char *text, size_t len, struct glob *ret_glob, struct glob_error *err);
void glob_done(struct glob *g);

static inline bool glob_set_has(const struct glob_set *set, uint8_t byte)
{
    return set->bits[byte / 64] >> (byte % 64) & 1;
}
