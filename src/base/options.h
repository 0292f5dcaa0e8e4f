// SPDX-License-Identifier: Apache-2.0
//
// Command lines from rows: one table of options gives the parser, the help, the manual page and the
// completion of the shell, so that they cannot disagree. For the programs in src/agent and
// src/cli; prints nothing itself except what the caller asks for.
//
//     enum { OPT_COLOR = 1, OPT_VERBOSE };
//     static const struct option_row rows[] = {
//         {'v', "verbose", NULL, "say more", OPTION_FLAG, OPT_VERBOSE},
//         {0, "color", "WHEN", "auto or never", OPTION_ARG, OPT_COLOR, "auto never"},
//     };
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strbuf.h"

// The date in manual pages: that of the last change of what they say.
#define OPTIONS_MAN_DATE "2026-11-25"

enum option_kind {
    OPTION_FLAG,         // takes nothing
    OPTION_ARG,          // --name=ARG, --name ARG, -nARG, -n ARG
    OPTION_OPTIONAL_ARG, // --name or --name=ARG, -n or -nARG
};

struct option_row {
    char short_name;       // 0: none
    const char *long_name; // never NULL
    const char *arg;       // the argument's name in the help, NULL for flags
    const char *help;      // one sentence, no full stop; wrapped for the terminal
    enum option_kind kind;
    int id; // not 0; what option_fn gets
    const char
        *values; // for completion: words between blanks, or "FILE", "DIR"; NULL: nothing known
};

struct options {
    const char *program;     // "safeguard"
    const char *command;     // "policy check", or NULL for the program itself
    const char *operands;    // "[FILE...]", or NULL: operands are an error
    const char *summary;     // one line
    const char *description; // paragraphs between empty lines, or NULL
    const struct option_row *rows;
    size_t n_rows;
    bool stop_at_operand;       // the first operand ends the options (programs with commands)
    const char *operand_values; // for completion, as option_row.values
};

// Called for each option in the order of the line; arg is NULL when there is none. A result that is
// not 0 ends the parsing.
typedef int (*option_fn)(void *ctx, int id, const char *arg, struct error *err);

// argv[0] is skipped; operands are moved to the end (unless stop_at_operand). 0 and the index of
// the first operand; -EINVAL with a message that names the option, and the nearest one for a
// misspelling; or what fn returned. Not for two threads at once (getopt_long).
int options_parse(const struct options *o, int argc, char **argv, option_fn fn, void *ctx,
                  int *ret_first_operand, struct error *err);

// The text of --help; width in columns (0: 80).
void options_help(const struct options *o, unsigned width, struct strbuf *sb);

// A manual page (man(7) macros). `commands` (may be NULL) are listed with their options after
// the program's own.
void options_man(const struct options *o, const struct options *commands, size_t n_commands,
                 int section, const char *version, struct strbuf *sb);

// A completion script for bash, for the program and its commands.
void options_completion_bash(const struct options *o, const struct options *commands,
                             size_t n_commands, struct strbuf *sb);
