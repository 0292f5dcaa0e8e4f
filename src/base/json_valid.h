// SPDX-License-Identifier: Apache-2.0
//
// Whether a text is JSON (RFC 8259) to everybody. json-c also takes NaN, Infinity, "1.", control characters in strings and
// surrogates in UTF-8, which no browser does: what comes from outside and is handed on as it is, inside of an answer (jw_raw()),
// would make that answer unreadable. Asked where such text is taken in.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define JSON_VALID_DEPTH_MAX 64u

// One value with nothing but blanks around it, of at most `depth` levels (JSON_VALID_DEPTH_MAX at the most). Members may come
// twice, escapes may be lone surrogates: these are JSON. Allocates nothing and does not recurse.
bool json_valid(const char *text, size_t len, unsigned depth);
