// SPDX-License-Identifier: Apache-2.0
#include "transport/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/pki.h"

int tls_trust_pin(const uint8_t fingerprint[CERT_FINGERPRINT], struct tls_trust **ret_trust)
{
    struct tls_trust *t = new0(struct tls_trust, 1);

    if (!t)
        return -ENOMEM;
    t->pinned = true;
    memcpy(t->fingerprint, fingerprint, CERT_FINGERPRINT);
    *ret_trust = t;
    return 0;
}

int tls_trust_identity(const struct identity *id, struct tls_trust **ret_trust, struct error *err)
{
    _cleanup_(tls_trust_freep) struct tls_trust *t = new0(struct tls_trust, 1);
    _cleanup_cert_ X509 *ca = pki_read_cert(id->ca);

    if (!t)
        return error_set(err, -ENOMEM, "no memory");
    t->store = X509_STORE_new();
    t->cert = pki_read_cert(id->certificate);
    t->key = pki_read_key(id->key);
    if (!ca || !t->store || !t->cert || !t->key || X509_STORE_add_cert(t->store, ca) != 1)
        return pki_error(err, -EBADMSG, "the identity of this agent cannot be used");
    *ret_trust = TAKE_PTR(t);
    return 0;
}

struct tls_trust *tls_trust_free(struct tls_trust *t)
{
    if (t) {
        X509_STORE_free(t->store);
        X509_free(t->cert);
        EVP_PKEY_free(t->key);
        free(t);
    }
    return NULL;
}

// The certificate with this fingerprint among those that the server sent.
static X509 *find_pinned(X509_STORE_CTX *ctx, const struct tls_trust *t)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);

    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *cert = sk_X509_value(sent, i);
        uint8_t print[CERT_FINGERPRINT];

        if (pki_fingerprint(cert, print) == 0 &&
            memcmp(print, t->fingerprint, CERT_FINGERPRINT) == 0)
            return cert;
    }
    return NULL;
}

// In place of OpenSSL's own: the same proof, with the one CA that the token names as all that is trusted.
static int verify_pinned(X509_STORE_CTX *ctx, void *arg)
{
    X509 *ca = find_pinned(ctx, arg);
    STACK_OF(X509) * trusted;
    int good;

    if (!ca) {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
        return 0;
    }
    trusted = sk_X509_new_null();
    if (!trusted || sk_X509_push(trusted, ca) <= 0) {
        sk_X509_free(trusted);
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    X509_STORE_CTX_set0_trusted_stack(ctx, trusted);
    good = X509_verify_cert(ctx) == 1;
    // The context outlives the stack.
    X509_STORE_CTX_set0_trusted_stack(ctx, NULL);
    sk_X509_free(trusted);
    return good;
}

static CURLcode on_context(CURL *easy, void *ssl_ctx, void *arg)
{
    const struct tls_trust *t = arg;
    SSL_CTX *ctx = ssl_ctx;
    bool good;

    (void)easy;
    good = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
    if (t->pinned) {
        SSL_CTX_set_cert_verify_callback(ctx, verify_pinned, arg);
    } else {
        SSL_CTX_set1_cert_store(ctx, t->store);
        good = good && SSL_CTX_use_certificate(ctx, t->cert) == 1 &&
               SSL_CTX_use_PrivateKey(ctx, t->key) == 1;
    }
    ERR_clear_error();
    return good ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

int tls_set_up(CURL *easy, struct tls_trust *trust, struct error *err)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    bool good;

    // The functions above mean nothing to another library, and without them everybody would be trusted.
    if (!info->ssl_version || strncmp(info->ssl_version, "OpenSSL/", 8) != 0) {
        (void)error_set(err, -EOPNOTSUPP, "libcurl here uses %s", strempty(info->ssl_version));
        error_expected(err, "a libcurl that uses OpenSSL");
        error_cure(err, "install libcurl4 (Debian, Ubuntu) or libcurl (Fedora, openEuler)");
        return -EOPNOTSUPP;
    }
    good =
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        // A session that is taken up again would skip the proof, and be of an earlier certificate.
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust) == CURLE_OK;
    return good ? 0 : error_set(err, -ENOMEM, "libcurl cannot be set up for TLS");
}
