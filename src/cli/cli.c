// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "sensor/sensor.h"

const struct command cli_commands[] = {
#define COMMAND(id, words, operands, values, summary) \
    {words, operands, values, summary, &id##_options, cmd_##id},
#include "cli/commands.def"
};
STATIC_ASSERT(ARRAY_SIZE(cli_commands) == CLI_N_COMMANDS, "one for each row");

struct options cli_command_options(const struct command *command)
{
    return (struct options){
        .program = "safeguard",
        .command = command->words,
        .operands = command->operands,
        .summary = command->summary,
        .description = command->options->description,
        .rows = command->options->rows,
        .n_rows = command->options->n_rows,
        .stop_at_operand = command->options->stop_at_operand,
        .operand_values = command->values,
    };
}

struct parse {
    struct cli *cli;
    option_fn fn;
    void *ctx;
    bool help;
    enum color_mode color;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct parse *p = ctx;

    switch (id) {
    case OPT_HELP: p->help = true; return 0;
    case OPT_JSON: p->cli->json = true; return 0;
    case OPT_SOCKET: p->cli->socket = arg; return 0;
    case OPT_SERVER: p->cli->server = arg; return 0;
    case OPT_COLOR:
        if (color_mode_parse(arg, &p->color) == 0)
            return 0;
        (void)error_set(err, -EINVAL, "--color: '%s' is not valid", arg);
        error_expected(err, "auto, always or never");
        return -EINVAL;
    default: return p->fn ? p->fn(p->ctx, id, arg, err) : 0;
    }
}

int cli_parse(struct cli *cli, option_fn fn, void *ctx)
{
    struct options options = cli_command_options(cli->command);
    struct parse p = {.cli = cli, .fn = fn, .ctx = ctx};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int first = 0;

    cli->socket = CONTROL_SOCKET;
    if (options_parse(&options, cli->argc, cli->argv, on_option, &p, &first, &err) < 0)
        return cli_usage(cli, &err);
    cli->operands = cli->argv + first;
    cli->n_operands = cli->argc - first;
    cli->color = color_enabled(p.color, stdout);
    if (!p.help)
        return -1;
    options_help(&options, 0, &sb);
    return cli_print(&sb, CLI_OK);
}

int cli_bad_value(struct error *err, const char *option, const char *given, const char *expected)
{
    (void)error_set(err, -EINVAL, "%s: '%s' is not valid", option, given);
    error_expected(err, "%s", expected);
    return -EINVAL;
}

int cli_fail(const struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_puts(&sb, "safeguard: ");
    error_format(err, &sb);
    (void)write_all(STDERR_FILENO, sb_str(&sb), sb.len);
    switch (err->code) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EPROTONOSUPPORT: return CLI_UNREACHABLE;
    default: return CLI_FAILED;
    }
}

int cli_usage(const struct cli *cli, const struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "safeguard %s: ", cli->command->words);
    error_format(err, &sb);
    (void)write_all(STDERR_FILENO, sb_str(&sb), sb.len);
    return CLI_USAGE;
}

int cli_operands(const struct cli *cli, int least, int most)
{
    struct error err = {};

    if (cli->n_operands > most)
        (void)error_set(&err, -EINVAL, "'%s' is not expected here", cli->operands[most]);
    else if (cli->n_operands < least)
        (void)error_set(&err, -EINVAL, "something is missing");
    else
        return -1;
    if (cli->command->operands)
        error_expected(&err, "safeguard %s %s", cli->command->words, cli->command->operands);
    return cli_usage(cli, &err);
}

int cli_print(const struct strbuf *sb, int status)
{
    int r = sb->failed ? -ENOMEM : write_all(STDOUT_FILENO, sb_str(sb), sb->len);

    if (r < 0 && r != -EPIPE)
        (void)fprintf(stderr, "safeguard: the output cannot be written: %s\n", strerror(-r));
    return r < 0 ? CLI_FAILED : status;
}

// Nobody answers: whether the kernel enforces all the same is what one has to know then.
static int fail_unreachable(const struct cli *cli, const struct error *err)
{
    int left;

    (void)cli_fail(err);
    if (err->code != -ENOENT && err->code != -ECONNREFUSED)
        return err->code == -EACCES || err->code == -EPERM ? CLI_FAILED : CLI_UNREACHABLE;
    if (!streq(cli->socket, CONTROL_SOCKET))
        return CLI_UNREACHABLE;
    left = sensor_left(NULL);
    if (left < 0)
        (void)fprintf(stderr, "  whether something is in force in the kernel cannot be seen: %s\n",
                      strerror(-left));
    else
        (void)fprintf(
            stderr, "  %s\n",
            left
                ? "what an earlier agent loaded is still in force in the kernel, and not recorded; "
                  "'safeguard stop --detach' would end it"
                : "nothing of safeguard is in force");
    return CLI_UNREACHABLE;
}

int cli_ask(struct cli *cli, enum control_command command, const char *args, uint32_t timeout_ms,
            struct json_object **ret_result)
{
    _cleanup_(control_client_freep) struct control_client *client = NULL;
    struct error err = {};
    int r;

    r = control_client_new(cli->socket, timeout_ms, &client, &err);
    if (r == 0)
        r = control_client_call(client, command, args, ret_result, &err);
    if (r == 0)
        return 0;
    if (cli->leave)
        cli->leave(cli->leave_ctx);
    if (!client)
        return fail_unreachable(cli, &err);
    // A mistake in a policy is an answer, not a failure.
    return cli_fail(&err) == CLI_UNREACHABLE ? CLI_UNREACHABLE
           : r == -EINVAL                    ? CLI_NEGATIVE
                                             : CLI_FAILED;
}

size_t cli_length(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

void cli_pretty(struct json_object *value, struct strbuf *sb)
{
    const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE |
                                                                 JSON_C_TO_STRING_SPACED);

    sb_puts(sb, text ? text : "null");
    sb_putc(sb, '\n');
}

static const char description[] =
    "safeguard protects hosts: rules in /etc/safeguard/policies say who may do what to which files, the "
    "kernel decides by them, and the agent records it. These commands show and check it: on this host, or, after "
    "'safeguard login', by a server that many hosts report to.";

static const char statuses[] =
    "Exit status: 0 fine, 1 the answer is no, 2 wrong usage, 3 no agent or server answers, 4 failure.";

void cli_help(struct strbuf *sb)
{
    sb_puts(
        sb,
        "Usage: safeguard COMMAND [OPTION...] [ARGUMENT...]\nprotects this host\n\nCommands:\n");
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        sb_printf(sb, "  %-16s  %s\n", cli_commands[i].words, cli_commands[i].summary);
    sb_printf(sb, "\n'safeguard COMMAND --help' says more about one of them.\n%s\n", statuses);
}

static void all_options(struct options ret[CLI_N_COMMANDS])
{
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        ret[i] = cli_command_options(&cli_commands[i]);
}

static const struct options program = {
    .program = "safeguard",
    .operands = "COMMAND [ARGUMENT...]",
    .summary = "protects this host: status, events and policies",
    .description = description,
};

void cli_man(struct strbuf *sb)
{
    struct options commands[CLI_N_COMMANDS];

    all_options(commands);

    options_man(&program, commands, CLI_N_COMMANDS, 1, SAFEGUARD_VERSION, sb);
    sb_printf(sb, ".SH EXIT STATUS\n%s\n", statuses + strlen("Exit status: "));
    sb_puts(sb, ".SH SEE ALSO\n.BR safeguard\\-policy (5),\n.BR safeguard\\-agent (8),\n"
                ".BR safeguard\\-agent.yaml (5)\n");
}
