// SPDX-License-Identifier: Apache-2.0
//
// The section `control`: words become what the kernel side asks with (abi/control.h), and nothing else.
#include "tests/unit/unit.h"

#include "abi/control.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "model/names.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "tests/unit/policy/compiled.h"

static const enum sg_control_arg args[SG_CONTROL_COUNT] = {
#define SG_CONTROL(id, arg, help) SG_CONTROL_ARG_##arg,
#include "abi/control.def"
};

// The image of one rule {<kind>: <value>, do: <what>}; NULL: refused.
static struct policy_image *rule(const char *kind, const char *value, const char *what)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image = NULL;
    struct policy *policy = NULL;

    sb_printf(&sb, "safeguard: 1\nmode: enforce\ncontrol:\n  - {%s: %s, do: %s}\n", kind, value,
              what);
    if (policy_load_buffer("t.yaml", sb_str(&sb), sb.len, NULL, NULL, &policy) < 0)
        return NULL;
    assert_int_equal(policy_compile(policy, NULL, NULL, NULL, &image), 0);
    policy_free(policy);
    return image;
}

// Does a rule of the image speak of these bytes?
static bool speaks(const struct policy_image *image, enum sg_control kind, const char *bytes,
                   size_t len)
{
    const struct sg_image *head = image->mem;
    const struct sg_state *states = (const void *)((const char *)image->mem + head->states_off);
    uint32_t state = head->control_state[kind];

    if (state)
        state = policy_image_walk(image, state, bytes, len);
    return states[state].ops & SG_OP_CONTROL;
}

static bool speaks_of_number(const struct policy_image *image, enum sg_control kind, uint32_t n)
{
    const char byte = (char)SG_CONTROL_NUMBER(n);

    return speaks(image, kind, &byte, 1);
}

static bool speaks_of_id(const struct policy_image *image, enum sg_control kind, uint32_t id)
{
    char bytes[SG_CONTROL_ID_BYTES];

    for (int i = 0; i < SG_CONTROL_ID_BYTES; i++)
        bytes[i] = (char)SG_CONTROL_ID(id, i);
    return speaks(image, kind, bytes, sizeof(bytes));
}

static void test_words(void **state)
{
    static const struct {
        enum sg_control kind;
        const char *word;
        uint32_t number;
    } words[] = {
#define CONTROL_WORD(kind, word, number) {SG_CONTROL_##kind, #word, number},
#include "model/control_words.def"
#define CAP(name, number) {SG_CONTROL_capability, #name, number},
#include "model/caps.def"
#undef CAP
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *kind = event_control_name(words[i].kind);
        struct policy_image *image;

        if (words[i].kind == SG_CONTROL_exec)
            continue; // of another section
        image = rule(kind, words[i].word, "deny");
        if (!image)
            fail_msg("%s: %s is refused", kind, words[i].word);
        for (uint32_t n = 0; n < 100; n++)
            if (speaks_of_number(image, words[i].kind, n) != (n == words[i].number))
                fail_msg("%s: %s and number %u", kind, words[i].word, n);
        assert_false(speaks_of_number(image, words[i].kind, SG_CONTROL_SELF_TEST));
        policy_image_free(image);
    }
}

static void test_capabilities_without_prefix(void **state)
{
    struct policy_image *image = rule("capability", "sys_admin", "deny");

    (void)state;
    assert_non_null(image);
    assert_true(speaks_of_number(image, SG_CONTROL_capability, 21));
    policy_image_free(image);
    assert_null(rule("capability", "admin", "deny"));
    assert_null(rule("ptrace", "TACH", "deny")); // no other kind has prefixes
}

static void test_ids(void **state)
{
    struct policy_image *image = rule("setuid", "[4242, 0]", "deny");

    (void)state;
    assert_non_null(image);
    assert_true(speaks_of_id(image, SG_CONTROL_setuid, 4242));
    assert_true(speaks_of_id(image, SG_CONTROL_setuid, 0));
    assert_false(speaks_of_id(image, SG_CONTROL_setuid, 4243));
    assert_false(speaks_of_id(image, SG_CONTROL_setuid, 4242u << 7));
    assert_false(speaks_of_id(image, SG_CONTROL_setgid, 4242));
    policy_image_free(image);
}

static void test_names(void **state)
{
    struct policy_image *image = rule("module", "[\"sg_*\", unsigned]", "deny");

    (void)state;
    assert_non_null(image);
    assert_true(speaks(image, SG_CONTROL_module, "sg_x", 4));
    assert_true(speaks(image, SG_CONTROL_module, SG_MODULE_UNSIGNED, strlen(SG_MODULE_UNSIGNED)));
    assert_false(speaks(image, SG_CONTROL_module, "ext4", 4));
    assert_false(speaks(image, SG_CONTROL_mount, "sg_x", 4));
    policy_image_free(image);
    image = rule("mount", "any", "deny");
    assert_non_null(image);
    assert_true(speaks(image, SG_CONTROL_mount, "tmpfs", 5));
    policy_image_free(image);
}

// In every kind there is something that nobody but the self-test asks with, and a rule about all of a kind speaks of it, too.
static void test_self_test(void **state)
{
    (void)state;
    for (enum sg_control kind = SG_CONTROL_fork; kind < SG_CONTROL_COUNT; kind++) {
        const char *name = event_control_name(kind), *self = SG_CONTROL_SELF_NAME;
        struct policy_image *image;
        bool said;

        // Nobody is refused to end, or to be scheduled; sockets have a section of their own.
        if (kind == SG_CONTROL_exit || kind == SG_CONTROL_schedule ||
            args[kind] == SG_CONTROL_ARG_ENDS)
            continue;
        image = rule(name, self, "deny");
        if (!image)
            fail_msg("%s: %s is refused", name, self);
        said = args[kind] == SG_CONTROL_ARG_NAME ? speaks(image, kind, self, strlen(self))
               : args[kind] == SG_CONTROL_ARG_ID
                   ? speaks_of_id(image, kind, SG_CONTROL_SELF_TEST_ID)
                   : speaks_of_number(image, kind, SG_CONTROL_SELF_TEST);
        assert_true(said);
        assert_false(args[kind] == SG_CONTROL_ARG_ID ? speaks_of_id(image, kind, 0)
                                                     : speaks_of_number(image, kind, 0));
        policy_image_free(image);
    }
}

static void test_what_cannot_be_refused(void **state)
{
    struct policy_image *image = rule("exit", "any", "audit");

    (void)state;
    assert_non_null(image);
    policy_image_free(image);
    assert_null(rule("exit", "any", "deny"));
    assert_null(rule("exit", "any", "kill"));
}

// Whether rules of a section are taken.
static bool taken(const char *key, const char *text)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy *policy = NULL;

    sb_printf(&sb,
              "safeguard: 1\nmode: enforce\nsubjects:\n  db: {user: 4242}\n"
              "  shell: {env: {A: b}}\n%s:\n  - %s\n",
              key, text);
    if (policy_load_buffer("t.yaml", sb_str(&sb), sb.len, NULL, NULL, &policy) < 0)
        return false;
    policy_free(policy);
    return true;
}

static void test_target_mistakes(void **state)
{
    (void)state;
    assert_true(taken("control", "{signal: kill, to: db, do: deny}"));
    assert_true(taken("control", "{signal: kill, to: [{exe: /bin/a}, other_user], do: deny}"));
    assert_true(taken("control", "{signal: any, by: db, to: other_user, do: audit}"));
    assert_false(taken("control", "{ptrace: attach, to: db, do: deny}"));
    assert_false(taken("control", "{signal: kill, ptrace: attach, to: db, do: deny}"));
    assert_false(taken("control", "{to: db, do: deny}"));
    assert_false(taken("control", "{signal: kill, to: [], do: deny}"));
    assert_false(taken("control", "{signal: kill, to: nobody_knows, do: deny}"));
    assert_false(taken("control", "{signal: kill, to: shell, do: deny}"));
    assert_false(taken("control", "{signal: kill, to: {env: {A: b}}, do: deny}"));
    assert_false(taken("processes", "{syscall: kill, to: db, do: deny}"));
    assert_false(taken("files", "{path: /a, to: db, do: deny}"));
}

// What a policy with targets says of SIGKILL to a process of a user; uid < 0: it is not known whom it is for.
static uint8_t to_user(const struct policy_image *image, uint32_t by, int64_t uid, int *ret_rule)
{
    const struct policy_control control = {.kind = SG_CONTROL_signal,
                                           .what = POLICY_CONTROL_NUMBER,
                                           .number = 9};
    const struct policy_facts target = {.uid = (uint32_t)uid, .session = -1};
    const struct policy_query q = {.control = &control,
                                   .ops = SG_OP_CONTROL,
                                   .facts = {.uid = by, .session = -1},
                                   .target = uid < 0 ? NULL : &target,
                                   .other_user = uid >= 0 && by != (uint32_t)uid};
    struct policy_decision d;

    assert_int_equal(policy_explain(image, &q, &d), 0);
    *ret_rule = d.overall.matched ? d.overall.rule : -1;
    return d.overall.matched ? d.overall.verdict : SG_ALLOW;
}

static void test_targets(void **state)
{
    struct policy_image *image = compile("safeguard: 1\nmode: enforce\n"
                                         "subjects:\n  db: {user: 10}\n  web: {user: 20}\n"
                                         "control:\n"
                                         "  - {signal: kill, by: web, to: web, do: allow}\n"
                                         "  - {signal: kill, by: web, to: db, do: deny}\n"
                                         "  - {signal: kill, by: db, to: other_user, do: deny}\n"
                                         "  - {signal: kill, to: [db, web], do: audit}\n"
                                         "  - {signal: kill, by: web, to: db, do: audit}\n");
    static const struct {
        uint32_t by;
        int64_t to;
        uint8_t verdict;
        int rule;
    } rows[] = {
        {20, 20, SG_ALLOW, 0}, {20, 10, SG_DENY, 1},   {20, 30, SG_ALLOW, -1},
        {10, 20, SG_DENY, 2},  {10, 10, SG_AUDIT, 3},  {30, 10, SG_AUDIT, 3},
        {30, 20, SG_AUDIT, 3}, {30, 30, SG_ALLOW, -1}, {20, -1, SG_DENY, 1},
        {10, -1, SG_DENY, 2},  {30, -1, SG_ALLOW, -1},
    };

    (void)state;
    assert_int_equal(policy_image_head(image)->n_targets, policy_image_head(image)->n_preds);
    assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int rule = -2;

        assert_int_equal(to_user(image, rows[i].by, rows[i].to, &rule), rows[i].verdict);
        assert_int_equal(rule, rows[i].rule);
    }
    policy_image_free(image);
}

// A rule hides one behind it only where it asks for no more of the target.
static void test_hidden_by_target(void **state)
{
    struct policy_image *image = compile("safeguard: 1\nmode: enforce\n"
                                         "subjects:\n  db: {user: 10}\n"
                                         "control:\n"
                                         "  - {signal: kill, to: db, do: allow}\n"
                                         "  - {signal: kill, do: deny}\n");
    int rule;

    (void)state;
    assert_int_equal(to_user(image, 0, 10, &rule), SG_ALLOW);
    assert_int_equal(to_user(image, 0, 11, &rule), SG_DENY);
    assert_int_equal(to_user(image, 0, -1, &rule), SG_DENY);
    policy_image_free(image);
}

UNIT_MAIN(cmocka_unit_test(test_target_mistakes), cmocka_unit_test(test_targets),
          cmocka_unit_test(test_hidden_by_target), cmocka_unit_test(test_words),
          cmocka_unit_test(test_capabilities_without_prefix), cmocka_unit_test(test_ids),
          cmocka_unit_test(test_names), cmocka_unit_test(test_self_test),
          cmocka_unit_test(test_what_cannot_be_refused))
