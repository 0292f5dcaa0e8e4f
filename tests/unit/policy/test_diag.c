// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics: what people and programs see.
#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "policy/diag.h"

static const char source[] = "first\nk\303\251y: \tval\\ue\033[1m\nlast";

static void test_format(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diag *item;

    (void)state;
    item = policy_diag_add(&d, POLICY_ERROR, "a\nb.yaml", 2, 7, "bad %s", "val\x1bue");
    policy_diag_source(&d, item, source, sizeof(source) - 1, 3);
    policy_diag_expected(&d, item, "one of %d", 3);
    policy_diag_cure(&d, item, "C:\\x");
    policy_diag_add(&d, POLICY_WARNING, NULL, 0, 0, "about nothing");
    item = policy_diag_add(&d, POLICY_WARNING, "f", 3, 9, "behind the end");
    policy_diag_source(&d, item, source, sizeof(source) - 1, 0);
    item = policy_diag_add(&d, POLICY_WARNING, "f", 99, 1, "no such line");
    policy_diag_source(&d, item, source, sizeof(source) - 1, 1);
    policy_diags_format(&d, false, &sb);
    assert_string_equal(sb_str(&sb), "a\\012b.yaml:2:7: error: bad val\\033ue\n"
                                     "      2 | k\303\251y: \tval\\ue\\033[1m\n"
                                     "        |      \t^~~\n"
                                     "        expected: one of 3\n"
                                     "        to do: C:\\x\n"
                                     "warning: about nothing\n"
                                     "f:3:9: warning: behind the end\n"
                                     "      3 | last\n"
                                     "        |     ^\n"
                                     "f:99:1: warning: no such line\n");
    assert_int_equal(d.n_errors, 1);
    assert_int_equal(d.n_warnings, 3);
    sb_reset(&sb);
    policy_diags_format(&d, true, &sb);
    assert_non_null(strstr(sb_str(&sb), "\033["));
    assert_null(strstr(sb_str(&sb), "val\033"));
}

static void test_json(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diag *item;
    struct jw jw;

    (void)state;
    item = policy_diag_add(&d, POLICY_ERROR, "f", 2, 1, "a \"b\"");
    policy_diag_source(&d, item, "x\ny", 3, 1);
    policy_diag_cure(&d, item, "c");
    jw_init(&jw, &sb);
    policy_diags_json(&d, &jw);
    assert_int_equal(jw_finish(&jw), 0);
    assert_string_equal(
        sb_str(&sb), "{\"errors\":1,\"warnings\":0,\"not_shown\":0,\"diagnostics\":[{\"severity\":"
                     "\"error\",\"message\":\"a \\\"b\\\"\",\"file\":\"f\",\"line\":2,\"column\":1,"
                     "\"width\":1,\"expected\":null,\"cure\":\"c\",\"source\":\"y\"}]}");
}

// 100 are kept, all are counted, an error takes the place of a warning.
static void test_bound(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    for (int i = 0; i < 150; i++)
        (void)policy_diag_add(&d, POLICY_WARNING, "f", 1, 1, "w%d", i);
    assert_int_equal(d.n, POLICY_DIAGS_MAX);
    assert_null(policy_diag_add(&d, POLICY_WARNING, "f", 1, 1, "one more"));
    policy_diag_cure(&d, NULL, "nowhere to go");
    assert_non_null(policy_diag_add(&d, POLICY_ERROR, "f", 1, 1, "e"));
    assert_int_equal(d.n, POLICY_DIAGS_MAX);
    assert_int_equal(d.n_warnings, 151);
    assert_int_equal(d.n_errors, 1);
    assert_string_equal(d.items[99].message, "e");
    assert_string_equal(d.items[98].message, "w98");
    policy_diags_format(&d, false, &sb);
    assert_non_null(strstr(sb_str(&sb), "\nand 52 more\n"));
    for (int i = 0; i < 150; i++)
        (void)policy_diag_add(&d, POLICY_ERROR, "f", 1, 1, "e%d", i);
    assert_int_equal(d.n, POLICY_DIAGS_MAX);
    assert_int_equal(d.items[0].severity, POLICY_ERROR);
    assert_null(policy_diag_add(NULL, POLICY_ERROR, "f", 1, 1, "nobody listens"));
}

static void test_long_line(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    static char text[5000];
    struct policy_diag *item;

    (void)state;
    memset(text, 'x', sizeof(text));
    item = policy_diag_add(&d, POLICY_ERROR, "f", 1, 1, "long");
    policy_diag_source(&d, item, text, sizeof(text), 4999);
    assert_int_equal(strlen(item->source), POLICY_DIAG_SOURCE_MAX);
}

UNIT_MAIN(cmocka_unit_test(test_format), cmocka_unit_test(test_json), cmocka_unit_test(test_bound),
          cmocka_unit_test(test_long_line))
