// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "tests/unit/abi/dns.h"

#define A1       "\xc0\x00\x02\x01" // 192.0.2.1
#define A2       "\xc0\x00\x02\x02"
#define AAAA1    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define RESPONSE 0x8180

static struct sg_dns d;
static struct message m;

static void assert_name(const char *name)
{
    assert_int_equal(d.name_len, strlen(name));
    assert_string_equal((const char *)d.name, name);
}

static void test_question(void **state)
{
    (void)state;
    begin(&m, 0xbeef, 0x0100, 0);
    put_question(&m, "WwW.Example.COM", SG_DNS_AAAA);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.id, 0xbeef);
    assert_int_equal(d.header, 0x0100);
    assert_int_equal(d.qtype, SG_DNS_AAAA);
    assert_int_equal(d.qclass, 1);
    assert_int_equal(d.unusable, 0);
    assert_name("www.example.com");
    // Zero bytes behind it: it is compared and summed up by words.
    for (size_t i = d.name_len; i < sizeof(d.name); i++)
        assert_int_equal(d.name[i], 0);

    // The root has a name of no byte.
    begin(&m, 1, 0x0100, 0);
    put_question(&m, "", 2);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_name("");
}

// With what a resolver adds today: an OPT record with a cookie, in the additional section, which is not looked at.
static void test_edns(void **state)
{
    static const uint8_t opt[] = {0,  0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 12, 0,
                                  10, 0, 8,  1,    2,    3, 4, 5,    6, 7, 8};

    (void)state;
    begin(&m, 7, 0x0120, 0);
    m.bytes[11] = 1;
    put_question(&m, "edns.example", SG_DNS_A);
    put(&m, opt, sizeof(opt));
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_name("edns.example");

    begin(&m, 7, RESPONSE, 1);
    m.bytes[11] = 2;
    put_question(&m, "edns.example", SG_DNS_A);
    put_a(&m, "@12", 300, A1);
    // An address that nobody asked for, in the additional section.
    put_a(&m, "bank.example", 300, A2);
    put(&m, opt, sizeof(opt));
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.addresses, 1);
}

static void test_addresses(void **state)
{
    static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
    uint8_t address[16];

    (void)state;
    begin(&m, 7, RESPONSE, 2);
    put_question(&m, "a.example", SG_DNS_A);
    put_a(&m, "@12", 300, A1);
    put_a(&m, "A.EXAMPLE", 0x80000005u, A2);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 2);
    assert_int_equal(d.rr[0].ttl_s, 300);
    assert_int_equal(d.rr[1].ttl_s, 0);
    sg_dns_address(m.bytes, &d.rr[0], address);
    assert_memory_equal(address, v4, 16);

    begin(&m, 7, RESPONSE, 2);
    put_question(&m, "a.example", SG_DNS_AAAA);
    put_record(&m, "@12", SG_DNS_AAAA, 60, AAAA1, 16);
    put_a(&m, "@12", 300, A1); // of the other type than was asked for
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 1);
    assert_int_equal(d.rr[0].taken, 1);
    assert_int_equal(d.rr[1].taken, 0);
    sg_dns_address(m.bytes, &d.rr[0], address);
    assert_memory_equal(address, AAAA1, 16);

    m.bytes[12 + 11 + 1] = SG_DNS_ANY;
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 2);
}

static void test_life(void **state)
{
    static const struct {
        unsigned ttl, chain, life;
    } rows[] = {
        {0, ~0u, 60}, {59, ~0u, 60},       {61, ~0u, 61},       {600, 300, 300},
        {600, 3, 60}, {86400, ~0u, 86400}, {86401, ~0u, 86400}, {0x7fffffff, ~0u, 86400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sg_dns_rr rr = {.ttl_s = rows[i].ttl};

        d.ttl_s = rows[i].chain;
        assert_int_equal(sg_dns_life(&d, &rr), rows[i].life);
    }
}

static void test_chain(void **state)
{
    (void)state;
    begin(&m, 7, RESPONSE, 4);
    put_question(&m, "www.example", SG_DNS_A);
    put_cname(&m, "@12", 30, "cdn.other");
    put_cname(&m, "cdn.other", 20, "edge.third");
    put_a(&m, "edge.third", 300, A1);
    put_a(&m, "bank.example", 300, A2); // poison: of no name in the chain
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 1);
    assert_int_equal(d.rr[2].taken, 1);
    assert_int_equal(d.rr[3].taken, 0);
    assert_int_equal(d.ttl_s, 20);
    assert_name("www.example");

    // In another order.
    begin(&m, 7, RESPONSE, 3);
    put_question(&m, "www.example", SG_DNS_A);
    put_a(&m, "edge.third", 300, A1);
    put_cname(&m, "cdn.other", 20, "edge.third");
    put_cname(&m, "@12", 30, "cdn.other");
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 1);

    // Somebody else's chain.
    begin(&m, 7, RESPONSE, 2);
    put_question(&m, "www.example", SG_DNS_A);
    put_cname(&m, "www.example.com", 30, "cdn.other");
    put_a(&m, "cdn.other", 300, A1);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 0);
}

// SG_DNS_CHAIN_MAX of them are followed, one more is not, and neither is a circle.
static void test_long_chain(void **state)
{
    char owner[16], target[16];

    (void)state;
    for (unsigned n = SG_DNS_CHAIN_MAX; n <= SG_DNS_CHAIN_MAX + 1; n++) {
        begin(&m, 7, RESPONSE, n + 1);
        put_question(&m, "n0", SG_DNS_A);
        for (unsigned i = 0; i < n; i++) {
            (void)snprintf(owner, sizeof(owner), "n%u", i);
            (void)snprintf(target, sizeof(target), "n%u", i + 1);
            put_cname(&m, owner, 30, target);
        }
        put_a(&m, target, 30, A1);
        assert_int_equal(parse(&m, &d), n > SG_DNS_CHAIN_MAX ? SG_DNS_CHAIN : SG_DNS_FINE);
    }
    begin(&m, 7, RESPONSE, 3);
    put_question(&m, "n0", SG_DNS_A);
    put_cname(&m, "n0", 30, "n1");
    put_cname(&m, "n1", 30, "n0");
    put_a(&m, "n1", 30, A1);
    assert_int_equal(parse(&m, &d), SG_DNS_CHAIN);
}

static void test_unusable(void **state)
{
    static const struct {
        const char *wire; // the label's length and the label
        size_t len;
        const char *text;
    } rows[] = {
        {"\3a.b", 4, "a?b"},       {"\3a/b", 4, "a?b"},  {"\3a b", 4, "a?b"},
        {"\3a\0b", 4, "a?b"},      {"\3a\nb", 4, "a?b"}, {"\3a\x7f\x62", 4, "a?b"},
        {"\3a\xc3\xa9", 4, "a??"}, {"\1\1", 2, "?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(&m, 7, 0x0100, 0);
        put(&m, rows[i].wire, rows[i].len);
        put_question(&m, "example", SG_DNS_A);
        assert_int_equal(parse(&m, &d), SG_DNS_FINE);
        assert_true(d.unusable > 0);
        assert_memory_equal(d.name, rows[i].text, strlen(rows[i].text));
    }
    // What is printable otherwise is a name.
    begin(&m, 7, 0x0100, 0);
    put_question(&m, "_sip~!$*-0.xn--bcher-kva.example", SG_DNS_A);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.unusable, 0);
}

// A name of 253 characters is one, a longer one is not.
static void test_longest_name(void **state)
{
    char name[256];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[63] = name[127] = name[191] = '.';
    for (size_t len = 253; len <= 254; len++) {
        name[len] = '\0';
        begin(&m, 7, 0x0100, 0);
        put_question(&m, name, SG_DNS_A);
        assert_int_equal(parse(&m, &d), len == 253 ? SG_DNS_FINE : SG_DNS_NAME_LONG);
        name[len] = 'x';
    }
    assert_int_equal(sg_dns_is_usable('.'), 0);
    name[253] = '\0';
    begin(&m, 7, 0x0100, 0);
    put_question(&m, name, SG_DNS_A);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_name(name);
}

static void test_pointers(void **state)
{
    static const struct {
        const char *owner;
        unsigned reason;
    } rows[] = {
        {"@12", SG_DNS_FINE},       // the question
        {"x@16", SG_DNS_FINE},      // … from its second label on
        {"x@14", SG_DNS_LABEL},     // … from the middle of a label on
        {"@11", SG_DNS_POINTER},    // into the header
        {"@0", SG_DNS_POINTER},     //
        {"@29", SG_DNS_POINTER},    // to itself: the answers begin at 29
        {"x@29", SG_DNS_POINTER},   // to the label in front of it
        {"@31", SG_DNS_POINTER},    // forward
        {"@16383", SG_DNS_POINTER}, // out of the message
    };
    char owner[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(&m, 7, RESPONSE, 1);
        put_question(&m, "www.example", SG_DNS_A);
        assert_int_equal(m.len, 29);
        put_a(&m, rows[i].owner, 30, A1);
        assert_int_equal(parse(&m, &d), rows[i].reason);
    }
    // Each leads to the one before it: as many as are followed, and one more.
    for (unsigned n = SG_DNS_POINTERS_MAX; n <= SG_DNS_POINTERS_MAX + 1; n++) {
        begin(&m, 7, RESPONSE, n);
        put_question(&m, "www.example", SG_DNS_A);
        (void)snprintf(owner, sizeof(owner), "@12");
        for (unsigned i = 0; i < n; i++) {
            size_t at = m.len;

            put_a(&m, owner, 30, A1);
            (void)snprintf(owner, sizeof(owner), "@%zu", at);
        }
        assert_int_equal(parse(&m, &d), n > SG_DNS_POINTERS_MAX ? SG_DNS_POINTERS : SG_DNS_FINE);
    }
    // Two that lead to each other.
    begin(&m, 7, 0x0100, 0);
    put16(&m, 0xc00e);
    put16(&m, 0xc00c);
    put32(&m, 0x10001);
    assert_int_equal(parse(&m, &d), SG_DNS_POINTER);
}

static void test_header(void **state)
{
    static const struct {
        unsigned header, questions, class, reason;
    } rows[] = {
        {0x0100, 1, 1, SG_DNS_FINE},         {0x2800, 1, 1, SG_DNS_OPCODE_OTHER}, // an update
        {0x2000, 1, 1, SG_DNS_OPCODE_OTHER}, {0x0100, 0, 1, SG_DNS_QUESTIONS},
        {0x0100, 2, 1, SG_DNS_QUESTIONS},    {0x0100, 65535, 1, SG_DNS_QUESTIONS},
        {0x0100, 1, 3, SG_DNS_CLASS},        {0x0100, 1, 255, SG_DNS_CLASS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(&m, 7, rows[i].header, 0);
        m.bytes[4] = (uint8_t)(rows[i].questions >> 8);
        m.bytes[5] = (uint8_t)rows[i].questions;
        put_question(&m, "a", SG_DNS_A);
        m.bytes[m.len - 1] = (uint8_t)rows[i].class;
        assert_int_equal(parse(&m, &d), rows[i].reason);
    }
    m.len = SG_DNS_MESSAGE_MAX + 1;
    assert_int_equal(parse(&m, &d), SG_DNS_LONG);
}

// Cut anywhere: a reason, and no byte behind its end is read.
static void test_cut(void **state)
{
    size_t len, first;

    (void)state;
    begin(&m, 7, RESPONSE, 3);
    put_question(&m, "www.example", SG_DNS_AAAA);
    first = m.len;
    put_cname(&m, "@12", 30, "cdn@16");
    put_record(&m, "cdn@16", SG_DNS_AAAA, 60, AAAA1, 16);
    put_a(&m, "@12", 300, A1);
    len = m.len;
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 1);
    for (m.len = 0; m.len < len; m.len++)
        assert_int_equal(parse(&m, &d), m.len < 12 ? SG_DNS_SHORT : SG_DNS_CUT);
    // Fewer records than the header says.
    m.len = first;
    assert_int_equal(parse(&m, &d), SG_DNS_CUT);
}

static void test_data(void **state)
{
    (void)state;
    begin(&m, 7, RESPONSE, 1);
    put_question(&m, "a", SG_DNS_A);
    put_record(&m, "@12", SG_DNS_A, 30, AAAA1, 5);
    assert_int_equal(parse(&m, &d), SG_DNS_DATA);

    begin(&m, 7, RESPONSE, 1);
    put_question(&m, "a", SG_DNS_AAAA);
    put_record(&m, "@12", SG_DNS_AAAA, 30, AAAA1, 4);
    assert_int_equal(parse(&m, &d), SG_DNS_DATA);

    // A name that ends before its data do, and one that ends behind them.
    for (size_t len = 2; len <= 4; len++) {
        begin(&m, 7, RESPONSE, 2);
        put_question(&m, "a", SG_DNS_A);
        put_record(&m, "@12", SG_DNS_CNAME, 30, "\1b\0\0", len);
        put_a(&m, "", 30, A1);
        assert_int_equal(parse(&m, &d), len == 3 ? SG_DNS_FINE : SG_DNS_DATA);
    }
    // Data that are longer than the message.
    begin(&m, 7, RESPONSE, 1);
    put_question(&m, "a", SG_DNS_A);
    put_a(&m, "@12", 30, A1);
    m.bytes[m.len - 6] = 0xff;
    assert_int_equal(parse(&m, &d), SG_DNS_CUT);

    // Labels of kinds that there are not.
    for (unsigned kind = 0x40; kind <= 0x80; kind += 0x40) {
        begin(&m, 7, 0x0100, 0);
        put_question(&m, "a", SG_DNS_A);
        m.bytes[12] = (uint8_t)(kind | 1);
        assert_int_equal(parse(&m, &d), SG_DNS_LABEL);
    }
    // A record of another class is none of an address.
    begin(&m, 7, RESPONSE, 1);
    put_question(&m, "a", SG_DNS_A);
    put_a(&m, "@12", 30, A1);
    m.bytes[m.len - 11] = 3;
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.addresses, 0);
}

// More than are looked at: the first ones are taken.
static void test_many(void **state)
{
    (void)state;
    begin(&m, 7, RESPONSE, 100);
    put_question(&m, "a", SG_DNS_A);
    for (int i = 0; i < 100; i++)
        put_a(&m, "@12", 30, A1);
    assert_int_equal(parse(&m, &d), SG_DNS_FINE);
    assert_int_equal(d.records, 100);
    assert_int_equal(d.n, SG_DNS_ANSWERS_MAX);
    assert_int_equal(d.addresses, SG_DNS_ANSWERS_MAX);
}

UNIT_MAIN(cmocka_unit_test(test_question), cmocka_unit_test(test_edns),
          cmocka_unit_test(test_addresses), cmocka_unit_test(test_life),
          cmocka_unit_test(test_chain), cmocka_unit_test(test_long_chain),
          cmocka_unit_test(test_unusable), cmocka_unit_test(test_longest_name),
          cmocka_unit_test(test_pointers), cmocka_unit_test(test_header),
          cmocka_unit_test(test_cut), cmocka_unit_test(test_data), cmocka_unit_test(test_many))
