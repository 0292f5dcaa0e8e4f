// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/json_valid.h"
#include "base/macro.h"

static bool valid(const char *text)
{
    return json_valid(text, strlen(text), 16);
}

static void test_good(void **state _unused_)
{
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10.25e-3",
        "1E400",
        "123456789012345678901234567890",
        "\"\"",
        "\"a\\n\\u00e4\\uD83D\\uDE00\\ud800\"",
        "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"",
        "[]",
        "{}",
        " [ 1 , [ ] , { } ] ",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"a\":2}",
        "\t\r\n{\"a\"\t:\r1\n}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(valid(good[i]));
}

static void test_bad(void **state _unused_)
{
    static const char *const bad[] = {
        "",
        " ",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "nullx",
        "True",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "1 2",
        "\"",
        "\"\\\"",
        "\"a\tb\"",
        "\"\x01\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\xff\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "'a'",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:2}",
        "{\"a\":1]",
        "{\"a\":1 \"b\":2}",
        "{}{}",
        "[]]",
        "/**/1",
        "{\"a\":1}\v",
        "\xef\xbb\xbf{}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (valid(bad[i]))
            (void)fprintf(stderr, "%s\n", bad[i]);
        assert_false(valid(bad[i]));
    }
    // A NUL is no end.
    assert_false(json_valid("1\0", 2, 16));
    assert_false(json_valid("\"\0\"", 3, 16));
    assert_false(json_valid("\"\\\0\"", 4, 16));
    assert_true(json_valid("1\0", 1, 16));
}

static void test_cut(void **state _unused_)
{
    static const char text[] = "{\"a\":[1,2.5e3,\"\\u00e4\xc3\xa4\",true,null,{}]}";

    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_false(json_valid(text, len, 16));
    assert_true(json_valid(text, sizeof(text) - 1, 16));
}

static void test_depth(void **state _unused_)
{
    char text[4096];

    for (unsigned depth = 1; depth <= 80; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_true(json_valid(text, (size_t)2 * depth, 80) == (depth <= JSON_VALID_DEPTH_MAX));
        assert_true(json_valid(text, (size_t)2 * depth, 3) == (depth <= 3));
    }
    // Levels that were left do not count, and are not taken for others.
    assert_true(valid("[[[[{}],{\"a\":[]}]],{\"b\":1}]"));
    assert_false(valid("[[[[{}],{\"a\":[]}]],{\"b\":1]]"));
}

UNIT_MAIN(cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_cut),
          cmocka_unit_test(test_depth))
