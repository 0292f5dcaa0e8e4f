// SPDX-License-Identifier: Apache-2.0
//
// Messages about alerts, as those who get them see them: an HTTP server, a mail server, syslog by UDP and TCP.
#include "tests/unit/unit.h"

#include "tests/unit/server/say.h"
#include "tests/unit/server/sink.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "registry/alert.h"
#include "registry/channel.h"
#include "registry/settings.h"
#include "server/notify.h"

#define SECRET "s3cret of the webhook"
#define STREAM "00000000000000000000000000000001"

// An alert of its own; texts may be anything.
static void raise_alert(struct rig *rig, const char *host, uint64_t seq, const char *program,
                        const char *message)
{
    const struct alert_input in = {.seq = seq,
                                   .time_ms = server_now(),
                                   .class_uid = 1001,
                                   .severity = 4,
                                   .outcome = "denied",
                                   .policy = "web",
                                   .rule = "shadow",
                                   .program = program,
                                   .user = "ann",
                                   .path = "/etc/shadow",
                                   .message = message};
    struct alert_counted counted;
    struct error err = {};

    assert_int_equal(registry_alert_count(rig->server.registry, host, STREAM, seq, &in, 1, &counted,
                                          &err),
                     0);
    assert_int_equal(counted.raised, 1);
}

static uint64_t add_channel(struct peer *admin, const char *kind, const char *target,
                            const char *more, long status)
{
    char body[512], *id;
    uint64_t number = 0;

    (void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"kind\":\"%s\",\"target\":\"%s\"%s}",
                   kind, kind, target, more);
    say(admin, "channel_new", "/api/v1/channels", body, status);
    id = status == 201 ? said(admin, "id") : NULL;
    if (id)
        assert_int_equal(parse_u64(id, &number), 0);
    free(id);
    return number;
}

// "t=…,v1=…" is the HMAC of "t.body".
static void check_signature(const char *request)
{
    const char *at = strstr(request, "Safeguard-Signature: t="),
               *body = strstr(request, "\r\n\r\n");
    unsigned char mac[EVP_MAX_MD_SIZE];
    char text[SINK_MAX + 64], hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned int len = 0;
    size_t digits;

    assert_non_null(at);
    assert_non_null(body);
    at += strlen("Safeguard-Signature: t=");
    digits = strspn(at, "0123456789");
    (void)snprintf(text, sizeof(text), "%.*s.%s", (int)digits, at, body + 4);
    assert_non_null(HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (unsigned char *)text,
                         strlen(text), mac, &len));
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(hex + (size_t)2 * i, 3, "%02x", mac[i]);
    assert_int_equal(strncmp(at + digits, ",v1=", 4), 0);
    assert_int_equal(strncmp(at + digits + 4, hex, 64), 0);
}

static int copy_channel(void *ctx, const struct registry_channel *c)
{
    struct registry_channel *ret = ctx;

    *ret = (struct registry_channel){.sent = c->sent,
                                     .failed = c->failed,
                                     .has_secret = c->has_secret,
                                     .last_error = *c->last_error ? "error" : ""};
    return 0;
}

static struct registry_channel channel_of(struct rig *rig, uint64_t id)
{
    struct registry_channel c = {};

    assert_int_equal(registry_channel_get(rig->server.registry, id, copy_channel, &c,
                                          &(struct error){}),
                     0);
    return c;
}

static void test_webhook(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer admin;
    struct sink sink;
    struct agent a;
    char target[128];
    const char *got;
    uint64_t id;

    sink_start(&sink, SINK_HTTP);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    (void)snprintf(target, sizeof(target), "http://127.0.0.1:%d/hook?x=1", sink.port);
    id = add_channel(&admin, "webhook", target, ",\"secret\":\"" SECRET "\",\"severity\":3", 201);
    raise_alert(rig, a.id, 1, "/bin/cat", "cat tried to read /etc/shadow");
    got = sink_next(&sink, SINK_WAIT_MS);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "POST /hook?x=1 HTTP/1.1\r\n", 25), 0);
    assert_non_null(strstr(got, "\"kind\":\"alert\""));
    assert_non_null(strstr(got, "\"program\":\"/bin/cat\""));
    assert_non_null(strstr(got, "Safeguard-Delivery: 1\r\n"));
    check_signature(got);
    // A test goes past the outbox, and says what came of it.
    (void)snprintf(target, sizeof(target), "/api/v1/channels/%llu/test", (unsigned long long)id);
    say(&admin, "channel_test", target, "", 200);
    expect_said(&admin, "sent", "true");
    got = sink_next(&sink, SINK_WAIT_MS);
    assert_non_null(strstr(got, "\"kind\":\"test\""));
    __atomic_store_n(&sink.status, 500, __ATOMIC_RELAXED);
    say(&admin, "channel_test", target, "", 200);
    expect_said(&admin, "error", "the webhook answered 500");
    assert_non_null(sink_next(&sink, SINK_WAIT_MS));
    say(&admin, "channels", "/api/v1/channels", NULL, 200);
    assert_false(peer_says(&admin, "s3cret"));
    expect_said(&admin, "items.0.has_secret", "true");
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
    sink_stop(&sink);
}

// A server that does not answer costs nothing but time: the message waits in the outbox, over a restart, too.
static void test_kept_until_sent(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct registry_stats stats;
    struct error err = {};
    struct peer admin;
    struct sink sink;
    struct agent a;
    char target[128];
    uint64_t id;

    sink_start(&sink, SINK_HTTP);
    __atomic_store_n(&sink.status, 503, __ATOMIC_RELAXED);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    (void)snprintf(target, sizeof(target), "http://127.0.0.1:%d/", sink.port);
    id = add_channel(&admin, "webhook", target, "", 201);
    raise_alert(rig, a.id, 1, "/bin/cat", "x");
    assert_non_null(sink_next(&sink, SINK_WAIT_MS));
    agent_done(&a);
    peer_done(&admin);
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(registry_stats(rig->server.registry, &stats, &err), 0);
    assert_int_equal(stats.outbox_waiting, 1);
    assert_string_equal(channel_of(rig, id).last_error, "error");
    // One that says that it will never take it is not asked again.
    __atomic_store_n(&sink.status, 410, __ATOMIC_RELAXED);
    assert_int_equal(registry_outbox_test(rig->server.registry, &test_actor, id, &err), 0);
    assert_non_null(sink_next(&sink, SINK_WAIT_MS));
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(registry_stats(rig->server.registry, &stats, &err), 0);
    assert_int_equal(stats.outbox_waiting, 1);
    assert_int_equal(channel_of(rig, id).failed, 1);
    rig_free(rig);
    sink_stop(&sink);
}

// While one message is on its way, nine alerts come; two messages a minute are one digest then.
static void test_digest(void **state _unused_)
{
    struct rig *rig = rig_new();
    unsigned alerts = 0;
    struct error err = {};
    struct peer admin;
    struct sink sink;
    struct agent a;
    char target[128], program[32];
    const char *got;

    sink_start(&sink, SINK_HTTP);
    sink.gated = true;
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    (void)snprintf(target, sizeof(target), "http://127.0.0.1:%d/", sink.port);
    (void)add_channel(&admin, "webhook", target, "", 201);
    assert_int_equal(registry_setting_set(rig->server.registry, &test_actor, "notify.per_minute",
                                          "2", &err),
                     0);
    raise_alert(rig, a.id, 1, "/bin/p1", "x");
    assert_non_null(sink_next(&sink, SINK_WAIT_MS));
    for (unsigned i = 2; i <= 10; i++) {
        (void)snprintf(program, sizeof(program), "/bin/p%u", i);
        raise_alert(rig, a.id, i, program, "x");
    }
    assert_int_equal(write(sink.gate[1], "xx", 2), 2);
    got = sink_next(&sink, SINK_WAIT_MS);
    assert_non_null(got);
    assert_non_null(strstr(got, "\"kind\":\"digest\""));
    for (const char *p = got; (p = strstr(p, "\"host_name\"")); p++)
        alerts++;
    assert_int_equal(alerts, 9);
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
    sink_stop(&sink);
}

static void decode_body(const char *mail, char *ret, size_t size)
{
    const char *body = strstr(mail, "\r\n\r\n");
    char packed[SINK_MAX];
    size_t n = 0;
    int len;

    assert_non_null(body);
    for (body += 4; *body && *body != '.'; body++)
        if (*body != '\r' && *body != '\n')
            packed[n++] = *body;
    assert_true(n * 3 / 4 + 4 < size);
    len = EVP_DecodeBlock((unsigned char *)ret, (unsigned char *)packed, (int)n);
    assert_true(len > 0);
    ret[len] = '\0';
}

static void test_email(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct error err = {};
    struct peer admin;
    struct sink sink;
    struct agent a;
    char url[64], text[SINK_MAX];
    const char *got, *head_end;

    sink_start(&sink, SINK_SMTP);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    (void)snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", sink.port);
    assert_int_equal(registry_setting_set(rig->server.registry, &test_actor, "smtp.url", url, &err),
                     0);
    assert_int_equal(registry_setting_set(rig->server.registry, &test_actor, "smtp.from",
                                          "guard@example.org", &err),
                     0);
    assert_int_equal(registry_setting_set(rig->server.registry, &test_actor, "public_url",
                                          "https://g.example.org", &err),
                     0);
    (void)add_channel(&admin, "email", "ops@example.org,soc@example.org", "", 201);
    raise_alert(rig, a.id, 1, "/bin/cat",
                "k\xc3\xa4se\r\nBcc: evil@example.org\r\n.\r\nRCPT TO:<evil@example.org>");
    got = sink_next(&sink, SINK_WAIT_MS);
    assert_non_null(got);
    assert_non_null(strstr(got, "MAIL FROM:<guard@example.org>"));
    assert_non_null(strstr(got, "RCPT TO:<ops@example.org>"));
    assert_non_null(strstr(got, "RCPT TO:<soc@example.org>"));
    assert_non_null(strstr(got, "\r\nSubject: =?UTF-8?B?"));
    assert_non_null(strstr(got, "\r\nTo: ops@example.org,\r\n soc@example.org\r\n"));
    // What a host said is in the text and nowhere else.
    head_end = strstr(got, "\r\n\r\n");
    assert_non_null(head_end);
    assert_null(strstr(got, "evil"));
    decode_body(strstr(got, "Subject:"), text, sizeof(text));
    assert_non_null(strstr(text, "k\xc3\xa4se"));
    assert_non_null(strstr(text, "https://g.example.org/alerts/1"));
    assert_null(strstr(text, "\nBcc:"));
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
    sink_stop(&sink);
}

static void check_syslog(enum sink_kind kind)
{
    struct rig *rig = rig_new();
    struct peer admin;
    struct sink sink;
    struct agent a;
    char target[64], *end;
    const char *got;
    unsigned long len;

    sink_start(&sink, kind);
    say_as(rig, &admin, "admin", ROLE_ADMIN);
    agent_new(&a, rig);
    (void)snprintf(target, sizeof(target), "%s://127.0.0.1:%d", kind == SINK_UDP ? "udp" : "tcp",
                   sink.port);
    (void)add_channel(&admin, "syslog", target, "", 201);
    raise_alert(rig, a.id, 1, "/bin/c]a\"t", "line\none");
    got = sink_next(&sink, SINK_WAIT_MS);
    assert_non_null(got);
    if (kind == SINK_TCP) {
        len = strtoul(got, &end, 10);
        assert_int_equal(*end, ' ');
        got = end + 1;
        assert_int_equal(strlen(got), len);
    }
    // local0, error.
    assert_int_equal(strncmp(got, "<131>1 2", 8), 0);
    assert_non_null(strstr(got, " safeguard "));
    assert_non_null(strstr(got, " alert [safeguard@32473 alert=\"1\" host=\"web-1\" hostId=\""));
    assert_non_null(strstr(got, "program=\"/bin/c\\]a\\\"t\""));
    assert_non_null(strstr(got, "] \xef\xbb\xbfhigh: web-1: line?one"));
    assert_null(strchr(got, '\n'));
    agent_done(&a);
    peer_done(&admin);
    rig_free(rig);
    sink_stop(&sink);
}

static void test_syslog_udp(void **state _unused_)
{
    check_syslog(SINK_UDP);
}

static void test_syslog_tcp(void **state _unused_)
{
    check_syslog(SINK_TCP);
}

static void test_targets(void **state _unused_)
{
    static const struct {
        enum channel_kind kind;
        const char *target;
        bool good;
    } rows[] = {
        {CHANNEL_WEBHOOK, "https://example.org/hook", true},
        {CHANNEL_WEBHOOK, "http://[::1]:8080/", true},
        {CHANNEL_WEBHOOK, "file:///etc/passwd", false},
        {CHANNEL_WEBHOOK, "gopher://x", false},
        {CHANNEL_WEBHOOK, "https://", false},
        {CHANNEL_WEBHOOK, "https:///x", false},
        {CHANNEL_WEBHOOK, "https://a b/", false},
        {CHANNEL_WEBHOOK, "https://a\r\nX: y/", false},
        {CHANNEL_EMAIL, "a@example.org", true},
        {CHANNEL_EMAIL, "a@example.org,b@example.org", true},
        {CHANNEL_EMAIL, "a", false},
        {CHANNEL_EMAIL, "@example.org", false},
        {CHANNEL_EMAIL, "a@", false},
        {CHANNEL_EMAIL, "<a@example.org>", false},
        {CHANNEL_EMAIL, ",", false},
        {CHANNEL_SYSLOG, "udp://log", true},
        {CHANNEL_SYSLOG, "tcp://[::1]:601", true},
        {CHANNEL_SYSLOG, "tcp://log:0", false},
        {CHANNEL_SYSLOG, "tcp://log:70000", false},
        {CHANNEL_SYSLOG, "tcp://:1", false},
        {CHANNEL_SYSLOG, "tcp://[::1", false},
        {CHANNEL_SYSLOG, "log:514", false},
        {CHANNEL_SYSLOG, "", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = {};
        int r = notify_check_target(rows[i].kind, rows[i].target, &err);

        if ((r == 0) != rows[i].good)
            (void)fprintf(stderr, "'%s': %d\n", rows[i].target, r);
        assert_int_equal(r, rows[i].good ? 0 : -EINVAL);
    }
}

static void test_channels(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer admin;
    char target[64];
    uint64_t id;

    say_as(rig, &admin, "admin", ROLE_ADMIN);
    (void)add_channel(&admin, "webhook", "ftp://example.org", "", 400);
    assert_true(peer_says(&admin, "\"expected\""));
    id = add_channel(&admin, "syslog", "udp://127.0.0.1:9", ",\"severity\":0,\"enabled\":false",
                     201);
    expect_said(&admin, "severity", "1");
    (void)add_channel(&admin, "syslog", "udp://127.0.0.1:9", "", 409);
    (void)snprintf(target, sizeof(target), "/api/v1/channels/%llu", (unsigned long long)id);
    say(&admin, "channel_change", target, "{\"target\":\"https://x/\"}", 400);
    say(&admin, "channel_change", target,
        "{\"target\":\"tcp://x:1\",\"enabled\":true,\"severity\":5}", 200);
    expect_said(&admin, "target", "tcp://x:1");
    expect_said(&admin, "enabled", "true");
    say(&admin, "channel_delete", target, NULL, 204);
    say(&admin, "channel_delete", target, NULL, 404);
    say(&admin, "channel_change", "/api/v1/channels/x", "{}", 404);
    peer_done(&admin);
    rig_free(rig);
}

// Hosts that got into a condition together, as people read it.
static void test_conditions(void **state _unused_)
{
    static const char body[] =
        "{\"kind\":\"digest\",\"title\":\"1200 hosts: the host is silent\",\"more\":1199,\"alerts\":[{\"id\":7,"
        "\"severity\":4,\"host_name\":\"web\\n1\",\"outcome\":\"other\",\"condition\":\"silent\",\"message\":\"nothing"
        " was heard of it\",\"cure\":\"see whether it runs\",\"count\":1,\"first\":1,\"last\":1}]}";
    _cleanup_(sb_done) struct strbuf subject = {}, text = {};
    struct json_object *o = json_tokener_parse(body);
    unsigned severity = 0;

    assert_non_null(o);
    assert_int_equal(notify_describe(o, "https://guard", &subject, &text, &severity), 0);
    assert_int_equal(severity, 4);
    assert_string_equal(sb_str(&subject), "high: 1200 hosts: the host is silent");
    assert_non_null(strstr(sb_str(&text), "message:  nothing was heard of it\n"));
    assert_non_null(strstr(sb_str(&text), "to do:    see whether it runs\n"));
    assert_null(strstr(sb_str(&text), "web\n1"));
    assert_non_null(strstr(sb_str(&text), "and 1199 more\n"));
    assert_null(strstr(sb_str(&text), "outcome:"));
    json_object_put(o);
}

UNIT_MAIN(cmocka_unit_test(test_webhook), cmocka_unit_test(test_kept_until_sent),
          cmocka_unit_test(test_digest), cmocka_unit_test(test_email),
          cmocka_unit_test(test_syslog_udp), cmocka_unit_test(test_syslog_tcp),
          cmocka_unit_test(test_targets), cmocka_unit_test(test_channels),
          cmocka_unit_test(test_conditions))
