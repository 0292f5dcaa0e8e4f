// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/utf8.h"

static void test_decode_rows(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        size_t expect;
        uint32_t cp;
    } rows[] = {
        {"", 0, 0, 0},
        {"a", 1, 1, 'a'},
        {"\0", 1, 1, 0},
        {"\x7f", 1, 1, 0x7f},
        {"\x80", 1, 0, 0},             // a continuation alone
        {"\xc0\xaf", 2, 0, 0},         // overlong '/'
        {"\xc1\xbf", 2, 0, 0},         // overlong
        {"\xc2\x80", 2, 2, 0x80},      // smallest of two bytes
        {"\xc2", 1, 0, 0},             // cut off
        {"\xc2\xc0", 2, 0, 0},         // second byte is none
        {"\xdf\xbf", 2, 2, 0x7ff},     //
        {"\xe0\x9f\xbf", 3, 0, 0},     // overlong
        {"\xe0\xa0\x80", 3, 3, 0x800}, //
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xe2\x82", 2, 0, 0},
        {"\xe2\x82\x28", 3, 0, 0},
        {"\xed\x9f\xbf", 3, 3, 0xd7ff},
        {"\xed\xa0\x80", 3, 0, 0}, // first surrogate
        {"\xee\x80\x80", 3, 3, 0xe000},
        {"\xef\xbf\xbf", 3, 3, 0xffff},
        {"\xf0\x8f\xbf\xbf", 4, 0, 0}, // overlong
        {"\xf0\x90\x80\x80", 4, 4, 0x10000},
        {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
        {"\xf0\x9f\x98", 3, 0, 0},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\xf4\x90\x80\x80", 4, 0, 0}, // above the last
        {"\xf5\x80\x80\x80", 4, 0, 0},
        {"\xff", 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t cp = 12345;

        assert_int_equal(utf8_decode(rows[i].bytes, rows[i].len, &cp), rows[i].expect);
        assert_int_equal(cp, rows[i].expect ? rows[i].cp : 12345);
    }
}

// Every code point through an encoder written differently.
static void test_decode_all_code_points(void **state)
{
    (void)state;
    for (uint32_t cp = 0x80; cp <= 0x10ffff; cp++) {
        uint8_t b[4];
        size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
        uint32_t got = 0;

        for (size_t i = n; i-- > 1;)
            b[i] = (uint8_t)(0x80 | ((cp >> (6 * (n - 1 - i))) & 0x3f));
        b[0] = (uint8_t)(first[n] | cp >> (6 * (n - 1)));
        if (cp >= 0xd800 && cp <= 0xdfff) {
            assert_int_equal(utf8_decode(b, n, &got), 0);
            continue;
        }
        assert_int_equal(utf8_decode(b, n, &got), n);
        assert_int_equal(got, cp);
    }
}

static void test_valid(void **state)
{
    (void)state;
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
    assert_false(utf8_valid("gr\xc3", 3));
    assert_false(utf8_valid("ok\xff", 3));
}

static void test_escape_rows(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *expect;
    } rows[] = {
        {"", 0, ""},
        {"plain", 5, "plain"},
        {"say \"hi\"", 8, "say \"hi\""},
        {"a\\b", 3, "a\\\\b"},
        {"a\nb", 3, "a\\012b"},
        {"a\0b", 3, "a\\000b"},
        {"\x1b[31m", 5, "\\033[31m"},
        {"\x7f", 1, "\\177"},
        {"gr\xc3\xbcn", 5, "gr\xc3\xbcn"},
        {"\xc3", 1, "\\303"},
        {"\xff\xfe", 2, "\\377\\376"},
        {"\xc2\x9b"
         "1m",
         4, "\\302\\2331m"}, // C1: CSI of some terminals
        {"a\xe2\x80\xae"
         "txt.exe",
         11, "a\\342\\200\\256txt.exe"},        // right-to-left override
        {"\xe2\x80\xa8", 3, "\\342\\200\\250"}, // line separator
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        {"\xed\xa0\x80", 3, "\\355\\240\\200"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        utf8_escape(&sb, rows[i].bytes, rows[i].len);
        assert_string_equal(sb_str(&sb), rows[i].expect);
    }
}

// Reads an escaped text back: whatever the bytes were, nothing is lost and nothing is ambiguous.
static size_t unescape(const char *s, uint8_t *out)
{
    size_t n = 0;

    for (; *s; n++) {
        if (*s != '\\') {
            out[n] = (uint8_t)*s++;
        } else if (s[1] == '\\') {
            out[n] = '\\';
            s += 2;
        } else {
            out[n] = (uint8_t)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        }
    }
    return n;
}

static void test_escape_reads_back(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        uint8_t bytes[40], back[40];
        size_t len = (size_t)round % sizeof(bytes);

        for (size_t i = 0; i < len; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(random >> 24);
        }
        utf8_escape(&sb, bytes, len);
        assert_true(utf8_valid(sb_str(&sb), sb.len));
        assert_int_equal(unescape(sb_str(&sb), back), len);
        assert_memory_equal(back, bytes, len);
    }
}

static void test_plain_prefix(void **state)
{
    (void)state;
    assert_int_equal(ascii_plain_prefix("abc\"d", 5), 3);
    assert_int_equal(ascii_plain_prefix("abc", 2), 2);
    assert_int_equal(ascii_plain_prefix("\\", 1), 0);
    assert_int_equal(ascii_plain_prefix("~\x7f", 2), 1);
    assert_int_equal(ascii_plain_prefix(" \x1f", 2), 1);
    assert_int_equal(ascii_plain_prefix("a\xc3\xbc", 3), 1);
}

UNIT_MAIN(cmocka_unit_test(test_decode_rows), cmocka_unit_test(test_decode_all_code_points),
          cmocka_unit_test(test_valid), cmocka_unit_test(test_escape_rows),
          cmocka_unit_test(test_escape_reads_back), cmocka_unit_test(test_plain_prefix))
