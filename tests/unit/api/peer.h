// SPDX-License-Identifier: Apache-2.0
//
// A server with some routes, certificates of a CA made for the test, and libcurl as its peer.
#pragma once

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>

#include "api/api.h"
#include "base/alloc.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "transport/ca.h"
#include "transport/identity.h"

#define PEER_AGENT "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e"

// Certificates ----------------------------------------------------------------------------------

struct peer_ca {
    char *dir;
    struct ca *ca;
    char *key, *chain;
};

static inline void peer_ca_new(struct peer_ca *p)
{
    const char *const names[] = {"localhost", "127.0.0.1"};
    struct cert_info info;
    struct error err = {};

    *p = (struct peer_ca){.dir = unit_mkdtemp()};
    assert_int_equal(ca_open(p->dir, &p->ca, &err), 0);
    assert_int_equal(ca_server_renew(p->ca, names, 2, (uint64_t)time(NULL) * 1000, &err), 1);
    assert_int_equal(ca_server_read(p->ca, &p->key, &p->chain, &info, &err), 0);
}

static inline void peer_ca_done(struct peer_ca *p)
{
    (void)ca_key_free(p->key);
    free(p->chain);
    (void)ca_free(p->ca);
    unit_rmdir(p->dir);
}

// A key and a certificate for an agent, both PEM, as it was made so many days ago.
static inline void peer_agent_of(const struct peer_ca *p, const char *id, unsigned days,
                                 char **ret_key, char **ret_certificate)
{
    uint64_t now_ms = ((uint64_t)time(NULL) - days * 86400ull) * 1000;
    struct cert_info info;
    struct error err = {};
    char *csr;

    assert_int_equal(identity_new_key(ret_key, &csr, &err), 0);
    assert_int_equal(ca_sign_agent(p->ca, csr, id, now_ms, ret_certificate, &info, &err), 0);
    free(csr);
}

static inline void peer_agent(const struct peer_ca *p, const char *id, char **ret_key,
                              char **ret_certificate)
{
    peer_agent_of(p, id, 0, ret_key, ret_certificate);
}

// Requests --------------------------------------------------------------------------------------

struct peer_answer {
    CURLcode result;
    long status;
    struct strbuf headers, body;
};

struct peer {
    CURL *curl;
    struct curl_slist *headers;
    char url[256];
    struct peer_answer answer;
    size_t stop_after; // bytes of the body after which it is not read on; 0: never
};

static inline size_t peer_on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct peer *p = ctx;

    sb_add(&p->answer.headers, data, size * n);
    return size * n;
}

static inline size_t peer_on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct peer *p = ctx;

    sb_add(&p->answer.body, data, size * n);
    return p->stop_after && p->answer.body.len >= p->stop_after ? 0 : size * n;
}

static inline void peer_init(struct peer *p, struct api *api, const struct peer_ca *ca)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)ca_pem(ca->ca),
                             .len = strlen(ca_pem(ca->ca)),
                             .flags = CURL_BLOB_COPY};

    *p = (struct peer){.curl = curl_easy_init()};
    assert_non_null(p->curl);
    (void)snprintf(p->url, sizeof(p->url), "https://127.0.0.1:%u", api_port(api));
    (void)curl_easy_setopt(p->curl, CURLOPT_CAINFO_BLOB, &blob);
    (void)curl_easy_setopt(p->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(p->curl, CURLOPT_TIMEOUT, 60L);
    (void)curl_easy_setopt(p->curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(p->curl, CURLOPT_HEADERFUNCTION, peer_on_header);
    (void)curl_easy_setopt(p->curl, CURLOPT_HEADERDATA, p);
    (void)curl_easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, peer_on_body);
    (void)curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, p);
}

static inline void peer_certificate(struct peer *p, const char *key, const char *certificate)
{
    struct curl_blob k = {(void *)(uintptr_t)key, strlen(key), CURL_BLOB_COPY};
    struct curl_blob c = {(void *)(uintptr_t)certificate, strlen(certificate), CURL_BLOB_COPY};

    (void)curl_easy_setopt(p->curl, CURLOPT_SSLKEY_BLOB, &k);
    (void)curl_easy_setopt(p->curl, CURLOPT_SSLCERT_BLOB, &c);
}

// For the requests that follow; NULL: none any more.
static inline void peer_header(struct peer *p, const char *header)
{
    if (header) {
        p->headers = curl_slist_append(p->headers, header);
    } else {
        curl_slist_free_all(p->headers);
        p->headers = NULL;
    }
    (void)curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, p->headers);
}

static inline long peer_ask(struct peer *p, const char *method, const char *target,
                            const void *body, size_t len)
{
    char url[8192];

    assert_true(snprintf(url, sizeof(url), "%s%s", p->url, target) < (int)sizeof(url));
    sb_reset(&p->answer.headers);
    sb_reset(&p->answer.body);
    (void)curl_easy_setopt(p->curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, NULL);
    (void)curl_easy_setopt(p->curl, CURLOPT_HTTPGET, 1L);
    if (body) {
        (void)curl_easy_setopt(p->curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        (void)curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, body);
    }
    (void)curl_easy_setopt(p->curl, CURLOPT_NOBODY, streq(method, "HEAD") ? 1L : 0L);
    (void)curl_easy_setopt(p->curl, CURLOPT_CUSTOMREQUEST, streq(method, "HEAD") ? NULL : method);
    p->answer.result = curl_easy_perform(p->curl);
    p->answer.status = 0;
    (void)curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &p->answer.status);
    return p->answer.status;
}

static inline long peer_get(struct peer *p, const char *target)
{
    return peer_ask(p, "GET", target, NULL, 0);
}

static inline long peer_send(struct peer *p, const char *method, const char *target,
                             const char *json)
{
    return peer_ask(p, method, target, json, strlen(json));
}

// Whether the answer has a line that starts with this, whatever the case of its name.
static inline bool peer_has(const struct peer *p, const char *line)
{
    size_t len = strlen(line);

    for (const char *at = sb_str(&p->answer.headers); *at;) {
        if (strncasecmp(at, line, len) == 0)
            return true;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return false;
}

static inline bool peer_says(const struct peer *p, const char *text)
{
    return strstr(sb_str(&p->answer.body), text) != NULL;
}

static inline void peer_done(struct peer *p)
{
    curl_easy_cleanup(p->curl);
    curl_slist_free_all(p->headers);
    sb_done(&p->answer.headers);
    sb_done(&p->answer.body);
}
