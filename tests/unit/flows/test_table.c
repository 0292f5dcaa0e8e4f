// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "flows/table.h"

#define IDLE_NS 1000

struct seen {
    struct flow last;
    unsigned n;
    int answer;
};

static int on_flow(void *ctx, const struct flow *flow)
{
    struct seen *seen = ctx;

    seen->last = *flow;
    seen->n++;
    return seen->answer;
}

static struct flow flow_of(enum sg_flow_type type, uint64_t socket, uint16_t port, uint64_t begin)
{
    struct flow f = {
        .type = type,
        .datagrams = type == SG_FLOW_BEGIN || type == SG_FLOW_END,
        .socket = socket,
        .begin_ns = begin,
        .last_ns = begin,
        .ends = {.family = AF_INET6, .remote_port = port, .protocol = IPPROTO_UDP},
    };

    return f;
}

static struct flow_table *table_of(size_t max)
{
    struct flow_table *t = NULL;

    assert_int_equal(flow_table_new(max, IDLE_NS, &t), 0);
    return t;
}

static struct flow_table_counts counts_of(const struct flow_table *t)
{
    struct flow_table_counts c;

    flow_table_counts(t, &c);
    return c;
}

static void test_connections(void **state)
{
    struct flow_table *t = table_of(10);
    struct flow connect = flow_of(SG_FLOW_CONNECT, 1, 80, 5), close = connect;
    struct seen seen = {};

    (void)state;
    close.type = SG_FLOW_CLOSE;
    assert_int_equal(flow_table_record(t, &connect, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 1);
    assert_int_equal(flow_table_record(t, &close, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 0);
    assert_int_equal(seen.n, 2);
    // An end without a beginning is handed on.
    assert_int_equal(flow_table_record(t, &close, on_flow, &seen), 0);
    assert_int_equal(seen.n, 3);
    // An address that is used again, when the end was lost.
    assert_int_equal(flow_table_record(t, &connect, on_flow, &seen), 0);
    connect.begin_ns = 9;
    assert_int_equal(flow_table_record(t, &connect, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 1);
    assert_int_equal(counts_of(t).replaced, 1);
    // A connection and datagrams of the same address are two.
    connect = flow_of(SG_FLOW_BEGIN, 1, 80, 5);
    assert_int_equal(flow_table_record(t, &connect, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 2);
    seen.answer = -ECANCELED;
    assert_int_equal(flow_table_record(t, &close, on_flow, &seen), -ECANCELED);
    (void)flow_table_free(t);
}

static void test_bound(void **state)
{
    struct flow_table *t = table_of(2);
    struct seen seen = {};

    (void)state;
    for (uint64_t socket = 1; socket <= 5; socket++) {
        struct flow f = flow_of(SG_FLOW_CONNECT, socket, 80, 5);

        assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    }
    assert_int_equal(seen.n, 5); // told all the same
    assert_int_equal(flow_table_len(t), 2);
    assert_int_equal(counts_of(t).full, 3);
    (void)flow_table_free(t);
}

static void test_idle(void **state)
{
    struct flow_table *t = table_of(10);
    struct flow f = flow_of(SG_FLOW_BEGIN, 1, 53, 100);
    struct seen seen = {};

    (void)state;
    assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    f.last_ns = 200;
    f.sums.bytes_out = 7;
    flow_table_look(t, 1199);
    assert_false(flow_table_entry(t, &f));
    assert_int_equal(flow_table_look_end(t, on_flow, &seen), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(flow_table_each(t, on_flow, &seen), 0);
    assert_int_equal(seen.last.sums.bytes_out, 7);
    flow_table_look(t, 1200);
    assert_true(flow_table_entry(t, &f));
    f.sums.bytes_out = 8; // one more came before it was taken out
    assert_int_equal(flow_table_idle(t, &f, on_flow, &seen), 0);
    assert_int_equal(flow_table_look_end(t, on_flow, &seen), 0);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.last.type, SG_FLOW_END);
    assert_int_equal(seen.last.reason, SG_FLOW_IDLE);
    assert_int_equal(seen.last.sums.bytes_out, 8);
    assert_int_equal(flow_table_len(t), 0);
    assert_int_equal(counts_of(t).idle, 1);
    // A clock that is behind another CPU's makes nothing idle.
    flow_table_look(t, 50);
    assert_false(flow_table_entry(t, &f));
    (void)flow_table_free(t);
}

static void test_evicted(void **state)
{
    struct flow_table *t = table_of(10);
    struct flow old = flow_of(SG_FLOW_BEGIN, 1, 53, 100), late = flow_of(SG_FLOW_BEGIN, 2, 53, 600);
    struct seen seen = {};

    (void)state;
    assert_int_equal(flow_table_record(t, &old, on_flow, &seen), 0);
    flow_table_look(t, 400);
    old.sums.packets_in = 4;
    old.last_ns = 300;
    assert_false(flow_table_entry(t, &old));
    assert_int_equal(flow_table_look_end(t, on_flow, &seen), 0);
    assert_int_equal(seen.n, 1);
    // The next look does not meet it; one that began during the look is none that is missing.
    flow_table_look(t, 500);
    assert_int_equal(flow_table_record(t, &late, on_flow, &seen), 0);
    assert_int_equal(flow_table_look_end(t, on_flow, &seen), 0);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.last.reason, SG_FLOW_EVICTED);
    assert_int_equal(seen.last.sums.packets_in, 4);
    assert_int_equal(seen.last.last_ns, 300);
    assert_int_equal(flow_table_len(t), 1);
    assert_int_equal(counts_of(t).evicted, 1);
    (void)flow_table_free(t);
}

// Put out and begun again between two looks.
static void test_again(void **state)
{
    struct flow_table *t = table_of(10);
    struct flow f = flow_of(SG_FLOW_BEGIN, 1, 53, 100), end;
    struct seen seen = {};

    (void)state;
    assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    f.begin_ns = f.last_ns = 200;
    assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    assert_int_equal(seen.n, 3); // its end, and it again
    assert_int_equal(counts_of(t).evicted, 1);
    assert_int_equal(flow_table_len(t), 1);
    // The end of the first one does not end the second.
    end = flow_of(SG_FLOW_END, 1, 53, 100);
    assert_int_equal(flow_table_record(t, &end, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 1);
    end.begin_ns = end.last_ns = 200;
    assert_int_equal(flow_table_record(t, &end, on_flow, &seen), 0);
    assert_int_equal(flow_table_len(t), 0);
    // Met by a look before its record was read: its sums stay, and it is told of once.
    seen.n = 0;
    f.sums.bytes_in = 3;
    flow_table_look(t, 300);
    assert_false(flow_table_entry(t, &f));
    f.sums.bytes_in = 0;
    assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(flow_table_each(t, on_flow, &seen), 0);
    assert_int_equal(seen.last.sums.bytes_in, 3);
    (void)flow_table_free(t);
}

static bool is_odd(void *ctx, uint64_t socket)
{
    (void)ctx;
    return socket & 1;
}

static void test_prune(void **state)
{
    struct flow_table *t = table_of(100);
    struct seen seen = {};

    (void)state;
    for (uint64_t socket = 1; socket <= 20; socket++) {
        struct flow f = flow_of(socket > 10 ? SG_FLOW_BEGIN : SG_FLOW_ACCEPT, socket,
                                (uint16_t)socket, 5);

        assert_int_equal(flow_table_record(t, &f, on_flow, &seen), 0);
    }
    assert_int_equal(flow_table_prune(t, is_odd, NULL), 5);
    assert_int_equal(flow_table_len(t), 15);
    (void)flow_table_free(t);
    assert_null(flow_table_free(NULL));
}

UNIT_MAIN(cmocka_unit_test(test_connections), cmocka_unit_test(test_bound),
          cmocka_unit_test(test_idle), cmocka_unit_test(test_evicted), cmocka_unit_test(test_again),
          cmocka_unit_test(test_prune))
