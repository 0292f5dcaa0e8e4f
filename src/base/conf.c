// SPDX-License-Identifier: Apache-2.0
#include "base/conf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"

#define PATH_LEN_MAX 4096
#define TEXT_LEN_MAX 4096
#define COUNT_MAX    UINT32_C(65535)

#define DURATION_MAX_MS (UINT64_C(3653) * 24 * 3600 * 1000)

static const char *const arg_names[] = {
    [CONF_PATH] = "PATH", [CONF_TEXT] = "TEXT", [CONF_SIZE] = "SIZE",   [CONF_DURATION] = "TIME",
    [CONF_COUNT] = "N",   [CONF_WORD] = "WORD", [CONF_BOOL] = "YES|NO",
};

static const char *const expected[] = {
    [CONF_PATH] = "an absolute path of at most 4095 bytes, without control characters",
    [CONF_TEXT] = "a line of text, without control characters",
    [CONF_SIZE] = "a number of bytes, such as 64K or 100M",
    [CONF_DURATION] = "a time, such as 90s or 7d, of at most ten years",
    [CONF_BOOL] = "yes or no",
};

static bool is_text(enum conf_kind kind)
{
    return kind == CONF_PATH || kind == CONF_TEXT;
}

static int set_text(char **field, const char *text, bool path)
{
    size_t len = strlen(text);
    char *copy;

    if (len >= (path ? PATH_LEN_MAX : TEXT_LEN_MAX) || (path && text[0] != '/'))
        return -EINVAL;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            return -EINVAL;
    while (path && len > 1 && text[len - 1] == '/')
        len--;
    copy = xstrndup(text, len);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int set_form(char **field, const struct conf_form *form, const char *text)
{
    char kept[TEXT_LEN_MAX] = "";
    int r = *text ? form->keep(text, kept, sizeof(kept)) : 0;

    return r < 0 ? -EINVAL : set_text(field, kept, false);
}

static int set_duration(uint64_t *field, const char *text)
{
    uint64_t ms;

    if (parse_duration_ms(text, &ms) < 0 || ms > DURATION_MAX_MS)
        return -EINVAL;
    *field = ms;
    return 0;
}

static int set_word(uint32_t *field, const char *values, const char *text)
{
    _cleanup_(strv_freep) char **words = NULL;
    int r = strv_split(values, " ", &words);

    if (r < 0)
        return r;
    for (uint32_t i = 0; words && words[i]; i++)
        if (streq(words[i], text)) {
            *field = i;
            return 0;
        }
    return -EINVAL;
}

static uint32_t most_of(const struct conf_row *row)
{
    return row->most ? row->most : COUNT_MAX;
}

static int set_count(uint32_t *field, const struct conf_row *row, const char *text)
{
    uint32_t value;

    if (parse_u32(text, &value) < 0 || value > most_of(row))
        return -EINVAL;
    *field = value;
    return 0;
}

static int set_field(void *field, const struct conf_row *row, const char *text)
{
    switch (row->kind) {
    case CONF_PATH: return set_text(field, text, true);
    case CONF_TEXT:
        return row->form ? set_form(field, row->form, text) : set_text(field, text, false);
    case CONF_SIZE: return parse_size(text, field) < 0 ? -EINVAL : 0;
    case CONF_DURATION: return set_duration(field, text);
    case CONF_COUNT: return set_count(field, row, text);
    case CONF_WORD: return set_word(field, row->values, text);
    case CONF_BOOL: return parse_bool(text, field) < 0 ? -EINVAL : 0;
    }
    return -EINVAL;
}

static void say_expected(struct error *err, const struct conf_row *row)
{
    if (row->kind == CONF_WORD)
        error_expected(err, "one of: %s", row->values);
    else if (row->kind == CONF_COUNT)
        error_expected(err, "a number from 0 to %u", most_of(row));
    else
        error_expected(err, "%s", row->form ? row->form->expected : expected[row->kind]);
}

int conf_set(const struct conf *c, void *values, size_t number, const char *text, struct error *err)
{
    const struct conf_row *row = &c->rows[number];
    int r = set_field((char *)values + row->offset, row, text);

    if (r == -EINVAL) {
        (void)error_set(err, r, "%s: '%s' is not valid", row->key, text);
        say_expected(err, row);
    } else if (r < 0) {
        (void)error_set(err, r, "%s: %m", row->key);
    }
    return r;
}

int conf_init(const struct conf *c, void *values)
{
    int r = 0;

    for (size_t i = 0; i < c->n_rows; i++)
        if (is_text(c->rows[i].kind))
            *(char **)((char *)values + c->rows[i].offset) = NULL;
    for (size_t i = 0; i < c->n_rows && r == 0; i++)
        r = conf_set(c, values, i, c->rows[i].dflt, NULL);
    if (r < 0)
        conf_done(c, values);
    return r;
}

void conf_done(const struct conf *c, void *values)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (is_text(c->rows[i].kind)) {
            char **field = (char **)((char *)values + c->rows[i].offset);

            free(*field);
            *field = NULL;
        }
}

const char *conf_word(const struct conf_row *row, uint32_t value, char *buf, size_t size)
{
    const char *word = row->values;

    for (uint32_t i = 0; i < value && *word; i++) {
        word += strcspn(word, " ");
        word += *word == ' ';
    }
    (void)snprintf(buf, size, "%.*s", (int)strcspn(word, " "), word);
    return buf;
}

size_t conf_find(const struct conf *c, const char *key)
{
    size_t i;

    for (i = 0; i < c->n_rows && !streq(c->rows[i].key, key); i++)
        ;
    return i;
}

void conf_option_rows(const struct conf *c, int first_id, struct option_row *ret_rows)
{
    for (size_t i = 0; i < c->n_rows; i++)
        ret_rows[i] = (struct option_row){
            .long_name = c->rows[i].option,
            .arg = c->rows[i].form ? c->rows[i].form->arg : arg_names[c->rows[i].kind],
            .help = c->rows[i].help,
            .kind = OPTION_ARG,
            .id = first_id + (int)i,
            .values = *c->rows[i].values ? c->rows[i].values : NULL,
        };
}

void conf_man(const struct conf *c, struct strbuf *sb)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct conf_row *row = &c->rows[i];

        sb_printf(sb, ".TP\n\\fB%s\\fR: %s\n%s", row->key, *row->dflt ? row->dflt : "\"\"",
                  row->help);
        if (row->kind == CONF_WORD)
            sb_printf(sb, " (%s)", row->values);
        sb_puts(sb, ".\n");
    }
}
