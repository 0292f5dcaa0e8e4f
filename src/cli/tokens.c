// SPDX-License-Identifier: Apache-2.0
//
// `safeguard token`: tokens by which hosts enrol at a server.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "control/message.h"

enum { OPT_USES = OPT_OWN, OPT_EXPIRES, OPT_LABEL };

struct create {
    uint64_t uses, expires_ms;
    char **labels;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct create *c = ctx;

    switch (id) {
    case OPT_USES:
        if (parse_u64(arg, &c->uses) < 0)
            return error_set(err, -EINVAL, "--uses: '%s' is no number", arg);
        return 0;
    case OPT_EXPIRES:
        if (parse_duration_ms(arg, &c->expires_ms) < 0 || c->expires_ms == 0) {
            (void)error_set(err, -EINVAL, "--expires: '%s' is no span of time", arg);
            error_expected(err, "30m, 1h, 7d");
            return -EINVAL;
        }
        return 0;
    default:
        if (!strchr(arg, '=') || *arg == '=') {
            (void)error_set(err, -EINVAL, "--label: '%s' is no label", arg);
            error_expected(err, "KEY=VALUE");
            return -EINVAL;
        }
        return strv_append(&c->labels, arg);
    }
}

static const struct option_row create_rows[] = {
    {0, "uses", "N", "how many hosts may enrol by it (default: 1; 0: any number)", OPTION_ARG,
     OPT_USES, NULL},
    {0, "expires", "SPAN", "when it ends, from now on (default: 1h)", OPTION_ARG, OPT_EXPIRES,
     NULL},
    {'l', "label", "KEY=VALUE", "a label that the hosts get; may be given several times",
     OPTION_ARG, OPT_LABEL, NULL},
    ROW_SERVER,
    ROW_JSON,
    ROW_HELP,
};

const struct command_options token_create_options = {
    .description =
        "Prints a token, once, and the command to type on the host. Whoever has it can enrol a host until it is used up or "
        "has expired; by it the host knows the server's certificate authority.",
    .rows = create_rows,
    .n_rows = ARRAY_SIZE(create_rows),
};

static void create_body(const struct create *c, struct strbuf *body)
{
    struct jw jw;

    jw_init(&jw, body);
    jw_begin_object(&jw);
    if (c->uses)
        jw_kv_u64(&jw, "uses", c->uses);
    else
        jw_kv_null(&jw, "uses");
    jw_kv_u64(&jw, "expires_in", c->expires_ms);
    jw_kv_object(&jw, "labels");
    STRV_FOREACH (label, c->labels) {
        const char *equal = strchr(*label, '=');
        _cleanup_free_ char *key = strndup(*label, (size_t)(equal - *label));

        if (!key)
            body->failed = true;
        else
            jw_kv_str(&jw, key, equal + 1);
    }
    jw_end_object(&jw);
    jw_end_object(&jw);
}

int cmd_token_create(struct cli *cli)
{
    struct create c = {.uses = 1, .expires_ms = 3600000};
    _cleanup_(sb_done) struct strbuf body = {}, sb = {};
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(strv_freep) char **labels = NULL;
    struct json_object *answer = NULL;
    int status;

    status = cli_parse(cli, on_option, &c);
    labels = c.labels;
    status = status >= 0 ? status : cli_operands(cli, 0, 0);
    if (status >= 0)
        return status;
    create_body(&c, &body);
    status = cli_remote(cli, &r);
    status = status ? status : cli_call(cli, r, "POST", "/enrolment-tokens", &body, &answer);
    if (status != 0)
        return status;
    if (cli->json)
        cli_pretty(answer, &sb);
    else
        sb_printf(&sb, "%s\n\non the host, as root:\n  %s\n", json_get_str(answer, "text", "?"),
                  json_get_str(answer, "command", "?"));
    json_object_put(answer);
    return cli_print(&sb, CLI_OK);
}

// list -------------------------------------------------------------------------------------------------

static const struct option_row list_rows[] = {ROW_SERVER, ROW_JSON, ROW_COLOR, ROW_HELP};

const struct command_options token_list_options = {
    .description = "What the tokens are is known to nobody any more; they are named by their ids.",
    .rows = list_rows,
    .n_rows = ARRAY_SIZE(list_rows),
};

void render_tokens(struct json_object *items, bool color, struct strbuf *sb)
{
    struct columns c = {.n = 6, .titles = {"ID", "USED", "LEFT", "EXPIRES", "MADE BY", "COMMENT"}};

    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *t = json_object_array_get_idx(items, i);
        _cleanup_(sb_done) struct strbuf when = {};

        if (json_get_u64(t, "expires", 0))
            put_time(&when, json_get_u64(t, "expires", 0));
        else
            sb_puts(&when, "never");
        columns_put(&c, json_get_str(t, "id", "?"));
        columns_put_count(&c, json_get_u64(t, "used", 0));
        if (json_get(t, "uses_left"))
            columns_put_count(&c, json_get_u64(t, "uses_left", 0));
        else
            columns_put(&c, "any");
        columns_put(&c, sb_str(&when));
        columns_put(&c, json_get_str(t, "by", ""));
        columns_put(&c, json_get_str(t, "comment", ""));
    }
    columns_print(&c, color, sb);
    columns_done(&c);
}

int cmd_token_list(struct cli *cli)
{
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 0, 0);
    return status >= 0 ? status : cli_show_list(cli, "/enrolment-tokens", 10000, render_tokens);
}

// revoke -----------------------------------------------------------------------------------------------

static const struct option_row revoke_rows[] = {ROW_SERVER, ROW_HELP};

const struct command_options token_revoke_options = {
    .description = "Nobody enrols by it any more; hosts that did stay enrolled.",
    .rows = revoke_rows,
    .n_rows = ARRAY_SIZE(revoke_rows),
};

int cmd_token_revoke(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf path = {};
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 1, 1);
    if (status >= 0)
        return status;
    sb_puts(&path, "/enrolment-tokens");
    url_piece(&path, cli->operands[0]);
    return cli_change(cli, "DELETE", sb_str(&path), NULL, "revoked\n");
}
