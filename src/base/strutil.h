// SPDX-License-Identifier: Apache-2.0
//
// Strings: numbers from text with every error reported, prefixes, vectors of strings, order of
// names. Parsers take the whole string: no blanks, no signs where none belong, no rest. They return
// 0, -EINVAL (not of the form, empty, NULL) or -ERANGE (does not fit).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/utf8.h"

// Decimal ("10", also "010"), or hexadecimal after 0x.
int parse_u64(const char *s, uint64_t *ret_value);
int parse_u32(const char *s, uint32_t *ret_value);
int parse_i64(const char *s, int64_t *ret_value); // one leading '-' or '+'

// Bytes: "4096", "64K", "10M", "2G", "1T", also "10MiB"; powers of 1024, upper or lower case.
int parse_size(const char *s, uint64_t *ret_bytes);

// Milliseconds: "250ms", "10s", "5m" (or "5min"), "1h30m", "2d", "1w"; each unit once, larger ones
// first. A number without a unit is refused, except "0".
int parse_duration_ms(const char *s, uint64_t *ret_ms);

// "EACCES" (errno(3)) → 13; -EINVAL: no such name.
int errno_from_name(const char *name);

// yes/no, true/false, on/off, 1/0.
int parse_bool(const char *s, bool *ret_value);

// What follows the prefix, or NULL when s does not start with it.
const char *str_startswith(const char *s, const char *prefix);
bool str_endswith(const char *s, const char *suffix);

// Where the last `n` lines of a text begin, a break at its end or not; all of it when it has no more.
const char *str_last_lines(const char *s, unsigned n);

// Order in which people expect names: runs of digits compare as numbers ("9-a" before "10-b"),
// everything else by byte; names that differ only in leading zeros by byte. Never 0 for two
// different strings.
int natural_cmp(const char *a, const char *b);

// For qsort() over an array of char *.
int natural_cmp_qsort(const void *a, const void *b);

// The word that was probably meant by `word`: at most one edit (a letter more, less, other, or two
// swapped) for each three letters. NULL when none is near enough. For "did you mean ...?".
const char *nearest_word(const char *word, const char *const *words, size_t n_words);

// A strv is a NULL-terminated array of owned strings; NULL is an empty one.
char **strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)
size_t strv_len(char *const *v);
bool strv_contains(char *const *v, const char *s);

// Appends a copy of s, or of its first len bytes. 0 or -ENOMEM; *v is valid either way.
int strv_append(char ***v, const char *s);
int strv_append_n(char ***v, const char *s, size_t len);

// Splits at every byte of `separators`; empty pieces are dropped.
int strv_split(const char *s, const char *separators, char ***ret_v);
int strv_join(char *const *v, const char *separator, char **ret_s);
void strv_sort_natural(char **v);

// STRV_FOREACH(s, v) puts(*s);
#define STRV_FOREACH(s, v) for (char *const *s = (v); s && *s; s++)

// memcpy() of what most often is short, without a call: two pieces of one size that may overlap.
static inline void copy_short(char *to, const char *from, size_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            to[i] = from[i];
    }
}
