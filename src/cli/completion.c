// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts from the table of commands. bash is base/options.h's; zsh and fish are made here.
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "cli/cli.h"

// Text inside '...' of both shells; `also` are further characters that need a backslash there.
static void put_quoted(struct strbuf *sb, const char *text, const char *also)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            sb_puts(sb, "'\\''");
        else if (strchr(also, *c))
            sb_printf(sb, "\\%c", *c);
        else
            sb_putc(sb, *c);
    }
}

// The first word of a command, and the second one, "" when there is none.
static size_t first_word(const struct command *c)
{
    return strcspn(c->words, " ");
}

static const char *second_word(const struct command *c)
{
    const char *rest = c->words + first_word(c);

    return rest + (*rest == ' ');
}

// What zsh completes for an argument: files, directories, or words.
static void put_zsh_values(struct strbuf *sb, const char *values)
{
    if (!values)
        return;
    if (streq(values, "FILE"))
        sb_puts(sb, "_files");
    else if (streq(values, "DIR"))
        sb_puts(sb, "_files -/");
    else
        sb_printf(sb, "(%s)", values);
}

static void put_zsh_options(struct strbuf *sb, const struct command *c)
{
    for (size_t i = 0; i < c->options->n_rows; i++) {
        const struct option_row *row = &c->options->rows[i];

        sb_puts(sb, " \\\n                ");
        if (row->short_name)
            sb_printf(sb, "'(-%c --%s)'{-%c%s,--%s%s}'[", row->short_name, row->long_name,
                      row->short_name, row->arg ? "+" : "", row->long_name, row->arg ? "=" : "");
        else
            sb_printf(sb, "'--%s%s[", row->long_name, row->arg ? "=" : "");
        put_quoted(sb, row->help, "[]:\\");
        sb_putc(sb, ']');
        if (row->arg) {
            sb_putc(sb, ':');
            put_quoted(sb, row->arg, ":\\");
            sb_putc(sb, ':');
            put_zsh_values(sb, row->values);
        }
        sb_putc(sb, '\'');
    }
    if (c->values) {
        sb_puts(sb, " \\\n                '*:argument:");
        put_zsh_values(sb, c->values);
        sb_putc(sb, '\'');
    }
}

// What stands for all commands that share a first word, where no command has that word alone.
static const struct {
    const char *word, *summary;
} groups[] = {
#define COMMAND(...)
#define COMMAND_GROUP(word, summary) {word, summary},
#include "cli/commands.def"
};

static bool begins_with(const struct command *c, const char *word)
{
    return first_word(c) == strlen(word) && !strncmp(c->words, word, strlen(word));
}

// The words that may follow a first one.
static void put_zsh_second(struct strbuf *sb, const char *word, bool only)
{
    sb_printf(sb,
              "    if [[ $words[2] == %s ]] && (( CURRENT == 3 )); then\n        words_here=(\n",
              word);
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        if (*second_word(&cli_commands[i]) && begins_with(&cli_commands[i], word)) {
            sb_printf(sb, "            '%s:", second_word(&cli_commands[i]));
            put_quoted(sb, cli_commands[i].summary, ":\\");
            sb_puts(sb, "'\n");
        }
    sb_printf(sb, "        )\n        _describe command words_here\n%s    fi\n",
              only ? "        return\n" : "");
}

static void put_zsh_case(struct strbuf *sb, const struct command *c)
{
    const int words = *second_word(c) ? 2 : 1;

    sb_printf(
        sb,
        "        '%s'%s)\n            shift %d words; (( CURRENT -= %d ))\n            _arguments",
        c->words, words == 2 ? "" : "\\ *", words, words);
    put_zsh_options(sb, c);
    sb_puts(sb, " ;;\n");
}

static void zsh(struct strbuf *sb)
{
    sb_puts(sb, "#compdef safeguard\n\n_safeguard() {\n    local -a words_here\n"
                "    if (( CURRENT == 2 )); then\n        words_here=(\n");
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        if (*second_word(&cli_commands[i]))
            continue;
        sb_printf(sb, "            '%s:", cli_commands[i].words);
        put_quoted(sb, cli_commands[i].summary, ":\\");
        sb_puts(sb, "'\n");
    }
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (!*groups[i].summary)
            continue;
        sb_printf(sb, "            '%s:", groups[i].word);
        put_quoted(sb, groups[i].summary, ":\\");
        sb_puts(sb, "'\n");
    }
    sb_puts(sb, "        )\n        _describe command words_here\n        return\n    fi\n");
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        put_zsh_second(sb, groups[i].word, *groups[i].summary);
    sb_puts(sb, "    case \"$words[2] $words[3]\" in\n");
    // "hosts label" before "hosts": the first that fits is taken.
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        if (*second_word(&cli_commands[i]))
            put_zsh_case(sb, &cli_commands[i]);
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        if (!*second_word(&cli_commands[i]))
            put_zsh_case(sb, &cli_commands[i]);
    sb_puts(sb, "    esac\n}\n\n_safeguard \"$@\"\n");
}

// The condition under which fish offers something of a command.
static void put_fish_condition(struct strbuf *sb, const struct command *c)
{
    sb_puts(sb, "-n '__fish_seen_subcommand_from ");
    sb_add(sb, c->words, first_word(c));
    if (*second_word(c))
        sb_printf(sb, "; and __fish_seen_subcommand_from %s", second_word(c));
    sb_putc(sb, '\'');
}

static void put_fish_option(struct strbuf *sb, const struct command *c,
                            const struct option_row *row)
{
    sb_puts(sb, "complete -c safeguard ");
    put_fish_condition(sb, c);
    if (row->short_name)
        sb_printf(sb, " -s %c", row->short_name);
    sb_printf(sb, " -l %s", row->long_name);
    if (row->arg && row->values && !streq(row->values, "FILE") && !streq(row->values, "DIR"))
        sb_printf(sb, " -x -a '%s'", row->values);
    else if (row->arg)
        sb_puts(sb, row->values ? " -r -F" : " -x");
    sb_puts(sb, " -d '");
    put_quoted(sb, row->help, "\\");
    sb_puts(sb, "'\n");
}

static void fish(struct strbuf *sb)
{
    sb_puts(sb, "complete -c safeguard -f\n");
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const struct command *c = &cli_commands[i];

        sb_puts(sb, "complete -c safeguard -n ");
        if (*second_word(c)) {
            sb_puts(sb, "'__fish_seen_subcommand_from ");
            sb_add(sb, c->words, first_word(c));
            sb_printf(sb, "' -a %s -d '", second_word(c));
        } else {
            sb_printf(sb, "__fish_use_subcommand -a %s -d '", c->words);
        }
        put_quoted(sb, c->summary, "\\");
        sb_puts(sb, "'\n");
        if (c->values) {
            sb_puts(sb, "complete -c safeguard ");
            put_fish_condition(sb, c);
            if (streq(c->values, "FILE"))
                sb_puts(sb, " -F\n");
            else
                sb_printf(sb, " -a '%s'\n", c->values);
        }
        for (size_t k = 0; k < c->options->n_rows; k++)
            put_fish_option(sb, c, &c->options->rows[k]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        if (*groups[i].summary)
            sb_printf(sb, "complete -c safeguard -n __fish_use_subcommand -a %s -d '%s'\n",
                      groups[i].word, groups[i].summary);
}

static void bash(struct strbuf *sb)
{
    const struct options program = {.program = "safeguard"};
    struct options commands[CLI_N_COMMANDS];

    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        commands[i] = cli_command_options(&cli_commands[i]);
    options_completion_bash(&program, commands, CLI_N_COMMANDS, sb);
}

int cli_completion(const char *shell, struct strbuf *sb)
{
    static const struct {
        const char *name;
        void (*write)(struct strbuf *sb);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
        if (streq(shells[i].name, shell)) {
            shells[i].write(sb);
            return 0;
        }
    return -EINVAL;
}

static const struct option_row rows[] = {ROW_HELP};

const struct command_options completion_options = {
    .description = "For bash: safeguard completion bash > /etc/bash_completion.d/safeguard\n\n"
                   "For zsh: into a file _safeguard in a directory of $fpath. For fish: into "
                   "~/.config/fish/completions/safeguard.fish.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

int cmd_completion(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int r = cli_parse(cli, NULL, NULL);

    if (r >= 0)
        return r;
    if (cli->n_operands != 1 || cli_completion(cli->operands[0], &sb) < 0) {
        (void)error_set(&err, -EINVAL, "which shell?");
        error_expected(&err, "bash, zsh or fish");
        return cli_usage(cli, &err);
    }
    return cli_print(&sb, CLI_OK);
}
