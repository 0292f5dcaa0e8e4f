// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "cli/render.h"
#include "control/message.h"

static const char record[] =
    "{\"time\":1000000,\"disposition_id\":2,\"policy\":{\"name\":\"base\"},"
    "\"file\":{\"path\":\"/srv/vault/a\"},\"file_result\":{\"path\":\"/tmp/b\"},"
    "\"actor\":{\"user\":{\"uid\":\"1001\",\"name\":\"bob\"},\"process\":{\"pid\":812,\"uid\":\"b:812:77\",\"name\":\"cat\","
    "\"file\":{\"path\":\"/usr/bin/cat\"},\"user\":{\"uid\":\"0\",\"name\":\"root\"}}},"
    "\"src_endpoint\":{\"ip\":\"10.0.0.7\"},\"dst_endpoint\":{\"ip\":\"2001:db8::1\",\"hostname\":\"www.example\"},"
    "\"query\":{\"hostname\":\"api.example\"},"
    "\"process\":{\"pid\":813,\"uid\":\"b:813:78\"},"
    "\"unmapped\":{\"rule_file\":\"/etc/safeguard/policies/10-base.yaml\",\"rule_line\":7}}";

static void test_filters(void **state)
{
    static const struct {
        struct event_filter filter;
        bool shown;
    } rows[] = {
        {{}, true},
        {{.denied = true}, true},
        {{.since_ms = 1000000}, true},
        {{.since_ms = 1000001}, false},
        {{.rule = "10-base.yaml:7"}, true},
        {{.rule = "/etc/safeguard/policies/10-base.yaml:7"}, true},
        {{.rule = "/etc/safeguard/policies/10-base.yaml"}, true},
        {{.rule = "10-base.yaml"}, true},
        {{.rule = "base"}, true},
        {{.rule = "10-base.yaml:8"}, false},
        {{.rule = "base.yaml:7"}, false},
        {{.path = "/srv/vault/*"}, true},
        {{.path = "/srv/*"}, true}, // '*' also stands for '/'
        {{.path = "/tmp/?"}, true},
        {{.path = "/srv"}, false},
        {{.process = "cat"}, true},
        {{.process = "/usr/bin/*"}, true},
        {{.process = "812"}, true},
        {{.process = "81"}, false},
        {{.process = "ca"}, false},
        {{.process = "b:812:77"}, true},
        {{.process = "b:813:78"}, true}, // that it is about
        {{.process = "b:812:7"}, false},
        {{.process = "b:812"}, false},
        {{.user = "root"}, true},
        {{.user = "0"}, true},
        {{.user = "bob"}, true}, // who logged in
        {{.user = "1001"}, true},
        {{.user = "alice"}, false},
        {{.peer = "10.0.0.7"}, true},
        {{.peer = "2001:db8::*"}, true},
        {{.peer = "www.example"}, true},
        {{.peer = "api.*"}, true},
        {{.peer = "10.0.0.8"}, false},
        {{.peer = ""}, false},
        {{.user = "root", .process = "cat", .path = "/srv/*", .denied = true}, true},
        {{.user = "root", .process = "dog", .path = "/srv/*", .denied = true}, false},
    };
    struct json_object *o = control_json_parse(record, strlen(record));

    (void)state;
    assert_non_null(o);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(event_matches(o, &rows[i].filter), rows[i].shown);
    json_object_put(o);
}

static void test_denied(void **state)
{
    static const struct {
        const char *text;
        bool shown;
    } rows[] = {
        {"{\"disposition_id\":2}", true},  {"{\"disposition_id\":15}", true},
        {"{\"disposition_id\":19}", true}, {"{\"disposition_id\":17}", false},
        {"{\"disposition_id\":1}", false}, {"{}", false},
    };
    const struct event_filter filter = {.denied = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json_object *o = control_json_parse(rows[i].text, strlen(rows[i].text));

        assert_int_equal(event_matches(o, &filter), rows[i].shown);
        json_object_put(o);
    }
}

// Nothing of a record has to be there.
static void test_empty_record(void **state)
{
    const struct event_filter filter = {.rule = "x", .path = "*", .process = "*", .user = "x"};
    struct json_object *o = control_json_parse("{}", 2);

    (void)state;
    assert_false(event_matches(o, &filter));
    assert_true(event_matches(o, &(struct event_filter){}));
    json_object_put(o);
}

#define NOW         1769868191 // 2026-01-31 14:03:11 UTC
#define MS(seconds) ((uint64_t)(seconds)*1000)

static void test_since(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t ms;
    } rows[] = {
        {"10m", 0, MS(NOW - 600)},
        {"1h30m", 0, MS(NOW - 5400)},
        {"0", 0, MS(NOW)},
        {"9999w", 0, 0},
        {"14:00", 0, MS(NOW - 191)},
        {"14:03:10", 0, MS(NOW - 1)},
        {"2026-01-31", 0, MS(NOW - 50591)},
        {"2026-01-31 14:03", 0, MS(NOW - 11)},
        {"2026-01-31 14:03:11", 0, MS(NOW)},
        {"2026-01-31T14:03:11", 0, MS(NOW)},
        {"2026-01-31T14:03:11Z", 0, MS(NOW)},
        {"1960-01-01", 0, 0},
        {"", -EINVAL, 0},
        {"yesterday", -EINVAL, 0},
        {"14:00x", -EINVAL, 0},
        {"25:00", -EINVAL, 0},
        {"2026-13-01", -EINVAL, 0},
        {"10", -EINVAL, 0},
    };
    uint64_t ms;

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(parse_since(rows[i].text, NOW, &ms), rows[i].result);
        if (rows[i].result == 0)
            assert_int_equal(ms, rows[i].ms);
    }
    // Local time, but for what says that it is not.
    assert_int_equal(setenv("TZ", "XXX-2", 1), 0);
    tzset();
    assert_int_equal(parse_since("2026-01-31 16:03:11", NOW, &ms), 0);
    assert_int_equal(ms, MS(NOW));
    assert_int_equal(parse_since("2026-01-31T14:03:11Z", NOW, &ms), 0);
    assert_int_equal(ms, MS(NOW));
}

UNIT_MAIN(cmocka_unit_test(test_filters), cmocka_unit_test(test_denied),
          cmocka_unit_test(test_empty_record), cmocka_unit_test(test_since))
