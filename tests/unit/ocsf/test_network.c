// SPDX-License-Identifier: Apache-2.0
//
// Records of flows and of names. Each case is compared with tests/golden/ocsf/<name>.json (golden.h).
#include "tests/unit/ocsf/golden.h"

#include <json-c/json.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macro.h"
#include "model/network.h"

#define MAPPED(a, b, c, d)            \
    {                                 \
        [10] = 0xff, 0xff, a, b, c, d \
    }
#define SECONDS(n) ((n)*NS_PER_SEC)

static const uint8_t own[16] = MAPPED(10, 0, 0, 7), peer[16] = MAPPED(93, 184, 216, 34),
                     any[16] = MAPPED(0, 0, 0, 0), stub[16] = MAPPED(127, 0, 0, 53),
                     local[16] = MAPPED(127, 0, 0, 1);
static const uint8_t own6[16] = {0xfd, [15] = 7}, peer6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

static struct who who;

static struct flow tcp(enum sg_flow_type type, enum sg_flow_reason reason)
{
    struct flow f = {
        .type = type,
        .reason = reason,
        .socket = 1,
        .begin_ns = SECONDS(100),
        .last_ns = SECONDS(102),
        .ends = {.local_port = 40000,
                 .remote_port = 443,
                 .family = AF_INET,
                 .protocol = IPPROTO_TCP,
                 .flags = SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE,
                 .ifindex = 2,
                 .cookie = 77},
        .who = {.tgid = 4242, .start_ns = 123456789012},
    };

    memcpy(f.ends.local, own, 16);
    memcpy(f.ends.remote, peer, 16);
    if (type == SG_FLOW_CLOSE) {
        f.sums = (struct sg_flow_sums){517, 30000, 12, 25};
        f.rtt_us = 11250;
    }
    return f;
}

// A record of its time; `network` and what it leads to are the caller's.
static struct event event_of(const struct network_event *network, bool known)
{
    struct event ev = {
        .kind = network->flow ? EVENT_FLOW : EVENT_DNS,
        .ring = EVENT_RING_NETWORK,
        .seq = 17,
        .count = 1,
        .rule_index = SG_RULE_NONE,
        .network = network,
        .process = {.ref = {4242, 123456789012}, .tid = 4242, .comm_len = 7, .comm = "unknown"},
        .who = known ? &who : NULL,
    };
    const struct flow *f = network->flow;

    ev.time_ns = f ? f->last_ns : network->dns->time_ns;
    ev.first_ns = f && f->begin_ns ? f->begin_ns : ev.time_ns;
    ev.realtime_ns = test_host.boot_ns + ev.time_ns;
    ev.first_realtime_ns = test_host.boot_ns + ev.first_ns;
    ev.error = f ? f->error : 0;
    if (known)
        memcpy(ev.process.comm, "cat", ev.process.comm_len = 3);
    return ev;
}

static void compare(const char *name, struct event *ev)
{
    _cleanup_(ocsf_freep) struct ocsf *o = NULL;
    _cleanup_(sb_done) struct strbuf line = {};

    assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &o), 0);
    write_record(o, ev, &line);
    compare_golden(name, &line);
}

static void test_connection(void **state)
{
    struct flow f = tcp(SG_FLOW_CONNECT, SG_FLOW_GOES_ON);
    struct network_event n = {.flow = &f, .name = BYTES("www.example"), .interface = BYTES("eth0")};
    struct event ev;

    (void)state;
    f.last_ns = f.begin_ns;
    ev = event_of(&n, true);
    compare("flow-connect", &ev);
    f = tcp(SG_FLOW_CLOSE, SG_FLOW_FIN_BY_THEM);
    f.retransmits = 3;
    ev = event_of(&n, true);
    compare("flow-close", &ev);
    f = tcp(SG_FLOW_CLOSE, SG_FLOW_REFUSED);
    f.sums = (struct sg_flow_sums){};
    f.rtt_us = 0;
    f.error = ECONNREFUSED;
    ev = event_of(&n, true);
    compare("flow-refused", &ev);
}

static void test_others(void **state)
{
    struct flow f = tcp(SG_FLOW_ACCEPT, SG_FLOW_GOES_ON);
    struct network_event n = {.flow = &f, .interface = BYTES("eth0")};
    struct event ev;

    (void)state;
    f.ends.flags |= SG_ENDS_INCOMING;
    f.ends.net_ns = 4026532000;
    f.ends.family = AF_INET6;
    memcpy(f.ends.local, own6, 16);
    memcpy(f.ends.remote, peer6, 16);
    f.last_ns = f.begin_ns;
    ev = event_of(&n, false);
    compare("flow-accept", &ev);
    f = tcp(SG_FLOW_LISTEN, SG_FLOW_GOES_ON);
    f.ends.flags = SG_ENDS_HAS_LOCAL;
    memcpy(f.ends.local, any, 16);
    f.last_ns = f.begin_ns;
    ev = event_of(&n, true);
    compare("flow-listen", &ev);
    f = tcp(SG_FLOW_END, SG_FLOW_IDLE);
    f.datagrams = true;
    f.unseen = true;
    f.begin_ns = 0;
    f.ends.protocol = IPPROTO_UDP;
    f.sums = (struct sg_flow_sums){100, 0, 2, 0};
    ev = event_of(&n, true);
    compare("flow-datagrams", &ev);
}

// A scan of ports, as one record.
static void test_merged(void **state)
{
    struct flow f = tcp(SG_FLOW_CLOSE, SG_FLOW_REFUSED);
    struct network_event n = {.flow = &f, .wide = NETWORK_PORTS};
    struct event ev;

    (void)state;
    f.sums = (struct sg_flow_sums){};
    f.rtt_us = 0;
    f.ends.remote_port = f.ends.local_port = 0;
    f.ends.cookie = 0;
    ev = event_of(&n, true);
    ev.count = 9884;
    compare("flow-scan", &ev);
}

static struct dns_record question(void)
{
    struct dns_record d = {
        .time_ns = SECONDS(100),
        .cookie = 77,
        .process = {4242, 123456789012},
        .server_port = 53,
        .local_port = 40000,
        .id = 4660,
        .qtype = SG_DNS_AAAA,
        .qclass = SG_DNS_CLASS_IN,
        .name_len = 11,
        .name = "www.example",
    };

    memcpy(d.server, stub, 16);
    memcpy(d.local, local, 16);
    return d;
}

static void test_names(void **state)
{
    struct dns_record d = question();
    struct network_event n = {.dns = &d, .unanswered = true};
    struct event ev = event_of(&n, true);

    (void)state;
    compare("dns-unanswered", &ev);
    n.unanswered = false;
    d.is_answer = true;
    d.duration_ns = 12 * NS_PER_MS;
    d.header = 0x8180;
    d.sent = 2;
    d.records = 3;
    d.n_answers = 2;
    memcpy(d.answers[0].address, peer6, 16);
    d.answers[0].ttl_s = 120;
    memcpy(d.answers[1].address, own6, 16);
    d.answers[1].ttl_s = 120;
    ev = event_of(&n, true);
    compare("dns-answered", &ev);
    d.header = 0x8183;
    d.n_answers = d.records = 0;
    d.sent = 1;
    d.qtype = 4711;
    d.tcp = true;
    ev = event_of(&n, false);
    compare("dns-no-name", &ev);
}

static uint64_t number(struct json_object *o, const char *key)
{
    struct json_object *value;

    assert_true(json_object_object_get_ex(o, key, &value));
    return json_object_get_uint64(value);
}

// Every type of record with each reason is one of the class, whose words say something; what failed says so.
static void test_all(void **state)
{
    _cleanup_(ocsf_freep) struct ocsf *o = NULL;

    (void)state;
    assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &o), 0);
    for (int type = SG_FLOW_CONNECT; type < SG_FLOW_TYPES; type++)
        for (int reason = 0; reason < SG_FLOW_REASONS; reason++)
            for (int wide = 0; wide < NETWORK_WIDES; wide++) {
                struct flow f = tcp((enum sg_flow_type)type, (enum sg_flow_reason)reason);
                struct network_event n = {.flow = &f, .wide = (enum network_wide)wide};
                struct event ev = event_of(&n, wide & 1);
                _cleanup_(sb_done) struct strbuf line = {};
                struct json_object *record;

                write_record(o, &ev, &line);
                record = json_tokener_parse(sb_str(&line));
                assert_non_null(record);
                assert_int_equal(number(record, "class_uid"), 4001);
                assert_int_equal(number(record, "status_id"),
                                 reason >= SG_FLOW_TIMED_OUT && reason <= SG_FLOW_UNREACHABLE ? 2
                                 : reason == SG_FLOW_FAILED                                   ? 2
                                                                                              : 1);
                json_object_put(record);
            }
}

// The longest names and most answers fit, whatever bytes names have.
static void test_bounds(void **state)
{
    _cleanup_(ocsf_freep) struct ocsf *o = NULL;
    struct dns_record d = question();
    struct network_event n = {.dns = &d};

    (void)state;
    assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &o), 0);
    d.is_answer = d.more = d.partial = d.nameless = d.ignored = true;
    d.name_len = SG_NET_NAME_MAX;
    memset(d.name, 1, d.name_len);
    d.n_answers = SG_DNS_TOLD_MAX;
    for (unsigned rcode = 0; rcode < 16; rcode++) {
        _cleanup_(sb_done) struct strbuf line = {};
        struct json_object *record;
        struct event ev;

        d.header = (uint16_t)(0x8000 | rcode);
        ev = event_of(&n, true);
        write_record(o, &ev, &line);
        record = json_tokener_parse(sb_str(&line));
        assert_non_null(record);
        assert_int_equal(number(record, "rcode_id"), rcode < 12 ? rcode : 25);
        json_object_put(record);
    }
}

static int setup(void **state)
{
    (void)state;
    make_who(&who);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection), cmocka_unit_test(test_others),
        cmocka_unit_test(test_merged),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_all),        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
