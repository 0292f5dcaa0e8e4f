// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "flows/flow.h"

static struct sg_flow_record sound(uint8_t type, uint8_t reason)
{
    bool datagrams = type == SG_FLOW_BEGIN || type == SG_FLOW_END;
    struct sg_flow_record r = {
        .size = sizeof(r),
        .type = type,
        .reason = reason,
        .socket = 0xffff888000000000,
        .time_ns = 5000,
        .begin_ns = 2000,
        .ends = {.local_port = 40000,
                 .remote_port = 443,
                 .family = AF_INET,
                 .protocol = datagrams ? IPPROTO_UDP : IPPROTO_TCP,
                 .flags = SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE},
        .who = {.tgid = 7, .uid = 1000, .start_ns = 1, .cgroup_id = 9},
        .sums = {1, 2, 3, 4},
        .rtt_us = 50,
        .retransmits = 2,
    };

    memcpy(r.ends.local, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}, 16);
    memcpy(r.ends.remote, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}, 16);
    return r;
}

static int decode(const struct sg_flow_record *r)
{
    struct flow flow;

    return flow_decode(r, sizeof(*r), &flow);
}

static void test_sound(void **state)
{
    struct sg_flow_record r = sound(SG_FLOW_CLOSE, SG_FLOW_REFUSED);
    struct flow flow;

    (void)state;
    r.flags = SG_FLOW_UNSEEN;
    assert_int_equal(flow_decode(&r, sizeof(r), &flow), 0);
    assert_int_equal(flow.reason, SG_FLOW_REFUSED);
    assert_true(flow.unseen);
    assert_false(flow.datagrams);
    assert_true(flow_is_end(&flow));
    assert_int_equal(flow_duration_ns(&flow), 3000);
    assert_int_equal(flow.who.tgid, 7);
    assert_int_equal(flow.sums.packets_in, 4);
    assert_int_equal(flow.retransmits, 2);
    r.begin_ns = 0;
    assert_int_equal(flow_decode(&r, sizeof(r), &flow), 0);
    assert_int_equal(flow_duration_ns(&flow), 0);
}

// Every type with each reason: ends have one, everything else goes on.
static void test_reasons(void **state)
{
    (void)state;
    for (uint8_t type = 0; type < SG_FLOW_TYPES + 2; type++)
        for (unsigned reason = 0; reason < SG_FLOW_REASONS + 2; reason++) {
            struct sg_flow_record r = sound(type, (uint8_t)reason);
            bool good = type > SG_FLOW_NONE && type < SG_FLOW_TYPES && reason == SG_FLOW_GOES_ON;

            if (type == SG_FLOW_CLOSE)
                good = reason >= SG_FLOW_FIN_BY_US && reason <= SG_FLOW_FAILED;
            if (type == SG_FLOW_END)
                good = reason == SG_FLOW_CLOSED;
            assert_int_equal(decode(&r), good ? 0 : -EBADMSG);
        }
}

static void test_hostile(void **state)
{
    struct sg_flow_record r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    struct flow flow = {.socket = 42};

    (void)state;
    for (size_t len = 0; len < sizeof(r); len++)
        assert_int_equal(flow_decode(&r, len, &flow), -EBADMSG);
    assert_int_equal(flow.socket, 42); // untouched
    r.size++;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.flags = 2;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.begin_ns = r.time_ns + 1;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.socket = 0;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.ends.protocol = IPPROTO_UDP;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.ends.family = AF_UNIX;
    assert_int_equal(decode(&r), -EBADMSG);
    r = sound(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    r.ends.remote[0] = 0x20; // of IPv6, in a flow of IPv4
    assert_int_equal(decode(&r), -EBADMSG);
    r.ends.family = AF_INET6;
    assert_int_equal(decode(&r), 0);
    r = sound(SG_FLOW_LISTEN, SG_FLOW_GOES_ON);
    memset(r.ends.remote, 0, 16);
    assert_int_equal(decode(&r), -EBADMSG);
    r.ends.flags = SG_ENDS_HAS_LOCAL;
    assert_int_equal(decode(&r), 0);
}

static void test_entry(void **state)
{
    struct sg_flow_key key = {.socket = 8,
                              .local_port = 1,
                              .remote_port = 2,
                              .protocol = IPPROTO_UDP};
    struct sg_flow_value value = {.first_ns = 10,
                                  .last_ns = 30,
                                  .family = AF_INET6,
                                  .flags = SG_ENDS_INCOMING,
                                  .sums = {.bytes_in = 5},
                                  .cookie = 3};
    struct sg_flow_key again;
    struct flow flow;

    (void)state;
    key.local[0] = 0xfe;
    key.remote[15] = 1;
    assert_int_equal(flow_of_entry(&key, &value, &flow), 0);
    assert_true(flow.datagrams);
    assert_int_equal(flow_duration_ns(&flow), 20);
    assert_true(flow.ends.flags & SG_ENDS_INCOMING);
    assert_int_equal(flow.ends.cookie, 3);
    flow_key_of(&flow, &again);
    assert_memory_equal(&key, &again, sizeof(key));
    value.last_ns = 5; // two CPUs
    assert_int_equal(flow_of_entry(&key, &value, &flow), 0);
    assert_int_equal(flow.last_ns, 10);
    value.family = 0;
    assert_int_equal(flow_of_entry(&key, &value, &flow), -EBADMSG);
}

static void test_words(void **state)
{
    (void)state;
    assert_null(flow_type_name(SG_FLOW_NONE));
    for (int i = 1; i < SG_FLOW_TYPES; i++)
        assert_non_null(flow_type_name(i));
    for (int i = 0; i < SG_FLOW_REASONS; i++)
        assert_non_null(flow_reason_name(i));
    assert_null(flow_type_name(SG_FLOW_TYPES));
    assert_null(flow_reason_name(SG_FLOW_REASONS));
    assert_null(flow_reason_name(-1));
}

UNIT_MAIN(cmocka_unit_test(test_sound), cmocka_unit_test(test_reasons),
          cmocka_unit_test(test_hostile), cmocka_unit_test(test_entry),
          cmocka_unit_test(test_words))
