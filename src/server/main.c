// SPDX-License-Identifier: Apache-2.0
//
// The server: options, settings, commands, and the loop that waits for signals.
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/options.h"
#include "base/prompt.h"
#include "base/strutil.h"
#include "server/server.h"

#define SPARE_FDS    512       // beside connections
#define LARGE_PIECE  (4 << 20) // malloc: from here on memory is given back when it is freed
#define COMMAND_MAX  30        // tenths of a second that a command may take
#define STARTING_MAX 100       // tenths of a second that a server may take to start

enum {
    OPT_CONFIG = 1,
    OPT_CHECK,
    OPT_GENERATE,
    OPT_HELP,
    OPT_VERSION,
    OPT_FIRST_SETTING,
};

static const struct option_row own_rows[] = {
    {'c', "config", "FILE", "read settings from FILE (default: " SERVER_CONFIG_PATH ")", OPTION_ARG,
     OPT_CONFIG, "FILE"},
    {0, "check", NULL, "check the settings and end", OPTION_FLAG, OPT_CHECK, NULL},
    {0, "generate", "WHAT", "write man, man-config, completion or openapi to standard output",
     OPTION_ARG, OPT_GENERATE, "man man-config completion openapi"},
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
    {'V', "version", NULL, "show the version", OPTION_FLAG, OPT_VERSION, NULL},
};

#define N_OPTIONS (ARRAY_SIZE(own_rows) + SERVER_CONFIGS)

static const char description[] =
    "Takes records and states from agents, keeps them, and shows them to people, who make policies for all hosts with it. "
    "Without a command it serves until SIGTERM; SIGHUP reads the files of the web interface again. Reads its settings "
    "from " SERVER_CONFIG_PATH "; options win over the file.\n\n"
    "Commands are for the server's own machine, whether the server runs or not.\n\n"
    "Exit status: 0 asked to end, 1 failure, 2 wrong usage, 78 the settings are wrong.";

struct command_line {
    const char *values[SERVER_CONFIGS];
    const char *config, *generate;
    bool check, help, version;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct command_line *c = ctx;

    switch (id) {
    case OPT_CONFIG: c->config = arg; break;
    case OPT_CHECK: c->check = true; break;
    case OPT_GENERATE: c->generate = arg; break;
    case OPT_HELP: c->help = true; break;
    case OPT_VERSION: c->version = true; break;
    default: c->values[id - OPT_FIRST_SETTING] = arg; break;
    }
    return 0;
}

static void list_commands(const struct options *commands, size_t n, struct strbuf *sb)
{
    sb_puts(sb, "\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        sb_printf(sb, "  %-14s %-5s %s\n", commands[i].command, strempty(commands[i].operands),
                  commands[i].summary);
}

static int generate(const struct options *o, const char *what)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    const struct options *commands;
    struct error err = {};
    int r = 0;
    size_t n;

    commands = command_options(&n);
    if (streq(what, "man"))
        options_man(o, commands, n, 8, SAFEGUARD_VERSION, &sb);
    else if (streq(what, "man-config"))
        server_config_man(&sb);
    else if (streq(what, "completion"))
        options_completion_bash(o, commands, n, &sb);
    else if (streq(what, "openapi"))
        r = api_openapi(&server_tables, &sb, &err);
    else if (streq(what, "help"))
        options_help(o, 0, &sb);
    else
        r = error_set(&err, -EINVAL, "'%s' cannot be generated", what);
    if (streq(what, "help"))
        list_commands(commands, n, &sb);
    else if (streq(what, "openapi"))
        sb_putc(&sb, '\n');
    free((void *)(uintptr_t)commands);
    error_print(&err, stderr);
    return r < 0 ? r : write_all(STDOUT_FILENO, sb_str(&sb), sb.len);
}

static int settle_config(struct server_config *config, const struct command_line *line)
{
    _cleanup_(sb_done) struct strbuf text = {};
    struct error err = {};
    int r = server_config_init(config);

    r = r < 0 ? r : server_config_read(config, line->config, &text);
    if (text.len)
        (void)fputs(sb_str(&text), stderr);
    for (size_t i = 0; i < SERVER_CONFIGS && r == 0; i++)
        if (line->values[i])
            r = conf_set(&server_conf, config, i, line->values[i], &err);
    error_print(&err, stderr);
    return r;
}

// Commands ---------------------------------------------------------------------------------------

static int ask_secret(int wants, char **ret_secret)
{
    const bool from_stdin = !isatty(STDIN_FILENO);
    struct error err = {};
    int r = wants == 2 ? prompt_new_password(from_stdin, ret_secret, &err)
                       : prompt_password("Password: ", from_stdin, ret_secret, &err);

    error_print(&err, stderr);
    return r;
}

// The server's own user has to be able to open what a command of root makes: it is done as whoever has the data.
static int become_owner(const char *data_dir, struct error *err)
{
    struct stat st;

    if (geteuid() != 0 || stat(data_dir, &st) < 0 || st.st_uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return error_set(err, negative_errno(), "%s: its owner cannot be had: %m", data_dir);
    return 0;
}

// By the server that runs, or, when none does, with its database. One that has the database and does not listen yet is
// just starting.
static int settle_command(struct server *s, int argc, char **argv, const char *secret,
                          struct strbuf *out, struct strbuf *errs, int *ret_status,
                          struct error *err)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    int r;

    for (unsigned i = 0; i < STARTING_MAX; i++) {
        error_reset(err);
        r = local_ask(s->config.run_dir, argc, argv, secret, out, errs, ret_status);
        if (r != -ENOENT && r != -ECONNREFUSED)
            break;
        r = become_owner(s->config.data_dir, err);
        r = r < 0 ? r : server_open(s, false, err);
        if (r == 0)
            *ret_status = command_run(s, argc, argv, secret, out, errs);
        server_close(s);
        if (r != -EBUSY)
            return r;
        (void)nanosleep(&pause, NULL);
    }
    if (r < 0 && !error_is_set(err))
        (void)error_set(err, r, "the server cannot be asked: %m");
    if (r == -EACCES)
        error_cure(err, "do it as root: sudo safeguard-server %s ...", argv[0]);
    return r;
}

static int run_command(struct server *s, int argc, char **argv)
{
    _cleanup_(sb_done) struct strbuf out = {}, errs = {};
    _cleanup_(prompt_wipep) char *secret = NULL;
    struct error err = {};
    int wants, r, status = EXIT_FAILURE;

    wants = command_wants(argc, argv, &errs);
    if (wants < 0) {
        (void)fputs(sb_str(&errs), stderr);
        return 2;
    }
    if (wants > 0 && ask_secret(wants, &secret) < 0)
        return EXIT_FAILURE;
    r = settle_command(s, argc, argv, secret, &out, &errs, &status, &err);
    error_print(&err, stderr);
    (void)fputs(sb_str(&out), stdout);
    (void)fputs(sb_str(&errs), stderr);
    return r < 0 ? EXIT_FAILURE : status;
}

// Serving ----------------------------------------------------------------------------------------

static int on_end(void *ctx, int signo)
{
    struct server *s = ctx;

    log_info("%s: ending", strsignal(signo));
    (void)sd_notify(0, "STOPPING=1");
    return loop_exit(s->loop, 0);
}

static int on_hup(void *ctx, int signo _unused_)
{
    struct server *s = ctx;
    struct error err = {};

    if (api_reload_ui(s->api, &err) < 0)
        (void)log_warning_struct(&err);
    return 0;
}

static int start_loop(struct server *s)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int r = loop_new(&s->loop);

    (void)sigaction(SIGPIPE, &ignore, NULL);
    r = r < 0 ? r : loop_add_signal(s->loop, SIGTERM, on_end, s, NULL);
    r = r < 0 ? r : loop_add_signal(s->loop, SIGINT, on_end, s, NULL);
    return r < 0 ? r : loop_add_signal(s->loop, SIGHUP, on_hup, s, NULL);
}

static void raise_limits(const struct server *s)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)s->config.connections + SPARE_FDS)
        log_warning("only %llu descriptors are allowed, which is less than 'connections' needs",
                    (unsigned long long)limit.rlim_cur);
}

// A command may have the database for a moment.
static int open_patiently(struct server *s, struct error *err)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    int r = -EBUSY;

    for (unsigned i = 0; i < COMMAND_MAX && r == -EBUSY; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        error_reset(err);
        r = server_open(s, true, err);
        if (r < 0)
            server_close(s);
    }
    return r;
}

// What root made in it, the service could not open any more.
static int check_owner(const char *data_dir, struct error *err)
{
    struct stat st;

    if (geteuid() != 0 || stat(data_dir, &st) < 0 || st.st_uid == 0)
        return 0;
    (void)error_set(err, -EPERM, "%s belongs to user %u, and root does not serve from it", data_dir,
                    (unsigned)st.st_uid);
    error_cure(err, "systemctl start safeguard-server; or give root a data directory of its own");
    return -EPERM;
}

static int serve(struct server *s)
{
    struct error err = {};
    bool stopped;
    int r;

    // What is made is for this user alone, and no part of it is dumped.
    (void)umask(0077);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
    raise_limits(s);
    r = start_loop(s);
    if (r < 0)
        (void)error_set(&err, r, "no event loop: %m");
    r = r < 0 ? r : check_owner(s->config.data_dir, &err);
    r = r < 0 ? r : open_patiently(s, &err);
    r = r < 0 ? r : server_start(s, &err);
    r = r < 0 ? r : local_new(s, &s->local, &err);
    if (r == 0) {
        _cleanup_free_ char *url = server_url(s);

        (void)loop_set_watchdog(s->loop, true);
        (void)sd_notify(0, "READY=1");
        log_info("ready at %s (port %u)", strempty(url), api_port(s->api));
        r = loop_run(s->loop);
    }
    (void)log_error_struct(&err);
    s->local = local_free(s->local);
    stopped = server_stop(s);
    if (!stopped) {
        log_warning("something did not come to its end in time");
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    server_close(s);
    s->loop = loop_free(s->loop);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum log_level level_of(const struct server_config *c)
{
    static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
                                            LOG_LEVEL_DEBUG};

    return c->log_level < ARRAY_SIZE(levels) ? levels[c->log_level] : LOG_LEVEL_INFO;
}

int main(int argc, char **argv)
{
    struct option_row rows[N_OPTIONS];
    const struct options options = {
        .program = "safeguard-server",
        .operands = "[COMMAND...]",
        .summary = "the server that hosts report to",
        .description = description,
        .rows = rows,
        .n_rows = N_OPTIONS,
        .stop_at_operand = true,
    };
    _cleanup_free_ struct server *s = new0(struct server, 1);
    struct command_line line = {};
    struct error err = {};
    int r, first;

    memcpy(rows, own_rows, sizeof(own_rows));
    conf_option_rows(&server_conf, OPT_FIRST_SETTING, rows + ARRAY_SIZE(own_rows));
    r = options_parse(&options, argc, argv, on_option, &line, &first, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return 2;
    }
    if (line.help || line.generate)
        return generate(&options, line.help ? "help" : line.generate) < 0 ? 2 : 0;
    if (line.version)
        return printf("safeguard-server %s\n", SAFEGUARD_VERSION) < 0;
    if (!s || settle_config(&s->config, &line) < 0)
        return EX_CONFIG;
    log_open_as("safeguard-server", LOG_TARGET_AUTO, level_of(&s->config));
    if (first < argc)
        r = run_command(s, argc - first, argv + first);
    else
        r = line.check ? printf("the settings are fine\n") < 0 : serve(s);
    server_config_done(&s->config);
    return r;
}
