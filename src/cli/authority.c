// SPDX-License-Identifier: Apache-2.0
#include "cli/authority.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"

static void curl_freep(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void x509_freep(X509 **x)
{
    X509_free(*x);
}

static size_t ignore(char *data _unused_, size_t size, size_t n, void *ctx _unused_)
{
    return size * n;
}

static X509 *read_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    (void)BIO_free(bio);
    return x;
}

static int fingerprint_of(const X509 *x, char **ret)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(x, EVP_sha256(), digest, &len) != 1)
        return -ENOMEM;
    for (unsigned i = 0; i < len; i++)
        sb_printf(&sb, "%02x", digest[i]);
    return sb_finish(&sb, ret);
}

static bool same_fingerprint(const char *wanted, const char *has)
{
    const char *digits = str_startswith(wanted, "sha256:");

    wanted = digits ? digits : wanted;
    for (; *wanted; wanted++) {
        if (*wanted == ':')
            continue;
        if (tolower((unsigned char)*wanted) != *has)
            return false;
        has++;
    }
    return !*has;
}

// The one that signed itself, of what the server showed.
static int find_authority(CURL *curl, char **ret_pem, char **ret_fingerprint)
{
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) || !info)
        return -EPROTO;
    for (int i = 0; i < info->num_of_certs; i++)
        for (const struct curl_slist *s = info->certinfo[i]; s; s = s->next) {
            const char *pem = str_startswith(s->data, "Cert:");
            _cleanup_(x509_freep) X509 *x = pem ? read_pem(pem) : NULL;

            if (!x || X509_self_signed(x, 1) != 1 || X509_check_ca(x) <= 0)
                continue;
            *ret_pem = strdup(pem);
            return *ret_pem ? fingerprint_of(x, ret_fingerprint) : -ENOMEM;
        }
    return -EPROTO;
}

static int ask(CURL *curl, const char *url, struct error *err)
{
    _cleanup_(sb_done) struct strbuf page = {};
    char why[CURL_ERROR_SIZE] = "";
    CURLcode c = CURLE_OK;

    sb_printf(&page, "%s/healthz", url);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_URL, sb_str(&page));
    c = c ? c : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    c = c ? c : curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    // Whom to believe is what is to be found out here; nothing secret goes over this connection.
    c = c ? c : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 15000L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    if (c || page.failed)
        return error_set(err, -ENOMEM, "%m");
    c = curl_easy_perform(curl);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (!c)
        return 0;
    (void)error_set(err, c == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -ECONNREFUSED,
                    "%s does not answer: %s", url, *why ? why : curl_easy_strerror(c));
    error_cure(err, "check the address, and that safeguard-server runs there");
    return err ? err->code : -ECONNREFUSED;
}

int authority_fetch(const char *url, const char *fingerprint, char **ret_pem,
                    char **ret_fingerprint, struct error *err)
{
    _cleanup_(curl_freep) CURL *curl = curl_easy_init();
    _cleanup_free_ char *pem = NULL, *found = NULL;
    int r;

    if (!curl)
        return error_set(err, -ENOMEM, "%m");
    r = ask(curl, url, err);
    if (r < 0)
        return r;
    r = find_authority(curl, &pem, &found);
    if (r == -EPROTO) {
        (void)error_set(err, r, "%s shows no certificate authority of its own", url);
        error_cure(err, "check that the address is that of a safeguard server; or name the "
                        "authority with --ca");
    } else if (r < 0) {
        (void)error_set(err, r, "%m");
    }
    if (r < 0)
        return r;
    if (fingerprint && !same_fingerprint(fingerprint, found)) {
        (void)error_set(err, -EKEYREJECTED,
                        "%s is certified by another authority: its fingerprint is %s", url, found);
        error_cure(err, "compare with 'safeguard-server ca show' on the server; if they differ, "
                        "somebody is in between");
        return -EKEYREJECTED;
    }
    *ret_pem = TAKE_PTR(pem);
    *ret_fingerprint = TAKE_PTR(found);
    return 0;
}
