// SPDX-License-Identifier: Apache-2.0
//
// The agents' end of the server: who is let in, what becomes of records, what comes down.
#include "tests/unit/unit.h"

#include <poll.h>

#include "tests/unit/server/polls.h"
#include "tests/unit/server/rig.h"
#include "tests/unit/server/say.h"

#include "model/state.h"
#include "registry/cert.h"
#include "registry/command.h"
#include "registry/host.h"
#include "registry/settings.h"
#include "server/ingest.h"

#define LINE "{\"class_uid\":1001,\"time\":1795721106337,\"message\":\"x\"}"

static void test_enrolment(void **state _unused_)
{
    struct rig *rig = rig_new();
    char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];
    struct agent a;

    agent_init(&a, rig);
    token_text(rig, 1, token);
    token_text(rig, 1, other);
    assert_int_equal(agent_enrol_with(&a, "sg1.nonsense"), 403);
    assert_true(peer_says(&a.peer, "\"code\":\"token\""));
    assert_int_equal(agent_enrol_with(&a, token), 200);
    assert_int_equal(strlen(a.id), 36);
    assert_true(peer_says(&a.peer, "\"renew_after_ms\":"));
    assert_int_equal(agent_hello(&a, NULL), 200);
    // It worked once.
    assert_int_equal(agent_enrol_with(&a, token), 403);
    // Not a request, not JSON.
    peer_header(&a.peer, NULL);
    assert_int_equal(peer_send(&a.peer, "POST", WIRE_ENROL, "{\"token\":1}"), 400);
    assert_true(peer_says(&a.peer, "\"code\":\"bad-request\""));
    assert_int_equal(peer_send(&a.peer, "POST", WIRE_ENROL, "no"), 400);
    agent_done(&a);
    rig_free(rig);
}

static void test_who_may_speak(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct agent a, b, nobody;
    struct stream_id stream;
    char session[64], *key, *certificate;
    struct error err = {};

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    agent_new(&b, rig);
    agent_init(&nobody, rig);
    assert_int_equal(agent_hello(&nobody, NULL), 401);
    assert_true(peer_says(&nobody.peer, "\"code\":\"certificate\""));
    // A certificate of this CA for a host that nobody enrolled.
    peer_agent(&rig->ca, PEER_AGENT, &key, &certificate);
    peer_certificate(&nobody.peer, key, certificate);
    (void)curl_easy_setopt(nobody.peer.curl, CURLOPT_FRESH_CONNECT, 1L);
    assert_int_equal(agent_hello(&nobody, NULL), 403);
    assert_true(peer_says(&nobody.peer, "\"code\":\"unknown\""));
    free(key);
    free(certificate);

    assert_int_equal(agent_hello(&a, NULL), 200);
    b.machine_id = "99992222333344445555666677778888";
    assert_int_equal(agent_hello(&b, NULL), 409); // enrolled as another machine
    assert_true(peer_says(&b.peer, "\"code\":\"cloned\""));
    // Another's session is none.
    memcpy(session, b.session, sizeof(session));
    (void)snprintf(b.session, sizeof(b.session), "%s", a.session);
    peer_header(&b.peer, NULL);
    peer_header(&b.peer, "Safeguard-Session: 00000000000000000000000000000000");
    assert_true(agent_send(&b, &stream, 1, 1, LINE) >= 403);
    peer_header(&a.peer, NULL);
    peer_header(&a.peer, "Safeguard-Session: 00000000000000000000000000000000");
    assert_int_equal(agent_send(&a, &stream, 1, 1, LINE), 409);
    assert_true(peer_says(&a.peer, "\"code\":\"session\""));
    // Whoever is revoked is told so, with a good certificate and session.
    assert_int_equal(agent_hello(&a, NULL), 200);
    assert_int_equal(registry_host_revoke(rig->server.registry, &test_actor, a.id, "lost", &err),
                     0);
    assert_int_equal(agent_send(&a, &stream, 1, 1, LINE), 403);
    assert_true(peer_says(&a.peer, "\"code\":\"revoked\""));
    assert_int_equal(agent_hello(&a, NULL), 403);
    assert_true(peer_says(&a.peer, "\"code\":\"revoked\""));
    agent_done(&a);
    agent_done(&b);
    agent_done(&nobody);
    rig_free(rig);
}

static void test_records(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct ingest_stats stats;
    struct stream_id stream;
    struct agent a;
    char *large = mallocz(5 << 20);

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_true(peer_says(&a.peer, "\"acked\":0"));
    assert_int_equal(agent_send(&a, &stream, 1, 100, LINE), 200);
    assert_true(peer_says(&a.peer, "\"acked\":100"));
    assert_true(peer_says(&a.peer, "\"stored\":100"));
    // The same again, and overlapping.
    assert_int_equal(agent_send(&a, &stream, 1, 100, LINE), 200);
    assert_true(peer_says(&a.peer, "\"duplicates\":100"));
    assert_int_equal(agent_send(&a, &stream, 51, 100, LINE), 200);
    assert_true(peer_says(&a.peer, "\"acked\":150"));
    assert_true(peer_says(&a.peer, "\"stored\":50"));
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_true(peer_says(&a.peer, "\"acked\":150"));
    // What is no frame.
    assert_int_equal(peer_ask(&a.peer, "POST", WIRE_RECORDS, "", 0), 400);
    assert_int_equal(peer_ask(&a.peer, "POST", WIRE_RECORDS, "SGB1nonsense", 12), 400);
    assert_true(peer_says(&a.peer, "\"code\":\"frame\""));
    assert_int_equal(peer_ask(&a.peer, "POST", WIRE_RECORDS, large, 5 << 20), 413);
    assert_true(peer_says(&a.peer, "\"code\":\"too-large\""));
    ingest_stats(rig->server.ingest, &stats);
    assert_int_equal(stats.records, 150);
    assert_int_equal(stats.duplicates, 150);
    assert_int_equal(stats.batches, 3);
    assert_int_equal(stats.waiting, 0);
    free(large);
    agent_done(&a);
    rig_free(rig);
}

// The server starts again: what was acknowledged is there, sessions have to be begun anew.
static void test_restart(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct agent a;
    long port;

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_int_equal(agent_send(&a, &stream, 1, 10, LINE), 200);
    rig_close(rig);
    rig_open(rig);
    port = api_port(rig->server.api);
    (void)snprintf(a.peer.url, sizeof(a.peer.url), "https://127.0.0.1:%ld", port);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_true(peer_says(&a.peer, "\"acked\":10"));
    assert_int_equal(agent_send(&a, &stream, 11, 10, LINE), 200);
    assert_true(peer_says(&a.peer, "\"acked\":20"));
    agent_done(&a);
    rig_free(rig);
}

static void test_commands_and_results(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct polling p = {.bundle = "", .after = ""};
    struct error err = {};
    struct agent a, b;
    char after[24], json[256];
    uint64_t id = 0;

    agent_new(&a, rig);
    agent_new(&b, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    assert_int_equal(agent_hello(&b, NULL), 200);
    p.agent = &a;
    assert_int_equal(pthread_create(&p.thread, NULL, do_poll, &p), 0);
    await_parked(rig, 1);
    assert_int_equal(registry_command_create(rig->server.registry, &test_actor, a.id, "status",
                                             "{\"x\":1}", 60000, &id, &err),
                     0);
    assert_int_equal(pthread_join(p.thread, NULL), 0);
    assert_int_equal(a.peer.answer.status, 200);
    assert_true(peer_says(&a.peer, "\"name\":\"status\""));
    assert_true(peer_says(&a.peer, "{\"x\":1}"));
    // Known now: it waits for another one.
    (void)snprintf(after, sizeof(after), "%llu", (unsigned long long)id);
    p.after = after;
    assert_int_equal(pthread_create(&p.thread, NULL, do_poll, &p), 0);
    await_parked(rig, 1);
    // Another host has no say in it.
    (void)snprintf(
        json, sizeof(json),
        "{\"command\":\"%s\",\"status\":\"done\",\"result\":{\"ok\":true},\"error\":null}", after);
    assert_int_equal(peer_send(&b.peer, "POST", WIRE_RESULT, json), 404);
    assert_int_equal(registry_command_create(rig->server.registry, &test_actor, a.id, "again", "{}",
                                             60000, &id, &err),
                     0);
    assert_int_equal(pthread_join(p.thread, NULL), 0);
    assert_true(peer_says(&a.peer, "\"name\":\"again\""));
    assert_false(peer_says(&a.peer, "\"name\":\"status\""));
    assert_int_equal(peer_send(&a.peer, "POST", WIRE_RESULT, json), 200);
    assert_int_equal(peer_send(&a.peer, "POST", WIRE_RESULT, json), 200);
    assert_int_equal(peer_send(&a.peer, "POST", WIRE_RESULT, "{}"), 400);
    // Who is revoked while he waits is told at once.
    (void)snprintf(after, sizeof(after), "%llu", (unsigned long long)id);
    assert_int_equal(pthread_create(&p.thread, NULL, do_poll, &p), 0);
    await_parked(rig, 1);
    assert_int_equal(registry_host_revoke(rig->server.registry, &test_actor, a.id, "lost", &err),
                     0);
    assert_int_equal(pthread_join(p.thread, NULL), 0);
    assert_int_equal(a.peer.answer.status, 403);
    agent_done(&a);
    agent_done(&b);
    rig_free(rig);
}

static int keep_seen(void *ctx, const struct registry_host *h)
{
    *(uint64_t *)ctx = h->seen_ms;
    return 0;
}

// That the server answers what is parked is no word of an agent, which may be stopped by now.
static void test_an_answer_is_no_word(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct registry *rg = rig->server.registry;
    struct polling p = {.bundle = "", .after = ""};
    uint64_t before = 0, later = 0, asked, id;
    struct error err = {};
    struct agent a;

    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    p.agent = &a;
    assert_int_equal(pthread_create(&p.thread, NULL, do_poll, &p), 0);
    await_parked(rig, 1);
    assert_int_equal(registry_host_get(rg, a.id, keep_seen, &before, &err), 0);
    for (asked = now_ns(CLOCK_REALTIME); now_ns(CLOCK_REALTIME) - asked < 20 * NS_PER_MS;)
        (void)poll(NULL, 0, 1);
    assert_int_equal(registry_command_create(rg, &test_actor, a.id, "status", "{}", 60000, &id,
                                             &err),
                     0);
    assert_int_equal(pthread_join(p.thread, NULL), 0);
    assert_int_equal(a.peer.answer.status, 200);
    assert_int_equal(registry_host_get(rg, a.id, keep_seen, &later, &err), 0);
    assert_int_equal(later, before);
    assert_int_equal(agent_hello(&a, NULL), 200);
    assert_int_equal(registry_host_get(rg, a.id, keep_seen, &later, &err), 0);
    assert_true(later > before);
    agent_done(&a);
    rig_free(rig);
}

static int keep_state(void *ctx, const struct registry_host *h)
{
    *(enum host_state *)ctx = h->state;
    return 0;
}

static enum host_state state_of_host(struct rig *rig, const char *id)
{
    enum host_state state = HOST_STATES;

    assert_int_equal(registry_host_get(rig->server.registry, id, keep_state, &state,
                                       &(struct error){}),
                     0);
    return state;
}

static void send_state(struct agent *a, const char *base, const char *key, const char *value,
                       uint64_t checksum, long status)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char text[STATE_CHECKSUM_TEXT];
    struct jw jw;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "table", "health");
    jw_kv_str(&jw, "base", base);
    jw_kv_array(&jw, "rows");
    jw_begin_object(&jw);
    jw_kv_str(&jw, "key", key);
    jw_kv_str(&jw, "value", value);
    jw_end_object(&jw);
    jw_end_array(&jw);
    state_checksum_format(checksum, text);
    jw_kv_str(&jw, "checksum", text);
    jw_kv_bool(&jw, "full", base == NULL);
    jw_end_object(&jw);
    assert_int_equal(peer_ask(&a->peer, "POST", "/agent/v1/state", sb_str(&sb), sb.len), status);
}

static void test_state(void **state _unused_)
{
    static const char bad[] =
        "[{\"severity\":\"low\",\"what\":\"x\"},{\"severity\":\"high\",\"what\":\"the hook is gone\",\"cure\":\"load it\"}]",
                      good[] = "[{\"severity\":\"low\",\"what\":\"x\"}]";
    struct rig *rig = rig_new();
    char text[STATE_CHECKSUM_TEXT];
    struct agent a;
    uint64_t sum;

    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    sum = state_row_hash("problems", bad, strlen(bad));
    send_state(&a, NULL, "problems", bad, sum, 200);
    assert_int_equal(state_of_host(rig, a.id), HOST_DEGRADED);
    state_checksum_format(sum, text);
    assert_true(peer_says(&a.peer, text));
    // Another base: the two differ.
    send_state(&a, "0000000000000001", "problems", good, 1, 409);
    assert_true(peer_says(&a.peer, "\"code\":\"resync\""));
    send_state(&a, text, "problems", good, state_row_hash("problems", good, strlen(good)), 200);
    assert_int_equal(state_of_host(rig, a.id), HOST_OK);
    assert_int_equal(peer_send(&a.peer, "POST", "/agent/v1/state", "{\"table\":\"../x\"}"), 400);
    agent_done(&a);
    rig_free(rig);
}

// What the page of a host shows of what its agent said: rows about the agent as a whole are no hooks.
static void test_shown(void **state _unused_)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {"agent", "{\"version\":\"1\",\"attach\":\"lsm\"}"},
        {"file_close", "{\"state\":\"off\",\"attach\":null}"},
        {"resources", "{\"resident_bytes\":4096,\"cpu_permille\":7}"},
        {"policy", "{\"files\":[{\"file\":\"10-own.yaml\",\"mode\":\"monitor\"},7]}"},
    };
    struct rig *rig = rig_new();
    char target[128], text[STATE_CHECKSUM_TEXT];
    struct peer op;
    struct agent a;
    uint64_t sum = 0;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        state_checksum_format(sum, text);
        sum ^= state_row_hash(rows[i].key, rows[i].value, strlen(rows[i].value));
        send_state(&a, i ? text : NULL, rows[i].key, rows[i].value, sum, 200);
    }
    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s", a.id);
    say(&op, "host", target, NULL, 200);
    expect_said(&op, "health.0.id", "file_close");
    assert_null(said(&op, "health.1"));
    expect_said(&op, "host.rss", "4096");
    expect_said(&op, "host.cpu_permille", "7");
    expect_said(&op, "own_policies.0.file", "10-own.yaml");
    expect_said(&op, "own_policies.0.mode", "monitor");
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

static void test_renewal(void **state _unused_)
{
    struct rig *rig = rig_new();
    _cleanup_(sb_done) struct strbuf sb = {};
    struct msg_renew m = {};
    struct cert_info info;
    struct error err = {};
    char *key, *csr, *certificate;
    struct agent a;

    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, NULL), 200);
    assert_int_equal(registry_setting_set(rig->server.registry, &test_actor, "certificate.life",
                                          "3d", &err),
                     0);
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    m.csr = csr;
    assert_int_equal(msg_renew_write(&sb, &m), 0);
    assert_int_equal(peer_ask(&a.peer, "POST", WIRE_RENEW, sb_str(&sb), sb.len), 200);
    certificate = peer_member(&a.peer, "certificate");
    // For as long as the setting says, and to be renewed after two thirds of that.
    assert_true(peer_says(&a.peer, "\"renew_after_ms\":172800000"));
    assert_int_equal(cert_read_pem(certificate, &info, &err), 0);
    assert_in_range(info.not_after_ms, server_now() + 71 * UINT64_C(3600000),
                    server_now() + 72 * UINT64_C(3600000));
    peer_certificate(&a.peer, key, certificate);
    (void)curl_easy_setopt(a.peer.curl, CURLOPT_FRESH_CONNECT, 1L);
    assert_int_equal(agent_hello(&a, NULL), 200);
    assert_int_equal(registry_host_revoke(rig->server.registry, &test_actor, a.id, "lost", &err),
                     0);
    assert_int_equal(peer_ask(&a.peer, "POST", WIRE_RENEW, sb_str(&sb), sb.len), 403);
    free(key);
    free(csr);
    free(certificate);
    agent_done(&a);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_enrolment), cmocka_unit_test(test_who_may_speak),
          cmocka_unit_test(test_records), cmocka_unit_test(test_restart),
          cmocka_unit_test(test_commands_and_results), cmocka_unit_test(test_an_answer_is_no_word),
          cmocka_unit_test(test_state), cmocka_unit_test(test_shown),
          cmocka_unit_test(test_renewal))
