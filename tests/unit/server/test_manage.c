// SPDX-License-Identifier: Apache-2.0
//
// What people manage: hosts, tokens that let them in, users, API tokens, the trail, settings.
#include "tests/unit/unit.h"

#include "tests/unit/server/say.h"

#include "registry/apitoken.h"
#include "registry/settings.h"

static void test_hosts(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer op, admin;
    struct agent a;
    char target[128];

    say_as(rig, &op, "op", ROLE_OPERATOR);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    say(&op, "hosts", "/api/v1/hosts?state=ok,degraded&q=WEB", NULL, 200);
    expect_said(&op, "items.0.id", a.id);
    expect_said(&op, "items.0.state", "ok");
    say(&op, "hosts", "/api/v1/hosts?state=silent", NULL, 200);
    assert_null(said(&op, "items.0"));
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s", a.id);
    say(&op, "host_change", target, "{\"labels\":{\"env\":\"prod\"}}", 200);
    expect_said(&op, "host.labels.env", "prod");
    say(&op, "host_change", target, "{\"labels\":{\"e v\":\"prod\"}}", 400);
    say(&op, "hosts", "/api/v1/hosts?label=env%3Dprod", NULL, 200);
    expect_said(&op, "items.0.id", a.id);
    say(&op, "hosts", "/api/v1/hosts?label=env%3Dtest", NULL, 200);
    assert_null(said(&op, "items.0"));
    say(&op, "hosts", "/api/v1/hosts?label=env%3D%3D%3D", NULL, 400);
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s/commands", a.id);
    say(&op, "host_command", target, "{\"name\":\"policy reload\"}", 400);
    say(&op, "host_command", target, "{\"name\":\"policy-reload\"}", 201);
    say(&op, "host_command", target, "{\"name\":\"self-test\",\"args\":{\"x\":1}}", 201);
    expect_said(&op, "status", "waiting");
    say(&op, "host_commands", target, NULL, 200);
    expect_said(&op, "items.0.by", "user:op");
    say(&op, "host_command", target, "{\"name\":\"unlock\"}", 400);
    say(&op, "host_command", target,
        "{\"name\":\"unlock\",\"args\":{\"for_ms\":60000,\"reason\":\" \"}}", 400);
    say(&op, "host_command", target,
        "{\"name\":\"unlock\",\"args\":{\"for_ms\":60000,\"reason\":\"new disk\"}}", 201);
    expect_said(&op, "args.reason", "new disk");
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s/revoke", a.id);
    say(&admin, "host_revoke", target, "", 200);
    expect_said(&admin, "state", "revoked");
    assert_int_equal(agent_hello(&a, NULL), 403);
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s", a.id);
    say(&admin, "host_delete", target, NULL, 204);
    say(&op, "host", target, NULL, 200);
    expect_said(&op, "host.state", "retired");
    say(&op, "host", "/api/v1/hosts/nonsense", NULL, 404);
    agent_done(&a);
    peer_done(&op);
    peer_done(&admin);
    rig_free(rig);
}

static void test_enrolment(void **state _unused_)
{
    struct rig *rig = rig_new();
    char target[128], *text, *id;
    struct peer admin;
    struct agent a;

    say_as(rig, &admin, "admin", ROLE_ADMIN);
    say(&admin, "enrolment_token_new", "/api/v1/enrolment-tokens",
        "{\"labels\":{\"env\":\"prod\"},\"comment\":\"rack 3\",\"uses\":2}", 201);
    text = said(&admin, "text");
    expect_said(&admin, "token.uses_left", "2");
    agent_init(&a, rig);
    assert_int_equal(agent_enrol_with(&a, text), 200);
    free(text);
    say(&admin, "enrolment_tokens", "/api/v1/enrolment-tokens", NULL, 200);
    expect_said(&admin, "items.0.uses_left", "1");
    expect_said(&admin, "items.0.comment", "rack 3");
    // The secret is nowhere.
    assert_false(peer_says(&admin, "sg1."));
    id = said(&admin, "items.0.id");
    (void)snprintf(target, sizeof(target), "/api/v1/enrolment-tokens/%s", id);
    free(id);
    say(&admin, "enrolment_token_delete", target, NULL, 204);
    say(&admin, "enrolment_token_delete", target, NULL, 404);
    say(&admin, "enrolment_token_new", "/api/v1/enrolment-tokens", "{\"uses\":null}", 201);
    assert_true(peer_says(&admin, "\"uses_left\":null"));
    say(&admin, "enrolment_token_new", "/api/v1/enrolment-tokens", "{}", 201);
    expect_said(&admin, "token.uses_left", "1");
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
}

// A database from before a host was enrolled.
static void test_strangers(void **state _unused_)
{
    struct rig *rig = rig_new();
    char target[128], path[512], copy[512];
    struct error err = {};
    struct peer admin;
    struct agent a;

    rig_user(rig, "admin", ROLE_ADMIN);
    (void)snprintf(copy, sizeof(copy), "%s/copy.db", rig->dir);
    (void)snprintf(path, sizeof(path), "%s/data/server.db", rig->dir);
    assert_int_equal(registry_backup(rig->server.registry, copy, &err), 0);
    agent_new(&a, rig);
    rig_close(rig);
    assert_int_equal(rename(copy, path), 0);
    rig_open(rig);
    // The same host comes to the server that does not know it.
    peer_done(&a.peer);
    rig_peer(rig, &a.peer);
    peer_certificate(&a.peer, a.key, a.certificate);
    assert_int_equal(agent_hello(&a, NULL), 403);
    assert_true(peer_says(&a.peer, "\"code\":\"unknown\""));
    rig_peer(rig, &admin);
    peer_be(&admin, "admin");
    say(&admin, "server", "/api/v1/server", NULL, 200);
    assert_true(peer_says(&admin, "1 hosts have a certificate"));
    say(&admin, "strangers", "/api/v1/strangers", NULL, 200);
    expect_said(&admin, "items.0.id", a.id);
    (void)snprintf(target, sizeof(target), "/api/v1/strangers/%s/adopt", a.id);
    say(&admin, "stranger_adopt", target, "{\"labels\":{\"env\":\"prod\"}}", 201);
    expect_said(&admin, "host.id", a.id);
    assert_int_equal(agent_hello(&a, NULL), 200);
    say(&admin, "stranger_adopt", target, "{}", 404);
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
}

static void test_users(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer admin, bob;
    char *password;

    say_as(rig, &admin, "admin", ROLE_ADMIN);
    say(&admin, "user_new", "/api/v1/users",
        "{\"name\":\"bob\",\"roles\":[\"operator\",\"viewer\"]}", 201);
    expect_said(&admin, "user.name", "bob");
    password = said(&admin, "password");
    assert_non_null(password);
    rig_peer(rig, &bob);
    assert_int_equal(peer_login(&bob, "bob", password), 200);
    free(password);
    say(&admin, "user_new", "/api/v1/users", "{\"name\":\"bob\",\"roles\":[\"viewer\"]}", 409);
    say(&admin, "user_new", "/api/v1/users", "{\"name\":\"b b\",\"roles\":[\"viewer\"]}", 400);
    say(&admin, "user_new", "/api/v1/users", "{\"name\":\"eve\",\"roles\":[\"root\"]}", 400);
    // Separation came with the second user.
    say(&admin, "user_change", "/api/v1/users/bob", "{\"roles\":[\"operator\",\"admin\"]}", 403);
    say(&admin, "user_change", "/api/v1/users/bob", "{\"roles\":[\"auditor\"],\"enabled\":false}",
        200);
    expect_said(&admin, "enabled", "false");
    say(&admin, "users", "/api/v1/users", NULL, 200);
    assert_false(peer_says(&admin, "argon2"));
    say(&admin, "user_delete", "/api/v1/users/admin", NULL, 409);
    say(&admin, "user_delete", "/api/v1/users/bob", NULL, 204);
    say(&admin, "user_delete", "/api/v1/users/bob", NULL, 404);
    peer_done(&admin);
    peer_done(&bob);
    rig_free(rig);
}

static void test_tokens(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer op, other, admin, program;
    char header[128], target[128], *text, *id;

    say_as(rig, &op, "op", ROLE_OPERATOR | ROLE_VIEWER);
    say_as(rig, &other, "other", ROLE_OPERATOR);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    say(&op, "token_new", "/api/v1/tokens", "{\"name\":\"ci\",\"roles\":[\"admin\"]}", 403);
    say(&op, "token_new", "/api/v1/tokens", "{\"name\":\"ci\",\"roles\":[\"viewer\"]}", 201);
    text = said(&op, "text");
    id = said(&op, "token.id");
    rig_peer(rig, &program);
    (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", text);
    peer_header(&program, header);
    peer_header(&program, "Content-Type: application/json");
    say(&program, "policies", "/api/v1/policies", NULL, 200);
    // A part of its owner's roles, and no tokens from tokens.
    assert_int_equal(peer_send(&program, "POST", "/api/v1/policies/x.yaml/rollouts", "{}"), 403);
    assert_int_equal(peer_send(&program, "POST", "/api/v1/tokens", "{\"name\":\"more\"}"), 403);
    say(&op, "tokens", "/api/v1/tokens", NULL, 200);
    assert_false(peer_says(&op, text));
    (void)snprintf(target, sizeof(target), "/api/v1/tokens/%s", id);
    say(&other, "tokens", "/api/v1/tokens", NULL, 200);
    assert_null(said(&other, "items.0"));
    say(&other, "token_delete", target, NULL, 404);
    say(&admin, "tokens", "/api/v1/tokens", NULL, 200);
    expect_said(&admin, "items.0.user", "op");
    say(&admin, "token_delete", target, NULL, 204);
    assert_int_equal(peer_get(&program, "/api/v1/policies"), 401);
    free(text);
    free(id);
    peer_done(&op);
    peer_done(&other);
    peer_done(&admin);
    peer_done(&program);
    rig_free(rig);
}

static void test_audit(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer auditor, admin;
    unsigned lines = 0;

    say_as(rig, &auditor, "aud", ROLE_AUDITOR);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    say(&admin, "settings_change", "/api/v1/settings", "{\"set\":{\"host.silent_after\":600000}}",
        200);
    say(&auditor, "audit", "/api/v1/audit?action=setting.set&limit=1", NULL, 200);
    expect_said(&auditor, "items.0.actor", "user:admin");
    expect_said(&auditor, "items.0.detail.to", "600000");
    expect_said(&auditor, "items.0.address", "127.0.0.1");
    assert_int_equal(peer_get(&auditor, "/api/v1/audit/export"), 200);
    for (const char *p = sb_str(&auditor.answer.body); (p = strchr(p, '\n')); p++)
        lines++;
    assert_true(lines >= 6);
    assert_true(peer_says(&auditor, "\"hash\":\""));
    say(&auditor, "audit", "/api/v1/audit?action=audit.export", NULL, 200);
    expect_said(&auditor, "items.0.actor", "user:aud");
    say(&auditor, "audit", "/api/v1/audit?cursor=x", NULL, 400);
    peer_done(&auditor);
    peer_done(&admin);
    rig_free(rig);
}

static void test_settings(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer admin;

    say_as(rig, &admin, "admin", ROLE_ADMIN);
    say(&admin, "settings_change", "/api/v1/settings",
        "{\"set\":{\"host.silent_after\":\"10m\",\"alert.would_deny\":false,\"public_url\":\"https://g.example.org\"}}",
        200);
    assert_int_equal(registry_setting_u64(rig->server.registry, SETTING_HOST_SILENT), 600000);
    assert_int_equal(registry_setting_u64(rig->server.registry, SETTING_ALERT_WOULD_DENY), 0);
    assert_true(peer_says(&admin, "https://g.example.org"));
    // All or none.
    say(&admin, "settings_change", "/api/v1/settings",
        "{\"set\":{\"host.silent_after\":\"20m\",\"nosuch\":1}}", 404);
    say(&admin, "settings_change", "/api/v1/settings",
        "{\"set\":{\"host.silent_after\":\"20m\",\"alert.severity\":9}}", 400);
    say(&admin, "settings_change", "/api/v1/settings", "{\"set\":{\"host.silent_after\":[1]}}",
        400);
    assert_int_equal(registry_setting_u64(rig->server.registry, SETTING_HOST_SILENT), 600000);
    say(&admin, "settings_change", "/api/v1/settings", "{\"set\":{\"host.silent_after\":null}}",
        200);
    assert_int_equal(registry_setting_u64(rig->server.registry, SETTING_HOST_SILENT), 180000);
    peer_done(&admin);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_hosts), cmocka_unit_test(test_enrolment),
          cmocka_unit_test(test_strangers), cmocka_unit_test(test_users),
          cmocka_unit_test(test_tokens), cmocka_unit_test(test_audit),
          cmocka_unit_test(test_settings))
