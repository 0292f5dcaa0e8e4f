// SPDX-License-Identifier: Apache-2.0
#include "transport/issue.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "transport/pki.h"

#define SERIAL_BITS     128
#define COMMON_NAME_MAX 64 // RFC 5280, ub-common-name

struct extension {
    int nid;
    const char *value; // as x509v3_config(5) writes it; NULL: not for this kind
};

#define EXTENSIONS 5

static const struct extension extensions[][EXTENSIONS] = {
    [ISSUE_CA] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                  {NID_subject_key_identifier, "hash"}},
    [ISSUE_SERVER] = {{NID_basic_constraints, "critical,CA:FALSE"},
                      {NID_key_usage, "critical,digitalSignature"},
                      {NID_ext_key_usage, "serverAuth"},
                      {NID_subject_key_identifier, "hash"},
                      {NID_authority_key_identifier, "keyid:always"}},
    [ISSUE_AGENT] = {{NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage, "clientAuth"},
                     {NID_subject_key_identifier, "hash"},
                     {NID_authority_key_identifier, "keyid:always"}},
};

static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool good = false;

    if (serial && BN_priv_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
        !BN_is_zero(serial))
        good = BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;
    BN_free(serial);
    return good;
}

static bool set_names(X509 *cert, const struct issue *issue)
{
    X509_NAME *name = X509_get_subject_name(cert);
    size_t len = MIN(strlen(issue->common_name), (size_t)COMMON_NAME_MAX);

    return utf8_valid(issue->common_name, len) &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)issue->common_name, (int)len, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, issue->ca ? X509_get_subject_name(issue->ca) : name) == 1;
}

static bool add_extensions(X509 *cert, const struct issue *issue)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issue->ca ? issue->ca : cert, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    for (size_t i = 0; i < EXTENSIONS; i++) {
        const struct extension *row = &extensions[issue->kind][i];
        X509_EXTENSION *extension;
        bool good;

        if (!row->value)
            break;
        extension = X509V3_EXT_conf_nid(NULL, &ctx, row->nid, row->value);
        good = extension && X509_add_ext(cert, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!good)
            return false;
    }
    return !issue->names || X509_add1_ext_i2d(cert, NID_subject_alt_name, (void *)issue->names, 0,
                                              X509V3_ADD_DEFAULT) == 1;
}

int issue_certificate(const struct issue *issue, X509 **ret_cert, struct error *err)
{
    _cleanup_cert_ X509 *cert = X509_new();

    if (!cert || X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
        !ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)issue->not_before_s) ||
        !ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)issue->not_after_s) ||
        X509_set_pubkey(cert, issue->key) != 1 || !set_names(cert, issue) ||
        !add_extensions(cert, issue) || X509_sign(cert, issue->ca_key, EVP_sha256()) <= 0)
        return pki_error(err, -EIO, "a certificate cannot be made");
    ERR_clear_error();
    *ret_cert = TAKE_PTR(cert);
    return 0;
}
