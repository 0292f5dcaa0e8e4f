// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

// What getopt_long() answers for row i: above every character.
#define FIRST_ROW 256

struct getopt_tables {
    struct option *longs;
    char *shorts;
};

static void tables_done(struct getopt_tables *t)
{
    free(t->longs);
    free(t->shorts);
}

static int has_arg(enum option_kind kind)
{
    static const int answers[] = {
        [OPTION_FLAG] = no_argument,
        [OPTION_ARG] = required_argument,
        [OPTION_OPTIONAL_ARG] = optional_argument,
    };

    return answers[kind];
}

static int build_tables(const struct options *o, struct getopt_tables *t)
{
    static const char *const colons[] = {
        [OPTION_FLAG] = "", [OPTION_ARG] = ":", [OPTION_OPTIONAL_ARG] = "::"};
    _cleanup_(sb_done) struct strbuf shorts = {};

    t->longs = new0(struct option, o->n_rows + 1);
    if (!t->longs)
        return -ENOMEM;
    // '+': stop at the first operand; ':': tell a missing argument from an unknown option.
    sb_puts(&shorts, o->stop_at_operand ? "+:" : ":");
    for (size_t i = 0; i < o->n_rows; i++) {
        const struct option_row *row = &o->rows[i];

        t->longs[i] = (struct option){
            .name = row->long_name,
            .has_arg = has_arg(row->kind),
            .val = FIRST_ROW + (int)i,
        };
        if (row->short_name) {
            sb_putc(&shorts, row->short_name);
            sb_puts(&shorts, colons[row->kind]);
        }
    }
    return sb_finish(&shorts, &t->shorts);
}

static const struct option_row *find_row(const struct options *o, int answer)
{
    if (answer >= FIRST_ROW)
        return &o->rows[answer - FIRST_ROW];
    for (size_t i = 0; i < o->n_rows; i++) {
        if (answer != 0 && o->rows[i].short_name == answer)
            return &o->rows[i];
    }
    return NULL;
}

// "safeguard policy check"
static const char *command_word(const struct options *o)
{
    return o->command ? o->command : "";
}

static void point_to_help(const struct options *o, struct error *err)
{
    error_cure(err, "'%s%s%s --help' lists the options", o->program, o->command ? " " : "",
               command_word(o));
}

static int unknown_long(const struct options *o, const char *word, struct error *err)
{
    _cleanup_free_ char *name = strndup(word, strcspn(word, "="));
    _cleanup_free_ const char **names = new0(const char *, o->n_rows + 1);
    const char *near = NULL;
    int r;

    if (!name || !names)
        return error_set(err, -ENOMEM, "%m");
    for (size_t i = 0; i < o->n_rows; i++)
        names[i] = o->rows[i].long_name;
    r = error_set(err, -EINVAL, "unknown or ambiguous option '--%s'", name);
    near = nearest_word(name, names, o->n_rows);
    if (near)
        error_cure(err, "did you mean '--%s'?", near);
    else
        point_to_help(o, err);
    return r;
}

// getopt_long() answered '?' or ':' for argv[at].
static int explain(const struct options *o, int answer, const char *word, struct error *err)
{
    const struct option_row *row = optopt ? find_row(o, optopt) : NULL;
    int r;

    if (answer == ':' && row) {
        r = error_set(err, -EINVAL, "option '%s' needs an argument", word);
        error_expected(err, "%s (%s)", row->arg, row->help);
        return r;
    }
    if (row && optopt >= FIRST_ROW)
        return error_set(err, -EINVAL, "option '--%s' takes no argument", row->long_name);
    if (str_startswith(word, "--"))
        return unknown_long(o, word + 2, err);
    r = error_set(err, -EINVAL, "unknown option '-%c'", optopt);
    point_to_help(o, err);
    return r;
}

static int parse_loop(const struct options *o, int argc, char **argv, const struct getopt_tables *t,
                      option_fn fn, void *ctx, struct error *err)
{
    for (;;) {
        // The word that is being looked at; optind moves on inside getopt_long().
        int at = optind ? optind : 1, answer, r;
        const struct option_row *row;

        answer = getopt_long(argc, argv, t->shorts, t->longs, NULL);
        if (answer == -1)
            return 0;
        if (answer == '?' || answer == ':') {
            // Operands may have been moved behind the word: it is the one before optind then.
            const char *word = argv[at];

            if (word[0] != '-' || word[1] == '\0')
                word = argv[optind - 1];
            return explain(o, answer, word, err);
        }
        row = find_row(o, answer);
        r = fn(ctx, row->id, optarg, err);
        if (r != 0)
            return r;
    }
}

int options_parse(const struct options *o, int argc, char **argv, option_fn fn, void *ctx,
                  int *ret_first_operand, struct error *err)
{
    _cleanup_(tables_done) struct getopt_tables t = {};
    int r;

    r = build_tables(o, &t);
    if (r < 0)
        return error_set(err, r, "%m");
    optind = 0; // glibc: start over, also after another command line
    opterr = 0;
    r = parse_loop(o, argc, argv, &t, fn, ctx, err);
    if (r != 0)
        return r;
    if (!o->operands && optind < argc) {
        r = error_set(err, -EINVAL, "unexpected argument '%s'", argv[optind]);
        point_to_help(o, err);
        return r;
    }
    *ret_first_operand = optind;
    return 0;
}
