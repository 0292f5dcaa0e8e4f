// SPDX-License-Identifier: Apache-2.0
#include "transport/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "transport/ca_private.h"
#include "transport/issue.h"
#include "transport/pki.h"

#define DAY_S            86400
#define YEAR_S           (366 * (int64_t)DAY_S)
// Clocks of hosts that are behind must not take what was made just now for something of tomorrow.
#define CA_BACKDATE_S    DAY_S
#define AGENT_BACKDATE_S 3600

char *ca_path(const struct ca *ca, const char *name)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *path = NULL;

    sb_printf(&sb, "%s/%s", ca->dir, name);
    return sb_finish(&sb, &path) < 0 ? NULL : path;
}

struct ca *ca_free(struct ca *ca)
{
    if (ca) {
        X509_STORE_free(ca->store);
        X509_free(ca->cert);
        EVP_PKEY_free(ca->key);
        free(ca->pem);
        free(ca->dir);
        free(ca);
    }
    return NULL;
}

const char *ca_pem(const struct ca *ca)
{
    return ca->pem;
}

const uint8_t *ca_fingerprint(const struct ca *ca)
{
    return ca->fingerprint;
}

const char *ca_fingerprint_text(const struct ca *ca)
{
    return ca->info.fingerprint;
}

const struct cert_info *ca_info(const struct ca *ca)
{
    return &ca->info;
}

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "no memory");
}

// A new key and the certificate that it signs for itself, in one text.
static int make_text(char **ret_text, struct error *err)
{
    int64_t now = (int64_t)(now_ns(CLOCK_REALTIME) / NS_PER_SEC);
    _cleanup_key_ EVP_PKEY *key = pki_new_key();
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_cert_ X509 *cert = NULL;
    char *key_pem, *cert_pem;
    int r;

    if (!key)
        return pki_error(err, -EIO, "a key cannot be made");
    r = issue_certificate(&(struct issue){.kind = ISSUE_CA,
                                          .common_name = "safeguard CA",
                                          .key = key,
                                          .ca_key = key,
                                          .not_before_s = now - CA_BACKDATE_S,
                                          .not_after_s = now + CA_YEARS * YEAR_S},
                          &cert, err);
    if (r < 0)
        return r;
    key_pem = pki_key_pem(key);
    cert_pem = pki_cert_pem(cert);
    if (key_pem && cert_pem)
        sb_printf(&sb, "%s%s", key_pem, cert_pem);
    r = key_pem && cert_pem ? sb_finish(&sb, ret_text) : -ENOMEM;
    (void)pki_wipe(key_pem);
    free(cert_pem);
    return r < 0 ? no_memory(err) : 0;
}

static int make_file(const char *path, struct error *err)
{
    char *text = NULL;
    int r;

    r = make_text(&text, err);
    if (r < 0)
        return r;
    r = write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600);
    (void)pki_wipe(text);
    return r < 0 ? error_at(err, r, path, 0, 0, "the key of the server's CA cannot be written: %m")
                 : 0;
}

static int damaged(struct error *err, const char *path, const char *what)
{
    (void)error_at(err, -EBADMSG, path, 0, 0, "%s", what);
    error_expected(err, "the key and the certificate of this server's CA");
    error_cure(err, "restore the file from a backup: agents trust no other CA");
    return -EBADMSG;
}

static int take_text(struct ca *ca, const char *path, const char *text, struct error *err)
{
    int r;

    ca->key = pki_read_key(text);
    ca->cert = pki_read_cert(text);
    if (!ca->key || !ca->cert)
        return damaged(err, path, "there is no key, or no certificate, that can be read");
    if (pki_check_key(ca->key) < 0 || X509_check_private_key(ca->cert, ca->key) != 1 ||
        X509_check_ca(ca->cert) != 1) {
        ERR_clear_error();
        return damaged(err, path, "key and certificate do not belong together");
    }
    ca->pem = pki_cert_pem(ca->cert);
    ca->store = X509_STORE_new();
    if (!ca->pem || !ca->store || X509_STORE_add_cert(ca->store, ca->cert) != 1 ||
        pki_fingerprint(ca->cert, ca->fingerprint) < 0)
        return no_memory(err);
    r = pki_cert_info(ca->cert, &ca->info, err);
    if (r < 0)
        error_where(err, path, 0, 0);
    return r;
}

static int read_ca(struct ca *ca, struct error *err)
{
    _cleanup_free_ char *path = ca_path(ca, "ca.pem");
    char *text = NULL;
    int r;

    if (!path)
        return no_memory(err);
    r = pki_read_file(path, CA_FILE_MAX, &text, err);
    if (r < 0)
        return r;
    r = take_text(ca, path, text, err);
    (void)pki_wipe(text);
    return r;
}

// Under a lock of the directory, so that two processes do not make two.
static int make_unless_there(struct ca *ca, struct error *err)
{
    _cleanup_free_ char *path = ca_path(ca, "ca.pem");
    _cleanup_close_ int lock = -1;
    int r;

    if (!path)
        return no_memory(err);
    r = mkdir_p(AT_FDCWD, ca->dir, 0700);
    if (r < 0)
        return error_at(err, r, ca->dir, 0, 0, "cannot be made: %m");
    lock = open(ca->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return error_at(err, negative_errno(), ca->dir, 0, 0, "cannot be opened: %m");
    do
        r = flock(lock, LOCK_EX) < 0 ? negative_errno() : 0;
    while (r == -EINTR);
    if (r < 0)
        return error_at(err, r, ca->dir, 0, 0, "cannot be locked: %m");
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != ENOENT)
        return error_at(err, negative_errno(), path, 0, 0, "cannot be looked at: %m");
    return make_file(path, err);
}

static int open_in(const char *dir, bool make, struct ca **ret_ca, struct error *err)
{
    _cleanup_(ca_freep) struct ca *ca = new0(struct ca, 1);
    int r;

    if (!ca || !(ca->dir = strdup(dir)))
        return no_memory(err);
    r = make ? make_unless_there(ca, err) : 0;
    if (r == 0)
        r = read_ca(ca, err);
    if (r < 0)
        return r;
    *ret_ca = TAKE_PTR(ca);
    return 0;
}

int ca_open(const char *dir, struct ca **ret_ca, struct error *err)
{
    return open_in(dir, true, ret_ca, err);
}

int ca_open_existing(const char *dir, struct ca **ret_ca, struct error *err)
{
    return open_in(dir, false, ret_ca, err);
}

uint64_t ca_renew_after_ms(void)
{
    return ca_renew_after_life(CA_AGENT_LIFE_MS);
}

uint64_t ca_renew_after_life(uint64_t life_ms)
{
    return life_ms / 3 * 2;
}

// The one URI that names an agent.
static GENERAL_NAMES *agent_names(const char *agent_id)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
    char text[sizeof(CERT_AGENT_URN) + WIRE_UUID_TEXT];

    (void)snprintf(text, sizeof(text), CERT_AGENT_URN "%s", agent_id);
    if (names && name && uri && ASN1_STRING_set(uri, text, -1) == 1) {
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        uri = NULL;
        if (sk_GENERAL_NAME_push(names, name) > 0)
            return names;
    }
    ASN1_IA5STRING_free(uri);
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return NULL;
}

int ca_sign_agent(const struct ca *ca, const char *csr_pem, const char *agent_id, uint64_t now_ms,
                  char **ret_pem, struct cert_info *ret_info, struct error *err)
{
    return ca_sign_agent_for(ca, csr_pem, agent_id, now_ms, CA_AGENT_LIFE_MS, ret_pem, ret_info,
                             err);
}

int ca_sign_agent_for(const struct ca *ca, const char *csr_pem, const char *agent_id,
                      uint64_t now_ms, uint64_t life_ms, char **ret_pem, struct cert_info *ret_info,
                      struct error *err)
{
    int64_t now = (int64_t)(now_ms / 1000);
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_cert_ X509 *cert = NULL;
    struct cert_info info;
    GENERAL_NAMES *names;
    char *pem;
    int r;

    if (!wire_uuid_valid(agent_id))
        return error_set(err, -EINVAL, "'%.64s' is not the id of an agent", strempty(agent_id));
    r = pki_read_request(csr_pem, &key, err);
    if (r < 0)
        return r;
    names = agent_names(agent_id);
    if (!names)
        return no_memory(err);
    r = issue_certificate(&(struct issue){.kind = ISSUE_AGENT,
                                          .common_name = agent_id,
                                          .names = names,
                                          .key = key,
                                          .ca = ca->cert,
                                          .ca_key = ca->key,
                                          .not_before_s = now - AGENT_BACKDATE_S,
                                          .not_after_s = now + (int64_t)(life_ms / 1000)},
                          &cert, err);
    GENERAL_NAMES_free(names);
    if (r < 0)
        return r;
    r = pki_cert_info(cert, &info, err);
    if (r < 0)
        return r;
    pem = pki_cert_pem(cert);
    if (!pem)
        return no_memory(err);
    *ret_pem = pem;
    *ret_info = info;
    return 0;
}

static int verify_agent(const struct ca *ca, X509 *cert, uint64_t now_ms, struct error *err)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int r = 0, why;

    if (!ctx || X509_STORE_CTX_init(ctx, ca->store, cert, NULL) != 1) {
        X509_STORE_CTX_free(ctx);
        return no_memory(err);
    }
    (void)X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    if (now_ms > 0)
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(now_ms / 1000));
    else
        (void)X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx),
                                          X509_V_FLAG_NO_CHECK_TIME);
    if (X509_verify_cert(ctx) != 1) {
        why = X509_STORE_CTX_get_error(ctx);
        r = why == X509_V_ERR_CERT_HAS_EXPIRED || why == X509_V_ERR_CERT_NOT_YET_VALID ? -ESTALE
                                                                                       : -EACCES;
        (void)error_set(err, r, "the certificate of an agent is refused: %s",
                        X509_verify_cert_error_string(why));
        error_cure(err, "enrol the host anew: safeguard-agent enrol --server URL --token TOKEN");
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return r;
}

int ca_check_agent(const struct ca *ca, const void *der, size_t len, uint64_t now_ms,
                   struct cert_info *ret_info, struct error *err)
{
    const unsigned char *p = der;
    _cleanup_cert_ X509 *cert = NULL;
    struct cert_info info;
    int r;

    r = cert_read_der(der, len, &info, err);
    if (r < 0)
        return r;
    cert = d2i_X509(NULL, &p, (long)len);
    if (!cert)
        return pki_error(err, -EBADMSG, "a certificate cannot be read");
    r = verify_agent(ca, cert, now_ms, err);
    if (r < 0 && r != -ESTALE)
        return r;
    // One that says no purpose is one for all to OpenSSL, and none that this CA made.
    if (!*info.agent_id || X509_get_extended_key_usage(cert) != XKU_SSL_CLIENT)
        return error_set(err, -EACCES, "the certificate is not one of an agent");
    *ret_info = info;
    return r;
}
