// SPDX-License-Identifier: Apache-2.0
//
// What can be wrong with a host: each row is raised once, told once, and over when it is over.
#include "tests/unit/registry/conditions.h"

#include <json-c/json.h>

#include "registry/cert.h"
#include "registry/channel.h"
#include "registry/user.h"

static void add_channel(struct fixture *f)
{
    const struct registry_channel_spec spec = {.name = "ops",
                                               .config = "{\"url\":\"http://127.0.0.1/\"}",
                                               .severity_min = 1};
    uint64_t id;

    ok(registry_channel_create(f->rg, &anna, CHANNEL_WEBHOOK, &spec, &id, E));
}

struct sent {
    uint64_t id;
    char kind[16], title[200], condition[64], cure[400];
    unsigned alerts, more;
    size_t len;
};

static int take_message(void *ctx, const struct registry_message *m)
{
    struct json_object *o = json_tokener_parse(m->body), *v, *alert;
    struct sent *s = ctx;

    assert_non_null(o);
    s->id = m->id;
    s->len = strlen(m->body);
    (void)snprintf(s->kind, sizeof(s->kind), "%s", m->kind);
    if (json_object_object_get_ex(o, "title", &v))
        (void)snprintf(s->title, sizeof(s->title), "%s", json_object_get_string(v));
    if (json_object_object_get_ex(o, "alerts", &v)) {
        s->alerts = (unsigned)json_object_array_length(v);
        alert = json_object_array_get_idx(v, 0);
    } else {
        assert_true(json_object_object_get_ex(o, "alert", &alert));
    }
    if (json_object_object_get_ex(o, "more", &v))
        s->more = (unsigned)json_object_get_int(v);
    assert_true(json_object_object_get_ex(alert, "condition", &v));
    (void)snprintf(s->condition, sizeof(s->condition), "%s", json_object_get_string(v));
    assert_true(json_object_object_get_ex(alert, "cure", &v));
    (void)snprintf(s->cure, sizeof(s->cure), "%s", json_object_get_string(v));
    json_object_put(o);
    return 0;
}

static bool take(struct fixture *f, struct sent *s)
{
    int r;

    *s = (struct sent){};
    r = registry_outbox_next(f->rg, take_message, s, NULL, &(struct error){});
    assert_true(r >= 0);
    if (r > 0)
        ok(registry_outbox_result(f->rg, s->id, NULL, false, E));
    return r > 0;
}

// One row after the other ----------------------------------------------------------------------------

static void begin_silent(struct fixture *f, const char *id)
{
    (void)id;
    (void)pass(f, 4 * MINUTE);
}

static void begin_cloned(struct fixture *f, const char *id)
{
    assert_int_equal(hello_from(f, id, "other", "boot-9", "192.0.2.66", 0), HOST_REFUSED_CLONED);
}

// Years later the one certificate that it has is over; the server listens all the time.
static void begin_expired(struct fixture *f, const char *id)
{
    f->now += 31 * DAY;
    registry_host_seen(f->rg, id);
}

static void begin_expiring(struct fixture *f, const char *id)
{
    f->now += 26 * DAY;
    registry_host_seen(f->rg, id);
}

static void renew(struct fixture *f, const char *id)
{
    ok(registry_cert_add(f->rg, id, "abcdef", f->now + 30 * DAY, E));
    registry_host_seen(f->rg, id);
}

static void begin_unprotected(struct fixture *f, const char *id)
{
    ok(registry_host_set_health(f->rg, id, "hook file_open: it passed", 5, E));
}

static void begin_degraded(struct fixture *f, const char *id)
{
    ok(registry_host_set_health(f->rg, id, "the disk is full", 4, E));
}

static void end_health(struct fixture *f, const char *id)
{
    ok(registry_host_set_health(f->rg, id, "", 0, E));
}

static void begin_refused(struct fixture *f, const char *id)
{
    uint64_t rollout;

    roll_out(f, &rollout);
    refuse(f, id);
}

static void end_refused(struct fixture *f, const char *id)
{
    char bundle[BUNDLE_ID_TEXT];

    ok(registry_bundle_wanted(f->rg, id, bundle, E));
    ok(registry_bundle_applied(f->rg, id, bundle, "", E));
}

static void begin_clock(struct fixture *f, const char *id)
{
    registry_host_clock(f->rg, id, f->now + 3 * 365 * DAY);
}

static void end_clock(struct fixture *f, const char *id)
{
    registry_host_clock(f->rg, id, f->now - 20);
}

static void begin_unheard(struct fixture *f, const char *id)
{
    (void)id;
    ok(registry_setting_set(f->rg, &anna, "host.unheard_after", NULL, E));
    ok(registry_setting_set(f->rg, &anna, "host.silent_after", "24h", E));
    (void)pass(f, 12 * SECONDS);
}

static void begin_losses(struct fixture *f, const char *id)
{
    ok(registry_host_set_lost(f->rg, id, 17, E));
}

static void end_losses(struct fixture *f, const char *id)
{
    (void)id;
    f->now += 2 * HOUR;
}

static const struct {
    enum host_condition condition;
    enum host_state state;
    const char *says;
    void (*begin)(struct fixture *f, const char *id);
    void (*end)(struct fixture *f, const char *id); // NULL: it does not end but with the host
} rows[] = {
    {CONDITION_SILENT, HOST_SILENT, "nothing was heard of it since 20", begin_silent, hello},
    {CONDITION_CLONED, HOST_CLONED, "another machine used its identity", begin_cloned, NULL},
    {CONDITION_EXPIRED, HOST_DEGRADED, "its certificate expired at 20", begin_expired, renew},
    {CONDITION_EXPIRING, HOST_DEGRADED, "its certificate expires at 20", begin_expiring, renew},
    {CONDITION_UNPROTECTED, HOST_DEGRADED, "hook file_open: it passed", begin_unprotected,
     end_health},
    {CONDITION_DEGRADED, HOST_DEGRADED, "the disk is full", begin_degraded, end_health},
    {CONDITION_REFUSED, HOST_DEGRADED, "it cannot load its policies: 50-x.yaml:3: no such hook",
     begin_refused, end_refused},
    {CONDITION_CLOCK, HOST_DEGRADED, "its clock is 3 years ahead of that of the server",
     begin_clock, end_clock},
    {CONDITION_UNHEARD, HOST_DEGRADED, "nothing was heard of it since 20", begin_unheard, be_calm},
    {CONDITION_LOSSES, HOST_OK, "17 records of it were lost", begin_losses, end_losses},
};

// Rounds with a host that is heard of all the time, but for the row that is about that.
static struct conditions_report pass_heard(struct fixture *f, const char *id, bool heard,
                                           uint64_t ms)
{
    struct conditions_report all = {}, r;

    for (uint64_t at = 0; at < ms; at += 30 * SECONDS) {
        if (heard)
            registry_host_seen(f->rg, id);
        r = pass(f, 30 * SECONDS);
        all.raised += r.raised;
        all.cleared += r.cleared;
        all.messages += r.messages;
    }
    return all;
}

static void try_row(struct fixture *f, size_t i)
{
    const struct condition_row *row = condition_row(rows[i].condition);
    bool heard = rows[i].condition != CONDITION_SILENT && rows[i].condition != CONDITION_UNHEARD;
    struct conditions_report r;
    char id[HOST_ID_SIZE];
    struct alerts a;
    struct shown s;
    struct sent m;

    add_channel(f);
    enrol(f, id);
    r = pass_heard(f, id, true, MINUTE);
    assert_int_equal(r.raised, 0);
    assert_int_equal(show(f, id).conditions, 0);
    rows[i].begin(f, id);
    s = show(f, id);
    assert_int_equal(s.state, rows[i].state);
    assert_int_equal(s.conditions, CONDITION_BIT(rows[i].condition));
    if (row->state) {
        assert_non_null(strstr(s.reason, rows[i].says));
        assert_string_equal(s.cure, row->cure);
    }
    r = pass_heard(f, id, heard, 3 * MINUTE);
    a = alerts(f);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.severity, row->severity);
    assert_string_equal(a.condition, row->name);
    assert_non_null(strstr(a.message, rows[i].says));
    // One message, with what to do; however long it lasts.
    assert_true(take(f, &m));
    assert_string_equal(m.kind, "alert");
    assert_string_equal(m.condition, row->name);
    assert_string_equal(m.cure, row->cure);
    r = pass_heard(f, id, heard, 10 * MINUTE);
    assert_int_equal(r.raised + r.messages, 0);
    assert_false(take(f, &m));
    if (!rows[i].end)
        ok(registry_host_retire(f->rg, &anna, id, E));
    else
        rows[i].end(f, id);
    r = pass_heard(f, id, true, MINUTE);
    a = alerts(f);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.state, row->resolves ? ALERT_RESOLVED : ALERT_NEW);
    assert_int_equal(a.comments, row->resolves ? 1 : 0);
    assert_int_equal(show(f, id).conditions, 0);
    assert_false(take(f, &m));
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    uint32_t tried = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        try_row(f, i);
        tried |= CONDITION_BIT(rows[i].condition);
        fixture_close(f);
        unit_rmdir(f->dir);
        f->dir = unit_mkdtemp();
        fixture_open(f);
    }
    // A row without a test is none.
    assert_int_equal(tried, (uint32_t)(((uint64_t)1 << CONDITIONS) - 1));
}

// Many at once --------------------------------------------------------------------------------------

static void test_a_fleet_is_one_message(void **state)
{
    enum { N = 1200 };
    const struct registry_enrol_spec spec = {.life_ms = HOUR};
    const struct host_facts facts = fixture_facts("web-1");
    uint8_t secret[ENROL_SECRET_SIZE];
    struct fixture *f = *state;
    char token[9];
    char(*ids)[HOST_ID_SIZE] = calloc(N, sizeof(*ids));
    struct conditions_report r;
    struct sent m;

    assert_non_null(ids);
    be_calm(f, NULL);
    add_channel(f);
    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, token, E));
    // They were heard of last within a minute, as polls are, and get silent within a minute.
    for (unsigned i = 0; i < N; i++) {
        f->now += MINUTE / N;
        ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, ids[i], E));
        hello(f, ids[i]);
    }
    r = pass(f, 8 * MINUTE);
    assert_int_equal(r.raised, N);
    assert_int_equal(r.messages, 1);
    assert_true(take(f, &m));
    assert_string_equal(m.kind, "digest");
    assert_string_equal(m.title, "1200 hosts: the host is silent");
    assert_int_equal(m.alerts + m.more, N);
    assert_true(m.alerts <= 50 && m.len < OUTBOX_BODY_MAX);
    assert_false(take(f, &m));
    // And all back: no message, all resolved.
    for (unsigned i = 0; i < N; i++)
        registry_host_seen(f->rg, ids[i]);
    r = pass(f, MINUTE);
    assert_int_equal(r.cleared, N);
    assert_false(take(f, &m));
    free(ids);
}

// The server was away: nobody was silent.
static void test_restart(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], gone[HOST_ID_SIZE];

    enrol(f, gone);
    assert_int_equal(pass(f, 5 * MINUTE).raised, 1);
    enrol(f, id);
    (void)pass(f, MINUTE);
    fixture_close(f);
    f->now += DAY;
    fixture_open(f);
    assert_int_equal(show(f, id).state, HOST_OK);
    assert_int_equal(show(f, gone).state, HOST_SILENT);
    assert_int_equal(pass(f, 2 * MINUTE).raised, 0);
    hello(f, id);
    assert_int_equal(pass(f, 2 * MINUTE).raised, 0);
    // The other one is the one that was silent before: nothing new.
    assert_int_equal(alerts(f).n, 1);
    assert_int_equal(pass(f, 3 * MINUTE).raised, 1);
}

// The server stood still, or its clock was set forward and back.
static void test_gaps(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    enrol(f, id);
    (void)pass(f, MINUTE);
    f->now += 2 * HOUR;
    assert_int_equal(pass(f, 2 * MINUTE).raised, 0);
    hello(f, id);
    assert_int_equal(pass(f, MINUTE).raised, 0);
    f->now -= 2 * HOUR;
    assert_int_equal(pass(f, 2 * MINUTE).raised, 0);
    hello(f, id);
    assert_int_equal(pass(f, MINUTE).raised, 0);
    assert_int_equal(show(f, id).state, HOST_OK);
    assert_int_equal(pass(f, 3 * MINUTE).raised, 1);
}

// Who comes and goes is counted, and told of once in a while.
static void test_coming_and_going(void **state)
{
    struct fixture *f = *state;
    struct conditions_report r;
    unsigned messages = 0;
    char id[HOST_ID_SIZE];
    struct alerts a;

    add_channel(f);
    enrol(f, id);
    for (unsigned i = 0; i < 10; i++) {
        r = pass(f, 5 * MINUTE);
        messages += r.messages;
        assert_int_equal(r.raised, 1);
        hello(f, id);
        messages += pass(f, MINUTE).messages;
    }
    a = alerts(f);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.count, 10);
    assert_int_equal(a.reopened, 9);
    assert_int_equal(a.state, ALERT_RESOLVED);
    assert_int_equal(a.comments, 19);
    assert_int_equal(messages, 1);
    // After an hour again.
    (void)pass_heard(f, id, true, HOUR);
    assert_int_equal(pass(f, 5 * MINUTE).messages, 1);
    // A moment is not told of.
    hello(f, id);
    (void)pass_heard(f, id, true, 2 * HOUR);
    assert_int_equal(pass(f, 200 * SECONDS).messages, 0);
    hello(f, id);
    assert_int_equal(pass(f, 2 * MINUTE).messages, 0);
    for (unsigned i = 0; i < 120; i++) {
        (void)pass(f, 4 * MINUTE);
        hello(f, id);
        (void)pass(f, 5 * SECONDS);
    }
    assert_true(alerts(f).comments <= 100);
}

// What somebody has taken stays his.
static void test_touched(void **state)
{
    struct fixture *f = *state;
    struct error err = {};
    char id[HOST_ID_SIZE];
    struct alerts a;

    enrol(f, id);
    (void)pass(f, 5 * MINUTE);
    a = alerts(f);
    ok(registry_alert_update(f->rg, &anna, &a.id, 1,
                             &(struct registry_alert_patch){.state = ALERT_ACKNOWLEDGED}, E));
    hello(f, id);
    (void)pass(f, MINUTE);
    a = alerts(f);
    assert_int_equal(a.state, ALERT_ACKNOWLEDGED);
    assert_int_equal(a.comments, 2);
    (void)pass(f, 5 * MINUTE);
    a = alerts(f);
    assert_int_equal(a.state, ALERT_ACKNOWLEDGED);
    assert_int_equal(a.count, 2);
    // No rule decided that it is silent: there is no exception to make.
    assert_int_equal(registry_alert_except(f->rg, &anna, a.id,
                                           &(struct registry_alert_exception){.reason = "x"}, &err),
                     -EINVAL);
}

static void test_kept(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];
    struct sent m;

    add_channel(f);
    enrol(f, id);
    // Raised, and the server ends before anybody was told.
    assert_int_equal(pass(f, 200 * SECONDS).raised, 1);
    assert_false(take(f, &m));
    fixture_close(f);
    f->now += 10 * SECONDS;
    fixture_open(f);
    assert_int_equal(pass(f, 2 * MINUTE).raised, 0);
    assert_true(take(f, &m));
    assert_string_equal(m.condition, "silent");
    assert_false(take(f, &m));
}

static void test_clock(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    fixture_host(f, "web-1", NULL, id);
    // By hello, years behind; and what no clock says.
    assert_int_equal(hello_from(f, id, "web-1", "boot-1", "192.0.2.9", 1000), HOST_ADMITTED);
    assert_non_null(strstr(show(f, id).reason, "years behind that of the server"));
    registry_host_clock(f->rg, id, UINT64_MAX);
    registry_host_clock(f->rg, id, 0);
    assert_int_equal(show(f, id).conditions, CONDITION_BIT(CONDITION_CLOCK));
    registry_host_clock(f->rg, id, INT64_MAX);
    assert_non_null(strstr(show(f, id).reason, "years ahead of"));
    registry_host_clock(f->rg, id, f->now - 59000);
    assert_int_equal(show(f, id).conditions, 0);
    ok(registry_setting_set(f->rg, &anna, "host.clock_off", "10s", E));
    assert_int_equal(show(f, id).conditions, CONDITION_BIT(CONDITION_CLOCK));
    // A restart does not forget it.
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(show(f, id).conditions, CONDITION_BIT(CONDITION_CLOCK));
}

static void test_losses(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    enrol(f, id);
    ok(registry_host_set_lost(f->rg, id, 10, E));
    (void)pass_heard(f, id, true, MINUTE);
    // The agent started anew, and lost three more.
    ok(registry_host_set_lost(f->rg, id, 0, E));
    ok(registry_host_set_lost(f->rg, id, 3, E));
    (void)pass_heard(f, id, true, 2 * HOUR);
    assert_int_equal(alerts(f).count, 1);
    assert_int_equal(show(f, id).conditions, 0);
    ok(registry_host_set_lost(f->rg, id, 4, E));
    (void)pass_heard(f, id, true, MINUTE);
    assert_int_equal(alerts(f).n, 1);
    assert_int_equal(alerts(f).count, 2);
    // What its spool dropped never came here, either: the same matter, and the same number.
    (void)pass_heard(f, id, true, 2 * HOUR);
    ok(registry_host_add_missing(f->rg, id, 14, E));
    assert_int_equal(show(f, id).conditions, 0);
    ok(registry_host_add_missing(f->rg, id, 6, E));
    assert_int_equal(show(f, id).conditions, CONDITION_BIT(CONDITION_LOSSES));
    (void)pass_heard(f, id, true, MINUTE);
    assert_non_null(strstr(alerts(f).message, "20 records of it were lost"));
    assert_int_equal(alerts(f).count, 3);
}

static void test_losses_end(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    enrol(f, id);
    ok(registry_host_set_lost(f->rg, id, 14, E));
    (void)pass_heard(f, id, true, MINUTE);
    assert_non_null(strstr(alerts(f).message, "14 records of it were lost"));
}

// Whether a round would find something that should not wait for the next one.
static void test_due(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    enrol(f, id);
    ok(registry_setting_set(f->rg, &anna, "host.unheard_after", NULL, E)); // as it comes: 8 s
    (void)pass(f, 30 * SECONDS);
    hello(f, id);
    (void)pass(f, 1);
    f->now += 8 * SECONDS - 2;
    assert_false(registry_conditions_due(f->rg));
    f->now += 2;
    assert_true(registry_conditions_due(f->rg));
    assert_int_equal(show(f, id).conditions, CONDITION_BIT(CONDITION_UNHEARD));
    assert_int_equal(pass(f, 1).raised, 1);
    // Once.
    f->now += 1 * SECONDS;
    assert_false(registry_conditions_due(f->rg));
    ok(registry_host_set_health(f->rg, id, "the defence is gone", 5, E));
    assert_true(registry_conditions_due(f->rg));
    (void)pass(f, 1);
    assert_false(registry_conditions_due(f->rg));
    // A clock that was set back.
    f->now -= 60 * SECONDS;
    assert_true(registry_conditions_due(f->rg));
}

UNIT_MAIN(WITH_REGISTRY(test_rows), WITH_REGISTRY(test_a_fleet_is_one_message),
          WITH_REGISTRY(test_restart), WITH_REGISTRY(test_gaps),
          WITH_REGISTRY(test_coming_and_going), WITH_REGISTRY(test_touched),
          WITH_REGISTRY(test_kept), WITH_REGISTRY(test_clock), WITH_REGISTRY(test_losses),
          WITH_REGISTRY(test_losses_end), WITH_REGISTRY(test_due), )
