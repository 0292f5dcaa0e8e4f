// SPDX-License-Identifier: Apache-2.0
//
// `safeguard isolate`: cuts a host off from everything but its server and what is named; with --end it takes that back. Of a host of the
// server, or, without one, of this host by its own agent.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/remote.h"
#include "cli/render.h"

#define CALL_MS   60000 // the policies are built anew
#define ALLOW_MAX 64
#define LOOK_MS   300
#define WAIT_MS   60000

enum { OPT_ALLOW = OPT_OWN, OPT_FOR, OPT_REASON, OPT_END, OPT_NO_WAIT };

static const struct option_row isolate_rows[] = {
    {0, "allow", "ADDRESS",
     "what stays reachable, and may come in: an address, a network, each with a port behind it if you like (10.0.0.5, "
     "10.0.0.0/8:22, [fc00::1]:443); may be given 64 times",
     OPTION_ARG, OPT_ALLOW, NULL},
    {0, "for", "TIME", "how long, from 1s to 30d (default: 24h); it ends by itself", OPTION_ARG,
     OPT_FOR, "1h 8h 24h 7d"},
    {0, "reason", "TEXT", "why, for the records", OPTION_ARG, OPT_REASON, NULL},
    {0, "end", NULL, "take it back", OPTION_FLAG, OPT_END, NULL},
    {0, "no-wait", NULL, "of a host of the server: do not wait until it has done so", OPTION_FLAG,
     OPT_NO_WAIT, NULL},
    ROW_SERVER,
    ROW_SOCKET,
    ROW_JSON,
    ROW_COLOR,
    ROW_HELP,
};

const struct command_options isolate_options = {
    .description =
        "Cuts a host off: no process of it reaches anything, connections that were there end, and nobody reaches it. What stays is "
        "the link to its server, at the address that the server has now; the loopback and the host's own addresses; what renews its "
        "address (DHCP); and what --allow names. Names are not looked up meanwhile. It ends by itself when its time has come, outlives agents "
        "and starts of the host, and is given anew to change it.\n\n"
        "HOST is a host of the server, by its name or id: one that is not there now is isolated when it comes back, within a day. Without HOST it "
        "is this host, asked of its agent. What the server began is taken back by the server, or by who may open the defence of the host "
        "('safeguard unlock').\n\n"
        "Exit status: 0 it is in force (with --no-wait: on its way), 1 the host refused or did not answer, 2 wrong usage, 3 the agent or the "
        "server does not answer, 4 failure.",
    .rows = isolate_rows,
    .n_rows = ARRAY_SIZE(isolate_rows),
};

struct isolate {
    const char *allow[ALLOW_MAX];
    size_t n_allow;
    uint64_t for_ms;
    const char *reason;
    bool end, no_wait;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct isolate *i = ctx;

    switch (id) {
    case OPT_ALLOW:
        if (i->n_allow == ALLOW_MAX)
            return error_set(err, -E2BIG, "--allow: %u addresses at the most", ALLOW_MAX);
        i->allow[i->n_allow++] = arg;
        return 0;
    case OPT_FOR:
        if (parse_duration_ms(arg, &i->for_ms) < 0 || !i->for_ms)
            return error_set(err, -EINVAL, "--for: '%s' is no time such as 90m, 8h or 2d", arg);
        return 0;
    case OPT_REASON: i->reason = arg; return 0;
    case OPT_END: i->end = true; return 0;
    default: i->no_wait = true; return 0;
    }
}

static void put_args(const struct isolate *i, struct jw *jw)
{
    jw_begin_object(jw);
    if (!i->end) {
        jw_kv_u64(jw, "for_ms", i->for_ms);
        jw_kv_array(jw, "allow");
        for (size_t k = 0; k < i->n_allow; k++)
            jw_cstr(jw, i->allow[k]);
        jw_end_array(jw);
    }
    if (i->reason)
        jw_kv_str(jw, "reason", i->reason);
    jw_end_object(jw);
}

static int print_result(const struct cli *cli, struct json_object *answer,
                        const struct strbuf *text, int status)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (cli->json)
        cli_pretty(answer, &sb);
    else
        sb_puts(&sb, sb_str(text));
    return cli_print(&sb, status);
}

// This host -------------------------------------------------------------------------------------------------

// What the agent says of it once its rules are in force.
static int tell_here(struct cli *cli)
{
    struct json_object *status = NULL, *i;
    _cleanup_(sb_done) struct strbuf text = {};
    int r = cli_ask(cli, CONTROL_status, NULL, CALL_MS, &status);

    if (r != 0)
        return r;
    i = json_get(status, "isolation");
    if (!json_get_bool(i, "on", 0)) {
        sb_puts(&text, "this host is not isolated any more\n");
    } else {
        sb_puts(&text, "this host is isolated until ");
        put_time(&text, json_get_u64(i, "until_ms", 0));
        sb_puts(&text, "; 'safeguard isolate --end' takes it back\n");
    }
    r = print_result(cli, i, &text, CLI_OK);
    json_object_put(status);
    return r;
}

static int isolate_here(struct cli *cli, const struct isolate *i)
{
    _cleanup_(sb_done) struct strbuf args = {};
    struct json_object *result = NULL;
    struct jw jw;
    int r;

    jw_init(&jw, &args);
    put_args(i, &jw);
    if (jw_finish(&jw) < 0)
        return CLI_FAILED;
    r = cli_ask(cli, i->end ? CONTROL_isolate_end : CONTROL_isolate, sb_str(&args), CALL_MS,
                &result);
    if (r != 0)
        return r;
    json_object_put(result);
    return tell_here(cli);
}

// A host of the server --------------------------------------------------------------------------------------

// The command by its id, among the latest of the host; the caller puts it. NULL: it is not there.
static int find_command(struct cli *cli, struct remote *r, const char *path, const char *id,
                        struct json_object **ret)
{
    struct json_object *answer = NULL, *items;
    int status = cli_call(cli, r, "GET", path, NULL, &answer);

    if (status != 0)
        return status;
    items = json_get(answer, "items");
    *ret = NULL;
    for (size_t i = 0; i < cli_length(items) && !*ret; i++) {
        struct json_object *c = json_object_array_get_idx(items, i);

        if (streq(json_get_str(c, "id", ""), id))
            *ret = json_object_get(c);
    }
    json_object_put(answer);
    return 0;
}

static bool is_under_way(struct json_object *command)
{
    const char *state = json_get_str(command, "status", "");

    return streq(state, "waiting") || streq(state, "sent");
}

// Until the host has said what came of it, or for a minute; the server has no way to tell but to be asked.
static int await_answer(struct cli *cli, struct remote *r, const char *path,
                        struct json_object **command)
{
    _cleanup_free_ char *id = strdup(json_get_str(*command, "id", ""));
    uint64_t end = now_ns(CLOCK_MONOTONIC) + WAIT_MS * NS_PER_MS;
    int status = id ? 0 : CLI_FAILED;

    while (status == 0 && is_under_way(*command) && now_ns(CLOCK_MONOTONIC) < end) {
        const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
        struct json_object *now = NULL;

        (void)nanosleep(&pause, NULL);
        status = find_command(cli, r, path, id, &now);
        if (now) {
            json_object_put(*command);
            *command = now;
        }
    }
    return status;
}

static int tell_there(const struct cli *cli, struct json_object *command, const char *host,
                      const struct isolate *i)
{
    const char *state = json_get_str(command, "status", "?");
    bool done = streq(state, "done"), way = is_under_way(command);
    _cleanup_(sb_done) struct strbuf text = {};

    put_escaped(&text, host);
    if (done)
        sb_puts(&text, i->end ? " is not isolated any more\n" : " is isolated\n");
    else if (way)
        sb_puts(&text, i->no_wait ? ": the command is on its way\n"
                                  : " has not answered yet: the command waits for it\n");
    else {
        sb_puts(&text, " did not do it: ");
        put_escaped(&text, json_get_str(command, "error", state));
        sb_putc(&text, '\n');
    }
    return print_result(cli, command, &text, done || (way && i->no_wait) ? CLI_OK : CLI_NEGATIVE);
}

static int isolate_there(struct cli *cli, const struct isolate *i, const char *host)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf path = {}, body = {};
    struct json_object *command = NULL;
    struct jw jw;
    int status;

    jw_init(&jw, &body);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "name", i->end ? "isolate-end" : "isolate");
    jw_key(&jw, "args");
    put_args(i, &jw);
    jw_end_object(&jw);
    status = jw_finish(&jw) < 0 ? CLI_FAILED : cli_remote(cli, &r);
    status = status ? status : cli_host_path(cli, r, host, &path);
    sb_puts(&path, "/commands");
    status = status ? status : cli_call(cli, r, "POST", sb_str(&path), &body, &command);
    if (status == 0 && !i->no_wait)
        status = await_answer(cli, r, sb_str(&path), &command);
    if (status == 0)
        status = tell_there(cli, command, host, i);
    json_object_put(command);
    return status;
}

int cmd_isolate(struct cli *cli)
{
    struct isolate i = {};
    struct error err = {};
    int r;

    r = cli_parse(cli, on_option, &i);
    r = r >= 0 ? r : cli_operands(cli, 0, 1);
    if (r >= 0)
        return r;
    if (i.end && (i.n_allow || i.for_ms)) {
        (void)error_set(&err, -EINVAL, "--end takes all of it back: without --allow and --for");
        return cli_usage(cli, &err);
    }
    return cli->n_operands ? isolate_there(cli, &i, cli->operands[0]) : isolate_here(cli, &i);
}
