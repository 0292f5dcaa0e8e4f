// SPDX-License-Identifier: Apache-2.0
//
// Names of roles and of who acts: both are stored and must not change.
#include "tests/unit/unit.h"

#include "model/actor.h"

static const char *text_of(struct strbuf *sb, const struct actor *actor)
{
    sb_reset(sb);
    actor_format(sb, actor);
    return sb_str(sb);
}

static void test_roles(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    assert_int_equal(ROLE_VIEWER, 1);
    assert_int_equal(ROLE_OPERATOR, 2);
    assert_int_equal(ROLE_ADMIN, 4);
    assert_int_equal(ROLE_AUDITOR, 8);
    assert_int_equal(ROLES_ALL, 15);
    assert_int_equal(role_find("admin"), ROLE_ADMIN);
    assert_int_equal(role_find("Admin"), 0);
    assert_int_equal(role_find(NULL), 0);
    roles_format(&sb, ROLE_ADMIN | ROLE_VIEWER);
    sb_putc(&sb, ' ');
    roles_json(&sb, ROLE_AUDITOR | ROLE_OPERATOR);
    roles_json(&sb, 0);
    assert_string_equal(sb_str(&sb), "viewer,admin [\"operator\",\"auditor\"][]");
}

static void test_actors(void **state)
{
    const struct actor user = {.kind = ACTOR_USER, .name = "anna", .user = "anna"},
                       token = {.kind = ACTOR_TOKEN, .name = "ci", .user = "anna"},
                       agent = {.kind = ACTOR_AGENT, .name = "0-1"}, local = {.kind = ACTOR_LOCAL},
                       server = {.kind = ACTOR_SERVER};
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    assert_string_equal(text_of(&sb, &user), "user:anna");
    assert_string_equal(text_of(&sb, &token), "token:ci@anna");
    assert_string_equal(text_of(&sb, &agent), "agent:0-1");
    assert_string_equal(text_of(&sb, &local), "local");
    assert_string_equal(text_of(&sb, &server), "server");
}

UNIT_MAIN(cmocka_unit_test(test_roles), cmocka_unit_test(test_actors))
