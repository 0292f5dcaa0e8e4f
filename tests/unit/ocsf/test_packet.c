// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ocsf/sink.h"

#include <json-c/json.h>

static const struct packet_rule rule = {.line = 7, .policy = "wires \"1\""};

static struct packet_event some(void)
{
    struct packet_event e = {
        .rule = &rule,
        .record = {.size = sizeof(e.record),
                   .kind = {.verdict = SG_PACKET_DROPPED, .protocol = 6, .port = 22},
                   .packets = 1,
                   .bytes = 60,
                   .length = 60,
                   .sport = 4711},
        .interface = "eth0",
    };

    memcpy(e.record.kind.src, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\7", 16);
    memcpy(e.record.kind.dst, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
    return e;
}

static struct json_object *written(const struct packet_event *e, struct strbuf *line)
{
    const struct ocsf_packet p = {.event = e,
                                  .realtime_ns = 3000000000,
                                  .first_realtime_ns = 1000000000,
                                  .run = 5,
                                  .number = 9,
                                  .policy_id = 2};
    struct json_object *o;

    assert_int_equal(ocsf_packet(&test_host, &p, line), 0);
    assert_null(strchr(sb_str(line), '\n'));
    sink(line);
    o = json_tokener_parse(sb_str(line));
    assert_non_null(o);
    return o;
}

static const char *text(struct json_object *o, const char *outer, const char *key)
{
    struct json_object *at = o;

    if (outer)
        assert_true(json_object_object_get_ex(o, outer, &at));
    assert_true(json_object_object_get_ex(at, key, &at));
    return json_object_get_string(at);
}

static void test_one(void **state)
{
    _cleanup_(sb_done) struct strbuf line = {};
    struct packet_event e = some();
    struct json_object *o = written(&e, &line);

    (void)state;
    assert_string_equal(text(o, NULL, "type_uid"), "400105");
    assert_string_equal(text(o, NULL, "disposition"), "Blocked");
    assert_string_equal(text(o, NULL, "is_alert"), "true");
    assert_string_equal(text(o, NULL, "time"), "1000");
    assert_string_equal(text(o, "src_endpoint", "ip"), "10.0.0.7");
    assert_string_equal(text(o, "src_endpoint", "port"), "4711");
    assert_string_equal(text(o, "dst_endpoint", "zone"), "private");
    assert_string_equal(text(o, "connection_info", "direction_id"), "1");
    assert_string_equal(text(o, "policy", "name"), "wires \"1\"");
    assert_string_equal(text(o, "unmapped", "rule_line"), "7");
    assert_string_equal(text(o, "metadata", "uid"),
                        "11111111-2222-3333-4444-555555555555:5:packets:0:9");
    assert_string_equal(
        text(o, NULL, "message"),
        "dropped a packet from 10.0.0.7:4711 to 10.0.0.1:22 (tcp) that came in by eth0 (rule wires \"1\":7)");
    assert_null(strstr(sb_str(&line), "\"count\""));
    json_object_put(o);
}

// Several, over IPv6, that would have been dropped, by an interface that is gone, of a protocol without a name.
static void test_many(void **state)
{
    _cleanup_(sb_done) struct strbuf line = {};
    struct packet_event e = some();
    struct json_object *o;

    (void)state;
    memset(e.record.kind.src, 0xfd, 16);
    memset(e.record.kind.dst, 0xff, 16);
    e.record.kind.monitor = 1;
    e.record.kind.direction = SG_PACKET_OUT;
    e.record.kind.protocol = 199;
    e.record.packets = 12;
    e.interface[0] = '\0';
    o = written(&e, &line);
    assert_string_equal(text(o, NULL, "disposition"), "Detected");
    assert_string_equal(text(o, NULL, "severity_id"), "2");
    assert_string_equal(text(o, NULL, "count"), "12");
    assert_string_equal(text(o, NULL, "end_time"), "3000");
    assert_string_equal(text(o, "dst_endpoint", "zone"), "multicast");
    assert_string_equal(text(o, "unmapped", "mode"), "monitor");
    assert_non_null(strstr(text(o, NULL, "message"), "would have dropped 12 packets from [fdfd:"));
    assert_non_null(strstr(text(o, NULL, "message"), "that went out (rule"));
    json_object_put(o);
}

// Whatever the kernel said, it is a record.
static void test_any_verdict(void **state)
{
    (void)state;
    for (unsigned verdict = 0; verdict < 256; verdict++) {
        _cleanup_(sb_done) struct strbuf line = {};
        struct packet_event e = some();

        e.record.kind.verdict = (uint8_t)verdict;
        json_object_put(written(&e, &line));
    }
}

UNIT_MAIN(cmocka_unit_test(test_one), cmocka_unit_test(test_many),
          cmocka_unit_test(test_any_verdict))
