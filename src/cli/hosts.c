// SPDX-License-Identifier: Apache-2.0
//
// `safeguard hosts`: the hosts of a server, one of them, their labels, and what is done when one is lost.
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

#define HOSTS_MAX   100000
#define REASONS_MAX 10

enum { OPT_STATE = OPT_OWN, OPT_LABEL };

struct hosts {
    const char *state, *label;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct hosts *h = ctx;

    if (id == OPT_STATE)
        h->state = arg;
    else
        h->label = arg;
    return 0;
}

static const struct option_row rows[] = {
    {0, "state", "STATE", "only those that are ok, degraded, silent, cloned, revoked or retired",
     OPTION_ARG, OPT_STATE, "ok degraded silent cloned revoked retired"},
    {'l', "label", "SELECTOR", "only those whose labels match, such as env=prod,role!=web",
     OPTION_ARG, OPT_LABEL, NULL},
    ROW_SERVER,
    ROW_JSON,
    ROW_COLOR,
    ROW_HELP,
};

const struct command_options hosts_options = {
    .description =
        "Without an operand: all hosts that report to the server. With the name or id of one: its state with reason "
        "and cure, its hooks and its policies.\n\n"
        "Exit status: 0 all that are shown are fine, 1 one is not, 2 wrong usage, 3 the server does not answer, 4 failure.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

static enum color color_of_state(const char *state)
{
    return streq(state, "ok")         ? COLOR_GREEN
           : streq(state, "retired")  ? COLOR_DIM
           : streq(state, "degraded") ? COLOR_YELLOW
                                      : COLOR_RED;
}

static void put_labels(struct strbuf *sb, struct json_object *labels)
{
    const char *separator = "";

    if (!json_object_is_type(labels, json_type_object))
        return;
    json_object_object_foreach(labels, key, value)
    {
        sb_printf(sb, "%s%s=%s", separator, key, strempty(json_object_get_string(value)));
        separator = ",";
    }
}

// Under the table: why those that are not well are not, and what to do. Of a fleet that is lost, the first.
static void put_reasons(struct json_object *items, struct strbuf *sb)
{
    size_t shown = 0, more = 0;

    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *h = json_object_array_get_idx(items, i);

        if (!json_get_str(h, "reason", NULL) || streq(json_get_str(h, "state", ""), "retired"))
            continue;
        if (shown == REASONS_MAX) {
            more++;
            continue;
        }
        sb_puts(sb, shown++ ? "" : "\n");
        put_escaped(sb, json_get_str(h, "name", "?"));
        sb_puts(sb, ": ");
        put_escaped(sb, json_get_str(h, "reason", ""));
        if (json_get_str(h, "cure", NULL)) {
            sb_puts(sb, "\n  to do: ");
            put_escaped(sb, json_get_str(h, "cure", ""));
        }
        sb_putc(sb, '\n');
    }
    if (more)
        sb_printf(sb, "and %zu more\n", more);
}

bool render_hosts(struct json_object *items, uint64_t now_ms, bool color, struct strbuf *sb)
{
    struct columns c = {.n = 7,
                        .titles = {"NAME", "STATE", "SEEN", "DENIED 24 H", "VERSION", "KERNEL",
                                   "LABELS"}};
    bool well = true;

    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *h = json_object_array_get_idx(items, i);
        const char *state = json_get_str(h, "state", "?");
        _cleanup_(sb_done) struct strbuf labels = {};

        put_labels(&labels, json_get(h, "labels"));
        columns_put(&c, json_get_str(h, "name", "?"));
        columns_color(&c, color_of_state(state));
        columns_put(&c, state);
        columns_put_ago(&c, json_get_u64(h, "last_seen", 0), now_ms);
        columns_put_count(&c, json_get_u64(h, "denials_24h", 0));
        columns_put(&c, json_get_str(h, "version", "?"));
        columns_put(&c, json_get_str(h, "kernel", "?"));
        columns_put(&c, sb_str(&labels));
        well = well && (streq(state, "ok") || streq(state, "retired"));
    }
    columns_print(&c, color, sb);
    columns_done(&c);
    put_reasons(items, sb);
    return well;
}

static void put_line(struct strbuf *sb, const char *key, const char *value)
{
    if (str_isempty(value))
        return;
    sb_printf(sb, "%-10s  ", key);
    put_escaped(sb, value);
    sb_putc(sb, '\n');
}

static void put_hooks(struct json_object *hooks, bool color, struct strbuf *sb)
{
    size_t n = cli_length(hooks), proved = 0, untestable = 0, other = 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *h = json_object_array_get_idx(hooks, i);
        const char *state = json_get_str(h, "state", "?");

        proved += streq(state, "proved");
        untestable += streq(state, "untestable");
        if (streq(state, "proved") || streq(state, "untestable") || streq(state, "off") ||
            streq(state, "unavailable"))
            continue;
        other++;
        sb_printf(sb, "  %s%s%s  ", color_seq(color, COLOR_YELLOW), state,
                  color_seq(color, COLOR_RESET));
        put_escaped(sb, json_get_str(h, "id", "?"));
        if (json_get_str(h, "reason", NULL)) {
            sb_puts(sb, ": ");
            put_escaped(sb, json_get_str(h, "reason", ""));
        }
        if (json_get_str(h, "cure", NULL)) {
            sb_puts(sb, "; to do: ");
            put_escaped(sb, json_get_str(h, "cure", ""));
        }
        sb_putc(sb, '\n');
    }
    if (n == 0)
        return;
    sb_printf(sb, "hooks       %zu proved", proved);
    if (untestable)
        sb_printf(sb, ", %zu that no self-test can ask", untestable);
    sb_puts(sb, other ? ", the others that are in use are above\n" : "\n");
}

static void put_own_policies(struct json_object *policies, struct strbuf *sb)
{
    for (size_t i = 0; i < cli_length(policies); i++) {
        struct json_object *p = json_object_array_get_idx(policies, i);

        sb_puts(sb, i ? "            " : "its own     ");
        put_escaped(sb, json_get_str(p, "file", "?"));
        sb_puts(sb, streq(json_get_str(p, "mode", ""), "monitor") ? ", monitored\n" : "\n");
    }
}

// What the server sees, before what the agent says.
static void put_conditions(struct json_object *conditions, bool color, struct strbuf *sb)
{
    for (size_t i = 0; i < cli_length(conditions); i++) {
        struct json_object *c = json_object_array_get_idx(conditions, i);

        sb_printf(sb, "%swrong%s       ", color_seq(color, COLOR_RED),
                  color_seq(color, COLOR_RESET));
        put_escaped(sb, json_get_str(c, "what", "?"));
        sb_puts(sb, "\n            to do: ");
        put_escaped(sb, json_get_str(c, "cure", ""));
        sb_putc(sb, '\n');
    }
}

// All that use the identity of a cloned host.
static void put_rivals(struct json_object *rivals, uint64_t now_ms, struct strbuf *sb)
{
    for (size_t i = 0; i < cli_length(rivals); i++) {
        struct json_object *r = json_object_array_get_idx(rivals, i);

        sb_puts(sb, i ? "            " : "used by     ");
        put_escaped(sb, json_get_str(r, "name", "?"));
        sb_puts(sb, " at ");
        put_escaped(sb, json_get_str(r, "address", "?"));
        sb_puts(sb, ", boot ");
        put_escaped(sb, json_get_str(r, "boot_id", "?"));
        sb_puts(sb, ", machine ");
        put_escaped(sb, json_get_str(r, "machine_id", "?"));
        sb_puts(sb, ", seen ");
        put_span(sb, now_ms - MIN(json_get_u64(r, "last_seen", 0), now_ms));
        sb_puts(sb, " ago\n");
    }
}

static void put_problems(struct json_object *problems, bool color, struct strbuf *sb)
{
    for (size_t i = 0; i < cli_length(problems); i++) {
        struct json_object *p = json_object_array_get_idx(problems, i);

        sb_printf(sb, "%sproblem%s     ", color_seq(color, COLOR_RED),
                  color_seq(color, COLOR_RESET));
        put_escaped(sb, json_get_str(p, "what", "?"));
        sb_putc(sb, '\n');
        if (json_get_str(p, "cure", NULL)) {
            sb_puts(sb, "            to do: ");
            put_escaped(sb, json_get_str(p, "cure", ""));
            sb_putc(sb, '\n');
        }
    }
}

static void put_policies(struct json_object *policies, bool color, struct strbuf *sb)
{
    for (size_t i = 0; i < cli_length(policies); i++) {
        struct json_object *p = json_object_array_get_idx(policies, i);
        const char *state = json_get_str(p, "state", "?");
        const bool failed = streq(state, "failed");

        sb_puts(sb, i ? "            " : "policies    ");
        put_escaped(sb, json_get_str(p, "policy", "?"));
        sb_printf(sb, " version %llu, %s: %s%s%s\n",
                  (unsigned long long)json_get_u64(p, "version", 0),
                  streq(json_get_str(p, "mode", ""), "monitor") ? "monitored" : "as it says",
                  failed ? color_seq(color, COLOR_RED) : "", state,
                  failed ? color_seq(color, COLOR_RESET) : "");
    }
}

bool render_host(struct json_object *detail, uint64_t now_ms, bool color, struct strbuf *sb)
{
    struct json_object *h = json_get(detail, "host");
    const char *state = json_get_str(h, "state", "?");
    _cleanup_(sb_done) struct strbuf labels = {}, seen = {}, until = {};

    put_labels(&labels, json_get(h, "labels"));
    put_line(sb, "name", json_get_str(h, "name", "?"));
    sb_printf(sb, "state       %s%s%s", color_seq(color, color_of_state(state)), state,
              color_seq(color, COLOR_RESET));
    if (json_get_str(h, "reason", NULL) && cli_length(json_get(h, "conditions")) == 0) {
        sb_puts(sb, ": ");
        put_escaped(sb, json_get_str(h, "reason", ""));
    }
    sb_putc(sb, '\n');
    put_line(sb, "id", json_get_str(h, "id", "?"));
    put_line(sb, "labels", sb_str(&labels));
    put_line(sb, "system", json_get_str(h, "os", ""));
    put_line(sb, "kernel", json_get_str(h, "kernel", ""));
    put_line(sb, "version", json_get_str(h, "version", ""));
    if (json_get_u64(h, "last_seen", 0)) {
        put_span(&seen, now_ms - MIN(json_get_u64(h, "last_seen", 0), now_ms));
        sb_puts(&seen, " ago");
        put_line(sb, "seen", sb_str(&seen));
    }
    put_line(sb, "address", json_get_str(h, "address", ""));
    put_line(sb, "boot", json_get_str(h, "boot_id", ""));
    if (json_get_u64(h, "certificate_expires", 0)) {
        put_time(&until, json_get_u64(h, "certificate_expires", 0));
        put_line(sb, "cert until", sb_str(&until));
    }
    put_policies(json_get(detail, "policies"), color, sb);
    put_own_policies(json_get(detail, "own_policies"), sb);
    put_conditions(json_get(h, "conditions"), color, sb);
    put_rivals(json_get(detail, "rivals"), now_ms, sb);
    put_problems(json_get(detail, "problems"), color, sb);
    put_hooks(json_get(detail, "health"), color, sb);
    return streq(state, "ok") || streq(state, "retired");
}

static int show(struct cli *cli, struct json_object *answer, bool one)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    uint64_t now_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    bool well = true;

    if (cli->json)
        cli_pretty(answer, &sb);
    else if (one)
        well = render_host(answer, now_ms, cli->color, &sb);
    else if (cli_length(answer) == 0)
        sb_puts(&sb, "no host; 'safeguard token create' makes a token by which one enrols\n");
    else
        well = render_hosts(answer, now_ms, cli->color, &sb);
    return cli_print(&sb, well ? CLI_OK : CLI_NEGATIVE);
}

int cli_host_path(struct cli *cli, struct remote *r, const char *named, struct strbuf *path)
{
    _cleanup_(sb_done) struct strbuf query = {};
    struct json_object *items = NULL;
    const char *id = NULL;
    struct error err = {};
    size_t n = 0;
    int status;

    sb_puts(&query, "/hosts");
    url_param(&query, "name", named);
    status = cli_list(cli, r, sb_str(&query), HOSTS_MAX, &items);
    if (status != 0)
        return status;
    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *h = json_object_array_get_idx(items, i);

        if (streq(json_get_str(h, "id", ""), named) || streq(json_get_str(h, "name", ""), named)) {
            id = json_get_str(h, "id", "");
            n++;
        }
    }
    sb_puts(path, "/hosts");
    if (n == 1)
        url_piece(path, id);
    json_object_put(items);
    if (n == 1)
        return 0;
    (void)error_set(&err, n ? -EINVAL : -ENOENT,
                    n ? "%2$zu hosts have the name '%1$s'" : "there is no host '%1$s'", named, n);
    error_cure(&err, n ? "name one of them by its id: 'safeguard hosts --json'"
                       : "'safeguard hosts' lists them");
    return cli_fail(&err);
}

int cmd_hosts(struct cli *cli)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf path = {};
    struct json_object *answer = NULL;
    struct hosts h = {};
    int status;

    status = cli_parse(cli, on_option, &h);
    status = status >= 0 ? status : cli_operands(cli, 0, 1);
    if (status >= 0)
        return status;
    status = cli_remote(cli, &r);
    if (status != 0)
        return status;
    if (cli->n_operands) {
        status = cli_host_path(cli, r, cli->operands[0], &path);
        status = status ? status : cli_call(cli, r, "GET", sb_str(&path), NULL, &answer);
    } else {
        sb_puts(&path, "/hosts");
        url_param(&path, "state", h.state);
        url_param(&path, "label", h.label);
        url_param(&path, "limit", "500");
        status = cli_list(cli, r, sb_str(&path), HOSTS_MAX, &answer);
    }
    if (status != 0)
        return status;
    status = show(cli, answer, cli->n_operands > 0);
    json_object_put(answer);
    return status;
}

// label ------------------------------------------------------------------------------------------------

static const struct option_row plain_rows[] = {ROW_SERVER, ROW_HELP};

const struct command_options hosts_label_options = {
    .description =
        "Sets labels, by which policies choose their hosts. KEY= without a value takes one away; labels that are not "
        "named stay.\n\nA change of labels can change which policies hold on the host.",
    .rows = plain_rows,
    .n_rows = ARRAY_SIZE(plain_rows),
};

// What is set on the line, in the labels that there are.
static int change_labels(struct cli *cli, struct json_object *labels)
{
    struct error err = {};

    for (int i = 1; i < cli->n_operands; i++) {
        const char *text = cli->operands[i], *equal = strchr(text, '=');
        _cleanup_free_ char *key = equal ? strndup(text, (size_t)(equal - text)) : NULL;

        if (str_isempty(key)) {
            (void)error_set(&err, -EINVAL, "'%s' is no label", text);
            error_expected(&err, "KEY=VALUE, or KEY= to take it away");
            return cli_usage(cli, &err);
        }
        json_object_object_del(labels, key);
        if (equal[1])
            (void)json_object_object_add(labels, key, json_object_new_string(equal + 1));
    }
    return 0;
}

static int put_labels_of(struct cli *cli, struct remote *r, const char *path,
                         struct json_object *labels)
{
    _cleanup_(sb_done) struct strbuf body = {};

    sb_printf(&body, "{\"labels\":%s}",
              json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN));
    return cli_call(cli, r, "PATCH", path, &body, NULL);
}

static int label(struct cli *cli, struct remote *r)
{
    _cleanup_(sb_done) struct strbuf path = {}, sb = {};
    struct json_object *detail = NULL, *labels;
    struct error err = {};
    int status;

    status = cli_host_path(cli, r, cli->operands[0], &path);
    status = status ? status : cli_call(cli, r, "GET", sb_str(&path), NULL, &detail);
    if (status != 0)
        return status;
    labels = json_get(json_get(detail, "host"), "labels");
    if (!json_object_is_type(labels, json_type_object)) {
        json_object_put(detail);
        (void)error_set(&err, -EBADMSG, "the server says nothing of the labels of '%s'",
                        cli->operands[0]);
        return cli_fail(&err);
    }
    status = change_labels(cli, labels);
    status = status ? status : put_labels_of(cli, r, sb_str(&path), labels);
    if (status == 0) {
        put_escaped(&sb, cli->operands[0]);
        sb_puts(&sb, ": ");
        put_labels(&sb, labels);
        sb_putc(&sb, '\n');
        status = cli_print(&sb, CLI_OK);
    }
    json_object_put(detail);
    return status;
}

int cmd_hosts_label(struct cli *cli)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 2, 100);
    if (status >= 0)
        return status;
    status = cli_remote(cli, &r);
    return status ? status : label(cli, r);
}

// revoke -----------------------------------------------------------------------------------------------

const struct command_options hosts_revoke_options = {
    .description =
        "The certificate of the host is worth nothing any more: its agent is refused until somebody enrols it anew with a "
        "new token. What the host enforces goes on, and its records wait in its spool.",
    .rows = plain_rows,
    .n_rows = ARRAY_SIZE(plain_rows),
};

int cmd_hosts_revoke(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf path = {}, sb = {};
    _cleanup_(remote_freep) struct remote *r = NULL;
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 1, 1);
    if (status >= 0)
        return status;
    status = cli_remote(cli, &r);
    status = status ? status : cli_host_path(cli, r, cli->operands[0], &path);
    sb_puts(&path, "/revoke");
    status = status ? status : cli_call(cli, r, "POST", sb_str(&path), NULL, NULL);
    if (status != 0)
        return status;
    put_escaped(&sb, cli->operands[0]);
    sb_puts(&sb, " is revoked\n");
    return cli_print(&sb, CLI_OK);
}
