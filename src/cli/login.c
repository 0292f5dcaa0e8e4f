// SPDX-License-Identifier: Apache-2.0
//
// `safeguard login` and `logout`. A password is used once, for a token of the API that is kept for this user alone; the server's
// certificate authority is kept with it, after somebody said that its fingerprint is the right one.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/prompt.h"
#include "base/strutil.h"
#include "cli/authority.h"
#include "cli/cli.h"
#include "cli/profile.h"
#include "cli/remote.h"
#include "control/message.h"

#define CA_MAX        ((size_t)1 << 20)
#define TOKEN_DAYS_MS (UINT64_C(30) * 24 * 3600 * 1000)

enum { OPT_USER = OPT_OWN, OPT_CA, OPT_FINGERPRINT, OPT_STDIN, OPT_EXPIRES };

struct login {
    const char *user, *ca, *fingerprint;
    uint64_t expires_ms;
    bool from_stdin;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct login *l = ctx;

    switch (id) {
    case OPT_USER: l->user = arg; break;
    case OPT_CA: l->ca = arg; break;
    case OPT_FINGERPRINT: l->fingerprint = arg; break;
    case OPT_STDIN: l->from_stdin = true; break;
    case OPT_EXPIRES:
        if (parse_duration_ms(arg, &l->expires_ms) < 0 || l->expires_ms == 0) {
            (void)error_set(err, -EINVAL, "--expires: '%s' is no span of time", arg);
            error_expected(err, "12h, 30d");
            return -EINVAL;
        }
        break;
    }
    return 0;
}

static const struct option_row login_rows[] = {
    {'u', "user", "NAME", "as whom (default: the name of this user)", OPTION_ARG, OPT_USER, NULL},
    {0, "fingerprint", "HEX",
     "the SHA-256 fingerprint of the server's certificate authority ('safeguard-server ca show')",
     OPTION_ARG, OPT_FINGERPRINT, NULL},
    {0, "ca", "FILE", "the certificate authority itself, as PEM", OPTION_ARG, OPT_CA, "FILE"},
    {0, "expires", "SPAN", "how long this log-in is worth something (default: 30d)", OPTION_ARG,
     OPT_EXPIRES, NULL},
    {0, "password-stdin", NULL, "read the password from standard input", OPTION_FLAG, OPT_STDIN,
     NULL},
    ROW_HELP,
};

const struct command_options login_options = {
    .description =
        "Keeps a token for this server in ~/.config/safeguard, which commands use from then on. The first time, the "
        "fingerprint of the server's certificate authority is shown: compare it with what 'safeguard-server ca show' "
        "says on the server.",
    .rows = login_rows,
    .n_rows = ARRAY_SIZE(login_rows),
};

static int confirm(const char *url, const char *fingerprint, struct error *err)
{
    _cleanup_(sb_done) struct strbuf question = {};
    int r;

    sb_printf(&question,
              "%s is certified by an authority with the SHA-256 fingerprint\n\n  %s\n\n"
              "Does 'safeguard-server ca show' on the server say the same? Type yes: ",
              url, fingerprint);
    r = prompt_yes(sb_str(&question), err);
    if (r == 0)
        r = error_set(err, -EKEYREJECTED, "not logged in: the server is not trusted");
    if (r == -ENOTTY)
        error_cure(err, "name it: --fingerprint %s (if it is the right one), or --ca FILE",
                   fingerprint);
    return r < 0 ? r : 0;
}

// The authority that the server is known by: named, kept from the last time, or shown and agreed to.
static int find_ca(const struct login *l, const char *url, char **ret_pem, struct error *err)
{
    _cleanup_(profile_done) struct profile kept = {};
    _cleanup_free_ char *pem = NULL, *fingerprint = NULL;
    int r;

    if (l->ca) {
        r = read_file_bounded(AT_FDCWD, l->ca, CA_MAX, ret_pem, NULL);
        return r < 0 ? error_set(err, r, "%s: %m", l->ca) : 0;
    }
    r = l->fingerprint ? -ENOENT : profile_load(url, &kept, err);
    if (r == 0) {
        *ret_pem = TAKE_PTR(kept.ca);
        return 0;
    }
    if (r != -ENOENT)
        return r;
    error_reset(err);
    r = authority_fetch(url, l->fingerprint, &pem, &fingerprint, err);
    if (r == 0 && !l->fingerprint)
        r = confirm(url, fingerprint, err);
    if (r == 0)
        *ret_pem = TAKE_PTR(pem);
    return r;
}

static void wipe(struct strbuf *sb)
{
    if (sb->s)
        explicit_bzero(sb->s, sb->len);
}

// A session, by which the token is made, and which ends at once.
static int make_token(struct remote *r, const struct login *l, const char *password,
                      struct json_object **ret_token, struct error *err)
{
    _cleanup_(sb_done) struct strbuf body = {}, want = {};
    _cleanup_(sb_done) struct strbuf name = {};
    struct json_object *session = NULL;
    char host[33] = "";
    struct jw jw;
    int code;

    jw_init(&jw, &body);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "user", l->user);
    jw_kv_str(&jw, "password", password);
    jw_end_object(&jw);
    code = remote_keep_cookies(r);
    code = code < 0 ? error_set(err, code, "%m")
                    : remote_call(r, "POST", "/login", &body, &session, err);
    wipe(&body);
    if (code < 0)
        return code;
    code = remote_set_csrf(r, json_get_str(session, "csrf", ""));
    json_object_put(session);
    // Names of tokens are no longer than 64 bytes.
    (void)gethostname(host, sizeof(host) - 1);
    // Letters, digits, '.', '_' and '-' are what a name may have; the time tells two log-ins apart.
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
            *c = '_';
    sb_printf(&name, "login-%s-%llx", host,
              (unsigned long long)(now_ns(CLOCK_REALTIME) / NS_PER_SEC));
    jw_init(&jw, &want);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "name", sb_str(&name));
    jw_kv_u64(&jw, "expires_in", l->expires_ms);
    jw_end_object(&jw);
    code = code < 0 ? error_set(err, code, "%m")
                    : remote_call(r, "POST", "/tokens", &want, ret_token, err);
    (void)remote_call(r, "POST", "/logout", NULL, NULL, NULL);
    return code;
}

static int log_in(const struct login *l, const char *url, struct error *err)
{
    _cleanup_(prompt_wipep) char *password = NULL;
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf question = {};
    _cleanup_free_ char *pem = NULL;
    struct json_object *token = NULL;
    struct profile p = {};
    int code;

    code = find_ca(l, url, &pem, err);
    code = code < 0 ? code : remote_new_bare(url, pem, &r, err);
    if (code < 0)
        return code;
    sb_printf(&question, "Password of %s at %s: ", l->user, url);
    code = prompt_password(sb_str(&question), l->from_stdin, &password, err);
    code = code < 0 ? code : make_token(r, l, password, &token, err);
    if (code < 0)
        return code;
    // On loan; profile_save() copies.
    p.url = (char *)url;
    p.ca = pem;
    p.user = (char *)l->user;
    p.token = (char *)json_get_str(token, "text", "");
    p.token_id = (char *)json_get_str(json_get(token, "token"), "id", "");
    code = profile_save(&p, err);
    json_object_put(token);
    return code;
}

int cmd_login(struct cli *cli)
{
    struct login l = {.expires_ms = TOKEN_DAYS_MS};
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *url = NULL;
    struct error err = {};
    int status;

    status = cli_parse(cli, on_option, &l);
    status = status >= 0 ? status : cli_operands(cli, 1, 1);
    if (status >= 0)
        return status;
    if (server_url_parse(cli->operands[0], &url, &err) < 0)
        return cli_usage(cli, &err);
    if (!l.user)
        l.user = getenv("USER");
    if (str_isempty(l.user)) {
        (void)error_set(&err, -EINVAL, "as whom? Name the user with --user");
        return cli_usage(cli, &err);
    }
    if (log_in(&l, url, &err) < 0)
        return cli_fail(&err);
    sb_printf(&sb, "logged in to %s as ", url);
    sb_puts(&sb, l.user);
    sb_putc(&sb, '\n');
    return cli_print(&sb, CLI_OK);
}

// logout -----------------------------------------------------------------------------------------------

static const struct option_row logout_rows[] = {ROW_SERVER, ROW_HELP};

const struct command_options logout_options = {
    .description = "Ends the token at the server, and forgets it here in any case.",
    .rows = logout_rows,
    .n_rows = ARRAY_SIZE(logout_rows),
};

int cmd_logout(struct cli *cli)
{
    _cleanup_(profile_done) struct profile p = {};
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf path = {}, sb = {};
    _cleanup_free_ char *url = NULL;
    struct error err = {};
    int status, ended;

    status = cli_parse(cli, NULL, NULL);
    status = status >= 0 ? status : cli_operands(cli, 0, 0);
    if (status >= 0)
        return status;
    if (cli->server && server_url_parse(cli->server, &url, &err) < 0)
        return cli_usage(cli, &err);
    status = profile_load(url, &p, &err);
    if (status == -ENOENT) {
        (void)error_set(&err, -ENOENT, "nobody is logged in here");
        return cli_fail(&err);
    }
    if (status < 0)
        return cli_fail(&err);
    cli->server = p.url;
    sb_puts(&path, "/tokens");
    url_piece(&path, strempty(p.token_id));
    ended = remote_new(cli, &r, &err);
    ended = ended < 0 ? ended : remote_call(r, "DELETE", sb_str(&path), NULL, NULL, &err);
    if (ended < 0)
        (void)cli_fail(&err);
    if (profile_remove(p.url, &err) < 0)
        return cli_fail(&err);
    sb_printf(&sb, "logged out of %s%s\n", p.url,
              ended < 0
                  ? "; the server was not told, and the token stays valid there until it expires"
                  : "");
    return cli_print(&sb, CLI_OK);
}
