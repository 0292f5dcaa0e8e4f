// SPDX-License-Identifier: Apache-2.0
//
// Who uses a cloned host's identity, and roll-outs that hosts refuse.
#include "tests/unit/registry/conditions.h"

struct rivals {
    unsigned n;
    char text[2048];
};

static int add_rival(void *ctx, const struct registry_rival *r)
{
    struct rivals *s = ctx;
    size_t len = strlen(s->text);

    s->n++;
    (void)snprintf(s->text + len, sizeof(s->text) - len, "%s %s %s,", r->machine_id, r->boot_id,
                   r->address);
    assert_true(r->first_ms >= T0 && r->last_ms >= r->first_ms);
    return 0;
}

static void test_rivals(void **state)
{
    struct fixture *f = *state;
    struct rivals s = {};
    char id[HOST_ID_SIZE], boot[32];

    enrol(f, id);
    assert_int_equal(hello_from(f, id, "web-1", "boot-2", "192.0.2.10", 0), HOST_ADMITTED);
    assert_int_equal(hello_from(f, id, "web-1", "boot-1", "192.0.2.9", 0), HOST_REFUSED_CLONED);
    ok(registry_rival_list(f->rg, id, add_rival, &s, E));
    assert_int_equal(s.n, 2);
    assert_non_null(strstr(s.text, "web-1 boot-1 192.0.2.9,"));
    assert_non_null(strstr(s.text, "web-1 boot-2 192.0.2.10,"));
    // Whoever still tries is seen, and not for ever more of them.
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(boot, sizeof(boot), "boot-%u", 100 + i);
        f->now += 1000;
        assert_int_equal(hello_from(f, id, "third", boot, "192.0.2.11", 0), HOST_REFUSED_CLONED);
    }
    s = (struct rivals){};
    ok(registry_rival_list(f->rg, id, add_rival, &s, E));
    assert_int_equal(s.n, HOST_RIVALS_MAX);
    ok(registry_host_retire(f->rg, &anna, id, E));
    s = (struct rivals){};
    ok(registry_rival_list(f->rg, id, add_rival, &s, E));
    assert_int_equal(s.n, 0);
}

static int copy_rollout(void *ctx, const struct registry_rollout *ro)
{
    struct registry_rollout *to = ctx;
    static char reason[300], host[64];

    *to = *ro;
    (void)snprintf(reason, sizeof(reason), "%s", ro->stop.reason);
    (void)snprintf(host, sizeof(host), "%s", ro->stop.host);
    to->stop.reason = reason;
    to->stop.host = host;
    return 0;
}

static void test_rollout_stops(void **state)
{
    struct fixture *f = *state;
    char ids[4][HOST_ID_SIZE];
    struct registry_rollout ro;
    struct error err = {};
    uint64_t rollout;

    for (unsigned i = 0; i < 4; i++)
        enrol(f, ids[i]);
    ok(registry_setting_set(f->rg, &anna, "rollout.stop_at", "50", E));
    roll_out(f, &rollout);
    refuse(f, ids[0]);
    (void)pass(f, 10 * SECONDS);
    ok(registry_rollout_get(f->rg, rollout, copy_rollout, &ro, E));
    assert_int_equal(ro.state, ROLLOUT_RUNNING);
    refuse(f, ids[1]);
    (void)pass(f, 10 * SECONDS);
    ok(registry_rollout_get(f->rg, rollout, copy_rollout, &ro, E));
    assert_int_equal(ro.state, ROLLOUT_PAUSED);
    assert_int_equal(ro.stop.failed, 2);
    assert_int_equal(ro.stop.of, 4);
    assert_string_equal(ro.stop.reason, "50-x.yaml:3: no such hook here");
    assert_true(streq(ro.stop.host, ids[0]) || streq(ro.stop.host, ids[1]));
    assert_int_equal(registry_rollout_advance(f->rg, &anna, rollout, -1, &err), -EBUSY);
    // Whoever goes on has seen these two; a third one is another matter.
    ok(registry_rollout_resume(f->rg, &anna, rollout, E));
    (void)pass(f, 10 * SECONDS);
    ok(registry_rollout_get(f->rg, rollout, copy_rollout, &ro, E));
    assert_int_equal(ro.state, ROLLOUT_RUNNING);
    assert_int_equal(ro.stop.failed, 0);
    refuse(f, ids[2]);
    (void)pass(f, 10 * SECONDS);
    ok(registry_rollout_get(f->rg, rollout, copy_rollout, &ro, E));
    assert_int_equal(ro.state, ROLLOUT_PAUSED);
    assert_int_equal(ro.stop.failed, 3);
    ok(registry_rollout_rollback(f->rg, &anna, rollout, E));
    (void)pass(f, 10 * SECONDS);
    assert_int_equal(show(f, ids[0]).conditions, 0);
    assert_int_equal(alerts(f).state, ALERT_RESOLVED);
}

UNIT_MAIN(WITH_REGISTRY(test_rivals), WITH_REGISTRY(test_rollout_stops))
