// SPDX-License-Identifier: Apache-2.0
//
// A real server on loopback, asked by libcurl: what is let in, what is refused and how it is said.
#include "tests/unit/unit.h"

#include "tests/unit/api/routes.h"

#define CHECK_HEADERS(p)                                                         \
    do {                                                                         \
        assert_true(peer_has(p, "Content-Security-Policy: default-src 'self'")); \
        assert_true(peer_has(p, "X-Content-Type-Options: nosniff"));             \
        assert_true(peer_has(p, "Referrer-Policy: no-referrer"));                \
        assert_true(peer_has(p, "Strict-Transport-Security: max-age="));         \
        assert_true(peer_has(p, "X-Request-Id: "));                              \
    } while (0)

static void test_headers(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 200);
    CHECK_HEADERS(p);
    assert_true(strstr(sb_str(&p->answer.headers), "frame-ancestors 'none'"));
    assert_true(peer_has(p, "Cache-Control: no-store"));
    assert_true(peer_has(p, "Content-Type: application/json"));
    assert_true(peer_says(p, "\"address\":\"127.0.0.1\""));
    assert_int_equal(peer_get(p, "/api/v1/nothing"), 404);
    CHECK_HEADERS(p);
    assert_true(peer_has(p, "Cache-Control: no-store"));
    assert_int_equal(peer_get(p, "/elsewhere"), 404);
    CHECK_HEADERS(p);
    assert_int_equal(peer_ask(p, "HEAD", "/api/v1/things/fixed", NULL, 0), 200);
    assert_int_equal(p->answer.body.len, 0);
    rig_free(rig);
}

static void test_routes_and_methods(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    assert_int_equal(peer_get(p,
                              "/api/v1/things/fixed?n=7&q=a%20b&at=1000&words=one,two&words=three"),
                     200);
    assert_true(peer_says(p, "\"n\":7"));
    assert_true(peer_says(p, "\"q\":\"a b\""));
    assert_true(peer_says(p, "\"at\":1000"));
    assert_true(peer_says(p, "[\"one\",\"two\",\"three\"]"));
    assert_int_equal(peer_ask(p, "DELETE", "/api/v1/things/fixed/more", NULL, 0), 404);
    assert_int_equal(peer_ask(p, "PATCH", "/api/v1/things/x", NULL, 0), 405);
    assert_true(peer_has(p, "Allow: GET, PUT, DELETE"));
    assert_int_equal(peer_ask(p, "BREW", "/api/v1/things/x", NULL, 0), 405);
    assert_int_equal(peer_ask(p, "OPTIONS", "/api/v1/things/x", NULL, 0), 405);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?n=101"), 400);
    assert_true(peer_says(p, "0 to 100"));
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?m=1"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?word=one"), 400);
    assert_true(peer_says(p, "did you mean 'words'"));
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?words=four"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?words=one,two,three,one"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?n=1&n=2"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?q=%00"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?q=%ff"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed?q=%4"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/../things/fixed"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/%2e%2e"), 400);
    assert_int_equal(peer_get(p, "/api/v1//things/fixed"), 400);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed/"), 404);
    assert_int_equal(peer_get(p, "/api/v1/later"), 501);
    rig_free(rig);
}

static void test_errors(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    assert_int_equal(peer_get(p, "/api/v1/fail/x%2fy"), 404);
    assert_true(peer_says(p, "\"code\":\"not-found\",\"what\":\"no 'x/y'\""));
    assert_int_equal(peer_get(p, "/api/v1/fail/full"), 503);
    assert_true(peer_has(p, "Retry-After: "));
    assert_true(peer_says(p, "\"code\":\"storage\""));
    assert_int_equal(peer_get(p, "/api/v1/fail/teapot"), 418);
    assert_true(peer_says(p, "\"code\":\"teapot\""));
    // What broke inside is nobody's business outside.
    assert_int_equal(peer_get(p, "/api/v1/fail/secret"), 500);
    assert_false(peer_says(p, "/var/lib"));
    assert_int_equal(peer_get(p, "/api/v1/fail/half"), 500);
    rig_free(rig);
}

static void test_who(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 401);
    assert_true(peer_says(p, "\"code\":\"unauthorized\""));
    peer_header(p, AS("viewer"));
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 200);
    assert_true(peer_says(p, "\"by\":\"viewer\""));
    peer_header(p, NULL);
    peer_header(p, AS("admin"));
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 403);
    peer_header(p, NULL);
    peer_header(p, AS("stranger"));
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 401);
    // Two cookies of the name: one of them was put there by somebody else.
    peer_header(p, NULL);
    peer_header(p, AS("viewer; __Host-safeguard=admin"));
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 401);
    peer_header(p, NULL);
    peer_header(p, AS("broken"));
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 503);
    peer_header(p, NULL);
    peer_header(p, "Authorization: Bearer tina");
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 200);
    assert_true(peer_says(p, "\"by\":\"ci\""));
    // No cookie, no forged request: tokens need no CSRF token.
    assert_int_equal(peer_send(p, "POST", "/api/v1/public", "{}"), 415);
    peer_header(p, "Content-Type: application/json");
    assert_int_equal(peer_send(p, "POST", "/api/v1/things", "{\"text\":\"a\"}"), 201);
    assert_int_equal(peer_ask(p, "POST", "/api/v1/logout", "", 0), 403);
    peer_header(p, NULL);
    peer_header(p, "Authorization: Bearer other");
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 401);
    peer_header(p, NULL);
    peer_header(p, "Authorization: Basic dGluYQ==");
    assert_int_equal(peer_get(p, "/api/v1/things/x"), 401);
    rig_free(rig);
}

static void test_csrf(void **state _unused_)
{
    static const struct {
        const char *header;
        long status;
    } rows[] = {
        {NULL, 403},
        {"X-CSRF-Token: other", 403},
        {"X-CSRF-Token: csrf-of-the-sessio", 403},
        {"X-CSRF-Token: " CSRF, 201},
    };
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char origin[300];

    rig_start(rig);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        peer_header(p, AS("operator"));
        peer_header(p, "Content-Type: application/json");
        if (rows[i].header)
            peer_header(p, rows[i].header);
        assert_int_equal(peer_send(p, "POST", "/api/v1/things", "{\"text\":\"a\"}"),
                         rows[i].status);
        peer_header(p, NULL);
    }
    peer_header(p, AS("operator"));
    peer_header(p, "Content-Type: application/json");
    peer_header(p, "X-CSRF-Token: " CSRF);
    peer_header(p, "Origin: https://evil.example");
    assert_int_equal(peer_send(p, "POST", "/api/v1/things", "{\"text\":\"a\"}"), 403);
    assert_true(peer_says(p, "\"code\":\"origin\""));
    peer_header(p, NULL);
    (void)snprintf(origin, sizeof(origin), "Origin: %s", p->url);
    peer_header(p, AS("operator"));
    peer_header(p, "Content-Type: application/json");
    peer_header(p, "X-CSRF-Token: " CSRF);
    peer_header(p, origin);
    assert_int_equal(peer_send(p, "POST", "/api/v1/things", "{\"text\":\"a\"}"), 201);
    peer_header(p, "Sec-Fetch-Site: cross-site");
    assert_int_equal(peer_send(p, "POST", "/api/v1/things", "{\"text\":\"a\"}"), 403);
    // Signing in from elsewhere is refused, too.
    peer_header(p, NULL);
    peer_header(p, "Content-Type: application/json");
    peer_header(p, "Origin: https://evil.example");
    assert_int_equal(peer_send(p, "POST", "/api/v1/login", "{}"), 403);
    rig_free(rig);
}

static void test_session_cookie(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    peer_header(p, "Content-Type: application/json");
    assert_int_equal(peer_send(p, "POST", "/api/v1/login", "{}"), 200);
    assert_true(peer_has(p, "Set-Cookie: __Host-safeguard=anna; Path=/; Secure; HttpOnly; "
                            "SameSite=Strict\r"));
    peer_header(p, AS("viewer"));
    peer_header(p, "X-CSRF-Token: " CSRF);
    assert_int_equal(peer_send(p, "POST", "/api/v1/logout", "{\"x\":1}"), 400);
    assert_int_equal(peer_send(p, "POST", "/api/v1/logout", "{}"), 204);
    assert_int_equal(peer_ask(p, "POST", "/api/v1/logout", "", 0), 204);
    assert_true(peer_has(p, "Set-Cookie: __Host-safeguard=; Path=/; Secure; HttpOnly; "
                            "SameSite=Strict; Max-Age=0"));
    rig_free(rig);
}

static void test_bodies(void **state _unused_)
{
    static const struct {
        const char *json, *says;
        long status;
    } rows[] = {
        {"{\"text\":\"a\"}", NULL, 200},
        {"{\"text\":\"\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\"}",
         NULL, 200},
        {"", "it ends too early", 400},
        {"{\"text\":\"a\"", "it ends too early", 400},
        {"{\"text\":\"a\"}x", "unexpected character", 400},
        {"{'text':'a'}", "not JSON", 400},
        {"[]", "wrong type", 400},
        {"{}", "text is missing", 400},
        {"{\"text\":1}", "a text", 400},
        {"{\"text\":\"\"}", "1 to 10 characters", 400},
        {"{\"text\":\"12345678901\"}", "1 to 10 characters", 400},
        {"{\"text\":\"a\\u0000b\"}", "NUL", 400},
        {"{\"text\":\"a\",\"texts\":1}", "did you mean 'text'", 400},
        {"{\"text\":\"a\",\"n\":10}", "n is too large", 400},
        {"{\"text\":\"a\",\"n\":99999999999999999999}", "too large", 400},
        {"{\"text\":\"a\",\"n\":1.5}", "whole number", 400},
        {"{\"text\":\"a\",\"words\":[\"one\",\"four\"]}", "words[1]", 400},
        {"{\"text\":\"a\",\"labels\":{\"x\":\"1234\"}}", "labels.x", 400},
        {"{\"text\":\"a\",\"inner\":null}", NULL, 200},
        {"{\"text\":\"a\",\"inner\":{\"ok\":true}}", "inner.when is missing", 400},
        {"{\"text\":\"a\",\"inner\":{\"ok\":true,\"when\":-1}}", "before 1970", 400},
        {"{\"text\":\"a\",\"id\":\"0B9CE7D2-3A64-4E52-9F5C-1D2A3B4C5D6E\"}", "UUID", 400},
        {"{\"text\":\"a\",\"inner\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", "nesting", 400},
    };
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    peer_header(p, "Content-Type: application/json; charset=utf-8");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        long status = peer_send(p, "POST", "/api/v1/public", rows[i].json);

        if (status != rows[i].status || (rows[i].says && !peer_says(p, rows[i].says)))
            (void)fprintf(stderr, "%s: %ld %s\n", rows[i].json, status, sb_str(&p->answer.body));
        assert_int_equal(status, rows[i].status);
        assert_true(!rows[i].says || peer_says(p, rows[i].says));
    }
    peer_header(p, NULL);
    peer_header(p, "Content-Type: text/plain");
    assert_int_equal(peer_send(p, "POST", "/api/v1/public", "{\"text\":\"a\"}"), 415);
    rig_free(rig);
}

static void test_large_bodies(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char *large = mallocz(16 << 20);

    memset(large, ' ', 16 << 20);
    memcpy(large, "{\"text\":\"a\"}", 12);
    rig_start(rig);
    peer_header(p, "Content-Type: application/json");
    peer_header(p, "Expect:");
    assert_int_equal(peer_ask(p, "POST", "/api/v1/public", large, API_BODY_MAX), 200);
    assert_int_equal(peer_ask(p, "POST", "/api/v1/public", large, API_BODY_MAX + 1), 413);
    assert_true(peer_says(p, "\"code\":\"too-large\""));
    assert_int_equal(peer_ask(p, "POST", "/api/v1/public", large, 4 << 20), 413);
    // In pieces, without saying how much there will be.
    peer_header(p, "Transfer-Encoding: chunked");
    assert_int_equal(peer_ask(p, "POST", "/api/v1/public", large, 100000), 413);
    peer_header(p, NULL);
    // Nobody: before anything is read.
    peer_header(p, "Content-Type: application/json");
    assert_int_equal(peer_ask(p, "POST", "/api/v1/things", large, 1 << 20), 401);
    peer_header(p, NULL);
    peer_header(p, "Content-Type: application/json");
    peer_header(p, "Authorization: Bearer tina");
    assert_int_equal(peer_ask(p, "POST", "/api/v1/things", large, 1 << 20), 201);
    assert_int_equal(peer_ask(p, "POST", "/api/v1/things", large, (2 << 20) + 1), 413);
    (void)peer_ask(p, "POST", "/api/v1/things", large, 16 << 20);
    assert_true(p->answer.status == 413 || p->answer.result != CURLE_OK);
    free(large);
    rig_free(rig);
}

static void test_agents(void **state _unused_)
{
    _cleanup_free_ char *key = NULL, *certificate = NULL, *foreign_key = NULL, *foreign = NULL;
    struct rig *rig = rig_new();
    struct peer_ca other;
    struct peer p;
    char *frame = mallocz(4 << 20);

    peer_ca_new(&other);
    peer_agent(&rig->ca, PEER_AGENT, &key, &certificate);
    peer_agent(&other, PEER_AGENT, &foreign_key, &foreign);
    memset(frame, 1, 4 << 20);
    rig_start(rig);
    assert_int_equal(peer_ask(&rig->peer, "POST", "/agent/v1/raw", "x", 1), 401);
    assert_true(peer_says(&rig->peer, "\"code\":\"certificate\""));

    peer_init(&p, rig->api, &rig->ca);
    peer_certificate(&p, key, certificate);
    peer_header(&p, "Expect:");
    assert_int_equal(peer_ask(&p, "POST", "/agent/v1/raw", frame, 4 << 20), 200);
    assert_true(peer_says(&p, "\"len\":4194304,\"sum\":4194304,\"by\":\"" PEER_AGENT "\""));
    assert_int_equal(peer_ask(&p, "POST", "/agent/v1/raw", "", 0), 200);
    // A certificate of a host is nobody who signs in.
    assert_int_equal(peer_get(&p, "/api/v1/things/x"), 401);
    peer_done(&p);

    peer_init(&p, rig->api, &rig->ca);
    peer_certificate(&p, foreign_key, foreign);
    (void)peer_ask(&p, "POST", "/agent/v1/raw", "x", 1);
    assert_true(p.answer.result != CURLE_OK || p.answer.status == 401);
    peer_done(&p);

    free(foreign_key);
    free(foreign);
    peer_agent_of(&rig->ca, PEER_AGENT, CA_AGENT_DAYS + 10, &foreign_key, &foreign);
    peer_init(&p, rig->api, &rig->ca);
    peer_certificate(&p, foreign_key, foreign);
    assert_int_equal(peer_ask(&p, "POST", "/agent/v1/raw", "x", 1), 401);
    assert_true(peer_says(&p, "\"code\":\"expired\""));
    peer_done(&p);

    // The server's own is of this CA, but is no client's.
    peer_init(&p, rig->api, &rig->ca);
    peer_certificate(&p, rig->ca.key, rig->ca.chain);
    (void)peer_ask(&p, "POST", "/agent/v1/raw", "x", 1);
    assert_true(p.answer.result != CURLE_OK || p.answer.status == 401);
    peer_done(&p);
    free(frame);
    peer_ca_done(&other);
    rig_free(rig);
}

static void test_tls_versions(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig_start(rig);
    (void)curl_easy_setopt(p->curl, CURLOPT_SSLVERSION,
                           CURL_SSLVERSION_TLSv1_0 | CURL_SSLVERSION_MAX_TLSv1_1);
    (void)peer_get(p, "/api/v1/things/fixed");
    assert_int_equal(p->answer.result, CURLE_SSL_CONNECT_ERROR);
    (void)curl_easy_setopt(p->curl, CURLOPT_SSLVERSION,
                           CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 200);
    (void)curl_easy_setopt(p->curl, CURLOPT_SSL_CIPHER_LIST,
                           "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256");
    (void)curl_easy_setopt(p->curl, CURLOPT_FRESH_CONNECT, 1L);
    (void)peer_get(p, "/api/v1/things/fixed");
    assert_int_equal(p->answer.result, CURLE_SSL_CONNECT_ERROR);
    rig_free(rig);
}

static void test_new_certificate(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer_ca other;
    struct error err = {};
    struct peer p;

    peer_ca_new(&other);
    rig_start(rig);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    assert_int_equal(api_set_certificate(rig->api, "none", "none", &err), -EBADMSG);
    assert_int_equal(api_set_certificate(rig->api, other.chain, other.key, &err), 0);
    // The old connection goes on, a new one sees the new certificate.
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    peer_init(&p, rig->api, &other);
    assert_int_equal(peer_get(&p, "/api/v1/things/fixed"), 200);
    peer_done(&p);
    rig_free(rig);
    peer_ca_done(&other);
}

static void test_names(void **state _unused_)
{
    static const char *const names[] = {"safeguard.example", NULL};
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;

    rig->options.names = names;
    rig_start(rig);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 200);
    peer_header(p, "Host: Safeguard.example:8443");
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 200);
    peer_header(p, NULL);
    peer_header(p, "Host: rebound.example");
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 421);
    peer_header(p, NULL);
    peer_header(p, "Host:");
    assert_true(peer_get(p, "/api/v1/things/fixed") >= 400);
    rig_free(rig);
}

static void test_long_lines(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char target[6000], header[60000];

    rig_start(rig);
    (void)snprintf(target, sizeof(target), "/api/v1/things/fixed?q=%0*d", 4500, 1);
    assert_int_equal(peer_get(p, target), 414);
    (void)snprintf(header, sizeof(header), "X-Long: %0*d", 50000, 1);
    peer_header(p, header);
    (void)peer_get(p, "/api/v1/things/fixed");
    assert_true(p->answer.status >= 400 || p->answer.result != CURLE_OK);
    peer_header(p, NULL);
    assert_int_equal(peer_get(p, "/api/v1/things/fixed"), 200);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_headers), cmocka_unit_test(test_routes_and_methods),
          cmocka_unit_test(test_errors), cmocka_unit_test(test_who), cmocka_unit_test(test_csrf),
          cmocka_unit_test(test_session_cookie), cmocka_unit_test(test_bodies),
          cmocka_unit_test(test_large_bodies), cmocka_unit_test(test_agents),
          cmocka_unit_test(test_tls_versions), cmocka_unit_test(test_new_certificate),
          cmocka_unit_test(test_names), cmocka_unit_test(test_long_lines))
