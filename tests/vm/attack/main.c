// SPDX-License-Identifier: Apache-2.0
/* The command line. */
#include "attack.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "Usage: sg-attack COMMAND …\n"
    "\n"
    "  setup ROOT                       make the tree (before the policy), or mend it\n"
    "  verify ROOT                      \"ok\" or \"CHANGED …\": run it as ROOT/bin/sg-exempt\n"
    "  restore ROOT                     mend the tree: run it as ROOT/bin/sg-exempt\n"
    "  list [--json]                    the ways\n"
    "  run [--json] [--no-policy] ROOT [WAY…]\n"
    "                                   try the ways; names may hold * and ?\n"
    "  hold [--json] [--no-policy] ROOT [-- COMMAND…]\n"
    "                                   open and map, print \"ready\", wait for a line of input\n"
    "                                   or run COMMAND, then try what was opened before\n"
    "  race ROOT SECONDS PROCESSES      forbidden opens while directories move\n"
    "  burst DIRECTORY COUNT PROCESSES  opens and creates as fast as possible, and their number\n"
    "\n"
    "The policy protects ROOT/vault/secret and all below ROOT/vault/tree from everybody but\n"
    "ROOT/bin/sg-exempt. `run` exits with 1 if a result is not what the way's row expects; with\n"
    "--no-policy every way has to pass or be skipped.\n";

static int bad_usage(void)
{
    fputs(usage, stderr);
    return 2;
}

static bool parse_number(const char *s, uint64_t max, uint64_t *ret)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(s, &end, 10);
    if (errno || *end || end == s || *s == '-' || v == 0 || v > max) {
        fprintf(stderr, "sg-attack: \"%s\" is not a number from 1 to %llu\n", s,
                (unsigned long long)max);
        return false;
    }
    *ret = v;
    return true;
}

/* The canonical form: results name objects by it. */
static char *parse_root(const char *s)
{
    char *root = realpath(s, NULL);

    if (!root)
        fprintf(stderr, "sg-attack: %s: %s\n", s, strerror(errno));
    return root;
}

static int cmd_setup(const char *path, const char *self)
{
    char *root;
    int r;

    if (mkdir(path, 0755) < 0 && errno != EEXIST) {
        fprintf(stderr, "sg-attack: %s: %s\n", path, strerror(errno));
        return 1;
    }
    root = parse_root(path);
    if (!root)
        return 1;
    r = tree_setup(root, self);
    if (r < 0)
        fprintf(stderr, "sg-attack: cannot set up %s: %s\n", root, strerror(-r));
    return r < 0 ? 1 : 0;
}

static int cmd_run(int argc, char *argv[], const char *self)
{
    struct run r = {.self = self, .policy = true};
    bool hold = strcmp(argv[1], "hold") == 0;
    char *root;
    int i, status;

    for (i = 2; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            r.format = FORMAT_JSON;
        else if (strcmp(argv[i], "--no-policy") == 0)
            r.policy = false;
        else
            return bad_usage();
    }
    if (i == argc)
        return bad_usage();
    root = parse_root(argv[i++]);
    if (!root)
        return 1;
    r.root = root;
    if (!hold) {
        status = run_ways(&r, argv + i, (size_t)(argc - i));
    } else if (i < argc && (strcmp(argv[i], "--") != 0 || i + 1 == argc)) {
        status = bad_usage();
    } else {
        status = hold_main(&r, i < argc ? argv + i + 1 : NULL);
    }
    free(root);
    return status;
}

static int cmd_load(int argc, char *argv[])
{
    bool burst = strcmp(argv[1], "burst") == 0;
    uint64_t amount, n_proc;
    char *root;
    int r;

    if (argc != 5 || !parse_number(argv[3], burst ? 1000000000 : 86400, &amount) ||
        !parse_number(argv[4], 1024, &n_proc))
        return bad_usage();
    root = parse_root(argv[2]);
    if (!root)
        return 1;
    r = burst ? burst_main(root, amount, (unsigned)n_proc)
              : race_main(root, (unsigned)amount, (unsigned)n_proc);
    free(root);
    return r;
}

int main(int argc, char *argv[])
{
    char self[PATH_MAX];
    ssize_t n;

    if (argc < 2)
        return bad_usage();
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0) {
        fprintf(stderr, "sg-attack: /proc is needed: %s\n", strerror(errno));
        return 1;
    }
    self[n] = 0;
    if (strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(argv[1], "setup") == 0)
        return argc == 3 ? cmd_setup(argv[2], self) : bad_usage();
    if (strcmp(argv[1], "list") == 0)
        return list_ways(argc > 2 && strcmp(argv[2], "--json") == 0 ? FORMAT_JSON : FORMAT_TAP);
    if (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "hold") == 0)
        return cmd_run(argc, argv, self);
    if (strcmp(argv[1], "race") == 0 || strcmp(argv[1], "burst") == 0)
        return cmd_load(argc, argv);
    if (strcmp(argv[1], "x-resume") == 0)
        return resume_main(argc, argv);
    if (strcmp(argv[1], "verify") == 0 || strcmp(argv[1], "restore") == 0 ||
        strncmp(argv[1], "x-", 2) == 0)
        return exempt_main(argc, argv);
    return bad_usage();
}
