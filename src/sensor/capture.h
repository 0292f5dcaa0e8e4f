// SPDX-License-Identifier: Apache-2.0
//
// What libbpf prints, kept for the error message instead of being printed: a library of ours never writes
// to the terminal, and the verifier's log comes this way only. libbpf's callback takes no context, so the
// capture of this thread is found through one thread-local pointer; captures nest.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

#define CAPTURE_MAX \
    ((size_t)4 << 20) // bytes kept; what is printed first counts, it is the first failure

struct capture {
    struct strbuf text;
    struct capture *outer;
    bool cut;
};

// From here on until capture_end() everything is kept in `c`.
void capture_begin(struct capture *c);

// Prints nothing and keeps nothing more; frees the text.
void capture_end(struct capture *c);

// Puts what matters into the error: the last lines of the first program's verifier log, or the last
// message. The whole text is written to `path` (NULL: not); the error says where.
void capture_explain(const struct capture *c, const char *path, struct error *err);

// The same in one line: "PROGRAM: what the kernel says"; "" when nothing was printed.
void capture_said(const struct capture *c, char *ret, size_t size);

// The name of the program that the verifier refused first; false: none. For tests and for the error.
bool capture_program(const char *text, char *ret_name, size_t size);
