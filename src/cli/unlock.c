// SPDX-License-Identifier: Apache-2.0
//
// `safeguard unlock` and `safeguard lock`: the window in which the agent of this host may be stopped, upgraded and changed. The secret
// is asked for at the terminal or read from a descriptor, and never an argument: those are everybody's to read.
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/prompt.h"
#include "base/strutil.h"
#include "cli/cli.h"

#define CALL_MS 20000

enum { OPT_FOR = OPT_OWN, OPT_STDIN, OPT_NEW };

static const struct option_row unlock_rows[] = {
    {0, "for", "TIME", "how long, from 1s to 1h (default: 10m)", OPTION_ARG, OPT_FOR,
     "5m 10m 30m 1h"},
    {0, "secret-stdin", NULL, "read the secret from standard input", OPTION_FLAG, OPT_STDIN, NULL},
    {0, "new-secret", NULL, "make a new secret, print it once, and open nothing", OPTION_FLAG,
     OPT_NEW, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options unlock_options = {
    .description =
        "The agent defends itself against everybody, root too: it cannot be stopped, traced or starved, and its programs, "
        "settings, policies, state and unit cannot be changed. This command opens a window in which they can, for upgrades and "
        "maintenance; records and the server tell of it. What is denied by policies stays denied.\n\n"
        "The secret is made once with --new-secret and printed only then: keep it elsewhere than on this host. When it is lost, the "
        "server can open a window (command 'unlock' of a host).\n\n"
        "In the window, 'safeguard stop' ends the agent; its unit refuses 'systemctl stop' at all times.",
    .rows = unlock_rows,
    .n_rows = ARRAY_SIZE(unlock_rows),
};

static const struct option_row lock_rows[] = {ROW_JSON, ROW_COLOR, ROW_SOCKET, ROW_HELP};

const struct command_options lock_options = {
    .description = "Ends the window that 'safeguard unlock' opened, before its time.",
    .rows = lock_rows,
    .n_rows = ARRAY_SIZE(lock_rows),
};

struct unlock {
    uint64_t for_ms;
    bool from_stdin, new_secret;
};

static int on_unlock(void *ctx, int id, const char *arg, struct error *err)
{
    struct unlock *u = ctx;

    if (id == OPT_STDIN)
        u->from_stdin = true;
    else if (id == OPT_NEW)
        u->new_secret = true;
    else if (parse_duration_ms(arg, &u->for_ms) < 0)
        return error_set(err, -EINVAL, "--for: '%s' is no time such as 90s, 10m or 1h", arg);
    return 0;
}

static int print_result(const struct cli *cli, struct json_object *result, const char *text)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (cli->json)
        cli_pretty(result, &sb);
    else
        sb_puts(&sb, text);
    return cli_print(&sb, CLI_OK);
}

static int make_secret(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf text = {};
    struct json_object *result = NULL;
    int r = cli_ask(cli, CONTROL_unlock_secret, NULL, CALL_MS, &result);

    if (r != 0)
        return r;
    sb_printf(
        &text,
        "%s\n\nThis is the secret of 'safeguard unlock' on this host. It is not shown again: keep it elsewhere.\n",
        json_get_str(result, "secret", ""));
    r = print_result(cli, result, sb_str(&text));
    json_object_put(result);
    return r;
}

static int ask_unlock(struct cli *cli, const struct unlock *u, const char *secret)
{
    _cleanup_(sb_done) struct strbuf args = {}, text = {};
    struct json_object *result = NULL, *defence;
    uint64_t until;
    struct jw jw;
    int r;

    jw_init(&jw, &args);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "secret", secret);
    jw_kv_u64(&jw, "for_ms", u->for_ms);
    jw_end_object(&jw);
    if (jw_finish(&jw) < 0)
        return CLI_FAILED;
    r = cli_ask(cli, CONTROL_unlock, sb_str(&args), CALL_MS, &result);
    if (args.s)
        OPENSSL_cleanse(args.s, args.len);
    if (r != 0)
        return r;
    defence = json_get(result, "defence");
    until = json_get_u64(defence, "unlocked_until_ms", 0);
    if (until) {
        time_t at = (time_t)(until / 1000);
        struct tm tm;
        char when[64] = "";

        if (localtime_r(&at, &tm))
            (void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
        sb_printf(&text, "unlocked until %s; 'safeguard lock' ends it before\n", when);
    }
    r = print_result(cli, result, sb_str(&text));
    json_object_put(result);
    return r;
}

int cmd_unlock(struct cli *cli)
{
    _cleanup_(prompt_wipep) char *secret = NULL;
    struct error err = {};
    struct unlock u = {};
    int r;

    r = cli_parse(cli, on_unlock, &u);
    r = r >= 0 ? r : cli_operands(cli, 0, 0);
    if (r >= 0)
        return r;
    if (u.new_secret)
        return make_secret(cli);
    r = prompt_password("Secret of this host: ", u.from_stdin, &secret, &err);
    return r < 0 ? cli_fail(&err) : ask_unlock(cli, &u, secret);
}

int cmd_lock(struct cli *cli)
{
    struct json_object *result = NULL;
    int r;

    r = cli_parse(cli, NULL, NULL);
    r = r >= 0 ? r : cli_operands(cli, 0, 0);
    r = r >= 0 ? r : cli_ask(cli, CONTROL_lock, NULL, CALL_MS, &result);
    if (r != 0)
        return r;
    r = print_result(cli, result, "locked: the agent defends itself\n");
    json_object_put(result);
    return r;
}
