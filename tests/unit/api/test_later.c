// SPDX-License-Identifier: Apache-2.0
//
// Answers that come later: parked requests, events, streams; and what happens when the server stops meanwhile.
#include "tests/unit/unit.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/unit/api/raw.h"
#include "tests/unit/api/routes.h"

struct asker {
    struct rig *rig;
    struct peer peer;
    pthread_t thread;
    const char *target;
};

static void *ask(void *ctx)
{
    struct asker *a = ctx;

    (void)peer_get(&a->peer, a->target);
    return NULL;
}

static void asker_start(struct asker *a, struct rig *rig, const char *target)
{
    *a = (struct asker){.rig = rig, .target = target};
    peer_init(&a->peer, rig->api, &rig->ca);
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static void asker_join(struct asker *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
}

static void test_park(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker a;

    rig_start(rig);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/wait?ms=50"), 200);
    assert_true(peer_says(&rig->peer, "timed-out"));
    atomic_store(&rig->server.waiting, 0);
    asker_start(&a, rig, "/api/v1/wait");
    await(&rig->server.waiting, 1);
    api_wake(rig->api, KEY + 1); // somebody else's
    api_wake(rig->api, KEY);     // nothing is new: it waits on
    atomic_store(&rig->server.news, true);
    api_wake(rig->api, KEY);
    asker_join(&a);
    assert_int_equal(a.peer.answer.status, 200);
    assert_true(peer_says(&a.peer, "woken"));
    peer_done(&a.peer);
    rig_free(rig);
}

// Wakes come at any moment, also between a handler's look and its parking. None may be missed.
static void test_no_wake_is_missed(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker a;
    uint64_t began = now_ns(CLOCK_MONOTONIC);

    rig_start(rig);
    atomic_store(&rig->server.wake_inside, true);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/wait"), 200);
    assert_true(peer_says(&rig->peer, "woken"));
    for (unsigned i = 0; i < 50; i++) {
        atomic_store(&rig->server.news, false);
        atomic_store(&rig->server.waiting, 0);
        asker_start(&a, rig, "/api/v1/wait");
        await(&rig->server.waiting, 1);
        atomic_store(&rig->server.news, true);
        api_wake(rig->api, KEY);
        asker_join(&a);
        assert_int_equal(a.peer.answer.status, 200);
        peer_done(&a.peer);
    }
    assert_true(now_ns(CLOCK_MONOTONIC) - began < 25 * NS_PER_SEC);
    rig_free(rig);
}

// Agents by the hundred: connections that wait, each with its TLS. (Thousands: sg-bench-fleet. libcurl looks at each of its own each time.)
static void test_many_parked(void **state _unused_)
{
    struct rlimit limit, before;
    struct api_counters counters = {};
    struct rig *rig = rig_new();
    unsigned n = 500, running = 0, good = 0;
    CURLM *multi = curl_multi_init();
    struct peer *peers;
    int left = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)16384);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    n = MIN(n, (unsigned)(limit.rlim_cur / 2 - 100));
    peers = new0(struct peer, n);
    rig->options.connections_per_address = n + 10;
    rig->options.head_timeout_ms = 120000; // a loaded machine may be slow
    rig_start(rig);
    for (unsigned i = 0; i < n; i++) {
        char url[300];

        peer_init(&peers[i], rig->api, &rig->ca);
        (void)snprintf(url, sizeof(url), "%s/api/v1/wait?ms=600000", peers[i].url);
        (void)curl_easy_setopt(peers[i].curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(peers[i].curl, CURLOPT_TIMEOUT, 600L);
        (void)curl_multi_add_handle(multi, peers[i].curl);
    }
    do {
        (void)curl_multi_perform(multi, (int *)&running);
        (void)curl_multi_poll(multi, NULL, 0, 100, NULL);
        api_counters(rig->api, &counters);
    } while (counters.parked < n && running > 0);
    assert_int_equal(counters.parked, n);
    assert_int_equal(counters.running, 0);
    // Others are served meanwhile.
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 200);
    atomic_store(&rig->server.news, true);
    api_wake(rig->api, KEY);
    do {
        (void)curl_multi_perform(multi, (int *)&running);
        (void)curl_multi_poll(multi, NULL, 0, 100, NULL);
    } while (running > 0);
    while (curl_multi_info_read(multi, &left))
        ;
    for (unsigned i = 0; i < n; i++) {
        long status = 0;

        (void)curl_easy_getinfo(peers[i].curl, CURLINFO_RESPONSE_CODE, &status);
        good += status == 200;
        (void)curl_multi_remove_handle(multi, peers[i].curl);
        peer_done(&peers[i]);
    }
    assert_int_equal(good, n);
    (void)curl_multi_cleanup(multi);
    free(peers);
    rig_free(rig);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_events(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker a;

    rig->options.ping_ms = 300;
    rig_start(rig);
    *(&a) = (struct asker){.rig = rig, .target = "/api/v1/events"};
    peer_init(&a.peer, rig->api, &rig->ca);
    peer_header(&a.peer, "Last-Event-ID: 41");
    a.peer.stop_after = 200;
    assert_int_equal(pthread_create(&a.thread, NULL, ask, &a), 0);
    while (!atomic_load(&rig->server.events))
        (void)poll(NULL, 0, 1);
    assert_int_equal(api_events_push(rig->server.events, "42", "record", "{\"a\":1}", 7), 0);
    // Reads until its 200 bytes are there: pings go on coming. Then it goes, and that is noticed.
    asker_join(&a);
    await(&rig->server.freed, 1);
    assert_true(peer_has(&a.peer, "Content-Type: text/event-stream"));
    assert_true(peer_says(&a.peer, "id: 1\nevent: hello\ndata: 41\n\n"));
    assert_true(peer_says(&a.peer, "id: 42\nevent: record\ndata: {\"a\":1}\n\n"));
    assert_true(peer_says(&a.peer, "event: ping\ndata: {}\n\n"));
    peer_done(&a.peer);
    rig_free(rig);
}

struct slow {
    struct peer peer;
    atomic_bool hold;
    pthread_t thread;
};

static size_t read_slowly(char *data, size_t size, size_t n, void *ctx)
{
    struct slow *s = ctx;

    while (atomic_load(&s->hold))
        (void)poll(NULL, 0, 1);
    return peer_on_body(data, size, n, &s->peer);
}

static void *ask_slowly(void *ctx)
{
    struct slow *s = ctx;

    (void)peer_get(&s->peer, "/api/v1/events");
    return NULL;
}

static void test_slow_reader_of_events(void **state _unused_)
{
    struct api_counters counters;
    struct rig *rig = rig_new();
    struct slow s = {.hold = true};
    unsigned pushed = 0, lost = 0;
    uint64_t told = 0;
    char *data = mallocz(10001);

    memset(data, 'x', 10000);
    rig_start(rig);
    peer_init(&s.peer, rig->api, &rig->ca);
    (void)curl_easy_setopt(s.peer.curl, CURLOPT_BUFFERSIZE, 1024L);
    (void)curl_easy_setopt(s.peer.curl, CURLOPT_WRITEFUNCTION, read_slowly);
    (void)curl_easy_setopt(s.peer.curl, CURLOPT_WRITEDATA, &s);
    assert_int_equal(pthread_create(&s.thread, NULL, ask_slowly, &s), 0);
    while (!atomic_load(&rig->server.events))
        (void)poll(NULL, 0, 1);
    // Whoever pushes is never held up: what the sockets do not take and the queue does not hold is lost.
    while (lost < 100 && pushed < 100000) {
        int r = api_events_push(rig->server.events, NULL, "record", data, 10000);

        assert_true(r == 0 || r == -ENOBUFS);
        lost += r == -ENOBUFS;
        pushed++;
    }
    assert_int_equal(lost, 100);
    atomic_store(&s.hold, false);
    while (api_events_push(rig->server.events, NULL, "last", "{}", 2) == -ENOBUFS)
        (void)poll(NULL, 0, 1);
    api_counters(rig->api, &counters);
    assert_true(counters.events_lost >= 100);
    assert_int_equal(api_stop(rig->api, 5000), 0);
    assert_int_equal(pthread_join(s.thread, NULL), 0);
    for (const char *at = sb_str(&s.peer.answer.body);
         (at = strstr(at, "event: lost\ndata: {\"lost\":")); at += 26)
        told += strtoull(at + 26, NULL, 10);
    assert_int_equal(told, counters.events_lost);
    assert_true(peer_says(&s.peer, "event: last"));
    peer_done(&s.peer);
    free(data);
    rig_free(rig);
}

static void test_too_many_events(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker a;

    rig->options.events = 1;
    rig_start(rig);
    asker_start(&a, rig, "/api/v1/events");
    while (!atomic_load(&rig->server.events))
        (void)poll(NULL, 0, 1);
    assert_int_equal(peer_get(&rig->peer, "/api/v1/events"), 503);
    assert_int_equal(api_stop(rig->api, 5000), 0);
    asker_join(&a);
    assert_int_equal(a.peer.answer.result, CURLE_OK); // ended, not cut
    peer_done(&a.peer);
    rig_free(rig);
}

#define COOKIE "Cookie: " API_SESSION_COOKIE "=viewer"
#define TOKEN  "Authorization: Bearer tina"

static void follow(struct asker *a, struct rig *rig, const char *target, const char *header)
{
    *a = (struct asker){.rig = rig, .target = target};
    peer_init(&a->peer, rig->api, &rig->ca);
    peer_header(&a->peer, header);
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

// Who was let in and is sent away later sees no more, by whatever he was let in.
static void test_sent_away(void **state _unused_)
{
    static const char *const headers[] = {COOKIE, TOKEN, COOKIE};

    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        struct rig *rig = rig_new();
        struct asker a;

        rig->options.ping_ms = 100;
        rig_start(rig);
        follow(&a, rig, "/api/v1/events/mine", headers[i]);
        while (!atomic_load(&rig->server.events))
            (void)poll(NULL, 0, 1);
        // As long as nobody knows, he stays.
        atomic_store(&rig->server.unknown, true);
        (void)poll(NULL, 0, 500);
        assert_int_equal(atomic_load(&rig->server.freed), 0);
        atomic_store(&rig->server.unknown, false);
        atomic_store(i == 2 ? &rig->server.demoted : &rig->server.sent_away, true);
        asker_join(&a);
        await(&rig->server.freed, 1);
        assert_int_equal(a.peer.answer.status, 200);
        assert_int_equal(a.peer.answer.result, CURLE_OK);
        peer_done(&a.peer);
        rig_free(rig);
    }
}

static void test_sent_away_from_lines(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker a;

    rig->options.ping_ms = 100;
    rig->server.pull_max = 10000000;
    rig_start(rig);
    atomic_store(&rig->server.endless, true);
    follow(&a, rig, "/api/v1/lines/mine", COOKIE);
    await(&rig->server.waiting, 1);
    atomic_store(&rig->server.sent_away, true);
    asker_join(&a);
    await(&rig->server.freed, 1);
    assert_int_not_equal(a.peer.answer.result, CURLE_OK);
    peer_done(&a.peer);
    rig_free(rig);
}

static void test_lines(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    unsigned lines = 0;

    rig->server.pull_max = 20;
    rig_start(rig);
    assert_int_equal(peer_get(p, "/api/v1/lines"), 200);
    assert_int_equal(p->answer.result, CURLE_OK);
    assert_true(peer_has(p, "Content-Type: application/x-ndjson"));
    for (const char *at = sb_str(&p->answer.body); (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 20000);
    assert_true(peer_says(p, "{\"line\":19999,"));
    await(&rig->server.freed, 1);
    // What breaks on the way is seen to be broken.
    rig->server.pull_max = 3;
    (void)peer_get(p, "/api/v1/lines");
    assert_int_not_equal(p->answer.result, CURLE_OK);
    await(&rig->server.freed, 2);
    // Who goes away in the middle leaves nothing behind, and was not read ahead for.
    rig->server.pull_max = 1000000;
    p->stop_after = 1000;
    (void)peer_get(p, "/api/v1/lines");
    await(&rig->server.freed, 3);
    assert_true(rig->server.pulls < 500);
    rig_free(rig);
}

static void test_stop_while_busy(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct asker parked, slow, slow2;
    uint64_t began;

    rig_start(rig);
    atomic_store(&rig->server.hold, true);
    asker_start(&parked, rig, "/api/v1/wait");
    await(&rig->server.waiting, 1);
    asker_start(&slow, rig, "/api/v1/slow");
    asker_start(&slow2, rig, "/api/v1/slow");
    await(&rig->server.waiting, 3);
    began = now_ns(CLOCK_MONOTONIC);
    assert_int_equal(api_stop(rig->api, 300), -ETIMEDOUT);
    assert_true(now_ns(CLOCK_MONOTONIC) - began < 2 * NS_PER_SEC);
    atomic_store(&rig->server.hold, false);
    assert_int_equal(api_stop(rig->api, 5000), 0);
    asker_join(&parked);
    asker_join(&slow);
    asker_join(&slow2);
    assert_int_equal(parked.peer.answer.status, 200);
    assert_true(peer_says(&parked.peer, "stopping"));
    assert_int_equal(slow.peer.answer.status, 200);
    assert_int_equal(slow2.peer.answer.status, 200);
    peer_done(&parked.peer);
    peer_done(&slow.peer);
    peer_done(&slow2.peer);
    rig_free(rig);
}

static void test_busy(void **state _unused_)
{
    struct asker askers[4];
    struct rig *rig = rig_new();

    rig->options.queue = 2;
    rig_start(rig);
    atomic_store(&rig->server.hold, true);
    for (unsigned i = 0; i < 2; i++)
        asker_start(&askers[i], rig, "/api/v1/slow");
    await(&rig->server.waiting, 2);
    for (unsigned i = 2; i < 4; i++)
        asker_start(&askers[i], rig, "/api/v1/slow");
    for (struct api_counters c = {}; c.queued < 2;) {
        api_counters(rig->api, &c);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(peer_get(&rig->peer, "/api/v1/things/fixed"), 503);
    assert_true(peer_says(&rig->peer, "\"code\":\"busy\""));
    assert_true(peer_has(&rig->peer, "Retry-After:"));
    atomic_store(&rig->server.hold, false);
    for (unsigned i = 0; i < 4; i++) {
        asker_join(&askers[i]);
        assert_int_equal(askers[i].peer.answer.status, 200);
        peer_done(&askers[i].peer);
    }
    rig_free(rig);
}

static size_t give_slowly(char *buf, size_t size _unused_, size_t n _unused_, void *ctx)
{
    (void)ctx;
    (void)poll(NULL, 0, 50);
    *buf = 'x';
    return 1;
}

static void test_slow_senders(void **state _unused_)
{
    _cleanup_free_ char *key = NULL, *certificate = NULL;
    struct api_counters counters;
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char url[300];
    int fd;

    rig->options.head_timeout_ms = 400;
    rig->options.body_timeout_ms = 400;
    rig->options.idle_timeout_ms = 400;
    peer_agent(&rig->ca, PEER_AGENT, &key, &certificate);
    rig_start(rig);
    // Nothing at all, not even TLS.
    fd = raw_connect(rig->api, INADDR_LOOPBACK);
    assert_true(raw_is_closed(fd));
    (void)close(fd);
    // A body of a byte now and then.
    peer_certificate(p, key, certificate);
    (void)snprintf(url, sizeof(url), "%s/agent/v1/raw", p->url);
    (void)curl_easy_setopt(p->curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(p->curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(p->curl, CURLOPT_READFUNCTION, give_slowly);
    (void)curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE, 10000L);
    assert_int_not_equal(curl_easy_perform(p->curl), CURLE_OK);
    api_counters(rig->api, &counters);
    assert_true(counters.connections_timed_out >= 2);
    assert_int_equal(counters.body_bytes, 0);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_park), cmocka_unit_test(test_no_wake_is_missed),
          cmocka_unit_test(test_many_parked), cmocka_unit_test(test_events),
          cmocka_unit_test(test_slow_reader_of_events), cmocka_unit_test(test_too_many_events),
          cmocka_unit_test(test_sent_away), cmocka_unit_test(test_sent_away_from_lines),
          cmocka_unit_test(test_lines), cmocka_unit_test(test_stop_while_busy),
          cmocka_unit_test(test_busy), cmocka_unit_test(test_slow_senders))
