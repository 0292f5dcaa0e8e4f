// SPDX-License-Identifier: Apache-2.0
//
// A server that is killed again and again while records come: what it acknowledged is there, nothing is there twice, and
// every record was counted once.
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/server/rig.h"

#include "registry/alert.h"
#include "store/store.h"

#define ROUNDS  8
#define RECORDS 100
#define DENIAL                                                                                         \
    "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":4,\"time\":1795721106337,\"action_id\":2," \
    "\"disposition_id\":2,\"unmapped\":{\"rule\":\"web\"},\"message\":\"denied\"}"

// In a process of its own; answers with its port.
static pid_t start(struct rig *rig, unsigned *ret_port)
{
    uint16_t port = 0;
    int pipes[2];
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct error err = {};

        (void)close(pipes[0]);
        if (server_open(&rig->server, true, &err) < 0 || server_start(&rig->server, &err) < 0) {
            error_print(&err, stderr);
            _exit(1);
        }
        port = api_port(rig->server.api);
        (void)!write(pipes[1], &port, sizeof(port));
        for (;;)
            (void)pause();
    }
    (void)close(pipes[1]);
    assert_int_equal(read(pipes[0], &port, sizeof(port)), sizeof(port));
    (void)close(pipes[0]);
    *ret_port = port;
    return pid;
}

struct killer {
    pid_t pid;
    int after_ms;
    pthread_t thread;
};

static void *kill_later(void *ctx)
{
    const struct killer *k = ctx;

    (void)poll(NULL, 0, k->after_ms);
    (void)kill(k->pid, SIGKILL);
    return NULL;
}

static uint64_t acked_of(const struct peer *p)
{
    const char *at = strstr(sb_str(&p->answer.body), "\"acked\":");

    assert_non_null(at);
    return strtoull(at + 8, NULL, 10);
}

static int add_count(void *ctx, const struct registry_alert *a)
{
    *(uint64_t *)ctx += a->count;
    return 0;
}

static void check_all(struct rig *rig, const char *host, uint64_t records)
{
    const struct registry_alert_filter filter = {.state = -1, .host = host};
    const struct registry_page page = {.limit = 100};
    struct store_stats stats = {};
    struct registry_next next;
    struct error err = {};
    uint64_t counted = 0;

    rig_open(rig); // what was stored and not counted is counted now
    assert_true(server_stop(&rig->server));
    assert_int_equal(store_stats(rig->server.store, &stats), 0);
    assert_int_equal(stats.records, records);
    assert_int_equal(registry_alert_list(rig->server.registry, &filter, &page, add_count, &counted,
                                         &next, &err),
                     0);
    assert_int_equal(counted, records);
    server_close(&rig->server);
}

// Sends until the server is gone. The highest number that was acknowledged.
static uint64_t send_until_killed(struct agent *a, const struct stream_id *stream, uint64_t acked)
{
    while (agent_send(a, stream, acked + 1, RECORDS, DENIAL) == 200 &&
           a->peer.answer.result == CURLE_OK) {
        assert_int_equal(acked_of(&a->peer), acked + RECORDS);
        acked += RECORDS;
    }
    return acked;
}

static void test_killed_while_records_come(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct stream_id stream;
    uint64_t acked = 0, stored = 0;
    struct agent a;
    unsigned port;

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    rig_close(rig);
    for (int i = 0; i < ROUNDS; i++) {
        struct killer k = {.after_ms = 20 + 60 * i};

        k.pid = start(rig, &port);
        (void)snprintf(a.peer.url, sizeof(a.peer.url), "https://127.0.0.1:%u", port);
        (void)curl_easy_setopt(a.peer.curl, CURLOPT_FRESH_CONNECT, 1L);
        assert_int_equal(agent_hello(&a, &stream), 200);
        stored = acked_of(&a.peer);
        // At most the frame that nobody got an answer to is there beyond what was acknowledged.
        assert_in_range(stored, acked, acked + RECORDS);
        assert_int_equal(pthread_create(&k.thread, NULL, kill_later, &k), 0);
        acked = send_until_killed(&a, &stream, stored);
        assert_int_equal(pthread_join(k.thread, NULL), 0);
        assert_int_equal(waitpid(k.pid, NULL, 0), k.pid);
    }
    rig_open(rig);
    rig->ca.ca = rig->server.ca;
    assert_int_equal(store_acked(rig->server.store, a.id, &stream, &stored), 0);
    assert_in_range(stored, acked, acked + RECORDS);
    assert_true(stored > RECORDS);
    rig_close(rig);
    check_all(rig, a.id, stored);
    rig_open(rig);
    agent_done(&a);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_killed_while_records_come))
