// SPDX-License-Identifier: Apache-2.0
//
// `safeguard ps`: what runs, as the agent knows it.
#include "cli/ps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/cli.h"

enum {
    OPT_TREE = OPT_OWN,
    OPT_IDS,
    OPT_HASHES,
    OPT_WIDE,
    OPT_USER,
    OPT_LOGIN,
    OPT_SESSION,
    OPT_CONTAINER,
    OPT_PACKAGE,
    OPT_DELETED,
};

static const struct option_row ps_rows[] = {
    {'t', "tree", NULL, "show who descends from whom", OPTION_FLAG, OPT_TREE, NULL},
    {0, "ids", NULL, "show the ids that records have, which no other process ever gets",
     OPTION_FLAG, OPT_IDS, NULL},
    {0, "hashes", NULL, "show how the SHA-256 of the programs begins; all of it with --wide",
     OPTION_FLAG, OPT_HASHES, NULL},
    {'w', "wide", NULL, "do not cut lines to the width of the terminal", OPTION_FLAG, OPT_WIDE,
     NULL},
    {'u', "user", "USER", "only processes of this user, name or number", OPTION_ARG, OPT_USER,
     NULL},
    {'l', "login", "USER", "only those of who logged in as this user, whoever they are by now",
     OPTION_ARG, OPT_LOGIN, NULL},
    {0, "session", "KIND", "only those in a session of this kind", OPTION_ARG, OPT_SESSION,
     "ssh cron console service none"},
    {0, "container", "ID", "only those in a container, or in the one whose id begins so",
     OPTION_OPTIONAL_ARG, OPT_CONTAINER, NULL},
    {0, "package", "NAME", "only programs of this package; none: of no package", OPTION_ARG,
     OPT_PACKAGE, "none"},
    {0, "deleted", NULL, "only programs that have no name on this host any more, or never had one",
     OPTION_FLAG, OPT_DELETED, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options ps_options = {
    .description =
        "Operands choose processes by pid, by the name of the program, or by its path. A process stands below the nearest "
        "living one that it descends from: who forked it stays who forked it, also when that has ended. With --tree all that "
        "descends from what was chosen is shown, too.\n\n"
        "Hashes and packages are looked up one after the other when the agent starts, and are left out until they are known. "
        "With --json there is one process a line, with all that is known.\n\n"
        "Exit status: 0 something is shown, 1 nothing matches, 2 wrong usage, 3 no agent answers, 4 failure.",
    .rows = ps_rows,
    .n_rows = ARRAY_SIZE(ps_rows),
};

struct arguments {
    struct ps_options o;
    bool wide;
};

static int take_session(struct ps_filter *f, const char *arg, struct error *err)
{
    static const char *const kinds[] = {"ssh", "cron", "console", "service", "none"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (streq(kinds[i], arg)) {
            f->session = arg;
            return 0;
        }
    }
    (void)error_set(err, -EINVAL, "--session: '%s' is not valid", arg);
    error_expected(err, "ssh, cron, console, service or none");
    return -EINVAL;
}

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct arguments *a = ctx;
    struct ps_filter *f = &a->o.filter;

    switch (id) {
    case OPT_TREE: a->o.tree = true; break;
    case OPT_IDS: a->o.ids = true; break;
    case OPT_HASHES: a->o.hashes = true; break;
    case OPT_WIDE: a->wide = true; break;
    case OPT_USER: f->user = arg; break;
    case OPT_LOGIN: f->login = arg; break;
    case OPT_SESSION: return take_session(f, arg, err);
    case OPT_CONTAINER: f->container = arg ? arg : ""; break;
    case OPT_PACKAGE: f->package = arg; break;
    default: f->deleted = true; break;
    }
    return 0;
}

// The agent answers in pieces.
static int ask_all(struct cli *cli, struct ps_rows *rows, uint64_t *ret_now_ms)
{
    uint64_t from = 0, next = 0;
    char args[64];
    int r;

    do {
        struct json_object *piece = NULL;

        from = next;
        (void)snprintf(args, sizeof(args), "{\"from\":%llu}", (unsigned long long)from);
        r = cli_ask(cli, CONTROL_processes, args, 0, &piece);
        if (r != 0)
            return r;
        next = json_get_u64(piece, "next", 0);
        *ret_now_ms = json_get_u64(piece, "now_ms", 0);
        r = ps_add(rows, json_get(piece, "processes"));
        json_object_put(piece);
        if (r < 0) {
            struct error err = {};

            (void)error_set(&err, r, "%m");
            return cli_fail(&err);
        }
    } while (next > from);
    return 0;
}

static void put_json(const struct ps_rows *rows, struct strbuf *sb)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->rows[i].shown)
            sb_printf(sb, "%s\n",
                      json_object_to_json_string_ext(rows->rows[i].process,
                                                     JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
}

static uint32_t terminal_width(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return PS_WIDTH_UNBOUNDED;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

int cmd_ps(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct arguments a = {};
    struct ps_rows found = {};
    size_t n;
    int r;

    r = cli_parse(cli, on_option, &a);
    if (r >= 0)
        return r;
    a.o.filter.names = cli->operands;
    a.o.filter.n_names = cli->n_operands;
    a.o.color = cli->color;
    a.o.width = a.wide ? PS_WIDTH_UNBOUNDED : terminal_width();
    r = ask_all(cli, &found, &a.o.now_ms);
    if (r == 0) {
        n = ps_choose(&found, &a.o);
        if (cli->json)
            put_json(&found, &sb);
        else if (n)
            render_ps(&found, &a.o, &sb);
        r = cli_print(&sb, n ? CLI_OK : CLI_NEGATIVE);
    }
    ps_done(&found);
    return r;
}
