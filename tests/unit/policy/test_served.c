// SPDX-License-Identifier: Apache-2.0
//
// What serves a rule: hooks that a kernel has or has not, a filter, or nothing, which is a mistake.
#include "tests/unit/policy/compiled.h"

#include "policy/served.h"

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define RULES(rules)                                                                                \
    "safeguard: 1\nmode: enforce\nsubjects: {l: {launched: true}}\nfiles:\n  - {path: /a, access: " \
    "xattr, do: audit}\n" rules

static struct policy *load(const char *text)
{
    struct policy_diags d = {};
    struct policy *p = NULL;

    if (policy_load_buffer("t.yaml", text, strlen(text), &names_options, &d, &p) < 0)
        fail_msg("%s", d.n ? d.items[0].message : "?");
    policy_diags_done(&d);
    return p;
}

static bool has(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool no_hook(void *ctx, const char *hook)
{
    (void)ctx;
    (void)hook;
    return false;
}

static bool all_but(void *ctx, const char *hook)
{
    return strcmp(ctx, hook) != 0;
}

static void test_versions(void **state)
{
    static const struct policy_kernel old = {.version = VERSION(5, 10)},
                                      young = {.version = VERSION(6, 12)};
    struct policy *p = load(RULES(""));
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_served(&p->rules[0], &old, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_HOOKS);
    assert_true(has(s.hooks, s.n_hooks, "inode_setxattr"));
    assert_true(has(s.absent, s.n_absent, "inode_set_acl"));
    assert_int_equal(s.needs, VERSION(6, 2));
    assert_int_equal(s.lost, 0);
    policy_served_done(&s);
    assert_int_equal(policy_served(&p->rules[0], &young, &s), 0);
    assert_true(has(s.hooks, s.n_hooks, "inode_set_acl"));
    assert_int_equal(s.n_absent, 0);
    policy_served_done(&s);
    policy_free(p);
}

// Of whatever section: each rule that the kernel was to serve is a mistake, none that a filter serves.
static void test_nothing(void **state)
{
    static const struct policy_kernel none = {.has_hook = no_hook};
    struct policy *p = load(
        RULES("processes:\n  - {exec: /a, do: deny}\n  - {load: /b, do: deny}\n"
              "  - {syscall: getpid, by: l, do: deny}\n  - {syscall: bpf, do: deny}\n"
              "control:\n  - {ptrace: any, do: deny}\n"));
    static const uint32_t lines[] = {5, 7, 8, 10, 12};
    struct policy_diags d = {};
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_check_served(p, &none, &d), 0);
    assert_int_equal(d.n_errors, ARRAY_SIZE(lines));
    for (size_t i = 0; i < d.n; i++) {
        assert_int_equal(d.items[i].line, lines[i]);
        assert_non_null(strstr(d.items[i].message, "nothing serves this rule"));
        assert_non_null(d.items[i].cure);
        assert_non_null(d.items[i].source);
    }
    assert_int_equal(policy_served(&p->rules[3], &none, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_FILTER);
    assert_string_equal(policy_mechanism_name(s.by), "seccomp");
    policy_served_done(&s);
    policy_diags_done(&d);
    policy_free(p);
}

// One hook that is missing is no mistake where another sees the same; what it decides besides is said.
static void test_some(void **state)
{
    const struct policy_kernel k = {.has_hook = all_but, .ctx = (char[]){"inode_set_acl"}};
    struct policy *p = load(RULES("processes:\n  - {syscall: [kill, bpf], do: audit}\n"));
    struct policy_diags d = {};
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_served(&p->rules[0], &k, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_HOOKS);
    assert_int_equal(s.n_absent, 1);
    assert_string_equal(s.absent[0], "inode_set_acl");
    assert_int_equal(s.lost, 0);
    policy_served_done(&s);
    assert_int_equal(policy_served(&p->rules[1], &k, &s), 0);
    assert_int_equal(s.wider.n, 1);
    assert_non_null(strstr(s.wider.items[0], "tgkill"));
    policy_served_done(&s);
    policy_diags_done(&d);
    policy_free(p);
}

UNIT_MAIN(cmocka_unit_test(test_versions), cmocka_unit_test(test_nothing),
          cmocka_unit_test(test_some))
