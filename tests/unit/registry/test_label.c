// SPDX-License-Identifier: Apache-2.0
//
// Labels and selectors: what they mean, the one form they are stored in, and where a mistake is.
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "registry/label.h"

static bool matches(const char *selector, const char *labels)
{
    _cleanup_(selector_freep) struct selector *s = NULL;
    _cleanup_(labels_done) struct labels l = {};
    struct error err = {};
    bool yes;

    assert_int_equal(selector_parse(selector, &s, &err), 0);
    assert_int_equal(labels_from_json(labels, &l, &err), 0);
    yes = selector_matches(s, &l);
    return yes;
}

static void test_matches(void **state)
{
    static const char web[] = "{\"env\":\"prod\",\"role\":\"web\",\"empty\":\"\"}";

    (void)state;
    assert_true(matches("", web));
    assert_true(matches(NULL, "{}"));
    assert_true(matches("  ", "{}"));
    assert_true(matches("env=prod", web));
    assert_true(matches("env==prod", web));
    assert_false(matches("env=test", web));
    assert_true(matches("env!=test", web));
    assert_true(matches("nosuch!=test", web));
    assert_false(matches("env!=prod", web));
    assert_true(matches("env in (test, prod)", web));
    assert_true(matches("env in(prod)", web));
    assert_false(matches("env in (test)", web));
    assert_true(matches("env notin (test)", web));
    assert_true(matches("nosuch notin (test)", web));
    assert_false(matches("env notin (test,prod)", web));
    assert_true(matches("role", web));
    assert_true(matches("empty", web));
    assert_false(matches("nosuch", web));
    assert_true(matches("!nosuch", web));
    assert_false(matches("!role", web));
    assert_true(matches("env=prod,role=web,!old", web));
    assert_false(matches("env=prod,role=db", web));
    // Words are keys where a key stands.
    assert_true(matches("in in (a), notin=b", "{\"in\":\"a\",\"notin\":\"b\"}"));
    assert_true(matches("index", "{\"index\":\"a\"}"));
}

static void test_one_form(void **state)
{
    static const char *const forms[][2] = {
        {"", ""},
        {" a=b ,c", "a=b, c"},
        {"a==b", "a=b"},
        {"a  !=  b", "a!=b"},
        {"a in(b,c)", "a in (b, c)"},
        {"a notin ( b )", "a notin (b)"},
        {"!a", "!a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        _cleanup_(selector_freep) struct selector *s = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *twice = NULL;
        struct error err = {};

        assert_int_equal(selector_parse(forms[i][0], &s, &err), 0);
        assert_int_equal(selector_format(s, &text), 0);
        assert_string_equal(text, forms[i][1]);
        assert_int_equal(selector_parse(text, &again, &err), 0);
        assert_int_equal(selector_format(again, &twice), 0);
        assert_string_equal(twice, text);
    }
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned column;
    } bad[] = {
        {"=a", 1},     {"a=", 3},         {"a=b,", 5},    {"a=b;c=d", 4},    {"a in b", 6},
        {"a in (", 7}, {"a in ()", 7},    {"a in (b", 8}, {"a in (b,)", 9},  {"a b", 3},
        {"a!", 2},     {"!", 2},          {"!a=b", 3},    {"\xc3\xa4=b", 1}, {"a=b,,c", 5},
        {"a='b'", 3},  {"a in (b;c)", 8},
    };
    struct selector *s = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {};

        assert_int_equal(selector_parse(bad[i].text, &s, &err), -EINVAL);
        assert_null(s);
        if (err.column != bad[i].column)
            (void)fprintf(stderr, "'%s': column %u\n", bad[i].text, err.column);
        assert_int_equal(err.column, bad[i].column);
        assert_true(*err.expected);
    }
}

static void test_bounds(void **state)
{
    char text[SELECTOR_TEXT_MAX + 16] = "";
    struct selector *s = NULL;
    struct error err = {};

    (void)state;
    memset(text, 'a', LABEL_PART_MAX + 1);
    assert_int_equal(selector_parse(text, &s, &err), -EINVAL);
    memset(text, 0, sizeof(text));
    for (size_t i = 0; i < SELECTOR_TERMS_MAX + 1; i++)
        memcpy(text + 2 * i, "a,", 2);
    text[2 * SELECTOR_TERMS_MAX + 1] = '\0';
    assert_int_equal(selector_parse(text, &s, &err), -EINVAL);
    memset(text, ' ', sizeof(text) - 1);
    assert_int_equal(selector_parse(text, &s, &err), -EINVAL);
    assert_null(s);
}

static void test_labels(void **state)
{
    _cleanup_(labels_done) struct labels l = {};
    _cleanup_free_ char *json = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(labels_set(&l, "role=web", &err), 0);
    assert_int_equal(labels_set(&l, "env=prod", &err), 0);
    assert_int_equal(labels_set(&l, "role=db", &err), 0);
    assert_int_equal(labels_set(&l, "empty=", &err), 0);
    assert_int_equal(labels_set(&l, "nothing", &err), -EINVAL);
    assert_int_equal(labels_set(&l, "=x", &err), -EINVAL);
    assert_int_equal(labels_set(&l, "a=b c", &err), -EINVAL);
    assert_int_equal(labels_to_json(&l, &json), 0);
    assert_string_equal(json, "{\"empty\":\"\",\"env\":\"prod\",\"role\":\"db\"}");
    assert_string_equal(labels_get(&l, "role"), "db");
    assert_null(labels_get(&l, "rol"));
}

static void test_labels_refused(void **state)
{
    static const char *const bad[] = {
        "",    "[]",           "{\"a\":1}",      "{\"a\":\"<b>\"}", "{\"\":\"a\"}",
        "nul", "{\"a\":null}", "{\"a\":\"b\"}x", "{\"a\":{}}"};
    _cleanup_(labels_done) struct labels l = {};
    char many[2048] = "{";
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err = (struct error){};
        assert_int_equal(labels_from_json(bad[i], &l, &err), -EINVAL);
        assert_int_equal(l.n, 0);
        assert_true(error_is_set(&err));
    }
    for (unsigned i = 0; i < LABELS_MAX + 1; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"k%u\":\"v\"",
                       i ? "," : "", i);
    many[strlen(many)] = '}';
    assert_int_equal(labels_from_json(many, &l, &err), -EINVAL);
}

UNIT_MAIN(cmocka_unit_test(test_matches), cmocka_unit_test(test_one_form),
          cmocka_unit_test(test_mistakes), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_labels), cmocka_unit_test(test_labels_refused))
