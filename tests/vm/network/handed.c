// SPDX-License-Identifier: Apache-2.0
/* Connections that are older than the rules, or were made by somebody else. */
#include "network.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

int way_older_write(const char *host, int port)
{
    (void)host;
    (void)port;
    return outcome(write(OLDER_TCP, "x", 1));
}

int way_older_writev(const char *host, int port)
{
    char a[] = "x", b[] = "y";
    const struct iovec parts[] = {{a, 1}, {b, 1}};

    (void)host;
    (void)port;
    return outcome(writev(OLDER_TCP, parts, 2));
}

int way_older_read(const char *host, int port)
{
    char byte;

    (void)host;
    (void)port;
    return outcome(read(OLDER_TCP, &byte, 1));
}

int way_older_recv(const char *host, int port)
{
    char byte;

    (void)host;
    (void)port;
    return outcome(recv(OLDER_TCP, &byte, 1, MSG_DONTWAIT | MSG_PEEK));
}

int way_older_sendfile(const char *host, int port)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    (void)host;
    (void)port;
    return fd < 0 ? errno : outcome(sendfile(OLDER_TCP, fd, NULL, 16));
}

int way_older_splice(const char *host, int port)
{
    int fds[2];

    (void)host;
    (void)port;
    if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], "x", 1) != 1)
        return errno;
    return outcome(splice(fds[0], NULL, OLDER_TCP, NULL, 1, 0));
}

int way_older_uring(const char *host, int port)
{
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_SEND,
                                     .fd = OLDER_TCP,
                                     .addr = (uintptr_t) "x",
                                     .len = 1};
    int r = uring_do(&sqe, 0);

    (void)host;
    (void)port;
    return r < 0 ? -r : 0;
}

int way_older_udp(const char *host, int port)
{
    (void)host;
    (void)port;
    return outcome(write(OLDER_UDP, "x", 1));
}

static int connected_from(const char *from, const char *host, int port)
{
    const struct end e = end_of(host, port, false), own = end_of(from ? from : host, 0, false);
    int fd = socket_for(&e, SOCK_STREAM, 0);

    if (fd >= 0 && from && bind(fd, &own.any, own.len) < 0)
        return -1;
    return fd < 0 || connect(fd, &e.any, e.len) < 0 ? -1 : fd;
}

static int connected(const char *host, int port)
{
    return connected_from(NULL, host, port);
}

// A port of its own, which it did not ask for: as those have it that come.
int way_handed_bound(const char *host, int port)
{
    int fd = connected_from(strchr(host, ':') ? ANY6 : ANY4, host, port);

    if (fd < 0 || setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    return outcome(write(fd, "x", 1));
}

int way_handed_user(const char *host, int port)
{
    int fd = connected(host, port);

    if (fd < 0 || setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    return outcome(write(fd, "x", 1));
}

int way_handed_user_read(const char *host, int port)
{
    int fd = connected(host, port);
    char byte;

    if (fd < 0 || setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    return outcome(recv(fd, &byte, 1, MSG_DONTWAIT));
}

static void put_descriptor(struct msghdr *msg, char *room, size_t size, int fd)
{
    struct cmsghdr *head;

    memset(room, 0, size);
    msg->msg_control = room;
    msg->msg_controllen = size;
    head = CMSG_FIRSTHDR(msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
}

// Root makes the connection in a process of its own, and hands it to this one, which is another user by then.
int way_handed_message(const char *host, int port)
{
    char byte[] = "x", room[CMSG_SPACE(sizeof(int))] = "";
    struct iovec part = {byte, 1};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    int pair[2], fd, status;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return errno;
    pid = fork();
    if (pid == 0) {
        put_descriptor(&msg, room, sizeof(room), connected(host, port));
        _exit(sendmsg(pair[1], &msg, 0) == 1 ? 0 : 1);
    }
    if (pid < 0 || setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    msg.msg_control = room;
    msg.msg_controllen = sizeof(room);
    if (recvmsg(pair[0], &msg, MSG_CMSG_CLOEXEC) != 1 || waitpid(pid, &status, 0) < 0 || status ||
        !CMSG_FIRSTHDR(&msg))
        return EPROTO;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    return outcome(write(fd, "x", 1));
}
