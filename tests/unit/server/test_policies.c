// SPDX-License-Identifier: Apache-2.0
//
// A policy from its first text to the hosts, what it would have done, and the way from an alert to an exception.
#include "tests/unit/unit.h"

#include "tests/unit/server/say.h"

#include "registry/alert.h"

#define TEXT                                                                             \
    "safeguard: 1\nname: web\nmode: enforce\nfiles:\n"                                   \
    "  - {path: /etc/shadow, access: read, not_by: {user: backup-operator}, do: deny}\n" \
    "  - {path: \"/srv/www/**\", access: [write, delete], do: deny}\n"

// A record as an agent writes it; the time comes later.
#define NOW "NOW"
#define RECORD(action, disposition, file, line, user, path, access)                                                            \
    "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":4,\"time\":" NOW                                                   \
    ",\"action_id\":" action ",\"disposition_id\":" disposition                                                                \
    ",\"policy\":{\"name\":\"web\"},\"actor\":{\"user\":{\"name\":\"ann\",\"uid\":\"1000\"},"                                  \
    "\"process\":{\"pid\":7,\"name\":\"cat\",\"file\":{\"path\":\"/usr/bin/cat\"},\"user\":{\"uid\":\"1000\",\"name\":\"" user \
    "\"},\"auid\":1000}},\"file\":{\"path\":\"" path                                                                           \
    "\"},\"message\":\"cat tried\",\"unmapped\":{\"rule\":\"shadow\","                                                         \
    "\"rule_file\":\"/run/" file "\",\"rule_line\":" line ",\"access\":[\"" access                                             \
    "\"],\"verdict\":\"deny\"}}"

static char *quoted(const char *text)
{
    struct json_object *o = json_object_new_string(text);
    char *copy = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));

    json_object_put(o);
    return copy;
}

// {"name":"50-web.yaml","text":"…"[,more]}
static char *body_of(const char *name, const char *text, const char *more)
{
    char *q = quoted(text), *body = NULL;

    if (name)
        assert_true(asprintf(&body, "{\"name\":\"%s\",\"text\":%s%s}", name, q, more) > 0);
    else
        assert_true(asprintf(&body, "{\"text\":%s%s}", q, more) > 0);
    free(q);
    return body;
}

static void send_text(struct peer *p, const char *id, const char *target, const char *name,
                      const char *text, const char *more, long status)
{
    char *body = body_of(name, text, more);

    say(p, id, target, body, status);
    free(body);
}

static void test_check(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer op;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    send_text(&op, "policy_check", "/api/v1/policies/check", "50-web.yaml", TEXT, "", 200);
    expect_said(&op, "errors", "0");
    // Hosts may have users that the server has not.
    expect_said(&op, "warnings", "1");
    assert_true(peer_says(&op, "backup-operator"));
    send_text(&op, "policy_check", "/api/v1/policies/check", "50-web.yaml",
              "safeguard: 1\nmode: enforce\nfiles:\n  - {path: etc, access: read, do: deny}\n", "",
              200);
    expect_said(&op, "diagnostics.0.line", "4");
    expect_said(&op, "diagnostics.0.severity", "error");
    send_text(&op, "policy_new", "/api/v1/policies", "50-web.yaml",
              "safeguard: 1\nmode: enforce\nfiles:\n  - {path: etc, access: read, do: deny}\n", "",
              400);
    assert_true(peer_says(&op, "line 4"));
    say(&op, "policies", "/api/v1/policies", NULL, 200);
    assert_null(said(&op, "items.0"));
    peer_done(&op);
    rig_free(rig);
}

static void test_versions(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer op;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    send_text(&op, "policy_new", "/api/v1/policies", "50-web.yaml", TEXT,
              ",\"selector\":\"role=web\",\"comment\":\"first\"", 201);
    expect_said(&op, "policy.version", "1");
    expect_said(&op, "policy.author", "user:op");
    expect_said(&op, "check.warnings", "1");
    send_text(&op, "policy_new", "/api/v1/policies", "50-web.yaml", TEXT, "", 409);
    send_text(&op, "policy_new", "/api/v1/policies", "../x.yaml", TEXT, "", 400);
    send_text(&op, "policy_write", "/api/v1/policies/50-web.yaml", NULL, TEXT "# more\n",
              ",\"base\":1,\"comment\":\"more\"", 200);
    expect_said(&op, "policy.version", "2");
    send_text(&op, "policy_write", "/api/v1/policies/50-web.yaml", NULL, TEXT "# other\n",
              ",\"base\":1", 409);
    assert_true(peer_says(&op, "\"code\":\"stale\""));
    say(&op, "policy_versions", "/api/v1/policies/50-web.yaml/versions", NULL, 200);
    expect_said(&op, "items.0.comment", "more");
    say(&op, "policy_version", "/api/v1/policies/50-web.yaml/versions/1", NULL, 200);
    expect_said(&op, "text", TEXT);
    say(&op, "policy_version", "/api/v1/policies/50-web.yaml/versions/3", NULL, 404);
    say(&op, "policy_version", "/api/v1/policies/50-web.yaml/versions/x", NULL, 404);
    say(&op, "policy_change", "/api/v1/policies/50-web.yaml",
        "{\"selector\":\"role in (web, proxy)\"}", 200);
    expect_said(&op, "policy.selector", "role in (web, proxy)");
    say(&op, "policy_change", "/api/v1/policies/50-web.yaml", "{\"selector\":\"role in\"}", 400);
    say(&op, "policy_delete", "/api/v1/policies/50-web.yaml", NULL, 204);
    say(&op, "policy", "/api/v1/policies/50-web.yaml", NULL, 404);
    peer_done(&op);
    rig_free(rig);
}

static void test_rollout(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer op;
    struct agent a;
    char target[128], *wanted, *id;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    send_text(&op, "policy_new", "/api/v1/policies", "50-web.yaml", TEXT, "", 201);
    say(&op, "rollout_new", "/api/v1/policies/50-web.yaml/rollouts",
        "{\"version\":1,\"stages\":[{\"share\":50,\"mode\":\"monitor\"}]}", 400);
    say(&op, "rollout_new", "/api/v1/policies/50-web.yaml/rollouts",
        "{\"version\":1,\"stages\":[{\"share\":100,\"mode\":\"monitor\"},{\"share\":100,\"mode\":\"policy\"}]}",
        201);
    id = said(&op, "id");
    expect_said(&op, "hosts.selected", "1");
    expect_said(&op, "hosts.waiting", "1");
    say(&op, "rollout_new", "/api/v1/policies/50-web.yaml/rollouts",
        "{\"version\":1,\"stages\":[{\"share\":100,\"mode\":\"monitor\"}]}", 409);
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s", a.id);
    say(&op, "host", target, NULL, 200);
    expect_said(&op, "policies.0.mode", "monitor");
    expect_said(&op, "policies.0.state", "waiting");
    wanted = said(&op, "host.bundle.wanted");
    assert_non_null(wanted);
    // The host gets what the roll-out says.
    (void)snprintf(target, sizeof(target), "/agent/v1/bundle/%s", wanted);
    assert_int_equal(peer_get(&a.peer, target), 200);
    assert_true(peer_says(&a.peer, "\"mode\":\"monitor\""));
    assert_true(peer_says(&a.peer, "50-web.yaml"));
    free(wanted);
    (void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/pause", id);
    say(&op, "rollout_pause", target, "", 200);
    (void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/advance", id);
    say(&op, "rollout_advance", target, "", 409);
    (void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/resume", id);
    say(&op, "rollout_resume", target, "", 200);
    (void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/advance?stage=0", id);
    say(&op, "rollout_advance", target, "", 200);
    expect_said(&op, "stage", "1");
    // Somebody else pressed at the same time.
    say(&op, "rollout_advance", target, "", 409);
    say(&op, "policy_hosts", "/api/v1/policies/50-web.yaml/hosts", NULL, 200);
    expect_said(&op, "items.0.mode", "policy");
    expect_said(&op, "items.0.state", "waiting");
    say(&op, "rollouts", "/api/v1/rollouts?state=running&policy=50-web.yaml", NULL, 200);
    expect_said(&op, "items.0.id", id);
    say(&op, "rollouts", "/api/v1/rollouts?state=done,paused", NULL, 200);
    assert_null(said(&op, "items.0"));
    (void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/rollback", id);
    say(&op, "rollout_rollback", target, "", 200);
    expect_said(&op, "state", "rolled-back");
    say(&op, "policies", "/api/v1/policies", NULL, 200);
    expect_said(&op, "items.0.hosts.selected", "1");
    say(&op, "rollout_advance", "/api/v1/rollouts/0x1/advance", "", 404);
    free(id);
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

static void send_records(struct agent *a, struct stream_id *stream, uint64_t first,
                         const char *form, unsigned n)
{
    _cleanup_(sb_done) struct strbuf line = {};
    const char *now = strstr(form, "NOW");

    // The time in the text is that of the test.
    sb_add(&line, form, (size_t)(now - form));
    sb_printf(&line, "%llu", (unsigned long long)server_now() - 60000);
    sb_puts(&line, now + 3);
    assert_int_equal(agent_send(a, stream, first, n, sb_str(&line)), 200);
}

static void test_dryrun(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct peer op;
    struct agent a;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    // Denied by this policy, as it is now; by an earlier one; audited by a later one; an access that has no path.
    send_records(&a, &stream, 1, RECORD("2", "2", "50-web.yaml", "5", "ann", "/etc/shadow", "read"),
                 3);
    send_records(&a, &stream, 4,
                 RECORD("2", "2", "50-web.yaml", "5", "backup-operator", "/etc/shadow", "read"), 2);
    send_records(&a, &stream, 6,
                 RECORD("2", "2", "10-first.yaml", "5", "ann", "/etc/gshadow", "read"), 4);
    send_records(&a, &stream, 10,
                 RECORD("3", "17", "90-last.yaml", "5", "ann", "/srv/www/a/b", "write"), 5);
    send_records(&a, &stream, 15,
                 RECORD("3", "17", "90-last.yaml", "5", "ann", "/srv/other", "write"), 6);
    send_text(&op, "policy_dryrun", "/api/v1/policies/dryrun", "50-web.yaml", TEXT, "", 200);
    expect_said(&op, "records", "20");
    // 3 as before, and 5 that nothing denied before; not the 4 of the earlier policy.
    expect_said(&op, "denied", "8");
    expect_said(&op, "allowed", "2");
    expect_said(&op, "audited", "6");
    expect_said(&op, "changed", "7");
    expect_said(&op, "programs.0.key", "/usr/bin/cat");
    expect_said(&op, "truncated", "false");
    assert_true(peer_says(&op, "\"rule\":\"50-web.yaml:6\""));
    send_text(&op, "policy_dryrun", "/api/v1/policies/dryrun", "50-web.yaml", TEXT, ",\"to\":1000",
              200);
    expect_said(&op, "records", "0");
    send_text(&op, "policy_dryrun", "/api/v1/policies/dryrun", "50-web.yaml", "no", "", 400);
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

// Programs that were executed, whether a rule spoke of them or not, and what was asked of the kernel.
#define ACTOR                                                                            \
    "\"actor\":{\"process\":{\"pid\":7,\"file\":{\"path\":\"/usr/bin/bash\"},\"user\":{" \
    "\"uid\":\"1000\"}}}"
#define EXEC(path, more)                                                                         \
    "{\"class_uid\":1007,\"activity_id\":1,\"launch_type_id\":3,\"severity_id\":1,\"time\":" NOW \
    "," ACTOR ",\"process\":{\"pid\":7,\"file\":{\"path\":\"" path "\"}},\"unmapped\":{" more "}}"
#define CONTROL(class, kind, argument)                                                                \
    "{\"class_uid\":" class                                                                           \
        ",\"activity_id\":99,\"severity_id\":3,\"time\":" NOW                                         \
        ",\"action_id\":2,\"disposition_id\":2," ACTOR                                                \
        ",\"unmapped\":{\"rule\":\"x\",\"rule_file\":\"/run/60-p.yaml\",\"rule_line\":9,\"access\":[" \
        "\"control\"],\"verdict\":\"deny\",\"control\":\"" kind "\"," argument "}}"

static void test_dryrun_beside_files(void **state _unused_)
{
    static const char text[] = "safeguard: 1\nname: p\nmode: enforce\n"
                               "processes:\n"
                               "  - {exec: [\"/tmp/**\", memfd], do: deny}\n"
                               "  - {exec: /usr/bin/id, do: audit}\n"
                               "control:\n"
                               "  - {ptrace: attach, do: deny}\n"
                               "  - {setuid: 0, by: {exe: /usr/bin/bash}, do: deny}\n"
                               "  - {module: \"evil*\", do: deny}\n";
    static const struct {
        const char *record, *what, *now; // what: NULL: it is none of its business
    } rows[] = {
        {EXEC("/tmp/x", ""), "/tmp/x", "denied"},
        {EXEC("/usr/bin/ls", ""), "", ""},
        {EXEC("/usr/bin/id", ""), "/usr/bin/id", "audited"},
        {EXEC("/usr/bin/dash", "\"script\":\"/tmp/run.sh\""), "/tmp/run.sh", "denied"},
        {EXEC("/memfd:x", "\"path_kind\":\"filesystem\",\"launch\":[\"memory\",\"deleted\"]"),
         "exec:memfd", "denied"},
        {EXEC("/cut", "\"path_kind\":\"cut\""), NULL, NULL},
        {"{\"class_uid\":1007,\"activity_id\":1,\"launch_type_id\":2,\"time\":" NOW "," ACTOR "}",
         NULL, NULL},
        // Decided by this policy then; allowed now, but for those that it still speaks of.
        {CONTROL("1007", "ptrace", "\"argument\":\"read\",\"argument_number\":0"), "ptrace:read",
         "allowed"},
        {CONTROL("1007", "ptrace", "\"argument\":\"attach\",\"argument_number\":1"), "", ""},
        {CONTROL("1007", "setuid", "\"argument_number\":0"), "", ""},
        {CONTROL("1007", "setuid", "\"argument_number\":33"), "setuid:33", "allowed"},
        {CONTROL("1005", "module", "\"argument\":\"evil_one\""), "", ""},
        {CONTROL("1005", "module", "\"argument\":\"nf_tables\""), "module:nf_tables", "allowed"},
        {CONTROL("1003", "no-such-kind", "\"argument\":\"x\""), NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig *rig = rig_new();
        struct stream_id stream;
        struct peer op;
        struct agent a;

        say_as(rig, &op, "op", ROLE_OPERATOR);
        assert_int_equal(stream_id_new(&stream), 0);
        agent_new(&a, rig);
        assert_int_equal(agent_hello(&a, &stream), 200);
        send_records(&a, &stream, 1, rows[i].record, 1);
        send_text(&op, "policy_dryrun", "/api/v1/policies/dryrun", "60-p.yaml", text, "", 200);
        expect_said(&op, "records", rows[i].what ? "1" : "0");
        expect_said(&op, "changed", rows[i].what && *rows[i].what ? "1" : "0");
        if (rows[i].what && *rows[i].what) {
            expect_said(&op, "samples.0.path", rows[i].what);
            expect_said(&op, "samples.0.now", rows[i].now);
            expect_said(&op, "samples.0.program", "/usr/bin/bash");
        }
        agent_done(&a);
        peer_done(&op);
        rig_free(rig);
    }
}

static void test_alerts(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct peer op;
    struct agent a;
    char target[128], *id;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    send_records(&a, &stream, 1, RECORD("2", "2", "50-web.yaml", "5", "ann", "/etc/shadow", "read"),
                 3);
    say(&op, "alerts", "/api/v1/alerts?status=new,acknowledged&severity=4&q=cat", NULL, 200);
    id = said(&op, "items.0.id");
    expect_said(&op, "items.0.count", "3");
    expect_said(&op, "items.0.user", "ann");
    expect_said(&op, "items.0.title", "cat tried");
    say(&op, "alerts_timeline", "/api/v1/alerts/timeline", NULL, 200);
    say(&op, "alerts_timeline",
        "/api/v1/alerts/timeline?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z&step=86400000",
        NULL, 200);
    expect_said(&op, "points.0", "0");
    say(&op, "alerts_timeline", "/api/v1/alerts/timeline?from=2020-01-01T00:00:00Z&step=60000",
        NULL, 400);
    say(&op, "alerts_timeline", "/api/v1/alerts/timeline?from=-1h&to=-2h", NULL, 400);
    say(&op, "alerts", "/api/v1/alerts?status=resolved", NULL, 200);
    assert_null(said(&op, "items.0"));
    (void)snprintf(target, sizeof(target), "/api/v1/alerts/%s", id);
    say(&op, "alert_change", target, "{\"status\":\"acknowledged\",\"owner\":\"op\"}", 200);
    expect_said(&op, "alert.owner", "op");
    say(&op, "alert_change", target, "{\"owner\":\"nobody-here\"}", 400);
    say(&op, "alert_change", target, "{\"owner\":null}", 200);
    assert_true(peer_says(&op, "\"owner\":null"));
    (void)snprintf(target, sizeof(target), "/api/v1/alerts/%s/comments", id);
    say(&op, "alert_comment", target, "{\"text\":\"looked at it\"}", 201);
    expect_said(&op, "history.2.text", "looked at it");
    (void)snprintf(target, sizeof(target), "/api/v1/alerts/%s/events?limit=2", id);
    say(&op, "alert_events", target, NULL, 200);
    expect_said(&op, "items.1.path", "/etc/shadow");
    assert_null(said(&op, "items.2"));
    (void)snprintf(target, sizeof(target),
                   "{\"ids\":[\"%s\",\"99\",\"x\"],\"status\":\"resolved\"}", id);
    say(&op, "alerts_bulk", "/api/v1/alerts/bulk", target, 200);
    expect_said(&op, "changed", "1");
    expect_said(&op, "missing.1", "x");
    say(&op, "alert", "/api/v1/alerts/99", NULL, 404);
    free(id);
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

// The proposal is a policy that lets the same record pass, and the version that has it is noted at the alert.
static void test_exception(void **state _unused_)
{
    static const char *const scopes[] = {"path", "program", "user"};
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct peer op;
    struct agent a;
    char body[128], *text = NULL;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    send_records(&a, &stream, 1, RECORD("2", "2", "50-web.yaml", "5", "ann", "/etc/shadow", "read"),
                 3);
    // The rule is in a file that this server does not have.
    say(&op, "alert_exception", "/api/v1/alerts/1/exception",
        "{\"reason\":\"backup\",\"scope\":\"path\"}", 404);
    send_text(&op, "policy_new", "/api/v1/policies", "50-web.yaml", TEXT, "", 201);
    for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
        (void)snprintf(body, sizeof(body), "{\"reason\":\"nightly\\nbackup\",\"scope\":\"%s\"}",
                       scopes[i]);
        say(&op, "alert_exception", "/api/v1/alerts/1/exception", body, 200);
        expect_said(&op, "policy", "50-web.yaml");
        free(text);
        text = said(&op, "text");
        assert_non_null(strstr(text, "  # exception for alert 1: nightly backup\n  - {path: "));
        send_text(&op, "policy_dryrun", "/api/v1/policies/dryrun", "50-web.yaml", text, "", 200);
        expect_said(&op, "records", "3");
        expect_said(&op, "allowed", "3");
    }
    send_text(&op, "policy_write", "/api/v1/policies/50-web.yaml", NULL, text, ",\"base\":1", 200);
    say(&op, "alert", "/api/v1/alerts/1", NULL, 200);
    expect_said(&op, "alert.status", "false-positive");
    expect_said(&op, "exception.policy", "50-web.yaml");
    expect_said(&op, "exception.reason", "nightly backup");
    // Saved again, it is not noted again.
    send_text(&op, "policy_write", "/api/v1/policies/50-web.yaml", NULL, text, ",\"base\":2", 200);
    say(&op, "alert", "/api/v1/alerts/1", NULL, 200);
    assert_null(said(&op, "history.1"));
    free(text);
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

// Rules about programs and about what is asked of the kernel have exceptions in their own words.
static void test_exception_by_section(void **state _unused_)
{
    static const char policy[] = "safeguard: 1\nname: p\nmode: enforce\n"
                                 "processes:\n"
                                 "  - {exec: [\"/tmp/**\", memfd], do: deny}\n"
                                 "control:\n"
                                 "  - {ptrace: any, module: [\"a*\", b], do: deny}\n";
    static const struct {
        const char *record, *scope, *line;
    } rows[] = {
        {RECORD("2", "2", "60-p.yaml", "5", "ann", "/tmp/x", "exec"), "path",
         "  - {exec: \"/tmp/x\", by: {exe: \"/usr/bin/cat\"}, do: allow}\n"},
        {RECORD("2", "2", "60-p.yaml", "5", "ann", "/tmp/x", "exec"), "user",
         "  - {exec: [\"/tmp/**\", \"memfd\"], by: {user: \"ann\"}, do: allow}\n"},
        {RECORD("2", "2", "60-p.yaml", "7", "ann", "", "control"), "program",
         "  - {ptrace: [\"any\"], module: [\"a*\", \"b\"], by: {exe: \"/usr/bin/cat\"}, do: "
         "allow}\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig *rig = rig_new();
        struct stream_id stream;
        char body[64], *text;
        struct peer op;
        struct agent a;

        say_as(rig, &op, "op", ROLE_OPERATOR);
        assert_int_equal(stream_id_new(&stream), 0);
        agent_new(&a, rig);
        assert_int_equal(agent_hello(&a, &stream), 200);
        send_records(&a, &stream, 1, rows[i].record, 1);
        send_text(&op, "policy_new", "/api/v1/policies", "60-p.yaml", policy, "", 201);
        (void)snprintf(body, sizeof(body), "{\"reason\":\"r\",\"scope\":\"%s\"}", rows[i].scope);
        say(&op, "alert_exception", "/api/v1/alerts/1/exception", body, 200);
        text = said(&op, "text");
        if (!strstr(text, rows[i].line))
            fail_msg("%s: %s", rows[i].scope, text);
        free(text);
        agent_done(&a);
        peer_done(&op);
        rig_free(rig);
    }
}

UNIT_MAIN(cmocka_unit_test(test_check), cmocka_unit_test(test_versions),
          cmocka_unit_test(test_rollout), cmocka_unit_test(test_dryrun),
          cmocka_unit_test(test_dryrun_beside_files), cmocka_unit_test(test_alerts),
          cmocka_unit_test(test_exception), cmocka_unit_test(test_exception_by_section))
