// SPDX-License-Identifier: Apache-2.0
//
// Makes certificates: who they are for comes from the caller, never from a request. Used by ca.c and ca_server.c.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum issue_kind { ISSUE_CA, ISSUE_SERVER, ISSUE_AGENT };

struct issue {
    enum issue_kind kind;
    const char *common_name;    // shown to people, trusted by nobody
    const GENERAL_NAMES *names; // NULL: none
    EVP_PKEY *key;              // that is certified
    X509 *ca;                   // NULL: signs itself
    EVP_PKEY *ca_key;
    int64_t not_before_s, not_after_s; // since 1970
};

// A serial of 128 random bits, version 3, ECDSA with SHA-256.
int issue_certificate(const struct issue *issue, X509 **ret_cert, struct error *err);
