// SPDX-License-Identifier: Apache-2.0
//
// As much as a policy may hold, and one more; ten thousand rules; patterns that explode.
#include "tests/unit/policy/compiled.h"

#include "base/strbuf.h"

static void expect_error(const char *text, const struct policy_compile_options *options,
                         uint32_t line, const char *message)
{
    struct policy_diags d = {};
    struct policy_image *image = compile_with(text, options, &d);

    assert_null(image);
    if (d.items[d.n - 1].line != line || !strstr(d.items[d.n - 1].message, message))
        fail_msg("%u: %s", d.items[d.n - 1].line, d.items[d.n - 1].message);
    policy_diags_done(&d);
}

// n rules made by a format that takes the number of the rule twice.
static void rules(struct strbuf *sb, const char *head, uint32_t n, const char *path,
                  const char *rest)
{
    sb_puts(sb, head);
    for (uint32_t i = 0; i < n; i++) {
        sb_puts(sb, "  - {path: \"");
        for (const char *s = path; *s; s++)
            if (*s == '#')
                sb_printf(sb, "%u", i);
            else
                sb_putc(sb, *s);
        sb_puts(sb, "\", access: read, ");
        for (const char *s = rest; *s; s++)
            if (*s == '#')
                sb_printf(sb, "%u", i);
            else
                sb_putc(sb, *s);
        sb_puts(sb, "}\n");
    }
}

static void test_bounds(void **state)
{
    // As many rules as there may be, then one more.
    static const struct {
        uint32_t n, line;
        const char *path, *rest, *message;
    } rows[] = {
        {128, 131, "/a/**", "by: {user: #}, do: deny",
         "more than 128 rules compete for one path, such as /a/a"},
        {256, 260, "/#", "by: {user: #}, do: deny", "more than 256 different subjects"},
        {253, 257, "/#", "by: {exe: /#}, do: deny", "more than 253 different path lists"},
        {102, 106, "/#", "by: {user: [#, 1000, 1001, 1002, 1003]}, do: deny",
         "more than 512 conditions"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        _cleanup_(sb_done) struct strbuf fits = {}, over = {};

        rules(&fits, HEAD, rows[i].n, rows[i].path, rows[i].rest);
        policy_image_free(compile(sb_str(&fits)));
        rules(&over, HEAD, rows[i].n + 1, rows[i].path, rows[i].rest);
        expect_error(sb_str(&over), NULL, rows[i].line, rows[i].message);
    }
}

static void test_predicates_bound(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, "safeguard: 1\nmode: enforce\nsubjects:\n");
    for (unsigned i = 0; i < 40; i++)
        sb_printf(&sb, "  s%u: {user: %u}\n", i, i);
    sb_puts(&sb, "files:\n");
    for (unsigned i = 0; i < 512; i++)
        sb_printf(&sb, "  - {path: /%u, access: read, by: s%u, not_by: s%u, do: deny}\n", i, i / 16,
                  i % 16 + 16);
    // 512 pairs and everybody
    expect_error(sb_str(&sb), NULL, 45 + 511, "more than 511 different pairs of `by` and `not_by`");
}

static void test_explosion(void **state)
{
    static const struct policy_compile_options few = {.max_states = 10000};
#define ANY4  "[!b][!b][!b][!b]"
#define WORST "/srv/**/*a" ANY4 ANY4 ANY4 ANY4 ANY4
    static const char text[] = HEAD "  - {path: /srv/*, access: read, do: audit}\n"
                                    "  - {path: \"" WORST "\", access: read, do: deny}\n"
                                    "  - {path: /etc/**, access: read, do: audit}\n";
    static const struct policy_compile_options soon = {.max_ms = 1};
    static const struct policy_compile_options small = {.max_bytes = 1 << 20};
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    expect_error(text, &few, 5, "more states than there may be; '" WORST "'");
    expect_error(text, &soon, 5, "more time than there may be");
    expect_error(text, &small, 5, "more memory than there may be");
    rules(&sb, HEAD, 5000, "/srv/a#/b/c/d/e/f", "do: deny");
    expect_error(sb_str(&sb), &(struct policy_compile_options){.max_bytes = 1300000}, 0,
                 "the paths of the policy need more memory than there may be");
    expect_error(sb_str(&sb), &(struct policy_compile_options){.max_bytes = 1400000}, 0,
                 "the compiled policy takes 1472 KiB, more than the 1367 KiB");
}

// 10,000 rules with 50 subjects.
static void test_many_rules(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;

    (void)state;
    rules(&sb, HEAD, 10000, "/srv/data/dir/file#.conf", "do: audit");
    image = compile(sb_str(&sb));
    assert_int_equal(entry_at(image, "/srv/data/dir/file9999.conf", 0)->rule, 9999);
    assert_int_equal(policy_image_head(image)->n_rules, 10000);
    policy_image_free(image);
}

// 10,000 rules about one path: one decides, the others are warned about, 100 of them one by one.
static void test_many_hidden_rules(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;
    struct policy_diags d = {};

    (void)state;
    rules(&sb, HEAD, 10000, "/srv/**", "do: audit");
    image = compile_with(sb_str(&sb), NULL, &d);
    assert_int_equal(accept_at(image, "/srv/a")->n_entries, 1);
    assert_int_equal(d.n_warnings, 9999);
    assert_int_equal(d.n, POLICY_DIAGS_MAX);
    policy_diags_done(&d);
    policy_image_free(image);
}

UNIT_MAIN(cmocka_unit_test(test_bounds), cmocka_unit_test(test_predicates_bound),
          cmocka_unit_test(test_explosion), cmocka_unit_test(test_many_rules),
          cmocka_unit_test(test_many_hidden_rules))
