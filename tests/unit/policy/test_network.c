// SPDX-License-Identifier: Apache-2.0
//
// The section `network`: what rules say of ends is what the words of accesses come to, compared with arithmetic on the addresses
// themselves.
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "abi/network.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "policy/ends.h"
#include "policy/explain.h"
#include "tests/unit/policy/compiled.h"

#define NETWORK "safeguard: 1\nmode: enforce\nsubjects:\n  web: {user: 33}\nnetwork:\n"

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

// What is decided about "tcp:10.0.0.1:443", asked by a user; the rule's number, -1: none.
static int decided(const struct policy_image *image, enum sg_control kind, const char *end,
                   uint32_t uid, uint8_t *ret_verdict)
{
    struct policy_control control;
    struct policy_query q = {.control = &control,
                             .ops = SG_OP_CONTROL,
                             .facts = {.uid = uid, .session = -1}};
    struct policy_decision d;

    if (policy_control_from_word(kind, end, &control) < 0)
        fail_msg("%s is no end", end);
    assert_int_equal(policy_explain(image, &q, &d), 0);
    *ret_verdict = d.overall.matched ? d.overall.verdict : SG_ALLOW;
    return d.overall.matched ? d.overall.rule : -1;
}

static int rule_of(const struct policy_image *image, enum sg_control kind, const char *end)
{
    uint8_t verdict;

    return decided(image, kind, end, 0, &verdict);
}

struct end_rule {
    const char *end;
    int rule; // -1: none
};

static void check_rules(const struct policy_image *image, const struct end_rule *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rule_of(image, SG_CONTROL_connect, rows[i].end) != rows[i].rule)
            fail_msg("%s is decided by rule %d", rows[i].end,
                     rule_of(image, SG_CONTROL_connect, rows[i].end));
}

static void test_ends(void **state)
{
    struct policy_image *image = compile(NETWORK
                                         "  - {to: 10.0.0.0/8, do: deny}\n"
                                         "  - {to: \"[fc00::]/7:443\", protocol: tcp, do: deny}\n"
                                         "  - {to: \"192.0.2.1:80-90\", do: deny}\n"
                                         "  - {to: \"::ffff:198.51.100.0/120\", do: deny}\n"
                                         "  - {to: loopback, port: [22, 8000-8100], do: deny}\n"
                                         "  - {to: public, protocol: [udp, icmp], do: deny}\n"
                                         "  - {to: 203.0.113.7, do: deny}\n");
    static const struct end_rule rows[] = {
        {"tcp:10.0.0.0:1", 0},        {"udp:10.255.255.255:65535", 0}, {"tcp:9.255.255.255:1", -1},
        {"tcp:11.0.0.0:1", -1},       {"tcp:[::ffff:10.1.2.3]:1", 0},  {"tcp:[fc00::1]:443", 1},
        {"tcp:[fdff:ffff::]:443", 1}, {"udp:[fc00::1]:443", -1},       {"tcp:[fc00::1]:444", -1},
        {"tcp:[fe00::1]:443", -1},    {"tcp:192.0.2.1:80", 2},         {"udp:192.0.2.1:90", 2},
        {"tcp:192.0.2.1:79", -1},     {"tcp:192.0.2.1:91", -1},        {"tcp:198.51.100.255:5", 3},
        {"tcp:198.51.101.0:5", -1},   {"tcp:127.3.2.1:22", 4},         {"tcp:[::1]:8050", 4},
        {"tcp:[::2]:8050", -1},       {"tcp:127.0.0.1:8101", -1},      {"udp:8.8.8.8:53", 5},
        {"icmp:8.8.8.8", 5},          {"tcp:8.8.8.8:53", -1},          {"udp:192.168.1.1:53", -1},
        {"udp:100.64.0.1:53", -1},    {"udp:100.128.0.1:53", 5},       {"udp:169.254.0.1:53", -1},
        {"udp:224.0.0.1:53", -1},     {"udp:0.1.2.3:53", -1},          {"udp:[2a00::1]:53", 5},
        {"udp:[fe80::1]:53", -1},     {"udp:[64:ff9b::1]:53", 5},      {"sctp:203.0.113.7:9", 6},
        {"tcp:203.0.113.8:9", -1},
    };

    (void)state;
    check_rules(image, rows, ARRAY_SIZE(rows));
    assert_int_equal(rule_of(image, SG_CONTROL_send, "udp:10.1.1.1:5"), 0);
    assert_int_equal(rule_of(image, SG_CONTROL_accept, "tcp:10.1.1.1:5"), -1);
    policy_image_free(image);
}

// Which accesses a rule is about.
static void test_accesses(void **state)
{
    static const struct {
        const char *rule;
        uint64_t kinds;
    } rows[] = {
#define BIT(kind) SG_BIT(SG_CONTROL_##kind)
        {"{do: deny}", SG_NET_KINDS},
        {"{direction: any, do: deny}", SG_NET_KINDS},
        {"{direction: out, do: deny}", BIT(connect) | BIT(send)},
        {"{direction: in, do: deny}", BIT(listen) | BIT(accept) | BIT(receive)},
        {"{direction: in, from: 10.0.0.0/8, do: deny}", BIT(accept) | BIT(receive)},
        {"{to: 10.0.0.0/8, do: deny}", BIT(connect) | BIT(send)},
        {"{from: 10.0.0.0/8, do: deny}", BIT(accept) | BIT(receive)},
        {"{at: 10.0.0.0/8, do: deny}", BIT(bind) | BIT(listen)},
        {"{access: bind, do: deny}", BIT(bind)},
        {"{access: [connect, accept], do: deny}", BIT(connect) | BIT(accept)},
        {"{access: send, to: any, do: deny}", BIT(send)},
        {"{port: 1000, do: deny}", SG_NET_KINDS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy_image *image;

        sb_printf(&sb, NETWORK "  - %s\n", rows[i].rule);
        image = compile(sb_str(&sb));
        for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++) {
            if (!(SG_NET_KINDS >> kind & 1))
                continue;
            if ((rule_of(image, kind, "tcp:10.0.0.1:1000") == 0) != (rows[i].kinds >> kind & 1))
                fail_msg("%s and %s", rows[i].rule, policy_control_name(kind));
        }
        assert_int_equal(policy_image_head(image)->controls, rows[i].kinds);
        policy_image_free(image);
    }
}

static void test_subjects_and_order(void **state)
{
    struct policy_image *image = compile(
        NETWORK "  - {by: web, to: \"10.0.0.9:5432\", do: allow}\n"
                "  - {by: web, direction: out, do: {errno: ECONNREFUSED}}\n"
                "  - {to: 10.0.0.0/24, do: audit}\n");
    uint8_t verdict;

    (void)state;
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:10.0.0.9:5432", 33, &verdict), 0);
    assert_int_equal(verdict, SG_ALLOW);
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:10.0.0.9:5433", 33, &verdict), 1);
    assert_int_equal(verdict, SG_DENY);
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:10.0.0.9:5432", 0, &verdict), 2);
    assert_int_equal(verdict, SG_AUDIT);
    policy_image_free(image);
}

struct range_rule {
    uint8_t addr[16];
    unsigned family, bits, from, to;
};

static bool holds(const struct range_rule *r, const struct ends_asked *a)
{
    if (r->family != a->family || a->port < r->from || a->port > r->to)
        return false;
    for (unsigned i = 0; i < r->bits; i++)
        if ((r->addr[i / 8] ^ a->addr[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static void random_rule(struct range_rule *r, struct strbuf *sb)
{
    unsigned width;
    char text[INET6_ADDRSTRLEN];

    *r = (struct range_rule){.family = random_below(2) ? SG_NET_IPV4 : SG_NET_IPV6};
    width = r->family == SG_NET_IPV4 ? 32 : 128;
    r->bits = random_below(4) ? random_below(12) : random_below(width + 1);
    for (unsigned i = 0; i < r->bits; i++)
        r->addr[i / 8] |= (uint8_t)(random_below(2) << (7 - i % 8));
    // ::ffff:a.b.c.d is another family.
    if (r->family == SG_NET_IPV6 && r->bits > 0)
        r->addr[0] |= 0x80;
    r->from = random_below(3) ? random_below(65536) : 0;
    r->to = random_below(3) ? r->from + random_below(65536 - r->from) : 65535;
    inet_ntop(r->family == SG_NET_IPV4 ? AF_INET : AF_INET6, r->addr, text, sizeof(text));
    sb_printf(sb, "  - {access: connect, to: \"[%s]/%u:%u-%u\", do: deny}\n", text, r->bits,
              r->from, r->to);
}

static void random_asked(const struct range_rule *rules, size_t n, struct ends_asked *a)
{
    const struct range_rule *r = &rules[random_below((uint32_t)n)];
    unsigned width = r->family == SG_NET_IPV4 ? 32 : 128;
    uint32_t edges[] = {r->from, r->to, r->from - 1, r->to + 1, random_below(65536)};

    *a = (struct ends_asked){.family = (uint8_t)r->family, .protocol = IPPROTO_TCP};
    memcpy(a->addr, r->addr, sizeof(a->addr));
    for (unsigned i = r->bits; i < width; i++)
        if (random_below(2))
            a->addr[i / 8] |= (uint8_t)(0x80u >> i % 8);
    if (random_below(4) == 0)
        a->addr[random_below(width) / 8] ^= (uint8_t)(1u << random_below(8));
    if (a->family == SG_NET_IPV6)
        a->addr[0] |= 0x80;
    a->port = (uint16_t)edges[random_below(ARRAY_SIZE(edges))];
}

static void test_random(void **state)
{
    enum { RULES = 12, ROUNDS = 60, ASKED = 400 };

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct range_rule rules[RULES];
        struct policy_image *image;
        struct ends_asked a;

        sb_puts(&sb, NETWORK);
        for (size_t i = 0; i < RULES; i++)
            random_rule(&rules[i], &sb);
        image = compile(sb_str(&sb));
        for (unsigned k = 0; k < ASKED; k++) {
            const struct sg_state *states = section(image, policy_image_head(image)->states_off);
            char word[SG_NET_WORD_MAX];
            bool expected = false;
            uint32_t at;
            size_t len;

            random_asked(rules, RULES, &a);
            for (size_t i = 0; i < RULES; i++)
                expected = expected || holds(&rules[i], &a);
            len = ends_word(&a, false, word);
            at = policy_image_walk(image,
                                   policy_image_head(image)->control_state[SG_CONTROL_connect],
                                   word, len);
            if (!!(states[at].ops & SG_OP_CONTROL) != expected)
                fail_msg("round %u, port %u: %s", round, a.port, sb_str(&sb));
        }
        policy_image_free(image);
    }
}

// No byte of a word is one that words cannot have, whatever the numbers.
static void test_bytes(void **state)
{
    struct ends_asked a = {.family = SG_NET_IPV6};
    char word[SG_NET_WORD_MAX];

    (void)state;
    for (unsigned p = 0; p < 256; p++) {
        a.protocol = (uint8_t)p;
        memset(a.addr, (int)p, sizeof(a.addr));
        a.port = (uint16_t)(p << 8);
        assert_int_equal(ends_word(&a, false, word), SG_NET_WORD_MAX);
        assert_null(memchr(word, '\0', sizeof(word)));
        assert_null(memchr(word, '/', sizeof(word)));
    }
    a.family = SG_NET_IPV4;
    assert_int_equal(ends_word(&a, false, word), 10);
}

// A thousand networks with ports of their own: as many states as they have bytes, not more for each other.
static void test_many(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;
    uint8_t verdict;

    (void)state;
    sb_puts(&sb, NETWORK);
    for (unsigned i = 0; i < 1000; i++)
        sb_printf(&sb, "  - {access: connect, to: \"10.%u.%u.0/24:%u-%u\", do: deny}\n", i / 256,
                  i % 256, 1000 + i, 3000 + 7 * i);
    sb_puts(&sb, "  - {access: connect, to: any, port: [22, 443], do: audit}\n");
    image = compile(sb_str(&sb));
    assert_in_range(image->stats.n_states, 1000, 60000);
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:10.3.4.5:1900", 0, &verdict), 772);
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:10.3.4.5:22", 0, &verdict), 1000);
    policy_image_free(image);
}

// Names, beside the addresses that they were answered for.
static void test_names(void **state)
{
    struct policy_image *image = compile(
        NETWORK "  - {to: \"api.example.com:443\", protocol: tcp, do: allow}\n"
                "  - {to: \"*.Wild.example.\", do: allow}\n"
                "  - {to: evil.example, do: deny}\n"
                "  - {to: db., port: [5432, 6000-6100], do: allow}\n"
                "  - {to: rebind.example, do: allow}\n"
                "  - {to: [10.0.0.0/8, \"fc00::/7\"], do: deny}\n"
                "  - {to: 192.0.2.128/25, do: allow}\n"
                "  - {to: late.example, do: allow}\n"
                "  - {to: public, do: deny}\n"
                "  - {to: behind.example, do: allow}\n"
                "  - {to: any, by: web, do: audit}\n");
    static const struct end_rule rows[] = {
        {"tcp:api.example.com:443", 0},
        {"tcp:API.example.COM.:443", 0},
        {"tcp:api.example.com:444", 8},
        {"udp:api.example.com:443", 8},
        {"tcp:xapi.example.com:443", 8},
        {"tcp:api.example.com.evil.example:443", 8},
        {"tcp:a.wild.example:1", 1},
        {"udp:a.b.wild.example:1", 1},
        {"icmp:a.b.wild.example", 1},
        {"tcp:wild.example:1", 8},
        {"tcp:notwild.example:1", 8},
        {"tcp:evil.example:1", 2},
        {"tcp:db.:5432", 3},
        {"tcp:db.:6050", 3},
        {"tcp:db.:6101", 8},
        // What another rule denies stays denied, wherever that rule stands.
        {"tcp:rebind.example@8.8.8.8:1", 4},
        {"tcp:rebind.example@10.1.2.3:1", 5},
        {"tcp:rebind.example@[fc00::1]:1", 5},
        {"tcp:a.wild.example@10.1.2.3:1", 5},
        // Not so what is denied to all or to all that are public, nor what is allowed.
        {"tcp:late.example@8.8.8.8:1", 7},
        {"tcp:late.example@192.0.2.129:1", 6},
        {"tcp:other.example@192.0.2.129:1", 6},
        {"tcp:behind.example@8.8.8.8:1", 8},
        {"tcp:behind.example@192.168.0.1:1", 9},
        {"tcp:192.0.2.129:1", 6},
        {"tcp:10.0.0.1:443", 5},
    };

    (void)state;
    check_rules(image, rows, ARRAY_SIZE(rows));
    assert_true(policy_image_head(image)->controls & SG_CONTROL_NAMED(SG_CONTROL_connect));
    assert_true(policy_image_head(image)->controls & SG_CONTROL_NAMED(SG_CONTROL_send));
    assert_false(policy_image_head(image)->controls & SG_CONTROL_NAMED(SG_CONTROL_accept));
    policy_image_free(image);
    // Without names the words of addresses stand once.
    image = compile(NETWORK "  - {to: 10.0.0.0/8, do: deny}\n");
    assert_int_equal(policy_image_head(image)->controls >> SG_CONTROL_MAX, 0);
    assert_true(image->stats.n_states < 30);
    policy_image_free(image);
}

// A thousand names with ports: as many states as they have bytes.
static void test_many_names(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;
    uint8_t verdict;

    (void)state;
    sb_puts(&sb, NETWORK);
    for (unsigned i = 0; i < 1000; i++)
        sb_printf(&sb, "  - {to: \"%shost%u.zone%u.example.com:%u\", do: allow}\n",
                  i % 2 ? "*." : "", i, i % 7, 1000 + i);
    sb_puts(&sb, "  - {direction: out, do: deny}\n");
    image = compile(sb_str(&sb));
    assert_in_range(image->stats.n_states, 1000, 60000);
    assert_int_equal(decided(image, SG_CONTROL_connect, "tcp:host500.zone3.example.com:1500", 0,
                             &verdict),
                     500);
    assert_int_equal(decided(image, SG_CONTROL_send, "udp:x.host501.zone4.example.com:1501", 0,
                             &verdict),
                     501);
    assert_int_equal(decided(image, SG_CONTROL_send, "udp:host501.zone4.example.com:1501", 0,
                             &verdict),
                     1000);
    policy_image_free(image);
}

static void test_mistakes(void **state)
{
    static const char *const rows[] = {
        "{to: 10.0.0.1/8, do: deny}",
        "{to: 10.0.0.0/33, do: deny}",
        "{to: 10.0.0, do: deny}",
        "{to: \"10.0.0.1:70000\", do: deny}",
        "{to: \"10.0.0.1:9-8\", do: deny}",
        "{to: \"10.0.0.1:\", do: deny}",
        "{to: \"10.0.0.1:80\", port: 80, do: deny}",
        "{to: [], do: deny}",
        "{to: 10.0.0.1, from: 10.0.0.2, do: deny}",
        "{access: connect, from: 10.0.0.2, do: deny}",
        "{access: [connect, bind], to: 10.0.0.2, do: deny}",
        "{direction: in, to: 10.0.0.2, do: deny}",
        "{direction: out, access: connect, do: deny}",
        "{direction: sideways, do: deny}",
        "{access: talk, do: deny}",
        "{protocol: tpc, do: deny}",
        "{protocol: 300, do: deny}",
        "{port: http, do: deny}",
        "{path: /a, do: deny}",
        "{to: 10.0.0.1}",
        "{to: \"vsock:nobody\", do: deny}",
        "{to: \"vsock:3:70000\", do: deny}",
        "{to: \"vsock:3:1:1\", do: deny}",
        "{to: vsock, protocol: tcp, do: deny}",
        "{to: packet, protocol: udp, do: deny}",
        "{from: a.example, do: deny}",
        "{at: a.example, do: deny}",
        "{access: [connect, accept], to: a.example, do: deny}",
        "{to: \"*.\", do: deny}",
        "{to: \"a.*.example\", do: deny}",
        "{to: \"*a.example\", do: deny}",
        "{to: \"a..example\", do: deny}",
        "{to: \".a.example\", do: deny}",
        "{to: \"bücher.example\", do: deny}",
        "{to: \"a b.example\", do: deny}",
        "{to: \"a.example/24\", do: deny}",
        "{to: \"a.example:http\", do: deny}",
        "{to: a123456789012345678901234567890123456789012345678901234567890123.example, do: deny}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy_diags diags = {};
        struct policy *policy = NULL;

        sb_printf(&sb, NETWORK "  - %s\n", rows[i]);
        if (policy_load_buffer("t.yaml", sb_str(&sb), sb.len, NULL, &diags, &policy) != -EINVAL)
            fail_msg("%s is taken", rows[i]);
        assert_true(diags.n_errors > 0);
        assert_int_equal(diags.items[0].line, 6);
        policy_diags_done(&diags);
    }
}

UNIT_MAIN(cmocka_unit_test(test_ends), cmocka_unit_test(test_accesses),
          cmocka_unit_test(test_subjects_and_order), cmocka_unit_test(test_random),
          cmocka_unit_test(test_bytes), cmocka_unit_test(test_many), cmocka_unit_test(test_names),
          cmocka_unit_test(test_many_names), cmocka_unit_test(test_mistakes))
