// SPDX-License-Identifier: Apache-2.0
/* Opens and maps before the policy, says "ready", waits, then tries the rows that need N_HELD. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int send_and_keep(int fd, int *ret_socket)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (char[]){'f'}, .iov_len = 1};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    *ret_socket = pair[0];
    return sendmsg(pair[1], &mh, 0) == 1 ? 0 : -1;
}

static int open_below(const char *root, const char *rel, int flags)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", root, rel);
    return open(path, flags | O_CLOEXEC);
}

static int hold_open(const char *root, struct held *h)
{
    int mapped = open_below(root, "vault/tree/mapped", O_RDWR), in_flight;

    h->map_len = (size_t)sysconf(_SC_PAGESIZE);
    h->rdwr = open_below(root, "vault/secret", O_RDWR);
    h->path = open_below(root, "vault/secret", O_PATH);
    h->dir = open_below(root, "vault/tree/a", O_RDONLY | O_DIRECTORY);
    in_flight = open_below(root, "vault/secret", O_RDONLY);
    if (mapped < 0 || h->rdwr < 0 || h->path < 0 || h->dir < 0 || in_flight < 0 ||
        send_and_keep(in_flight, &h->socket) < 0)
        return -errno;
    close(in_flight);
    h->map_rw = mmap(NULL, h->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
    h->map_ro = mmap(NULL, h->map_len, PROT_READ, MAP_SHARED, mapped, 0);
    close(mapped);
    if (h->map_rw == MAP_FAILED || h->map_ro == MAP_FAILED)
        return -errno;
    if (ring_open(&h->ring, 0) < 0)
        h->ring.fd = -1;
    else if (ring_register_file(&h->ring, h->rdwr) < 0)
        return -errno;
    return 0;
}

static int wait_for_line(void)
{
    char c;

    while (read(0, &c, 1) == 1)
        if (c == '\n')
            return 0;
    fprintf(stderr, "sg-attack: standard input ended before a line came\n");
    return -1;
}

static int run_command(char *const command[])
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(command[0], command);
        fprintf(stderr, "sg-attack: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "sg-attack: %s failed: nothing was tried\n", command[0]);
        return -1;
    }
    return 0;
}

int hold_main(const struct run *r, char *const command[])
{
    struct run mine = *r;
    struct held h = {.rdwr = -1, .path = -1, .dir = -1, .socket = -1, .ring = {.fd = -1}};
    int rc = hold_open(r->root, &h);

    if (rc < 0) {
        fprintf(stderr, "sg-attack: cannot open what is to be held in %s: %s\n", r->root,
                strerror(-rc));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    if ((command ? run_command(command) : wait_for_line()) < 0)
        return 1;
    mine.held = &h;
    return run_ways(&mine, NULL, 0);
}
