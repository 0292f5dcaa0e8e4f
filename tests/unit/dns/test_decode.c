// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include "base/macro.h"
#include "dns/decode.h"

static struct sg_dns_record sound(uint16_t type, unsigned n_answers)
{
    bool answer = type == SG_DNS_ANSWER;
    struct sg_dns_record r = {
        .size = (uint32_t)(offsetof(struct sg_dns_record, answers) +
                           n_answers * sizeof(struct sg_dns_answer)),
        .type = type,
        .time_ns = 5000,
        .duration_ns = answer ? 3000 : 0,
        .cookie = 9,
        .start_ns = 70,
        .tgid = 7,
        .uid = 1000,
        .server = {[10] = 0xff, 0xff, 127, 0, 0, 53},
        .local = {[10] = 0xff, 0xff, 127, 0, 0, 1},
        .server_port = 53,
        .local_port = 40000,
        .id = 0x1234,
        .qtype = SG_DNS_A,
        .qclass = SG_DNS_CLASS_IN,
        .header = answer ? 0x8183 : 0,
        .sent = answer,
        .records = (uint16_t)n_answers,
        .n_answers = (uint8_t)n_answers,
        .name_len = 11,
        .name = "one.example",
    };

    for (unsigned i = 0; i < n_answers; i++) {
        r.answers[i].addr[15] = (uint8_t)(i + 1);
        r.answers[i].ttl_s = 60 + i;
    }
    return r;
}

static int decode(const struct sg_dns_record *r)
{
    struct dns_record record;

    return dns_decode(r, r->size, &record);
}

static void test_question(void **state)
{
    struct sg_dns_record r = sound(SG_DNS_QUESTION, 0);
    struct dns_record d;

    (void)state;
    r.flags = SG_DNS_TCP;
    assert_int_equal(dns_decode(&r, r.size, &d), 0);
    assert_false(d.is_answer);
    assert_true(d.tcp);
    assert_string_equal(d.name, "one.example");
    assert_int_equal(d.process.tgid, 7);
    assert_int_equal(d.process.start_ns, 70);
    assert_int_equal(d.uid, 1000);
    assert_int_equal(d.server[15], 53);
    assert_int_equal(d.local_port, 40000);
}

static void test_answer(void **state)
{
    struct sg_dns_record r = sound(SG_DNS_ANSWER, SG_DNS_TOLD_MAX);
    struct dns_record d;

    (void)state;
    r.flags = SG_DNS_MORE | SG_DNS_PARTIAL | SG_DNS_IGNORED;
    assert_int_equal(dns_decode(&r, r.size, &d), 0);
    assert_true(d.is_answer && d.more && d.partial && d.ignored && !d.tcp);
    assert_int_equal(SG_DNS_RCODE(d.header), 3);
    assert_int_equal(d.n_answers, SG_DNS_TOLD_MAX);
    assert_int_equal(d.answers[15].address[15], 16);
    assert_int_equal(d.answers[15].ttl_s, 75);
    assert_int_equal(d.duration_ns, 3000);
}

// Whoever is not known is nobody, whatever the other fields have.
static void test_nobody(void **state)
{
    struct sg_dns_record r = sound(SG_DNS_QUESTION, 0);
    struct dns_record d;

    (void)state;
    r.flags = SG_DNS_NOBODY;
    assert_int_equal(dns_decode(&r, r.size, &d), 0);
    assert_int_equal(d.process.tgid, 0);
    assert_int_equal(d.uid, ID_NONE);
}

static void test_lengths(void **state)
{
    struct sg_dns_record r = sound(SG_DNS_ANSWER, 2);
    struct dns_record d;

    (void)state;
    for (size_t len = 0; len < r.size; len++) {
        _cleanup_free_ void *exact = malloc(len + 1);

        assert_non_null(exact);
        memcpy(exact, &r, len);
        assert_int_equal(dns_decode(exact, len, &d), -EBADMSG);
    }
    assert_int_equal(dns_decode(&r, r.size, &d), 0);
    // Rings round up.
    assert_int_equal(dns_decode(&r, r.size + 4, &d), 0);
}

static void test_contradictions(void **state)
{
#define BAD(type, n, change)                     \
    do {                                         \
        struct sg_dns_record r = sound(type, n); \
                                                 \
        assert_int_equal(decode(&r), 0);         \
        change;                                  \
        assert_int_equal(decode(&r), -EBADMSG);  \
    } while (0)

    (void)state;
    BAD(SG_DNS_QUESTION, 0, r.type = 0);
    BAD(SG_DNS_QUESTION, 0, r.type = 3);
    BAD(SG_DNS_QUESTION, 0, r.sent = 1);
    BAD(SG_DNS_QUESTION, 0, r.duration_ns = 1);
    BAD(SG_DNS_QUESTION, 0, r.reason = SG_DNS_CUT);
    BAD(SG_DNS_ANSWER, 1, r.n_answers = 0);
    BAD(SG_DNS_ANSWER, 1, r.n_answers = SG_DNS_TOLD_MAX + 1);
    BAD(SG_DNS_ANSWER, 1, r.size += 1);
    BAD(SG_DNS_ANSWER, 1, r.flags = 1u << 7);
    BAD(SG_DNS_ANSWER, 1, r.sent = 0);
    BAD(SG_DNS_ANSWER, 1, r.duration_ns = r.time_ns + 1);
    BAD(SG_DNS_ANSWER, 1, r.reason = SG_DNS_CUT; r.flags = SG_DNS_BAD);
    BAD(SG_DNS_ANSWER, 0, r.reason = SG_DNS_CUT);
    BAD(SG_DNS_ANSWER, 0, r.flags = SG_DNS_BAD);
    BAD(SG_DNS_ANSWER, 0, r.reason = SG_DNS_REASONS; r.flags = SG_DNS_BAD);
    BAD(SG_DNS_ANSWER, 0, r.name_len = SG_NET_NAME_MAX + 1);
    BAD(SG_DNS_ANSWER, 0, r.name_len = 10);
    BAD(SG_DNS_ANSWER, 0, r.name_len = 12);
    BAD(SG_DNS_ANSWER, 0, r.name[3] = 0);
#undef BAD
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(dns_type_name(28), "AAAA");
    assert_string_equal(dns_type_name(65), "HTTPS");
    assert_null(dns_type_name(3));
    assert_string_equal(dns_rcode_name(3), "NXDomain");
    assert_null(dns_rcode_name(15));
    for (unsigned i = 0; i < SG_DNS_REASONS; i++)
        assert_non_null(dns_reason_name((enum sg_dns_reason)i));
    assert_null(dns_reason_name((enum sg_dns_reason)SG_DNS_REASONS));
}

UNIT_MAIN(cmocka_unit_test(test_question), cmocka_unit_test(test_answer),
          cmocka_unit_test(test_nobody), cmocka_unit_test(test_lengths),
          cmocka_unit_test(test_contradictions), cmocka_unit_test(test_words))
