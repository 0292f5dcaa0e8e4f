// SPDX-License-Identifier: Apache-2.0
//
// `safeguard net`: asks the agent who talks to whom, once, or again and again with --watch.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/render.h"
#include "cli/screen.h"

enum { OPT_WATCH = OPT_OWN, OPT_INTERVAL, OPT_LIMIT, OPT_PROCESS, OPT_PEER, OPT_LIVE };

#define ROWS_MAX 5000u

static const struct option_row net_rows[] = {
    {'w', "watch", NULL, "again and again, until q or an interrupt", OPTION_FLAG, OPT_WATCH, NULL},
    {'i', "interval", "TIME", "with --watch, how often: 500ms or 2s (default: 2s)", OPTION_ARG,
     OPT_INTERVAL, NULL},
    {'p', "process", "NAME|PID", "only those of this process: its name, path ('*' matches) or pid",
     OPTION_ARG, OPT_PROCESS, NULL},
    {0, "peer", "ADDRESS|NAME", "only those with this address or name ('*' matches)", OPTION_ARG,
     OPT_PEER, NULL},
    {0, "live", NULL, "of flows, only those that go on", OPTION_FLAG, OPT_LIVE, NULL},
    {'n', "limit", "N", "how many rows the agent gives, at most 5000 (default: 200)", OPTION_ARG,
     OPT_LIMIT, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options net_options = {
    .description =
        "flows (the default): connections, listeners and flows of datagrams that go on, and those that ended last. dns: which "
        "names were asked for, by whom, and what the answer was. drops: packets that the kernel dropped, by reason and place. "
        "map: which program talks to which other one, host or name, added up since the agent started. "
        "forwarded: packets that this host passes on for others, of the last ten minutes.\n\n"
        "The agent looks at this when its settings `flows` and `dns` are on. NAME is the one that the address was last learnt by. "
        "How much a connection over TCP that goes on has sent is read from the kernel for those in the host's own network.",
    .rows = net_rows,
    .n_rows = ARRAY_SIZE(net_rows),
};

struct net {
    struct cli *cli;
    const char *what;
    bool watch;
    uint32_t interval_ms, limit;
    struct net_filter filter;
    struct screen screen;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct net *n = ctx;

    switch (id) {
    case OPT_WATCH: n->watch = true; return 0;
    case OPT_PROCESS: n->filter.process = arg; return 0;
    case OPT_PEER: n->filter.peer = arg; return 0;
    case OPT_LIVE: n->filter.live = true; return 0;
    case OPT_INTERVAL:
        return interval_parse(arg, &n->interval_ms) == 0
                   ? 0
                   : cli_bad_value(err, "--interval", arg, INTERVAL_TEXT);
    case OPT_LIMIT:
        if (parse_u32(arg, &n->limit) < 0 || n->limit == 0 || n->limit > ROWS_MAX)
            return cli_bad_value(err, "--limit", arg, "a number from 1 to 5000");
        return 0;
    default: return 0;
    }
}

static int find_what(struct net *n)
{
    static const char *const words[] = {"flows", "dns", "drops", "map", "forwarded"};
    const char *given = n->cli->n_operands ? n->cli->operands[0] : words[0];
    struct error err = {};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (streq(words[i], given)) {
            n->what = words[i];
            return -1;
        }
    (void)error_set(&err, -EINVAL, "'%.40s' is nothing that the network is asked for", given);
    error_expected(&err, "flows, dns, drops, map or forwarded");
    return cli_usage(n->cli, &err);
}

static int ask(const struct net *n, struct json_object **ret)
{
    _cleanup_(sb_done) struct strbuf args = {};
    struct jw jw;
    int r;

    jw_init(&jw, &args);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "what", n->what);
    // What is filtered here is taken from as much as there is.
    jw_kv_u64(&jw, "limit", n->filter.process || n->filter.peer ? ROWS_MAX : n->limit);
    jw_end_object(&jw);
    if (jw_finish(&jw) < 0)
        return CLI_FAILED;
    r = cli_ask(n->cli, CONTROL_net, sb_str(&args), 0, ret);
    if (r == 0)
        net_filter_apply(*ret, &n->filter);
    return r;
}

static int show(const struct net *n, struct json_object *answer, struct json_object *before)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    unsigned lines, width;

    if (n->cli->json && !n->watch) {
        cli_pretty(answer, &sb);
    } else if (n->cli->json) {
        sb_puts(&sb, json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE));
        sb_putc(&sb, '\n');
    } else {
        screen_begin(&n->screen, &sb, &lines, &width);
        render_net(n->what, answer, before, n->cli->color, lines, width, &sb);
        if (n->watch && !lines)
            sb_putc(&sb, '\n');
    }
    return cli_print(&sb, CLI_OK);
}

static int watch(struct net *n)
{
    struct json_object *before = NULL, *answer = NULL;
    char key = 0;
    int r = 0;

    if (!n->cli->json)
        screen_enter(&n->screen);
    n->cli->leave = screen_leave;
    n->cli->leave_ctx = &n->screen;
    while (r == 0 && key != 'q') {
        r = ask(n, &answer);
        if (r != 0)
            break;
        r = show(n, answer, before);
        json_object_put(before);
        before = answer;
        if (screen_wait(&n->screen, n->interval_ms, &key) < 0)
            break;
    }
    json_object_put(before);
    n->cli->leave = NULL;
    n->cli->leave_ctx = NULL;
    screen_leave(&n->screen);
    return r;
}

int cmd_net(struct cli *cli)
{
    struct net n = {.cli = cli, .interval_ms = 2000, .limit = 200, .screen = {.signals = -1}};
    struct json_object *answer = NULL;
    int r;

    r = cli_parse(cli, on_option, &n);
    r = r >= 0 ? r : cli_operands(cli, 0, 1);
    r = r >= 0 ? r : find_what(&n);
    if (r >= 0)
        return r;
    if (n.watch)
        return watch(&n);
    r = ask(&n, &answer);
    if (r == 0) {
        r = show(&n, answer, NULL);
        json_object_put(answer);
    }
    return r;
}
