// SPDX-License-Identifier: Apache-2.0
//
// The socket that listens.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/fd.h"
#include "base/macro.h"

#define LISTEN_BACKLOG 4096 // the kernel's own bound (net.core.somaxconn) may be lower

static int listen_on(const struct addrinfo *ai, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    const int on = 1, off = 0;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return negative_errno();
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return negative_errno();
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int listen_at(const char *address, const char *port, int *ret_fd, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(address, port, &hints, &found);

    if (r != 0 || !found)
        return error_set(err, -EINVAL, "'%s' is not an address: %s", address, gai_strerror(r));
    r = listen_on(found, ret_fd);
    freeaddrinfo(found);
    return r;
}

int listen_start(struct api *api, struct error *err)
{
    const char *address = api->options.address ? api->options.address : "::";
    struct sockaddr_storage bound = {};
    socklen_t len = sizeof(bound);
    in_port_t number;
    char port[8];
    int r;

    (void)snprintf(port, sizeof(port), "%u", api->options.port);
    r = listen_at(address, port, &api->listen_fd, err);
    // A kernel without IPv6.
    if (r == -EAFNOSUPPORT && !api->options.address)
        r = listen_at("0.0.0.0", port, &api->listen_fd, err);
    if (r < 0 && error_is_set(err))
        return r;
    if (r < 0)
        return error_set(err, r, "port %s of %s: %m", port, address);
    if (getsockname(api->listen_fd, (struct sockaddr *)&bound, &len) < 0)
        return error_set(err, negative_errno(), "%m");
    // At one place in both families.
    memcpy(&number, (const char *)&bound + offsetof(struct sockaddr_in, sin_port), sizeof(number));
    api->port = ntohs(number);
    return 0;
}
