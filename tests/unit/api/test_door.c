// SPDX-License-Identifier: Apache-2.0
//
// Who is let in, in which order, and what those cost who say little or nothing.
#include "tests/unit/unit.h"

#include <unistd.h>

#include "api/internal.h"
#include "base/clock.h"
#include "tests/unit/api/raw.h"
#include "tests/unit/api/routes.h"

#define ELSEWHERE (INADDR_LOOPBACK + 1)

// Waits until the counters are as they should be.
#define AWAIT_COUNTERS(rig, c, condition)                         \
    do {                                                          \
        uint64_t end = now_ns(CLOCK_MONOTONIC) + 20 * NS_PER_SEC; \
        api_counters((rig)->api, &(c));                           \
        while (!(condition)) {                                    \
            assert_true(now_ns(CLOCK_MONOTONIC) < end);           \
            (void)poll(NULL, 0, 1);                               \
            api_counters((rig)->api, &(c));                       \
        }                                                         \
    } while (0)

// What the time-outs' thread does between a connection's way to a loop and the loop's begin with it; with which time.
static _Atomic uint64_t tick_before_begin_ms;

struct conn *__wrap_conn_begin(struct conns *c, int fd, struct http_loop *loop);
struct conn *__real_conn_begin(struct conns *c, int fd, struct http_loop *loop);

struct conn *__wrap_conn_begin(struct conns *c, int fd, struct http_loop *loop)
{
    if (tick_before_begin_ms)
        conns_tick(c, tick_before_begin_ms);
    return __real_conn_begin(c, fd, loop);
}

static int hello_from(struct rig *rig, in_addr_t from)
{
    unsigned char hello[RAW_HELLO_MAX];
    size_t len = raw_hello(hello);
    int fd = raw_connect(rig->api, from);

    raw_send(fd, hello, len);
    return fd;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

static void test_too_many_from_one_address(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[4];

    rig->options.connections_per_address = 3;
    rig_start(rig);
    for (unsigned i = 0; i < 3; i++)
        fds[i] = raw_connect(rig->api, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.connections == 3);
    fds[3] = raw_connect(rig->api, INADDR_LOOPBACK);
    assert_true(raw_is_closed(fds[3]));
    (void)close(fds[3]);
    fds[3] = raw_connect(rig->api, ELSEWHERE);
    AWAIT_COUNTERS(rig, c, c.connections == 4 && c.connections_refused == 1);
    close_all(fds, 4);
    AWAIT_COUNTERS(rig, c, c.connections == 0);
    rig_free(rig);
}

// Of as many connections as there may be none has said anything: who comes now and speaks is served.
static void test_silent_ones_make_room(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[6];

    rig->options.connections = ARRAY_SIZE(fds);
    rig_start(rig);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = raw_connect(rig->api, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.connections == ARRAY_SIZE(fds));
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    assert_true(raw_is_closed(fds[0]));
    close_all(fds, ARRAY_SIZE(fds));
    rig_free(rig);
}

// As many as there may be, and each is at work: the next waits until one leaves.
static void test_full(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[3];

    rig->options.connections = ARRAY_SIZE(fds);
    rig->options.handshakes = 8;
    rig_start(rig);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = hello_from(rig, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == ARRAY_SIZE(fds));
    (void)curl_easy_setopt(rig->peer.curl, CURLOPT_TIMEOUT_MS, 300L);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 0);
    assert_int_equal(rig->peer.answer.result, CURLE_OPERATION_TIMEDOUT);
    (void)curl_easy_setopt(rig->peer.curl, CURLOPT_TIMEOUT_MS, 60000L);
    (void)close(fds[0]);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    close_all(fds + 1, ARRAY_SIZE(fds) - 1);
    rig_free(rig);
}

static void test_shares_of_handshakes(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[6];

    rig->options.handshakes = 4; // three of them from one address
    rig_start(rig);
    for (unsigned i = 0; i < 5; i++)
        fds[i] = hello_from(rig, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == 3 && c.waiting == 2);
    // Somebody else does not wait for them.
    fds[5] = hello_from(rig, ELSEWHERE);
    AWAIT_COUNTERS(rig, c, c.shaking == 4 && c.waiting == 2);
    // Who waits and leaves is forgotten, who shakes hands and leaves makes room.
    (void)close(fds[4]);
    AWAIT_COUNTERS(rig, c, c.shaking == 4 && c.waiting == 1);
    (void)close(fds[0]);
    AWAIT_COUNTERS(rig, c, c.shaking == 4 && c.waiting == 0);
    close_all(fds + 1, 3);
    (void)close(fds[5]);
    AWAIT_COUNTERS(rig, c, c.shaking == 0 && c.connections == 0);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    AWAIT_COUNTERS(rig, c, c.shaking == 0 && c.connections == 1);
    rig_free(rig);
}

// Handshakes that nobody goes on with end in time, and sooner when others wait.
static void test_unfinished_handshakes(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    uint64_t start;
    int fds[3];

    rig->options.handshakes = 4;
    rig->options.handshake_timeout_ms = 60000;
    rig_start(rig);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = hello_from(rig, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == 3);
    start = now_ns(CLOCK_MONOTONIC);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    assert_true(now_ns(CLOCK_MONOTONIC) - start < 30 * NS_PER_SEC);
    api_counters(rig->api, &c);
    assert_true(c.connections_timed_out >= 1);
    close_all(fds, ARRAY_SIZE(fds));
    rig_free(rig);
}

// The thread of time-outs looked at the clock before the connections began, and looks at them after.
static void test_time_of_before(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[4];

    rig->options.handshakes = 4;
    rig_start(rig);
    tick_before_begin_ms = 1;
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    tick_before_begin_ms = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = hello_from(rig, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == 3 && c.waiting == 1);
    conns_tick(rig->api->conns, 1);
    api_counters(rig->api, &c);
    assert_int_equal(c.connections_timed_out, 0);
    close_all(fds, ARRAY_SIZE(fds));
    rig_free(rig);
}

// A loop that begins with a connection that was given up meanwhile ends it, and nothing else.
static void test_given_up(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fd;

    rig_start(rig);
    tick_before_begin_ms = now_ns(CLOCK_MONOTONIC) / NS_PER_MS + 3600000;
    fd = hello_from(rig, INADDR_LOOPBACK);
    assert_true(raw_is_closed(fd));
    (void)close(fd);
    tick_before_begin_ms = 0;
    AWAIT_COUNTERS(rig, c, c.connections == 0);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    rig_free(rig);
}

// A few bytes of a stranger, or the whole first message and nothing more, are no work for the server.
static void test_rest(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    unsigned char hello[RAW_HELLO_MAX];
    size_t hello_len = raw_hello(hello);
    uint64_t before;
    int fds[2];

    rig_start(rig);
    fds[0] = raw_connect(rig->api, INADDR_LOOPBACK);
    raw_send(fds[0], hello, 3);
    fds[1] = hello_from(rig, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == 1 && c.connections == 2);
    before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    (void)poll(NULL, 0, 1000);
    assert_true(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 250 * NS_PER_MS);
    // The rest of a message comes: it is let in.
    raw_send(fds[0], hello + 3, hello_len - 4);
    api_counters(rig->api, &c);
    assert_int_equal(c.shaking, 1);
    raw_send(fds[0], hello + hello_len - 1, 1);
    AWAIT_COUNTERS(rig, c, c.shaking == 2);
    close_all(fds, 2);
    rig_free(rig);
}

static void test_not_tls(void **state _unused_)
{
    static const char request[] = "GET / HTTP/1.1\r\n\r\n";
    static const unsigned char others[][5] = {{23, 3, 1, 0, 9},
                                              {22, 3, 1, 0, 0},
                                              {22, 3, 1, 0xff, 0xff},
                                              {0x80, 0x2e, 1, 3, 1}};
    struct rig *rig = rig_new();
    struct api_counters c;
    char answer[512] = "";
    int fd;

    rig_start(rig);
    fd = raw_connect(rig->api, INADDR_LOOPBACK);
    raw_send(fd, request, sizeof(request) - 1);
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
    assert_non_null(strstr(answer, "400 Bad Request"));
    assert_non_null(strstr(answer, "https://"));
    (void)close(fd);
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        fd = raw_connect(rig->api, INADDR_LOOPBACK);
        raw_send(fd, others[i], sizeof(others[i]));
        assert_true(raw_is_closed(fd));
        (void)close(fd);
    }
    AWAIT_COUNTERS(rig, c, c.connections == 0);
    rig_free(rig);
}

// Silent, waiting and half shaken ones are sent away when the server stops.
static void test_stop(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct api_counters c;
    int fds[6];

    rig->options.handshakes = 4;
    rig_start(rig);
    for (unsigned i = 0; i < 4; i++)
        fds[i] = hello_from(rig, INADDR_LOOPBACK);
    fds[4] = raw_connect(rig->api, INADDR_LOOPBACK);
    fds[5] = raw_connect(rig->api, INADDR_LOOPBACK);
    AWAIT_COUNTERS(rig, c, c.shaking == 3 && c.waiting == 1 && c.connections == 6);
    assert_int_equal(api_stop(rig->api, 5000), 0);
    for (unsigned i = 3; i < ARRAY_SIZE(fds); i++)
        assert_true(raw_is_closed(fds[i]));
    close_all(fds, ARRAY_SIZE(fds));
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_too_many_from_one_address),
          cmocka_unit_test(test_silent_ones_make_room), cmocka_unit_test(test_full),
          cmocka_unit_test(test_shares_of_handshakes), cmocka_unit_test(test_unfinished_handshakes),
          cmocka_unit_test(test_time_of_before), cmocka_unit_test(test_given_up),
          cmocka_unit_test(test_rest), cmocka_unit_test(test_not_tls), cmocka_unit_test(test_stop))
