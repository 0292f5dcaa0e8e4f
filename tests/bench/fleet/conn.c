// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 over TLS without blocking, as much of it as these agents need.
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "tests/bench/fleet/fleet.h"

#define HEAD_MAX (16u << 10)

void conn_init(struct conn *c, struct fleet *f, void (*done)(struct conn *c, unsigned status),
               void *ctx)
{
    *c = (struct conn){.fleet = f, .fd = -1, .done = done, .ctx = ctx};
}

void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        c->fleet->connections--;
    SSL_free(c->ssl);
    c->ssl = NULL;
    c->fd = safe_close(c->fd);
    c->connected = c->shaken = c->busy = false;
    sb_done(&c->in);
    sb_done(&c->out);
}

static void broke(struct conn *c)
{
    bool busy = c->busy;

    ERR_clear_error();
    conn_close(c);
    if (busy)
        c->done(c, 0);
}

static int open_socket(struct conn *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

    c->fd = socket(c->fleet->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return negative_errno();
    c->fleet->connections++;
    if (connect(c->fd, (struct sockaddr *)&c->fleet->address, c->fleet->address_len) < 0 &&
        errno != EINPROGRESS)
        return negative_errno();
    return epoll_ctl(c->fleet->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0 ? negative_errno() : 0;
}

static int open_conn(struct conn *c, EVP_PKEY *key, X509 *cert)
{
    int r = open_socket(c);

    if (r < 0)
        return r;
    c->ssl = SSL_new(c->fleet->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 ||
        (cert && (SSL_use_certificate(c->ssl, cert) != 1 || SSL_use_PrivateKey(c->ssl, key) != 1)))
        return -ENOMEM;
    // A name for TLS, or an address; the certificate has to be for it.
    if (strspn(c->fleet->host, "0123456789.:") == strlen(c->fleet->host))
        (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), c->fleet->host);
    else if (SSL_set1_host(c->ssl, c->fleet->host) != 1 ||
             SSL_set_tlsext_host_name(c->ssl, c->fleet->host) != 1)
        return -ENOMEM;
    SSL_set_connect_state(c->ssl);
    return 0;
}

int conn_ask(struct conn *c, EVP_PKEY *key, X509 *cert, const char *method, const char *path,
             const char *type, const char *session, const struct strbuf *body)
{
    int r;

    sb_reset(&c->in);
    sb_reset(&c->out);
    c->sent = c->body_at = c->body_len = 0;
    sb_printf(&c->out, "%s %s HTTP/1.1\r\nHost: %s:%s\r\n", method, path, c->fleet->host,
              c->fleet->port);
    if (session)
        sb_printf(&c->out, WIRE_SESSION_HEADER ": %s\r\n", session);
    if (body)
        sb_printf(&c->out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body->len);
    sb_puts(&c->out, "\r\n");
    if (body)
        sb_add(&c->out, sb_str(body), body->len);
    c->busy = true;
    c->asked_at = fleet_now();
    r = c->out.failed ? -ENOMEM : c->fd >= 0 ? 0 : open_conn(c, key, cert);
    if (r < 0) {
        conn_close(c);
        return r;
    }
    conn_ready(c);
    return 0;
}

// 1: the head is there, 0: not yet, -EBADMSG.
static int read_head(struct conn *c, unsigned *ret_status)
{
    const char *end = c->in.len ? memmem(c->in.s, c->in.len, "\r\n\r\n", 4) : NULL, *length;
    unsigned status = 0;

    if (!end)
        return c->in.len > HEAD_MAX ? -EBADMSG : 0;
    length = strcasestr(c->in.s, "\r\nContent-Length:");
    if (sscanf(c->in.s, "HTTP/1.%*u %u", &status) != 1 || !length || length > end)
        return -EBADMSG;
    c->body_len = strtoul(length + 17, NULL, 10);
    c->body_at = (size_t)(end - c->in.s) + 4;
    *ret_status = status;
    return c->body_len > WIRE_BUNDLE_MAX ? -EBADMSG : 1;
}

static bool whole_answer(struct conn *c, unsigned *ret_status, int *ret_code)
{
    *ret_code = read_head(c, ret_status);
    return *ret_code > 0 && c->in.len >= c->body_at + c->body_len;
}

static void answered(struct conn *c, unsigned status)
{
    struct strbuf in = c->in;

    // Memory of a quiet connection is what this program is short of.
    sb_done(&c->out);
    c->busy = false;
    c->done(c, status);
    if (!c->busy && c->in.s == in.s)
        sb_done(&c->in);
}

// True: something moved. False: wait, or broken.
static bool send_some(struct conn *c, bool *ret_broken)
{
    int n;

    if (!c->busy || c->sent >= c->out.len)
        return false;
    n = SSL_write(c->ssl, c->out.s + c->sent, (int)(c->out.len - c->sent));
    if (n > 0) {
        c->sent += (size_t)n;
        return true;
    }
    n = SSL_get_error(c->ssl, n);
    *ret_broken = n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE;
    return false;
}

static bool read_some(struct conn *c, bool *ret_broken)
{
    char *to = sb_reserve(&c->in, 4096);
    int n;

    if (!to) {
        *ret_broken = true;
        return false;
    }
    n = SSL_read(c->ssl, to, 4096);
    if (n > 0) {
        sb_written(&c->in, (size_t)n);
        return true;
    }
    n = SSL_get_error(c->ssl, n);
    *ret_broken = n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE;
    return false;
}

// 1: ready, 0: not yet, negative: failed.
static int shake(struct conn *c)
{
    int r;

    if (c->shaken)
        return 1;
    r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        c->shaken = true;
        return 1;
    }
    r = SSL_get_error(c->ssl, r);
    return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? 0 : -EPROTO;
}

void conn_ready(struct conn *c)
{
    bool bad = false, moved;
    unsigned status = 0;
    int r;

    if (c->fd < 0)
        return;
    r = shake(c);
    if (r < 0)
        broke(c);
    if (r <= 0)
        return;
    do {
        moved = send_some(c, &bad);
        if (!bad)
            moved = read_some(c, &bad) || moved;
    } while (moved && !bad);
    if (c->busy && whole_answer(c, &status, &r)) {
        answered(c, status);
        return;
    }
    if (bad || r < 0)
        broke(c);
    else if (!c->busy)
        sb_done(&c->in);
}
