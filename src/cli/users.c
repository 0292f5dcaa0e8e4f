// SPDX-License-Identifier: Apache-2.0
//
// `safeguard user`: who may log in to a server, and what for.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "base/prompt.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "control/message.h"

#define ROLES "viewer operator admin auditor"

enum { OPT_ROLE = OPT_OWN, OPT_STDIN };

struct user {
    char **roles;
    bool from_stdin;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    static const char *const roles[] = {"viewer", "operator", "admin", "auditor"};
    struct user *u = ctx;
    bool known = false;

    if (id == OPT_STDIN) {
        u->from_stdin = true;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        known = known || streq(arg, roles[i]);
    if (!known) {
        (void)error_set(err, -EINVAL, "--role: there is no role '%s'", arg);
        error_expected(err, "viewer, operator, admin or auditor");
        return -EINVAL;
    }
    return strv_append(&u->roles, arg);
}

static const struct option_row add_rows[] = {
    {0, "role", "ROLE", "viewer (default), operator, admin or auditor", OPTION_ARG, OPT_ROLE,
     ROLES},
    {0, "password-stdin", NULL, "read the password from standard input", OPTION_FLAG, OPT_STDIN,
     NULL},
    ROW_SERVER,
    ROW_HELP,
};

const struct command_options user_add_options = {
    .description =
        "A viewer sees records, hosts, alerts and policies. An operator also changes policies and alerts. An admin looks "
        "after users, tokens and hosts, and changes no policy. An auditor sees everything, also what all others did, and "
        "changes nothing. Where the powers are separated, one user is one of the last three.",
    .rows = add_rows,
    .n_rows = ARRAY_SIZE(add_rows),
};

static void add_body(const char *name, const char *password, char *const *roles,
                     struct strbuf *body)
{
    struct jw jw;

    jw_init(&jw, body);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "name", name);
    jw_kv_str(&jw, "password", password);
    jw_kv_array(&jw, "roles");
    if (!roles)
        jw_cstr(&jw, "viewer");
    STRV_FOREACH (role, roles)
        jw_cstr(&jw, *role);
    jw_end_array(&jw);
    jw_end_object(&jw);
}

static int add_user(struct cli *cli, const struct user *u)
{
    _cleanup_(prompt_wipep) char *password = NULL;
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf body = {}, sb = {};
    struct error err = {};
    int status;

    status = cli_remote(cli, &r);
    if (status != 0)
        return status;
    if (prompt_new_password(u->from_stdin, &password, &err) < 0)
        return cli_fail(&err);
    add_body(cli->operands[0], password, u->roles, &body);
    status = cli_call(cli, r, "POST", "/users", &body, NULL);
    if (body.s)
        explicit_bzero(body.s, body.len);
    if (status != 0)
        return status;
    sb_printf(&sb, "%s may log in to %s\n", cli->operands[0], remote_url(r));
    return cli_print(&sb, CLI_OK);
}

int cmd_user_add(struct cli *cli)
{
    struct user u = {};
    int status;

    status = cli_parse(cli, on_option, &u);
    status = status >= 0 ? status : cli_operands(cli, 1, 1);
    if (status < 0)
        status = add_user(cli, &u);
    strv_free(u.roles);
    return status;
}

// list -------------------------------------------------------------------------------------------------

static const struct option_row list_rows[] = {ROW_SERVER, ROW_JSON, ROW_COLOR, ROW_HELP};

const struct command_options user_list_options = {
    .rows = list_rows,
    .n_rows = ARRAY_SIZE(list_rows),
};

void render_users(struct json_object *items, bool color, struct strbuf *sb)
{
    struct columns c = {.n = 3, .titles = {"NAME", "ROLES", "STATE"}};

    for (size_t i = 0; i < cli_length(items); i++) {
        struct json_object *u = json_object_array_get_idx(items, i);
        struct json_object *roles = json_get(u, "roles");
        _cleanup_(sb_done) struct strbuf text = {};

        for (size_t k = 0; k < cli_length(roles); k++)
            sb_printf(&text, "%s%s", k ? ", " : "",
                      strempty(json_object_get_string(json_object_array_get_idx(roles, k))));
        columns_put(&c, json_get_str(u, "name", "?"));
        columns_put(&c, sb_str(&text));
        columns_put(&c, !json_get_bool(u, "enabled", 1)        ? "disabled"
                        : !json_get_bool(u, "has_password", 1) ? "codes only"
                                                               : "");
    }
    columns_print(&c, color, sb);
    columns_done(&c);
}

int cmd_user_list(struct cli *cli)
{
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 0, 0);
    return status >= 0 ? status : cli_show_list(cli, "/users", 10000, render_users);
}

// remove -----------------------------------------------------------------------------------------------

static const struct option_row remove_rows[] = {ROW_SERVER, ROW_HELP};

const struct command_options user_remove_options = {
    .description =
        "Ends the user's sessions and tokens, too. What the user did stays in the audit trail.",
    .rows = remove_rows,
    .n_rows = ARRAY_SIZE(remove_rows),
};

int cmd_user_remove(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf path = {}, said = {};
    int status;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 1, 1);
    if (status >= 0)
        return status;
    sb_puts(&path, "/users");
    url_piece(&path, cli->operands[0]);
    sb_printf(&said, "%s is removed\n", cli->operands[0]);
    return cli_change(cli, "DELETE", sb_str(&path), NULL, sb_str(&said));
}
