// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "agent/netrecent.h"
#include "base/macro.h"

static struct flow connection(bool incoming, uint8_t host, uint16_t port)
{
    struct flow f = {
        .type = SG_FLOW_CLOSE,
        .reason = SG_FLOW_FIN_BY_US,
        .begin_ns = 1000,
        .last_ns = 2000,
        .ends = {.local = {[10] = 0xff, 0xff, 10, 0, 0, 7},
                 .remote = {[10] = 0xff, 0xff, 10, 0, 0, host},
                 .local_port = 40000,
                 .remote_port = port,
                 .protocol = IPPROTO_TCP,
                 .flags = SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE},
        .sums = {10, 20, 1, 2},
    };

    if (incoming) {
        struct sg_ends e = f.ends;

        memcpy(f.ends.local, e.remote, 16);
        memcpy(f.ends.remote, e.local, 16);
        f.ends.local_port = e.remote_port;
        f.ends.remote_port = e.local_port;
        f.ends.flags |= SG_ENDS_INCOMING;
    }
    return f;
}

// Both ends are here: each knows the other's program.
static void test_peer(void **state)
{
    _cleanup_(net_recent_freep) struct net_recent *r = NULL;
    struct flow out = connection(false, 9, 443), in = connection(true, 9, 443),
                other = connection(false, 9, 444);

    (void)state;
    assert_int_equal(net_recent_new(&r), 0);
    net_recent_open(r, &out, BYTES("/usr/bin/curl"));
    assert_string_equal(net_recent_peer(r, &out), "");
    assert_string_equal(net_recent_peer(r, &in), "/usr/bin/curl");
    net_recent_open(r, &in, BYTES("/usr/sbin/nginx"));
    assert_string_equal(net_recent_peer(r, &out), "/usr/sbin/nginx");
    assert_string_equal(net_recent_peer(r, &other), "");
    net_recent_end(r, &out, BYTES("/usr/bin/curl"), BYTES("www.example"));
    assert_string_equal(net_recent_edge(r, 0)->peer_program, "/usr/sbin/nginx");
    assert_string_equal(net_recent_edge(r, 0)->name, "www.example");
    assert_null(net_recent_edge(r, 1));
}

static void test_edges(void **state)
{
    _cleanup_(net_recent_freep) struct net_recent *r = NULL;
    struct flow f = connection(false, 9, 443);
    const struct net_edge *e;

    (void)state;
    assert_int_equal(net_recent_new(&r), 0);
    for (uint16_t i = 0; i < 100; i++) {
        f.ends.local_port = (uint16_t)(40000 + i);
        f.reason = i < 3 ? SG_FLOW_REFUSED : SG_FLOW_FIN_BY_US;
        f.last_ns = 2000 + i;
        net_recent_end(r, &f, BYTES("/usr/bin/curl"), BYTES(""));
    }
    e = net_recent_edge(r, 0);
    assert_non_null(e);
    assert_int_equal(e->flows, 100);
    assert_int_equal(e->failed, 3);
    assert_int_equal(e->sums.bytes_in, 2000);
    assert_int_equal(e->port, 443);
    assert_int_equal(e->last_ns, 2099);
    assert_null(net_recent_edge(r, 1));
    // Who listens has the port of his own.
    f = connection(true, 9, 22);
    net_recent_end(r, &f, BYTES("/usr/sbin/sshd"), BYTES(""));
    assert_int_equal(net_recent_edge(r, 1)->port, 22);
    assert_true(net_recent_edge(r, 1)->incoming);
}

// The oldest edge goes, is counted, and may come again.
static void test_bounds(void **state)
{
    _cleanup_(net_recent_freep) struct net_recent *r = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(net_recent_new(&r), 0);
    for (uint32_t i = 0; i < NET_EDGES_MAX + 10; i++) {
        struct flow f = connection(false, (uint8_t)(i / 200), (uint16_t)(1000 + i % 200));

        f.last_ns = 2000 + i;
        net_recent_end(r, &f, BYTES("/usr/bin/nmap"), BYTES(""));
    }
    assert_int_equal(net_recent_edges_gone(r), 10);
    for (size_t i = 0; net_recent_edge(r, i); i++)
        n += net_recent_edge(r, i)->last_ns >= 2010;
    assert_int_equal(n, NET_EDGES_MAX);
    struct flow first = connection(false, 0, 1000);

    first.last_ns = 9000;
    net_recent_end(r, &first, BYTES("/usr/bin/nmap"), BYTES(""));
    assert_int_equal(net_recent_edges_gone(r), 11);
    for (n = 0; net_recent_closed(r, n); n++)
        ;
    assert_int_equal(n, NET_CLOSED_MAX);
    assert_int_equal(net_recent_closed(r, 0)->flow.last_ns, 9000);
    assert_int_equal(net_recent_closed(r, 1)->flow.last_ns, 2000 + NET_EDGES_MAX + 9);
}

static void test_questions(void **state)
{
    _cleanup_(net_recent_freep) struct net_recent *r = NULL;
    char path[300];
    size_t n;

    (void)state;
    assert_int_equal(net_recent_new(&r), 0);
    assert_null(net_recent_question(r, 0));
    memset(path, 'x', sizeof(path));
    memcpy(path + sizeof(path) - 5, "/curl", 5);
    for (unsigned i = 0; i < NET_ASKED_MAX + 3; i++) {
        struct dns_record d = {.id = (uint16_t)i};

        net_recent_asked(r, &d, i % 2, (struct bytes){path, sizeof(path)});
    }
    for (n = 0; net_recent_question(r, n); n++)
        assert_int_equal(net_recent_question(r, n)->record.id, NET_ASKED_MAX + 2 - n);
    assert_int_equal(n, NET_ASKED_MAX);
    // The end of a long path is kept.
    assert_int_equal(strlen(net_recent_question(r, 0)->program), NET_TEXT - 1);
    assert_string_equal(net_recent_question(r, 0)->program + NET_TEXT - 1 - 5, "/curl");
}

UNIT_MAIN(cmocka_unit_test(test_peer), cmocka_unit_test(test_edges), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_questions))
