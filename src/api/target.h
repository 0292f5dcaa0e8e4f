// SPDX-License-Identifier: Apache-2.0
//
// What stands in the first line and in headers, taken apart: path, query, cookies. Strict, because two readings of one
// text are how checks are evaded: what is not well-formed is refused, never mended. Owns copies.
#pragma once

#include <stddef.h>

#include "api/api.h"
#include "base/error.h"

#define TARGET_SEGMENTS_MAX 12

struct target {
    char *text;                                // decoded in place, cut into the pieces below
    const char *segments[TARGET_SEGMENTS_MAX]; // "/a/b" → "a", "b"; "/" → none
    size_t n_segments;
    bool directory; // a slash at the end
    struct {
        const char *name, *value;
    } params[API_PARAMS_MAX];
    size_t n_params;
};

// "/path?name=value&…". -EINVAL with err: not well-formed (escapes, NUL, control characters, not UTF-8, "." or ".." or nothing
// between slashes); -E2BIG: longer or more than is read; -ENOMEM.
int target_parse(const char *text, struct target *ret, struct error *err);
void target_done(struct target *t);

// The value of a cookie in a Cookie header, on loan with its length; NULL: it is not there, or there twice.
const char *cookie_find(const char *header, const char *name, size_t *ret_len);
