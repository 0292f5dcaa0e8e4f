// SPDX-License-Identifier: Apache-2.0
//
// Isolation as it is kept, when it ends, and what its rules let through.
#include "tests/unit/unit.h"

#include "agent/isolation_spec.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "policy/compile.h"
#include "policy/explain.h"

static struct isolation sample(void)
{
    struct isolation i = {.since_ms = 1000000,
                          .until_ms = 4600000,
                          .until_boot_ms = 3700000,
                          .boot_id = "boot-one",
                          .server = "192.0.2.2",
                          .server_port = 8443,
                          .by = "the server's command 7",
                          .reason = "\"quoted\"\n",
                          .by_server = true};

    assert_int_equal(strv_append(&i.allow, "192.0.2.4:7000"), 0);
    assert_int_equal(strv_append(&i.allow, "[fd02::]/64"), 0);
    return i;
}

static void test_is_kept(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"since_ms\":5,\"until_ms\":4,\"allow\":[]}",
        "{\"since_ms\":5,\"until_ms\":9}",
        "{\"since_ms\":0,\"until_ms\":9000000000000,\"allow\":[]}",
    };
    struct isolation before = sample(), after;
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    assert_int_equal(isolation_format(&before, &sb), 0);
    assert_int_equal(isolation_parse(sb_str(&sb), &after), 0);
    assert_int_equal(after.since_ms, before.since_ms);
    assert_int_equal(after.until_ms, before.until_ms);
    assert_int_equal(after.until_boot_ms, before.until_boot_ms);
    assert_int_equal(after.server_port, before.server_port);
    assert_string_equal(after.server, before.server);
    assert_string_equal(after.reason, before.reason);
    assert_string_equal(after.by, before.by);
    assert_true(after.by_server);
    assert_int_equal(strv_len(after.allow), 2);
    assert_string_equal(after.allow[1], "[fd02::]/64");
    isolation_done(&after);
    isolation_done(&before);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(isolation_parse(wrong[i], &after), -EBADMSG);
}

static void test_ends(void **state)
{
    struct isolation i = sample();

    (void)state;
    // While the host runs its own clock counts, however that of the calendar is set.
    assert_int_equal(isolation_left_ms(&i, "boot-one", 100000, 1000000), 3600000);
    assert_int_equal(isolation_left_ms(&i, "boot-one", 3699999, 99999999), 1);
    assert_int_equal(isolation_left_ms(&i, "boot-one", 3700000, 0), 0);
    // After a start of the host there is the calendar alone; it lasts no longer than it was meant to.
    assert_int_equal(isolation_left_ms(&i, "boot-two", 1, 4599999), 1);
    assert_int_equal(isolation_left_ms(&i, "boot-two", 1, 4600000), 0);
    assert_int_equal(isolation_left_ms(&i, "boot-two", 1, 0), 3600000);
    isolation_done(&i);
}

static uint8_t verdict(const struct policy_image *image, enum sg_control kind, const char *end,
                       const char *exe)
{
    struct policy_control control;
    struct policy_query q = {.control = &control,
                             .ops = SG_OP_CONTROL,
                             .facts = {.exe = exe, .session = -1}};
    struct policy_decision d;

    assert_int_equal(policy_control_from_word(kind, end, &control), 0);
    assert_int_equal(policy_explain(image, &q, &d), 0);
    return d.overall.matched ? d.overall.verdict : SG_ALLOW;
}

static void test_rules(void **state)
{
    static const char curl[] = "/usr/bin/curl", dhcp[] = "/usr/sbin/dhclient";
    static const struct {
        enum sg_control kind;
        const char *end, *exe;
        uint8_t verdict;
    } rows[] = {
        {SG_CONTROL_connect, "tcp:192.0.2.2:8443", curl, SG_ALLOW},
        {SG_CONTROL_connect, "tcp:192.0.2.2:443", curl, SG_DENY},
        {SG_CONTROL_send, "udp:192.0.2.2:8443", curl, SG_DENY},
        {SG_CONTROL_accept, "tcp:192.0.2.2:8443", curl, SG_DENY},
        {SG_CONTROL_connect, "tcp:192.0.2.4:7000", curl, SG_ALLOW},
        {SG_CONTROL_connect, "tcp:192.0.2.4:7001", curl, SG_DENY},
        {SG_CONTROL_accept, "tcp:192.0.2.4:7000", curl, SG_ALLOW},
        {SG_CONTROL_accept, "tcp:192.0.2.4:22", curl, SG_DENY},
        {SG_CONTROL_connect, "tcp:[fd02::9]:1", curl, SG_ALLOW},
        {SG_CONTROL_connect, "tcp:[fd03::9]:1", curl, SG_DENY},
        {SG_CONTROL_connect, "tcp:127.0.0.1:80", curl, SG_ALLOW},
        {SG_CONTROL_connect, "tcp:198.51.100.7:80", curl, SG_ALLOW}, // its own
        {SG_CONTROL_connect, "tcp:198.51.100.8:80", curl, SG_DENY},
        {SG_CONTROL_send, "udp:192.0.2.53:53", curl, SG_DENY},
        {SG_CONTROL_send, "icmp:192.0.2.53", curl, SG_DENY},
        {SG_CONTROL_receive, "udp:192.0.2.53:68", curl, SG_DENY},
        {SG_CONTROL_send, "udp:255.255.255.255:67", curl, SG_DENY},
        {SG_CONTROL_send, "udp:255.255.255.255:67", dhcp, SG_ALLOW},
        {SG_CONTROL_receive, "udp:192.0.2.1:68", dhcp, SG_ALLOW},
        {SG_CONTROL_connect, "tcp:192.0.2.53:53", dhcp, SG_DENY},
        {SG_CONTROL_bind, "tcp:0.0.0.0:80", curl, SG_ALLOW},
    };
    char own_text[] = "198.51.100.7";
    char *own[] = {own_text, NULL};
    struct isolation i = sample();
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diags diags = {};
    struct policy_image *image = NULL;
    struct policy *policy = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(isolation_policy(&i, own, &sb, &err), 0);
    assert_int_equal(policy_load_buffer(ISOLATION_FILE, sb_str(&sb), sb.len, NULL, &diags, &policy),
                     0);
    assert_int_equal(policy_compile(policy, NULL, NULL, &diags, &image), 0);
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (verdict(image, rows[k].kind, rows[k].end, rows[k].exe) != rows[k].verdict)
            fail_msg("%s of %s", rows[k].end, rows[k].exe);
    policy_image_free(image);
    policy_free(policy);
    policy_diags_done(&diags);
    isolation_done(&i);
}

static void test_mistakes(void **state)
{
    static const char *const wrong[] = {
        "friend.example", "10.0.0.1\"", "10.0.0.300",    "10.0.0.1/33", "10.0.0.1:x",     "", "any",
        "cafe.de",        "cafe.de:80", "10.0.0.1, any", "vsock",       "10.0.0.1:99999",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct isolation bad = sample();
        struct error err = {};

        assert_int_equal(strv_append(&bad.allow, wrong[i]), 0);
        if (isolation_policy(&bad, NULL, &sb, &err) != -EINVAL)
            fail_msg("'%s' is taken", wrong[i]);
        assert_true(error_is_set(&err));
        isolation_done(&bad);
    }
}

static void test_port(void **state)
{
    (void)state;
    assert_int_equal(isolation_port_of("https://server.example:8443"), 8443);
    assert_int_equal(isolation_port_of("https://server.example"), 443);
    assert_int_equal(isolation_port_of("https://[fd02::1]:9443/"), 9443);
    assert_int_equal(isolation_port_of("https://[fd02::1]"), 443);
    assert_int_equal(isolation_port_of("https://server.example:99999"), 443);
}

UNIT_MAIN(cmocka_unit_test(test_is_kept), cmocka_unit_test(test_ends), cmocka_unit_test(test_rules),
          cmocka_unit_test(test_mistakes), cmocka_unit_test(test_port))
