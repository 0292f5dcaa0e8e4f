// SPDX-License-Identifier: Apache-2.0
/* What the ways have in common. */
#include "network.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct end end_of(const char *host, int port, bool mapped)
{
    struct end e = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)},
                    .len = sizeof(e.v4)};
    char text[64];

    if (!mapped && inet_pton(AF_INET, host, &e.v4.sin_addr) == 1)
        return e;
    (void)snprintf(text, sizeof(text), "%s%s", mapped ? "::ffff:" : "", host);
    e = (struct end){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)},
                     .len = sizeof(e.v6)};
    if (inet_pton(AF_INET6, text, &e.v6.sin6_addr) != 1)
        abort();
    return e;
}

int outcome(long result)
{
    if (result >= 0)
        return 0;
    switch (errno) {
    case ENOSYS:
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
    case EAFNOSUPPORT: return ABSENT;
    default: return errno;
    }
}

int socket_for(const struct end *e, int type, int protocol)
{
    const int one = 1;
    int fd = socket(e->any.sa_family, type | SOCK_CLOEXEC, protocol);

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return fd;
}

int await_input(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, WAIT_MS) > 0 ? 0 : ETIMEDOUT;
}

int uring_do(const struct io_uring_sqe *sqe, unsigned flags)
{
    struct io_uring_params p = {};
    int fd = (int)syscall(SYS_io_uring_setup, 2, &p), r = -ENOMEM;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned *array, *tail;
    char *sq, *cq;

    if (fd < 0)
        return -ABSENT;
    sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
              MAP_SHARED, fd, IORING_OFF_SQ_RING);
    cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqes), PROT_READ | PROT_WRITE,
              MAP_SHARED, fd, IORING_OFF_CQ_RING);
    sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
        return -ENOMEM;
    sqes[0] = *sqe;
    sqes[0].flags |= (uint8_t)flags;
    array = (unsigned *)(sq + p.sq_off.array);
    tail = (unsigned *)(sq + p.sq_off.tail);
    array[0] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    r = (int)syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
    r = r < 0 ? -errno : cqes[0].res;
    (void)close(fd);
    return r;
}
