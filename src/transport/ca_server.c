// SPDX-License-Identifier: Apache-2.0
//
// The server's own certificate: names and addresses that agents connect to.
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "transport/ca.h"
#include "transport/ca_private.h"
#include "transport/issue.h"
#include "transport/pki.h"

#define DAY_S      86400
#define BACKDATE_S DAY_S // see ca.c
#define NAMES_MAX  64
#define NAME_MAX_  253 // of DNS

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "no memory");
}

static bool dns_name_valid(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *rest = str_startswith(name, "*.");
    size_t len = strnlen(name, NAME_MAX_ + 1);

    rest = rest ? rest : name;
    return len <= NAME_MAX_ && *rest && *rest != '.' && *rest != '-' &&
           strspn(rest, allowed) == strlen(rest);
}

static int push_name(GENERAL_NAMES *names, const char *text, struct error *err)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *dns;

    ERR_clear_error();
    if (!name)
        goto failed;
    if (address) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        address = NULL;
    } else if (dns_name_valid(text)) {
        dns = ASN1_IA5STRING_new();
        if (!dns || ASN1_STRING_set(dns, text, -1) != 1) {
            ASN1_IA5STRING_free(dns);
            goto failed;
        }
        GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    } else {
        GENERAL_NAME_free(name);
        (void)error_set(err, -EINVAL, "'%.253s' is neither a name nor an address", text);
        error_expected(err, "what agents connect to: server.example.org, 10.0.0.1 or ::1");
        return -EINVAL;
    }
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return 0;
failed:
    ASN1_OCTET_STRING_free(address);
    GENERAL_NAME_free(name);
    return no_memory(err);
}

static void names_freep(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

// In one order and once each, so that two lists can be compared by their bytes.
static int names_of(const char *const *names, size_t n, GENERAL_NAMES **ret_names,
                    struct error *err)
{
    _cleanup_(names_freep) GENERAL_NAMES *out = GENERAL_NAMES_new();
    _cleanup_(strv_freep) char **sorted = NULL;

    if (n == 0 || n > NAMES_MAX)
        return error_set(err, -EINVAL, "a server's certificate has 1 to %d names and addresses",
                         NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!strv_contains(sorted, names[i]) && strv_append(&sorted, names[i]) < 0)
            return no_memory(err);
    if (!out)
        return no_memory(err);
    strv_sort_natural(sorted);
    STRV_FOREACH (name, sorted) {
        int r = push_name(out, *name, err);

        if (r < 0)
            return r;
    }
    *ret_names = TAKE_PTR(out);
    return 0;
}

static bool same_names(X509 *cert, const GENERAL_NAMES *wanted)
{
    GENERAL_NAMES *has = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    unsigned char *a = NULL, *b = NULL;
    int a_len = has ? i2d_GENERAL_NAMES(has, &a) : -1, b_len = i2d_GENERAL_NAMES(wanted, &b);
    bool same = a_len > 0 && a_len == b_len && memcmp(a, b, (size_t)a_len) == 0;

    OPENSSL_free(a);
    OPENSSL_free(b);
    GENERAL_NAMES_free(has);
    ERR_clear_error();
    return same;
}

// What server.pem holds. -EBADMSG: not a pair of this CA.
static int read_pair(const struct ca *ca, EVP_PKEY **ret_key, X509 **ret_cert, struct error *err)
{
    _cleanup_free_ char *path = ca_path(ca, "server.pem");
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_cert_ X509 *cert = NULL;
    char *text = NULL;
    int r;

    if (!path)
        return no_memory(err);
    r = pki_read_file(path, CA_FILE_MAX, &text, err);
    if (r < 0)
        return r;
    key = pki_read_key(text);
    cert = pki_read_cert(text);
    (void)pki_wipe(text);
    if (!key || !cert || X509_check_private_key(cert, key) != 1 ||
        pki_signed_by(cert, ca->cert) < 0) {
        ERR_clear_error();
        (void)error_at(err, -EBADMSG, path, 0, 0,
                       "this is no key with a certificate of this server's CA");
        error_cure(err, "remove the file; the server makes a new one when it starts");
        return -EBADMSG;
    }
    *ret_key = TAKE_PTR(key);
    *ret_cert = TAKE_PTR(cert);
    return 0;
}

static bool still_good(const struct ca *ca, const GENERAL_NAMES *names, uint64_t now_ms)
{
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_cert_ X509 *cert = NULL;
    struct cert_info info;
    int64_t now = (int64_t)now_ms;

    return read_pair(ca, &key, &cert, NULL) == 0 && pki_cert_info(cert, &info, NULL) == 0 &&
           same_names(cert, names) && now >= info.not_before_ms &&
           now - info.not_before_ms < (info.not_after_ms - info.not_before_ms) / 3 * 2;
}

static int write_pair(const struct ca *ca, EVP_PKEY *key, X509 *cert, struct error *err)
{
    _cleanup_free_ char *path = ca_path(ca, "server.pem"), *cert_pem = pki_cert_pem(cert);
    char *key_pem = pki_key_pem(key), *text = NULL;
    struct strbuf sb = {};
    int r;

    if (path && cert_pem && key_pem)
        sb_printf(&sb, "%s%s%s", key_pem, cert_pem, ca->pem);
    r = path && cert_pem && key_pem ? sb_finish(&sb, &text) : -ENOMEM;
    (void)pki_wipe(key_pem);
    if (r < 0) {
        sb_done(&sb);
        return no_memory(err);
    }
    r = write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600);
    (void)pki_wipe(text);
    return r < 0
               ? error_at(err, r, path, 0, 0, "the server's own certificate cannot be written: %m")
               : 0;
}

int ca_server_renew(struct ca *ca, const char *const *names, size_t n_names, uint64_t now_ms,
                    struct error *err)
{
    int64_t now = (int64_t)(now_ms / 1000);
    _cleanup_(names_freep) GENERAL_NAMES *list = NULL;
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_cert_ X509 *cert = NULL;
    int r;

    r = names_of(names, n_names, &list, err);
    if (r < 0)
        return r;
    if (still_good(ca, list, now_ms))
        return 0;
    key = pki_new_key();
    if (!key)
        return pki_error(err, -EIO, "a key cannot be made");
    r = issue_certificate(&(struct issue){.kind = ISSUE_SERVER,
                                          .common_name = names[0],
                                          .names = list,
                                          .key = key,
                                          .ca = ca->cert,
                                          .ca_key = ca->key,
                                          .not_before_s = now - BACKDATE_S,
                                          .not_after_s = now + CA_SERVER_DAYS * DAY_S},
                          &cert, err);
    if (r < 0)
        return r;
    r = write_pair(ca, key, cert, err);
    return r < 0 ? r : 1;
}

int ca_server_read(const struct ca *ca, char **ret_key_pem, char **ret_chain_pem,
                   struct cert_info *ret_info, struct error *err)
{
    _cleanup_free_ char *cert_pem = NULL, *chain = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_key_ EVP_PKEY *key = NULL;
    _cleanup_cert_ X509 *cert = NULL;
    struct cert_info info;
    char *key_pem;
    int r;

    r = read_pair(ca, &key, &cert, err);
    if (r < 0)
        return r;
    r = pki_cert_info(cert, &info, err);
    if (r < 0)
        return r;
    cert_pem = pki_cert_pem(cert);
    if (cert_pem)
        sb_printf(&sb, "%s%s", cert_pem, ca->pem);
    key_pem = pki_key_pem(key);
    if (!cert_pem || !key_pem || sb_finish(&sb, &chain) < 0) {
        (void)pki_wipe(key_pem);
        return no_memory(err);
    }
    *ret_key_pem = key_pem;
    *ret_chain_pem = TAKE_PTR(chain);
    *ret_info = info;
    return 0;
}

char *ca_key_free(char *key_pem)
{
    return pki_wipe(key_pem);
}
