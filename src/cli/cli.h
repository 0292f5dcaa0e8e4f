// SPDX-License-Identifier: Apache-2.0
//
// What the commands of `safeguard` share: the table of commands, common options, ways out. Commands print;
// how things look is made by functions that write into a strbuf and are tested against files
// (tests/golden/cli). main.c starts it; nobody else includes this room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/color.h"
#include "base/error.h"
#include "base/options.h"
#include "base/strbuf.h"
#include "control/client.h"

// Exit statuses, the same for all commands; `doctor` gives a further meaning to 2 (see its help).
enum {
    CLI_OK = 0,
    CLI_NEGATIVE = 1,    // the answer is no: mistakes were found, something is not as it should be
    CLI_USAGE = 2,       // the command line is wrong
    CLI_UNREACHABLE = 3, // no agent, or no server, answers
    CLI_FAILED = 4,      // it could not be done
};

struct cli;

struct command_options {
    const char *description; // paragraphs
    const struct option_row *rows;
    size_t n_rows;
    bool stop_at_operand; // options behind it belong to what is started
};

struct command {
    const char *words, *operands, *values, *summary;
    const struct command_options *options;
    int (*run)(struct cli *cli);
};

extern const struct command cli_commands[];

#define COMMAND(id, words, operands, values, summary) \
    extern const struct command_options id##_options; \
    int cmd_##id(struct cli *cli);
#include "cli/commands.def"

enum {
    CLI_N_COMMANDS = 0
#define COMMAND(...) +1
#include "cli/commands.def"
};

struct cli {
    const struct command *command;
    int argc; // argv[0] is the command's last word
    char **argv;

    // Common options; filled by cli_parse().
    bool json, color;
    const char *socket;
    const char *server; // NULL: not named
    char **operands;    // on loan from argv
    int n_operands;

    // Called before an error is told: by who has the terminal's other screen, where nobody would read it. NULL: nobody has.
    void (*leave)(void *ctx);
    void *leave_ctx;
};

// Ids of the common options; a command's own begin at OPT_OWN.
enum {
    OPT_HELP = 1,
    OPT_JSON,
    OPT_COLOR,
    OPT_SOCKET,
    OPT_SERVER,
    OPT_OWN,
};

#define ROW_HELP                                                         \
    {                                                                    \
        'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL \
    }
#define ROW_JSON                                                   \
    {                                                              \
        0, "json", NULL, "write JSON", OPTION_FLAG, OPT_JSON, NULL \
    }
#define ROW_COLOR                                                                        \
    {                                                                                    \
        0, "color", "WHEN", "use colours: auto, always or never", OPTION_ARG, OPT_COLOR, \
            "auto always never"                                                          \
    }
#define ROW_SOCKET                                                                           \
    {                                                                                        \
        0, "socket", "PATH", "the agent's socket (default: " CONTROL_SOCKET ")", OPTION_ARG, \
            OPT_SOCKET, "FILE"                                                               \
    }

#define ROW_SERVER                                                                              \
    {                                                                                           \
        0, "server", "URL",                                                                     \
            "the server to ask (default: $SAFEGUARD_SERVER, or the one that was logged in to)", \
            OPTION_ARG, OPT_SERVER, NULL                                                        \
    }

// Reads the command line. `fn` gets the options from OPT_OWN on, may be NULL. -1: go on; else the exit
// status: help was shown, or the line was wrong and that was said.
int cli_parse(struct cli *cli, option_fn fn, void *ctx);

// Are there as many operands as have to be? -1: yes; else the exit status.
int cli_operands(const struct cli *cli, int least, int most);

// The options of a command as base/options.h takes them.
struct options cli_command_options(const struct command *command);

// What an option was given is not what it takes: fills err and returns -EINVAL.
int cli_bad_value(struct error *err, const char *option, const char *given, const char *expected);

// Prints the error and returns the status that fits it.
int cli_fail(const struct error *err);
int cli_usage(const struct cli *cli, const struct error *err);

// Writes to standard output. Returns `status`, or CLI_FAILED when it cannot be written.
int cli_print(const struct strbuf *sb, int status);

// Asks the agent. 0 and the result (the caller puts it), or the exit status as a positive number when that
// was said already.
int cli_ask(struct cli *cli, enum control_command command, const char *args, uint32_t timeout_ms,
            struct json_object **ret_result);

// The length of an array, 0 for anything else.
size_t cli_length(struct json_object *array);

// Writes a JSON value, indented, with a newline.
void cli_pretty(struct json_object *value, struct strbuf *sb);

// The text of --help of the program, its manual page and completion scripts.
void cli_help(struct strbuf *sb);
void cli_man(struct strbuf *sb);
int cli_completion(const char *shell, struct strbuf *sb); // -EINVAL: no such shell
