// SPDX-License-Identifier: Apache-2.0
//
// One exchange with the server: a request, its answer, and what went wrong in words that help. Used by link and
// enrol. Bounds the answer, follows no redirections, uses no proxy of the environment.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "transport/tls.h"
#include "transport/wire.h"

#define HTTP_RETRY_AFTER_MAX_MS (UINT64_C(3600) * 1000)

#define HTTP_PEER_TEXT 64 // "fe80::1%eth0"

struct http_timing {
    uint32_t connect_ms, stall_ms;
};

struct http_call {
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char address[HTTP_PEER_TEXT]; // of connect_to
    char peer[HTTP_PEER_TEXT];    // the address that answered last; "": none did
    struct strbuf body;           // of the request
    struct strbuf answer;         // at most answer_max bytes
    size_t answer_max;
    bool too_long; // there was more
    bool active;   // between http_begin() and its end
    char text[CURL_ERROR_SIZE];
};

// Why an exchange failed, as far as it matters to what happens next.
enum http_failure {
    HTTP_NONE,
    HTTP_NETWORK,   // no connection, or it broke
    HTTP_UNTRUSTED, // not our server, or not shown to be
    HTTP_CLOCK,     // a certificate that is not valid now
    HTTP_REFUSED,   // the server refused our certificate (TLS)
    HTTP_EXPIRED,   // the same, as expired
    HTTP_ANSWER,    // the answer is of no use
};

struct http_result {
    enum http_failure failure;
    unsigned status; // 0 when there was no answer
    enum wire_code code;
    uint64_t retry_after_ms; // 0: not said
};

int http_call_init(struct http_call *call, struct tls_trust *trust, const char *version,
                   const struct http_timing *timing, struct error *err);
void http_call_done(struct http_call *call); // must not be in a multi handle

// From the next request on, connections are made to this address instead of what the name of the server is resolved to; "": by its
// name again. Certificates are checked against the name as before. 0 or -ENOMEM.
int http_connect_to(struct http_call *call, const char *address);

// Sets the next request up: GET when body is empty, POST with `type` otherwise; session NULL: no such header. total_ms
// bounds it as a whole; park: the server may be silent all that time.
int http_begin(struct http_call *call, const char *server_url, const char *path, const char *type,
               const char *session, size_t answer_max, uint32_t total_ms, bool park,
               const struct http_timing *timing, struct error *err);

// What came of it. err is filled in unless the status is 2xx.
void http_end(struct http_call *call, CURLcode curl, const char *server_url,
              struct http_result *ret, struct error *err);
