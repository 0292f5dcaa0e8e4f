// SPDX-License-Identifier: Apache-2.0
#include "agent/enrolling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/uplink.h"
#include "base/fd.h"
#include "base/macro.h"
#include "process/host.h"
#include "transport/enrol.h"

#define MACHINE_ID_LEN 32

enum { OPT_SERVER = 1, OPT_TOKEN, OPT_CONFIG, OPT_STATE_DIR, OPT_HELP };

static const struct option_row rows[] = {
    {0, "server", "URL",
     "where the server is, https://HOST:PORT (default: as the token or server_url says)",
     OPTION_ARG, OPT_SERVER, NULL},
    {0, "token", "TOKEN",
     "the token; '-' reads it from standard input, where no list of processes shows it", OPTION_ARG,
     OPT_TOKEN, NULL},
    {'c', "config", "FILE", "read settings from FILE (default: " CONFIG_PATH_DEFAULT ")",
     OPTION_ARG, OPT_CONFIG, "FILE"},
    {0, "state-dir", "DIR", "put the identity into DIR (default: as the settings say)", OPTION_ARG,
     OPT_STATE_DIR, "DIR"},
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
};

const struct options enrol_options_table = {
    .program = "safeguard-agent",
    .command = "enrol",
    .summary = "make this host known to a server",
    .description =
        "Makes a key on this host, has the server sign it, and keeps both in the state directory (identity.json). The "
        "server gives out tokens: 'safeguard-server token create'. A running agent finds the identity within seconds. "
        "What was there before is replaced; with the same server this stays the same host, unless it was cloned, revoked or "
        "removed there.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

struct line {
    const char *server, *token, *config, *state_dir;
    bool help;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct line *line = ctx;

    switch (id) {
    case OPT_SERVER: line->server = arg; break;
    case OPT_TOKEN: line->token = arg; break;
    case OPT_CONFIG: line->config = arg; break;
    case OPT_STATE_DIR: line->state_dir = arg; break;
    case OPT_HELP: line->help = true; break;
    default: break;
    }
    return 0;
}

static int settings(const struct line *line, struct config *config, struct error *err)
{
    int r = config_init(config);

    if (r == 0)
        r = config_read_file(config, line->config);
    if (r == 0 && line->state_dir)
        r = config_set(config, CONFIG_ID_state_dir, line->state_dir, err);
    return r;
}

static int read_token(const char *given, char **ret_token, struct error *err)
{
    int r;

    if (!given) {
        (void)error_set(err, -EINVAL, "a token is needed");
        error_cure(
            err,
            "get one on the server: safeguard-server token create; then --token TOKEN, or --token - and "
            "the token on standard input");
        return -EINVAL;
    }
    if (!streq(given, "-")) {
        *ret_token = strdup(given);
        return *ret_token ? 0 : error_set(err, -ENOMEM, "%m");
    }
    r = read_fd_bounded(STDIN_FILENO, TOKEN_TEXT_MAX, ret_token, NULL);
    return r < 0 ? error_set(err, r, "the token cannot be read: %m") : 0;
}

int enrolling_machine_id(const char *id, struct error *err)
{
    if (strlen(id) == MACHINE_ID_LEN && strspn(id, "0123456789abcdef") == MACHINE_ID_LEN &&
        strspn(id, "0") != MACHINE_ID_LEN)
        return 0;
    if (*id)
        (void)error_set(err, -EINVAL, "/etc/machine-id has no id of a machine: '%s'", id);
    else
        (void)error_set(err, -EINVAL, "/etc/machine-id is missing or empty");
    error_cure(
        err,
        "a server tells hosts apart by it; make one: systemd-machine-id-setup, or, without systemd, "
        "rm -f /etc/machine-id && dbus-uuidgen --ensure=/etc/machine-id");
    return -EINVAL;
}

static int run(const struct line *line, const struct config *config, struct error *err)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    _cleanup_(sb_done) struct strbuf path = {};
    _cleanup_free_ char *token = NULL;
    struct host host = {};
    struct enrol_options options = {.version = SAFEGUARD_VERSION};
    int r;

    r = read_token(line->token, &token, err);
    if (r < 0)
        return r;
    r = host_read("", &host);
    if (r < 0)
        return error_set(err, r, "this host's boot id cannot be read: %m");
    r = enrolling_machine_id(host.machine_id, err);
    if (r < 0)
        return r;
    r = mkdir_p(AT_FDCWD, config->state_dir, 0700);
    if (r < 0)
        return error_set(err, r, "%s: %m", config->state_dir);
    sb_printf(&path, "%s/%s", config->state_dir, UPLINK_IDENTITY);
    options.token = token;
    options.path = sb_str(&path);
    options.server_url = line->server            ? line->server
                         : config->server_url[0] ? config->server_url
                                                 : NULL;
    options.host = (struct msg_host){host.hostname, host.machine_id, host.boot_id,
                                     host.os_name,  host.kernel,     host.arch};
    r = enrol(&options, &id, err);
    explicit_bzero(token, strlen(token));
    if (r < 0)
        return r;
    (void)printf("enrolled with %s as %s\n", id->server_url, id->agent_id);
    return 0;
}

int enrol_main(int argc, char **argv)
{
    struct config config = {};
    struct line line = {};
    struct error err = {};
    int r, first;

    r = options_parse(&enrol_options_table, argc, argv, on_option, &line, &first, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return 2;
    }
    if (line.help) {
        _cleanup_(sb_done) struct strbuf sb = {};

        options_help(&enrol_options_table, 0, &sb);
        return write_all(STDOUT_FILENO, sb_str(&sb), sb.len) < 0;
    }
    r = settings(&line, &config, &err);
    if (r == 0)
        r = run(&line, &config, &err);
    config_done(&config);
    error_print(&err, stderr);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
