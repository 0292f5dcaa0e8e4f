// SPDX-License-Identifier: Apache-2.0
//
// Whom the agent trusts when it connects, and as whom: handed to libcurl as it makes a connection. Used by http.c.
// No certificates of the system are ever trusted.
#pragma once

#include <curl/curl.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transport/identity.h"

struct tls_trust {
    // Either: the CA is known only by its fingerprint and has to be in the chain that the server shows.
    bool pinned;
    uint8_t fingerprint[CERT_FINGERPRINT];
    // Or: this CA, and who we are to it.
    X509_STORE *store;
    X509 *cert;
    EVP_PKEY *key;
};

int tls_trust_pin(const uint8_t fingerprint[CERT_FINGERPRINT], struct tls_trust **ret_trust);
int tls_trust_identity(const struct identity *id, struct tls_trust **ret_trust, struct error *err);
struct tls_trust *tls_trust_free(struct tls_trust *t);
DEFINE_CLEANUP(struct tls_trust *, tls_trust_free)

// Everything about TLS, for a handle that is to connect. `trust` is on loan until the handle is gone.
// -EOPNOTSUPP with err: libcurl does not use OpenSSL.
int tls_set_up(CURL *easy, struct tls_trust *trust, struct error *err);
