// SPDX-License-Identifier: Apache-2.0
//
// Records on their way: against a real server that is restarted, killed, slow, full, foreign.
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macro.h"
#include "tests/unit/transport/bench.h"
#include "transport/link_private.h"

#define DAY (UINT64_C(86400) * 1000)

static void add(struct bench *b, uint64_t security, uint64_t audit)
{
    source_add(&b->source, STREAM_SECURITY, security);
    source_add(&b->source, STREAM_AUDIT, audit);
    link_wake(b->link);
}

// Every number from 1 to the last came, and never with another text.
static void assert_all_came(struct bench *b)
{
    for (unsigned i = 0; i < STREAM_CLASSES; i++) {
        struct source_stream *t = &b->source.streams[i];
        struct peer_stream *s = peer_stream_of(&b->peer, (enum stream_class)i, &t->id);

        assert_int_equal(s->n, t->next - 1);
        assert_int_equal(s->wrong, 0);
        for (uint64_t seq = 1; seq < t->next; seq++)
            assert_true(s->times[seq] > 0);
    }
}

static void test_records_arrive(void **state)
{
    struct link_status status;
    struct bench b;

    (void)state;
    bench_open_online(&b);
    add(&b, 2500, 1);
    WAIT(&b, source_empty(&b.source));
    add(&b, 0, 3);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    assert_int_equal(b.peer.n_duplicates, 0);
    status = bench_status(&b);
    assert_int_equal(status.counters.records, 2504);
    assert_true(status.counters.frames >= 5);
    assert_true(status.counters.sent_bytes < status.counters.raw_bytes);
    assert_int_equal(status.counters.sessions, 1);
    assert_in_range(status.counters.connects, 1, 2);
    assert_true(status.skew_known && status.skew_ms > -5000 && status.skew_ms < 5000);
    assert_string_equal(status.agent_id, AGENT);
    assert_false(error_is_set(&status.error));
    assert_true(b.n_status > 0);
    bench_close(&b);
}

static void test_skew_is_measured(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_enrol(&b, 0);
    b.peer.now_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS + 100000;
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_online);
    assert_in_range(bench_status(&b).skew_ms, 80000, 100000);
    bench_close(&b);
}

static void test_security_goes_first_but_not_alone(void **state)
{
    struct peer_stream *audit;
    struct bench b;

    (void)state;
    bench_open_online(&b);
    b.options.records = 10;
    bench_unlink(&b);
    bench_link(&b);
    add(&b, 3000, 100);
    audit = LOCKED(&b.peer,
                   peer_stream_of(&b.peer, STREAM_AUDIT, &b.source.streams[STREAM_AUDIT].id));
    WAIT(&b, LOCKED(&b.peer, audit->n) >= 100);
    // One frame of five is of the other stream: 100 records of it while about 400 of these went.
    assert_true(
        LOCKED(&b.peer,
               peer_stream_of(&b.peer, STREAM_SECURITY, &b.source.streams[STREAM_SECURITY].id)->n) <
        2000);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

static void test_peer_restarts(void **state)
{
    struct bench b;
    uint16_t port;

    (void)state;
    bench_open_online(&b);
    port = b.peer.port;
    for (int i = 0; i < 5; i++) {
        unsigned before = LOCKED(&b.peer, b.peer.n_records);

        add(&b, 300, 3000);
        WAIT(&b, LOCKED(&b.peer, b.peer.n_records) > before);
        peer_stop(&b.peer);
        add(&b, 10, 10);
        WAIT(&b, bench_status(&b).state == LINK_retrying);
        assert_true(bench_status(&b).counters.failures > 0);
        peer_start(&b.peer, port);
        WAIT(&b, bench_status(&b).state == LINK_online);
    }
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

// The peer as a program of its own ----------------------------------------------------------------

static _Noreturn void be_peer(const char *dir, const char *file, const char *port, int ready)
{
    struct peer p;

    // Not longer than who began it.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    peer_init(&p, dir);
    p.file = file;
    peer_reload(&p);
    peer_start(&p, (uint16_t)strtoul(port, NULL, 10));
    (void)!write(ready, &p.port, sizeof(p.port));
    for (;;)
        (void)pause();
}

static pid_t spawn_peer(const char *dir, const char *file, uint16_t *port)
{
    char number[16], fd[16];
    char *argv[] = {(char *)"peer", (char *)dir, (char *)file, number, fd, NULL};
    int pipefd[2];
    pid_t pid;

    assert_int_equal(pipe(pipefd), 0);
    (void)fcntl(pipefd[0], F_SETFD, FD_CLOEXEC);
    (void)snprintf(number, sizeof(number), "%u", *port);
    (void)snprintf(fd, sizeof(fd), "%d", pipefd[1]);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    (void)close(pipefd[1]);
    assert_int_equal(read(pipefd[0], port, sizeof(*port)), sizeof(*port));
    (void)close(pipefd[0]);
    return pid;
}

static void test_peer_is_killed(void **state)
{
    char file[4096];
    struct bench b;
    uint16_t port = 0;
    pid_t pid;

    (void)state;
    bench_open(&b);
    (void)unit_path_in(file, sizeof(file), b.dir, "stored");
    pid = spawn_peer(b.dir, file, &port);
    (void)snprintf(b.peer.url, sizeof(b.peer.url), "https://127.0.0.1:%u", port);
    bench_enrol(&b, 0);
    bench_link(&b);
    for (int i = 0; i < 5; i++) {
        unsigned before = LOCKED(&b.source, b.source.n_commits);

        add(&b, 500, 4000);
        WAIT(&b, LOCKED(&b.source, b.source.n_commits) > before + 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        pid = spawn_peer(b.dir, file, &port);
    }
    WAIT(&b, source_empty(&b.source));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    b.peer.file = file;
    peer_reload(&b.peer);
    assert_all_came(&b);
    // What was written down was written down once.
    assert_int_equal(b.peer.n_duplicates, 0);
    bench_close(&b);
}

static void test_session_ends(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    for (int i = 0; i < 3; i++) {
        add(&b, 5, 5);
        WAIT(&b, source_empty(&b.source));
        (void)pthread_mutex_lock(&b.peer.lock);
        (void)snprintf(b.peer.session, sizeof(b.peer.session), "another");
        (void)pthread_mutex_unlock(&b.peer.lock);
    }
    add(&b, 5, 5);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    assert_true(b.peer.n_lost_session >= 3);
    assert_int_equal(b.peer.n_duplicates, 0);
    assert_true(bench_status(&b).counters.sessions >= 4);
    bench_close(&b);
}

static void test_server_is_full(void **state)
{
    struct link_status status;
    struct bench b;
    uint64_t start;

    (void)state;
    bench_open_online(&b);
    (void)pthread_mutex_lock(&b.peer.lock);
    b.peer.records = (struct peer_script){503, WIRE_unavailable, 1, 1};
    (void)pthread_mutex_unlock(&b.peer.lock);
    start = bench_now();
    add(&b, 10, 0);
    WAIT(&b, bench_status(&b).state == LINK_full);
    status = bench_status(&b);
    assert_string_equal(link_state_word(status.state), "server-full");
    assert_string_equal(status.error.what, "as told");
    // The session goes on meanwhile.
    assert_int_equal(link_state_put(b.link, "health", "a", "1", 1), 0);
    WAIT(&b, LOCKED(&b.peer, state_set_rows(b.peer.table)) == 1);
    WAIT(&b, source_empty(&b.source));
    assert_true(bench_now() - start >= 950);
    assert_all_came(&b);
    WAIT(&b, bench_status(&b).state == LINK_online);
    assert_int_equal(bench_status(&b).counters.sessions, 1);
    bench_close(&b);
}

static void test_hello_is_put_off(void **state)
{
    struct link_status status;
    struct bench b;
    uint64_t start = bench_now();

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_enrol(&b, 0);
    b.peer.hello = (struct peer_script){503, WIRE_unavailable, 1, 1};
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_retrying);
    status = bench_status(&b);
    assert_true(status.next_try_ms > now_ns(CLOCK_REALTIME) / NS_PER_MS + 500);
    WAIT(&b, bench_status(&b).state == LINK_online);
    assert_true(bench_now() - start >= 950);
    assert_int_equal(b.peer.n_hello, 2);
    bench_close(&b);
}

static void test_slow_peer_and_stop(void **state)
{
    struct bench b;
    uint64_t start;

    (void)state;
    bench_open_online(&b);
    b.source.pad = 1000;
    LOCKED(&b.peer, b.peer.records_delay_ms = 900);
    add(&b, 500, 0);
    WAIT(&b, LOCKED(&b.peer, b.peer.n_records) > 0);
    start = bench_now();
    bench_unlink(&b); // asserts that the lease came back
    assert_true(bench_now() - start < 2000);
    assert_int_equal(b.source.n_rollbacks, 1);
    bench_link(&b);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

// Ends in time whatever the other side does, or does not.
static void test_stop_while_nobody_answers(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct bench b;
    uint64_t start;
    int fd;

    (void)state;
    bench_open(&b);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(b.peer.url, sizeof(b.peer.url), "https://127.0.0.1:%u", ntohs(address.sin_port));
    bench_enrol(&b, 0);
    b.options.connect_ms = 60000;
    bench_link(&b);
    // It has connected, and waits for a word of TLS.
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20000), 1);
    start = bench_now();
    bench_unlink(&b);
    assert_true(bench_now() - start < 2000);
    // A short limit on connecting gives it up by itself.
    b.options.connect_ms = 200;
    bench_link(&b);
    WAIT(&b, bench_status(&b).state == LINK_retrying);
    assert_int_equal(bench_status(&b).error.code, -ETIMEDOUT);
    (void)close(fd);
    bench_close(&b);
}

static void test_stuck_states(void **state)
{
    static const struct {
        enum wire_code code;
        enum link_state state;
    } rows[] = {
        {WIRE_cloned, LINK_cloned},   {WIRE_revoked, LINK_revoked},
        {WIRE_retired, LINK_retired}, {WIRE_unknown, LINK_unknown},
        {WIRE_expired, LINK_expired}, {WIRE_certificate, LINK_unknown},
    };
    struct link_status status;
    struct bench b;

    (void)state;
    bench_open(&b);
    b.options.backoff_max_ms = 1000000;
    peer_start(&b.peer, 0);
    bench_enrol(&b, 0);
    bench_link(&b);
    add(&b, 3, 3);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        (void)pthread_mutex_lock(&b.peer.lock);
        b.peer.hello = (struct peer_script){wire_code_status(rows[i].code), rows[i].code, 0, 0};
        (void)snprintf(b.peer.session, sizeof(b.peer.session), "another");
        (void)pthread_mutex_unlock(&b.peer.lock);
        add(&b, 1, 0);
        link_retry(b.link);
        WAIT(&b, bench_status(&b).state == rows[i].state);
        status = bench_status(&b);
        assert_true(link_state_stuck(status.state));
        assert_non_null(strstr(status.error.cure, "enrol anew"));
    }
    LOCKED(&b.peer, b.peer.hello.status = 0);
    link_retry(b.link);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

static void test_certificate_expired_meanwhile(void **state)
{
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct link_status status;
    struct bench b;

    (void)state;
    bench_open(&b);
    peer_start(&b.peer, 0);
    bench_enrol(&b, now - 40 * DAY);
    bench_link(&b);
    add(&b, 7, 0);
    WAIT(&b, bench_status(&b).state == LINK_expired);
    status = bench_status(&b);
    assert_true(status.not_after_ms < now);
    assert_non_null(strstr(status.error.cure, "enrol anew"));
    assert_int_equal(b.peer.n_hello, 0);
    // Enrolled anew: the link sees it without being told.
    bench_enrol(&b, 0);
    WAIT(&b, bench_status(&b).state == LINK_online);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

// Something else listens where the server was.
static void impostor(struct bench *b, char *key, char *chain, enum link_state expected)
{
    struct link_status status;
    uint16_t port = b->peer.port;
    uint64_t failures;

    peer_stop(&b->peer);
    ca_key_free(b->peer.key);
    free(b->peer.chain);
    b->peer.key = key;
    b->peer.chain = chain;
    peer_start(&b->peer, port);
    b->peer.n_hello = b->peer.n_records = 0;
    failures = bench_status(b).counters.failures;
    link_retry(b->link);
    add(b, 1, 0);
    // It may be in this state already: of the one before.
    WAIT(b, bench_status(b).counters.failures > failures && bench_status(b).state == expected);
    status = bench_status(b);
    assert_true(error_is_set(&status.error));
    assert_true(*status.error.cure);
    assert_int_equal(b->peer.n_hello, 0);
    assert_int_equal(b->peer.n_records, 0);
}

static void test_impostors(void **state)
{
    static const char *const right[] = {"127.0.0.1"}, *const wrong[] = {"server.example"};
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    char *key = NULL, *chain = NULL, *csr = NULL, path[4096];
    struct ca *foreign = NULL;
    struct cert_info info;
    struct error err = {};
    struct bench b;

    (void)state;
    bench_open_online(&b);
    // Of another CA.
    (void)unit_path_in(path, sizeof(path), b.dir, "foreign");
    assert_int_equal(ca_open(path, &foreign, &err), 0);
    assert_int_equal(ca_server_renew(foreign, right, 1, now, &err), 1);
    assert_int_equal(ca_server_read(foreign, &key, &chain, &info, &err), 0);
    ca_free(foreign);
    impostor(&b, key, chain, LINK_untrusted);
    // Of the right CA, for another name.
    assert_int_equal(ca_server_renew(b.peer.ca, wrong, 1, now, &err), 1);
    assert_int_equal(ca_server_read(b.peer.ca, &key, &chain, &info, &err), 0);
    impostor(&b, key, chain, LINK_untrusted);
    // Another agent, with its own certificate.
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    assert_int_equal(ca_sign_agent(b.peer.ca, csr, AGENT, now, &chain, &info, &err), 0);
    free(csr);
    impostor(&b, key, chain, LINK_untrusted);
    // The server, with a certificate that is too old: clocks, or nobody renewed it.
    assert_int_equal(ca_server_renew(b.peer.ca, right, 1, now - 200 * DAY, &err), 1);
    assert_int_equal(ca_server_read(b.peer.ca, &key, &chain, &info, &err), 0);
    impostor(&b, key, chain, LINK_clock);
    // The right one again.
    assert_int_equal(ca_server_renew(b.peer.ca, right, 1, now, &err), 1);
    assert_int_equal(ca_server_read(b.peer.ca, &key, &chain, &info, &err), 0);
    peer_stop(&b.peer);
    ca_key_free(b.peer.key);
    free(b.peer.chain);
    b.peer.key = key;
    b.peer.chain = chain;
    peer_start(&b.peer, b.peer.port);
    link_retry(b.link);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

static void test_server_is_ahead(void **state)
{
    struct stream_id before;
    struct bench b;

    (void)state;
    bench_open_online(&b);
    add(&b, 20, 20);
    WAIT(&b, source_empty(&b.source));
    // The host is set back: it gives numbers again that the server has.
    bench_unlink(&b);
    before = b.source.streams[STREAM_AUDIT].id;
    b.source.streams[STREAM_AUDIT].next = b.source.streams[STREAM_AUDIT].committed = 5;
    b.source.streams[STREAM_AUDIT].next++;
    b.source.streams[STREAM_AUDIT].next += 4;
    bench_link(&b);
    WAIT(&b, LOCKED(&b.source, b.source.n_new_streams) == 1);
    assert_false(stream_id_equal(&before, &b.source.streams[STREAM_AUDIT].id));
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    // Of the old stream nothing was sent a second time.
    assert_int_equal(peer_stream_of(&b.peer, STREAM_AUDIT, &before)->wrong, 0);
    assert_int_equal(bench_status(&b).counters.streams, 1);
    bench_close(&b);
}

static void test_server_says_more_than_was_sent(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    LOCKED(&b.peer, b.peer.acked_lie = 1000000);
    add(&b, 0, 3);
    WAIT(&b, LOCKED(&b.source, b.source.n_new_streams) == 1);
    LOCKED(&b.peer, b.peer.acked_lie = 0);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

static void test_server_says_nothing_was_stored(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    add(&b, 0, 50);
    WAIT(&b, source_empty(&b.source));
    LOCKED(&b.peer, b.peer.acked_lie = 7);
    add(&b, 0, 5);
    WAIT(&b, bench_status(&b).state == LINK_retrying);
    assert_false(source_empty(&b.source));
    LOCKED(&b.peer, b.peer.acked_lie = 0);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    // It had them: the next hello said so, and they were not sent again.
    assert_int_equal(bench_status(&b).counters.unanswered, 5);
    assert_int_equal(b.peer.n_duplicates, 0);
    bench_close(&b);
}

static void test_server_was_restored(void **state)
{
    struct peer_stream *s;
    struct bench b;

    (void)state;
    bench_open_online(&b);
    add(&b, 0, 50);
    WAIT(&b, source_empty(&b.source));
    (void)pthread_mutex_lock(&b.peer.lock);
    s = peer_stream_of(&b.peer, STREAM_AUDIT, &b.source.streams[STREAM_AUDIT].id);
    for (uint64_t seq = 31; seq <= 50; seq++)
        s->times[seq] = 0;
    s->acked = 30;
    s->n = 30;
    (void)snprintf(b.peer.session, sizeof(b.peer.session), "another");
    (void)pthread_mutex_unlock(&b.peer.lock);
    add(&b, 0, 10);
    WAIT(&b, source_empty(&b.source));
    assert_int_equal(bench_status(&b).counters.behind, 20);
    assert_int_equal(LOCKED(&b.peer, s->n), 40);
    // Another session does not count them again.
    LOCKED(&b.peer, s->acked = 30);
    LOCKED(&b.peer, b.peer.session[0] = 'x');
    add(&b, 0, 10);
    WAIT(&b, source_empty(&b.source));
    assert_int_equal(bench_status(&b).counters.behind, 30);
    bench_close(&b);
}

static void test_one_record_is_refused(void **state)
{
    struct peer_stream *s;
    struct bench b;

    (void)state;
    bench_open_online(&b);
    add(&b, 0, 10);
    WAIT(&b, source_empty(&b.source));
    LOCKED(&b.peer, b.peer.refuse_seq = 777);
    add(&b, 0, 1500);
    WAIT(&b, source_empty(&b.source));
    s = peer_stream_of(&b.peer, STREAM_AUDIT, &b.source.streams[STREAM_AUDIT].id);
    for (uint64_t seq = 1; seq <= 1510; seq++)
        assert_int_equal(s->times[seq] > 0, seq != 777);
    assert_int_equal(bench_status(&b).counters.refused, 1);
    bench_close(&b);
}

// A server that reads none of our frames must not make us throw all records away, one by one.
static void test_all_records_are_refused(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    (void)pthread_mutex_lock(&b.peer.lock);
    b.peer.records = (struct peer_script){400, WIRE_frame, 0, 0};
    (void)pthread_mutex_unlock(&b.peer.lock);
    add(&b, 100, 100);
    WAIT(&b, bench_status(&b).state == LINK_refused);
    assert_int_equal(b.source.n_commits, 0);
    LOCKED(&b.peer, b.peer.records.status = 0);
    link_retry(b.link);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    assert_int_equal(bench_status(&b).counters.refused, 0);
    assert_int_equal(bench_status(&b).state, LINK_online);
    bench_close(&b);
}

static void test_source_that_fails(void **state)
{
    struct bench b;

    (void)state;
    bench_open_online(&b);
    LOCKED(&b.source, b.source.lease_code = -EIO);
    add(&b, 5, 0);
    WAIT(&b, bench_status(&b).error.code == -EIO);
    LOCKED(&b.source, b.source.lease_code = 0);
    link_retry(b.link);
    WAIT(&b, source_empty(&b.source));
    assert_all_came(&b);
    bench_close(&b);
}

static void test_retry_times(void **state)
{
    struct link_retry retry = {};
    uint64_t first, highest = 0;

    (void)state;
    first = link_retry_next(&retry, 1000, 300000);
    assert_in_range(first, 1000, 3000);
    for (int i = 0; i < 1000; i++) {
        uint64_t last = retry.last, next = link_retry_next(&retry, 1000, 300000);

        assert_in_range(next, 1000, MIN(last * 3, UINT64_C(300000)));
        highest = MAX(highest, next);
    }
    assert_true(highest > 100000);
    assert_int_equal(link_random(0), 0);
    assert_int_equal(link_random(1), 0);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_arrive),
        cmocka_unit_test(test_skew_is_measured),
        cmocka_unit_test(test_security_goes_first_but_not_alone),
        cmocka_unit_test(test_peer_restarts),
        cmocka_unit_test(test_peer_is_killed),
        cmocka_unit_test(test_session_ends),
        cmocka_unit_test(test_server_is_full),
        cmocka_unit_test(test_hello_is_put_off),
        cmocka_unit_test(test_slow_peer_and_stop),
        cmocka_unit_test(test_stop_while_nobody_answers),
        cmocka_unit_test(test_stuck_states),
        cmocka_unit_test(test_certificate_expired_meanwhile),
        cmocka_unit_test(test_impostors),
        cmocka_unit_test(test_server_is_ahead),
        cmocka_unit_test(test_server_says_more_than_was_sent),
        cmocka_unit_test(test_server_says_nothing_was_stored),
        cmocka_unit_test(test_server_was_restored),
        cmocka_unit_test(test_one_record_is_refused),
        cmocka_unit_test(test_all_records_are_refused),
        cmocka_unit_test(test_source_that_fails),
        cmocka_unit_test(test_retry_times),
    };
    int before = unit_count_fds(), failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (unit_count_fds() != before) {
        (void)fprintf(stderr, "descriptors: %d before, %d after\n", before, unit_count_fds());
        return 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 5 && streq(argv[0], "peer"))
        be_peer(argv[1], argv[2], argv[3], (int)strtoul(argv[4], NULL, 10));
    return all_tests();
}
