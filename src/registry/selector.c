// SPDX-License-Identifier: Apache-2.0
//
// Selectors: what is written in label.h, read by one pass from left to right.
#include <stdlib.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "registry/internal.h"
#include "registry/label.h"

enum op { OP_IN, OP_NOT_IN, OP_THERE, OP_NOT_THERE };

struct term {
    enum op op;
    char *key;
    char **values; // strv; of = and != one
    bool brackets;
};

struct selector {
    struct term terms[SELECTOR_TERMS_MAX];
    size_t n;
};

struct reader_at {
    const char *text, *at;
    struct error *err;
};

struct selector *selector_free(struct selector *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n; i++) {
        free(s->terms[i].key);
        strv_free(s->terms[i].values);
    }
    free(s);
    return NULL;
}

static int wrong(struct reader_at *rd, const char *what, const char *expected)
{
    // Everything before is ASCII, so that bytes are characters.
    (void)error_at(rd->err, -EINVAL, NULL, 1, (unsigned)(rd->at - rd->text) + 1, "the selector %s",
                   what);
    error_expected(rd->err, "%s", expected);
    return -EINVAL;
}

static void skip_blanks(struct reader_at *rd)
{
    while (*rd->at == ' ' || *rd->at == '\t')
        rd->at++;
}

static int read_part(struct reader_at *rd, const char *expected, size_t *ret_len)
{
    size_t len = 0;

    while (label_char(rd->at[len]))
        len++;
    if (len == 0 || len > LABEL_PART_MAX)
        return wrong(rd,
                     len       ? "has a word that is too long here"
                     : *rd->at ? "has something else here"
                               : "ends here",
                     expected);
    *ret_len = len;
    return 0;
}

static int read_value(struct reader_at *rd, struct term *term)
{
    size_t len;
    int r = read_part(rd, "a value: up to 63 letters, digits and any of . _ - /", &len);

    if (r == 0 && strv_append_n(&term->values, rd->at, len) < 0)
        r = error_set(rd->err, -ENOMEM, "out of memory");
    if (r == 0)
        rd->at += len;
    skip_blanks(rd);
    return r;
}

static int read_brackets(struct reader_at *rd, struct term *term)
{
    int r;

    skip_blanks(rd);
    if (*rd->at != '(')
        return wrong(rd, "has no bracket here", "'(' and values separated by commas");
    term->brackets = true;
    for (size_t n = 0;; n++) {
        rd->at++;
        skip_blanks(rd);
        if (n == SELECTOR_VALUES_MAX)
            return wrong(rd, "has too many values here", "at most 64 in one pair of brackets");
        r = read_value(rd, term);
        if (r < 0)
            return r;
        if (*rd->at == ')')
            break;
        if (*rd->at != ',')
            return wrong(rd, *rd->at ? "has something else here" : "ends here", "',' or ')'");
    }
    rd->at++;
    return 0;
}

// A word that ends here: not the beginning of a longer one.
static bool take_word(struct reader_at *rd, const char *word)
{
    const char *rest = str_startswith(rd->at, word);

    if (!rest || label_char(*rest))
        return false;
    rd->at = rest;
    return true;
}

static int read_op(struct reader_at *rd, struct term *term)
{
    const char *before = rd->at;

    skip_blanks(rd);
    if (rd->at > before && take_word(rd, "in")) {
        term->op = OP_IN;
        return read_brackets(rd, term);
    }
    if (rd->at > before && take_word(rd, "notin")) {
        term->op = OP_NOT_IN;
        return read_brackets(rd, term);
    }
    if (rd->at[0] == '=') {
        term->op = OP_IN;
        rd->at += rd->at[1] == '=' ? 2 : 1;
    } else if (rd->at[0] == '!' && rd->at[1] == '=') {
        term->op = OP_NOT_IN;
        rd->at += 2;
    } else {
        term->op = OP_THERE;
        return 0;
    }
    skip_blanks(rd);
    return read_value(rd, term);
}

static int read_term(struct reader_at *rd, struct term *term)
{
    bool negated = *rd->at == '!';
    size_t len;
    int r;

    if (negated)
        rd->at++;
    r = read_part(rd, "a key: up to 63 letters, digits and any of . _ - /", &len);
    if (r < 0)
        return r;
    term->key = xstrndup(rd->at, len);
    if (!term->key)
        return error_set(rd->err, -ENOMEM, "out of memory");
    rd->at += len;
    if (negated)
        term->op = OP_NOT_THERE;
    return negated ? 0 : read_op(rd, term);
}

int selector_parse(const char *text, struct selector **ret, struct error *err)
{
    _cleanup_(selector_freep) struct selector *s = new0(struct selector, 1);
    struct reader_at rd = {strempty(text), strempty(text), err};
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    if (strlen(rd.text) > SELECTOR_TEXT_MAX)
        return error_set(err, -EINVAL, "a selector has at most %d bytes", SELECTOR_TEXT_MAX);
    skip_blanks(&rd);
    while (*rd.at) {
        if (s->n == SELECTOR_TERMS_MAX)
            return wrong(&rd, "has too many terms", "at most 32");
        r = read_term(&rd, &s->terms[s->n++]);
        if (r < 0)
            return r;
        skip_blanks(&rd);
        if (!*rd.at)
            break;
        if (*rd.at != ',')
            return wrong(&rd, "has something else here", "=, !=, in, notin, a comma or the end");
        rd.at++;
        skip_blanks(&rd);
        if (!*rd.at)
            return wrong(&rd, "ends here", "another term after the comma");
    }
    *ret = TAKE_PTR(s);
    return 0;
}

bool selector_matches(const struct selector *s, const struct labels *l)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct term *term = &s->terms[i];
        const char *value = labels_get(l, term->key);
        bool holds = value != NULL;

        if (holds && term->values)
            holds = strv_contains(term->values, value);
        if (holds == (term->op == OP_NOT_IN || term->op == OP_NOT_THERE))
            return false;
    }
    return true;
}

int selector_format(const struct selector *s, char **ret_text)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    for (size_t i = 0; i < s->n; i++) {
        const struct term *term = &s->terms[i];
        bool not_in = term->op == OP_NOT_IN;

        sb_printf(&sb, "%s%s%s", i ? ", " : "", term->op == OP_NOT_THERE ? "!" : "", term->key);
        if (!term->values)
            continue;
        sb_puts(&sb, term->brackets ? (not_in ? " notin (" : " in (") : (not_in ? "!=" : "="));
        STRV_FOREACH (value, term->values)
            sb_printf(&sb, "%s%s", value == term->values ? "" : ", ", *value);
        if (term->brackets)
            sb_putc(&sb, ')');
    }
    return sb_finish(&sb, ret_text);
}
