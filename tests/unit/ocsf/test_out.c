// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "ocsf/out.h"

static char room[8192];

static struct out begin(size_t size)
{
    memset(room, '#', sizeof(room));
    return (struct out){.p = room, .end = room + size};
}

static void test_numbers(void **state)
{
    uint64_t power = 1;
    char expected[32];

    (void)state;
    for (int digits = 0; digits <= 20; digits++) {
        const uint64_t near[] = {power - 1, power, power + 1, power * 5};

        for (size_t i = 0; i < ARRAY_SIZE(near); i++) {
            struct out o = begin(sizeof(room));

            out_u64(&o, near[i]);
            (void)snprintf(expected, sizeof(expected), "%" PRIu64, near[i]);
            assert_int_equal(o.p - room, strlen(expected));
            assert_memory_equal(room, expected, strlen(expected));
        }
        power *= 10; // wraps at the end: any number is as good
    }
}

// The same text by base/json.h.
static void check_text(const char *s, size_t len)
{
    // From memory of exactly this size, so that reading behind it is noticed.
    char *copy = malloc(len ? len : 1);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct out o = begin(sizeof(room));
    struct jw jw;

    assert_non_null(copy);
    memcpy(copy, s, len);
    jw_init(&jw, &sb);
    jw_str(&jw, s, len);
    assert_int_equal(jw_finish(&jw), 0);
    out_text(&o, (struct bytes){copy, (uint32_t)len});
    assert_false(o.full);
    assert_int_equal(o.p - room, sb.len - 2);
    assert_memory_equal(room, sb.s + 1, sb.len - 2);
    assert_int_equal(out_is_utf8((struct bytes){copy, (uint32_t)len}), utf8_valid(s, len));
    free(copy);
}

static void test_every_byte_everywhere(void **state)
{
    char text[40];

    (void)state;
    for (size_t len = 0; len <= sizeof(text); len++) {
        memset(text, 'a', len);
        check_text(text, len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c += len % 5 ? 37 : 1) {
                memset(text, 'a', len);
                text[at] = (char)c;
                check_text(text, len);
            }
        }
    }
}

static void test_utf8(void **state)
{
    static const char *const texts[] = {
        "\xc3\xa4\xc3\xb6\xc3\xbc",
        "\xe4\xbd\xa0\xe5\xa5\xbd, world, it is long enough",
        "\xf0\x9f\x98\x80",
        "\xed\xa0\x80",
        "\xc0\xaf",
        "\xf4\x90\x80\x80",
        "0123456789abcde\xc3\xa4",
        "0123456789abcde\xc3",
        "\xef\xbf\xbd",
        "tab\there \"quoted\" back\\slash \x7f \x1b[31m",
    };
    uint64_t x = 88172645463325252u;
    char text[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        check_text(texts[i], strlen(texts[i]));
    for (int round = 0; round < 3000; round++) {
        size_t len = (size_t)(round % (int)sizeof(text));

        for (size_t i = 0; i < len; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            text[i] = round % 3 ? (char)(x >> 8) : (char)(0xc0 | (x >> 8 & 0x3f));
        }
        check_text(text, len);
    }
}

// What does not fit is not written, not even in part behind the end, and stays known.
static void test_room(void **state)
{
    (void)state;
    for (size_t size = 0; size < 64; size++) {
        struct out o = begin(size);

        out_lit(&o, "{\"k\":");
        out_u64(&o, 1234567);
        out_text(&o, BYTES("\x01\x02"));
        out_hex(&o, BYTES("\xff\x01"));
        out_end(&o, '}');
        assert_int_equal(o.full, size < 5 + 7 + 12 + 4 + 1);
        assert_true(o.p <= room + size);
        assert_int_equal(room[size], '#');
        if (!o.full)
            assert_memory_equal(room, "{\"k\":1234567\\u0001\\u0002ff01}", 29);
    }
}

static void test_end(void **state)
{
    struct out o = begin(10);

    (void)state;
    out_lit(&o, "[1,");
    out_end(&o, ']');
    out_lit(&o, "[");
    out_end(&o, ']');
    assert_int_equal(o.p - room, 5);
    assert_memory_equal(room, "[1][]", 5);
}

UNIT_MAIN(cmocka_unit_test(test_numbers), cmocka_unit_test(test_every_byte_everywhere),
          cmocka_unit_test(test_utf8), cmocka_unit_test(test_room), cmocka_unit_test(test_end))
