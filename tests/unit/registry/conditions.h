// SPDX-License-Identifier: Apache-2.0
//
// A registry whose time goes by in rounds, hosts that are heard of, and what is shown and raised of them.
#pragma once

#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/alert.h"
#include "registry/bundle.h"
#include "registry/condition.h"
#include "registry/policy.h"
#include "registry/rollout.h"
#include "registry/settings.h"

#define SECONDS UINT64_C(1000)
#define POLICY  "safeguard: 1\n"

// Time goes by, with a round every five seconds as on a server. What was sent and raised is added up.
static inline struct conditions_report pass(struct fixture *f, uint64_t ms)
{
    struct conditions_report all = {}, r;

    for (uint64_t end = f->now + ms; f->now < end;) {
        f->now += MIN(5 * SECONDS, end - f->now);
        ok(registry_conditions_round(f->rg, &r, E));
        all.raised += r.raised;
        all.cleared += r.cleared;
        all.messages += r.messages;
    }
    return all;
}

static inline enum host_admission hello_from(struct fixture *f, const char *id, const char *machine,
                                             const char *boot, const char *address,
                                             uint64_t time_ms)
{
    struct host_facts facts = fixture_facts("web-1");
    char serial[REGISTRY_ID_MAX];
    struct registry_hello h = {};

    facts.machine_id = machine;
    facts.boot_id = boot;
    facts.address = address;
    facts.time_ms = time_ms;
    ok(registry_hello(f->rg, id, fixture_serial(f, serial), &facts, &h, E));
    return h.admission;
}

// A host that goes on being heard.
static inline void hello(struct fixture *f, const char *id)
{
    assert_int_equal(hello_from(f, id, "web-1", "boot-1", "192.0.2.9", f->now), HOST_ADMITTED);
}

// Hosts of these tests speak every 30 s, not every 5 as agents do.
static inline void be_calm(struct fixture *f, const char *id)
{
    (void)id;
    ok(registry_setting_set(f->rg, &anna, "host.unheard_after", "24h", E));
}

static inline void enrol(struct fixture *f, char id[HOST_ID_SIZE])
{
    be_calm(f, NULL);
    fixture_host(f, "web-1", NULL, id);
    hello(f, id);
}

struct shown {
    uint32_t conditions;
    enum host_state state;
    char reason[600], cure[300];
};

static inline int copy_host(void *ctx, const struct registry_host *h)
{
    struct shown *s = ctx;

    s->conditions = h->conditions;
    s->state = h->state;
    (void)snprintf(s->reason, sizeof(s->reason), "%s", h->reason);
    (void)snprintf(s->cure, sizeof(s->cure), "%s", h->cure);
    return 0;
}

static inline struct shown show(struct fixture *f, const char *id)
{
    struct shown s = {};

    ok(registry_host_get(f->rg, id, copy_host, &s, E));
    return s;
}

struct alerts {
    unsigned n, count, reopened, comments;
    uint64_t id;
    enum alert_state state;
    unsigned severity;
    char condition[64], message[300];
};

static inline int copy_alert(void *ctx, const struct registry_alert *a)
{
    struct alerts *s = ctx;

    s->n++;
    s->id = a->id;
    s->count = (unsigned)a->count;
    s->reopened = a->reopened;
    s->comments = a->comments;
    s->state = a->state;
    s->severity = a->severity;
    (void)snprintf(s->condition, sizeof(s->condition), "%s", a->condition);
    (void)snprintf(s->message, sizeof(s->message), "%s", a->message);
    return 0;
}

static inline struct alerts alerts(struct fixture *f)
{
    struct alerts s = {};

    ok(registry_alert_list(f->rg, NULL, NULL, copy_alert, &s, NULL, E));
    return s;
}

static inline void roll_out(struct fixture *f, uint64_t *ret_id)
{
    const struct rollout_stage stage = {.share = 100};

    ok(registry_policy_create(f->rg, &anna, "50-x.yaml", POLICY, strlen(POLICY), "", "x", E));
    ok(registry_rollout_create(f->rg, &anna, "50-x.yaml", 1, &stage, 1, ret_id, E));
}

static inline void refuse(struct fixture *f, const char *id)
{
    char bundle[BUNDLE_ID_TEXT];

    ok(registry_bundle_wanted(f->rg, id, bundle, E));
    ok(registry_bundle_applied(f->rg, id, bundle, "50-x.yaml:3: no such hook here", E));
}
