// SPDX-License-Identifier: Apache-2.0
//
// Reads the lines of the file of records: those of its rotated predecessors first, then its own, and then,
// if asked to, those that are added, through rotations. Owns descriptors and one line.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define TAIL_LINE_MAX ((size_t)1 << 20) // longer ones are left out

struct tail;

// `path`.1, .2 ... are read before path when `rotated`. -ENOENT: there is no such file (with follow: it is
// waited for).
int tail_new(const char *path, bool rotated, bool follow, struct tail **ret_tail);
struct tail *tail_free(struct tail *t);
DEFINE_CLEANUP(struct tail *, tail_free)

// The next whole line without its newline, on loan until the next call. 1; 0: no more for now; negative errno.
int tail_next(struct tail *t, const char **ret_line, size_t *ret_len);

// Waits until there may be more. 1; 0: time is up; -EINTR: a signal came; negative errno.
int tail_wait(struct tail *t, int timeout_ms);
