// SPDX-License-Identifier: Apache-2.0
//
// Settings of a program from rows: one table gives the members of a structure their defaults, reads texts into them, and
// makes the options of the command line and the manual page. Owns nothing but the texts in the structure.
//     static const struct conf_row rows[] = {{"port", "port", "8443", "", "where to listen", CONF_COUNT, offsetof(…)}};
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/options.h"
#include "base/strbuf.h"

enum conf_kind {
    CONF_PATH,     // char *: an absolute path
    CONF_TEXT,     // char *: any line of text, may be empty
    CONF_SIZE,     // uint64_t: bytes
    CONF_DURATION, // uint64_t: milliseconds, at most ten years
    CONF_COUNT,    // uint32_t: 0 to 65535, or to the row's `most`
    CONF_WORD,     // uint32_t: one of `values`, its number from 0
    CONF_BOOL,     // bool
};

// What a text has to be beyond its kind (CONF_TEXT).
struct conf_form {
    const char *arg;      // for the help: "URL"
    const char *expected; // for messages
    // The text as it is kept, or -EINVAL.
    int (*keep)(const char *text, char *ret, size_t size);
};

struct conf_row {
    const char *key;    // in the file
    const char *option; // on the command line, after "--"
    const char *dflt;   // as text
    const char *values; // CONF_WORD: the words; others: what completion offers, or ""
    const char *help;
    enum conf_kind kind;
    size_t offset;                // of the member
    uint32_t most;                // CONF_COUNT; 0: 65535
    const struct conf_form *form; // CONF_TEXT; NULL: none
};

struct conf {
    const struct conf_row *rows;
    size_t n_rows;
};

// All defaults. -ENOMEM.
int conf_init(const struct conf *c, void *values);
void conf_done(const struct conf *c, void *values);

// One setting from text; `number` is that of its row. -EINVAL with err: what was expected; -ENOMEM.
int conf_set(const struct conf *c, void *values, size_t number, const char *text,
             struct error *err);

// The word of a CONF_WORD with this value; buf is returned.
const char *conf_word(const struct conf_row *row, uint32_t value, char *buf, size_t size);
// The number of the row with this key, or n_rows.
size_t conf_find(const struct conf *c, const char *key);

// One option a row; ids are first_id and those that follow.
void conf_option_rows(const struct conf *c, int first_id, struct option_row *ret_rows);
// The items of a manual page, one a row.
void conf_man(const struct conf *c, struct strbuf *sb);
