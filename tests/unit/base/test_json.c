// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <json-c/json.h>

#include "base/json.h"
#include "base/macro.h"

static void test_nested(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    (void)state;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "a", 1);
    jw_kv_array(&jw, "list");
    jw_u64(&jw, UINT64_MAX);
    jw_begin_object(&jw);
    jw_end_object(&jw);
    jw_begin_array(&jw);
    jw_end_array(&jw);
    jw_cstr(&jw, "s");
    jw_null(&jw);
    jw_end_array(&jw);
    jw_kv_object(&jw, "o");
    jw_kv_i64(&jw, "min", INT64_MIN);
    jw_kv_i64(&jw, "n", -1);
    jw_kv_i64(&jw, "p", 7);
    jw_kv_bool(&jw, "t", true);
    jw_kv_bool(&jw, "f", false);
    jw_kv_null(&jw, "z");
    jw_kv_str(&jw, "none", NULL);
    jw_kv_str(&jw, "some", "x");
    jw_kv_strn(&jw, "part", "abc", 2);
    jw_end_object(&jw);
    jw_end_object(&jw);
    assert_int_equal(jw_finish(&jw), 0);
    assert_string_equal(sb_str(&sb),
                        "{\"a\":1,\"list\":[18446744073709551615,{},[],\"s\",null],"
                        "\"o\":{\"min\":-9223372036854775808,\"n\":-1,\"p\":7,\"t\":true,"
                        "\"f\":false,\"z\":null,\"none\":null,\"some\":\"x\",\"part\":\"ab\"}}");
}

static void test_single_values(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    (void)state;
    sb_puts(&sb, "line before\n");
    jw_init(&jw, &sb);
    jw_u64(&jw, 0);
    assert_int_equal(jw_finish(&jw), 0);
    assert_string_equal(sb_str(&sb), "line before\n0");
}

static void test_string_rows(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *expect;
    } rows[] = {
        {"", 0, "\"\""},
        {"plain /", 7, "\"plain /\""},
        {"q\"b\\", 4, "\"q\\\"b\\\\\""},
        {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\""},
        {"gr\xc3\xbcn", 5, "\"gr\xc3\xbcn\""},
        {"\xff", 1, "\"\xef\xbf\xbd\""},
        {"a\xc3", 2, "\"a\xef\xbf\xbd\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf0\x9f\x98\x80!", 5, "\"\xf0\x9f\x98\x80!\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct jw jw;

        jw_init(&jw, &sb);
        jw_str(&jw, rows[i].bytes, rows[i].len);
        assert_int_equal(jw_finish(&jw), 0);
        assert_string_equal(sb_str(&sb), rows[i].expect);
    }
}

// Every byte on its own, read back by another implementation.
static void test_every_byte_reads_back(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        const char byte = (char)c;
        struct json_object *root, *member;
        struct jw jw;

        jw_init(&jw, &sb);
        jw_begin_object(&jw);
        jw_kv_strn(&jw, "k", &byte, 1);
        jw_end_object(&jw);
        assert_int_equal(jw_finish(&jw), 0);
        root = json_tokener_parse(sb_str(&sb));
        assert_non_null(root);
        member = json_object_object_get(root, "k");
        if (c < 0x80) {
            assert_int_equal(json_object_get_string_len(member), 1);
            assert_memory_equal(json_object_get_string(member), &byte, 1);
        } else {
            assert_string_equal(json_object_get_string(member), "\xef\xbf\xbd");
        }
        json_object_put(root);
    }
}

static void test_key_is_escaped(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    (void)state;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "a\"\n", 1);
    jw_end_object(&jw);
    assert_int_equal(jw_finish(&jw), 0);
    assert_string_equal(sb_str(&sb), "{\"a\\\"\\n\":1}");
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = JW_MAX_DEPTH; depth <= JW_MAX_DEPTH + 1; depth++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct jw jw;

        jw_init(&jw, &sb);
        for (int i = 0; i < depth; i++)
            jw_begin_array(&jw);
        jw_u64(&jw, 1);
        jw_u64(&jw, 2);
        for (int i = 0; i < depth; i++)
            jw_end_array(&jw);
        assert_int_equal(jw_finish(&jw), depth <= JW_MAX_DEPTH ? 0 : -E2BIG);
        if (depth == JW_MAX_DEPTH)
            assert_non_null(strstr(sb_str(&sb), "[1,2]"));
    }
}

// Each letter is a call; every one of these lines is a mistake.
static void play(struct jw *jw, const char *calls)
{
    for (; *calls; calls++) {
        switch (*calls) {
        case '{': jw_begin_object(jw); break;
        case '}': jw_end_object(jw); break;
        case '[': jw_begin_array(jw); break;
        case ']': jw_end_array(jw); break;
        case 'k': jw_key(jw, "k"); break;
        case 'v': jw_null(jw); break;
        default: fail();
        }
    }
}

static void test_mistakes_stick(void **state)
{
    static const char *const wrong[] = {
        "",  "{",  "[",  "{v}", "{kkv}", "{k}", "k",    "[k]",  "]",
        "}", "[}", "{]", "vv",  "{}v",   "[]]", "{}{}", "{k[}", "{{}}",
    };
    static const char *const right[] = {"v", "{}", "[]", "{kv}", "{kvkv}", "[vv]", "{k{kv}k[v]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct jw jw;

        jw_init(&jw, &sb);
        play(&jw, wrong[i]);
        if (jw_finish(&jw) != -EINVAL)
            fail_msg("'%s' was accepted: %s", wrong[i], sb_str(&sb));
        // Still wrong, whatever follows.
        play(&jw, "[v]");
        assert_int_equal(jw_finish(&jw), -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct jw jw;

        jw_init(&jw, &sb);
        play(&jw, right[i]);
        if (jw_finish(&jw) != 0)
            fail_msg("'%s' was refused: %s", right[i], sb_str(&sb));
    }
}

static void test_no_memory(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    (void)state;
    jw_init(&jw, &sb);
    jw_begin_array(&jw);
    sb.failed = true;
    jw_end_array(&jw);
    assert_int_equal(jw_finish(&jw), -ENOMEM);
}

static void test_raw(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    (void)state;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "a", 1);
    jw_key(&jw, "b");
    jw_raw(&jw, "[2,3]", 5);
    jw_kv_u64(&jw, "c", 4);
    jw_end_object(&jw);
    assert_int_equal(jw_finish(&jw), 0);
    assert_string_equal(sb_str(&sb), "{\"a\":1,\"b\":[2,3],\"c\":4}");
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_raw(&jw, "1", 1); // without a key
    assert_true(jw_finish(&jw) < 0);
}

UNIT_MAIN(cmocka_unit_test(test_raw), cmocka_unit_test(test_nested),
          cmocka_unit_test(test_single_values), cmocka_unit_test(test_string_rows),
          cmocka_unit_test(test_every_byte_reads_back), cmocka_unit_test(test_key_is_escaped),
          cmocka_unit_test(test_depth), cmocka_unit_test(test_mistakes_stick),
          cmocka_unit_test(test_no_memory))
