// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a policy, for the people who wrote it: a bounded list of errors and warnings,
// each with file, line and column, the source line with a caret, what was expected and what to do.
// Filled by policy_load_*() and policy_compile(); printed by programs through strings that are made
// here. The list owns its texts; nothing here prints.
//
//     _cleanup_(policy_diags_done) struct policy_diags diags = {};
//     r = policy_load_dir(dir, NULL, &policy, &diags);
//     policy_diags_format(&diags, color, &sb);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/strbuf.h"

#define POLICY_DIAGS_MAX       100 // kept; the rest is counted
#define POLICY_DIAG_SOURCE_MAX 512 // bytes of a source line that are kept

enum policy_severity {
    POLICY_ERROR,   // the policy is refused
    POLICY_WARNING, // the policy is accepted, and probably not what was meant
};

struct policy_diag {
    enum policy_severity severity;
    uint32_t line;   // from 1; 0: about the whole file
    uint32_t column; // from 1, in characters; 0: about the whole line
    uint32_t width;  // characters that the caret underlines, at least 1
    char *file;      // NULL: about no file
    char *message;
    char *expected; // NULL: nothing to say
    char *cure;     // NULL: nothing to say
    char *source;   // the line itself, without its end; NULL: unknown
};

// A zeroed structure is an empty list.
struct policy_diags {
    struct policy_diag *items; // by file, line and column once loading or compiling has ended
    size_t n, cap;
    size_t n_errors, n_warnings; // all of them, also those that were not kept
    bool failed;                 // memory ended: texts are missing
};

void policy_diags_done(struct policy_diags *d);
// Leaves the errors alone.
void policy_diags_drop_warnings(struct policy_diags *d);

// Appends "file:line:column: error: message", the source line with a caret, expected and cure of
// each, and at the end "and N more". Text from outside is escaped.
void policy_diags_format(const struct policy_diags *d, bool color, struct strbuf *sb);

// Writes {"errors":n,"warnings":n,"not_shown":n,"diagnostics":[{…}]}: one value.
void policy_diags_json(const struct policy_diags *d, struct jw *jw);

// Brings the items into the order of files (as they were first named), lines and columns.
void policy_diags_sort(struct policy_diags *d);

// How a list is filled. All texts are copied; `fmt` is the message. Returns the new item, or NULL
// when it was only counted (the functions below take that); d may be NULL. Errors displace warnings
// when the list is full.
struct policy_diag *policy_diag_add(struct policy_diags *d, enum policy_severity severity,
                                    const char *file, uint32_t line, uint32_t column,
                                    const char *fmt, ...) _printf_(6, 7);
void policy_diag_expected(struct policy_diags *d, struct policy_diag *item, const char *fmt, ...)
    _printf_(3, 4);
void policy_diag_cure(struct policy_diags *d, struct policy_diag *item, const char *fmt, ...)
    _printf_(3, 4);
// The line that the item is about, cut out of the whole file; `width` characters are underlined.
void policy_diag_source(struct policy_diags *d, struct policy_diag *item, const char *text,
                        size_t len, uint32_t width);
