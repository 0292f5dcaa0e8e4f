// SPDX-License-Identifier: Apache-2.0
//
// What the self-test asks of the hooks of sockets: on the loopback, and so that nothing is sent to anybody. As canary_control.c.
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "sensor/internal.h"

#define DISCARD 9
#define PROBE   0x10 // MSG_PROBE, include/linux/socket.h: nothing is sent

static const struct sockaddr_in discard = {
    .sin_family = AF_INET,
    .sin_port = __builtin_bswap16(DISCARD),
    .sin_addr = {__builtin_bswap32(INADDR_LOOPBACK)},
};

// What a system call on a new socket came to; the socket is gone then.
static int on_socket(int type, int (*act)(int fd))
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

    if (fd < 0)
        return -errno;
    r = act(fd);
    (void)close(fd);
    return r;
}

static int connect_it(int fd)
{
    return outcome(connect(fd, (const struct sockaddr *)&discard, sizeof(discard)));
}

int act_connect(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_DGRAM, connect_it); // of datagrams, it sends nothing
}

// Only the way to the other end is looked up.
static int send_it(int fd)
{
    return outcome(sendto(fd, NULL, 0, MSG_CONFIRM | PROBE, (const struct sockaddr *)&discard,
                          sizeof(discard)));
}

int act_send(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_DGRAM, send_it);
}

static int write_it(int fd)
{
    int r = connect_it(fd);

    return r ? -r : outcome(write(fd, "", 0));
}

int act_write_socket(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_DGRAM, write_it);
}

static int receive_it(int fd)
{
    char byte;
    int r = outcome(recv(fd, &byte, sizeof(byte), 0));

    return r == EAGAIN ? 0 : r; // there is nothing to receive
}

int act_receive_message(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_DGRAM, receive_it);
}

static int bind_it(int fd)
{
    struct sockaddr_in any = discard;

    any.sin_port = 0;
    return outcome(bind(fd, (const struct sockaddr *)&any, sizeof(any)));
}

int act_bind(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_DGRAM, bind_it);
}

static int listen_at_it(int fd)
{
    int r = bind_it(fd);

    return r ? -r : outcome(listen(fd, 1));
}

int act_listen(const struct canary *c)
{
    (void)c;
    return on_socket(SOCK_STREAM, listen_at_it);
}

// Where a socket is bound to, for another one.
static int bind_for(int fd, struct sockaddr_in *ret_at)
{
    socklen_t len = sizeof(*ret_at);
    int r = bind_it(fd);

    if (r == 0 && getsockname(fd, (struct sockaddr *)ret_at, &len) < 0)
        r = errno;
    return r;
}

// Two sockets of this process; a refusal is told to nobody, and shows in its record.
static int between(int type, int (*act)(int fd, int other, const struct sockaddr_in *at))
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
        other = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in at;
    int r = fd < 0 || other < 0 ? errno : bind_for(fd, &at);

    if (r == 0)
        r = act(fd, other, &at);
    if (fd >= 0)
        (void)close(fd);
    if (other >= 0)
        (void)close(other);
    return -r;
}

static int be_connected_to(int fd, int other, const struct sockaddr_in *at)
{
    if (listen(fd, 1) < 0)
        return errno;
    if (connect(other, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno != EINPROGRESS)
        return errno;
    return 0;
}

int act_accept(const struct canary *c)
{
    (void)c;
    return between(SOCK_STREAM, be_connected_to);
}

static int be_sent(int fd, int other, const struct sockaddr_in *at)
{
    (void)fd;
    return sendto(other, "", 1, 0, (const struct sockaddr *)at, sizeof(*at)) < 0 ? errno : 0;
}

int act_datagram(const struct canary *c)
{
    (void)c;
    return between(SOCK_DGRAM, be_sent);
}
