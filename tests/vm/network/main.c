// SPDX-License-Identifier: Apache-2.0
//
// sg-network: the ways of ways.def, each in a process of its own.
//
//   sg-network list              one line a way: id, host, port, since, error, kind, outcome, with tabs between
//   sg-network with PROGRAM...   begins a program that has sockets from now on open (enum of network.h), and servers to talk to
//   sg-network cost WHAT HOST PORT N  does one thing N times (cost.c), says what one costs in nanoseconds
//   sg-network run [PART]        runs them, those whose id has PART in it; one line a way: id, process, errno, with tabs
#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const struct {
    const char *id;
    way_fn function;
    const char *host;
    int port, since, error;
    const char *kind, *outcome;
} ways[] = {
#define WAY(id, function, host, port, since, error, kind, outcome) \
    {#id, function, host, port, since, error, #kind, outcome},
#include "ways.def"
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

// Ports at which somebody listens.
static const int served[] = {7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007};

static int list(void)
{
    for (size_t i = 0; i < N_WAYS; i++)
        printf("%s\t%s\t%d\t%d\t%d\t%s\t%s\n", ways[i].id, ways[i].host, ways[i].port,
               ways[i].since, ways[i].error, ways[i].kind, ways[i].outcome);
    return 0;
}

// Listens for both families, of which nobody has to accept anything: the kernel answers for a while.
static int serve(int port, int type)
{
    const struct end e = end_of(ANY6, port, false);
    int fd = socket_for(&e, type, 0);

    if (fd < 0 || bind(fd, &e.any, e.len) < 0)
        return -1;
    return type == SOCK_STREAM && listen(fd, 512) < 0 ? -1 : fd;
}

static int older(int number, int type, const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    int fd = socket_for(&e, type, 0);

    if (fd < 0 || connect(fd, &e.any, e.len) < 0)
        return -1;
    return dup2(fd, number);
}

static int with(char **argv)
{
    const struct rlimit files = {4096, 4096};
    int fd;

    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return 1;
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
            fd = serve(served[i], type);
            if (fd < 0 || dup2(fd, 200 + (int)i * 2 + type) < 0) // and is not closed by an exec
                return 1;
        }
    fd = serve(7031, SOCK_STREAM);
    if (fd < 0 || dup2(fd, OLDER_LISTENER) < 0 ||
        older(OLDER_TCP, SOCK_STREAM, DENIED4, 7000) < 0 ||
        older(OLDER_UDP, SOCK_DGRAM, DENIED4, 7000) < 0)
        return 1;
    execvp(argv[0], argv);
    return 127;
}

static int run_one(size_t i)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return 1;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(ways[i].function(ways[i].host, ways[i].port));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    printf("%s\t%d\t%d\n", ways[i].id, pid,
           WIFEXITED(status)             ? WEXITSTATUS(status)
           : WTERMSIG(status) == SIGKILL ? 255
                                         : 254);
    fflush(stdout);
    return 0;
}

static int run(const char *part)
{
    for (size_t i = 0; i < N_WAYS; i++)
        if (!part || strstr(ways[i].id, part))
            run_one(i);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    if (argc >= 3 && strcmp(argv[1], "with") == 0) {
        int r = with(argv + 2);

        perror("sg-network");
        return r;
    }
    if (argc == 6 && strcmp(argv[1], "cost") == 0)
        return cost(argv[2], argv[3], (int)strtol(argv[4], NULL, 10), strtol(argv[5], NULL, 10));
    if (argc >= 2 && strcmp(argv[1], "run") == 0)
        return run(argc > 2 ? argv[2] : NULL);
    fprintf(stderr,
            "usage: sg-network list | with PROGRAM... | cost WHAT HOST PORT N | run [PART]\n");
    return 2;
}
