// SPDX-License-Identifier: Apache-2.0
//
// Headers that can be read in two ways.
#include "tests/unit/unit.h"

#include "api/framing.h"
#include "base/macro.h"

struct header {
    const char *name, *value;
    size_t more; // bytes of the value behind its NUL
};

static const char *problem(const char *version, const struct header *headers, size_t n)
{
    struct framing f = {};

    for (size_t i = 0; i < n; i++)
        framing_add(&f, headers[i].name, strlen(headers[i].name), headers[i].value,
                    strlen(headers[i].value) + headers[i].more);
    return framing_end(&f, version);
}

#define PROBLEM(version, ...)                              \
    problem(version, (const struct header[]){__VA_ARGS__}, \
            sizeof((const struct header[]){__VA_ARGS__}) / sizeof(struct header))

static void test_good(void **state _unused_)
{
    assert_null(PROBLEM("HTTP/1.1", {"Host", "a"}, {"Content-Length", "2"}));
    assert_null(PROBLEM("HTTP/1.1", {"host", "a"}, {"transfer-encoding", "Chunked"}));
    assert_null(PROBLEM("HTTP/1.0", {"Content-Length", "2"}));
    // Others may come as often as they like, with blanks and text in them.
    assert_null(
        PROBLEM("HTTP/1.1", {"X-A", "b"}, {"X-A", "\tc \xc3\xa4"}, {"!#$%&'*+-.^_`|~9", ""}));
}

static void test_two_lengths(void **state _unused_)
{
    assert_non_null(PROBLEM("HTTP/1.1", {"Content-Length", "2"}, {"Content-Length", "2"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"Content-Length", "2"}, {"content-length", "3"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"Content-Length", "2"}, {"Transfer-Encoding", "chunked"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"Transfer-Encoding", "chunked"}, {"Content-Length", "2"}));
    assert_non_null(
        PROBLEM("HTTP/1.1", {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}));
}

static void test_codings(void **state _unused_)
{
    static const char *const bad[] = {"identity",         "gzip, chunked", "xchunked",
                                      "chunked, chunked", "chunked;a=b",   ""};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_non_null(PROBLEM("HTTP/1.1", {"Transfer-Encoding", bad[i]}));
    assert_non_null(PROBLEM("HTTP/1.0", {"Transfer-Encoding", "chunked"}));
}

static void test_twice(void **state _unused_)
{
    static const char *const names[] = {"Host",         "Authorization", "Cookie",
                                        "X-CSRF-Token", "Origin",        "Safeguard-Session",
                                        "Content-Type"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_null(PROBLEM("HTTP/1.1", {names[i], "a"}));
        assert_non_null(PROBLEM("HTTP/1.1", {names[i], "a"}, {"X-A", "b"}, {names[i], "a"}));
    }
}

static void test_forms(void **state _unused_)
{
    assert_non_null(PROBLEM("HTTP/1.1", {"Content-Length ", "2"}));
    assert_non_null(PROBLEM("HTTP/1.1", {" X", "2"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"", "2"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"X\xc3\xa4", "2"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"X-A", "b\rX-B: c"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"X-A", "b\x7f"}));
    assert_non_null(PROBLEM("HTTP/1.1", {"X-A", "b\0c", 2}));
    // The first problem stays, whatever comes behind it.
    assert_non_null(PROBLEM("HTTP/1.1", {"X-A", "\x1b"}, {"Host", "a"}));
}

UNIT_MAIN(cmocka_unit_test(test_good), cmocka_unit_test(test_two_lengths),
          cmocka_unit_test(test_codings), cmocka_unit_test(test_twice),
          cmocka_unit_test(test_forms))
