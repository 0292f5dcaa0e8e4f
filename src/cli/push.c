// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy push`: files of policies become versions at a server, and from there go out to hosts.
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "control/message.h"

enum { OPT_SELECTOR = OPT_OWN, OPT_COMMENT, OPT_STAGES, OPT_HOLD };

// What is seen by nobody can hurt nobody: a tenth of the hosts records what would be denied, then all do, then it is enforced.
#define STAGES_DEFAULT "monitor:10,monitor:100,enforce:100"

struct push {
    const char *selector, *comment, *stages;
    bool hold;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct push *p = ctx;

    switch (id) {
    case OPT_SELECTOR: p->selector = arg; break;
    case OPT_COMMENT: p->comment = arg; break;
    case OPT_STAGES: p->stages = arg; break;
    case OPT_HOLD: p->hold = true; break;
    }
    return 0;
}

static const struct option_row rows[] = {
    {'l', "selector", "LABELS",
     "which hosts a new policy is for, such as env=prod,role=web (default: all)", OPTION_ARG,
     OPT_SELECTOR, NULL},
    {'m', "comment", "TEXT", "why; is kept with the version", OPTION_ARG, OPT_COMMENT, NULL},
    {0, "stages", "LIST",
     "how it goes out: MODE:PERCENT,... with monitor or enforce (default: " STAGES_DEFAULT ")",
     OPTION_ARG, OPT_STAGES, STAGES_DEFAULT " enforce:100"},
    {0, "hold", NULL, "keep the version, send it to no host", OPTION_FLAG, OPT_HOLD, NULL},
    ROW_SERVER,
    ROW_JSON,
    ROW_COLOR,
    ROW_HELP,
};

const struct command_options policy_push_options = {
    .description =
        "Checks the files here, makes each a new version of the policy of its name, and begins to roll it out: the first "
        "stage at once, further ones when somebody says so on the server's page. A file that is what the server has "
        "already is left alone.\n\n"
        "Exit status: 0 done, 1 there are mistakes or somebody else changed the policy meanwhile, 2 wrong usage, 3 the "
        "server does not answer, 4 failure.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

static int bad_stages(struct cli *cli, const char *text)
{
    struct error err = {};

    (void)error_set(&err, -EINVAL, "--stages: '%s' is not valid", text);
    error_expected(&err, "MODE:PERCENT,... with monitor or enforce and 1 to 100, such as %s",
                   STAGES_DEFAULT);
    return cli_usage(cli, &err);
}

// Writes the array. Exit status, 0 when it is valid.
static int put_stages(struct cli *cli, const char *text, struct jw *jw)
{
    _cleanup_(strv_freep) char **pieces = NULL;

    if (strv_split(text, ",", &pieces) < 0 || !pieces)
        return bad_stages(cli, text);
    jw_begin_array(jw);
    STRV_FOREACH (piece, pieces) {
        const char *share = strchr(*piece, ':');
        const bool monitor = str_startswith(*piece, "monitor:") != NULL;
        uint32_t percent;

        if (!share || (!monitor && !str_startswith(*piece, "enforce:")) ||
            parse_u32(share + 1, &percent) < 0 || percent < 1 || percent > 100)
            return bad_stages(cli, text);
        jw_begin_object(jw);
        jw_kv_u64(jw, "share", percent);
        jw_kv_str(jw, "mode", monitor ? "monitor" : "policy");
        jw_end_object(jw);
    }
    jw_end_array(jw);
    return 0;
}

// The mistakes of all files, before any of them is sent.
static int check_here(struct cli *cli)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int r;

    r = policies_load(cli->operands, cli->n_operands, &diags, &policy, &err);
    if (r == 0)
        return 0;
    if (diags.n_errors == 0)
        return cli_fail(&err);
    policy_diags_format(&diags, cli->color, &sb);
    return cli_print(&sb, CLI_NEGATIVE);
}

// The server's version of a policy. 0: *ret has it, or NULL where it has none; else the exit status.
static int known(struct cli *cli, struct remote *r, const char *name, struct json_object **ret)
{
    _cleanup_(sb_done) struct strbuf path = {};
    struct error err = {};
    int code;

    (void)cli;
    sb_puts(&path, "/policies");
    url_piece(&path, name);
    code = remote_call(r, "GET", sb_str(&path), NULL, ret, &err);
    if (code == -ENOENT) {
        *ret = NULL;
        return 0;
    }
    return code < 0 ? cli_fail(&err) : 0;
}

static int send_version(struct cli *cli, struct remote *r, const struct push *p, const char *name,
                        const char *text, struct json_object *before, struct json_object **ret)
{
    _cleanup_(sb_done) struct strbuf path = {}, body = {};
    struct jw jw;

    sb_puts(&path, "/policies");
    jw_init(&jw, &body);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "text", text);
    jw_kv_str(&jw, "comment", strempty(p->comment));
    if (before) {
        url_piece(&path, name);
        jw_kv_u64(&jw, "base", json_get_u64(json_get(before, "policy"), "version", 0));
    } else {
        jw_kv_str(&jw, "name", name);
        jw_kv_str(&jw, "selector", strempty(p->selector));
    }
    jw_end_object(&jw);
    return cli_call(cli, r, before ? "PUT" : "POST", sb_str(&path), &body, ret);
}

static int roll_out(struct cli *cli, struct remote *r, const struct push *p, const char *name,
                    uint64_t version)
{
    _cleanup_(sb_done) struct strbuf path = {}, body = {};
    struct jw jw;
    int status;

    sb_puts(&path, "/policies");
    url_piece(&path, name);
    sb_puts(&path, "/rollouts");
    jw_init(&jw, &body);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "version", version);
    jw_key(&jw, "stages");
    status = put_stages(cli, p->stages, &jw);
    if (status != 0)
        return status;
    jw_end_object(&jw);
    return cli_call(cli, r, "POST", sb_str(&path), &body, NULL);
}

static int say(struct cli *cli, const char *name, uint64_t version, const char *what)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    if (cli->json) {
        jw_init(&jw, &sb);
        jw_begin_object(&jw);
        jw_kv_str(&jw, "policy", name);
        jw_kv_u64(&jw, "version", version);
        jw_kv_str(&jw, "what", what);
        jw_end_object(&jw);
        sb_putc(&sb, '\n');
    } else {
        put_escaped(&sb, name);
        sb_printf(&sb, ": version %llu %s\n", (unsigned long long)version, what);
    }
    return cli_print(&sb, CLI_OK);
}

static int push_file(struct cli *cli, struct remote *r, const struct push *p, const char *file)
{
    _cleanup_free_ char *copy = strdup(file), *text = NULL;
    struct json_object *before = NULL, *after = NULL;
    const char *name = copy ? basename(copy) : "";
    struct error err = {};
    uint64_t version;
    bool same;
    int status;

    if (read_file_bounded(AT_FDCWD, file, POLICY_FILE_MAX, &text, NULL) < 0) {
        (void)error_set(&err, -EIO, "%s cannot be read", file);
        return cli_fail(&err);
    }
    status = known(cli, r, name, &before);
    if (status != 0)
        return status;
    same = before && streq(json_get_str(before, "text", ""), text);
    if (!same)
        status = send_version(cli, r, p, name, text, before, &after);
    version = json_get_u64(json_get(same ? before : after, "policy"), "version", 0);
    if (status == 0 && !same && !p->hold)
        status = roll_out(cli, r, p, name, version);
    json_object_put(before);
    json_object_put(after);
    if (status != 0)
        return status;
    return say(cli, name, version,
               same      ? "is what the server has already"
               : p->hold ? "is kept, and goes to no host yet"
                         : "begins to go out");
}

int cmd_policy_push(struct cli *cli)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    struct push p = {.stages = STAGES_DEFAULT};
    _cleanup_(sb_done) struct strbuf unused = {};
    struct jw jw;
    int status;

    status = cli_parse(cli, on_option, &p);
    status = status >= 0 ? status : cli_operands(cli, 1, POLICY_FILES_MAX);
    if (status >= 0)
        return status;
    jw_init(&jw, &unused);
    status = put_stages(cli, p.stages, &jw);
    status = status ? status : check_here(cli);
    status = status ? status : cli_remote(cli, &r);
    for (int i = 0; i < cli->n_operands && status == 0; i++)
        status = push_file(cli, r, &p, cli->operands[i]);
    return status;
}
