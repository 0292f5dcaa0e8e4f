// SPDX-License-Identifier: Apache-2.0
//
// sg-flow-cost udp|udp6|tcp N: over the loopback device, N times: one datagram of 64 bytes that is sent and received; or a connection
// that is made, accepted and closed. Prints what one costs, in nanoseconds: in a guest that counts instructions, these.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define BYTES 64

struct pair {
    int a, b;
};

static int fail(const char *what)
{
    fprintf(stderr, "sg-flow-cost: %s: %s\n", what, strerror(errno));
    return -1;
}

// A socket at a port of its own of this host.
static int bound(int family, int type, struct sockaddr_in6 *ret)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, family == AF_INET ? (void *)&four : (void *)&six, len) < 0)
        return fail("bind");
    len = sizeof(*ret);
    return getsockname(fd, (struct sockaddr *)ret, &len) < 0 ? fail("getsockname") : fd;
}

static int datagrams_open(int family, struct pair *ret)
{
    struct sockaddr_in6 at;

    ret->a = bound(family, SOCK_DGRAM, &at);
    ret->b = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ret->a < 0 || ret->b < 0 ||
        connect(ret->b, (struct sockaddr *)&at,
                family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(at)) < 0)
        return fail("connect");
    return 0;
}

static int datagram(const struct pair *p)
{
    char bytes[BYTES] = {0};

    if (send(p->b, bytes, sizeof(bytes), 0) != BYTES ||
        recv(p->a, bytes, sizeof(bytes), 0) != BYTES)
        return fail("datagram");
    return 0;
}

static int connection(int listener, const struct sockaddr_in6 *at)
{
    int a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), b;

    if (a < 0 || connect(a, (const struct sockaddr *)at, sizeof(struct sockaddr_in)) < 0)
        return fail("connect");
    b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (b < 0)
        return fail("accept");
    (void)close(a);
    (void)close(b);
    return 0;
}

static int measure(const char *what, long n)
{
    bool tcp = streq(what, "tcp");
    struct sockaddr_in6 at = {};
    struct pair p = {-1, -1};
    uint64_t begin = 0;
    int listener = -1;

    if (tcp) {
        listener = bound(AF_INET, SOCK_STREAM, &at);
        if (listener < 0 || listen(listener, 16) < 0)
            return fail("listen");
    } else if (datagrams_open(streq(what, "udp6") ? AF_INET6 : AF_INET, &p) < 0) {
        return -1;
    }
    // The first tenth is not counted.
    for (long i = -(n / 10); i < n; i++) {
        if (i == 0)
            begin = now_ns(CLOCK_MONOTONIC);
        if ((tcp ? connection(listener, &at) : datagram(&p)) < 0)
            return -1;
    }
    printf("%llu\n", (unsigned long long)((now_ns(CLOCK_MONOTONIC) - begin) / (uint64_t)n));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: sg-flow-cost udp|udp6|tcp N\n");
        return 2;
    }
    return measure(argv[1], strtol(argv[2], NULL, 10)) < 0;
}
