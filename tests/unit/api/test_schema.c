// SPDX-License-Identifier: Apache-2.0
//
// Types written as text, times, addresses and cookies: the small parsers.
#include "tests/unit/unit.h"

#include <json-c/json.h>

#include "api/schema.h"
#include "api/target.h"
#include "api/time.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"

static void test_types(void **state _unused_)
{
    static const struct {
        const char *text, *schema;
    } good[] = {
        {"string", "{\"type\":\"string\"}"},
        {"string(1..64)?", "{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":64}"},
        {"integer(-5..)", "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":-5}"},
        {"boolean", "{\"type\":\"boolean\"}"},
        {"any", "{}"},
        {"time", "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0}"},
        {"uuid", "{\"type\":\"string\",\"format\":\"uuid\"}"},
        {"word(a|b-c)", "{\"type\":\"string\",\"enum\":[\"a\",\"b-c\"]}"},
        {"word(a)?", "{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",null]}"},
        {"[Thing](0..3)",
         "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Thing\"},\"minItems\":0,\"maxItems\":3}"},
        {"{[integer]}",
         "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"format\":\"int64\"}}}"},
        {"Thing?", "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Thing\"},{\"type\":\"null\"}]}"},
    };
    static const char *const bad[] = {
        "",
        "strin",
        "string(",
        "string(1)",
        "string(1..",
        "string(5..1)",
        "word",
        "word()",
        "[string",
        "[]",
        "{string]",
        "string??",
        "string x",
        "thing",
        "any(1..2)",
        "[[[[[[[[[string]]]]]]]]]",
        "string(1..99999999999999999999)",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct api_type *t = NULL;
        struct error err = {};
        struct jw jw;

        assert_int_equal(api_type_parse(good[i].text, &t, &err), 0);
        jw_init(&jw, &sb);
        api_type_write(t, &jw);
        assert_int_equal(jw_finish(&jw), 0);
        assert_string_equal(sb_str(&sb), good[i].schema);
        (void)api_type_free(t);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct api_type *t = NULL;
        struct error err = {};

        assert_int_equal(api_type_parse(bad[i], &t, &err), -EINVAL);
        assert_null(t);
    }
}

static void test_rows(void **state _unused_)
{
    static const struct {
        struct api_field rows[2];
        int r;
    } cases[] = {
        {{{"A", NULL, NULL, "", false}, {"A", "x", "string", "", false}}, 0},
        {{{"A", NULL, "string", "", false}, {"A", "x", "string", "", false}}, -EINVAL},
        {{{"A", "x", "string", "", false}, {"A", NULL, NULL, "", false}}, -EINVAL},
        {{{"A", NULL, NULL, "", false}, {"A", NULL, NULL, "", false}}, -EEXIST},
        {{{"A", NULL, NULL, "", false}, {"A", "x", "B", "", false}}, -ENOENT},
        {{{"A", NULL, NULL, "", false}, {"A", "x", "strin", "", false}}, -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct api_schemas *s = NULL;
        struct error err = {};

        assert_int_equal(api_schemas_new(cases[i].rows, 2, &s, &err), cases[i].r);
        (void)api_schemas_free(s);
    }
}

static void test_times(void **state _unused_)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0},
        {"1795721106337", UINT64_C(1795721106337)},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-31T23:59:59Z", UINT64_C(1769903999000)},
        {"2026-01-31T23:59:59.5Z", UINT64_C(1769903999500)},
        {"2026-01-31T23:59:59.123456789Z", UINT64_C(1769903999123)},
        {"2026-02-01T00:59:59+01:00", UINT64_C(1769903999000)},
        {"2026-01-31 22:59:59-01:00", UINT64_C(1769903999000)},
        {"2024-02-29T00:00:00Z", UINT64_C(1709164800000)},
    };
    static const char *const bad[] = {
        "",
        "-",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-31",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59:59Zx",
        "1969-12-31T23:59:59Z",
        "99999999999999999999",
        "0x10",
        "-1",
        "+5",
        "2026-01-31T23:59:59.Z",
        "2026-1-31T23:59:59Z",
    };
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS, ms;
    struct error err = {};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(api_time_parse(good[i].text, &ms, &err), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(api_time_parse(bad[i], &ms, &err), -EINVAL);
    assert_int_equal(api_time_parse("now", &ms, &err), 0);
    assert_in_range(ms, now, now + 10000);
    assert_int_equal(api_time_parse("-1h", &ms, &err), 0);
    assert_in_range(ms, now - 3600000, now - 3600000 + 10000);
}

static void test_targets(void **state _unused_)
{
    static const char *const bad[] = {
        "",         "x",    "/a//b", "/./a",  "/a/..",  "/%2E%2e", "/%zz",           "/%",
        "/a?b=%0a", "/%00", "/a%ff", "/a?=1", "/a\x01", "*",       "/a?x=%e2%28%a1",
    };
    struct error err = {};
    struct target t;
    char many[4096] = "/a?";

    assert_int_equal(target_parse("/a%2Fb/c%20d+e?x=1+2&y&&z=%C3%A4=", &t, &err), 0);
    assert_int_equal(t.n_segments, 2);
    assert_string_equal(t.segments[0], "a/b");
    assert_string_equal(t.segments[1], "c d+e");
    assert_int_equal(t.n_params, 3);
    assert_string_equal(t.params[0].value, "1 2");
    assert_string_equal(t.params[1].value, "");
    assert_string_equal(t.params[2].value, "\xc3\xa4=");
    target_done(&t);
    assert_int_equal(target_parse("/", &t, &err), 0);
    assert_int_equal(t.n_segments, 0);
    target_done(&t);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(target_parse(bad[i], &t, &err), -EINVAL);
    for (size_t i = 0; i < API_PARAMS_MAX + 1; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "a=1&");
    assert_int_equal(target_parse(many, &t, &err), -E2BIG);
    assert_int_equal(target_parse("/1/2/3/4/5/6/7/8/9/10/11/12/13", &t, &err), -E2BIG);
}

static void test_cookies(void **state _unused_)
{
    static const struct {
        const char *header, *value;
    } rows[] = {
        {NULL, NULL},           {"", NULL},       {"n=1", "1"},  {"a=2; n=1; b=3", "1"},
        {"a=2;n=1", "1"},       {"xn=1", NULL},   {"n", NULL},   {"n=", ""},
        {"n=1; n=2", NULL},     {"n=a=b", "a=b"}, {"n=1 ", "1"}, {";;n=1;;", "1"},
        {"a=\"n=5\"; b", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t len = 0;
        const char *value = cookie_find(rows[i].header, "n", &len);

        assert_int_equal(value == NULL, rows[i].value == NULL);
        if (value) {
            assert_int_equal(len, strlen(rows[i].value));
            assert_memory_equal(value, rows[i].value, len);
        }
    }
}

UNIT_MAIN(cmocka_unit_test(test_types), cmocka_unit_test(test_rows), cmocka_unit_test(test_times),
          cmocka_unit_test(test_targets), cmocka_unit_test(test_cookies))
