// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/options.h"
#include "base/strutil.h"
#include "registry/enrol.h"
#include "registry/session.h"
#include "registry/user.h"
#include "server/server.h"
#include "transport/ca.h"
#include "transport/token.h"

#define USAGE         2
#define CODE_LIFE_MS  ((uint64_t)15 * 60 * 1000)
#define TOKEN_LIFE_MS ((uint64_t)3600 * 1000)

enum { OPT_USES = 1, OPT_EXPIRES, OPT_LABEL, OPT_NOTE, OPT_ROLE, OPT_HELP };

struct invocation {
    struct server *server;
    const char *operand, *secret;
    struct strbuf *out;
    struct error *err;
    uint64_t expires_ms;
    unsigned uses;
    uint32_t roles;
    const char *note;
    struct json_object *labels;
    bool help;
};

static const struct actor local_actor = {.kind = ACTOR_LOCAL, .roles = ROLES_ALL};

static const struct option_row token_rows[] = {
    {0, "uses", "N", "how many hosts it lets in (default: 1; 0: any number)", OPTION_ARG, OPT_USES,
     NULL},
    {0, "expires", "TIME", "how long it is good for (default: 1h)", OPTION_ARG, OPT_EXPIRES, NULL},
    {0, "label", "NAME=VALUE", "a label that its hosts get; may be given again", OPTION_ARG,
     OPT_LABEL, NULL},
    {0, "note", "TEXT", "what it is for", OPTION_ARG, OPT_NOTE, NULL},
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
};

static const struct option_row user_rows[] = {
    {0, "role", "ROLE", "a role of the user; may be given again (default: viewer)", OPTION_ARG,
     OPT_ROLE, "viewer operator admin auditor"},
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
};

static const struct option_row help_rows[] = {
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
};

#define COMMAND(id, words, operands, secret, summary) static int command_##id(struct invocation *v);
#include "server/commands.def"

static const struct command {
    const char *words;
    int secret;
    int (*fn)(struct invocation *v);
} commands[] = {
#define COMMAND(id, words, operands, secret, summary) {words, secret, command_##id},
#include "server/commands.def"
};

static const struct options option_tables[] = {
#define COMMAND(id, words, operands_, secret, summary_) \
    {.program = "safeguard-server", .command = words, .operands = operands_, .summary = summary_},
#include "server/commands.def"
};

static struct options table_of(size_t i)
{
    struct options o = option_tables[i];

    if (streq(o.command, "token create")) {
        o.rows = token_rows;
        o.n_rows = ARRAY_SIZE(token_rows);
    } else if (streq(o.command, "user add")) {
        o.rows = user_rows;
        o.n_rows = ARRAY_SIZE(user_rows);
    } else {
        o.rows = help_rows;
        o.n_rows = ARRAY_SIZE(help_rows);
    }
    return o;
}

const struct options *command_options(size_t *ret_n)
{
    struct options *tables = calloc(ARRAY_SIZE(option_tables), sizeof(*tables));

    for (size_t i = 0; tables && i < ARRAY_SIZE(option_tables); i++)
        tables[i] = table_of(i);
    *ret_n = tables ? ARRAY_SIZE(option_tables) : 0;
    return tables;
}

// Parsing ----------------------------------------------------------------------------------------

static int add_label(struct invocation *v, const char *arg, struct error *err)
{
    const char *equals = strchr(arg, '=');
    char name[129];

    if (!equals || equals == arg || (size_t)(equals - arg) >= sizeof(name)) {
        (void)error_set(err, -EINVAL, "'%s' is not a label", arg);
        error_expected(err, "NAME=VALUE");
        return -EINVAL;
    }
    memcpy(name, arg, (size_t)(equals - arg));
    name[equals - arg] = '\0';
    if (!v->labels)
        v->labels = json_object_new_object();
    json_object_object_add(v->labels, name, json_object_new_string(equals + 1));
    return 0;
}

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct invocation *v = ctx;
    uint32_t role;

    switch (id) {
    case OPT_USES:
        return parse_u32(arg, &v->uses) < 0
                   ? error_set(err, -EINVAL, "'%s' is not a number of hosts", arg)
                   : 0;
    case OPT_EXPIRES:
        return parse_duration_ms(arg, &v->expires_ms) < 0
                   ? error_set(err, -EINVAL, "'%s' is not a time, such as 1h or 7d", arg)
                   : 0;
    case OPT_LABEL: return add_label(v, arg, err);
    case OPT_NOTE: v->note = arg; return 0;
    case OPT_ROLE:
        role = role_find(arg);
        v->roles |= role;
        return role ? 0 : error_set(err, -EINVAL, "there is no role '%s'", arg);
    default: v->help = true; return 0;
    }
}

static const struct command *find(int argc, char **argv, size_t *ret_number)
{
    char words[128] = "";

    if (argc >= 2)
        (void)snprintf(words, sizeof(words), "%s %s", argv[0], argv[1]);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (streq(commands[i].words, words)) {
            *ret_number = i;
            return &commands[i];
        }
    return NULL;
}

static void say_unknown(int argc, char **argv, struct strbuf *errs)
{
    const char *names[ARRAY_SIZE(commands)], *near;
    char words[128];
    struct error err = {};

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        names[i] = commands[i].words;
    (void)snprintf(words, sizeof(words), "%s%s%s", argv[0], argc > 1 ? " " : "",
                   argc > 1 ? argv[1] : "");
    (void)error_set(&err, -EINVAL, "there is no command '%s'", words);
    near = nearest_word(words, names, ARRAY_SIZE(names));
    if (near)
        error_cure(&err, "did you mean 'safeguard-server %s'?", near);
    else
        error_cure(&err, "'safeguard-server --help' lists the commands");
    error_format(&err, errs);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (streq(argv[i], "--help") || streq(argv[i], "-h"))
            return true;
    return false;
}

int command_wants(int argc, char **argv, struct strbuf *errs)
{
    size_t number;
    const struct command *c = find(argc, argv, &number);

    if (!c) {
        say_unknown(argc, argv, errs);
        return -1;
    }
    return wants_help(argc, argv) ? 0 : c->secret;
}

static int parse(struct invocation *v, size_t number, int argc, char **argv)
{
    const struct options o = table_of(number);
    int first, r;

    // The second word stands where a program's name would.
    r = options_parse(&o, argc - 1, argv + 1, on_option, v, &first, v->err);
    if (r < 0 || v->help) {
        if (v->help)
            options_help(&o, 0, v->out);
        return r;
    }
    if (o.operands && first + 1 != argc - 1)
        return error_set(v->err, -EINVAL, "'%s' takes one %s", o.command, o.operands);
    v->operand = o.operands ? argv[1 + first] : NULL;
    return 0;
}

int command_run(struct server *s, int argc, char **argv, const char *secret, struct strbuf *out,
                struct strbuf *errs)
{
    struct error err = {};
    struct invocation v = {.server = s,
                           .secret = secret,
                           .out = out,
                           .err = &err,
                           .uses = 1,
                           .expires_ms = TOKEN_LIFE_MS};
    const struct command *c;
    size_t number;
    bool usage;
    int r;

    c = find(argc, argv, &number);
    if (!c) {
        say_unknown(argc, argv, errs);
        return USAGE;
    }
    r = parse(&v, number, argc, argv);
    usage = r < 0;
    if (r == 0 && !v.help)
        r = c->fn(&v);
    json_object_put(v.labels);
    if (r < 0 && !error_is_set(&err))
        (void)error_set(&err, r, "%s: %m", c->words);
    if (r < 0)
        error_format(&err, errs);
    return r == 0 ? 0 : usage ? USAGE : 1;
}

// Commands ---------------------------------------------------------------------------------------

static void print_time(struct strbuf *out, uint64_t ms)
{
    char text[RFC3339_MS_SIZE] = "-";

    if (ms)
        (void)format_rfc3339_ms(ms * NS_PER_MS, text, sizeof(text));
    sb_printf(out, "%-24s", text);
}

static int command_token_create(struct invocation *v)
{
    const struct registry_enrol_spec spec = {
        .note = v->note,
        .labels = v->labels ? json_object_to_json_string_ext(v->labels, JSON_C_TO_STRING_PLAIN)
                            : NULL,
        .uses = v->uses,
        .life_ms = v->expires_ms,
    };
    struct server *s = v->server;
    char text[TOKEN_TEXT_MAX], id[9];
    _cleanup_free_ char *url = server_url(s);
    struct token token = {};
    int r;

    if (!url)
        return -ENOMEM;
    r = registry_enrol_token_create(s->registry, &local_actor, &spec, token.secret, id, v->err);
    if (r < 0)
        return r;
    memcpy(token.fingerprint, ca_fingerprint(s->ca), sizeof(token.fingerprint));
    (void)snprintf(token.url, sizeof(token.url), "%s", url);
    r = token_format(&token, text);
    token_wipe(&token);
    if (r < 0)
        return r;
    sb_printf(v->out, "%s\n", text);
    explicit_bzero(text, sizeof(text));
    return 0;
}

static int on_token(void *ctx, const struct registry_enrol_token *t)
{
    struct strbuf *out = ctx;

    sb_printf(out, "%-10s", t->id);
    if (t->uses)
        sb_printf(out, "%4u of %-6u", t->used, t->uses);
    else
        sb_printf(out, "%4u       ", t->used);
    print_time(out, t->expires_ms);
    sb_printf(out, "  %-8s  %s\n", t->revoked_ms ? "revoked" : "", strempty(t->note));
    return 0;
}

static int command_token_list(struct invocation *v)
{
    sb_printf(v->out, "%-10s%-14s%-24s\n", "ID", "USED", "GOOD UNTIL");
    return registry_enrol_token_list(v->server->registry, on_token, v->out, v->err);
}

static int command_token_revoke(struct invocation *v)
{
    return registry_enrol_token_revoke(v->server->registry, &local_actor, v->operand, v->err);
}

static int command_user_add(struct invocation *v)
{
    return registry_user_create(v->server->registry, &local_actor, v->operand,
                                v->secret && *v->secret ? v->secret : NULL,
                                v->roles ? v->roles : ROLE_VIEWER, v->err);
}

static int command_user_passwd(struct invocation *v)
{
    const struct registry_user_patch patch = {.password = strempty(v->secret)};

    return registry_user_update(v->server->registry, &local_actor, v->operand, &patch, v->err);
}

static int on_user(void *ctx, const struct registry_user *u)
{
    struct strbuf *out = ctx;

    sb_printf(out, "%-24s", u->name);
    print_time(out, u->last_login_ms);
    sb_printf(out, "  %-9s ", u->disabled ? "disabled" : u->has_password ? "" : "codes");
    roles_format(out, u->roles);
    sb_putc(out, '\n');
    return 0;
}

static int command_user_list(struct invocation *v)
{
    sb_printf(v->out, "%-24s%-36s%s\n", "NAME", "LAST SIGNED IN", "ROLES");
    return registry_user_list(v->server->registry, on_user, v->out, v->err);
}

static int command_user_code(struct invocation *v)
{
    _cleanup_free_ char *url = server_url(v->server);
    char code[LOGIN_CODE_SIZE];
    int r;

    if (!url)
        return -ENOMEM;
    r = registry_login_code_create(v->server->registry, &local_actor, v->operand, CODE_LIFE_MS,
                                   code, v->err);
    if (r < 0)
        return r;
    sb_printf(v->out, "%s/#once=%s\n", url, code);
    return 0;
}

static int command_ca_show(struct invocation *v)
{
    const struct cert_info *info = ca_info(v->server->ca);

    sb_printf(v->out, "fingerprint  sha256:%s\nvalid until  ", ca_fingerprint_text(v->server->ca));
    print_time(v->out, (uint64_t)info->not_after_ms);
    sb_printf(v->out, "\n%s", ca_pem(v->server->ca));
    return 0;
}
