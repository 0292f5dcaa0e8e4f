// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_PIPE "/run/tools-vm-ready"
#define UNITS      "/run/systemd/system"
#define UNIT       "tools-vm.service"

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        fail("cannot write %s", path);
}

static void write_unit(void)
{
    (void)mkdir("/run/systemd", 0755);
    (void)mkdir(UNITS, 0755);
    (void)mkdir(UNITS "/multi-user.target.wants", 0755);
    write_text(UNITS "/" UNIT,
               "[Unit]\nDescription=The command of tools/vm\nAfter=multi-user.target\n"
               "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo >" READY_PIPE "'\n");
    if (symlink(UNITS "/" UNIT, UNITS "/multi-user.target.wants/" UNIT) < 0)
        fail("cannot enable " UNIT);
}

void hand_over_to_systemd(void)
{
    char *const systemd[] = {"/usr/lib/systemd/systemd", NULL};
    char byte;
    pid_t pid;
    int fd;

    write_unit();
    if (mkfifo(READY_PIPE, 0600) < 0)
        fail("cannot make " READY_PIPE);
    pid = fork();
    if (pid < 0)
        fail("cannot fork");
    if (pid > 0) {
        (void)execv(systemd[0], systemd);
        fail("cannot run %s", systemd[0]);
    }
    // Opening waits for the unit, reading for what it says.
    fd = open(READY_PIPE, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &byte, 1) != 1)
        fail("cannot wait for systemd");
    (void)close(fd);
}
