// SPDX-License-Identifier: Apache-2.0
//
// Webhooks: the message as JSON by POST. With a secret it is signed, so that who gets it knows whose it is:
//
//     Safeguard-Signature: t=<ms since 1970>,v1=<hex of HMAC-SHA-256 of "<t>.<body>" under the secret>
//
// and Safeguard-Delivery is the same when a message is sent again.
#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "server/notify.h"
#include "server/server.h"

#define SIGNATURE_MAX 128

static int check(const char *target, struct error *err)
{
    const char *rest = str_startswith(target, "https://");
    CURLU *url;
    int r;

    if (!rest)
        rest = str_startswith(target, "http://");
    if (rest && *rest && *rest != '/') {
        url = curl_url();
        r = url && curl_url_set(url, CURLUPART_URL, target, 0) == CURLUE_OK;
        curl_url_cleanup(url);
        if (r)
            return 0;
    }
    (void)error_set(err, -EINVAL, "'%.200s' is no address of a webhook", target);
    error_expected(err, "https://host/path, or http://host:port/path");
    return -EINVAL;
}

static size_t ignore(char *data _unused_, size_t size, size_t n, void *ctx)
{
    size_t *left = ctx;

    // What it answers matters to nobody; one that goes on and on is cut off.
    if (size * n > *left)
        return 0;
    *left -= size * n;
    return size * n;
}

static int sign(const struct notification *n, char ret[SIGNATURE_MAX])
{
    _cleanup_(sb_done) struct strbuf text = {};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    int at;

    sb_printf(&text, "%llu.%s", (unsigned long long)server_now(), n->body);
    if (text.failed || !HMAC(EVP_sha256(), n->secret, (int)strlen(n->secret),
                             (const unsigned char *)text.s, text.len, mac, &len))
        return -ENOMEM;
    at = snprintf(ret, SIGNATURE_MAX, "Safeguard-Signature: t=%.*s,v1=", (int)strcspn(text.s, "."),
                  text.s);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(ret + at + (size_t)2 * i, 3, "%02x", mac[i]);
    return 0;
}

static struct curl_slist *headers_of(const struct notification *n)
{
    char delivery[64], signature[SIGNATURE_MAX];
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");

    (void)snprintf(delivery, sizeof(delivery), "Safeguard-Delivery: %llu",
                   (unsigned long long)n->id);
    list = curl_slist_append(list, delivery);
    list = curl_slist_append(list, "Expect:");
    if (*n->secret && sign(n, signature) == 0)
        list = curl_slist_append(list, signature);
    return list;
}

// Some answers say that the same message will be refused again.
static int judge(long status, bool *ret_for_ever, struct error *err)
{
    if (status >= 200 && status < 300)
        return 0;
    *ret_for_ever = status >= 400 && status < 500 && status != 404 && status != 408 &&
                    status != 425 && status != 429;
    return error_set(err, -EREMOTEIO, "the webhook answered %ld", status);
}

static int send_webhook(const struct notification *n, bool *ret_for_ever, struct error *err)
{
    struct curl_slist *headers = headers_of(n);
    CURL *curl = notify_curl(n->target, "http,https");
    size_t left = (size_t)64 << 10;
    CURLcode code;
    long status = 0;
    int r;

    if (!curl || !headers) {
        r = error_set(err, -ENOMEM, "out of memory");
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, n->body);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &left);
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        r = code == CURLE_OK ? judge(status, ret_for_ever, err)
                             : error_set(err, -EREMOTEIO, "the webhook could not be reached: %s",
                                         curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return r;
}

const struct notify_kind notify_webhook = {check, send_webhook};
