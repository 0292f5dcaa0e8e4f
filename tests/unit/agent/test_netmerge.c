// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "agent/netmerge.h"
#include "base/macro.h"

#define START (50 * NS_PER_SEC) // of a window; what is told is older

static struct flow attempt(uint32_t pid, uint8_t host, uint16_t port)
{
    struct flow f = {
        .type = SG_FLOW_CLOSE,
        .reason = SG_FLOW_REFUSED,
        .socket = 1,
        .begin_ns = 1000 + port,
        .last_ns = 2000 + port,
        .ends = {.local = {[10] = 0xff, 0xff, 10, 0, 0, 7},
                 .remote = {[10] = 0xff, 0xff, 10, 0, 0, host},
                 .local_port = (uint16_t)(30000 + port % 1000),
                 .remote_port = port,
                 .family = AF_INET,
                 .protocol = IPPROTO_TCP,
                 .flags = SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE,
                 .cookie = port},
        .who = {.tgid = pid, .start_ns = 5 * PROCESS_TICK_NS},
        .sums = {1, 2, 3, 4},
        .rtt_us = 9,
        .retransmits = 1,
    };

    return f;
}

struct seen {
    size_t n, exact, ports, peers, names, nobody;
    uint64_t count, bytes_out, retransmits;
    struct net_merged last;
};

static void on_row(void *ctx, const struct net_merged *row)
{
    struct seen *s = ctx;

    s->n++;
    s->exact += row->wide == NETWORK_ONE;
    s->ports += row->wide == NETWORK_PORTS;
    s->peers += row->wide == NETWORK_PEERS;
    s->names += row->wide == NETWORK_NAMES;
    s->nobody += row->is_flow ? !row->flow.who.tgid : !row->dns.process.tgid;
    s->count += row->count;
    s->bytes_out += row->flow.sums.bytes_out;
    s->retransmits += row->flow.retransmits;
    assert_true(row->count > 0 && row->first_ns <= row->last_ns);
    if (row->wide == NETWORK_PORTS)
        s->last = *row;
}

// Ten thousand ports: a few records, which have all of it.
static void test_scan(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;
    struct net_merge_counts counts;
    struct seen seen = {};
    size_t single = 0;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (unsigned port = 1; port <= 10000; port++) {
        struct flow f = attempt(7, 1, (uint16_t)port);

        single += net_merge_flow(m, &f, START);
    }
    net_merge_tick(m, START + NET_WINDOW_NS - 1, on_row, &seen);
    assert_int_equal(seen.n, 0);
    net_merge_tick(m, START + NET_WINDOW_NS, on_row, &seen);
    assert_int_equal(single, NET_SINGLE_MAX);
    assert_int_equal(seen.exact, NET_EXACT_MAX);
    assert_int_equal(seen.ports, 1);
    assert_int_equal(seen.n, NET_EXACT_MAX + 1);
    assert_int_equal(seen.count + single, 10000);
    assert_int_equal(seen.bytes_out + single, 10000);
    assert_int_equal(seen.retransmits + single, 10000);
    assert_int_equal(seen.last.flow.ends.remote_port, 0);
    assert_int_equal(seen.last.flow.ends.cookie, 0);
    assert_int_equal(seen.last.flow.rtt_us, 0);
    assert_int_equal(seen.last.flow.who.tgid, 7);
    assert_int_equal(seen.last.last_ns, 12000);
    net_merge_counts(m, &counts);
    assert_int_equal(counts.single, single);
    assert_int_equal(counts.merged, 10000 - single);
    assert_int_equal(counts.wide, 10000 - single - NET_EXACT_MAX);
    assert_int_equal(counts.nobody, 0);
    // A window later he has records of his own again.
    seen = (struct seen){};
    struct flow f = attempt(7, 1, 1);

    assert_true(net_merge_flow(m, &f, START));
    net_merge_tick(m, UINT64_MAX, on_row, &seen);
    assert_int_equal(seen.n, 0);
}

// The same service again and again is one record with its port.
static void test_equal(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;
    struct seen seen = {};
    size_t single = 0;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct flow f = attempt(7, 1, 443);

        f.ends.local_port = (uint16_t)(30000 + i);
        single += net_merge_flow(m, &f, START);
    }
    net_merge_tick(m, UINT64_MAX, on_row, &seen);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.exact, 1);
    assert_int_equal(seen.count + single, 1000);
}

// Many peers: told apart as far as there is room.
static void test_peers(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;
    struct seen seen = {};
    size_t single = 0;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (unsigned i = 0; i < 60000; i++) {
        struct flow f = attempt(7, (uint8_t)(i % 250), 22);

        f.ends.remote[14] = (uint8_t)(i / 250);
        single += net_merge_flow(m, &f, START);
    }
    net_merge_tick(m, UINT64_MAX, on_row, &seen);
    assert_int_equal(seen.exact, NET_EXACT_MAX);
    assert_int_equal(seen.ports, NET_PEERS_MAX);
    assert_int_equal(seen.peers, 1);
    assert_int_equal(seen.count + single, 60000);
}

// Others are not held up by one who does much; who has only begun has records of his own.
static void test_fair(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (unsigned i = 0; i < 100000; i++) {
        struct flow f = attempt(7, 1, (uint16_t)i);

        (void)net_merge_flow(m, &f, START);
    }
    for (uint32_t pid = 100; pid < 140; pid++) {
        struct flow f = attempt(pid, 1, 443);

        assert_true(net_merge_flow(m, &f, START));
    }
}

// However many processes there are, rows and records have their bound, and nothing is missing in the sums.
static void test_bound(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;
    struct net_merge_counts counts;
    struct seen seen = {};
    size_t single = 0, all = 0;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (uint32_t pid = 1; pid <= 3 * NET_PROCESSES; pid++)
        for (unsigned i = 0; i < 5; i++, all++) {
            struct flow f = attempt(pid, (uint8_t)(pid % 200), (uint16_t)(1000 + pid + i));

            single += net_merge_flow(m, &f, START);
        }
    net_merge_tick(m, UINT64_MAX, on_row, &seen);
    assert_int_equal(single, NET_SINGLE_ALL);
    assert_true(seen.n <= NET_ROWS_MAX + 2);
    assert_true(seen.nobody >= 1);
    assert_int_equal(seen.count + single, all);
    net_merge_counts(m, &counts);
    assert_true(counts.nobody > 0);
}

static void test_names(void **state)
{
    _cleanup_(net_merge_freep) struct net_merge *m = NULL;
    struct seen seen = {};
    size_t single = 0;

    (void)state;
    assert_int_equal(net_merge_new(&m), 0);
    for (unsigned i = 0; i < 5000; i++) {
        struct dns_record d = {
            .is_answer = true,
            .time_ns = 1000 + i,
            .process = {7, 5 * PROCESS_TICK_NS},
            .qtype = SG_DNS_A,
            .sent = 1,
        };

        d.name_len = (uint16_t)snprintf(d.name, sizeof(d.name), "n%u.example", i);
        single += net_merge_dns(m, &d, false, START);
    }
    net_merge_tick(m, UINT64_MAX, on_row, &seen);
    assert_int_equal(single, NET_SINGLE_MAX);
    assert_int_equal(seen.exact, NET_EXACT_MAX);
    assert_int_equal(seen.names, 1);
    assert_int_equal(seen.count + single, 5000);
}

UNIT_MAIN(cmocka_unit_test(test_scan), cmocka_unit_test(test_equal), cmocka_unit_test(test_peers),
          cmocka_unit_test(test_fair), cmocka_unit_test(test_bound), cmocka_unit_test(test_names))
