// SPDX-License-Identifier: Apache-2.0
//
// `safeguard alerts` and `alerts set`: what wants somebody's attention, and what became of it.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "control/message.h"

#define ALERTS_MAX 100000
#define STATUSES   "new acknowledged resolved false-positive"

enum { OPT_STATUS = OPT_OWN, OPT_SEVERITY, OPT_HOST, OPT_RULE, OPT_OWNER, OPT_COMMENT };

struct alerts {
    const char *status, *severity, *host, *rule, *owner, *comment;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct alerts *a = ctx;

    switch (id) {
    case OPT_STATUS: a->status = arg; break;
    case OPT_SEVERITY: a->severity = arg; break;
    case OPT_HOST: a->host = arg; break;
    case OPT_RULE: a->rule = arg; break;
    case OPT_OWNER: a->owner = arg; break;
    case OPT_COMMENT: a->comment = arg; break;
    }
    return 0;
}

static const struct option_row rows[] = {
    {0, "status", "STATUS",
     "only these: new, acknowledged, resolved or false-positive (default: new and acknowledged)",
     OPTION_ARG, OPT_STATUS, STATUSES},
    {0, "severity", "N", "only this severity and above: 1 (informational) to 6 (fatal)", OPTION_ARG,
     OPT_SEVERITY, "1 2 3 4 5 6"},
    {0, "host", "NAME", "only of this host", OPTION_ARG, OPT_HOST, NULL},
    {'r', "rule", "RULE", "only of this rule", OPTION_ARG, OPT_RULE, NULL},
    ROW_SERVER,
    ROW_JSON,
    ROW_COLOR,
    ROW_HELP,
};

const struct command_options alerts_options = {
    .description =
        "Denials and findings of one kind are one alert with a count. With the id of one: everything that is known of "
        "it.\n\n"
        "Exit status: 0 there is none, 1 there are some, 2 wrong usage, 3 the server does not answer, 4 failure.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

static enum color color_of(uint64_t severity)
{
    return severity >= 4 ? COLOR_RED : severity == 3 ? COLOR_YELLOW : COLOR_RESET;
}

static const char *severity_word(uint64_t severity)
{
    static const char *const words[] = {"unknown", "info",     "low",  "medium",
                                        "high",    "critical", "fatal"};

    return severity < ARRAY_SIZE(words) ? words[severity] : "other";
}

void render_alerts(struct json_object *items, uint64_t now_ms, bool color, struct strbuf *sb)
{
    struct columns c = {.n = 7,
                        .titles = {"ID", "SEVERITY", "STATUS", "COUNT", "LAST SEEN", "HOST",
                                   "WHAT"}};

    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *a = json_object_array_get_idx(items, i);
        uint64_t severity = json_get_u64(a, "severity", 0);

        columns_put(&c, json_get_str(a, "id", "?"));
        columns_color(&c, color_of(severity));
        columns_put(&c, severity_word(severity));
        columns_put(&c, json_get_str(a, "status", "?"));
        columns_put_count(&c, json_get_u64(a, "count", 0));
        columns_put_ago(&c, json_get_u64(a, "last_seen", 0), now_ms);
        columns_put(&c, json_get_str(a, "host_name", json_get_str(a, "host", "?")));
        columns_put(&c, json_get_str(a, "title", "?"));
    }
    columns_print(&c, color, sb);
    columns_done(&c);
}

static void put_time_line(struct strbuf *sb, const char *key, uint64_t ms)
{
    sb_printf(sb, "%-10s  ", key);
    put_time(sb, ms);
    sb_putc(sb, '\n');
}

// Its text is a sentence, by a person or by the server.
static bool is_said(const char *kind)
{
    return streq(kind, "comment") || streq(kind, "over") || streq(kind, "seen-again");
}

void render_alert(struct json_object *detail, bool color, struct strbuf *sb)
{
    static const struct {
        const char *key, *title;
    } texts[] = {{"host_name", "host"}, {"status", "status"},   {"owner", "owner"},
                 {"rule", "rule"},      {"program", "program"}, {"user", "user"},
                 {"path", "path"},      {"cure", "to do"}};
    struct json_object *a = json_get(detail, "alert"), *notes = json_get(detail, "history");
    uint64_t severity = json_get_u64(a, "severity", 0);

    sb_printf(sb, "%s%s%s  ", color_seq(color, color_of(severity)), severity_word(severity),
              color_seq(color, COLOR_RESET));
    put_escaped(sb, json_get_str(a, "title", "?"));
    sb_putc(sb, '\n');
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *text = json_get_str(a, texts[i].key, NULL);

        if (str_isempty(text))
            continue;
        sb_printf(sb, "%-10s  ", texts[i].title);
        put_escaped(sb, text);
        sb_putc(sb, '\n');
    }
    sb_puts(sb, "count       ");
    put_count(sb, json_get_u64(a, "count", 0));
    sb_putc(sb, '\n');
    put_time_line(sb, "first", json_get_u64(a, "first_seen", 0));
    put_time_line(sb, "last", json_get_u64(a, "last_seen", 0));
    for (size_t i = 0; i < cli_length(notes); i++) {
        struct json_object *one = json_object_array_get_idx(notes, i);
        const char *kind = json_get_str(one, "kind", "comment");

        put_time(sb, json_get_u64(one, "time", 0));
        sb_puts(sb, "  ");
        put_escaped(sb, json_get_str(one, "by", "?"));
        sb_printf(sb, ": %s%s", is_said(kind) ? "" : kind, is_said(kind) ? "" : " ");
        put_escaped(sb, json_get_str(one, "text", ""));
        sb_putc(sb, '\n');
    }
}

static int show_list(struct cli *cli, struct remote *r, const struct alerts *a)
{
    _cleanup_(sb_done) struct strbuf path = {}, sb = {};
    struct json_object *items = NULL;
    bool any;
    int status;

    sb_puts(&path, "/alerts");
    url_param(&path, "status", a->status ? a->status : "new,acknowledged");
    url_param(&path, "severity", a->severity);
    url_param(&path, "host", a->host);
    url_param(&path, "rule", a->rule);
    url_param(&path, "limit", "500");
    status = cli_list(cli, r, sb_str(&path), ALERTS_MAX, &items);
    if (status != 0)
        return status;
    any = cli_length(items) > 0;
    if (cli->json)
        cli_pretty(items, &sb);
    else if (any)
        render_alerts(items, now_ns(CLOCK_REALTIME) / NS_PER_MS, cli->color, &sb);
    else
        sb_puts(&sb, "no alerts\n");
    json_object_put(items);
    return cli_print(&sb, any ? CLI_NEGATIVE : CLI_OK);
}

static int show_one(struct cli *cli, struct remote *r, const char *id)
{
    _cleanup_(sb_done) struct strbuf path = {}, sb = {};
    struct json_object *alert = NULL;
    int status;

    sb_puts(&path, "/alerts");
    url_piece(&path, id);
    status = cli_call(cli, r, "GET", sb_str(&path), NULL, &alert);
    if (status != 0)
        return status;
    if (cli->json)
        cli_pretty(alert, &sb);
    else
        render_alert(alert, cli->color, &sb);
    json_object_put(alert);
    return cli_print(&sb, CLI_NEGATIVE);
}

int cmd_alerts(struct cli *cli)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    struct alerts a = {};
    int status;

    status = cli_parse(cli, on_option, &a);
    status = status >= 0 ? status : cli_operands(cli, 0, 1);
    if (status >= 0)
        return status;
    status = cli_remote(cli, &r);
    if (status != 0)
        return status;
    return cli->n_operands ? show_one(cli, r, cli->operands[0]) : show_list(cli, r, &a);
}

// set --------------------------------------------------------------------------------------------------

static const struct option_row set_rows[] = {
    {0, "status", "STATUS", "what became of it: new, acknowledged, resolved or false-positive",
     OPTION_ARG, OPT_STATUS, STATUSES},
    {0, "owner", "USER", "who looks after it; '' for nobody", OPTION_ARG, OPT_OWNER, NULL},
    {'m', "comment", "TEXT", "say why", OPTION_ARG, OPT_COMMENT, NULL},
    ROW_SERVER,
    ROW_HELP,
};

const struct command_options alerts_set_options = {
    .description =
        "Changes one or several alerts. One that is resolved and happens again becomes new.",
    .rows = set_rows,
    .n_rows = ARRAY_SIZE(set_rows),
};

static int set_one(struct cli *cli, struct remote *r, const char *id, const struct alerts *a)
{
    _cleanup_(sb_done) struct strbuf path = {}, body = {}, comment = {};
    struct jw jw;
    int status = 0;

    sb_puts(&path, "/alerts");
    url_piece(&path, id);
    jw_init(&jw, &body);
    jw_begin_object(&jw);
    if (a->status)
        jw_kv_str(&jw, "status", a->status);
    if (a->owner)
        jw_kv_str(&jw, "owner", *a->owner ? a->owner : NULL);
    jw_end_object(&jw);
    if (a->status || a->owner)
        status = cli_call(cli, r, "PATCH", sb_str(&path), &body, NULL);
    if (status != 0 || !a->comment)
        return status;
    sb_puts(&path, "/comments");
    jw_init(&jw, &comment);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "text", a->comment);
    jw_end_object(&jw);
    return cli_call(cli, r, "POST", sb_str(&path), &comment, NULL);
}

int cmd_alerts_set(struct cli *cli)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    struct alerts a = {};
    int status;

    status = cli_parse(cli, on_option, &a);
    status = status >= 0 ? status : cli_operands(cli, 1, 10000);
    if (status >= 0)
        return status;
    if (!a.status && !a.owner && !a.comment) {
        (void)error_set(&err, -EINVAL, "there is nothing to set");
        error_expected(&err, "--status, --owner or --comment");
        return cli_usage(cli, &err);
    }
    status = cli_remote(cli, &r);
    for (int i = 0; i < cli->n_operands && status == 0; i++)
        status = set_one(cli, r, cli->operands[i], &a);
    if (status != 0)
        return status;
    sb_printf(&sb, "%d changed\n", cli->n_operands);
    return cli_print(&sb, CLI_OK);
}
