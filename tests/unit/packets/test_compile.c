// SPDX-License-Identifier: Apache-2.0
//
// The tables decide as the rules, read one after the other, do.
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "packets/compile.h"

#define SG_PACKET_T                  const void *
#define sg_packet_load(m, at, to, n) ((void)(m), (void)(at), (void)(to), -1)
#include "abi/packet_parse.h"

#define RULES   64
#define PACKETS 2000

static uint32_t seed;

static uint32_t pick(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static struct packet_prefix prefixes[RULES][8];
static struct packet_end ends[RULES][4];
static struct packet_rule rules[RULES];
static const char *const interfaces[] = {"eth0", "e*", "lo"};

// Few addresses, so that they meet; lengths of all kinds.
static void some_address(uint8_t addr[16])
{
    memset(addr, 0, 16);
    if (pick(2)) {
        addr[10] = addr[11] = 0xff;
        addr[12] = 10;
        addr[13] = (uint8_t)pick(2);
    } else if (pick(4)) {
        addr[0] = 0x20;
    }
    addr[14] = (uint8_t)pick(3);
    addr[15] = (uint8_t)pick(4);
}

static void some_end(struct packet_end *end, struct packet_prefix *room)
{
    static const uint8_t bits[] = {0, 3, 64, 96, 97, 104, 120, 126, 128};

    *end = (struct packet_end){.prefixes = room, .n_prefixes = pick(3), .last = PACKET_PORT_MAX};
    for (size_t i = 0; i < end->n_prefixes; i++) {
        some_address(room[i].addr);
        room[i].bits = bits[pick(ARRAY_SIZE(bits))];
    }
    if (pick(3) == 0) {
        end->first = (uint16_t)pick(5);
        end->last = (uint16_t)(end->first + pick(3));
    }
}

static void some_rule(size_t i)
{
    struct packet_rule *r = &rules[i];

    *r = (struct packet_rule){.number = (uint32_t)i, .in = pick(3) > 0, .out = pick(3) > 0};
    r->n_from = pick(3);
    r->n_to = pick(3);
    r->from = ends[i];
    r->to = ends[i] + 2;
    for (size_t k = 0; k < 4; k++)
        some_end(&ends[i][k], prefixes[i] + 2 * k);
    if (pick(2))
        r->protocols[0] = UINT64_C(1) << (pick(2) ? 6 : 17);
    if (pick(4) == 0)
        r->dscps = UINT64_C(1) << pick(3);
    if (pick(3)) {
        r->interfaces = &interfaces[pick(3)];
        r->n_interfaces = 1;
    }
    if (pick(4) == 0) {
        r->actions = SG_PACKET_DO_TO | SG_PACKET_DO_ADDRESS;
        r->family = pick(2) ? 4 : 6;
    }
}

static bool is_four(const uint8_t addr[16])
{
    return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

// The reference: bit by bit, what the manual says.
static bool lies_in(const struct packet_prefix *p, const uint8_t addr[16])
{
    if (p->bits < 96 && is_four(addr))
        return false; // a network of IPv6
    for (unsigned bit = 0; bit < p->bits; bit++)
        if ((p->addr[bit / 8] ^ addr[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static bool is_meant(const struct packet_end *all, size_t n, const uint8_t addr[16], bool ports,
                     uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        bool any_port = all[i].first == 0 && all[i].last == PACKET_PORT_MAX,
             found = !all[i].n_prefixes;

        for (size_t k = 0; k < all[i].n_prefixes; k++)
            found = found || lies_in(&all[i].prefixes[k], addr);
        if (found && (any_port || (ports && port >= all[i].first && port <= all[i].last)))
            return true;
    }
    return n == 0;
}

static bool matches(const struct packet_rule *r, const struct sg_packet_ip *ip, bool out,
                    const char *interface)
{
    bool ports = ip->flags & SG_PACKET_HAS_PORTS, named = r->n_interfaces == 0;

    if (r->n_interfaces > 0)
        named = !strcmp(r->interfaces[0], interface) ||
                (!strcmp(r->interfaces[0], "e*") && interface[0] == 'e');
    else if (!strcmp(interface, "lo"))
        named = false;
    if (r->actions & SG_PACKET_DO_ADDRESS && (r->family == 4) != is_four(ip->src))
        return false;
    return named && (out ? r->out : r->in) &&
           is_meant(r->from, r->n_from, ip->src, ports, ip->sport) &&
           is_meant(r->to, r->n_to, ip->dst, ports, ip->dport) &&
           (!r->protocols[0] || r->protocols[0] >> ip->protocol & 1) &&
           (!r->dscps || r->dscps >> (ip->tos >> 2) & 1);
}

static void some_packet(struct sg_packet_ip *ip)
{
    *ip = (struct sg_packet_ip){.protocol = pick(2) ? 6 : 17,
                                .tos = (uint8_t)(pick(3) << 2 | pick(4))};
    some_address(ip->src);
    do
        some_address(ip->dst);
    while (is_four(ip->dst) != is_four(ip->src));
    if (pick(5)) {
        ip->flags = SG_PACKET_HAS_PORTS;
        ip->sport = (uint16_t)(pick(8) ? pick(8) : 65535);
        ip->dport = (uint16_t)pick(8);
    }
}

static void compare(struct compiled *c, size_t n)
{
    static const char *const on[] = {"eth0", "eth1", "lo", "wlan0"};

    for (unsigned k = 0; k < PACKETS; k++) {
        const char *interface = on[pick(ARRAY_SIZE(on))];
        bool out = pick(2), early, drops;
        uint32_t expected = SG_PACKET_NO_RULE, found;
        struct sg_packet_ip ip;
        uint16_t rows[7];

        some_packet(&ip);
        assert_int_equal(compiled_interface(c, interface, !strcmp(interface, "lo"), out, &rows[2],
                                            &early, &drops),
                         0);
        rows[0] = (uint16_t)compiled_address(c->sources, c->n_sources, ip.src);
        rows[1] = (uint16_t)compiled_address(c->targets, c->n_targets, ip.dst);
        sg_packet_rows(c->tables, &ip, rows);
        found = sg_packet_first(c->tables, rows);
        for (size_t i = 0; i < n && expected == SG_PACKET_NO_RULE; i++)
            if (matches(&rules[i], &ip, out, interface))
                expected = rules[i].number;
        if (found != SG_PACKET_NO_RULE)
            found = c->lines[found].rule->number;
        if (found != expected)
            fail_msg("rule %d, not %d, of %zu (%s)", (int)found, (int)expected, n, interface);
    }
}

static void test_random(void **state)
{
    (void)state;
    for (seed = 1; seed < 40;) {
        uint32_t now = seed;
        size_t n = 1 + pick(RULES);
        struct compiled *c = NULL;

        for (size_t i = 0; i < n; i++)
            some_rule(i);
        assert_int_equal(compiled_new(&(struct packet_rules){rules, n}, &c, NULL), 0);
        compare(c, n);
        (void)compiled_free(c);
        seed = now + 1;
    }
}

// As many rules as there may be, with everything different, fit; one more does not.
static void test_bounds(void **state)
{
    static struct packet_prefix from[SG_PACKET_RULES_MAX + 1], to[SG_PACKET_RULES_MAX + 1];
    static struct packet_end of[2 * (SG_PACKET_RULES_MAX + 1)];
    static struct packet_rule many[SG_PACKET_RULES_MAX + 1];
    struct compiled *c = NULL;
    struct error err = {};

    (void)state;
    for (uint32_t i = 0; i <= SG_PACKET_RULES_MAX; i++) {
        from[i] = to[i] = (struct packet_prefix){
            .addr = {[10] = 0xff, 0xff, 10, 0, (uint8_t)(i >> 8), (uint8_t)i}, .bits = 128};
        to[i].addr[12] = 11;
        of[2 * i] = (struct packet_end){&from[i], 1, (uint16_t)(2 * i + 1), (uint16_t)(2 * i + 1)};
        of[2 * i + 1] = (struct packet_end){&to[i], 1, (uint16_t)(2 * i + 1),
                                            (uint16_t)(2 * i + 1)};
        many[i] = (struct packet_rule){.number = i,
                                       .in = true,
                                       .from = &of[2 * i],
                                       .n_from = 1,
                                       .to = &of[2 * i + 1],
                                       .n_to = 1};
    }
    assert_int_equal(compiled_new(&(struct packet_rules){many, SG_PACKET_RULES_MAX}, &c, &err), 0);
    assert_int_equal(c->tables->words, SG_PACKET_WORDS);
    assert_true(c->tables->n_rows > SG_PACKET_RULES_MAX);
    (void)compiled_free(c);
    assert_int_equal(compiled_new(&(struct packet_rules){many, SG_PACKET_RULES_MAX + 1}, &c, &err),
                     -E2BIG);
    assert_true(err.cure[0]);
}

static void test_early(void **state)
{
    struct packet_rule one = {.in = true, .out = true, .actions = SG_PACKET_DO_DROP};
    bool early, drops;
    struct compiled *c = NULL;
    uint16_t row;

    (void)state;
    for (int k = 0; k < 3; k++) {
        one.actions = SG_PACKET_DO_DROP | (k == 1   ? SG_PACKET_DO_MONITOR
                                           : k == 2 ? SG_PACKET_DO_MIRROR
                                                    : 0);
        assert_int_equal(compiled_new(&(struct packet_rules){&one, 1}, &c, NULL), 0);
        assert_int_equal(compiled_interface(c, "eth0", false, false, &row, &early, &drops), 0);
        assert_int_equal(early, k == 0);
        assert_int_equal(drops, k != 1);
        assert_int_equal(compiled_interface(c, "eth0", false, true, &row, &early, &drops), 0);
        assert_false(early);
        assert_int_equal(compiled_interface(c, "lo", true, false, &row, &early, &drops), 0);
        assert_int_equal(row, 0);
        (void)compiled_free(c);
    }
}

UNIT_MAIN(cmocka_unit_test(test_random), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_early))
