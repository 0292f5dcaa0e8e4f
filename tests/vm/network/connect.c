// SPDX-License-Identifier: Apache-2.0
/* Connections that the process begins. */
#include "network.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#define MPTCP   262
#define UDPLITE 136

static int connect_by(const struct end *e, int type, int protocol)
{
    int fd = socket_for(e, type, protocol);

    return fd < 0 ? outcome(fd) : outcome(connect(fd, &e->any, e->len));
}

int way_tcp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_STREAM, 0);
}

int way_tcp_mapped(const char *host, int port)
{
    const struct end e = end_of(host, port, true);

    return connect_by(&e, SOCK_STREAM, 0);
}

int way_tcp_nonblocking(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    int r = connect_by(&e, SOCK_STREAM | SOCK_NONBLOCK, 0);

    return r == EINPROGRESS ? 0 : r;
}

static int connect_bound(const char *host, int port, int own)
{
    const struct end e = end_of(host, port, false), from = end_of(ANY4, own, false);
    int fd = socket_for(&e, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, &from.any, from.len) < 0)
        return outcome(-1);
    return outcome(connect(fd, &e.any, e.len));
}

int way_tcp_bound(const char *host, int port)
{
    return connect_bound(host, port, 7900);
}

int way_tcp_bound_any(const char *host, int port)
{
    return connect_bound(host, port, 0);
}

int way_tcp_fastopen(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_STREAM, 0);

    return fd < 0 ? outcome(fd) : outcome(sendto(fd, "x", 1, MSG_FASTOPEN, &e.any, e.len));
}

int way_tcp_deferred(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    const int one = 1;
    int fd = socket_for(&e, SOCK_STREAM, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) < 0)
        return outcome(-1);
    return outcome(connect(fd, &e.any, e.len));
}

int way_mptcp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_STREAM, MPTCP);
}

int way_sctp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_STREAM, IPPROTO_SCTP);
}

int way_udp(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    int r = connect_by(&e, SOCK_DGRAM, 0);

    // Where no route leads it is asked all the same.
    return r == ENETUNREACH || r == EHOSTUNREACH || r == EACCES ? 0 : r;
}

int way_udp_mapped(const char *host, int port)
{
    const struct end e = end_of(host, port, true);

    return connect_by(&e, SOCK_DGRAM, 0);
}

int way_udp4_of_6(const char *host, int port)
{
    const struct end six = end_of(ANY6, 0, false), e = end_of(host, port, false);
    int fd = socket_for(&six, SOCK_DGRAM, 0);

    return fd < 0 ? outcome(fd) : outcome(connect(fd, &e.any, e.len));
}

int way_udp_again(const char *host, int port)
{
    const struct end first = end_of(ALLOWED4, port, false), e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, &first.any, first.len) < 0)
        return outcome(-1);
    return outcome(connect(fd, &e.any, e.len));
}

int way_udp_end(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, &e.any, e.len) < 0)
        return outcome(-1);
    return outcome(connect(fd, &none, sizeof(none)));
}

int way_udplite(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_DGRAM, UDPLITE);
}

static int connect_uring(const char *host, int port, unsigned flags)
{
    const struct end e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_STREAM, 0), r;
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_CONNECT,
                                     .fd = fd,
                                     .addr = (uintptr_t)&e.any,
                                     .off = e.len};

    if (fd < 0)
        return outcome(fd);
    r = uring_do(&sqe, flags);
    return r < 0 ? -r : 0;
}

int way_uring_connect(const char *host, int port)
{
    return connect_uring(host, port, 0);
}

int way_uring_connect_async(const char *host, int port)
{
    return connect_uring(host, port, IOSQE_ASYNC);
}

int way_raw_connect(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_RAW, IPPROTO_ICMP);
}

int way_ping_connect(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return connect_by(&e, SOCK_DGRAM, IPPROTO_ICMP);
}

int way_tcp_user(const char *host, int port)
{
    return setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0 ? errno : way_tcp(host, port);
}

// Listens by one socket and connects to it by another one.
int way_unix(const char *host, int port)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "network.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)host;
    (void)port;
    (void)unlink(at.sun_path);
    if (fd < 0 || to < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
        return errno;
    return outcome(connect(to, (struct sockaddr *)&at, sizeof(at)));
}

int way_netlink(const char *host, int port)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    (void)host;
    (void)port;
    return fd < 0 ? errno : outcome(connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)));
}

// `host`: the number of the context.
int way_vsock_root(const char *host, int port)
{
    const struct sockaddr_vm at = {.svm_family = AF_VSOCK,
                                   .svm_cid = (unsigned)strtoul(host, NULL, 10),
                                   .svm_port = (unsigned)port};
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return outcome(fd);
    return outcome(connect(fd, (const struct sockaddr *)&at, sizeof(at)));
}

int way_vsock(const char *host, int port)
{
    return setresuid(OTHER_USER + 1, OTHER_USER + 1, OTHER_USER + 1) < 0
               ? errno
               : way_vsock_root(host, port);
}
