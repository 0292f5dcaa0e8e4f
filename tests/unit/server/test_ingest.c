// SPDX-License-Identifier: Apache-2.0
//
// From a frame to the store, to alerts and to live views, and what happens when the server dies in between.
#include "tests/unit/unit.h"

#include <poll.h>

#include "tests/unit/server/rig.h"

#include "registry/alert.h"
#include "server/counting.h"
#include "server/ingest.h"
#include "server/tail.h"

// With every text that an alert keeps, each longer than the others' room.
#define DENIAL                                                                                             \
    "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":4,\"time\":1795721106337,\"action_id\":2,"     \
    "\"disposition_id\":2,\"count\":3,\"policy\":{\"name\":\"50-web-and-what-belongs-to-it.yaml\"},"       \
    "\"actor\":{\"user\":{\"name\":\"somebody-with-a-rather-long-name\"},\"process\":{\"pid\":7,\"file\":" \
    "{\"path\":\"/usr/lib/somewhere/deep/down/program\"}}},\"file\":{\"path\":\"/etc/shadow/or/so\"},"     \
    "\"unmapped\":{\"rule\":\"web-content-is-not-to-be-changed\",\"rule_file\":\"50-web.yaml\","           \
    "\"rule_line\":12},\"message\":\"program was denied to write /etc/shadow/or/so\"}"
#define PLAIN \
    "{\"class_uid\":1007,\"activity_id\":1,\"severity_id\":1,\"time\":1795721106337,\"message\":\"x\"}"

static int add_count(void *ctx, const struct registry_alert *a)
{
    assert_string_equal(a->program, "/usr/lib/somewhere/deep/down/program");
    assert_string_equal(a->rule, "web-content-is-not-to-be-changed");
    assert_string_equal(a->path, "/etc/shadow/or/so");
    assert_string_equal(a->user, "somebody-with-a-rather-long-name");
    assert_string_equal(a->message, "program was denied to write /etc/shadow/or/so");
    *(uint64_t *)ctx += a->count;
    return 0;
}

static uint64_t alerts_of(struct rig *rig, const char *host)
{
    const struct registry_alert_filter filter = {.state = -1, .host = host};
    const struct registry_page page = {.limit = 100};
    struct registry_next next;
    uint64_t count = 0;

    assert_int_equal(registry_alert_list(rig->server.registry, &filter, &page, add_count, &count,
                                         &next, &(struct error){}),
                     0);
    return count;
}

// Alerts are counted before a frame is acknowledged, so that there is nothing to wait for.
static void test_alerts(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct agent a;

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_int_equal(agent_send(&a, &stream, 1, 10, PLAIN), 200);
    assert_int_equal(alerts_of(rig, a.id), 0);
    assert_int_equal(agent_send(&a, &stream, 11, 10, DENIAL), 200);
    assert_int_equal(alerts_of(rig, a.id), 30);
    // A frame that comes again counts nothing again.
    assert_int_equal(agent_send(&a, &stream, 11, 10, DENIAL), 200);
    assert_int_equal(alerts_of(rig, a.id), 30);
    assert_int_equal(agent_send(&a, &stream, 16, 10, DENIAL), 200);
    assert_int_equal(alerts_of(rig, a.id), 45);
    agent_done(&a);
    rig_free(rig);
}

// No rule is behind it, and nothing was prevented.
#define FINDING                                                                                       \
    "{\"class_uid\":2004,\"activity_id\":1,\"severity_id\":5,\"time\":1795721106337,\"action_id\":3," \
    "\"disposition_id\":19,\"finding_info\":{\"title\":\"Ids were changed\",\"uid\":\"x\"},"          \
    "\"actor\":{\"process\":{\"pid\":7,\"file\":{\"path\":\"/bin/x\"}}},\"message\":\"x has them\"}"

static int check_finding(void *ctx, const struct registry_alert *a)
{
    assert_int_equal(a->class_uid, 2004);
    assert_int_equal(a->severity, 5);
    assert_string_equal(a->rule, "Ids were changed");
    assert_string_equal(a->message, "x has them");
    assert_string_equal(a->outcome, "not-held");
    *(uint64_t *)ctx += a->count;
    return 0;
}

// What was found is an alert by its title.
static void test_finding(void **state _unused_)
{
    const struct registry_page page = {.limit = 100};
    struct registry_alert_filter filter = {.state = -1};
    struct rig *rig = rig_new();
    struct registry_next next;
    struct stream_id stream;
    uint64_t count = 0;
    struct agent a;

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_int_equal(agent_send(&a, &stream, 1, 3, FINDING), 200);
    filter.host = a.id;
    assert_int_equal(registry_alert_list(rig->server.registry, &filter, &page, check_finding,
                                         &count, &next, &(struct error){}),
                     0);
    assert_int_equal(count, 3);
    agent_done(&a);
    rig_free(rig);
}

// Records that are stored when the server dies are counted when it starts again, once.
static void test_death_between_store_and_alerts(void **state _unused_)
{
    _cleanup_(sb_done) struct strbuf body = {};
    struct rig *rig = rig_new();
    struct frame_reader *reader = NULL;
    struct store_appended appended;
    struct frame *frame = NULL;
    struct stream_id stream;
    struct error err = {};
    struct agent a;

    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_int_equal(agent_send(&a, &stream, 1, 10, DENIAL), 200);
    assert_int_equal(alerts_of(rig, a.id), 30);
    rig_close(rig);

    assert_int_equal(server_open(&rig->server, true, &err), 0);
    make_frame(&body, &stream, 11, 5000, DENIAL);
    assert_int_equal(frame_reader_new(&reader), 0);
    assert_int_equal(frame_decode(reader, sb_str(&body), body.len, &frame, &err), 0);
    frame->batch.host = a.id;
    frame->batch.received_ms = server_now();
    assert_int_equal(store_append(rig->server.store, &frame->batch, &appended, &err), 0);
    (void)frame_free(frame);
    (void)frame_reader_free(reader);
    server_close(&rig->server);

    for (unsigned i = 0; i < 2; i++) {
        rig_open(rig);
        // It counts before it takes anything new.
        (void)snprintf(a.peer.url, sizeof(a.peer.url), "https://127.0.0.1:%u",
                       api_port(rig->server.api));
        assert_int_equal(agent_hello(&a, &stream), 200);
        assert_int_equal(agent_send(&a, &stream, 5011 + i, 1, PLAIN), 200);
        assert_int_equal(alerts_of(rig, a.id), 30 + 15000);
        rig_close(rig);
    }
    rig_open(rig);
    agent_done(&a);
    rig_free(rig);
}

struct listener {
    atomic_uint rows;
    atomic_bool hold;
};

static void on_rows(void *ctx, const struct store_row *rows _unused_, size_t n)
{
    struct listener *l = ctx;

    atomic_fetch_add(&l->rows, (unsigned)n);
    while (atomic_load(&l->hold))
        (void)poll(NULL, 0, 1);
}

static struct ingest_item *make_item(struct rig *rig, const struct stream_id *stream,
                                     uint64_t first, unsigned n)
{
    _cleanup_(sb_done) struct strbuf body = {};
    struct ingest_item *item = NULL;
    struct error err = {};
    char *copy;

    make_frame(&body, stream, first, n, PLAIN);
    copy = memdup(sb_str(&body), body.len);
    assert_int_equal(ingest_read(rig->server.ingest, PEER_AGENT, copy, body.len, &item, &err), 0);
    return item;
}

static void test_full_queue(void **state _unused_)
{
    struct listener l = {.hold = true};
    struct rig *rig = rig_new();
    struct ingest_item *items[2000] = {};
    struct store_appended appended;
    struct ingest_stats stats;
    struct stream_id stream;
    uint64_t number = 0;
    unsigned n = 0;
    int r = 0;

    rig_close(rig);
    rig_set(rig, SERVER_CONFIG_ingest_queue, "1M");
    rig_open(rig);
    assert_int_equal(stream_id_new(&stream), 0);
    assert_int_equal(tail_add(rig->server.tail, on_rows, &l, &number), 0);
    // The writer is held up: what comes meanwhile waits, as much as may.
    while (r == 0 && n < ARRAY_SIZE(items)) {
        items[n] = make_item(rig, &stream, 1 + 100 * n, 100);
        r = ingest_add(rig->server.ingest, items[n], api_unique_key(rig->server.api));
        n++;
    }
    assert_int_equal(r, -ENOBUFS);
    ingest_stats(rig->server.ingest, &stats);
    assert_int_equal(stats.refused, 1);
    assert_true(stats.waiting_bytes <= 1 << 20);
    atomic_store(&l.hold, false);
    // All that was taken is stored, when the server stops at once, too.
    assert_true(ingest_stop(rig->server.ingest, 20000));
    for (unsigned i = 0; i < n - 1; i++) {
        assert_int_equal(ingest_result(items[i], &r, &appended), 1);
        assert_int_equal(r, 0);
        assert_int_equal(appended.n_stored, 100);
    }
    assert_int_equal(ingest_result(items[n - 1], &r, &appended), 0);
    assert_int_equal(ingest_add(rig->server.ingest, items[n - 1], 1), -ESHUTDOWN);
    assert_int_equal(l.rows, 100 * (n - 1));
    for (unsigned i = 0; i < n; i++)
        (void)ingest_item_unref(items[i]);
    ingest_stats(rig->server.ingest, &stats);
    assert_true(stats.batches == n - 1);
    rig->server.ingest = ingest_free(rig->server.ingest);
    rig_free(rig);
}

static void test_listeners(void **state _unused_)
{
    uint64_t numbers[TAIL_LISTENERS_MAX], more = 0;
    struct listener l = {};
    struct store_row row = {};
    struct tail *t = NULL;

    assert_int_equal(tail_new(&t), 0);
    for (size_t i = 0; i < TAIL_LISTENERS_MAX; i++)
        assert_int_equal(tail_add(t, on_rows, &l, &numbers[i]), 0);
    assert_int_equal(tail_add(t, on_rows, &l, &more), -ENOBUFS);
    tail_publish(t, &row, 1);
    assert_int_equal(l.rows, TAIL_LISTENERS_MAX);
    for (size_t i = 1; i < TAIL_LISTENERS_MAX; i++)
        tail_remove(t, numbers[i]);
    tail_remove(t, numbers[1]);
    assert_int_equal(tail_len(t), 1);
    tail_publish(t, &row, 1);
    assert_int_equal(l.rows, TAIL_LISTENERS_MAX + 1);
    (void)tail_free(t);
}

// Records of two agents that cannot both be right: only one of them is told so.
static void test_one_bad_frame_among_good_ones(void **state _unused_)
{
    struct listener l = {.hold = true};
    struct ingest_item *items[4] = {};
    struct store_appended appended;
    struct rig *rig = rig_new();
    struct stream_id stream, other;
    uint64_t number;
    int r;

    assert_int_equal(stream_id_new(&stream), 0);
    assert_int_equal(stream_id_new(&other), 0);
    assert_int_equal(tail_add(rig->server.tail, on_rows, &l, &number), 0);
    items[0] = make_item(rig, &stream, 1, 10);
    items[1] = make_item(rig, &stream, 11, 10);
    items[2] = make_item(rig, &other, STREAM_NUMBER_MAX - 9, 10);
    items[3] = make_item(rig, &stream, 21, 10);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        assert_int_equal(ingest_add(rig->server.ingest, items[i], api_unique_key(rig->server.api)),
                         0);
    atomic_store(&l.hold, false);
    assert_true(ingest_stop(rig->server.ingest, 20000));
    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        assert_int_equal(ingest_result(items[i], &r, &appended), 1);
        assert_true(i == 2 || r == 0);
        (void)ingest_item_unref(items[i]);
    }
    rig->server.ingest = ingest_free(rig->server.ingest);
    rig_free(rig);
}

static struct stream_id stream_number(unsigned n)
{
    struct stream_id id = {{0xcc}};

    memcpy(id.b + 4, &n, sizeof(n));
    return id;
}

// One denial in this stream.
static uint64_t watermark_after(struct rig *rig, struct counting *c, const char *host, unsigned n)
{
    const struct store_row row = {
        .host = host,
        .stream = stream_number(n),
        .number = 1,
        .columns = {.outcome = STORE_DENIED, .count = 1, .class_uid = 1001, .severity = 4},
    };
    char text[STREAM_ID_TEXT];
    struct error err = {};
    uint64_t seq = 0;

    counting_rows(c, &row, 1);
    counting_batch(c, host, &row.stream, 1);
    assert_int_equal(counting_commit(c, &err), 0);
    stream_id_format(&row.stream, text);
    assert_int_equal(registry_alert_watermark(rig->server.registry, host, text, &seq, &err), 0);
    return seq;
}

// A host that makes one stream after the other takes the room of its own, and no other host's.
static void test_counting_is_bounded_by_host(void **state _unused_)
{
    _cleanup_(counting_freep) struct counting *c = NULL;
    struct rig *rig = rig_new();
    struct agent flood, other;
    struct error err = {};

    agent_new(&flood, rig);
    agent_new(&other, rig);
    assert_int_equal(counting_new(rig->server.store, rig->server.registry, &c), 0);
    assert_int_equal(watermark_after(rig, c, flood.id, 0), 1);
    for (unsigned i = 1; i < 5000; i++) {
        const struct stream_id id = stream_number(i);

        counting_batch(c, flood.id, &id, 1);
        assert_int_equal(counting_commit(c, &err), 0);
    }
    assert_int_equal(watermark_after(rig, c, flood.id, 6000), 0);
    assert_int_equal(watermark_after(rig, c, other.id, 6000), 1);
    // With the flush there is room again.
    assert_int_equal(counting_flush(c, &err), 0);
    assert_int_equal(watermark_after(rig, c, flood.id, 6001), 1);
    agent_done(&flood);
    agent_done(&other);
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_alerts), cmocka_unit_test(test_finding),
          cmocka_unit_test(test_death_between_store_and_alerts), cmocka_unit_test(test_full_queue),
          cmocka_unit_test(test_listeners), cmocka_unit_test(test_one_bad_frame_among_good_ones),
          cmocka_unit_test(test_counting_is_bounded_by_host))
