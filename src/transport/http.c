// SPDX-License-Identifier: Apache-2.0
#include "transport/http.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

#define BUFFER (64L << 10) // of uploads, and of answers

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * n;

    if (len > call->answer_max - call->answer.len) {
        call->too_long = true;
        return 0;
    }
    sb_add(&call->answer, data, len);
    return call->answer.failed ? 0 : len;
}

int http_call_init(struct http_call *call, struct tls_trust *trust, const char *version,
                   const struct http_timing *timing, struct error *err)
{
    struct http_call c = {.easy = curl_easy_init()};
    char agent[128];
    int r;

    if (!c.easy)
        return error_set(err, -ENOMEM, "no memory");
    r = tls_set_up(c.easy, trust, err);
    if (r < 0) {
        curl_easy_cleanup(c.easy);
        return r;
    }
    (void)snprintf(agent, sizeof(agent), "safeguard-agent/%s", version);
    (void)curl_easy_setopt(c.easy, CURLOPT_USERAGENT, agent);
    (void)curl_easy_setopt(c.easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c.easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(c.easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(c.easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(c.easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(c.easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(c.easy, CURLOPT_BUFFERSIZE, BUFFER);
    (void)curl_easy_setopt(c.easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER);
    (void)curl_easy_setopt(c.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timing->connect_ms);
    (void)curl_easy_setopt(c.easy, CURLOPT_WRITEFUNCTION, on_data);
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(c.easy, CURLOPT_PROTOCOLS_STR, "https");
#else
    (void)curl_easy_setopt(c.easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    // Ending must not wait for a resolver that does not answer.
    (void)curl_easy_setopt(c.easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    *call = c;
    return 0;
}

void http_call_done(struct http_call *call)
{
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    sb_done(&call->body);
    sb_done(&call->answer);
    *call = (struct http_call){};
}

static int add_header(struct http_call *call, const char *name, const char *value)
{
    struct curl_slist *list;
    char line[256];

    if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
        return -EINVAL;
    list = curl_slist_append(call->headers, line);
    if (!list)
        return -ENOMEM;
    call->headers = list;
    return 0;
}

static int set_headers(struct http_call *call, const char *type, const char *session)
{
    char now[24];
    int r = 0;

    curl_slist_free_all(call->headers);
    call->headers = NULL;
    if (call->body.len > 0)
        r = add_header(call, "Content-Type", type);
    if (r == 0 && session)
        r = add_header(call, WIRE_SESSION_HEADER, session);
    (void)snprintf(now, sizeof(now), "%llu",
                   (unsigned long long)(now_ns(CLOCK_REALTIME) / NS_PER_MS));
    if (r == 0)
        r = add_header(call, WIRE_TIME_HEADER, now);
    if (r == 0) {
        // Without waiting for a word before a long body.
        struct curl_slist *list = curl_slist_append(call->headers, "Expect:");

        if (!list)
            return -ENOMEM;
        call->headers = list;
    }
    return r;
}

int http_connect_to(struct http_call *call, const char *address)
{
    struct curl_slist *list = NULL;
    char row[HTTP_PEER_TEXT + 8];

    if (streq(address, call->address))
        return 0;
    // Of any host and port, to this address and the same port.
    if (*address) {
        (void)snprintf(row, sizeof(row), strchr(address, ':') ? "::[%s]:" : "::%s:", address);
        list = curl_slist_append(NULL, row);
        if (!list)
            return -ENOMEM;
    }
    if (curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, list) != CURLE_OK) {
        curl_slist_free_all(list);
        return -ENOMEM;
    }
    curl_slist_free_all(call->connect_to);
    call->connect_to = list;
    (void)snprintf(call->address, sizeof(call->address), "%s", address);
    return 0;
}

static void note_peer(struct http_call *call)
{
    const char *peer = NULL;

    if (curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &peer) == CURLE_OK && peer && *peer)
        (void)snprintf(call->peer, sizeof(call->peer), "%s", peer);
}

int http_begin(struct http_call *call, const char *server_url, const char *path, const char *type,
               const char *session, size_t answer_max, uint32_t total_ms, bool park,
               const struct http_timing *timing, struct error *err)
{
    long stall_s = (long)MAX(timing->stall_ms / 1000, 1u);
    _cleanup_(sb_done) struct strbuf url = {};
    bool good;
    int r;

    sb_printf(&url, "%s%s", server_url, path);
    r = url.failed ? -ENOMEM : set_headers(call, type, session);
    if (r < 0)
        return error_set(err, r, "a request cannot be put together");
    sb_reset(&call->answer);
    call->answer_max = answer_max;
    call->too_long = false;
    call->text[0] = '\0';
    good = curl_easy_setopt(call->easy, CURLOPT_URL, sb_str(&url)) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->text) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)total_ms) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_LIMIT, park ? 0L : 1L) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_TIME, park ? 0L : stall_s) == CURLE_OK;
    if (good && call->body.len > 0)
        good = curl_easy_setopt(call->easy, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body.s) == CURLE_OK &&
               curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                (curl_off_t)call->body.len) == CURLE_OK;
    else if (good)
        good = curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return good ? 0 : error_set(err, -ENOMEM, "a request cannot be put together");
}

// Alerts of TLS have no number that libcurl hands on.
static enum http_failure refused_by_alert(const char *text)
{
    if (strstr(text, "alert certificate expired"))
        return HTTP_EXPIRED;
    if (strstr(text, "alert certificate unknown") || strstr(text, "alert bad certificate") ||
        strstr(text, "alert unknown ca") || strstr(text, "alert certificate revoked") ||
        strstr(text, "certificate required") || strstr(text, "alert access denied"))
        return HTTP_REFUSED;
    return HTTP_NETWORK;
}

static enum http_failure untrusted(struct http_call *call, const char *url, struct error *err)
{
    long why = X509_V_OK;

    (void)curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &why);
    if (why == X509_V_ERR_CERT_NOT_YET_VALID || why == X509_V_ERR_CERT_HAS_EXPIRED) {
        (void)error_set(err, -EKEYEXPIRED, "the certificate of %s is %s by the clock of this host",
                        url, why == X509_V_ERR_CERT_HAS_EXPIRED ? "too old" : "not valid yet");
        error_cure(err, "set the clocks of this host and of the server (chronyc tracking); "
                        "a server renews its certificate when it starts");
        return HTTP_CLOCK;
    }
    if (why != X509_V_OK)
        (void)error_set(err, -EKEYREJECTED,
                        "what answers at %s is not the server of this agent: %s", url,
                        X509_verify_cert_error_string(why));
    else
        (void)error_set(err, -EKEYREJECTED, "the certificate of %s is for another name: %s", url,
                        call->text);
    error_expected(err, "a certificate for this name or address, signed by the server's own CA");
    error_cure(err, "check the URL and the names in the server's settings; if the server was "
                    "installed anew, enrol this host anew");
    return HTTP_UNTRUSTED;
}

static int code_of(CURLcode curl)
{
    switch (curl) {
    case CURLE_COULDNT_RESOLVE_HOST: return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT: return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY: return -ENOMEM;
    default: return -ECONNRESET;
    }
}

static enum http_failure failure_of(struct http_call *call, CURLcode curl, const char *url,
                                    struct error *err)
{
    const char *text = *call->text ? call->text : curl_easy_strerror(curl);
    enum http_failure failure = refused_by_alert(text);

    if (curl == CURLE_PEER_FAILED_VERIFICATION)
        return untrusted(call, url, err);
    if (curl == CURLE_WRITE_ERROR && call->too_long) {
        (void)error_set(err, -EMSGSIZE, "%s answered more than %zu bytes", url, call->answer_max);
        return HTTP_ANSWER;
    }
    if (failure != HTTP_NETWORK) {
        (void)error_set(err, failure == HTTP_EXPIRED ? -EKEYEXPIRED : -EKEYREJECTED,
                        "%s does not take the certificate of this agent: %s", url, text);
        error_cure(err, "enrol anew: safeguard-agent enrol --server URL --token TOKEN");
        return failure;
    }
    (void)error_set(err, code_of(curl), "%s cannot be reached: %s", url, text);
    return HTTP_NETWORK;
}

void http_end(struct http_call *call, CURLcode curl, const char *server_url,
              struct http_result *ret, struct error *err)
{
    struct http_result result = {};
    curl_off_t retry = 0;
    long status = 0;

    if (curl != CURLE_OK) {
        result.failure = failure_of(call, curl, server_url, err);
        *ret = result;
        return;
    }
    note_peer(call);
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry);
    result.status = (unsigned)status;
    if (retry > 0)
        result.retry_after_ms = MIN((uint64_t)retry * 1000, HTTP_RETRY_AFTER_MAX_MS);
    if (status / 100 != 2) {
        (void)error_set(err, -EREMOTEIO, "%s answered with HTTP status %ld", server_url, status);
        result.code = wire_error_read(sb_str(&call->answer), call->answer.len, -EREMOTEIO, err);
        result.failure = HTTP_ANSWER;
    }
    *ret = result;
}
