// SPDX-License-Identifier: Apache-2.0
/* Datagrams and packets. */
#include "network.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#define UDPLITE 136

static int send_by(const struct end *e, int type, int protocol, const void *bytes, size_t len)
{
    int fd = socket_for(e, type, protocol);

    return fd < 0 ? outcome(fd) : outcome(sendto(fd, bytes, len, 0, &e->any, e->len));
}

int way_sendto(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return send_by(&e, SOCK_DGRAM, 0, "x", 1);
}

int way_sendto_mapped(const char *host, int port)
{
    const struct end e = end_of(host, port, true);

    return send_by(&e, SOCK_DGRAM, 0, "x", 1);
}

int way_sendto_unspec(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    e.any.sa_family = AF_UNSPEC;
    return fd < 0 ? outcome(fd) : outcome(sendto(fd, "x", 1, 0, &e.any, e.len));
}

static struct msghdr message_to(struct end *e, struct iovec *part)
{
    static char byte[] = "x";

    *part = (struct iovec){byte, 1};
    return (struct msghdr){.msg_name = &e->any,
                           .msg_namelen = e->len,
                           .msg_iov = part,
                           .msg_iovlen = 1};
}

int way_sendmsg(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    struct iovec part;
    const struct msghdr msg = message_to(&e, &part);
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    return fd < 0 ? outcome(fd) : outcome(sendmsg(fd, &msg, 0));
}

int way_sendmmsg(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    struct iovec part;
    struct mmsghdr msg = {.msg_hdr = message_to(&e, &part)};
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    return fd < 0 ? outcome(fd) : outcome(sendmmsg(fd, &msg, 1, 0));
}

// The first one goes, and the call says so: the second one is tried again by itself.
int way_sendmmsg_second(const char *host, int port)
{
    struct end first = end_of(ALLOWED4, port, false), e = end_of(host, port, false);
    struct iovec parts[2];
    struct mmsghdr msgs[2] = {{.msg_hdr = message_to(&first, &parts[0])},
                              {.msg_hdr = message_to(&e, &parts[1])}};
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    if (fd < 0 || sendmmsg(fd, msgs, 2, 0) != 1)
        return EPROTO;
    return outcome(sendmmsg(fd, msgs + 1, 1, 0));
}

int way_uring_sendmsg(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    struct iovec part;
    const struct msghdr msg = message_to(&e, &part);
    int fd = socket_for(&e, SOCK_DGRAM, 0), r;
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_SENDMSG,
                                     .fd = fd,
                                     .addr = (uintptr_t)&msg,
                                     .len = 1};

    if (fd < 0)
        return outcome(fd);
    r = uring_do(&sqe, 0);
    return r < 0 ? -r : 0;
}

int way_sendto_connected(const char *host, int port)
{
    const struct end first = end_of(ALLOWED4, port, false), e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, &first.any, first.len) < 0)
        return outcome(-1);
    return outcome(sendto(fd, "x", 1, 0, &e.any, e.len));
}

int way_sendto_udplite(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return send_by(&e, SOCK_DGRAM, UDPLITE, "x", 1);
}

int way_sendto_raw(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    const struct icmphdr echo = {.type = ICMP_ECHO};

    return send_by(&e, SOCK_RAW, IPPROTO_ICMP, &echo, sizeof(echo));
}

int way_sendto_header(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    const struct iphdr ip = {
        .version = 4, .ihl = 5, .ttl = 1, .protocol = IPPROTO_UDP, .daddr = e.v4.sin_addr.s_addr};

    return send_by(&e, SOCK_RAW, IPPROTO_RAW, &ip, sizeof(ip));
}

int way_sendto_raw6(const char *host, int port)
{
    const struct end e = end_of(host, port, false);

    return send_by(&e, SOCK_RAW, IPPROTO_ICMPV6, "\200\0\0\0\0\0\0\0", 8);
}

int way_sendto_raw6_unspec(const char *host, int port)
{
    struct end e = end_of(host, port, false);
    int fd = socket_for(&e, SOCK_RAW, IPPROTO_ICMPV6);

    e.any.sa_family = AF_UNSPEC;
    return fd < 0 ? outcome(fd) : outcome(sendto(fd, "\200\0\0\0\0\0\0\0", 8, 0, &e.any, e.len));
}

int way_sendto_ping(const char *host, int port)
{
    const struct end e = end_of(host, port, false);
    const struct icmphdr echo = {.type = ICMP_ECHO};

    return send_by(&e, SOCK_DGRAM, IPPROTO_ICMP, &echo, sizeof(echo));
}

// By a user who may go nowhere, with a socket that he was handed.
int way_sendto_packet(const char *host, int port)
{
    const struct sockaddr_ll at = {.sll_family = AF_PACKET,
                                   .sll_protocol = __builtin_bswap16(ETH_P_IP),
                                   .sll_ifindex = (int)if_nametoindex("lo"),
                                   .sll_halen = ETH_ALEN};
    static const char frame[64];
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)host;
    (void)port;
    if (fd < 0)
        return outcome(fd);
    if (setresuid(OTHER_USER + 1, OTHER_USER + 1, OTHER_USER + 1) < 0)
        return errno;
    return outcome(sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&at, sizeof(at)));
}

int way_unix_dgram(const char *host, int port)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "datagram.sock"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
        from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)host;
    (void)port;
    (void)unlink(at.sun_path);
    if (fd < 0 || from < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return errno;
    return outcome(sendto(from, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)));
}
