// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "policy/packets.h"
#include "policy/policy.h"

#define HEAD "safeguard: 1\nmode: enforce\npackets:\n  - "

static struct policy *load(const char *rules, struct policy_diags *diags, int expected)
{
    struct policy *p = NULL;
    char text[4096];

    (void)snprintf(text, sizeof(text), HEAD "%s\n", rules);
    assert_int_equal(policy_load_buffer("p.yaml", text, strlen(text), NULL, diags, &p), expected);
    return p;
}

static void test_reads(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    const struct packet_rule *r;
    struct policy *p;

    (void)state;
    p = load(
        "{interface: [eth0, 'veth*'], direction: in, from: [198.51.100.0/24, 'fd00::/8'], to: '10.0.0.1:80-90', protocol: [tcp, udp],"
        " dscp: [ef, 10], mode: monitor, do: drop}\n"
        "  - {direction: out, port: [53, 5353], do: {mark: 0x10/0xf0, dscp: cs1, mirror: ids0, audit: true,"
        " route: {interface: eth1, via: 10.0.0.254}}}\n"
        "  - {to: '10.0.0.9:80', do: {rewrite: {to: '10.0.0.10:8080', from: '192.0.2.1:2000-3000'}}}\n"
        "  - {from: any, do: {limit: {packets: 100, burst: 20}}}\n"
        "  - {do: {limit: {bytes: 1K}}}\n"
        "  - {do: {route: {table: 100}}}\n"
        "  - {protocol: udp, do: {rewrite: {to: ':5353'}}}",
        &diags, 0);
    assert_int_equal(p->packets.n, 7);
    r = p->packets.items;
    assert_int_equal(r->line, 4);
    assert_int_equal(r->actions, SG_PACKET_DO_DROP | SG_PACKET_DO_MONITOR);
    assert_true(r->in && !r->out);
    assert_int_equal(r->n_interfaces, 2);
    assert_string_equal(r->interfaces[1], "veth*");
    assert_int_equal(r->n_from, 2);
    assert_int_equal(r->from[0].prefixes[0].bits, 120);
    assert_memory_equal(r->from[0].prefixes[0].addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\0",
                        16);
    assert_int_equal(r->from[1].prefixes[0].bits, 8);
    assert_int_equal(r->to[0].first, 80);
    assert_int_equal(r->to[0].last, 90);
    assert_int_equal(r->protocols[0], 1 << 6 | 1 << 17);
    assert_int_equal(r->dscps, UINT64_C(1) << 46 | UINT64_C(1) << 10);
    r++;
    assert_int_equal(r->n_to, 2);
    assert_int_equal(r->to[1].first, 5353);
    assert_int_equal(r->actions, SG_PACKET_DO_MARK | SG_PACKET_DO_DSCP | SG_PACKET_DO_MIRROR |
                                     SG_PACKET_DO_AUDIT | SG_PACKET_DO_ROUTE | SG_PACKET_DO_VIA);
    assert_int_equal(r->mark, 0x10);
    assert_int_equal(r->mark_mask, 0xf0);
    assert_int_equal(r->dscp, 8);
    assert_string_equal(r->mirror, "ids0");
    assert_string_equal(r->route_interface, "eth1");
    assert_int_equal(r->via_family, 4);
    r++;
    assert_int_equal(r->actions, SG_PACKET_DO_REWRITE | SG_PACKET_DO_ADDRESS);
    assert_int_equal(r->family, 4);
    assert_int_equal(r->target_port, 8080);
    assert_int_equal(r->target[15], 10);
    assert_int_equal(r->source_first, 2000);
    assert_int_equal(r->source_last, 3000);
    r++;
    assert_int_equal(r->rate, 100);
    assert_int_equal(r->burst, 20);
    r++;
    assert_int_equal(r->rate, 1024);
    assert_int_equal(r->burst, 65536);
    assert_true(r->actions & SG_PACKET_DO_BYTES);
    r += 2;
    assert_int_equal(r->target_port, 5353);
    assert_false(r->actions & SG_PACKET_DO_ADDRESS);
    (void)policy_free(p);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *rule, *what;
        unsigned column;
    } rows[] = {
        {"{interface: eth0}", "the rule does not say what is done", 5},
        {"{do: deny}", "a packet is dropped, not denied", 10},
        {"{do: dropp}", "'dropp' is not a verb for packets; did you mean 'drop'?", 10},
        {"{do: {drop: true, mark: 7}}", "what is dropped is not changed, limited or sent on", 10},
        {"{interface: averyveryverylongname, do: drop}",
         "'averyveryverylongname' is no name of an interface", 17},
        {"{direction: inn, do: drop}", "'inn' is not a direction; did you mean 'in'?", 17},
        {"{by: root, do: drop}",
         "packets have no owner: a rule about packets is not about who sends them", 6},
        {"{at: connect, do: drop}", "this version rewrites packets, not calls of connect", 6},
        {"{from: 10.0.0.0/33, do: drop}", "10.0.0.0/33", 12},
        {"{to: '10.0.0.1:80', port: 80, do: drop}", "the port is said here and by `port` as well",
         11},
        {"{dscp: 64, do: drop}", "'64' is not a DSCP (0 to 63, or a name)", 12},
        {"{do: {mark: 0x10/0x0f}}", "'0x10/0x0f' is not a mark", 17},
        {"{do: {limit: {burst: 5}}}", "the limit does not say how many", 18},
        {"{do: {limit: {packets: 0}}}", "'0' is no amount", 28},
        {"{do: {rewrite: {to: 10.0.0.0/24}}}", "'10.0.0.0/24' is not one address", 25},
        {"{do: {rewrite: {to: 10.0.0.1, from: 'fd00::1'}}}",
         "one address is of IPv4, the other of IPv6", 42},
        {"{do: {rewrite: {to: '10.0.0.1:1-5'}}}", "a packet goes to one port, not to several", 26},
        {"{do: {rewrite: {to: 10.0.0.1, from: ':2000'}}}",
         "one end has an address here, and the other only a port", 20},
        {"{do: {rewrite: {}}}", "nothing is rewritten", 20},
        {"{do: {route: {via: 10.0.0.1}}}", "the route does not say one way", 18},
        {"{do: {route: {table: 5, interface: eth0}}}", "the route does not say one way", 18},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(policy_diags_done) struct policy_diags diags = {};

        (void)load(rows[i].rule, &diags, -EINVAL);
        assert_true(diags.n >= 1);
        if (!strstr(diags.items[0].message, rows[i].what) ||
            diags.items[0].column != rows[i].column || diags.items[0].line != 4)
            fail_msg("%s: %u:%u %s", rows[i].rule, diags.items[0].line, diags.items[0].column,
                     diags.items[0].message);
    }
}

static void test_warnings(void **state)
{
    static const struct {
        const char *rules, *what; // NULL: nothing is said
    } rows[] = {
        {"{from: 10.0.0.0/8, do: allow}\n  - {from: 10.1.0.0/16, do: drop}",
         "can never match: the rule at line 4"},
        {"{from: 10.1.0.0/16, do: allow}\n  - {from: 10.0.0.0/8, do: drop}", NULL},
        {"{from: '::/0', do: audit}\n  - {from: 10.0.0.0/8, do: drop}", NULL},
        {"{interface: eth0, do: audit}\n  - {from: 10.0.0.0/8, do: drop}", NULL},
        {"{direction: in, do: audit}\n  - {from: 10.0.0.0/8, do: drop}", NULL},
        {"{protocol: tcp, do: audit}\n  - {from: 10.0.0.0/8, protocol: [tcp, udp], do: drop}",
         NULL},
        {"{do: {rewrite: {to: 'fd00::1'}}}\n  - {from: 10.0.0.0/8, do: drop}", NULL},
        {"{port: 80-90, do: audit}\n  - {port: [81, 85], do: allow}", "can never match"},
        {"{do: drop}", "nobody could log in over the network, names could not be looked up"},
        {"{direction: out, protocol: tcp, do: drop}", "the agent could not reach its server"},
        {"{mode: monitor, do: drop}", NULL},
        {"{interface: eth0, do: drop}", NULL},
        {"{direction: in, protocol: tcp, port: 22, do: allow}\n  - {direction: in, protocol: tcp, do: drop}",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(policy_diags_done) struct policy_diags diags = {};
        struct policy *p = load(rows[i].rules, &diags, 0);

        if ((diags.n > 0) != (rows[i].what != NULL) ||
            (rows[i].what && !strstr(diags.items[0].message, rows[i].what)))
            fail_msg("%s: %s", rows[i].rules,
                     diags.n ? diags.items[0].message : "nothing was said");
        (void)policy_free(p);
    }
}

static void test_keys_are_explained(void **state)
{
    const struct key_row *(*const tables[])(size_t *) = {read_packet_keys, read_packet_do_keys};

    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        size_t n;
        const struct key_row *rows = tables[t](&n);

        for (size_t i = 0; i < n; i++)
            if (!rows[i].read == !rows[i].refuse || !rows[i].help == !rows[i].refuse)
                fail_msg("%s: has to be read and explained, or refused", rows[i].name);
    }
}

UNIT_MAIN(cmocka_unit_test(test_reads), cmocka_unit_test(test_mistakes),
          cmocka_unit_test(test_warnings), cmocka_unit_test(test_keys_are_explained))
