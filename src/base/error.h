// SPDX-License-Identifier: Apache-2.0
//
// An error as people need it: where, what, what was expected, and how to cure it. Libraries fill it
// in and return a negative errno; programs print it. Nothing is allocated, so it works when memory
// has ended and needs no clean-up. Every function takes a NULL error and then only passes the code.
//
//     return error_at(err, -EINVAL, file, line, col, "unknown key '%s'", key);
//
// prints as
//
//     rules.yaml:12:7: unknown key 'acess'
//       expected: one of access, by, do, path
//       to do: write 'access'
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/macro.h"
#include "base/strbuf.h"

struct error {
    int code;           // negative errno; 0: nothing is set
    unsigned line;      // from 1; 0: unknown
    unsigned column;    // from 1, in characters; 0: unknown
    char file[512];     // "" when it is about no file; a longer path keeps its end
    char what[1024];    // longer texts end in "..."
    char expected[512]; // "" when there is nothing to say
    char cure[512];     // "" when there is nothing to say
};

// All forget what the structure held before, format the text and return `code`, made negative when
// it is not (0 becomes -EIO). `%m` in fmt is the text of code. errno is kept.
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
int error_at(struct error *err, int code, const char *file, unsigned line, unsigned column,
             const char *fmt, ...) _printf_(6, 7);
// BPF programs (`which`: "that look at flows") that the kernel did not take, with the end of what its verifier said (`log`). Returns code.
int error_kernel_refused(struct error *err, int code, const char *which, const char *log);

// Add to an error that is set (without effect when none is).
void error_expected(struct error *err, const char *fmt, ...) _printf_(2, 3);
void error_cure(struct error *err, const char *fmt, ...) _printf_(2, 3);
// Puts where it is, unless that is known already.
void error_where(struct error *err, const char *file, unsigned line, unsigned column);
// Puts "fmt: " in front of what: the caller's view of a deeper error.
void error_context(struct error *err, const char *fmt, ...) _printf_(2, 3);

bool error_is_set(const struct error *err);
void error_reset(struct error *err);

// The lines shown above, each ended by a newline; text from outside is escaped. Nothing when no
// error is set.
void error_format(const struct error *err, struct strbuf *sb);
void error_print(const struct error *err, FILE *f);
