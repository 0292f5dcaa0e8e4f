// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy learn`: the command. What it makes is in learn.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/learn.h"
#include "cli/tail.h"

#define RECORDS "/var/log/safeguard/events.ndjson"

enum { OPT_FROM = OPT_OWN, OPT_NAME, OPT_EXE, OPT_USER, OPT_CGROUP };

static const struct option_row learn_rows[] = {
    {'f', "from", "FILE",
     "read records from FILE, - for standard input; may be given again (default: the agent's own "
     "file, with those before it)",
     OPTION_ARG, OPT_FROM, "FILE"},
    {'n', "name", "NAME", "what the policy is called (default: learnt)", OPTION_ARG, OPT_NAME,
     NULL},
    {'e', "exe", "PATH", "for this program: what it executed", OPTION_ARG, OPT_EXE, "FILE"},
    {'u', "user", "USER", "for this user", OPTION_ARG, OPT_USER, NULL},
    {0, "cgroup", "PATH", "for this cgroup and all beneath it", OPTION_ARG, OPT_CGROUP, NULL},
    ROW_JSON,
    ROW_HELP,
};

const struct command_options policy_learn_options = {
    .description =
        "Writes a policy to standard output that allows the programs of which there are records, and the libraries where "
        "packages put them, and denies all else: in monitor mode, so that nothing is refused until you say so. Records of all "
        "executions are written with process_records: yes in agent.yaml, or by a rule "
        "{exec: any, do: audit}. Paths are taken as they are; what a policy refused is not learnt.\n\n"
        "Exit status: 0 a policy was written, 1 there were no executions, 2 wrong usage, 4 failure.",
    .rows = learn_rows,
    .n_rows = ARRAY_SIZE(learn_rows),
};

struct arguments {
    struct learn_options o;
    char **from;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct arguments *a = ctx;
    int r = 0;

    switch (id) {
    case OPT_FROM: r = strv_append(&a->from, arg); break;
    case OPT_NAME: a->o.name = arg; break;
    case OPT_USER: a->o.user = arg; break;
    default: *(id == OPT_EXE ? &a->o.exe : &a->o.cgroup) = arg; break;
    }
    if ((id == OPT_EXE || id == OPT_CGROUP) && arg[0] != '/') {
        (void)error_set(err, -EINVAL, "'%s' is not valid", arg);
        error_expected(err, "an absolute path");
        return -EINVAL;
    }
    return r < 0 ? error_set(err, r, "%m") : 0;
}

static int read_stdin(struct learn *l)
{
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = getline(&line, &cap, stdin)) > 0)
        r = learn_line(l, line, (size_t)n - (line[n - 1] == '\n'));
    return r < 0 ? r : ferror(stdin) ? -EIO : 0;
}

static int read_file(struct learn *l, const char *path, bool rotated)
{
    _cleanup_(tail_freep) struct tail *tail = NULL;
    const char *line;
    size_t len;
    int r = tail_new(path, rotated, false, &tail);

    while (r >= 0) {
        r = tail_next(tail, &line, &len);
        if (r <= 0)
            break;
        r = learn_line(l, line, len);
    }
    return r;
}

static int read_all(struct learn *l, char *const *from, struct error *err)
{
    int r = 0;

    if (!from) {
        r = read_file(l, RECORDS, true);
        return r < 0 ? error_set(err, r, "%s: %m", RECORDS) : 0;
    }
    STRV_FOREACH (path, from) {
        r = streq(*path, "-") ? read_stdin(l) : read_file(l, *path, false);
        if (r < 0)
            return error_set(err, r, "%s: %m", *path);
    }
    return 0;
}

int cmd_policy_learn(struct cli *cli)
{
    struct arguments a = {.o = {.name = "learnt"}};
    _cleanup_(learn_freep) struct learn *l = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct learn_counters c = {};
    struct error err = {};
    int r;

    r = cli_parse(cli, on_option, &a);
    if (r < 0) {
        r = learn_new(&a.o, &l);
        r = r < 0 ? error_set(&err, r, "%m") : read_all(l, a.from, &err);
        if (r == 0)
            learn_counters(l, &c);
        if (r < 0)
            r = cli_fail(&err);
        else if (c.executions == c.refused + c.nameless) {
            (void)error_set(&err, -ENODATA, "there are no records of executions to learn from");
            error_cure(&err, "process_records: yes in agent.yaml, and some time");
            error_print(&err, stderr);
            r = CLI_NEGATIVE;
        } else {
            (cli->json ? learn_json : learn_yaml)(l, &sb);
            r = cli_print(&sb, CLI_OK);
        }
    }
    (void)strv_free(a.from);
    return r;
}
