// SPDX-License-Identifier: Apache-2.0
//
// `safeguard`: finds the command that was typed.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "policy/man.h"

// How many words of the line are this command's name; 0: it is another.
static int match(const struct command *c, int argc, char **argv)
{
    const char *words = c->words;
    int n = 0;

    while (*words) {
        size_t len = strcspn(words, " ");

        if (n + 1 >= argc || strlen(argv[n + 1]) != len || memcmp(argv[n + 1], words, len) != 0)
            return 0;
        n++;
        words += len + (words[len] == ' ');
    }
    return n;
}

// The longest name that fits: "hosts label" is a command, and "hosts" another one.
static const struct command *find(int argc, char **argv, int *ret_words)
{
    const struct command *found = NULL;

    *ret_words = 0;
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        int n = match(&cli_commands[i], argc, argv);

        if (n > *ret_words) {
            *ret_words = n;
            found = &cli_commands[i];
        }
    }
    return found;
}

// "polcy check" as well as "policy chekc": the whole name is compared, with as many words as it has.
static const char *nearest(int argc, char **argv)
{
    const char *names[CLI_N_COMMANDS], *near = NULL;
    const size_t n = CLI_N_COMMANDS;

    for (size_t i = 0; i < n; i++)
        names[i] = cli_commands[i].words;
    if (argc > 2) {
        _cleanup_(sb_done) struct strbuf sb = {};

        sb_printf(&sb, "%s %s", argv[1], argv[2]);
        near = nearest_word(sb_str(&sb), names, n);
    }
    return near ? near : nearest_word(argv[1], names, n);
}

static int unknown(int argc, char **argv)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    const char *near;

    // The first word of commands of two: say which there are.
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const char *rest = str_startswith(cli_commands[i].words, argv[1]);

        if (rest && *rest == ' ')
            sb_printf(&sb, "%s%s", sb.len ? ", " : "", rest + 1);
    }
    if (sb.len && argc == 2)
        (void)error_set(&err, -EINVAL, "'%s' what?", argv[1]);
    else
        (void)error_set(&err, -EINVAL, "there is no command '%s%s%s'", argv[1], sb.len ? " " : "",
                        sb.len ? argv[2] : "");
    near = nearest(argc, argv);
    if (sb.len)
        error_expected(&err, "one of: %s", sb_str(&sb));
    if (near)
        error_cure(&err, "did you mean 'safeguard %s'?", near);
    else if (!sb.len)
        error_cure(&err, "'safeguard --help' lists the commands");
    (void)cli_fail(&err);
    return CLI_USAGE;
}

static int program_option(const char *word, const char *arg)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (streq(word, "--help") || streq(word, "-h") || streq(word, "help"))
        cli_help(&sb);
    else if (streq(word, "--version") || streq(word, "-V"))
        sb_puts(&sb, "safeguard " SAFEGUARD_VERSION "\n");
    else if (streq(word, "--generate") && arg && streq(arg, "man"))
        cli_man(&sb);
    else if (streq(word, "--generate") && arg && streq(arg, "man-policy"))
        policy_man(&sb);
    else
        return -1;
    return cli_print(&sb, CLI_OK);
}

int main(int argc, char **argv)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct cli cli = {};
    int words = 0, r;

    if (argc < 2) {
        cli_help(&sb);
        (void)fputs(sb_str(&sb), stderr);
        return CLI_USAGE;
    }
    // "safeguard help policy check" is "safeguard policy check --help".
    if (streq(argv[1], "help") && argc > 2) {
        cli.command = find(argc - 1, argv + 1, &words);
        if (cli.command) {
            char *help[] = {argv[1], (char[]){"--help"}, NULL};

            cli.argc = 2;
            cli.argv = help;
            return cli.command->run(&cli);
        }
        return unknown(argc - 1, argv + 1);
    }
    r = program_option(argv[1], argc > 2 ? argv[2] : NULL);
    if (r >= 0)
        return r;
    cli.command = find(argc, argv, &words);
    if (!cli.command)
        return unknown(argc, argv);
    cli.argc = argc - words;
    cli.argv = argv + words;
    return cli.command->run(&cli);
}
