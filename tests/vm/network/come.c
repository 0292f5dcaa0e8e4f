// SPDX-License-Identifier: Apache-2.0
/* Addresses of its own, and what comes to them. Here `host` is where it comes from. */
#include "network.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#define MPTCP 262

static int bound(const struct end *e, int type, int protocol)
{
    int fd = socket_for(e, type, protocol);

    return fd < 0 || bind(fd, &e->any, e->len) == 0 ? fd : (close(fd), -1);
}

int way_bind_tcp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return outcome(bound(&e, SOCK_STREAM, 0));
}

int way_bind_udp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return outcome(bound(&e, SOCK_DGRAM, 0));
}

int way_bind_unspec(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    e.any.sa_family = AF_UNSPEC;
    return fd < 0 ? outcome(fd) : outcome(bind(fd, &e.any, e.len));
}

int way_bind_mapped(const char *host, int port)
{
    const struct end e = end_of(host, port, true);

    return outcome(bound(&e, SOCK_DGRAM, 0));
}

static int listen_by(const char *host, int port, int protocol)
{
    const struct end e = end_of(host, port, false);
    int fd = bound(&e, SOCK_STREAM, protocol);

    return fd < 0 ? outcome(fd) : outcome(listen(fd, 1));
}

int way_listen(const char *host, int port)
{
    return listen_by(host, port, 0);
}

int way_listen_mptcp(const char *host, int port)
{
    return listen_by(host, port, MPTCP);
}

// Connects from an address of this machine to a port of it; does not wait.
static int come_from(const char *host, int port, int type, int protocol)
{
    const struct end from = end_of(host, 0, false),
                     to = end_of(from.any.sa_family == AF_INET ? ALLOWED4 : ALLOWED6, port, false);
    int fd = socket_for(&from, type | SOCK_NONBLOCK, protocol);

    if (fd < 0 || bind(fd, &from.any, from.len) < 0)
        return -1;
    if (type == SOCK_DGRAM)
        return sendto(fd, "x", 1, 0, &to.any, to.len) == 1 ? fd : -1;
    return connect(fd, &to.any, to.len) < 0 && errno != EINPROGRESS ? -1 : fd;
}

static int accept_at(int fd, const char *host, int port, int protocol)
{
    int r, got;

    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return outcome(-1);
    if (come_from(host, port, SOCK_STREAM, protocol) < 0)
        return EPROTO;
    r = await_input(fd);
    if (r)
        return r;
    got = accept(fd, NULL, NULL);
    return got < 0 ? outcome(got) : outcome(write(got, "x", 1));
}

static int accept_by(const char *any, const char *host, int port, int protocol)
{
    const struct end e = end_of(any, port, false);
    int fd = bound(&e, SOCK_STREAM, protocol);

    return fd < 0 || listen(fd, 8) < 0 ? outcome(-1) : accept_at(fd, host, port, protocol);
}

int way_accept(const char *host, int port)
{
    return accept_by(strchr(host, ':') ? ANY6 : ANY4, host, port, 0);
}

// By a user who may connect to nobody: what came may be answered.
int way_accept_user(const char *host, int port)
{
    const struct end e = end_of(strchr(host, ':') ? ANY6 : ANY4, port, false);
    int fd = bound(&e, SOCK_STREAM, 0), got;

    if (fd < 0 || listen(fd, 8) < 0 || come_from(host, port, SOCK_STREAM, 0) < 0 || await_input(fd))
        return EPROTO;
    if (setresuid(OTHER_USER + 1, OTHER_USER + 1, OTHER_USER + 1) < 0)
        return EPROTO;
    got = accept(fd, NULL, NULL);
    return got < 0 ? outcome(got) : outcome(write(got, "x", 1));
}

int way_accept_both(const char *host, int port)
{
    return accept_by(ANY6, host, port, 0);
}

int way_accept_mptcp(const char *host, int port)
{
    return accept_by(ANY4, host, port, MPTCP);
}

int way_accept_older(const char *host, int port)
{
    return accept_at(OLDER_LISTENER, host, port, 0);
}

// Root listens, another user waits: it is for him.
int way_accept_handed(const char *host, int port)
{
    const struct end e = end_of(ANY4, port, false);
    int fd = bound(&e, SOCK_STREAM, 0);

    if (fd < 0 || listen(fd, 8) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    if (accept(fd, NULL, NULL) >= 0 || errno != EAGAIN)
        return EPROTO;
    return accept_at(fd, host, port, 0);
}

static int receive_at(int fd, const char *host, int port)
{
    char byte;
    int r;

    if (fd < 0)
        return outcome(-1);
    if (come_from(host, port, SOCK_DGRAM, 0) < 0)
        return EPROTO;
    r = await_input(fd);
    return r ? r : outcome(recv(fd, &byte, 1, 0));
}

static int receive_by(const char *any, const char *host, int port)
{
    const struct end e = end_of(any, port, false);

    return receive_at(bound(&e, SOCK_DGRAM, 0), host, port);
}

int way_receive(const char *host, int port)
{
    return receive_by(strchr(host, ':') ? ANY6 : ANY4, host, port);
}

int way_receive_both(const char *host, int port)
{
    return receive_by(ANY6, host, port);
}

int way_receive_user(const char *host, int port)
{
    const struct end e = end_of(ANY4, port, false);
    int fd = bound(&e, SOCK_DGRAM, 0);
    char byte;

    if (fd < 0 || setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
        return EPROTO;
    if (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
        return EPROTO;
    return receive_at(fd, host, port);
}

// Asks somebody at the port, who answers from there.
static int receive_answer(const char *host, int port, bool connects)
{
    const struct end there = end_of(host, port, false), here = end_of(ALLOWED4, port + 1, false);
    int peer = bound(&there, SOCK_DGRAM, 0), fd = bound(&here, SOCK_DGRAM, 0), r;
    char byte;

    if (peer < 0 || fd < 0)
        return outcome(-1);
    if (connects ? connect(fd, &there.any, there.len) < 0 || send(fd, "x", 1, 0) != 1
                 : sendto(fd, "x", 1, 0, &there.any, there.len) != 1)
        return outcome(-1);
    if (await_input(peer) || recv(peer, &byte, 1, 0) != 1 ||
        sendto(peer, "y", 1, 0, &here.any, here.len) != 1)
        return EPROTO;
    r = await_input(fd);
    return r ? r : outcome(recv(fd, &byte, 1, 0));
}

int way_receive_answer(const char *host, int port)
{
    return receive_answer(host, port, false);
}

int way_receive_connected(const char *host, int port)
{
    return receive_answer(host, port, true);
}
