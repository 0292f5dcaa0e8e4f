// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629): decoding with every check, and a form of arbitrary bytes that is safe to print.
// Names of files and processes are bytes chosen by whoever made them; they reach terminals and logs
// only through utf8_escape().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

// Length (1..4) of the well-formed sequence that mem starts with and its code point; 0 when there
// is none: empty, truncated, overlong, a surrogate, or above U+10FFFF. ret_cp may be NULL.
size_t utf8_decode(const void *mem, size_t len, uint32_t *ret_cp);

bool utf8_valid(const void *mem, size_t len);

// Number of leading bytes that are all in 0x20..0x7e, but not '"' and not '\\'.
size_t ascii_plain_prefix(const void *mem, size_t len);

// Appends mem in a form that is safe for terminals and logs and can be read back: printable UTF-8
// as it is, a backslash doubled; bytes that are not UTF-8, control characters (C0, DEL, C1), line
// separators and the marks that reorder text (bidirectional controls) as \ooo, three octal digits
// a byte.
void utf8_escape(struct strbuf *dst, const void *mem, size_t len);
