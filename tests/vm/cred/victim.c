// SPDX-License-Identifier: Apache-2.0
//
// A process whose credentials are tampered with, and that uses them then: sg-victim WAY ACT
//
// WAY is one of tamper.kmod.c's, ACT what it does as soon as it has been done to it. Begins as whoever starts it, in a user namespace
// of its own for the way "user_ns". Exits with 0 when the act was done, with 1 when it was refused, with 2 when the test could not
// be made; what else ends it is the answer.
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"

#define SECRET "/srv/secret" // root's, and its group's

// Whoever gets it has it: the case looks whether these words were printed.
static int act_open(void)
{
    char text[64] = "";
    int fd = open(SECRET, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return -1;
    (void)!write(STDOUT_FILENO, text, strlen(text));
    return 0;
}

static int act_exec(void)
{
    char program[] = "cat", path[] = SECRET;
    char *const arguments[] = {program, path, NULL};

    return execve("/usr/bin/cat", arguments, environ);
}

static int act_kill(void)
{
    return kill(1, 0);
}

static int act_socket(void)
{
    return socket(AF_INET, SOCK_RAW, 1) < 0 ? -1 : 0;
}

static int act_setuid(void)
{
    return setresuid(0, 0, 0);
}

static int act_setgid(void)
{
    return setresgid(1001, 1001, 1001);
}

static int act_capset(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {};

    if (syscall(SYS_capget, &head, data) < 0)
        return -1;
    return (int)syscall(SYS_capset, &head, data);
}

static int act_chown(void)
{
    return chown(SECRET, 0, 0);
}

static int act_trace(void)
{
    char text[16];
    int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);

    return fd < 0 || read(fd, text, sizeof(text)) < 0 ? -1 : 0;
}

static int act_unlink(void)
{
    return unlink("/srv/root/file");
}

static int act_rename(void)
{
    return rename("/srv/root/file", "/srv/root/other");
}

// What a child does with what its parent has.
static int act_fork(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(act_open() < 0);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    // As a shell says it; a signal to itself would be one more act.
    if (WIFSIGNALED(status))
        _exit(128 + WTERMSIG(status));
    errno = EPERM;
    return WEXITSTATUS(status) == 0 ? 0 : -1;
}

static const struct {
    const char *name;
    int (*act)(void);
} acts[] = {
    {"open", act_open},     {"exec", act_exec},     {"kill", act_kill},     {"socket", act_socket},
    {"setuid", act_setuid}, {"setgid", act_setgid}, {"capset", act_capset}, {"chown", act_chown},
    {"fork", act_fork},     {"trace", act_trace},   {"unlink", act_unlink}, {"rename", act_rename},
};

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err(2, "%s", path);
    (void)close(fd);
}

static void own_user_namespace(void)
{
    char map[64];
    unsigned uid = getuid();

    if (unshare(CLONE_NEWUSER) < 0)
        err(2, "unshare");
    (void)snprintf(map, sizeof(map), "0 %u 1", uid);
    put("/proc/self/uid_map", map);
}

int main(int argc, char **argv)
{
    char order[64];
    int fd;

    if (argc != 3)
        errx(2, "usage: sg-victim WAY ACT");
    if (strcmp(argv[1], "user_ns") == 0)
        own_user_namespace();
    fd = open("/sys/module/tamper/parameters/do", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        err(2, "the module's parameter");
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        if (strcmp(acts[i].name, argv[2]) != 0)
            continue;
        (void)snprintf(order, sizeof(order), "%d %s", getpid(), argv[1]);
        if (write(fd, order, strlen(order)) < 0)
            err(2, "%s", order);
        if (acts[i].act() == 0)
            return 0;
        warn("%s", argv[2]);
        return 1;
    }
    errx(2, "no act %s", argv[2]);
}
