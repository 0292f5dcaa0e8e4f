// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "transport/token.h"

static const uint8_t fingerprint[TOKEN_FINGERPRINT] = {1, 2, 3, [31] = 0xff};

static void test_round_trip(void **state)
{
    static const char *const urls[] = {NULL, "https://a:1", "https://[::1]:8443",
                                       "https://a.b.example:8443"};
    char text[TOKEN_TEXT_MAX], hash[TOKEN_HASH_TEXT], again[TOKEN_HASH_TEXT];
    struct token token, got;
    struct error err = {};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        assert_int_equal(token_new(fingerprint, urls[i], &token, &err), 0);
        assert_int_equal(token_format(&token, text), 0);
        assert_int_equal(token_parse(text, &got, &err), 0);
        assert_memory_equal(got.fingerprint, fingerprint, sizeof(fingerprint));
        assert_memory_equal(got.secret, token.secret, TOKEN_SECRET);
        assert_string_equal(got.url, strempty(urls[i]));
        assert_int_equal(token_hash(token.secret, hash), 0);
        assert_int_equal(token_hash(got.secret, again), 0);
        assert_int_equal(strlen(hash), 64);
        assert_string_equal(hash, again);
        assert_null(strstr(text, hash));
    }
    assert_int_equal(token_new(fingerprint, NULL, &got, &err), 0);
    assert_memory_not_equal(got.secret, token.secret, TOKEN_SECRET);
}

static void test_longest_url(void **state)
{
    char url[TOKEN_URL_MAX + 2] = "https://", text[TOKEN_TEXT_MAX];
    struct token token, got;
    struct error err = {};

    (void)state;
    memset(url + 8, 'a', TOKEN_URL_MAX - 8 - 5);
    memcpy(url + TOKEN_URL_MAX - 5, ":8443", 6);
    assert_int_equal(strlen(url), TOKEN_URL_MAX);
    assert_int_equal(token_new(fingerprint, url, &token, &err), 0);
    assert_int_equal(token_format(&token, text), 0);
    assert_int_equal(token_parse(text, &got, &err), 0);
    assert_string_equal(got.url, url);
    memcpy(url + TOKEN_URL_MAX - 5, "a:8443", 7);
    assert_int_equal(token_new(fingerprint, url, &token, &err), -EINVAL);
}

static void test_damaged_tokens(void **state)
{
    char text[TOKEN_TEXT_MAX], copy[TOKEN_TEXT_MAX];
    struct token token, got;
    struct error err = {};
    size_t len;

    (void)state;
    assert_int_equal(token_new(fingerprint, "https://server.example:8443", &token, &err), 0);
    assert_int_equal(token_format(&token, text), 0);
    len = strlen(text);
    for (size_t n = 0; n < len; n++) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        assert_int_equal(token_parse(copy, &got, &err), -EINVAL);
        assert_true(*err.cure);
    }
    // One letter that is another one; also the same bytes written in another way.
    for (size_t i = 0; i < len; i++) {
        for (const char *c = "AaZz09-_.+/=\x7f\x80"; *c; c++) {
            if (text[i] == *c)
                continue;
            memcpy(copy, text, len + 1);
            copy[i] = *c;
            assert_int_equal(token_parse(copy, &got, &err), -EINVAL);
        }
    }
}

static void test_blanks_around(void **state)
{
    char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 8];
    struct token token, got;

    (void)state;
    assert_int_equal(token_new(fingerprint, NULL, &token, NULL), 0);
    assert_int_equal(token_format(&token, text), 0);
    (void)snprintf(padded, sizeof(padded), " \n%s\r\n", text);
    assert_int_equal(token_parse(padded, &got, NULL), 0);
    (void)snprintf(padded, sizeof(padded), "%s x", text);
    assert_int_equal(token_parse(padded, &got, NULL), -EINVAL);
    assert_int_equal(token_parse(NULL, &got, NULL), -EINVAL);
    assert_int_equal(token_parse("", &got, NULL), -EINVAL);
}

static void test_errors_do_not_quote_the_secret(void **state)
{
    char text[TOKEN_TEXT_MAX];
    struct token token, got;
    struct error err = {};

    (void)state;
    assert_int_equal(token_new(fingerprint, NULL, &token, &err), 0);
    assert_int_equal(token_format(&token, text), 0);
    text[strlen(text) - 2] ^= 1;
    assert_int_equal(token_parse(text, &got, &err), -EINVAL);
    assert_null(strstr(err.what, text + 10));
    assert_null(strstr(err.cure, text + 10));
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *normal; // NULL: refused
    } rows[] = {
        {"https://a", "https://a:8443"},
        {"https://a/", "https://a:8443"},
        {"https://a:443", "https://a:443"},
        {"https://10.0.0.1:1/", "https://10.0.0.1:1"},
        {"https://[2001:db8::1]", "https://[2001:db8::1]:8443"},
        {"HTTPS://a", "https://a:8443"},
        {"", NULL},
        {"a", NULL},
        {"a:8443", NULL},
        {"http://a", NULL},
        {"ftp://a", NULL},
        {"https://", NULL},
        {"https://a/b", NULL},
        {"https://a?x", NULL},
        {"https://a#x", NULL},
        {"https://u@a", NULL},
        {"https://u:p@a", NULL},
        {"https://a b", NULL},
        {"https://a\n", NULL},
        {"https://a:0x", NULL},
        {"https://a:99999", NULL},
        {"https://\xc3\xa4", NULL},
        {"https://[fe80::1%25eth0]", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char url[TOKEN_URL_MAX + 1] = "untouched", again[TOKEN_URL_MAX + 1];
        struct error err = {};
        int r = server_url_normalise(rows[i].url, url, &err);

        assert_int_equal(r, rows[i].normal ? 0 : -EINVAL);
        assert_string_equal(url, rows[i].normal ? rows[i].normal : "untouched");
        if (r == 0) {
            assert_int_equal(server_url_normalise(url, again, &err), 0);
            assert_string_equal(url, again);
        } else {
            assert_true(*err.expected);
        }
    }
}

// Tokens and hashes that are out there have to stay good.
static void test_first_version(void **state)
{
    static const char text[] =
        "sg1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9AQUJDREVGR0hJSktMTU5PBnD2S2h0dHBzOi8vZ3VhcmQuZXhh"
        "bXBsZTo4NDQz";
    char hash[TOKEN_HASH_TEXT];
    struct token token;

    (void)state;
    assert_int_equal(token_parse(text, &token, NULL), 0);
    assert_string_equal(token.url, "https://guard.example:8443");
    for (unsigned i = 0; i < TOKEN_FINGERPRINT; i++)
        assert_int_equal(token.fingerprint[i], i);
    for (unsigned i = 0; i < TOKEN_SECRET; i++)
        assert_int_equal(token.secret[i], 0x40 + i);
    assert_int_equal(token_hash(token.secret, hash), 0);
    assert_string_equal(hash, "6257a9d75d9d457298aa2308dc2c898302d8784a19979f3c448034b303b4a882");
}

UNIT_MAIN(cmocka_unit_test(test_first_version), cmocka_unit_test(test_round_trip),
          cmocka_unit_test(test_longest_url), cmocka_unit_test(test_damaged_tokens),
          cmocka_unit_test(test_blanks_around),
          cmocka_unit_test(test_errors_do_not_quote_the_secret), cmocka_unit_test(test_urls))
