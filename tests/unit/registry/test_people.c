// SPDX-License-Identifier: Apache-2.0
//
// Users, sessions, one-time codes, API tokens, settings, and those who guess.
#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/apitoken.h"
#include "registry/session.h"
#include "registry/settings.h"
#include "registry/user.h"

#define GOOD "correct horse battery"

static void add_user(struct fixture *f, const char *name, uint32_t roles)
{
    ok(registry_user_create(f->rg, &anna, name, GOOD, roles, E));
}

static int login(struct fixture *f, const char *user, const char *password, const char *address,
                 struct registry_login *ret)
{
    return registry_login(f->rg, user, password, address, NULL, ret, NULL, NULL);
}

static void test_users(void **state)
{
    struct fixture *f = *state;
    struct error err = {};

    add_user(f, "anna", ROLES_ALL);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 0);
    assert_int_equal(registry_user_create(f->rg, &anna, "anna", GOOD, ROLE_VIEWER, &err), -EEXIST);
    assert_int_equal(registry_user_create(f->rg, &anna, "Anna", GOOD, ROLE_VIEWER, &err), -EINVAL);
    assert_int_equal(registry_user_create(f->rg, &anna, "-x", GOOD, ROLE_VIEWER, &err), -EINVAL);
    assert_int_equal(registry_user_create(f->rg, &anna, "x", "short", ROLE_VIEWER, &err), -EINVAL);
    assert_int_equal(registry_user_create(f->rg, &anna, "x", "\xff-12345678901234", ROLE_VIEWER,
                                          &err),
                     -EINVAL);
    assert_int_equal(registry_user_create(f->rg, &anna, "x", GOOD, 0, &err), -EINVAL);
    assert_int_equal(registry_user_create(f->rg, &anna, "x", GOOD, 1u << 9, &err), -EINVAL);
    // Nothing of that changed the setting.
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 0);
}

static void test_separation(void **state)
{
    const uint32_t both = ROLE_ADMIN | ROLE_OPERATOR, one = ROLE_OPERATOR | ROLE_VIEWER;
    struct fixture *f = *state;
    struct error err = {};

    add_user(f, "anna", ROLES_ALL);
    assert_int_equal(registry_user_create(f->rg, &anna, "bob", GOOD, both, &err), -EPERM);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 0);
    add_user(f, "bob", ROLE_OPERATOR | ROLE_VIEWER);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 1);
    assert_int_equal(registry_user_update(f->rg, &anna, "bob",
                                          &(struct registry_user_patch){.roles = &both}, &err),
                     -EPERM);
    ok(registry_user_update(f->rg, &anna, "bob", &(struct registry_user_patch){.roles = &one}, E));
    // Somebody decided: the third user does not turn it on again.
    ok(registry_setting_set(f->rg, &anna, "separation", "off", E));
    add_user(f, "carl", both);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SEPARATION), 0);
}

static void test_last_admin(void **state)
{
    const uint32_t viewer = ROLE_VIEWER;
    const bool yes = true;
    struct fixture *f = *state;
    struct error err = {};

    add_user(f, "anna", ROLE_ADMIN);
    assert_int_equal(registry_user_update(f->rg, &anna, "anna",
                                          &(struct registry_user_patch){.roles = &viewer}, &err),
                     -EBUSY);
    assert_int_equal(registry_user_update(f->rg, &anna, "anna",
                                          &(struct registry_user_patch){.disabled = &yes}, &err),
                     -EBUSY);
    assert_int_equal(registry_user_delete(f->rg, &anna, "anna", &err), -EBUSY);
    add_user(f, "bob", ROLE_ADMIN);
    ok(registry_user_update(f->rg, &anna, "bob", &(struct registry_user_patch){.disabled = &yes},
                            E));
    // A disabled one does not count.
    assert_int_equal(registry_user_delete(f->rg, &anna, "anna", &err), -EBUSY);
    ok(registry_user_delete(f->rg, &anna, "bob", E));
    assert_int_equal(registry_user_delete(f->rg, &anna, "bob", &err), -ENOENT);
}

static void test_login(void **state)
{
    struct fixture *f = *state;
    struct registry_login first, second;
    struct registry_session s;

    add_user(f, "anna", ROLE_ADMIN | ROLE_VIEWER);
    assert_int_equal(login(f, "anna", "wrong", "192.0.2.1", &first), -EACCES);
    assert_int_equal(login(f, "nobody", GOOD, "192.0.2.1", &first), -EACCES);
    assert_int_equal(login(f, "anna", GOOD, "192.0.2.1", &first), 0);
    assert_int_equal(registry_session_check(f->rg, first.token, &s), 0);
    assert_string_equal(s.user, "anna");
    assert_int_equal(s.roles, ROLE_ADMIN | ROLE_VIEWER);
    assert_string_equal(s.csrf, first.session.csrf);
    assert_true(registry_session_csrf_ok(&s, first.session.csrf));
    assert_false(registry_session_csrf_ok(&s, "x"));
    assert_false(registry_session_csrf_ok(&s, NULL));
    // Rotated: the one before ends.
    ok(registry_login(f->rg, "anna", GOOD, "192.0.2.1", first.token, &second, NULL, E));
    assert_string_not_equal(first.token, second.token);
    assert_int_equal(registry_session_check(f->rg, first.token, &s), -EACCES);
    assert_int_equal(registry_session_check(f->rg, second.token, &s), 0);
    ok(registry_logout(f->rg, &anna, second.token, E));
    assert_int_equal(registry_session_check(f->rg, second.token, &s), -EACCES);
    assert_int_equal(registry_session_check(f->rg, "", &s), -EACCES);
    assert_int_equal(registry_session_check(f->rg, NULL, &s), -EACCES);
}

static void test_session_ends(void **state)
{
    struct fixture *f = *state;
    struct registry_login l;
    struct registry_session s;

    add_user(f, "anna", ROLE_ADMIN);
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), 0);
    f->now += 59 * MINUTE;
    assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    f->now += 59 * MINUTE;
    assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    f->now += HOUR;
    assert_int_equal(registry_session_check(f->rg, l.token, &s), -EACCES);
    // However much it is used.
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), 0);
    for (unsigned i = 0; i < 23; i++) {
        f->now += 30 * MINUTE;
        assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    }
    f->now += 30 * MINUTE;
    assert_int_equal(registry_session_check(f->rg, l.token, &s), -EACCES);
    // The clock was set back: it would live for too long.
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), 0);
    f->now -= DAY;
    assert_int_equal(registry_session_check(f->rg, l.token, &s), -EACCES);
}

static void test_password_change(void **state)
{
    struct fixture *f = *state;
    struct registry_login l, other;
    struct registry_session s;
    struct error err = {};

    add_user(f, "anna", ROLE_ADMIN);
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), 0);
    assert_int_equal(login(f, "anna", GOOD, NULL, &other), 0);
    assert_int_equal(registry_user_change_password(f->rg, &anna, "anna", "wrong", GOOD "2", &err),
                     -EACCES);
    assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    ok(registry_user_change_password(f->rg, &anna, "anna", GOOD, GOOD "2", E));
    assert_int_equal(registry_session_check(f->rg, l.token, &s), -EACCES);
    assert_int_equal(registry_session_check(f->rg, other.token, &s), -EACCES);
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), -EACCES);
    assert_int_equal(login(f, "anna", GOOD "2", NULL, &l), 0);
}

static void test_roles_act_at_once(void **state)
{
    const uint32_t viewer = ROLE_VIEWER;
    const bool yes = true;
    struct fixture *f = *state;
    struct registry_login l;
    struct registry_session s;

    add_user(f, "anna", ROLE_ADMIN);
    add_user(f, "bob", ROLE_OPERATOR);
    assert_int_equal(login(f, "bob", GOOD, NULL, &l), 0);
    ok(registry_user_update(f->rg, &anna, "bob", &(struct registry_user_patch){.roles = &viewer},
                            E));
    assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    assert_int_equal(s.roles, ROLE_VIEWER);
    ok(registry_user_update(f->rg, &anna, "bob", &(struct registry_user_patch){.disabled = &yes},
                            E));
    assert_int_equal(registry_session_check(f->rg, l.token, &s), -EACCES);
    assert_int_equal(login(f, "bob", GOOD, NULL, &l), -EACCES);
}

static uint64_t wait_of(struct fixture *f, const char *user, const char *address)
{
    struct registry_login l;
    uint64_t wait = 0;
    int r = registry_login(f->rg, user, "wrong", address, NULL, &l, &wait, NULL);

    assert_true(r == -EACCES || r == -EAGAIN);
    return r == -EAGAIN ? wait : 0;
}

static void test_throttle_user(void **state)
{
    struct fixture *f = *state;
    struct registry_login l;
    char address[32];

    add_user(f, "anna", ROLE_ADMIN);
    // From many addresses.
    for (unsigned i = 0; i < 6; i++) {
        (void)snprintf(address, sizeof(address), "192.0.2.%u", i);
        assert_int_equal(wait_of(f, "anna", address), 0);
    }
    assert_int_equal(wait_of(f, "anna", "192.0.2.99"), 1000);
    // Not even with the right password; and it survives a restart.
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(login(f, "anna", GOOD, "192.0.2.98", &l), -EAGAIN);
    f->now += 1000;
    assert_int_equal(wait_of(f, "anna", "192.0.2.97"), 0);
    assert_int_equal(wait_of(f, "anna", "192.0.2.96"), 2000);
    f->now += 2000;
    assert_int_equal(login(f, "anna", GOOD, "192.0.2.95", &l), 0);
    assert_int_equal(wait_of(f, "anna", "192.0.2.94"), 0);
    // Nobody waits for ever.
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(address, sizeof(address), "198.51.100.%u", i);
        f->now += 15 * MINUTE;
        (void)wait_of(f, "anna", address);
    }
    assert_int_equal(wait_of(f, "anna", "192.0.2.50"), 15 * MINUTE);
    f->now -= 30 * DAY;
    assert_int_equal(wait_of(f, "anna", "192.0.2.51"), 15 * MINUTE);
}

static void test_throttle_address(void **state)
{
    struct fixture *f = *state;
    char user[32];

    for (unsigned i = 0; i < 6; i++) {
        (void)snprintf(user, sizeof(user), "user%u", i);
        assert_int_equal(wait_of(f, user, "2001:db8::1"), 0);
    }
    // The whole /64 waits, and nobody else.
    assert_int_equal(wait_of(f, "user9", "2001:db8::ffff:2"), 1000);
    assert_int_equal(wait_of(f, "user9", "2001:db8:0:1::1"), 0);
    assert_int_equal(wait_of(f, "user8", "192.0.2.1"), 0);
}

static void test_codes(void **state)
{
    struct fixture *f = *state;
    struct registry_login l;
    struct registry_session s;
    char code[LOGIN_CODE_SIZE];
    struct error err = {};

    ok(registry_user_create(f->rg, &anna, "anna", NULL, ROLES_ALL, E));
    assert_int_equal(login(f, "anna", "", NULL, &l), -EACCES);
    assert_int_equal(registry_login_code_create(f->rg, &anna, "nobody", MINUTE, code, &err),
                     -ENOENT);
    assert_int_equal(registry_login_code_create(f->rg, &anna, "anna", HOUR, code, &err), -EINVAL);
    ok(registry_login_code_create(f->rg, &anna, "anna", 5 * MINUTE, code, E));
    ok(registry_login_once(f->rg, code, "192.0.2.1", NULL, &l, NULL, E));
    assert_int_equal(registry_session_check(f->rg, l.token, &s), 0);
    assert_int_equal(registry_login_once(f->rg, code, "192.0.2.1", NULL, &l, NULL, &err), -EACCES);
    ok(registry_login_code_create(f->rg, &anna, "anna", MINUTE, code, E));
    f->now += MINUTE;
    assert_int_equal(registry_login_once(f->rg, code, "192.0.2.1", NULL, &l, NULL, &err), -EACCES);
    for (unsigned i = 0; i < 5; i++)
        (void)registry_login_once(f->rg, "00", "192.0.2.1", NULL, &l, NULL, &err);
    assert_int_equal(registry_login_once(f->rg, "00", "192.0.2.1", NULL, &l, NULL, &err), -EAGAIN);
}

static void test_api_tokens(void **state)
{
    const uint32_t viewer = ROLE_VIEWER;
    struct fixture *f = *state;
    char token[API_TOKEN_SIZE], id[9];
    struct registry_api_token_use use;
    struct error err = {};

    add_user(f, "anna", ROLE_ADMIN);
    add_user(f, "bob", ROLE_OPERATOR | ROLE_VIEWER);
    assert_int_equal(registry_api_token_create(f->rg, &anna, "bob", "ci", ROLE_ADMIN, DAY, token,
                                               id, &err),
                     -EPERM);
    assert_int_equal(registry_api_token_create(f->rg, &anna, "bob", "ci", 0, DAY, token, id, &err),
                     -EPERM);
    assert_int_equal(registry_api_token_create(f->rg, &anna, "bob", "ci", ROLE_VIEWER, 1, token, id,
                                               &err),
                     -EINVAL);
    assert_int_equal(registry_api_token_create(f->rg, &anna, "bob", "c i", ROLE_VIEWER, DAY, token,
                                               id, &err),
                     -EINVAL);
    ok(registry_api_token_create(f->rg, &anna, "bob", "ci", ROLE_OPERATOR | ROLE_VIEWER, DAY, token,
                                 id, E));
    assert_int_equal(registry_api_token_check(f->rg, token, &use), 0);
    assert_string_equal(use.name, "ci");
    assert_string_equal(use.owner, "bob");
    assert_int_equal(use.roles, ROLE_OPERATOR | ROLE_VIEWER);
    // Never more than its owner.
    ok(registry_user_update(f->rg, &anna, "bob", &(struct registry_user_patch){.roles = &viewer},
                            E));
    assert_int_equal(registry_api_token_check(f->rg, token, &use), 0);
    assert_int_equal(use.roles, ROLE_VIEWER);
    assert_int_equal(registry_api_token_revoke(f->rg, &anna, "anna", id, &err), -ENOENT);
    token[10] ^= 1;
    assert_int_equal(registry_api_token_check(f->rg, token, &use), -EACCES);
    token[10] ^= 1;
    f->now += DAY;
    assert_int_equal(registry_api_token_check(f->rg, token, &use), -EACCES);
    ok(registry_api_token_create(f->rg, &anna, "bob", "ci2", ROLE_VIEWER, DAY, token, id, E));
    ok(registry_user_delete(f->rg, &anna, "bob", E));
    assert_int_equal(registry_api_token_check(f->rg, token, &use), -EACCES);
}

static void test_nothing_in_clear(void **state)
{
    static const char *const files[] = {"server.db", "server.db-wal"};
    struct fixture *f = *state;
    char token[API_TOKEN_SIZE], id[9], code[LOGIN_CODE_SIZE];
    struct registry_login l;

    add_user(f, "anna", ROLE_ADMIN);
    assert_int_equal(login(f, "anna", GOOD, NULL, &l), 0);
    ok(registry_login_code_create(f->rg, &anna, "anna", MINUTE, code, E));
    ok(registry_api_token_create(f->rg, &anna, "anna", "ci", ROLE_ADMIN, DAY, token, id, E));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        FILE *file = fopen(unit_path(f->dir, files[i]), "r");
        char *text = calloc(1, 4 << 20);
        size_t len;

        assert_non_null(file);
        assert_non_null(text);
        len = fread(text, 1, 4 << 20, file);
        assert_int_equal(fclose(file), 0);
        assert_null(memmem(text, len, l.token, strlen(l.token)));
        assert_null(memmem(text, len, l.session.csrf, strlen(l.session.csrf)));
        assert_null(memmem(text, len, code, strlen(code)));
        assert_null(memmem(text, len, token + 4, strlen(token) - 4));
        assert_null(memmem(text, len, GOOD, strlen(GOOD)));
        free(text);
    }
}

static int count_setting(void *ctx, const struct registry_setting *s)
{
    assert_non_null(s->name);
    *(unsigned *)ctx += s->changed;
    return 0;
}

static void test_settings(void **state)
{
    static const char *const bad[][2] = {
        {"host.silent_after", "1s"}, {"host.silent_after", "soon"}, {"separation", "maybe"},
        {"records.max_bytes", "1"},  {"public_url", "a\nb"},        {"alert.severity", "7"},
        {"alert.severity", "-1"},
    };
    struct fixture *f = *state;
    struct error err = {};
    char *text;
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(registry_setting_set(f->rg, &anna, bad[i][0], bad[i][1], &err) < 0);
    assert_int_equal(registry_setting_set(f->rg, &anna, "nosuch", "1", &err), -ENOENT);
    ok(registry_setting_set(f->rg, &anna, "host.silent_after", "10m", E));
    ok(registry_setting_set(f->rg, &anna, "records.max_bytes", "2G", E));
    ok(registry_setting_set(f->rg, &anna, "public_url", "https://guard.example.org", E));
    ok(registry_setting_set(f->rg, &anna, "session.idle", "600000", E));
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_HOST_SILENT), 10 * MINUTE);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_RECORDS_BYTES), UINT64_C(2) << 30);
    assert_int_equal(registry_setting_u64(f->rg, SETTING_SESSION_IDLE), 10 * MINUTE);
    text = registry_setting_text(f->rg, SETTING_PUBLIC_URL);
    assert_string_equal(text, "https://guard.example.org");
    free(text);
    ok(registry_setting_list(f->rg, count_setting, &n, E));
    assert_int_equal(n, 4);
    ok(registry_setting_set(f->rg, &anna, "host.silent_after", NULL, E));
    assert_int_equal(registry_setting_u64(f->rg, SETTING_HOST_SILENT), 3 * MINUTE);
}

static void test_defaults(void **state)
{
    (void)state;
#define SETTING(id, name, type, fallback, min, max, help) \
    assert_int_equal(registry_setting_find(name), SETTING_##id);
#include "registry/settings.def"
}

UNIT_MAIN(WITH_REGISTRY(test_users), WITH_REGISTRY(test_separation), WITH_REGISTRY(test_last_admin),
          WITH_REGISTRY(test_login), WITH_REGISTRY(test_session_ends),
          WITH_REGISTRY(test_password_change), WITH_REGISTRY(test_roles_act_at_once),
          WITH_REGISTRY(test_throttle_user), WITH_REGISTRY(test_throttle_address),
          WITH_REGISTRY(test_codes), WITH_REGISTRY(test_api_tokens),
          WITH_REGISTRY(test_nothing_in_clear), WITH_REGISTRY(test_settings),
          cmocka_unit_test(test_defaults))
