// SPDX-License-Identifier: Apache-2.0
//
// Connections that are no HTTP, or not yet.
#pragma once

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "api/api.h"

#define RAW_HELLO_MAX 4096

// From this address of the loopback network.
static inline int raw_connect(const struct api *api, in_addr_t from)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(api_port(api)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

// True when the other side closes it within some seconds.
static inline bool raw_is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&p, 1, 3000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

// The first message of a handshake.
static inline size_t raw_hello(unsigned char buf[RAW_HELLO_MAX])
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    assert_non_null(ssl);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    n = BIO_read(out, buf, RAW_HELLO_MAX);
    assert_true(n > 5 && BIO_pending(out) == 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)n;
}

static inline void raw_send(int fd, const void *mem, size_t len)
{
    assert_int_equal(send(fd, mem, len, MSG_NOSIGNAL), len);
}
