// SPDX-License-Identifier: Apache-2.0
//
// Words of records, and text that people search for: what a word is, and whether a string has what is asked for. The index
// (words of many records together) only says where it is worth looking; text_query_look() decides.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

#define TEXT_WORD_MAX    24 // bytes; longer words are indexed by their beginning
#define TEXT_PHRASES_MAX 16

// Reads the next word at *p (ASCII letters and digits, and all bytes above 0x7f), letters made small, cut to TEXT_WORD_MAX. Returns
// its length, 0 at the end.
size_t text_next_word(const char **p, const char *end, char ret_word[TEXT_WORD_MAX]);

// Bytes before the next word.
size_t text_skip(const char *p, const char *end);

struct text_phrase {
    char *s; // letters made small
    size_t len;
    bool prefix; // may end inside a word
};

struct text_query {
    struct text_phrase phrases[TEXT_PHRASES_MAX];
    size_t n;
};

// -EINVAL: too many phrases, or a quote without its end. An empty query has no phrases. text_query_done() in every case.
int text_query_parse(const char *text, struct text_query *ret_query, struct error *err);
void text_query_done(struct text_query *q);

// Adds what the phrases mean for an index of words and pairs (terms.h): "a" AND "b"*; FTS5's syntax. Nothing when no phrase has a word.
void text_query_match(const struct text_query *q, struct strbuf *sb);

// One string of a record: sets a bit of *found for each phrase that it holds. All are found when it is SG_BIT(n) - 1.
void text_query_look(const struct text_query *q, const char *s, size_t len, uint32_t *found);
static inline bool text_query_all(const struct text_query *q, uint32_t found)
{
    return found == (UINT32_C(1) << q->n) - 1;
}
