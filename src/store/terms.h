// SPDX-License-Identifier: Apache-2.0
//
// What the index of a run holds: each word of its records once, and a term for each value that a filter asks for. Terms of values begin
// with '#', which is in no word: a letter for the column, then the value (numbers) or a hash of it (texts). The same functions make
// what is put in and what is asked for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "store/cols.h"

#define TERM_SIZE         24
#define TERM_DIRS         4 // directories above a path that are indexed, from the root on
#define TERM_SEVERITY_MAX 7

void term_number(char ret_term[TERM_SIZE], char column, uint64_t value);
void term_text(char ret_term[TERM_SIZE], char column, const char *s, size_t len);
// Letters of columns of strings, and of the directories above them (0: none).
char term_letter(enum filter_text column);
char term_dir_letter(enum filter_text column);
char term_mark_letter(enum store_mark mark);
// Length of the directory of this level (1: "/a" of "/a/b/c") above a path, 0: it has none there.
size_t term_dir(const char *path, size_t len, unsigned level);

// Two words that stand together, with up to TERM_JOINT_MAX bytes but no blank between them ("etc/shadow", "id_ed25519", "10.0"): parts of
// paths are in most runs, such pairs are not. Words as
// text_next_word() gives them. False: they are too far apart.
#define TERM_PAIR      'w'
#define TERM_JOINT_MAX 3
bool term_pair(char ret_term[TERM_SIZE], const char *first, size_t first_len, const char *joint,
               size_t joint_len, const char *second, size_t second_len);

#define TERM_CLASS    'k'
#define TERM_ACTIVITY 'a'
#define TERM_SEVERITY 'v'
#define TERM_OUTCOME  'o'
#define TERM_HOST     'h'
#define TERM_STREAM   's'

// Terms that are there once, in a string with blanks between them. seed: random, or hashes that are equal could hide a word.
struct terms {
    uint64_t *slots; // hashes; 0: free
    size_t n, cap;   // cap is a power of two
    uint64_t seed;
    struct strbuf text;
};
void terms_add(struct terms *t, const char *term,
               size_t len); // memory that ends shows in text.failed
void terms_add_words(struct terms *t, const char *s, size_t len);
void terms_reset(struct terms *t);
void terms_done(struct terms *t);
