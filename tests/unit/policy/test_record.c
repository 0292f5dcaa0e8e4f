// SPDX-License-Identifier: Apache-2.0
//
// Which variables policies have recorded: what `record` names, what subjects ask about, and what there is no room for.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "policy/policy.h"

#define HEAD "safeguard: 1\nmode: enforce\n" // lines 1 and 2

static int load(const char *text, struct policy_diags *diags, struct policy **ret)
{
    return policy_load_buffer("t.yaml", text, strlen(text), &names_options, diags, ret);
}

static void expect(const char *text, const char *names)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *p = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};

    if (load(text, &diags, &p) < 0 || diags.n > 0)
        fail_msg("%s", diags.n ? diags.items[0].message : text);
    for (uint32_t i = 0; i < p->record_env.n; i++)
        sb_printf(&sb, "%s%s", i ? " " : "", p->record_env.items[i]);
    assert_string_equal(sb_str(&sb), names);
}

#define SUBJECT(env) "files: [{path: /a, access: read, by: {env: " env "}, do: deny}]\n"

static void test_names(void **state)
{
    (void)state;
    expect(HEAD "files: [{path: /a, access: read, do: deny}]\n", "");
    expect(HEAD "record: {env: A}\n", "A");
    expect(HEAD "record: {env: [A_1, \"AWS_*\", _, A_1, AWS_REGION]}\n", "A_1 AWS_* _");
    // Recorded anyway.
    expect(HEAD "record: {env: [LD_PRELOAD, SSH_TTY, \"SSH_*\", SSH]}\n", "SSH");
    expect(HEAD "record: {env: ABCDEFGHIJKLMNOPQRSTUVWXYZ01234}\n",
           "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234");
    // Subjects come behind, wherever they stand.
    expect(HEAD SUBJECT("{MODE: x, LD_PRELOAD: y, A: z}") "record: {env: A}\n", "A MODE");
    // Of a name that is too long as much as there is room for.
    expect(HEAD SUBJECT("{ABCDEFGHIJKLMNOPQRSTUVWXYZ012345: x}"),
           "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234*");
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *message;
        uint32_t column;
    } rows[] = {
        {"record: [A]\n", "`record` has to be a map", 9},
        {"record: {enw: A}\n", "unknown key 'enw' in `record`; did you mean 'env'?", 10},
        {"record: {env: {A: B}}\n", "this is a map", 15},
        {"record: {env: []}\n", "the list is empty", 15},
        {"record: {env: [A, B-C]}\n", "'B-C' is not the name of a variable", 19},
        {"record: {env: 1A}\n", "'1A' is not the name of a variable", 15},
        {"record: {env: A=B}\n", "'A=B' is not the name of a variable", 15},
        {"record: {env: \"*\"}\n", "'*' is not the name of a variable", 16},
        {"record: {env: \"A*B\"}\n", "'A*B' is not the name of a variable", 16},
        {"record: {env: ABCDEFGHIJKLMNOPQRSTUVWXYZ012345}\n", "is not the name of a variable", 15},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(policy_diags_done) struct policy_diags diags = {};
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy *p = NULL;

        sb_printf(&sb, "%s%s", HEAD, rows[i].text);
        assert_int_equal(load(sb_str(&sb), &diags, &p), -EINVAL);
        if (diags.items[0].line != 3 || diags.items[0].column != rows[i].column ||
            !strstr(diags.items[0].message, rows[i].message))
            fail_msg("%s%u:%u: %s", rows[i].text, diags.items[0].line, diags.items[0].column,
                     diags.items[0].message);
        assert_true(diags.items[0].cure || diags.items[0].expected || i == 3);
    }
}

// Two files with n names together.
static int load_two(uint32_t n, const char *more, struct policy_diags *diags, struct policy **ret)
{
    _cleanup_(sb_done) struct strbuf a = {}, b = {};
    struct policy_buffer buffers[2] = {{.name = "a.yaml"}, {.name = "b.yaml"}};

    sb_puts(&a, HEAD "record: {env: [A0");
    sb_printf(&b, HEAD "%srecord:\n  env:\n", more);
    for (uint32_t i = 1; i < 10; i++)
        sb_printf(&a, ", A%u", i);
    sb_puts(&a, "]}\n");
    for (uint32_t i = 10; i < n; i++)
        sb_printf(&b, "  - A%u\n", i);
    buffers[0].text = sb_str(&a);
    buffers[0].len = a.len;
    buffers[1].text = sb_str(&b);
    buffers[1].len = b.len;
    return policy_load_buffers(buffers, 2, &names_options, diags, ret);
}

static void test_room(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags fits = {}, over = {}, subject = {};
    _cleanup_(policy_freep) struct policy *p = NULL, *with = NULL;
    struct policy *none = NULL;

    (void)state;
    assert_int_equal(load_two(POLICY_RECORD_ENV_MAX, "", &fits, &p), 0);
    assert_int_equal(fits.n, 0);
    assert_int_equal(p->record_env.n, POLICY_RECORD_ENV_MAX);
    assert_int_equal(load_two(POLICY_RECORD_ENV_MAX + 1, "", &over, &none), -EINVAL);
    assert_string_equal(over.items[0].file, "b.yaml");
    assert_int_equal(over.items[0].line, 4 + POLICY_RECORD_ENV_MAX - 10 + 1);
    assert_non_null(strstr(over.items[0].message, "more than 28 variables"));
    assert_non_null(over.items[0].cure);
    // A rule about a variable holds whether it is recorded or not.
    assert_int_equal(load_two(POLICY_RECORD_ENV_MAX, SUBJECT("{MODE: x}"), &subject, &with), 0);
    assert_int_equal(subject.n, 1);
    assert_int_equal(subject.items[0].line, 3);
    assert_non_null(strstr(subject.items[0].message, "no room for the variable 'MODE'"));
    assert_int_equal(with->record_env.n, POLICY_RECORD_ENV_MAX);
}

UNIT_MAIN(cmocka_unit_test(test_names), cmocka_unit_test(test_errors), cmocka_unit_test(test_room))
