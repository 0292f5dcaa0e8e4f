// SPDX-License-Identifier: Apache-2.0
//
// sg-bench-sched sums|ext COMMAND...: runs COMMAND while the kernel adds up about scheduling, or while safeguard's scheduler is in
// charge. Exit status: COMMAND's own; 99 when that could not be had.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analysis/sched.h"
#include "base/macro.h"
#include "schedule/ext.h"

#define EXIT_NOT_LOADED 99

static int run(char **command)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return EXIT_NOT_LOADED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    _cleanup_(sched_closep) struct sched *sums = NULL;
    _cleanup_(ext_closep) struct ext *ext = NULL;
    struct error err = {};
    int r;

    if (argc < 3 || (!streq(argv[1], "sums") && !streq(argv[1], "ext"))) {
        (void)fprintf(stderr, "usage: sg-bench-sched sums|ext COMMAND...\n");
        return 2;
    }
    r = streq(argv[1], "ext") ? ext_open(&ext, &err) : sched_open(&sums, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return EXIT_NOT_LOADED;
    }
    return run(argv + 2);
}
