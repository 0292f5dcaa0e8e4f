// SPDX-License-Identifier: Apache-2.0
//
// A string that grows. A zeroed structure is an empty buffer; it owns `s`, which sb_done() frees
// and sb_finish() hands on. Where memory ends, `failed` stays set and everything added later is
// ignored, so that only the end has to be checked. May hold NUL bytes; `s` is always followed by
// one.
//
//     _cleanup_(sb_done) struct strbuf sb = {};
//     sb_printf(&sb, "%s:%u", file, line);
//     return sb_finish(&sb, ret_text);
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/macro.h"

struct strbuf {
    char *s;     // NULL until something is added; never NULL after sb_finish() returned it
    size_t len;  // bytes without the NUL
    size_t cap;  // bytes of memory, the NUL counted
    bool failed; // memory ended, the contents are incomplete
};

void sb_add(struct strbuf *sb, const void *mem, size_t len);
void sb_puts(struct strbuf *sb, const char *s);
void sb_putc(struct strbuf *sb, char c);
void sb_printf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
void sb_vprintf(struct strbuf *sb, const char *fmt, va_list ap) _printf_(2, 0);

// Makes room for `more` bytes; returns where they go, or NULL when failed. The caller writes up to
// `more` bytes there and adds what it wrote to sb->len with sb_written().
char *sb_reserve(struct strbuf *sb, size_t more);
void sb_written(struct strbuf *sb, size_t len);

// Shortens to len bytes; a longer len changes nothing.
void sb_truncate(struct strbuf *sb, size_t len);

// Empty again, keeps the memory, clears `failed`.
void sb_reset(struct strbuf *sb);

// Frees; the buffer is empty and may be used again.
void sb_done(struct strbuf *sb);

// The contents, "" when nothing was added. A loan until the next change.
const char *sb_str(const struct strbuf *sb);

// Hands the string to the caller, who frees it ("" when nothing was added), and leaves an empty
// buffer. -ENOMEM when anything failed; then *ret_str is untouched and the buffer is as it was.
int sb_finish(struct strbuf *sb, char **ret_str);
