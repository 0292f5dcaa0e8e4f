// SPDX-License-Identifier: Apache-2.0
//
// Channels keep their secrets; the outbox loses nothing and floods nobody.
#include "tests/unit/registry/common.h"

#include <json-c/json.h>

#include "base/macro.h"
#include "registry/alert.h"
#include "registry/channel.h"
#include "registry/settings.h"

#define STREAM "00000000000000000000000000000001"
#define SECRET "s3cr3t of a webhook"

static uint64_t add_channel(struct fixture *f, const char *name, unsigned severity_min)
{
    const struct registry_channel_spec spec = {.name = name,
                                               .config = "{\"url\":\"http://127.0.0.1/\"}",
                                               .secret = SECRET,
                                               .severity_min = severity_min};
    uint64_t id = 0;

    ok(registry_channel_create(f->rg, &anna, CHANNEL_WEBHOOK, &spec, &id, E));
    return id;
}

static void raise_alerts(struct fixture *f, const char *host, uint64_t from, unsigned n,
                         unsigned severity)
{
    char program[32];

    for (unsigned i = 0; i < n; i++) {
        struct alert_input in = {.seq = from + i,
                                 .time_ms = f->now,
                                 .class_uid = 1001,
                                 .severity = severity,
                                 .outcome = "denied",
                                 .rule = "r",
                                 .program = program};
        struct alert_counted c;

        (void)snprintf(program, sizeof(program), "/bin/p%llu", (unsigned long long)(from + i));
        ok(registry_alert_count(f->rg, host, STREAM, from + i, &in, 1, &c, E));
    }
}

struct sent {
    uint64_t id, channel;
    char kind[16];
    unsigned attempts, alerts, more;
};

static int send_message(void *ctx, const struct registry_message *m)
{
    struct json_object *o = json_tokener_parse(m->body), *alerts, *more;
    struct sent *s = ctx;

    assert_non_null(o);
    s->id = m->id;
    s->channel = m->channel;
    s->attempts = m->attempts;
    (void)snprintf(s->kind, sizeof(s->kind), "%s", m->kind);
    s->alerts = json_object_object_get_ex(o, "alerts", &alerts)
                    ? (unsigned)json_object_array_length(alerts)
                    : 0;
    s->more = json_object_object_get_ex(o, "more", &more) ? (unsigned)json_object_get_int(more) : 0;
    json_object_put(o);
    return 0;
}

static int next(struct fixture *f, struct sent *s, uint64_t *due)
{
    struct error err = {};
    int r = registry_outbox_next(f->rg, send_message, s, due, &err);

    if (r < 0)
        error_print(&err, stderr);
    assert_true(r >= 0);
    return r;
}

static int check_channel(void *ctx, const struct registry_channel *c)
{
    assert_null(strstr(c->config, SECRET));
    *(struct registry_channel *)ctx = *c;
    return 0;
}

static void test_secret(void **state)
{
    struct fixture *f = *state;
    uint64_t id = add_channel(f, "ops", 4), other = add_channel(f, "soc", 4);
    struct registry_channel c;
    struct error err = {};
    char *secret = NULL;

    ok(registry_channel_get(f->rg, id, check_channel, &c, E));
    assert_true(c.has_secret);
    ok(registry_channel_secret(f->rg, id, &secret, E));
    assert_string_equal(secret, SECRET);
    free(secret);
    ok(registry_channel_update(f->rg, &anna, id, &(struct registry_channel_spec){.secret = ""}, E));
    ok(registry_channel_get(f->rg, id, check_channel, &c, E));
    assert_false(c.has_secret);
    ok(registry_channel_secret(f->rg, id, &secret, E));
    assert_string_equal(secret, "");
    free(secret);
    // The key is gone: nothing else is.
    fixture_close(f);
    assert_int_equal(unlink(unit_path(f->dir, "server.key")), 0);
    fixture_open(f);
    secret = NULL;
    assert_int_equal(registry_channel_secret(f->rg, other, &secret, &err), -EKEYREJECTED);
    assert_null(secret);
    assert_string_equal(err.cure, "set it again");
    ok(registry_channel_list(f->rg, check_channel, &c, E));
}

static void test_bad_input(void **state)
{
    const struct registry_channel_spec bad[] = {
        {.config = "{}"},
        {.name = "a"},
        {.name = "a b", .config = "{}"},
        {.name = "a", .config = "[]"},
        {.name = "a", .config = "{}", .severity_min = 7},
        {.name = "a", .config = "{}", .secret = "a\nb"},
    };
    struct fixture *f = *state;
    struct error err = {};
    uint64_t id;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(registry_channel_create(f->rg, &anna, CHANNEL_EMAIL, &bad[i], &id, &err),
                         -EINVAL);
    (void)add_channel(f, "ops", 4);
    assert_int_equal(registry_channel_create(f->rg, &anna, CHANNEL_EMAIL,
                                             &(struct registry_channel_spec){.name = "ops",
                                                                             .config = "{}"},
                                             &id, &err),
                     -EEXIST);
    assert_int_equal(registry_channel_update(f->rg, &anna, 99,
                                             &(struct registry_channel_spec){.name = "x"}, &err),
                     -ENOENT);
    assert_int_equal(registry_channel_delete(f->rg, &anna, 99, &err), -ENOENT);
    assert_int_equal(registry_outbox_test(f->rg, &anna, 99, &err), -ENOENT);
}

static void test_who_is_told(void **state)
{
    struct fixture *f = *state;
    const bool no = false;
    uint64_t all = add_channel(f, "all", 1), off = add_channel(f, "off", 1),
             severe = add_channel(f, "severe", 5), due;
    char host[HOST_ID_SIZE];
    struct sent s = {};

    ok(registry_channel_update(f->rg, &anna, off, &(struct registry_channel_spec){.enabled = &no},
                               E));
    fixture_host(f, "web", NULL, host);
    raise_alerts(f, host, 1, 1, 3);
    assert_int_equal(next(f, &s, &due), 1);
    assert_int_equal(s.channel, all);
    assert_string_equal(s.kind, "alert");
    ok(registry_outbox_result(f->rg, s.id, NULL, false, E));
    assert_int_equal(next(f, &s, &due), 0);
    assert_true(due == UINT64_MAX);
    // Seen again is no news; a severe one goes to both.
    raise_alerts(f, host, 2, 1, 5);
    assert_int_equal(next(f, &s, &due), 1);
    ok(registry_outbox_result(f->rg, s.id, NULL, false, E));
    assert_int_equal(next(f, &s, &due), 1);
    assert_true(s.channel == severe || s.channel == all);
}

static void test_retries(void **state)
{
    struct fixture *f = *state;
    uint64_t id = add_channel(f, "ops", 1), due, start = f->now;
    struct registry_channel c;
    struct sent s = {};
    unsigned tries = 0;

    ok(registry_outbox_test(f->rg, &anna, id, E));
    while (next(f, &s, &due) == 1 || due != UINT64_MAX) {
        if (due != UINT64_MAX && s.id == 0) {
            f->now = due;
            continue;
        }
        assert_int_equal(s.attempts, tries++);
        ok(registry_outbox_result(f->rg, s.id, "connection refused", false, E));
        s.id = 0;
        assert_true(tries < 100);
    }
    // A day, in steps that grow to an hour.
    assert_in_range(f->now - start, DAY - HOUR, DAY + 2 * HOUR);
    assert_in_range(tries, 25, 40);
    ok(registry_channel_get(f->rg, id, check_channel, &c, E));
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.sent, 0);
    // What cannot ever be sent is not tried again.
    ok(registry_outbox_test(f->rg, &anna, id, E));
    assert_int_equal(next(f, &s, &due), 1);
    ok(registry_outbox_result(f->rg, s.id, "no such address", true, E));
    assert_int_equal(next(f, &s, &due), 0);
    assert_true(due == UINT64_MAX);
}

static void test_survives(void **state)
{
    struct fixture *f = *state;
    uint64_t id = add_channel(f, "ops", 1), due;
    struct sent s = {};

    ok(registry_outbox_test(f->rg, &anna, id, E));
    assert_int_equal(next(f, &s, &due), 1);
    // The server ended before it knew whether it was sent.
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(next(f, &s, &due), 0);
    assert_int_equal(due, f->now + 15000);
    f->now = due;
    assert_int_equal(next(f, &s, &due), 1);
    assert_int_equal(s.attempts, 1);
}

static void test_digest(void **state)
{
    struct fixture *f = *state;
    uint64_t due;
    char host[HOST_ID_SIZE];
    struct sent s = {};
    unsigned messages = 0, alerts = 0;

    (void)add_channel(f, "ops", 1);
    ok(registry_setting_set(f->rg, &anna, "notify.per_minute", "3", E));
    fixture_host(f, "web", NULL, host);
    raise_alerts(f, host, 1, 200, 4);
    while (next(f, &s, &due) == 1) {
        messages++;
        alerts += strcmp(s.kind, "digest") == 0 ? s.alerts + s.more : 1;
        ok(registry_outbox_result(f->rg, s.id, NULL, false, E));
    }
    assert_int_equal(messages, 3);
    assert_int_equal(alerts, 200);
    assert_int_equal(s.alerts, 50);
    assert_true(due == UINT64_MAX);
    // The minute is not over.
    raise_alerts(f, host, 201, 2, 4);
    assert_int_equal(next(f, &s, &due), 0);
    assert_int_equal(due, f->now + MINUTE);
    f->now = due;
    assert_int_equal(next(f, &s, &due), 1);
    assert_string_equal(s.kind, "alert");
}

static int copy_dropped(void *ctx, const struct registry_channel *c)
{
    *(uint64_t *)ctx = c->dropped;
    return 0;
}

static void test_turned_off(void **state)
{
    struct fixture *f = *state;
    const bool no = false;
    uint64_t id = add_channel(f, "ops", 1), due, dropped = 0;
    char host[HOST_ID_SIZE];
    struct sent s = {};

    fixture_host(f, "web", NULL, host);
    raise_alerts(f, host, 1, 2, 4);
    ok(registry_channel_update(f->rg, &anna, id, &(struct registry_channel_spec){.enabled = &no},
                               E));
    raise_alerts(f, host, 3, 1, 4);
    assert_int_equal(next(f, &s, &due), 0);
    assert_true(due == UINT64_MAX);
    ok(registry_tidy(f->rg, E));
    f->now += 3 * DAY;
    ok(registry_tidy(f->rg, E));
    ok(registry_channel_get(f->rg, id, copy_dropped, &dropped, E));
    assert_int_equal(dropped, 2);
}

static void test_full(void **state)
{
    struct fixture *f = *state;
    uint64_t id = add_channel(f, "ops", 1);
    struct registry_stats stats;
    unsigned n = 0;

    // Below the bound a message costs a commit; the database is filled as the sender's end would see it.
    while (n++ < OUTBOX_MAX + 5)
        ok(registry_outbox_test(f->rg, &anna, id, E));
    ok(registry_stats(f->rg, &stats, E));
    assert_int_equal(stats.outbox_waiting, OUTBOX_MAX);
    assert_int_equal(stats.outbox_dropped, 5);
    ok(registry_channel_delete(f->rg, &anna, id, E));
    ok(registry_stats(f->rg, &stats, E));
    assert_int_equal(stats.outbox_waiting, 0);
}

UNIT_MAIN(WITH_REGISTRY(test_secret), WITH_REGISTRY(test_bad_input),
          WITH_REGISTRY(test_who_is_told), WITH_REGISTRY(test_retries),
          WITH_REGISTRY(test_survives), WITH_REGISTRY(test_digest), WITH_REGISTRY(test_turned_off),
          WITH_REGISTRY(test_full))
