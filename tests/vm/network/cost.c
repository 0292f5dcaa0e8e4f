// SPDX-License-Identifier: Apache-2.0
/* What sockets cost: one thing done many times, in nanoseconds each. */
#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A socket of datagrams is connected again and again: of the kernel's work that is the look-up of a route.
static int udp_connect(int fd, const struct end *e)
{
    return connect(fd, &e->any, e->len);
}

static int udp_send(int fd, const struct end *e)
{
    return sendto(fd, "x", 1, 0, &e->any, e->len) == 1 ? 0 : -1;
}

static int listener, pair[2];

// Made, accepted, and ended by a reset, which leaves nothing behind.
static int tcp(int fd, const struct end *e)
{
    const struct linger now = {1, 0};
    int got = -1;

    (void)fd;
    fd = socket_for(e, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, &e->any, e->len) == 0)
        got = accept(listener, NULL, NULL);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)close(fd);
    }
    return got < 0 ? -1 : close(got);
}

// Over a connection of both ends here.

static int tcp_send(int fd, const struct end *e)
{
    char byte;

    (void)fd;
    (void)e;
    return write(pair[0], "x", 1) == 1 && read(pair[1], &byte, 1) == 1 ? 0 : -1;
}

static const struct {
    const char *name;
    int (*act)(int fd, const struct end *e);
} acts[] = {{"udp-connect", udp_connect},
            {"udp-send", udp_send},
            {"tcp", tcp},
            {"tcp-send", tcp_send}};

static int make_pair(const struct end *e)
{
    listener = socket_for(e, SOCK_STREAM, 0);
    pair[0] = socket_for(e, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, &e->any, e->len) < 0 || listen(listener, 512) < 0 ||
        pair[0] < 0 || connect(pair[0], &e->any, e->len) < 0)
        return -1;
    pair[1] = accept(listener, NULL, NULL);
    return pair[1] < 0 ? -1 : 0;
}

int cost(const char *what, const char *host, int port, long n)
{
    const struct end e = end_of(host, port, false);
    int sink = socket_for(&e, SOCK_DGRAM, 0), fd = socket_for(&e, SOCK_DGRAM, 0);
    struct timespec start, end;
    size_t i = 0;
    double ns;

    while (i < sizeof(acts) / sizeof(acts[0]) && strcmp(acts[i].name, what) != 0)
        i++;
    if (i == sizeof(acts) / sizeof(acts[0]) || sink < 0 || fd < 0 ||
        bind(sink, &e.any, e.len) < 0 || make_pair(&e) < 0) {
        perror("sg-network cost");
        return 1;
    }
    for (int turn = 0; turn < 2; turn++) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (long k = 0; k < n; k++)
            if (acts[i].act(fd, &e) < 0) {
                perror(what);
                return 1;
            }
        clock_gettime(CLOCK_MONOTONIC, &end);
    }
    ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    printf("%.0f\n", ns / (double)n);
    return 0;
}
