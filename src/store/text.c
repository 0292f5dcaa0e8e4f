// SPDX-License-Identifier: Apache-2.0
#include "store/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "store/terms.h"

// The small form of a byte of a word, 0 for all others.
static char word_byte(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80)
        return c;
    return 0;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

size_t text_next_word(const char **p, const char *end, char ret_word[TEXT_WORD_MAX])
{
    const char *s = *p;
    size_t len = 0;
    char c;

    while (s < end && !word_byte(*s))
        s++;
    for (; s < end && (c = word_byte(*s)) != 0; s++)
        if (len < TEXT_WORD_MAX)
            ret_word[len++] = c;
    *p = s;
    return len;
}

size_t text_skip(const char *p, const char *end)
{
    const char *s = p;

    while (s < end && !word_byte(*s))
        s++;
    return (size_t)(s - p);
}

// ---- what is asked for

static int add_phrase(struct text_query *q, const char *s, size_t len, struct error *err)
{
    struct text_phrase *phrase = &q->phrases[q->n];
    bool prefix = len > 1 && s[len - 1] == '*';

    len -= prefix;
    if (len == 0 || (len == 1 && *s == '*'))
        return 0;
    if (q->n == TEXT_PHRASES_MAX) {
        (void)error_set(err, -E2BIG, "too many words to search for");
        error_expected(err, "%d at the most", TEXT_PHRASES_MAX);
        return -E2BIG;
    }
    *phrase = (struct text_phrase){.s = xstrndup(s, len), .len = len, .prefix = prefix};
    if (!phrase->s)
        return error_set(err, -ENOMEM, "no memory for a search");
    for (size_t i = 0; i < len; i++)
        phrase->s[i] = small(phrase->s[i]);
    q->n++;
    return 0;
}

int text_query_parse(const char *text, struct text_query *ret_query, struct error *err)
{
    const char *s = strempty(text), *end;
    int r = 0;

    *ret_query = (struct text_query){};
    while (r == 0 && *(s += strspn(s, " \t\r\n"))) {
        if (*s == '"') {
            end = strchr(++s, '"');
            if (!end) {
                (void)error_set(err, -EINVAL, "a quote (\") in the text to search for has no end");
                error_cure(err, "end it with another one");
                return -EINVAL;
            }
            r = add_phrase(ret_query, s, (size_t)(end - s), err);
            s = end + 1;
        } else {
            end = s + strcspn(s, " \t\r\n");
            r = add_phrase(ret_query, s, (size_t)(end - s), err);
            s = end;
        }
    }
    return r;
}

void text_query_done(struct text_query *q)
{
    for (size_t i = 0; i < q->n; i++)
        free(q->phrases[i].s);
    *q = (struct text_query){};
}

static void match_phrase(const struct text_phrase *phrase, struct strbuf *sb)
{
    const char *p = phrase->s, *end = p + phrase->len, *before = p;
    char words[2][TEXT_WORD_MAX], term[TERM_SIZE];
    size_t lens[2] = {0, 0};
    unsigned now = 0;

    while ((lens[now] = text_next_word(&p, end, words[now])) > 0) {
        // A word that was cut is in the index as it is here.
        bool part = phrase->prefix && p == end && lens[now] < TEXT_WORD_MAX;

        sb_puts(sb, sb->len ? " AND \"" : "\"");
        sb_add(sb, words[now], lens[now]);
        sb_puts(sb, part ? "\"*" : "\"");
        if (!part && term_pair(term, words[!now], lens[!now], before, text_skip(before, end),
                               words[now], lens[now]))
            sb_printf(sb, " AND \"%s\"", term);
        before = p;
        now = !now;
    }
}

void text_query_match(const struct text_query *q, struct strbuf *sb)
{
    for (size_t i = 0; i < q->n; i++)
        match_phrase(&q->phrases[i], sb);
}

// ---- whether it is there

static bool same(const char *small_text, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (small_text[i] != small(s[i]))
            return false;
    return true;
}

static bool holds(const struct text_phrase *phrase, const char *s, size_t len)
{
    bool word_first = word_byte(phrase->s[0]), word_last = word_byte(phrase->s[phrase->len - 1]);

    for (size_t i = 0; i + phrase->len <= len; i++) {
        size_t after = i + phrase->len;

        if (small(s[i]) != phrase->s[0] || !same(phrase->s, s + i, phrase->len))
            continue;
        if (word_first && i > 0 && word_byte(s[i - 1]))
            continue;
        if (!phrase->prefix && word_last && after < len && word_byte(s[after]))
            continue;
        return true;
    }
    return false;
}

void text_query_look(const struct text_query *q, const char *s, size_t len, uint32_t *found)
{
    for (size_t i = 0; i < q->n; i++)
        if (!(*found & UINT32_C(1) << i) && holds(&q->phrases[i], s, len))
            *found |= UINT32_C(1) << i;
}
