// SPDX-License-Identifier: Apache-2.0
#include "transport/proof.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "transport/pki.h"

#define SIGNATURE_MAX 80 // DER of two numbers of 256 bits

// What is signed says what for: a signature for anything else is none for this.
static int text_of(const char *csr, struct strbuf *sb)
{
    sb_puts(sb, "safeguard: this host enrols again\n");
    sb_puts(sb, csr);
    return sb->failed ? -ENOMEM : 0;
}

int proof_make(const char *key_pem, const char *csr, char **ret_proof, struct error *err)
{
    _cleanup_key_ EVP_PKEY *key = pki_read_key(key_pem);
    _cleanup_(sb_done) struct strbuf text = {};
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char signature[SIGNATURE_MAX];
    size_t len = sizeof(signature);
    char *proof = mallocz(PROOF_TEXT_MAX);
    bool good = key && pki_check_key(key) == 0 && md && proof && text_of(csr, &text) == 0 &&
                EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(md, signature, &len, (const unsigned char *)text.s, text.len) == 1;

    EVP_MD_CTX_free(md);
    if (!good) {
        free(proof);
        return pki_error(err, -EIO, "what proves the former identity cannot be made");
    }
    (void)EVP_EncodeBlock((unsigned char *)proof, signature, (int)len);
    *ret_proof = proof;
    return 0;
}

// Without the padding, which EVP_DecodeBlock() counts as bytes.
static int decode(const char *proof, unsigned char signature[PROOF_TEXT_MAX], size_t *ret_len)
{
    size_t len = strlen(proof), padding = 0;
    int n;

    if (len == 0 || len >= PROOF_TEXT_MAX || len % 4 != 0)
        return -EBADMSG;
    while (padding < 2 && proof[len - 1 - padding] == '=')
        padding++;
    n = EVP_DecodeBlock(signature, (const unsigned char *)proof, (int)len);
    if (n <= (int)padding)
        return -EBADMSG;
    *ret_len = (size_t)n - padding;
    return 0;
}

static bool is_signed(X509 *cert, const char *csr, const unsigned char *signature, size_t len)
{
    _cleanup_(sb_done) struct strbuf text = {};
    EVP_PKEY *key = X509_get0_pubkey(cert);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = key && pki_check_key(key) == 0 && md && text_of(csr, &text) == 0 &&
                EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(md, signature, len, (const unsigned char *)text.s, text.len) == 1;

    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return good;
}

// Whenever it was valid.
static int check_certificate(const struct ca *ca, X509 *cert, struct cert_info *ret_info,
                             struct error *err)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der), r;

    if (len <= 0)
        return pki_error(err, -EBADMSG, "the former certificate cannot be read");
    r = ca_check_agent(ca, der, (size_t)len, 0, ret_info, err);
    OPENSSL_free(der);
    return r;
}

int proof_check(const struct ca *ca, const char *certificate, const char *csr, const char *proof,
                struct cert_info *ret_info, struct error *err)
{
    _cleanup_cert_ X509 *cert = pki_read_cert(certificate);
    unsigned char signature[PROOF_TEXT_MAX];
    struct cert_info info;
    size_t len = 0;
    int r;

    if (!cert || decode(proof, signature, &len) < 0)
        return error_set(err, -EBADMSG, "what proves the former identity cannot be read");
    r = check_certificate(ca, cert, &info, err);
    if (r < 0)
        return r;
    if (!is_signed(cert, csr, signature, len))
        return error_set(err, -EACCES, "the former identity is not proved");
    *ret_info = info;
    return 0;
}
