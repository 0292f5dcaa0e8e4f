// SPDX-License-Identifier: Apache-2.0
//
// What the link carries besides records: tables, policies, commands and results, certificates.
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/macro.h"
#include "tests/unit/transport/bench.h"
#include "transport/link_private.h"

static void put(struct bench *b, const char *key, const char *value)
{
    assert_int_equal(link_state_put(b->link, "health", key, value, strlen(value)), 0);
}

static bool peer_has(struct bench *b, const char *key, const char *value)
{
    struct state_row row;
    bool has;

    (void)pthread_mutex_lock(&b->peer.lock);
    has = state_set_get(b->peer.table, key, &row) && value && streq(row.value, value);
    if (!value)
        has = !state_set_get(b->peer.table, key, &row);
    (void)pthread_mutex_unlock(&b->peer.lock);
    return has;
}

static void new_session(struct bench *b)
{
    (void)pthread_mutex_lock(&b->peer.lock);
    (void)snprintf(b->peer.session, sizeof(b->peer.session), "another");
    (void)pthread_mutex_unlock(&b->peer.lock);
    source_add(&b->source, STREAM_SECURITY, 1);
    link_wake(b->link);
    WAIT(b, source_empty(&b->source));
}

static void test_tables(void **state)
{
    struct bench b;
    unsigned before;

    (void)state;
    bench_open_online(&b);
    put(&b, "hook/a", "{\"state\":\"ok\",\"x\":\"/y\\u0001\"}");
    put(&b, "hook/b", "\xc3\xa4");
    WAIT(&b, peer_has(&b, "hook/b", "\xc3\xa4"));
    assert_true(peer_has(&b, "hook/a", "{\"state\":\"ok\",\"x\":\"/y\\u0001\"}"));
    // The first message asks whether the server has it already; it had nothing.
    assert_int_equal(bench_status(&b).counters.resyncs, 1);
    put(&b, "hook/b", "2");
    assert_int_equal(link_state_remove(b.link, "health", "hook/a"), 0);
    WAIT(&b, peer_has(&b, "hook/b", "2") && peer_has(&b, "hook/a", NULL));
    assert_int_equal(bench_status(&b).counters.resyncs, 1);
    // Another session: it is asked whether both hold the same, which costs one message.
    before = LOCKED(&b.peer, b.peer.n_state);
    new_session(&b);
    WAIT(&b, LOCKED(&b.peer, b.peer.n_state) == before + 1);
    put(&b, "hook/c", "3");
    WAIT(&b, peer_has(&b, "hook/c", "3"));
    assert_int_equal(bench_status(&b).counters.resyncs, 1);
    // Another run of the agent, with the same rows.
    bench_unlink(&b);
    before = b.peer.n_state;
    bench_link(&b);
    put(&b, "hook/b", "2");
    put(&b, "hook/c", "3");
    WAIT(&b, bench_status(&b).counters.state_sent > 0);
    assert_int_equal(bench_status(&b).counters.resyncs, 0);
    bench_close(&b);
}

static void test_server_lost_the_table(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    put(&b, "a", "1");
    put(&b, "b", "2");
    WAIT(&b, peer_has(&b, "b", "2"));
    (void)pthread_mutex_lock(&b.peer.lock);
    (void)state_set_put(b.peer.table, "stranger", "x", 1);
    (void)state_set_remove(b.peer.table, "a");
    (void)pthread_mutex_unlock(&b.peer.lock);
    // Seen with the next change.
    put(&b, "b", "3");
    WAIT(&b, peer_has(&b, "a", "1") && peer_has(&b, "b", "3") && peer_has(&b, "stranger", NULL));
    // And with the next session, without one.
    (void)pthread_mutex_lock(&b.peer.lock);
    state_set_clear(b.peer.table);
    (void)pthread_mutex_unlock(&b.peer.lock);
    new_session(&b);
    WAIT(&b, peer_has(&b, "a", "1") && peer_has(&b, "b", "3"));
    bench_close(&b);
}

// An answer that got lost: nobody knows which of the two tables the server has.
static void test_answer_is_lost(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    put(&b, "a", "1");
    WAIT(&b, peer_has(&b, "a", "1"));
    for (unsigned i = 0; i < 3; i++) {
        char value[8];

        (void)pthread_mutex_lock(&b.peer.lock);
        b.peer.state = i == 2 ? (struct peer_script){503, WIRE_busy, 1, 1}
                              : (struct peer_script){500, WIRE_CODE_NONE, 0, 1};
        (void)pthread_mutex_unlock(&b.peer.lock);
        (void)snprintf(value, sizeof(value), "%u", i);
        put(&b, "b", value);
        WAIT(&b, peer_has(&b, "b", value));
        assert_true(peer_has(&b, "a", "1"));
    }
    bench_close(&b);
}

static void test_large_table(void **state)
{
    _cleanup_(state_set_freep) struct state_set *rows = NULL;
    _cleanup_free_ char *big = malloc(STATE_VALUE_MAX);
    uint64_t checksum;
    struct bench b;

    (void)state;
    assert_non_null(big);
    assert_int_equal(state_set_new(&rows), 0);
    for (unsigned i = 0; i < 3000; i++) {
        char key[32], value[300];

        (void)snprintf(key, sizeof(key), "package/%u", i);
        memset(value, 'a' + (int)(i % 26), sizeof(value));
        assert_int_equal(state_set_put(rows, key, value, sizeof(value)), 1);
    }
    // The worst that a row can be: each byte becomes six.
    memset(big, 1, STATE_VALUE_MAX);
    assert_int_equal(state_set_put(rows, "big", big, STATE_VALUE_MAX), 1);
    checksum = state_set_checksum(rows);
    bench_open_online(&b);
    assert_int_equal(link_state_replace(b.link, "packages", rows), 0);
    WAIT(&b, LOCKED(&b.peer, state_set_checksum(b.peer.table)) == checksum);
    assert_int_equal(LOCKED(&b.peer, state_set_rows(b.peer.table)), 3001);
    assert_true(b.peer.n_state > 10);
    state_set_clear(rows);
    assert_int_equal(link_state_replace(b.link, "packages", rows), 0);
    WAIT(&b, LOCKED(&b.peer, state_set_rows(b.peer.table)) == 0);
    bench_close(&b);
}

static void test_tables_that_cannot_be(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    (void)snprintf(b.peer.url, sizeof(b.peer.url), "https://127.0.0.1:1");
    bench_link(&b);
    assert_int_equal(link_state_put(b.link, "Health", "a", "1", 1), -EINVAL);
    assert_int_equal(link_state_put(b.link, "health", "", "1", 1), -EINVAL);
    assert_int_equal(link_state_put(b.link, "health", "a", "\xff", 1), -EINVAL);
    for (unsigned i = 0; i < TABLES_MAX - 1; i++) { // health is one
        char name[16];

        (void)snprintf(name, sizeof(name), "t%u", i);
        assert_int_equal(link_state_put(b.link, name, "a", "1", 1), 0);
    }
    assert_int_equal(link_state_put(b.link, "more", "a", "1", 1), -ENOSPC);
    bench_close(&b);
}

// Commands ------------------------------------------------------------------------------------

static void command(struct bench *b, const char *answer)
{
    WAIT(b, LOCKED(&b->peer, b->peer.parked) > 0);
    (void)pthread_mutex_lock(&b->peer.lock);
    b->peer.command = answer;
    (void)pthread_cond_broadcast(&b->peer.changed);
    (void)pthread_mutex_unlock(&b->peer.lock);
}

static void test_commands_and_results(void **state)
{
    struct msg_result result = {.command = "c-1", .status = MSG_DONE, .result = "{\"n\":5}"};
    struct bench b;

    (void)state;
    bench_open_online(&b);
    command(&b, "{\"bundle\":null,\"commands\":[{\"id\":\"c-1\",\"name\":\"rescan\","
                "\"args\":{\"x\":1},\"deadline_ms\":5}]}");
    WAIT(&b, b.n_commands == 1);
    assert_string_equal(b.command, "c-1");
    assert_non_null(strstr(b.args, "\"x\""));
    WAIT(&b, LOCKED(&b.peer, streq(b.peer.last_after, "c-1")));
    // The same again, with another one: it is told once.
    command(&b,
            "{\"bundle\":null,\"commands\":[{\"id\":\"c-1\",\"name\":\"rescan\",\"args\":{},"
            "\"deadline_ms\":0},{\"id\":\"c-2\",\"name\":\"x\",\"args\":{},\"deadline_ms\":0}]}");
    WAIT(&b, b.n_commands == 2);
    assert_string_equal(b.command, "c-2");
    assert_int_equal(link_result(b.link, &result), 0);
    WAIT(&b, LOCKED(&b.peer, b.peer.n_result) == 1);
    assert_non_null(strstr(b.peer.last_result, "\"n\":5"));
    WAIT(&b, bench_status(&b).counters.results == 1);
    bench_close(&b);
}

// A question is handed on each time that it comes, and is not what the agent had last.
static void test_questions(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    command(&b, "{\"bundle\":null,\"commands\":[{\"id\":\"c-1\",\"name\":\"x\",\"args\":{},"
                "\"deadline_ms\":0}],\"questions\":[{\"id\":\"q1-1\",\"name\":\"processes\","
                "\"args\":{\"from\":7},\"deadline_ms\":0}]}");
    WAIT(&b, b.n_commands == 2);
    assert_string_equal(b.command, "q1-1");
    assert_true(b.question);
    assert_non_null(strstr(b.args, "7"));
    WAIT(&b, LOCKED(&b.peer, streq(b.peer.last_after, "c-1")));
    command(&b, "{\"bundle\":null,\"commands\":[{\"id\":\"c-2\",\"name\":\"x\",\"args\":{},"
                "\"deadline_ms\":0}]}");
    WAIT(&b, b.n_commands == 3);
    assert_false(b.question);
    bench_close(&b);
}

static void test_results_wait(void **state)
{
    struct msg_result result = {.command = "c", .status = MSG_FAILED};
    struct bench b;
    uint16_t port;

    (void)state;
    bench_open_online(&b);
    port = b.peer.port;
    peer_stop(&b.peer);
    for (unsigned i = 0; i < RESULTS_MAX; i++)
        assert_int_equal(link_result(b.link, &result), 0);
    // One may have been taken meanwhile; not two.
    (void)link_result(b.link, &result);
    assert_int_equal(link_result(b.link, &result), -ENOSPC);
    assert_true(bench_status(&b).counters.results_lost > 0);
    b.peer.result = (struct peer_script){404, WIRE_not_found, 0, 1}; // nobody asked for the first
    peer_start(&b.peer, port);
    WAIT(&b, LOCKED(&b.peer, b.peer.n_result) >= RESULTS_MAX);
    result.command = "not an id";
    assert_int_equal(link_result(b.link, &result), -EINVAL);
    bench_close(&b);
}

static void test_answers_that_are_none(void **state)
{
    static const char *const answers[] = {
        "", "x", "{}", "[]", "{\"bundle\":\"../x\",\"commands\":[]}", "{\"commands\":[{}]}"};
    struct bench b;

    (void)state;
    bench_open_online(&b);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        uint64_t sessions = bench_status(&b).counters.sessions;

        command(&b, answers[i]);
        WAIT(&b, bench_status(&b).counters.sessions > sessions);
    }
    assert_int_equal(b.n_commands, 0);
    assert_int_equal(b.n_bundles, 0);
    bench_close(&b);
}

// Policies ------------------------------------------------------------------------------------

static void publish(struct bench *b, const char *id, const char *body)
{
    (void)pthread_mutex_lock(&b->peer.lock);
    b->peer.bundle_id = id;
    b->peer.bundle_body = body;
    (void)pthread_cond_broadcast(&b->peer.changed);
    (void)pthread_mutex_unlock(&b->peer.lock);
}

static char *make_bundle(const char *text, char id[BUNDLE_ID_TEXT])
{
    struct bundle_file file = {"50-web.yaml", text, strlen(text), BUNDLE_POLICY};
    struct strbuf sb = {};
    char *body = NULL;

    assert_int_equal(bundle_id(&file, 1, id), 0);
    assert_int_equal(msg_bundle_write(&sb, &(struct msg_bundle){id, &file, 1, NULL}), 0);
    assert_int_equal(sb_finish(&sb, &body), 0);
    return body;
}

static void test_bundles(void **state)
{
    char one[BUNDLE_ID_TEXT], two[BUNDLE_ID_TEXT];
    _cleanup_free_ char *body_one = make_bundle("safeguard: 1\n", one),
                        *body_two = make_bundle("safeguard: 2\n", two);
    struct bench b;

    (void)state;
    bench_open_online(&b);
    publish(&b, one, body_one);
    WAIT(&b, b.n_bundles == 1);
    assert_string_equal(b.bundle, one);
    assert_string_equal(b.policy, "safeguard: 1\n");
    publish(&b, two, body_two);
    WAIT(&b, b.n_bundles == 2);
    assert_string_equal(b.policy, "safeguard: 2\n");
    // None for this host any more.
    publish(&b, NULL, NULL);
    WAIT(&b, b.n_bundles == 3);
    assert_string_equal(b.bundle, "none");
    assert_int_equal(bench_status(&b).counters.bundles, 2);
    // Another session, and another run that has it already, do not fetch it again.
    publish(&b, one, body_one);
    WAIT(&b, b.n_bundles == 4);
    new_session(&b);
    bench_unlink(&b);
    b.options.bundle = one;
    bench_link(&b);
    WAIT(&b, LOCKED(&b.peer, b.peer.parked) > 0);
    new_session(&b);
    assert_int_equal(b.n_bundles, 4);
    assert_int_equal(b.peer.n_bundle, 3);
    bench_close(&b);
}

static void test_bundle_that_is_another(void **state)
{
    char one[BUNDLE_ID_TEXT], two[BUNDLE_ID_TEXT];
    _cleanup_free_ char *body_one = make_bundle("safeguard: 1\n", one),
                        *body_two = make_bundle("safeguard: 2\n", two);
    struct bench b;

    (void)state;
    bench_open_online(&b);
    // What comes under this id is something else, and so it is not taken.
    publish(&b, one, body_two);
    WAIT(&b, bench_status(&b).error.code != 0);
    assert_int_equal(b.n_bundles, 0);
    publish(&b, one, body_one);
    link_retry(b.link);
    WAIT(&b, b.n_bundles == 1);
    bench_close(&b);
}

// Certificates --------------------------------------------------------------------------------

static void serial_of(struct bench *b, char serial[CERT_SERIAL_TEXT])
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    struct error err = {};

    assert_int_equal(identity_load(b->identity, MACHINE, &id, &err), 0);
    memcpy(serial, id->info.serial, CERT_SERIAL_TEXT);
}

static void test_renewal(void **state)
{
    char before[CERT_SERIAL_TEXT], after[CERT_SERIAL_TEXT];
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    // 25 of 30 days old.
    bench_enrol(&b, now - UINT64_C(25) * 86400 * 1000);
    serial_of(&b, before);
    bench_link(&b);
    WAIT(&b, bench_status(&b).counters.renewals == 1);
    serial_of(&b, after);
    assert_string_not_equal(before, after);
    assert_true(bench_status(&b).not_after_ms > now + UINT64_C(29) * 86400 * 1000);
    // It goes on with the new one, in the same session.
    source_add(&b.source, STREAM_AUDIT, 10);
    link_wake(b.link);
    WAIT(&b, source_empty(&b.source));
    assert_int_equal(bench_status(&b).counters.sessions, 1);
    assert_int_equal(bench_status(&b).counters.renewals, 1);
    // When the server asks for it.
    LOCKED(&b.peer, b.peer.renew_asked = true);
    new_session(&b);
    WAIT(&b, bench_status(&b).counters.renewals == 2);
    // And after a new start.
    bench_unlink(&b);
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_online);
    assert_int_equal(bench_status(&b).counters.renewals, 0);
    bench_close(&b);
}

static void test_renewal_that_fails(void **state)
{
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    char before[CERT_SERIAL_TEXT], after[CERT_SERIAL_TEXT];
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_enrol(&b, now - UINT64_C(25) * 86400 * 1000);
    serial_of(&b, before);
    b.peer.renew = (struct peer_script){400, WIRE_bad_request, 0, 0};
    bench_link(&b);
    WAIT(&b, LOCKED(&b.peer, b.peer.n_renew) == 1);
    source_add(&b.source, STREAM_AUDIT, 10);
    link_wake(b.link);
    WAIT(&b, source_empty(&b.source));
    serial_of(&b, after);
    assert_string_equal(before, after);
    // Where the new pair cannot be written, the old one stays in use.
    LOCKED(&b.peer, b.peer.renew.status = 0);
    if (geteuid() != 0) {
        assert_int_equal(chmod(b.dir, 0500), 0);
        link_retry(b.link);
        WAIT(&b, bench_status(&b).error.code != 0);
        assert_int_equal(chmod(b.dir, 0700), 0);
    }
    link_retry(b.link);
    WAIT(&b, bench_status(&b).counters.renewals == 1);
    bench_close(&b);
}

static void test_enrolled_later(void **state)
{
    struct link_status status;
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_none);
    status = bench_status(&b);
    assert_non_null(strstr(status.error.cure, "enrol"));
    source_add(&b.source, STREAM_AUDIT, 10);
    link_wake(b.link);
    bench_enrol(&b, 0);
    link_retry(b.link);
    WAIT(&b, source_empty(&b.source));
    bench_close(&b);
}

static void test_identities_of_no_use(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_enrol(&b, 0);
    b.options.machine_id = "ffffffffffffffffffffffffffffffff";
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_moved);
    bench_unlink(&b);
    b.options.machine_id = MACHINE;
    assert_int_equal(chmod(b.identity, 0644), 0);
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_broken);
    bench_unlink(&b);
    assert_int_equal(b.peer.n_hello, 0);
    bench_close(&b);
}

static void test_options_that_are_missing(void **state)
{
    struct link_options options = {.identity_path = "/x", .version = "1"};
    struct link *l = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(link_new(&options, &l, &err), -EINVAL);
    assert_null(l);
    assert_null(link_free(NULL));
}

// Where the server's name may not be looked up, it is found by its address; the certificate is still that of the name.
static void test_address_is_pinned(void **state)
{
    struct bench b;
    uint16_t port;

    (void)state;
    bench_open_online(&b);
    port = b.peer.port;
    assert_string_equal(bench_status(&b).server_address, "127.0.0.1");
    // Nobody answers there.
    link_pin(b.link, "127.0.0.77");
    peer_stop(&b.peer);
    source_add(&b.source, STREAM_AUDIT, 10);
    link_wake(b.link);
    WAIT(&b, bench_status(&b).state == LINK_retrying);
    peer_start(&b.peer, port);
    link_retry(b.link);
    WAIT(&b, strstr(bench_status(&b).error.what, "127.0.0.77") != NULL);
    assert_int_equal(bench_status(&b).state, LINK_retrying);
    link_pin(b.link, "127.0.0.1");
    link_retry(b.link);
    WAIT(&b, bench_status(&b).state == LINK_online);
    WAIT(&b, source_empty(&b.source));
    link_pin(b.link, "");
    peer_stop(&b.peer);
    WAIT(&b, bench_status(&b).state == LINK_retrying);
    peer_start(&b.peer, port);
    link_retry(b.link);
    WAIT(&b, bench_status(&b).state == LINK_online);
    bench_close(&b);
}

UNIT_MAIN(cmocka_unit_test(test_address_is_pinned), cmocka_unit_test(test_tables),
          cmocka_unit_test(test_server_lost_the_table), cmocka_unit_test(test_answer_is_lost),
          cmocka_unit_test(test_large_table), cmocka_unit_test(test_tables_that_cannot_be),
          cmocka_unit_test(test_commands_and_results), cmocka_unit_test(test_questions),
          cmocka_unit_test(test_results_wait), cmocka_unit_test(test_answers_that_are_none),
          cmocka_unit_test(test_bundles), cmocka_unit_test(test_bundle_that_is_another),
          cmocka_unit_test(test_renewal), cmocka_unit_test(test_renewal_that_fails),
          cmocka_unit_test(test_enrolled_later), cmocka_unit_test(test_identities_of_no_use),
          cmocka_unit_test(test_options_that_are_missing))
