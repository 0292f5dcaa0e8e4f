// SPDX-License-Identifier: Apache-2.0
//
// Signing in and out, and what a session is good for.
#include "tests/unit/unit.h"

#include "tests/unit/server/rig.h"

#include "registry/apitoken.h"
#include "registry/session.h"

static void test_login(void **state _unused_)
{
    struct rig *rig = rig_new();
    char cookie[256];
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_peer(rig, &p);
    assert_int_equal(peer_login(&p, "anna", "wrong horse battery"), 401);
    assert_string_equal(peer_cookie(&p, cookie, sizeof(cookie)), "");
    assert_int_equal(peer_login(&p, "nobody", PASSWORD), 401);
    assert_int_equal(peer_login(&p, "anna", PASSWORD), 200);
    assert_true(str_startswith(peer_cookie(&p, cookie, sizeof(cookie)), "__Host-safeguard="));
    assert_true(peer_has(&p, "Set-Cookie: __Host-safeguard="));
    assert_non_null(strstr(sb_str(&p.answer.headers), "Secure; HttpOnly; SameSite=Strict"));
    assert_true(peer_says(&p, "\"roles\":[\"admin\"]"));
    // The cookie is nowhere in the answer's body.
    assert_false(peer_says(&p, strchr(cookie, '=') + 1));
    peer_done(&p);
    rig_free(rig);
}

static void test_session_lives_and_ends(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_peer(rig, &p);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 401);
    peer_be(&p, "anna");
    assert_int_equal(peer_get(&p, "/api/v1/session"), 200);
    assert_true(peer_says(&p, "\"user\":\"anna\""));
    assert_int_equal(peer_get(&p, "/api/v1/server"), 200);
    assert_int_equal(peer_ask(&p, "POST", "/api/v1/logout", "", 0), 204);
    assert_true(peer_has(&p, "Set-Cookie: __Host-safeguard=;"));
    // The same cookie again: it is worth nothing.
    assert_int_equal(peer_get(&p, "/api/v1/session"), 401);
    peer_done(&p);
    rig_free(rig);
}

// Whoever can put a cookie into somebody's browser does not get to know the session that he begins.
static void test_fixation(void **state _unused_)
{
    char planted[256], header[300], cookie[256];
    struct rig *rig = rig_new();
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_user(rig, "eve", ROLE_VIEWER);
    rig_peer(rig, &p);
    assert_int_equal(peer_login(&p, "eve", PASSWORD), 200);
    (void)snprintf(header, sizeof(header), "Cookie: %s", peer_cookie(&p, planted, sizeof(planted)));
    peer_header(&p, header);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 200);
    assert_int_equal(peer_send(&p, "POST", "/api/v1/login",
                               "{\"user\":\"anna\",\"password\":\"" PASSWORD "\"}"),
                     200);
    assert_string_not_equal(peer_cookie(&p, cookie, sizeof(cookie)), planted);
    // The planted one is over.
    assert_int_equal(peer_get(&p, "/api/v1/session"), 401);
    peer_done(&p);
    rig_free(rig);
}

static void test_password_change(void **state _unused_)
{
    struct rig *rig = rig_new();
    char header[300], cookie[256];
    struct peer p, other;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_peer(rig, &p);
    rig_peer(rig, &other);
    peer_be(&p, "anna");
    peer_be(&other, "anna");
    assert_int_equal(peer_send(&p, "POST", "/api/v1/session/password",
                               "{\"old\":\"wrong\",\"new\":\"another horse battery\"}"),
                     403);
    assert_int_equal(peer_send(&p, "POST", "/api/v1/session/password",
                               "{\"old\":\"" PASSWORD "\",\"new\":\"short\"}"),
                     400);
    assert_int_equal(peer_send(&p, "POST", "/api/v1/session/password",
                               "{\"old\":\"" PASSWORD "\",\"new\":\"another horse battery\"}"),
                     200);
    (void)snprintf(header, sizeof(header), "Cookie: %s", peer_cookie(&p, cookie, sizeof(cookie)));
    // All others end, the old one of this browser, too.
    assert_int_equal(peer_get(&other, "/api/v1/session"), 401);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 401);
    peer_header(&p, NULL);
    peer_header(&p, header);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 200);
    assert_int_equal(peer_login(&p, "anna", PASSWORD), 401);
    peer_done(&p);
    peer_done(&other);
    rig_free(rig);
}

static void test_code(void **state _unused_)
{
    struct rig *rig = rig_new();
    char code[LOGIN_CODE_SIZE], json[128];
    struct error err = {};
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_peer(rig, &p);
    assert_int_equal(registry_login_code_create(rig->server.registry, &test_actor, "anna", 60000,
                                                code, &err),
                     0);
    (void)snprintf(json, sizeof(json), "{\"code\":\"%s\"}", code);
    peer_header(&p, "Content-Type: application/json");
    assert_int_equal(peer_send(&p, "POST", "/api/v1/login/once", "{\"code\":\"0123\"}"), 401);
    assert_int_equal(peer_send(&p, "POST", "/api/v1/login/once", json), 200);
    assert_int_equal(peer_send(&p, "POST", "/api/v1/login/once", json), 401);
    peer_done(&p);
    rig_free(rig);
}

static void test_guessing(void **state _unused_)
{
    struct rig *rig = rig_new();
    long status = 0;
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    rig_peer(rig, &p);
    for (unsigned i = 0; i < 10 && status != 429; i++)
        status = peer_login(&p, "anna", "wrong horse battery");
    assert_int_equal(status, 429);
    assert_true(peer_has(&p, "Retry-After: "));
    assert_true(peer_says(&p, "\"code\":\"throttled\""));
    // The right one does not get through, either, until the time is up.
    assert_int_equal(peer_login(&p, "anna", PASSWORD), 429);
    peer_done(&p);
    rig_free(rig);
}

static void test_api_token(void **state _unused_)
{
    struct rig *rig = rig_new();
    char token[API_TOKEN_SIZE], id[9], header[128];
    struct error err = {};
    struct peer p;

    rig_user(rig, "anna", ROLE_ADMIN);
    assert_int_equal(registry_api_token_create(rig->server.registry, &test_actor, "anna", "ci",
                                               ROLE_ADMIN, 3600000, token, id, &err),
                     0);
    (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", token);
    rig_peer(rig, &p);
    peer_header(&p, header);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 200);
    assert_true(peer_says(&p, "\"csrf\":null"));
    assert_int_equal(peer_get(&p, "/api/v1/server"), 200);
    assert_int_equal(peer_ask(&p, "POST", "/api/v1/logout", "", 0), 403);
    assert_int_equal(registry_api_token_revoke(rig->server.registry, &test_actor, NULL, id, &err),
                     0);
    assert_int_equal(peer_get(&p, "/api/v1/session"), 401);
    peer_done(&p);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_login), cmocka_unit_test(test_session_lives_and_ends),
          cmocka_unit_test(test_fixation), cmocka_unit_test(test_password_change),
          cmocka_unit_test(test_code), cmocka_unit_test(test_guessing),
          cmocka_unit_test(test_api_token))
