// SPDX-License-Identifier: Apache-2.0
//
// Records and their counts, from a host's frame to what a browser gets.
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>

#include "base/jsonget.h"
#include "server/tail.h"
#include "tests/unit/server/say.h"

#define HOUR_MS UINT64_C(3600000)

struct world {
    struct rig *rig;
    struct agent host;
    struct peer viewer;
    struct stream_id stream;
    uint64_t next, now_ms;
};

static void world_begin(struct world *w)
{
    *w = (struct world){.rig = rig_new(), .next = 1, .now_ms = server_now()};
    assert_int_equal(stream_id_new(&w->stream), 0);
    agent_new(&w->host, w->rig);
    assert_int_equal(agent_hello(&w->host, &w->stream), 200);
    say_as(w->rig, &w->viewer, "vera", ROLE_VIEWER);
}

static void world_end(struct world *w)
{
    peer_done(&w->viewer);
    agent_done(&w->host);
    rig_free(w->rig);
}

static void happens(struct world *w, unsigned n, const char *line)
{
    assert_int_equal(agent_send(&w->host, &w->stream, w->next, n, line), 200);
    w->next += n;
}

static void denial(struct world *w, unsigned n, const char *path, uint64_t ago_ms)
{
    char line[1024];

    (void)snprintf(
        line, sizeof(line),
        "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":4,\"time\":%llu,\"action_id\":2,\"disposition_id\":2,"
        "\"actor\":{\"user\":{\"name\":\"ann\"},\"process\":{\"pid\":7,\"uid\":\"b:7:1\",\"name\":\"cat\",\"file\":{\"path\":"
        "\"/usr/bin/cat\"},\"parent_process\":{\"pid\":6,\"uid\":\"b:6:1\",\"name\":\"sh\",\"path\":\"/bin/sh\"},\"ancestry\":["
        "{\"pid\":6,\"uid\":\"b:6:1\",\"path\":\"/bin/sh\"},{\"pid\":1,\"uid\":\"b:1:1\",\"path\":\"/sbin/init\"}]}},"
        "\"file\":{\"path\":\"%s\"},\"message\":\"cat was not allowed to read %s\",\"unmapped\":{\"rule\":\"web\"}}",
        (unsigned long long)(w->now_ms - ago_ms), path, path);
    happens(w, n, line);
}

static void run_of(struct world *w)
{
    char line[256];

    (void)snprintf(
        line, sizeof(line),
        "{\"class_uid\":1007,\"activity_id\":1,\"severity_id\":1,\"time\":%llu,\"message\":\"ran\"}",
        (unsigned long long)w->now_ms);
    happens(w, 3, line);
}

static unsigned items(const struct peer *p)
{
    struct json_object *root = json_tokener_parse(sb_str(&p->answer.body)),
                       *list = json_get(root, "items");
    unsigned n = (unsigned)json_object_array_length(list);

    json_object_put(root);
    return n;
}

static void test_list(void **state _unused_)
{
    struct world w;
    char target[512], *next, *id;

    world_begin(&w);
    denial(&w, 5, "/etc/shadow", 2 * HOUR_MS);
    denial(&w, 1, "/srv/www/x", 1000);
    run_of(&w);
    say(&w.viewer, "events", "/api/v1/events", NULL, 200);
    assert_int_equal(items(&w.viewer), 9);
    expect_said(&w.viewer, "items.0.message", "ran");
    expect_said(&w.viewer, "items.0.host_name", "web-1");
    expect_said(&w.viewer, "truncated", "false");
    say(&w.viewer, "events",
        "/api/v1/events?class=1001,5&outcome=denied&path=/etc/*&user=ann&program=/usr/bin/cat&rule=web&severity=4&q=shadow",
        NULL, 200);
    assert_int_equal(items(&w.viewer), 5);
    say(&w.viewer, "events", "/api/v1/events?order=oldest&limit=4&from=-3h", NULL, 200);
    assert_int_equal(items(&w.viewer), 4);
    expect_said(&w.viewer, "items.0.path", "/etc/shadow");
    next = said(&w.viewer, "next");
    (void)snprintf(target, sizeof(target),
                   "/api/v1/events?order=oldest&limit=100&from=-3h&cursor=%s", next);
    free(next);
    say(&w.viewer, "events", target, NULL, 200);
    assert_int_equal(items(&w.viewer), 5);
    assert_null(said(&w.viewer, "next"));
    (void)snprintf(target, sizeof(target), "/api/v1/events?host=%s&to=-1h", w.host.id);
    say(&w.viewer, "events", target, NULL, 200);
    assert_int_equal(items(&w.viewer), 5);
    say(&w.viewer, "events", "/api/v1/events?host=00000000-0000-4000-8000-000000000000", NULL, 200);
    assert_int_equal(items(&w.viewer), 0);
    // What is not wanted.
    say(&w.viewer, "events", "/api/v1/events?not_path=/etc/*&not_class=1007", NULL, 200);
    assert_int_equal(items(&w.viewer), 1);
    expect_said(&w.viewer, "items.0.path", "/srv/www/x");
    say(&w.viewer, "events", "/api/v1/events?not_program=/usr/bin/dog,/usr/bin/cat", NULL, 200);
    assert_int_equal(items(&w.viewer), 3);
    say(&w.viewer, "events", "/api/v1/events?rule=web&not_user=ann", NULL, 200);
    assert_int_equal(items(&w.viewer), 0);
    (void)snprintf(target, sizeof(target), "/api/v1/events?not_host=%s", w.host.id);
    say(&w.viewer, "events", target, NULL, 200);
    assert_int_equal(items(&w.viewer), 0);
    say(&w.viewer, "events", "/api/v1/events?not_class=files", NULL, 400);
    say(&w.viewer, "events", "/api/v1/events?class=files", NULL, 400);
    // The class of what agents say of themselves is a class as others are.
    say(&w.viewer, "events", "/api/v1/events?class=0&rule=web", NULL, 200);
    assert_int_equal(items(&w.viewer), 0);
    say(&w.viewer, "events", "/api/v1/events?class=0,1001&rule=web", NULL, 200);
    assert_int_not_equal(items(&w.viewer), 0);
    say(&w.viewer, "events", "/api/v1/events?cursor=x", NULL, 400);
    say(&w.viewer, "events", "/api/v1/events?q=%22no+end", NULL, 400);

    say(&w.viewer, "events", "/api/v1/events?path=/srv/www/x", NULL, 200);
    id = said(&w.viewer, "items.0.id");
    (void)snprintf(target, sizeof(target), "/api/v1/events/%s", id);
    free(id);
    say(&w.viewer, "event", target, NULL, 200);
    expect_said(&w.viewer, "record.unmapped.rule", "web");
    expect_said(&w.viewer, "process_tree.0.path", "/sbin/init");
    expect_said(&w.viewer, "process_tree.0.name", "init");
    expect_said(&w.viewer, "process_tree.1.name", "sh");
    expect_said(&w.viewer, "process_tree.2.pid", "7");
    assert_null(said(&w.viewer, "process_tree.3"));
    say(&w.viewer, "event", "/api/v1/events/20200101-001.1.0", NULL, 404);
    say(&w.viewer, "event", "/api/v1/events/nonsense", NULL, 400);
    world_end(&w);
}

static void test_unreadable(void **state _unused_)
{
    struct world w;
    char target[256], *id;

    world_begin(&w);
    happens(&w, 1, "no \\ JSON \"at all\"");
    say(&w.viewer, "events", "/api/v1/events?q=json", NULL, 200);
    assert_int_equal(items(&w.viewer), 1);
    id = said(&w.viewer, "items.0.id");
    (void)snprintf(target, sizeof(target), "/api/v1/events/%s", id);
    free(id);
    say(&w.viewer, "event", target, NULL, 200);
    expect_said(&w.viewer, "raw", "no \\ JSON \"at all\"");
    assert_int_equal(peer_get(&w.viewer, "/api/v1/events/export"), 200);
    assert_string_equal(sb_str(&w.viewer.answer.body),
                        "{\"unreadable\":\"no \\\\ JSON \\\"at all\\\"\"}\n");
    world_end(&w);
}

static void test_export(void **state _unused_)
{
    struct world w;
    unsigned lines = 0;

    world_begin(&w);
    denial(&w, 300, "/etc/shadow", HOUR_MS);
    run_of(&w);
    assert_int_equal(peer_get(&w.viewer, "/api/v1/events/export?rule=web"), 200);
    assert_true(peer_has(&w.viewer, "Content-Type: application/x-ndjson"));
    for (const char *p = sb_str(&w.viewer.answer.body); (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 300);
    assert_int_equal(strncmp(sb_str(&w.viewer.answer.body), "{\"class_uid\":1001,", 18), 0);
    assert_int_equal(peer_get(&w.viewer, "/api/v1/events/export?not_rule=w*,x"), 200);
    assert_int_equal(strncmp(sb_str(&w.viewer.answer.body), "{\"class_uid\":1007,", 18), 0);
    assert_int_equal(peer_get(&w.viewer, "/api/v1/events/export?class=x"), 400);
    world_end(&w);
}

static void test_charts(void **state _unused_)
{
    struct world w;
    char target[256];

    world_begin(&w);
    denial(&w, 5, "/etc/shadow", 2 * HOUR_MS);
    denial(&w, 2, "/srv/www/x", 1000);
    run_of(&w);
    say(&w.viewer, "rollup", "/api/v1/rollup", NULL, 200);
    expect_said(&w.viewer, "series.0.key", "total");
    say(&w.viewer, "rollup", "/api/v1/rollup?by=outcome&step=3600000&from=-24h", NULL, 200);
    expect_said(&w.viewer, "series.0.key", "denied");
    expect_said(&w.viewer, "series.1.key", "other");
    expect_said(&w.viewer, "step", "3600000");
    say(&w.viewer, "rollup", "/api/v1/rollup?by=host", NULL, 200);
    expect_said(&w.viewer, "series.0.key", w.host.id);
    expect_said(&w.viewer, "series.0.label", "web-1");
    assert_null(said(&w.viewer, "series.1"));
    say(&w.viewer, "top", "/api/v1/top?by=path", NULL, 200);
    expect_said(&w.viewer, "items.0.key", "/etc/shadow");
    expect_said(&w.viewer, "items.0.count", "5");
    expect_said(&w.viewer, "items.1.key", "/srv/www/x");
    assert_null(said(&w.viewer, "items.2"));
    say(&w.viewer, "top", "/api/v1/top?by=host&outcome=denied", NULL, 200);
    expect_said(&w.viewer, "items.0.count", "7");
    say(&w.viewer, "top", "/api/v1/top?by=path&not_path=/etc/*", NULL, 200);
    expect_said(&w.viewer, "items.0.key", "/srv/www/x");
    assert_null(said(&w.viewer, "items.1"));
    say(&w.viewer, "top", "/api/v1/top?by=host&not_outcome=denied", NULL, 200);
    expect_said(&w.viewer, "items.0.count", "3");
    (void)snprintf(target, sizeof(target), "/api/v1/top?by=host&not_host=%s", w.host.id);
    say(&w.viewer, "top", target, NULL, 200);
    assert_null(said(&w.viewer, "items.0"));
    (void)snprintf(target, sizeof(target), "/api/v1/events/timeline?buckets=24&from=%llu&to=%llu",
                   (unsigned long long)(w.now_ms - 24 * HOUR_MS),
                   (unsigned long long)(w.now_ms + 60000));
    say(&w.viewer, "events_timeline", target, NULL, 200);
    say(&w.viewer, "events_timeline", "/api/v1/events/timeline?q=shadow&buckets=1&from=-24h", NULL,
        200);
    expect_said(&w.viewer, "points.0.denied", "5");
    say(&w.viewer, "events_timeline",
        "/api/v1/events/timeline?not_path=/etc/shadow&buckets=1&from=-24h", NULL, 200);
    expect_said(&w.viewer, "points.0.denied", "2");
    say(&w.viewer, "events_timeline", "/api/v1/events/timeline?class=x", NULL, 400);
    world_end(&w);
}

// Live ---------------------------------------------------------------------------------------------

struct watcher {
    struct peer peer;
    const char *target;
    pthread_t thread;
};

static void *watch(void *ctx)
{
    struct watcher *watcher = ctx;

    (void)peer_get(&watcher->peer, watcher->target);
    return NULL;
}

static void watch_live(const char *target, bool full)
{
    struct watcher watcher = {.target = target};
    struct world w;

    world_begin(&w);
    rig_peer(w.rig, &watcher.peer);
    peer_be(&watcher.peer, "vera");
    watcher.peer.stop_after = 100;
    assert_int_equal(pthread_create(&watcher.thread, NULL, watch, &watcher), 0);
    while (tail_len(w.rig->server.tail) == 0)
        (void)poll(NULL, 0, 1);
    run_of(&w); // not what is watched
    denial(&w, 1, "/srv/www/x", 0);
    denial(&w, 1, "/etc/shadow", 0);
    assert_int_equal(pthread_join(watcher.thread, NULL), 0);
    assert_true(peer_says(&watcher.peer, "event: record\ndata: {\"id\":\"20"));
    assert_true(peer_says(&watcher.peer, "\"path\":\"/etc/shadow\""));
    assert_true(peer_says(&watcher.peer, "\"host_name\":\"web-1\""));
    assert_false(peer_says(&watcher.peer, "/srv/www"));
    assert_int_equal(peer_says(&watcher.peer, "\"record\":{\"class_uid\":1001,"), full);
    // Who has gone is noticed with the next thing that is said to him.
    while (tail_len(w.rig->server.tail) > 0) {
        denial(&w, 1, "/etc/shadow", 0);
        (void)poll(NULL, 0, 1);
    }
    peer_done(&watcher.peer);
    world_end(&w);
}

static void test_live(void **state _unused_)
{
    watch_live("/api/v1/events/stream?rule=web&q=shadow", false);
    watch_live("/api/v1/events/stream?rule=web&q=shadow&full=yes", true);
    watch_live("/api/v1/events/stream?not_path=/srv/*&not_class=1007", false);
}

UNIT_MAIN(cmocka_unit_test(test_list), cmocka_unit_test(test_unreadable),
          cmocka_unit_test(test_export), cmocka_unit_test(test_charts), cmocka_unit_test(test_live))
