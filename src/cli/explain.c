// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy explain`: a case, put together from options or taken from a process, and decided by the
// same code as in the kernel: here, or by the agent with what is in force.
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/case.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/render.h"
#include "model/names.h"
#include "policy/explain.h"

enum {
    OPT_ACCESS = OPT_OWN,
    OPT_EXE,
    OPT_ANCESTOR,
    OPT_USER,
    OPT_GROUP,
    OPT_LOGIN,
    OPT_CAP,
    OPT_CGROUP,
    OPT_ENV,
    OPT_SESSION,
    OPT_CONTAINER,
    OPT_TIME,
    OPT_PID,
    OPT_TO,
    OPT_POLICY,
    OPT_AGENT,
    OPT_EXEC,
    OPT_LOAD,
    OPT_CONTROL,
};

static const struct option_row rows[] = {
    {'a', "access", "WORDS",
     "what is asked for: read, write, create ... between commas (default: read)", OPTION_ARG,
     OPT_ACCESS, "read write create delete rename link chmod chown xattr exec mmap mount any"},
    {'x', "exec", "PROGRAM",
     "instead of PATH: the program that is to be executed, or memfd, deleted, foreign", OPTION_ARG,
     OPT_EXEC, "FILE"},
    {0, "load", "PATH", "instead of PATH: the file that is to be mapped for execution", OPTION_ARG,
     OPT_LOAD, "FILE"},
    {'c', "control", "KIND:WORD",
     "instead of PATH: what is asked of the kernel, such as ptrace:attach, module:nf_tables, setuid:root",
     OPTION_ARG, OPT_CONTROL, NULL},
    {'e', "exe", "PATH", "the program that asks", OPTION_ARG, OPT_EXE, "FILE"},
    {0, "ancestor", "PATH", "the program of its parent; again for the parent's parent", OPTION_ARG,
     OPT_ANCESTOR, "FILE"},
    {'u', "user", "USER", "effective user, name or number (default: root)", OPTION_ARG, OPT_USER,
     NULL},
    {'g', "group", "GROUP", "effective group; again for supplementary ones", OPTION_ARG, OPT_GROUP,
     NULL},
    {'l', "login", "USER", "who logged in; none: nobody did (default)", OPTION_ARG, OPT_LOGIN,
     NULL},
    {0, "capability", "CAP", "effective capability; may be given again", OPTION_ARG, OPT_CAP, NULL},
    {0, "cgroup", "PATH", "its cgroup, such as /system.slice/x.service", OPTION_ARG, OPT_CGROUP,
     NULL},
    {0, "env", "NAME=VALUE", "a variable of its environment; may be given again", OPTION_ARG,
     OPT_ENV, NULL},
    {0, "session", "KIND", "ssh, cron, console or service (default: as the programs say)",
     OPTION_ARG, OPT_SESSION, "ssh cron console service none"},
    {0, "container", NULL, "it runs in a container", OPTION_FLAG, OPT_CONTAINER, NULL},
    {'t', "time", "TIME", "when (default: all time windows are open)", OPTION_ARG, OPT_TIME, NULL},
    {'P', "pid", "PID", "take all of this from a process; further options change it", OPTION_ARG,
     OPT_PID, NULL},
    {0, "to", "PID", "of a signal: the process that it is for (default: it is not known)",
     OPTION_ARG, OPT_TO, NULL},
    {0, "policy", "DIR|FILE", "policies to ask (default: " POLICIES_DIR ")", OPTION_ARG, OPT_POLICY,
     "FILE"},
    {0, "agent", NULL, "ask the agent: what is in force", OPTION_FLAG, OPT_AGENT, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options policy_explain_options = {
    .description =
        "PATH is the canonical path: absolute, as the host sees it; --exec, --load and --control ask about programs and about "
        "what the kernel is asked for. The answer names the rule that decides each access, "
        "the rules before it that did not match, and the condition that failed.\n\n"
        "Exit status: 0 allowed, 1 denied, 2 wrong usage, 3 no agent answers, 4 failure.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

struct explain {
    struct case_facts facts, to;
    struct policy_facts target; // `to` for the query
    bool has_to;
    uint32_t ops;
    const char *path; // NULL: the operand
    struct policy_control control;
    bool has_control;
    char *policies[1];
    int n_policies;
    bool agent;
};

static int bad(struct error *err, const char *option, const char *arg, const char *expected)
{
    (void)error_set(err, -EINVAL, "--%s: '%s' is not valid", option, arg);
    error_expected(err, "%s", expected);
    return -EINVAL;
}

static int set_access(struct explain *e, const char *arg, struct error *err)
{
    _cleanup_(strv_freep) char **words = NULL;

    if (strv_split(arg, ", ", &words) < 0)
        return error_set(err, -ENOMEM, "%m");
    e->ops = 0;
    STRV_FOREACH (word, words) {
        uint32_t ops = policy_ops_from_word(*word);

        if (ops == 0)
            return bad(
                err, "access", *word,
                "read, write, create, delete, rename, link, chmod, chown, xattr, exec, mmap, mount or any");
        e->ops |= ops;
    }
    return e->ops ? 0 : bad(err, "access", arg, "at least one word");
}

static int bad_control(struct error *err, enum sg_control kind, const char *arg)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    for (unsigned i = 0; kind >= SG_CONTROL_COUNT && i < SG_CONTROL_COUNT; i++)
        sb_printf(&sb, "%s%s:...", i ? ", " : "", policy_control_name(i));
    if (kind < SG_CONTROL_COUNT)
        sb_printf(&sb, "%s:WORD, where the word is one of a rule: %s", policy_control_name(kind),
                  policy_control_expected(kind));
    return bad(err, "control", arg, sb_str(&sb));
}

static int set_control(struct explain *e, const char *arg, struct error *err)
{
    const char *colon = strchr(arg, ':'), *word = colon ? colon + 1 : "";
    _cleanup_free_ char *name = xstrndup(arg, colon ? (size_t)(colon - arg) : strlen(arg));
    enum sg_control kind;
    char id[16];
    uint32_t number;

    if (!name)
        return error_set(err, -ENOMEM, "%m");
    kind = policy_control_kind(name);
    if (kind == SG_CONTROL_setuid || kind == SG_CONTROL_setgid) {
        if ((kind == SG_CONTROL_setuid ? case_user(word, &number) : case_group(word, &number)) < 0)
            return bad_control(err, kind, arg);
        (void)snprintf(id, sizeof(id), "%u", number);
        word = id;
    }
    if (kind >= SG_CONTROL_COUNT || policy_control_from_word(kind, word, &e->control) < 0)
        return bad_control(err, kind, arg);
    e->has_control = true;
    e->ops = SG_OP_CONTROL;
    return 0;
}

static int set_exec(struct explain *e, const char *arg, struct error *err)
{
    if (*arg == '/') {
        e->path = arg;
        e->ops = SG_OP_EXEC | SG_OP_LAUNCH;
        return 0;
    }
    if (policy_control_from_word(SG_CONTROL_exec, arg, &e->control) < 0)
        return bad(err, "exec", arg, "an absolute path, memfd, deleted or foreign");
    e->has_control = true;
    e->ops = SG_OP_CONTROL;
    return 0;
}

static int set_load(struct explain *e, const char *arg, struct error *err)
{
    if (*arg != '/')
        return bad(err, "load", arg, "an absolute path");
    e->path = arg;
    e->ops = SG_OP_LOAD | SG_OP_LAUNCH;
    return 0;
}

static int set_time(struct explain *e, const char *arg, struct error *err)
{
    uint64_t ms;

    if (parse_since(arg, time(NULL), &ms) < 0)
        return bad(err, "time", arg, "14:05, 2026-01-31 14:05");
    e->facts.has_when = true;
    e->facts.when = (time_t)(ms / 1000);
    return 0;
}

static int set_session(struct explain *e, const char *arg, struct error *err)
{
    for (int i = 0; i < SG_SESSION_COUNT; i++)
        if (session_name((enum sg_session)i) && streq(session_name((enum sg_session)i), arg)) {
            e->facts.session = i;
            return 0;
        }
    return bad(err, "session", arg, "ssh, cron, console, service or none");
}

static int set_pid(const char *option, const char *arg, struct case_facts *facts, struct error *err)
{
    uint32_t pid;
    int r;

    if (parse_u32(arg, &pid) < 0)
        return bad(err, option, arg, "the number of a process");
    r = case_from_process("/proc", pid, facts);
    return r < 0 ? error_set(err, -EINVAL, "process %u cannot be looked at: %s", pid, strerror(-r))
                 : 0;
}

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct explain *e = ctx;
    int r = 0;

    switch (id) {
    case OPT_ACCESS: return set_access(e, arg, err);
    case OPT_EXEC: return set_exec(e, arg, err);
    case OPT_LOAD: return set_load(e, arg, err);
    case OPT_CONTROL: return set_control(e, arg, err);
    case OPT_TIME: return set_time(e, arg, err);
    case OPT_SESSION: return set_session(e, arg, err);
    case OPT_PID: return set_pid("pid", arg, &e->facts, err);
    case OPT_TO: e->has_to = true; return set_pid("to", arg, &e->to, err);
    case OPT_CONTAINER: e->facts.container = true; return 0;
    case OPT_AGENT: e->agent = true; return 0;
    case OPT_POLICY:
        e->policies[0] = (char *)arg;
        e->n_policies = 1;
        return 0;
    case OPT_EXE: r = case_set_exe(&e->facts, arg); break;
    case OPT_ANCESTOR: r = case_add_ancestor(&e->facts, arg); break;
    case OPT_USER: r = case_user(arg, &e->facts.uid); break;
    case OPT_GROUP: r = case_add_group(&e->facts, arg); break;
    case OPT_LOGIN: r = case_login(arg, &e->facts.login_uid); break;
    case OPT_CAP: r = case_add_capability(&e->facts, arg); break;
    case OPT_CGROUP: r = case_set_cgroup(&e->facts, arg); break;
    case OPT_ENV: r = case_add_env(&e->facts, arg); break;
    default: break;
    }
    if (r < 0)
        return bad(err, id == OPT_USER || id == OPT_LOGIN ? "user" : "option", arg,
                   r == -ESRCH   ? "a name that this machine knows, or a number"
                   : r == -E2BIG ? "fewer of them"
                                 : "an absolute path, NAME=VALUE, or a name such as CAP_SYS_ADMIN");
    return 0;
}

static struct policy_query query_of(struct explain *e, const char *path)
{
    e->target = case_policy_facts(&e->to);
    return (struct policy_query){
        .path = path,
        .path_len = path ? strlen(path) : 0,
        .control = e->has_control ? &e->control : NULL,
        .ops = e->ops,
        .facts = case_policy_facts(&e->facts),
        .target = e->has_to ? &e->target : NULL,
        .other_user = e->has_to && e->to.uid != e->facts.uid,
        .has_when = e->facts.has_when,
        .when = e->facts.when,
    };
}

static int ask_agent(struct cli *cli, struct explain *e, const char *path)
{
    const struct policy_query query = query_of(e, path);
    _cleanup_(sb_done) struct strbuf args = {}, sb = {};
    struct json_object *answer = NULL;
    int r;

    r = case_json(&query, &args);
    if (r < 0) {
        struct error err = {};

        (void)error_set(&err, r, "the case cannot be put together: %m");
        return cli_fail(&err);
    }
    r = cli_ask(cli, CONTROL_policy_explain, sb_str(&args), 0, &answer);
    if (r != 0)
        return r;
    if (cli->json)
        cli_pretty(json_get(answer, "decision"), &sb);
    else
        sb_puts(&sb, json_get_str(answer, "text", ""));
    r = json_get_bool(json_get(answer, "decision"), "blocked", 0) ? CLI_NEGATIVE : CLI_OK;
    json_object_put(answer);
    return cli_print(&sb, r);
}

static int decide(struct cli *cli, const struct policy_image *image, struct explain *e,
                  const char *path)
{
    const struct policy_query query = query_of(e, path);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_decision decision;
    struct error err = {};
    struct jw jw;
    int r;

    r = policy_explain(image, &query, &decision);
    if (r < 0) {
        (void)error_set(&err, r, "the case cannot be decided: %m");
        return cli_fail(&err);
    }
    if (cli->json) {
        jw_init(&jw, &sb);
        policy_explain_json(image, &query, &decision, &jw);
        sb_putc(&sb, '\n');
    } else {
        policy_explain_format(image, &query, &decision, cli->color, &sb);
    }
    return cli_print(&sb, decision.blocked ? CLI_NEGATIVE : CLI_OK);
}

static int ask_here(struct cli *cli, struct explain *e, const char *path)
{
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int r;

    r = policies_load((char *const *)e->policies, e->n_policies, &diags, &policy, &err);
    if (r == 0)
        r = policy_compile(policy, NULL, &(struct policy_compile_options){.no_warnings = true},
                           &diags, &image);
    if (r == 0)
        return decide(cli, image, e, path);
    if (diags.n_errors) {
        policy_diags_format(&diags, false, &sb);
        (void)fputs(sb_str(&sb), stderr);
        (void)error_set(&err, -EBADMSG, "the policies have mistakes");
    } else if (!error_is_set(&err)) {
        (void)error_set(&err, r, "the policies cannot be compiled: %m");
    }
    return cli_fail(&err);
}

// Without a slash at the end, which the name of no object has.
static char *clean_path(const char *operand)
{
    size_t len = strlen(operand);

    while (len > 1 && operand[len - 1] == '/')
        len--;
    return xstrndup(operand, len);
}

int cmd_policy_explain(struct cli *cli)
{
    struct explain e = {.ops = SG_OP_READ};
    _cleanup_free_ char *path = NULL;
    struct error err = {};
    int r;

    case_init(&e.facts);
    case_init(&e.to);
    r = cli_parse(cli, on_option, &e);
    if (r < 0 && cli->n_operands == 1 && !e.path && !e.has_control)
        e.path = cli->operands[0];
    else if (r < 0 && cli->n_operands > 0)
        e.path = "";
    if (r < 0 && !e.has_control == !e.path) {
        (void)error_set(&err, -EINVAL, "about what?");
        error_expected(&err, "one of --exec, --load and --control, or a path");
        r = cli_usage(cli, &err);
    } else if (r < 0 && e.path && *e.path != '/') {
        (void)error_set(&err, -EINVAL, "which path?");
        error_expected(&err, "one absolute path, such as /etc/shadow");
        r = cli_usage(cli, &err);
    }
    if (r < 0) {
        path = e.path ? clean_path(e.path) : NULL;
        r = e.path && !path ? CLI_FAILED
            : e.agent       ? ask_agent(cli, &e, path)
                            : ask_here(cli, &e, path);
    }
    case_done(&e.facts);
    case_done(&e.to);
    return r;
}
