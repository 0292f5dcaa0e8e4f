// SPDX-License-Identifier: Apache-2.0
//
// Whether the headers of a request can be read in one way only. libmicrohttpd takes two lengths, a length beside chunks, a
// blank before the colon or two hosts without a word, and uses one of them; a proxy in front of it may use the other, and what
// the two of them take for the next request is then written by a stranger. Used by http.c before anything else is looked at.
#pragma once

#include <stddef.h>

struct framing {
    unsigned seen;       // bits of the headers that may come once
    const char *problem; // NULL: none; static
};

// A header, as it was sent. Lengths in bytes, without a NUL.
void framing_add(struct framing *f, const char *name, size_t name_len, const char *value,
                 size_t value_len);

// After the last header. NULL, or what is wrong, for people. `version`: "HTTP/1.1".
const char *framing_end(const struct framing *f, const char *version);
