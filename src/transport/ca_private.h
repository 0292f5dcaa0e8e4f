// SPDX-License-Identifier: Apache-2.0
//
// What ca.c and ca_server.c share.
#pragma once

#include <openssl/x509.h>

#include "transport/ca.h"

struct ca {
    char *dir;
    char *pem;
    EVP_PKEY *key;
    X509 *cert;
    X509_STORE *store; // holds cert alone
    struct cert_info info;
    uint8_t fingerprint[CERT_FINGERPRINT];
};

#define CA_FILE_MAX (32u << 10)

// DIR/name; the caller frees. NULL: no memory.
char *ca_path(const struct ca *ca, const char *name);
