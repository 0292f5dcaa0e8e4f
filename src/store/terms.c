// SPDX-License-Identifier: Apache-2.0
#include "store/terms.h"

#include <stdio.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "store/text.h"

#define SLOTS_MIN 1024

// ---- one term

void term_number(char ret_term[TERM_SIZE], char column, uint64_t value)
{
    (void)snprintf(ret_term, TERM_SIZE, "#%c%llx", column, (unsigned long long)value);
}

void term_text(char ret_term[TERM_SIZE], char column, const char *s, size_t len)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint64_t hash = XXH3_64bits(s, len);
    size_t at = 0;

    ret_term[at++] = '#';
    ret_term[at++] = column;
    // 40 bits: two values of a store rarely share a term, and then only cost a look.
    for (int i = 0; i < 8; i++, hash >>= 5)
        ret_term[at++] = digits[hash & 31];
    ret_term[at] = '\0';
}

char term_letter(enum filter_text column)
{
    return "rpuqf"[column];
}

char term_dir_letter(enum filter_text column)
{
    switch (column) {
    case FILTER_PROGRAM: return 'e';
    case FILTER_PATH: return 'd';
    case FILTER_RULE:
    case FILTER_POLICY:
    case FILTER_USER:
    case FILTER_TEXTS:
    default: return 0;
    }
}

char term_mark_letter(enum store_mark mark)
{
    static const char letters[STORE_MARKS] = {
#define STORE_MARK(id, letter, name) letter,
#include "store/marks.def"
    };

    return letters[mark];
}

size_t term_dir(const char *path, size_t len, unsigned level)
{
    unsigned slashes = 0;

    if (len == 0 || path[0] != '/')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (path[i] == '/' && ++slashes == level + 1)
            return i;
    return 0;
}

bool term_pair(char ret_term[TERM_SIZE], const char *first, size_t first_len, const char *joint,
               size_t joint_len, const char *second, size_t second_len)
{
    char both[2 * TEXT_WORD_MAX + TERM_JOINT_MAX];

    if (first_len == 0 || joint_len > TERM_JOINT_MAX || memchr(joint, ' ', joint_len))
        return false;
    memcpy(both, first, first_len);
    memcpy(both + first_len, joint, joint_len);
    memcpy(both + first_len + joint_len, second, second_len);
    term_text(ret_term, TERM_PAIR, both, first_len + joint_len + second_len);
    return true;
}

// ---- a set of them

static bool make_room(struct terms *t)
{
    size_t cap = t->cap ? t->cap * 2 : SLOTS_MIN;
    uint64_t *slots;

    if (2 * (t->n + 1) <= t->cap)
        return true;
    slots = new0(uint64_t, cap);
    if (!slots)
        return false;
    for (size_t i = 0; i < t->cap; i++) {
        size_t at = t->slots[i] & (cap - 1);

        if (t->slots[i] == 0)
            continue;
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->cap = cap;
    return true;
}

void terms_add(struct terms *t, const char *term, size_t len)
{
    uint64_t hash = XXH3_64bits_withSeed(term, len, t->seed);
    size_t at;

    if (!make_room(t)) {
        t->text.failed = true;
        return;
    }
    hash += hash == 0;
    for (at = hash & (t->cap - 1); t->slots[at]; at = (at + 1) & (t->cap - 1))
        if (t->slots[at] == hash)
            return;
    t->slots[at] = hash;
    t->n++;
    sb_add(&t->text, term, len);
    sb_putc(&t->text, ' ');
}

void terms_add_words(struct terms *t, const char *s, size_t len)
{
    const char *end = s + len, *before = s;
    char words[2][TEXT_WORD_MAX], term[TERM_SIZE];
    size_t lens[2] = {0, 0};
    unsigned now = 0;

    while ((lens[now] = text_next_word(&s, end, words[now])) > 0) {
        const char *start = before;

        terms_add(t, words[now], lens[now]);
        // Where the word begins: behind what is between it and the one before.
        start += text_skip(before, end);
        if (term_pair(term, words[!now], lens[!now], before, (size_t)(start - before), words[now],
                      lens[now]))
            terms_add(t, term, strlen(term));
        before = s;
        now = !now;
    }
}

void terms_reset(struct terms *t)
{
    if (t->cap)
        memset(t->slots, 0, t->cap * sizeof(*t->slots));
    t->n = 0;
    sb_reset(&t->text);
}

void terms_done(struct terms *t)
{
    free(t->slots);
    sb_done(&t->text);
    *t = (struct terms){};
}
