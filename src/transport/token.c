// SPDX-License-Identifier: Apache-2.0
#include "transport/token.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/macro.h"
#include "base/strutil.h"

#define CHECK     4
#define FIXED     (TOKEN_FINGERPRINT + TOKEN_SECRET + CHECK)
#define BYTES_MAX (FIXED + TOKEN_URL_MAX)

// Hashes under names of their own never meet.
#define CHECK_NAME  "safeguard enrolment token check"
#define SECRET_NAME "safeguard enrolment token secret"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

STATIC_ASSERT(sizeof(TOKEN_PREFIX) + (BYTES_MAX * 4 + 2) / 3 <= TOKEN_TEXT_MAX, "a token fits");

static int sha256_named(const char *name, const void *a, size_t a_len, const void *b, size_t b_len,
                        uint8_t ret_hash[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, name, strlen(name) + 1) == 1 &&
                EVP_DigestUpdate(md, a, a_len) == 1 && EVP_DigestUpdate(md, b, b_len) == 1 &&
                EVP_DigestFinal_ex(md, ret_hash, NULL) == 1;

    EVP_MD_CTX_free(md);
    return good ? 0 : -ENOMEM;
}

static int check_of(const struct token *token, uint8_t ret_check[CHECK])
{
    uint8_t fixed[TOKEN_FINGERPRINT + TOKEN_SECRET], hash[32];
    int r;

    memcpy(fixed, token->fingerprint, TOKEN_FINGERPRINT);
    memcpy(fixed + TOKEN_FINGERPRINT, token->secret, TOKEN_SECRET);
    r = sha256_named(CHECK_NAME, fixed, sizeof(fixed), token->url, strlen(token->url), hash);
    OPENSSL_cleanse(fixed, sizeof(fixed));
    if (r == 0)
        memcpy(ret_check, hash, CHECK);
    return r;
}

int token_hash(const uint8_t secret[TOKEN_SECRET], char ret_hash[TOKEN_HASH_TEXT])
{
    uint8_t hash[32];
    int r;

    r = sha256_named(SECRET_NAME, secret, TOKEN_SECRET, "", 0, hash);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(hash); i++)
        (void)snprintf(ret_hash + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

void token_wipe(struct token *token)
{
    OPENSSL_cleanse(token, sizeof(*token));
}

static int not_a_url(struct error *err, const char *why)
{
    (void)error_set(err, -EINVAL, "the URL of the server %s", why);
    error_expected(err, "https://HOST or https://HOST:PORT");
    return -EINVAL;
}

// The parts that libcurl finds, so that what is checked is what is connected to.
static int url_parts(CURLU *u, char ret_url[TOKEN_URL_MAX + 1], struct error *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *rest = NULL;
    char text[TOKEN_URL_MAX + 1];
    int n = 0, r = 0;

    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) || !streq(scheme, "https"))
        r = not_a_url(err, "does not begin with https://");
    else if (curl_url_get(u, CURLUPART_HOST, &host, 0) || !*host)
        r = not_a_url(err, "names no host");
    else if (!curl_url_get(u, CURLUPART_USER, &rest, 0) ||
             !curl_url_get(u, CURLUPART_PASSWORD, &rest, 0) ||
             !curl_url_get(u, CURLUPART_QUERY, &rest, 0) ||
             !curl_url_get(u, CURLUPART_FRAGMENT, &rest, 0) ||
             !curl_url_get(u, CURLUPART_ZONEID, &rest, 0) ||
             (!curl_url_get(u, CURLUPART_PATH, &path, 0) && !streq(path, "/")))
        r = not_a_url(err, "has more than a host and a port");
    else if (curl_url_get(u, CURLUPART_PORT, &port, 0))
        port = NULL;
    if (r == 0) {
        if (port)
            n = snprintf(text, sizeof(text), "https://%s:%s", host, port);
        else
            n = snprintf(text, sizeof(text), "https://%s:%d", host, SERVER_PORT_DEFAULT);
        if (n < 0 || n >= (int)sizeof(text))
            r = not_a_url(err, "is too long");
        else
            memcpy(ret_url, text, (size_t)n + 1);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(rest);
    return r;
}

int server_url_normalise(const char *url, char ret_url[TOKEN_URL_MAX + 1], struct error *err)
{
    CURLU *u;
    int r;

    if (str_isempty(url))
        return not_a_url(err, "is missing");
    if (strnlen(url, TOKEN_URL_MAX + 1) > TOKEN_URL_MAX)
        return not_a_url(err, "is too long");
    // '%' would be taken apart, and the host be another one than the text says.
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\\\"'<>`%", *c))
            return not_a_url(err, "has a character that cannot be in it");
    u = curl_url();
    if (!u)
        return error_set(err, -ENOMEM, "no memory");
    if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME))
        r = not_a_url(err, "is not one");
    else
        r = url_parts(u, ret_url, err);
    curl_url_cleanup(u);
    return r;
}

int token_new(const uint8_t fingerprint[TOKEN_FINGERPRINT], const char *url,
              struct token *ret_token, struct error *err)
{
    struct token token = {};
    int r;

    if (url) {
        r = server_url_normalise(url, token.url, err);
        if (r < 0)
            return r;
    }
    memcpy(token.fingerprint, fingerprint, TOKEN_FINGERPRINT);
    if (getrandom(token.secret, TOKEN_SECRET, 0) != TOKEN_SECRET)
        return error_set(err, -EIO, "no random numbers");
    *ret_token = token;
    token_wipe(&token);
    return 0;
}

static void base64url(const uint8_t *bytes, size_t len, char *to)
{
    uint32_t bits = 0;
    unsigned n = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (n += 8; n >= 6; n -= 6)
            *to++ = alphabet[bits >> (n - 6) & 63];
    }
    if (n > 0)
        *to++ = alphabet[bits << (6 - n) & 63];
    *to = '\0';
}

// -EINVAL also for what another text would stand for as well (bits at the end that are not 0).
static int unbase64url(const char *text, size_t len, uint8_t *to, size_t max, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned n = 0;
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        const char *c = text[i] ? strchr(alphabet, text[i]) : NULL;

        if (!c)
            return -EINVAL;
        bits = (bits << 6 | (uint32_t)(c - alphabet)) & 0xfff;
        n += 6;
        if (n >= 8) {
            if (out == max)
                return -EINVAL;
            to[out++] = (uint8_t)(bits >> (n -= 8));
        }
    }
    if (n >= 6 || (bits & ((1u << n) - 1)) != 0)
        return -EINVAL;
    *ret_len = out;
    return 0;
}

int token_format(const struct token *token, char ret_text[TOKEN_TEXT_MAX])
{
    uint8_t bytes[BYTES_MAX];
    size_t url = strlen(token->url);
    int r;

    memcpy(bytes, token->fingerprint, TOKEN_FINGERPRINT);
    memcpy(bytes + TOKEN_FINGERPRINT, token->secret, TOKEN_SECRET);
    r = check_of(token, bytes + TOKEN_FINGERPRINT + TOKEN_SECRET);
    if (r < 0)
        return r;
    memcpy(bytes + FIXED, token->url, url);
    memcpy(ret_text, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
    base64url(bytes, FIXED + url, ret_text + sizeof(TOKEN_PREFIX) - 1);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

static int not_a_token(struct error *err, const char *why)
{
    (void)error_set(err, -EINVAL, "the enrolment token %s", why);
    error_cure(err, "copy the whole token, or make a new one: safeguard-server token create");
    return -EINVAL;
}

static int take_parts(const uint8_t *bytes, size_t len, struct token *token, struct error *err)
{
    uint8_t check[CHECK];
    char url[TOKEN_URL_MAX + 1];
    int r;

    if (len < FIXED)
        return not_a_token(err, "is cut short");
    memcpy(token->fingerprint, bytes, TOKEN_FINGERPRINT);
    memcpy(token->secret, bytes + TOKEN_FINGERPRINT, TOKEN_SECRET);
    memcpy(token->url, bytes + FIXED, len - FIXED);
    token->url[len - FIXED] = '\0';
    if (strlen(token->url) != len - FIXED)
        return not_a_token(err, "holds no URL where one should be");
    r = check_of(token, check);
    if (r < 0)
        return error_set(err, r, "no memory");
    if (memcmp(check, bytes + TOKEN_FINGERPRINT + TOKEN_SECRET, CHECK) != 0)
        return not_a_token(err, "is cut short or has a letter that is wrong");
    // Whoever makes tokens writes the URL in one way.
    if (*token->url && (server_url_normalise(token->url, url, NULL) < 0 || !streq(url, token->url)))
        return not_a_token(err, "holds no URL of a server");
    return 0;
}

int token_parse(const char *text, struct token *ret_token, struct error *err)
{
    uint8_t bytes[BYTES_MAX] = {};
    struct token token = {};
    const char *rest;
    size_t len, n = 0;
    int r;

    text = strempty(text);
    text += strspn(text, " \t\r\n");
    rest = str_startswith(text, TOKEN_PREFIX);
    if (!rest)
        return not_a_token(err, "does not begin with " TOKEN_PREFIX);
    len = strcspn(rest, " \t\r\n");
    if (rest[len + strspn(rest + len, " \t\r\n")] != '\0')
        return not_a_token(err, "has blanks inside");
    if (unbase64url(rest, len, bytes, sizeof(bytes), &n) < 0)
        r = not_a_token(err, "has characters that cannot be in it, or is cut short");
    else
        r = take_parts(bytes, n, &token, err);
    if (r == 0)
        *ret_token = token;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    token_wipe(&token);
    return r;
}
