// SPDX-License-Identifier: Apache-2.0
//
// What ca.c, identity.c and tls.c share of OpenSSL: keys, PEM, names, errors. Used inside this room only.
// Every function leaves OpenSSL's queue of errors empty.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transport/cert.h"

static inline void pki_keyp(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static inline void pki_certp(X509 **cert)
{
    X509_free(*cert);
}

static inline void pki_reqp(X509_REQ **req)
{
    X509_REQ_free(*req);
}

#define _cleanup_key_  _cleanup_(pki_keyp)
#define _cleanup_cert_ _cleanup_(pki_certp)
#define _cleanup_req_  _cleanup_(pki_reqp)

// `what` and OpenSSL's reason.
int pki_error(struct error *err, int code, const char *what);

EVP_PKEY *pki_new_key(void); // EC P-256; NULL: failed

// Whether a key is one of EC P-256.
int pki_check_key(const EVP_PKEY *key);

// PEM, NUL-terminated; the caller frees, keys with pki_wipe(). NULL: failed.
char *pki_key_pem(EVP_PKEY *key);
char *pki_cert_pem(X509 *cert);
char *pki_req_pem(X509_REQ *req);
char *pki_wipe(char *text); // overwrites and frees; returns NULL

// The first of its kind in a text; never asks anybody for a password. NULL: none.
EVP_PKEY *pki_read_key(const char *pem);
X509 *pki_read_cert(const char *pem);

// -EBADMSG with err: not exactly one request, not signed by its own key, or another kind of key.
int pki_read_request(const char *pem, EVP_PKEY **ret_key, struct error *err);

int pki_cert_info(X509 *cert, struct cert_info *ret, struct error *err);
int pki_fingerprint(X509 *cert, uint8_t ret[CERT_FINGERPRINT]);
void pki_hex(const uint8_t *bytes, size_t len, char *ret_text); // 2 * len + 1 bytes

// cert is signed by the CA's key and ca is a CA's; says nothing about time and purpose.
int pki_signed_by(X509 *cert, X509 *ca);

// A file that nobody else may read: -EPERM with err. The caller wipes.
int pki_read_file(const char *path, size_t max, char **ret_text, struct error *err);
