// SPDX-License-Identifier: Apache-2.0
//
// `safeguard up`: a server and an agent on this machine, over loopback, with all that they keep in one directory. It starts the
// server as a user of its own, lets the agent enrol, waits until both say that they are ready, prints where to look, and
// ends both when it is asked to end.
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strutil.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "control/message.h"

#define UP_DIR      "/var/lib/safeguard/up"
#define UP_PORT     8443
#define UP_OWNER    "owner"
#define SERVER_USER "safeguard-server"
#define FIRST_DYNAMIC \
    61184 // systemd's range for users that exist while something runs (systemd.exec(5), DynamicUser=)
#define LAST_DYNAMIC 65519
#define END_MS       20000 // for each program to end

enum {
    OPT_DIR = OPT_OWN,
    OPT_PORT,
    OPT_ADDRESS,
    OPT_DETACH,
    OPT_MONITOR,
    OPT_POLICY_DIR,
    OPT_PIN_DIR,
    OPT_RUN_DIR,
    OPT_URL,
    OPT_UI_DIR,
};

struct up {
    struct cli *cli;
    const char *dir, *address, *open_url, *ui_dir, *policy_dir, *pin_dir, *run_dir;
    uint32_t port;
    bool detach, monitor;

    char self[PATH_MAX], programs[PATH_MAX]; // this program, and its directory
    char *server_program, *agent_program, *server_dir, *server_run, *agent_dir, *policies,
        *ui_found, *url, *socket;
    uid_t uid;
    gid_t gid;
    struct loop *loop;
    struct child server, agent;
    bool ending;
    int result; // negative errno: one of them could not be kept running
    struct error error;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct up *u = ctx;

    switch (id) {
    case OPT_DIR: u->dir = arg; break;
    case OPT_ADDRESS: u->address = arg; break;
    case OPT_DETACH: u->detach = true; break;
    case OPT_MONITOR: u->monitor = true; break;
    case OPT_POLICY_DIR: u->policy_dir = arg; break;
    case OPT_PIN_DIR: u->pin_dir = arg; break;
    case OPT_RUN_DIR: u->run_dir = arg; break;
    case OPT_URL: u->open_url = arg; break;
    case OPT_UI_DIR: u->ui_dir = arg; break;
    case OPT_PORT:
        if (parse_u32(arg, &u->port) < 0 || u->port == 0 || u->port > 65535)
            return error_set(err, -EINVAL, "--port: '%s' is no port", arg);
        break;
    }
    return 0;
}

static const struct option_row rows[] = {
    {0, "dir", "DIR", "where server and agent keep everything (default: " UP_DIR ")", OPTION_ARG,
     OPT_DIR, "DIR"},
    {0, "port", "PORT", "of the server (default: 8443)", OPTION_ARG, OPT_PORT, NULL},
    {0, "address", "ADDRESS", "where the server listens (default: 127.0.0.1)", OPTION_ARG,
     OPT_ADDRESS, NULL},
    {0, "url", "URL", "what people open, where that is another address than the server's own",
     OPTION_ARG, OPT_URL, NULL},
    {0, "ui-dir", "DIR", "files of the web interface (default: those that are installed)",
     OPTION_ARG, OPT_UI_DIR, "DIR"},
    {0, "policy-dir", "DIR", "policies of this host beside the server's (default: DIR/policies)",
     OPTION_ARG, OPT_POLICY_DIR, "DIR"},
    {0, "monitor", NULL, "decide and record, never block", OPTION_FLAG, OPT_MONITOR, NULL},
    {0, "detach", NULL,
     "when it ends, also take the programs out of the kernel: nothing is enforced any more",
     OPTION_FLAG, OPT_DETACH, NULL},
    {0, "run-dir", "DIR", "control socket of the agent (default: /run/safeguard)", OPTION_ARG,
     OPT_RUN_DIR, "DIR"},
    {0, "pin-dir", "DIR", "where the agent keeps what is in the kernel", OPTION_ARG, OPT_PIN_DIR,
     "DIR"},
    ROW_COLOR,
    ROW_HELP,
};

const struct command_options up_options = {
    .description =
        "Starts safeguard-server and safeguard-agent, makes the agent known to the server, and prints the address of the "
        "page with a log-in that works once. Ends both on Ctrl-C. What it keeps is there again the next time.\n\n"
        "For a machine that is to be protected for good, start the services instead: systemctl enable --now "
        "safeguard-server safeguard-agent. What this command starts does not defend itself against root: Ctrl-C has to end it.\n\n"
        "Exit status: 0 asked to end, 2 wrong usage, 4 one of them could not be started or ended by itself.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

// Programs and places ------------------------------------------------------------------------------------

// Beside this program where it was installed, else where it was built.
static int find_part(struct up *u, const char *installed, const char *built, int how,
                     char **ret_path, struct error *err)
{
    const char *const places[] = {installed, built};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        sb_printf(&sb, "%s/%s", u->programs, places[i]);
        if (access(sb_str(&sb), how) == 0)
            return sb_finish(&sb, ret_path);
    }
    (void)error_set(err, -ENOENT, "%s/%s is not there", u->programs, installed);
    error_cure(err, "install safeguard as a whole, or build it: make");
    return -ENOENT;
}

static int find_programs(struct up *u, struct error *err)
{
    char copy[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", u->self, sizeof(u->self) - 1);
    int r;

    if (n < 0)
        return error_set(err, negative_errno(), "/proc/self/exe: %m");
    u->self[n] = '\0';
    memcpy(copy, u->self, sizeof(copy));
    (void)snprintf(u->programs, sizeof(u->programs), "%s", dirname(copy));
    r = find_part(u, "../sbin/safeguard-server", "../server/safeguard-server", X_OK,
                  &u->server_program, err);
    r = r < 0 ? r
              : find_part(u, "../sbin/safeguard-agent", "../agent/safeguard-agent", X_OK,
                          &u->agent_program, err);
    // Without its pages the server says so, and does everything else.
    if (r == 0 && !u->ui_dir)
        (void)find_part(u, "../share/safeguard/ui", "../../../ui/dist", R_OK, &u->ui_found, NULL);
    return r;
}

static char *text(const char *fmt, ...) _printf_(1, 2);
static char *text(const char *fmt, ...)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    sb_vprintf(&sb, fmt, ap);
    va_end(ap);
    return sb_finish(&sb, &s) < 0 ? NULL : s;
}

// The user that the server runs as: the one made for it; the one it had before; a number that nobody has.
static int find_user(struct up *u, struct error *err)
{
    const struct passwd *pw = getpwnam(SERVER_USER);
    struct stat st;

    if (pw) {
        u->uid = pw->pw_uid;
        u->gid = pw->pw_gid;
        return 0;
    }
    if (stat(u->server_dir, &st) == 0 && st.st_uid >= FIRST_DYNAMIC && st.st_uid <= LAST_DYNAMIC) {
        u->uid = st.st_uid;
        u->gid = st.st_gid;
        return 0;
    }
    for (uid_t uid = FIRST_DYNAMIC; uid <= LAST_DYNAMIC; uid++)
        if (!getpwuid(uid)) {
            u->uid = uid;
            u->gid = (gid_t)uid;
            return 0;
        }
    (void)error_set(err, -ENOENT, "there is no user that the server could run as");
    error_cure(err, "make one: useradd --system --no-create-home " SERVER_USER);
    return -ENOENT;
}

static int make_places(struct up *u, struct error *err)
{
    int r;

    // The server's user has to get through to its own directory, and nobody gets anything else.
    r = mkdir_p(AT_FDCWD, u->dir, 0711);
    r = r < 0 ? r : mkdir_p(AT_FDCWD, u->server_dir, 0700);
    r = r < 0 ? r : mkdir_p(AT_FDCWD, u->agent_dir, 0700);
    r = r < 0 ? r : mkdir_p(AT_FDCWD, u->policy_dir, 0755);
    if (r < 0)
        return error_set(err, r, "%s: %m", u->dir);
    if (chown(u->server_dir, u->uid, u->gid) < 0)
        return error_set(err, negative_errno(), "%s: %m", u->server_dir);
    return 0;
}

// Listens everywhere: from here it is reached over loopback.
static bool is_any(const char *address)
{
    return streq(address, "0.0.0.0") || streq(address, "::");
}

static int prepare(struct up *u, struct error *err)
{
    int r;

    if (geteuid() != 0) {
        (void)error_set(err, -EPERM, "only root can load programs into this kernel");
        error_cure(err, "run this command as root");
        return -EPERM;
    }
    r = find_programs(u, err);
    if (r < 0)
        return r;
    u->server_dir = text("%s/server", u->dir);
    u->server_run = text("%s/run", u->server_dir);
    u->agent_dir = text("%s/agent", u->dir);
    u->url = text("https://%s:%u", is_any(u->address) ? "127.0.0.1" : u->address, u->port);
    u->open_url = u->open_url ? u->open_url : u->url;
    u->socket = text("%s/control.sock", u->run_dir);
    u->policies = text("%s/policies", u->dir);
    u->policy_dir = u->policy_dir ? u->policy_dir : u->policies;
    if (!u->server_dir || !u->server_run || !u->agent_dir || !u->url || !u->socket ||
        !u->policy_dir)
        return error_set(err, -ENOMEM, "%m");
    r = find_user(u, err);
    return r < 0 ? r : make_places(u, err);
}

// The two programs ---------------------------------------------------------------------------------------

static void give_up(struct up *u)
{
    u->ending = true;
    (void)loop_exit(u->loop, 0);
}

static int on_changed(void *ctx, struct child *c)
{
    struct up *u = ctx;
    _cleanup_(sb_done) struct strbuf tail = {};

    if (!c->ended || u->ending)
        return 0;
    u->result = -ECHILD;
    (void)error_set(&u->error, u->result, "%s ended by itself", c->name);
    error_cure(&u->error, "see what it said above, and in %s", c->log);
    child_log_tail(c, &tail);
    (void)write_all(STDERR_FILENO, sb_str(&tail), tail.len);
    give_up(u);
    return 0;
}

static int on_signal(void *ctx, int signo _unused_)
{
    give_up(ctx);
    return 0;
}

// Until it is ready, has ended, or somebody pressed Ctrl-C. Starting takes as long as it takes: proving every hook on an
// emulated machine takes a minute.
static bool wait_ready(struct up *u, const struct child *c)
{
    while (!c->ready && !u->ending)
        if (loop_run_once(u->loop, UINT64_MAX) < 0)
            break;
    return c->ready && !u->ending;
}

static int start_server(struct up *u, struct error *err)
{
    _cleanup_free_ char *port = text("%u", u->port), *log = text("%s/server.log", u->dir);
    const char *ui = u->ui_dir ? u->ui_dir : u->ui_found;
    char *argv[] = {u->server_program,
                    (char *)"--data-dir",
                    u->server_dir,
                    (char *)"--run-dir",
                    u->server_run,
                    (char *)"--address",
                    (char *)u->address,
                    (char *)"--port",
                    port,
                    (char *)"--url",
                    (char *)u->open_url,
                    ui ? (char *)"--ui-dir" : NULL,
                    (char *)ui,
                    NULL};
    int r;

    if (!port || !log)
        return error_set(err, -ENOMEM, "%m");
    u->server = (struct child){.name = "safeguard-server",
                               .program = u->server_program,
                               .argv = argv,
                               .uid = u->uid,
                               .gid = u->gid,
                               .log = TAKE_PTR(log),
                               .changed = on_changed,
                               .ctx = u};
    r = child_start(&u->server, u->loop, err);
    return r < 0 ? r : wait_ready(u, &u->server) ? 0 : -ECANCELED;
}

// A command of the server, as its user. `input` is an empty line where a password could be given: then codes alone let the
// user in. The first line of its answer.
static int ask_server(struct up *u, const char *const *words, size_t n, const char *input,
                      char **ret_line, struct error *err)
{
    char *argv[20] = {u->server_program, (char *)"--data-dir", u->server_dir, (char *)"--run-dir",
                      u->server_run};
    _cleanup_(sb_done) struct strbuf answer = {};
    int r;

    for (size_t i = 0; i < n; i++)
        argv[5 + i] = (char *)words[i];
    r = child_ask(u->server_program, argv, u->uid, u->gid, input, &answer, err);
    if (r < 0)
        return r;
    *ret_line = strndup(sb_str(&answer), strcspn(sb_str(&answer), "\n"));
    return *ret_line ? 0 : error_set(err, -ENOMEM, "%m");
}

// The token goes through a pipe: arguments of programs are seen by everybody.
static int enrol(struct up *u, struct error *err)
{
    const char *const words[] = {"token", "create", "--uses", "1", "--expires", "10m"};
    char *argv[] = {
        u->agent_program, (char *)"enrol",       (char *)"--server", u->url, (char *)"--token",
        (char *)"-",      (char *)"--state-dir", u->agent_dir,       NULL};
    _cleanup_free_ char *identity = text("%s/identity.json", u->agent_dir), *token = NULL;
    _cleanup_(sb_done) struct strbuf answer = {};
    int r;

    if (identity && access(identity, F_OK) == 0)
        return 0;
    r = ask_server(u, words, ARRAY_SIZE(words), NULL, &token, err);
    r = r < 0 ? r : child_ask(u->agent_program, argv, 0, 0, token, &answer, err);
    if (token)
        explicit_bzero(token, strlen(token));
    return r;
}

static int start_agent(struct up *u, struct error *err)
{
    _cleanup_free_ char *log = text("%s/agent.log", u->dir),
                        *output = text("%s/events.ndjson", u->agent_dir),
                        *spool = text("%s/spool", u->agent_dir);
    char *argv[26] = {u->agent_program, (char *)"--state-dir", u->agent_dir, (char *)"--policy-dir",
                      (char *)u->policy_dir, (char *)"--run-dir", (char *)u->run_dir,
                      (char *)"--output-path", output, (char *)"--spool-dir", spool,
                      (char *)"--mode", u->monitor ? (char *)"monitor" : (char *)"policy",
                      // It ends with who started it.
                      (char *)"--defence", (char *)"no"};
    size_t n = 15;
    int r;

    if (!log || !output || !spool)
        return error_set(err, -ENOMEM, "%m");
    if (u->pin_dir) {
        argv[n++] = (char *)"--pin-dir";
        argv[n++] = (char *)u->pin_dir;
    }
    u->agent = (struct child){.name = "safeguard-agent",
                              .program = u->agent_program,
                              .argv = argv,
                              .log = TAKE_PTR(log),
                              .changed = on_changed,
                              .ctx = u};
    r = child_start(&u->agent, u->loop, err);
    return r < 0 ? r : wait_ready(u, &u->agent) ? 0 : -ECANCELED;
}

// Somebody who may do everything, and whom only the links of this machine's root let in.
static int make_owner(struct up *u, struct error *err)
{
    const char *const words[] = {"user",   "add",      UP_OWNER, "--role", "admin",
                                 "--role", "operator", "--role", "auditor"};
    _cleanup_free_ char *mark = text("%s/owner", u->agent_dir), *said = NULL;
    int r;

    if (!mark)
        return error_set(err, -ENOMEM, "%m");
    if (access(mark, F_OK) == 0)
        return 0;
    r = ask_server(u, words, ARRAY_SIZE(words), "\n", &said, err);
    if (r == 0)
        r = write_file_atomic(AT_FDCWD, mark, "", 0, 0600);
    return r;
}

static int say_where(struct up *u, struct error *err)
{
    const char *const words[] = {"user", "code", UP_OWNER};
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *link = NULL;
    int r;

    r = make_owner(u, err);
    r = r < 0 ? r : ask_server(u, words, ARRAY_SIZE(words), NULL, &link, err);
    if (r < 0)
        return r;
    sb_printf(
        &sb,
        "\nsafeguard is up. Open\n\n  %s%s%s\n\n"
        "The link logs in once, within 15 minutes. The browser will ask about the certificate: it is by this "
        "server's own authority.\n'safeguard-server --data-dir %s --run-dir %s user code " UP_OWNER
        "' makes another link.\nCtrl-C ends both.\n",
        color_seq(u->cli->color, COLOR_BOLD), link, color_seq(u->cli->color, COLOR_RESET),
        u->server_dir, u->server_run);
    explicit_bzero(link, strlen(link));
    return write_all(STDOUT_FILENO, sb_str(&sb), sb.len);
}

static int come_up(struct up *u, struct error *err)
{
    int r;

    (void)printf("Starting the server.\n");
    (void)fflush(stdout);
    r = start_server(u, err);
    r = r < 0 ? r : enrol(u, err);
    if (r < 0)
        return r;
    (void)printf("Starting the agent; it proves every hook by a denial of its own first.\n");
    (void)fflush(stdout);
    r = start_agent(u, err);
    return r < 0 ? r : say_where(u, err);
}

// The agent first: what it still has to tell finds a server. What it loaded is taken out also when it has died.
static void go_down(struct up *u)
{
    char *argv[] = {(char *)"safeguard", (char *)"stop",
                    (char *)"--detach",  (char *)"--socket",
                    u->socket,           u->pin_dir ? (char *)"--pin-dir" : NULL,
                    (char *)u->pin_dir,  NULL};
    _cleanup_(sb_done) struct strbuf answer = {};
    struct error err = {};

    u->ending = true;
    if (u->detach && u->agent.pid && child_ask(u->self, argv, 0, 0, NULL, &answer, &err) < 0)
        error_print(&err, stderr);
    child_signal(&u->agent, SIGTERM);
    if (!child_wait(&u->agent, END_MS))
        child_signal(&u->agent, SIGKILL);
    child_signal(&u->server, SIGTERM);
    if (!child_wait(&u->server, END_MS))
        child_signal(&u->server, SIGKILL);
}

static void up_done(struct up *u)
{
    child_done(&u->agent);
    child_done(&u->server);
    u->loop = loop_free(u->loop);
    free((char *)u->server.log);
    free((char *)u->agent.log);
    free(u->server_program);
    free(u->agent_program);
    free(u->server_dir);
    free(u->server_run);
    free(u->agent_dir);
    free(u->policies);
    free(u->ui_found);
    free(u->url);
    free(u->socket);
}

int cmd_up(struct cli *cli)
{
    struct up u = {.cli = cli,
                   .dir = UP_DIR,
                   .address = "127.0.0.1",
                   .run_dir = "/run/safeguard",
                   .port = UP_PORT};
    struct error err = {};
    int status, r;

    status = cli_parse(cli, on_option, &u);
    status = status >= 0 ? status : cli_operands(cli, 0, 0);
    if (status >= 0)
        return status;
    r = prepare(&u, &err);
    if (r == 0) {
        r = loop_new(&u.loop);
        r = r < 0 ? r : loop_add_signal(u.loop, SIGINT, on_signal, &u, NULL);
        r = r < 0 ? r : loop_add_signal(u.loop, SIGTERM, on_signal, &u, NULL);
        r = r < 0 ? error_set(&err, r, "no event loop: %m") : come_up(&u, &err);
    }
    if (r == 0)
        (void)loop_run(u.loop);
    go_down(&u);
    up_done(&u);
    if (error_is_set(&u.error))
        return cli_fail(&u.error);
    if (r < 0 && r != -ECANCELED)
        return cli_fail(&err);
    return CLI_OK;
}
