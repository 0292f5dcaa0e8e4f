// SPDX-License-Identifier: Apache-2.0
//
// Keys and certificates. Each connection asks for the server's certificate when it begins, so that a new one needs no restart.
#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/tls.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define CHAIN_MAX        4
#define REST_MS          4
#define BETWEEN_RESTS_NS (NS_PER_MS / 5)

struct pair {
    struct pair *next; // older ones: connections may still use them
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned n_chain;
    gnutls_privkey_t key;
};

struct tls {
    pthread_mutex_t lock;
    struct pair *newest;
};

static void pair_free(struct pair *p)
{
    for (unsigned i = 0; i < p->n_chain; i++)
        gnutls_pcert_deinit(&p->chain[i]);
    if (p->key)
        gnutls_privkey_deinit(p->key);
    free(p);
}

static int pair_load(struct pair *p, const char *certificate, const char *key)
{
    gnutls_datum_t cert = {(unsigned char *)(uintptr_t)certificate, (unsigned)strlen(certificate)};
    gnutls_datum_t secret = {(unsigned char *)(uintptr_t)key, (unsigned)strlen(key)};
    unsigned n = CHAIN_MAX;
    int r;

    r = gnutls_pcert_list_import_x509_raw(p->chain, &n, &cert, GNUTLS_X509_FMT_PEM, 0);
    if (r < 0)
        return r;
    p->n_chain = n;
    r = gnutls_privkey_init(&p->key);
    return r < 0 ? r
                 : gnutls_privkey_import_x509_raw(p->key, &secret, GNUTLS_X509_FMT_PEM, NULL, 0);
}

int tls_set(struct tls *t, const char *certificate_pem, const char *key_pem, struct error *err)
{
    struct pair *p = new0(struct pair, 1);
    int r;

    if (!p)
        return error_set(err, -ENOMEM, "%m");
    r = pair_load(p, certificate_pem, key_pem);
    if (r < 0) {
        (void)error_set(err, -EBADMSG, "certificate and key of the server cannot be used: %s",
                        gnutls_strerror(r));
        pair_free(p);
        return -EBADMSG;
    }
    (void)pthread_mutex_lock(&t->lock);
    p->next = t->newest;
    t->newest = p;
    (void)pthread_mutex_unlock(&t->lock);
    return 0;
}

int tls_new(const struct api_options *o, struct tls **ret, struct error *err)
{
    struct tls *t = new0(struct tls, 1);
    int r;

    if (!t)
        return error_set(err, -ENOMEM, "%m");
    (void)pthread_mutex_init(&t->lock, NULL);
    r = tls_set(t, strempty(o->certificate_pem), strempty(o->key_pem), err);
    if (r < 0) {
        (void)tls_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

struct tls *tls_free(struct tls *t)
{
    if (!t)
        return NULL;
    while (t->newest) {
        struct pair *p = t->newest;

        t->newest = p->next;
        pair_free(p);
    }
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    return info ? (gnutls_session_t)info->tls_session : NULL;
}

// Until hands are shaken libmicrohttpd asks again and again, without waiting, whether more has come: from three bytes of
// anybody on it takes a whole processor. So its loop is made to rest here, until something happens to any of its connections.
static void rest(struct http_loop *loop)
{
    struct pollfd any = {.fd = loop->epoll_fd, .events = POLLIN};

    if (now_ns(CLOCK_MONOTONIC) - loop->rested_ns < BETWEEN_RESTS_NS)
        return;
    (void)poll(&any, 1, REST_MS);
    loop->rested_ns = now_ns(CLOCK_MONOTONIC);
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *mem, size_t len)
{
    struct conn *conn = ptr;
    ssize_t n = recv(conn->fd, mem, len, 0);

    if (n < 0 && errno == EAGAIN && !conn->shaken) {
        rest(conn->loop);
        errno = EAGAIN;
    }
    return n;
}

static int on_finished(gnutls_session_t session, unsigned type _unused_, unsigned when _unused_,
                       unsigned incoming, const gnutls_datum_t *message _unused_)
{
    struct conn *conn = gnutls_session_get_ptr(session);

    if (incoming && !conn->shaken)
        conn_shaken(conn);
    return 0;
}

void tls_attach(struct MHD_Connection *connection, struct conn *conn)
{
    gnutls_session_t session = session_of(connection);

    if (!session)
        return;
    // Without one hands are not shaken (tls_retrieve): until here the pointer is one of libmicrohttpd's.
    gnutls_session_set_ptr(session, conn);
    if (!conn)
        return;
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
                                       on_finished);
    gnutls_transport_set_ptr2(session, conn, (gnutls_transport_ptr_t)(intptr_t)conn->fd);
    gnutls_transport_set_pull_function(session, pull);
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *names _unused_,
                 int n_names _unused_, const gnutls_pk_algorithm_t *algorithms _unused_,
                 int n_algorithms _unused_, gnutls_pcert_st **pcert, unsigned int *pcert_length,
                 gnutls_privkey_t *pkey)
{
    struct conn *conn = gnutls_session_get_ptr(session);
    struct tls *t = conn ? conn->loop->api->tls : NULL;
    struct pair *p;

    if (!t)
        return -1;
    (void)pthread_mutex_lock(&t->lock);
    p = t->newest;
    (void)pthread_mutex_unlock(&t->lock);
    *pcert = p->chain;
    *pcert_length = p->n_chain;
    *pkey = p->key;
    return 0;
}

static void explain(struct tls_peer *peer, unsigned status)
{
    const char *why = "is not of this server's CA";

    peer->code = "certificate";
    if (status & GNUTLS_CERT_EXPIRED) {
        why = "has expired";
        peer->code = "expired";
    } else if (status & GNUTLS_CERT_NOT_ACTIVATED) {
        why = "is not valid yet";
    } else if (status & GNUTLS_CERT_PURPOSE_MISMATCH) {
        why = "is not one of a client";
    }
    peer->verdict = PEER_BAD;
    (void)snprintf(peer->why, sizeof(peer->why), "the certificate that was shown %s", why);
}

void tls_look(struct MHD_Connection *connection, struct tls_peer *peer)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
        .size = 0,
    };
    gnutls_session_t session = session_of(connection);
    const gnutls_datum_t *shown;
    unsigned n = 0, status = 0;

    if (peer->verdict != PEER_UNKNOWN)
        return;
    peer->verdict = PEER_NONE;
    shown = session ? gnutls_certificate_get_peers(session, &n) : NULL;
    if (!shown || n == 0)
        return;
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0) {
        explain(peer, status);
        return;
    }
    peer->der = memdup(shown[0].data, shown[0].size);
    peer->len = shown[0].size;
    peer->verdict = peer->der ? PEER_GOOD : PEER_NONE;
}

void tls_peer_done(struct tls_peer *peer)
{
    free(peer->der);
    *peer = (struct tls_peer){};
}
