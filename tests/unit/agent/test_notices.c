// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "agent/agent.h"
#include "agent/explain.h"
#include "base/jsonget.h"
#include "base/macro.h"

static const struct host host = {.hostname = "web1",
                                 .boot_id = "b",
                                 .machine_id = "m",
                                 .os_name = "Linux",
                                 .kernel = "6.1.0",
                                 .boot_ns = UINT64_C(1600000000123456789)};

static void test_format(void **state)
{
    const struct notice_number numbers[] = {{"lost", 7}};
    const struct notice n = {.kind = "loss",
                             .severity = NOTICE_HIGH,
                             .message = "7 \"records\" were lost",
                             .cure = "more room",
                             .numbers = numbers,
                             .n_numbers = 1};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o, *unmapped;

    (void)state;
    assert_int_equal(notice_format(&host, 1700000000123456789u, 42, &n, &sb), 0);
    assert_null(strchr(sb_str(&sb), '\n'));
    o = control_json_parse(sb.s, sb.len);
    assert_non_null(o);
    assert_int_equal(json_get_u64(o, "class_uid", 9), 0);
    assert_int_equal(json_get_u64(o, "type_uid", 0), 99);
    assert_int_equal(json_get_u64(o, "severity_id", 0), 4);
    assert_string_equal(json_get_str(o, "severity", ""), "High");
    assert_int_equal(json_get_u64(o, "time", 0), 1700000000123u);
    assert_string_equal(json_get_str(o, "message", ""), n.message);
    assert_string_equal(json_get_str(json_get(o, "metadata"), "uid", ""), "b:agent:42");
    assert_string_equal(json_get_str(json_get(o, "device"), "hostname", ""), "web1");
    assert_string_equal(json_get_str(json_get(o, "device"), "boot_uid", ""), "b");
    assert_int_equal(json_get_u64(json_get(o, "device"), "boot_time", 0), 1600000000123u);
    assert_string_equal(json_get_str(json_get(json_get(o, "device"), "os"), "kernel_release", ""),
                        "6.1.0");
    assert_string_equal(json_get_str(json_get(o, "device"), "type", ""), "Unknown");
    assert_string_equal(json_get_str(json_get(json_get(o, "device"), "os"), "type", ""), "Linux");
    assert_null(json_get(json_get(json_get(o, "device"), "os"), "version"));
    unmapped = json_get(o, "unmapped");
    assert_string_equal(json_get_str(unmapped, "notice", ""), "loss");
    assert_int_equal(json_get_u64(unmapped, "lost", 0), 7);
    json_object_put(o);
}

static struct json_object *parse(const char *text)
{
    struct json_object *o = control_json_parse(text, strlen(text));

    assert_non_null(o);
    return o;
}

static void test_explain_args(void **state)
{
    static struct explain_args args;
    struct json_object *o = parse(
        "{\"path\":\"/etc/shadow\",\"ops\":3,\"exe\":\"/bin/cat\",\"ancestors\":"
        "[\"/bin/bash\",\"/usr/sbin/sshd\"],\"uid\":1000,\"gids\":[1000,27],"
        "\"caps\":5,\"session\":2,\"container\":true,\"when\":99}");

    (void)state;
    assert_int_equal(explain_args_read(o, &args, NULL), 0);
    assert_string_equal(args.query.path, "/etc/shadow");
    assert_int_equal(args.query.path_len, 11);
    assert_int_equal(args.query.ops, 3);
    assert_string_equal(args.query.facts.exe, "/bin/cat");
    assert_int_equal(args.query.facts.n_ancestors, 2);
    assert_string_equal(args.query.facts.ancestors[1], "/usr/sbin/sshd");
    assert_int_equal(args.query.facts.n_gids, 2);
    assert_int_equal(args.query.facts.gids[1], 27);
    assert_int_equal(args.query.facts.login_uid, UINT32_MAX);
    assert_int_equal(args.query.facts.session, 2);
    assert_true(args.query.facts.container);
    assert_true(args.query.has_when);
    assert_int_equal(args.query.when, 99);
    json_object_put(o);
}

static void test_bad_explain_args(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{\"path\":\"etc\"}",
        "{\"path\":7}",
        "{\"control\":{}}",
        "{\"control\":7}",
        "{\"control\":{\"kind\":\"nothing\",\"number\":1}}",
        "{\"control\":{\"kind\":\"module\",\"number\":1}}",
        "{\"control\":{\"kind\":\"bpf\",\"name\":\"x\"}}",
        "{\"control\":{\"kind\":\"bpf\",\"name\":\"5\"}}",
        "{\"control\":{\"kind\":\"bpf\",\"number\":4294967296}}",
        "{\"path\":\"/x\",\"ancestors\":[1]}",
        "{\"path\":\"/x\",\"gids\":[-1]}",
        "{\"path\":\"/x\",\"gids\":[\"a\"]}",
        "{\"path\":\"/x\",\"gids\":[4294967296]}",
    };
    static struct explain_args args;
    struct error err = {};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json_object *o = parse(rows[i]);

        assert_int_equal(explain_args_read(o, &args, &err), -EINVAL);
        assert_true(error_is_set(&err));
        json_object_put(o);
    }
    assert_int_equal(explain_args_read(NULL, &args, &err), -EINVAL);
}

UNIT_MAIN(cmocka_unit_test(test_format), cmocka_unit_test(test_explain_args),
          cmocka_unit_test(test_bad_explain_args))
