// SPDX-License-Identifier: Apache-2.0
#include "transport/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

#define CURVE "prime256v1" // OpenSSL's name for P-256

static void bio_freep(BIO **bio)
{
    BIO_free_all(*bio);
}

int pki_error(struct error *err, int code, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    int r = error_set(err, code, "%s%s%s", what, reason ? ": " : "", strempty(reason));

    ERR_clear_error();
    return r;
}

EVP_PKEY *pki_new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen(CURVE);

    ERR_clear_error();
    return key;
}

int pki_check_key(const EVP_PKEY *key)
{
    char group[64] = "";

    if (!EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                       NULL) != 1 ||
        !streq(group, CURVE)) {
        ERR_clear_error();
        return -EBADMSG;
    }
    return 0;
}

// The text of a BIO; private keys are wiped where they were.
static char *text_of(BIO *bio)
{
    char *data = NULL, *copy;
    long len = BIO_get_mem_data(bio, &data);

    copy = len > 0 ? malloc((size_t)len + 1) : NULL;
    if (copy) {
        memcpy(copy, data, (size_t)len);
        copy[len] = '\0';
    }
    if (len > 0)
        OPENSSL_cleanse(data, (size_t)len);
    ERR_clear_error();
    return copy;
}

char *pki_key_pem(EVP_PKEY *key)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());

    if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return NULL;
    return text_of(bio);
}

char *pki_cert_pem(X509 *cert)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());

    return bio && PEM_write_bio_X509(bio, cert) == 1 ? text_of(bio) : NULL;
}

char *pki_req_pem(X509_REQ *req)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());

    return bio && PEM_write_bio_X509_REQ(bio, req) == 1 ? text_of(bio) : NULL;
}

char *pki_wipe(char *text)
{
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
    return NULL;
}

static int no_password(char *buf, int size, int rwflag, void *ctx)
{
    if (size > 0)
        buf[0] = '\0';
    (void)rwflag;
    (void)ctx;
    return -1;
}

EVP_PKEY *pki_read_key(const char *pem)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    ERR_clear_error();
    return key;
}

X509 *pki_read_cert(const char *pem)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

    ERR_clear_error();
    return cert;
}

static int bad_request(struct error *err, const char *what)
{
    int r = pki_error(err, -EBADMSG, what);

    error_expected(err, "one PEM request (PKCS 10) for an EC key on P-256, signed by that key");
    return r;
}

#define PEM_BEGIN "-----BEGIN "

int pki_read_request(const char *pem, EVP_PKEY **ret_key, struct error *err)
{
    _cleanup_(bio_freep) BIO *bio = NULL;
    _cleanup_req_ X509_REQ *req = NULL;
    EVP_PKEY *key;

    if (!pem || strnlen(pem, WIRE_PEM_MAX + 1) > WIRE_PEM_MAX)
        return bad_request(err, "the request for a certificate is missing or too long");
    bio = BIO_new_mem_buf(pem, -1);
    req = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;
    if (!req)
        return bad_request(err, "the request for a certificate cannot be read");
    if (strstr(strstr(pem, PEM_BEGIN) + 1, PEM_BEGIN))
        return bad_request(err, "there is more than one request for a certificate");
    key = X509_REQ_get0_pubkey(req);
    if (!key || pki_check_key(key) < 0)
        return bad_request(err, "the request for a certificate has another kind of key");
    // Proves that whoever asks has the key.
    if (X509_REQ_verify(req, key) != 1)
        return bad_request(err, "the request for a certificate is not signed by its own key");
    if (!EVP_PKEY_up_ref(key))
        return bad_request(err, "no memory");
    ERR_clear_error();
    *ret_key = key;
    return 0;
}

int pki_fingerprint(X509 *cert, uint8_t ret[CERT_FINGERPRINT])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (X509_digest(cert, EVP_sha256(), hash, &len) != 1 || len != CERT_FINGERPRINT) {
        ERR_clear_error();
        return -EIO;
    }
    memcpy(ret, hash, CERT_FINGERPRINT);
    return 0;
}

void pki_hex(const uint8_t *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * len] = '\0';
}

int pki_signed_by(X509 *cert, X509 *ca)
{
    int good = X509_check_ca(ca) == 1 && X509_check_issued(ca, cert) == X509_V_OK &&
               X509_verify(cert, X509_get0_pubkey(ca)) == 1;

    ERR_clear_error();
    return good ? 0 : -EBADMSG;
}

int pki_read_file(const char *path, size_t max, char **ret_text, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text = NULL;
    struct stat st;
    size_t len;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_at(err, negative_errno(), path, 0, 0, "cannot be read: %m");
    if (!S_ISREG(st.st_mode))
        return error_at(err, -EBADMSG, path, 0, 0, "is not a regular file");
    if ((st.st_mode & 077) != 0) {
        (void)error_at(err, -EPERM, path, 0, 0,
                       "others than its owner may read or change this file (mode %04o)",
                       st.st_mode & 07777);
        error_expected(err, "mode 0600: a private key is in it");
        error_cure(err, "chmod 0600 %s; make a new key if somebody may have read this one", path);
        return -EPERM;
    }
    r = read_fd_bounded(fd, max, &text, &len);
    if (r < 0)
        return error_at(err, r, path, 0, 0, "cannot be read: %m");
    if (strlen(text) != len) {
        (void)pki_wipe(text);
        return error_at(err, -EBADMSG, path, 0, 0, "is damaged: it holds a NUL byte");
    }
    *ret_text = text;
    return 0;
}
