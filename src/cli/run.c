// SPDX-License-Identifier: Apache-2.0
//
// `safeguard run`: launches a command as a subject of a policy.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/run.h"

// As shells have it.
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND  127

enum { OPT_POLICY = OPT_OWN };

static const struct option_row rows[] = {
    {'p', "policy", "NAME|FILE",
     "the policy: one of those in " POLICIES_DIR " by its name, or a file by a path with a slash",
     OPTION_ARG, OPT_POLICY, "FILE"},
    ROW_HELP,
};

const struct command_options run_options = {
    .description =
        "Starts COMMAND, without a shell, as what `launched: true` means in the policy, with everything that it starts in "
        "turn. Rules about system calls (`syscall`) hold for it by a filter that it cannot get rid of: on every kernel, and "
        "without an agent. It gains no privileges from then on: programs that are set-user-ID run as who starts them.\n\n"
        "Started by root it is in the control group " POLICY_LAUNCH_GROUP
        "/NAME, by which the other rules of the policy, "
        "which the agent enforces, know it. Whoever else starts it needs no privileges for the filter.\n\n"
        "What a filter refuses or records is in the log of the kernel's audit (type SECCOMP). An io_uring is not there for a "
        "command of which a filter refuses something.\n\n"
        "Exit status: that of COMMAND; 126 it cannot be executed, 127 it is not there, 2 wrong usage, 4 failure. When a "
        "signal ends COMMAND the same signal ends this.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
    .stop_at_operand = true,
};

struct run {
    const char *policy_arg;
    char **argv;
    struct policy *policy;
    uint32_t file;
    struct policy_calls calls;
    struct run_filter filter;
    struct run_group group;
    sigset_t mask; // as it was
    pid_t child;
    int signals;
    struct run_stops *stops;
};

static void run_done(struct run *r)
{
    run_stops_free(r->stops);
    run_group_done(&r->group);
    run_filter_done(&r->filter);
    policy_calls_done(&r->calls);
    policy_free(r->policy);
    if (r->signals >= 0)
        (void)close(r->signals);
}

static int on_option(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    if (id == OPT_POLICY)
        ((struct run *)ctx)->policy_arg = arg;
    return 0;
}

// The policy ---------------------------------------------------------------------------------------

static int load_policy(struct run *run, struct error *err)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    bool is_file = strchr(run->policy_arg, '/');
    char *path = (char *)run->policy_arg;
    int r;

    r = policies_load(&path, is_file, &diags, &run->policy, err);
    if (r < 0 && diags.n_errors) {
        policy_diags_format(&diags, false, &sb);
        (void)fputs(sb_str(&sb), stderr);
        return error_set(err, -EBADMSG, "the policies have mistakes");
    }
    if (r < 0)
        return r;
    if (is_file)
        return 0;
    r = policy_find(run->policy, run->policy_arg, &run->file);
    if (r == -ENOENT)
        (void)error_set(err, r, "no policy in " POLICIES_DIR " has the name '%s'", run->policy_arg);
    else if (r < 0)
        (void)error_set(err, r, "several policies have the name '%s'", run->policy_arg);
    if (r < 0)
        error_cure(err, "'name:' in a file says its name; ./FILE names a file");
    return r;
}

static const char *name_of(const struct run *run)
{
    return run->policy->files[run->file].name;
}

static int make_group(struct run *run, struct error *err)
{
    struct error why = {};
    int r = run_group_make(name_of(run), &run->group, &why);

    if (r < 0)
        return error_set(err, r, "%m");
    if (run->group.known || !policy_needs_group(run->policy, run->file))
        return 0;
    (void)error_set(err, -EPERM, "rules of '%s' know what is launched by its control group, and %s",
                    name_of(run), error_is_set(&why) ? why.what : "only root can put it there");
    error_cure(err, "start it as root, or use a policy with nothing but `syscall` for it");
    return -EPERM;
}

static int prepare(struct run *run, struct error *err)
{
    const char *needed;
    int r;

    r = load_policy(run, err);
    if (r == 0)
        r = policy_calls(run->policy, run->file, &run->calls);
    if (r < 0)
        return error_is_set(err) ? r : error_set(err, r, "%m");
    needed = policy_calls_missing(&run->calls);
    if (needed) {
        (void)error_set(err, -EINVAL, "'%s' refuses %s, by which the command is started",
                        name_of(run), needed);
        error_cure(err, "let it pass by a rule in front: {syscall: [%s], by: ..., do: allow}",
                   needed);
        return -EINVAL;
    }
    if (run->calls.n == 0 && !policy_needs_group(run->policy, run->file)) {
        (void)error_set(err, -EINVAL, "no rule of '%s' is about what is launched", name_of(run));
        error_cure(err, "write one: {syscall: [mount], by: {launched: true}, do: deny}");
        return -EINVAL;
    }
    r = run_filter_build(run->policy, &run->calls, &run->filter, err);
    return r < 0 ? r : make_group(run, err);
}

// The child ----------------------------------------------------------------------------------------

// What the child says, in memory that both have.
struct said {
    int error;    // 0: it executes the command
    int listener; // number of the descriptor in the table that both have
    enum { AT_GROUP, AT_FILTER, AT_EXEC } at;
};

static void set_default(int signo)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};

    (void)sigaction(signo, &action, NULL);
}

_Noreturn static void fail(struct said *said, int at, int error)
{
    said->at = at;
    said->error = error < 0 ? -error : error;
    _exit(EXIT_CANNOT_RUN);
}

_Noreturn static void be_child(const struct run *run, struct said *said)
{
    int r;

    // Before the filter, which may refuse it.
    set_default(SIGPIPE);
    (void)sigprocmask(SIG_SETMASK, &run->mask, NULL);
    if (run->group.procs >= 0 && write(run->group.procs, "0", 1) != 1)
        fail(said, AT_GROUP, errno);
    r = run_filter_load(&run->filter, &said->listener);
    if (r < 0)
        fail(said, AT_FILTER, r);
    (void)execvp(run->argv[0], run->argv);
    fail(said, AT_EXEC, errno);
}

// The parent waits in the kernel until the child has executed the command or ended. Until then both have one table of
// descriptors: that is how the listener gets here, though the filter may refuse to send it.
static pid_t start_child(const struct run *run, struct said *said)
{
    long pid = syscall(SYS_clone, CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        be_child(run, said);
    return (pid_t)pid;
}

static int child_failed(const struct run *run, const struct said *said, struct error *err)
{
    const char *what = said->at == AT_GROUP    ? "the command cannot be put into its control group"
                       : said->at == AT_FILTER ? "the kernel does not take the filter"
                                               : run->argv[0];

    (void)error_set(err, -said->error, "%s: %m", what);
    if (said->at == AT_FILTER && said->error == EBUSY)
        error_cure(err, "something listens to a filter of this process already: `stop` cannot be "
                        "used within it");
    else if (said->at == AT_FILTER)
        error_cure(err, "a kernel with CONFIG_SECCOMP_FILTER=y, from 5.0 on for `stop`");
    else if (said->at == AT_GROUP)
        error_cure(err, "see that no controller is handed on from %s", run->group.path);
    return -said->error;
}

static int start(struct run *run, struct said *said, struct error *err)
{
    sigset_t all;
    int r;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &run->mask);
    run->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signals < 0)
        return error_set(err, negative_errno(), "signals cannot be read: %m");
    said->listener = -1;
    run->child = start_child(run, said);
    if (run->child < 0)
        return error_set(err, negative_errno(), "no process can be made: %m");
    if (said->error) {
        (void)waitpid(run->child, NULL, 0);
        return child_failed(run, said, err);
    }
    if (said->listener < 0)
        return 0;
    r = run_stops_new(said->listener, run->policy, &run->calls, &run->stops);
    if (r == 0)
        return 0;
    // Nobody would answer: what is to be stopped must not go on.
    (void)close(said->listener);
    (void)kill(run->child, SIGKILL);
    (void)waitpid(run->child, NULL, 0);
    return error_set(err, r, "nobody can listen to the filter: %m");
}

// The parent ---------------------------------------------------------------------------------------

// What came from a terminal went to the command as well.
static void pass_on(const struct run *run, const struct signalfd_siginfo *info)
{
    if (info->ssi_signo == SIGCHLD || info->ssi_code == SI_KERNEL)
        return;
    (void)kill(run->child, (int)info->ssi_signo);
}

// True: it has ended, with this status.
static bool look_at_child(const struct run *run, int *ret_status)
{
    while (waitpid(run->child, ret_status, WNOHANG | WUNTRACED) == run->child) {
        if (!WIFSTOPPED(*ret_status))
            return true;
        // By Ctrl-Z, or at a terminal that is not its own: whoever started us has to see that, too.
        if (WSTOPSIG(*ret_status) == SIGTSTP || WSTOPSIG(*ret_status) == SIGTTIN ||
            WSTOPSIG(*ret_status) == SIGTTOU) {
            (void)raise(SIGSTOP);
            (void)kill(run->child, SIGCONT);
        }
    }
    return false;
}

static int supervise(struct run *run, int *ret_status, struct error *err)
{
    struct pollfd fds[] = {{.fd = run->signals, .events = POLLIN},
                           {.fd = run->stops ? run_stops_fd(run->stops) : -1, .events = POLLIN}};

    while (!look_at_child(run, ret_status)) {
        struct signalfd_siginfo info;
        int r;

        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            return error_set(err, negative_errno(), "poll: %m");
        while (read(run->signals, &info, sizeof(info)) == sizeof(info))
            pass_on(run, &info);
        if (fds[1].revents & POLLIN) {
            r = run_stops_serve(run->stops);
            if (r < 0 && r != -ENOENT && r != -EINTR) {
                (void)fprintf(stderr,
                              "safeguard run: nothing is stopped any more, but refused: %s\n",
                              strerror(-r));
                run->stops = run_stops_free(run->stops); // the kernel says no by itself from now on
                fds[1].fd = -1;
            }
        } else if (fds[1].revents) {
            fds[1].fd = -1; // nothing has this filter any more
        }
    }
    return 0;
}

// As the command ended.
static int end_as(const struct run *run, int status)
{
    const struct rlimit no_core = {};

    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (WTERMSIG(status) == SIGSYS)
        (void)fprintf(stderr, "safeguard run: a rule with `kill` ended %s\n", run->argv[0]);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    set_default(WTERMSIG(status));
    (void)sigprocmask(SIG_SETMASK, &run->mask, NULL);
    (void)raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int run_command(struct run *run)
{
    struct said *said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct error err = {};
    int status = 0, r;

    if (said == MAP_FAILED) {
        (void)error_set(&err, negative_errno(), "%m");
        return cli_fail(&err);
    }
    r = prepare(run, &err);
    if (r == 0)
        r = start(run, said, &err);
    if (r == 0)
        r = supervise(run, &status, &err);
    if (r == 0) {
        run_group_done(&run->group);
        status = end_as(run, status);
    } else {
        status = cli_fail(&err);
        if (said->error && said->at == AT_EXEC)
            status = said->error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
        else if (status == CLI_UNREACHABLE)
            status = CLI_FAILED;
    }
    (void)munmap(said, sizeof(*said));
    return status;
}

int cmd_run(struct cli *cli)
{
    struct run run = {.group = {.procs = -1}, .signals = -1};
    struct error err = {};
    int r;

    r = cli_parse(cli, on_option, &run);
    if (r >= 0)
        return r;
    if (!run.policy_arg || cli->n_operands == 0) {
        (void)error_set(&err, -EINVAL, run.policy_arg ? "which command?" : "by which policy?");
        error_expected(&err, "safeguard run --policy NAME COMMAND [ARGUMENT...]");
        return cli_usage(cli, &err);
    }
    run.argv = cli->operands;
    r = run_command(&run);
    run_done(&run);
    return r;
}
