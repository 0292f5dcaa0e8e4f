// SPDX-License-Identifier: Apache-2.0
//
// What is done now and then: old things go, certificates are renewed, losses of all hosts are added up, hosts that got into
// a condition raise alerts.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"
#include "registry/audit.h"
#include "registry/condition.h"
#include "registry/host.h"
#include "registry/settings.h"
#include "registry/state.h"
#include "server/server.h"
#include "store/store.h"
#include "transport/ca.h"

#define TELL_MS ((uint64_t)600000)

struct upkeep {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t wake;
    bool stop;
    struct upkeep_report report;
};

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

// Losses -----------------------------------------------------------------------------------------

struct losses {
    struct registry *registry;
    uint64_t agents, spool;
};

// Of all that an agent counts (src/agent/losses.def), what were records.
static const char *const agent_losses[] = {"denials_lost",   "audits_lost",
                                           "processes_lost", "records_dropped",
                                           "records_bad",    "server_records_dropped",
                                           "server_forgot"};
static const char *const spool_losses[] = {"spool_security_dropped", "spool_audit_dropped"};

static uint64_t sum(struct json_object *o, const char *const *names, size_t n)
{
    uint64_t all = 0;

    for (size_t i = 0; i < n; i++)
        all += json_get_u64(o, names[i], 0);
    return all;
}

uint64_t losses_of(struct json_object *row)
{
    return sum(row, agent_losses, ARRAY_SIZE(agent_losses)) +
           sum(row, spool_losses, ARRAY_SIZE(spool_losses));
}

static int on_losses(void *ctx, const struct registry_state_row *row)
{
    struct losses *l = ctx;
    struct json_object *o = json_tokener_parse(row->value);

    l->agents += sum(o, agent_losses, ARRAY_SIZE(agent_losses));
    l->spool += sum(o, spool_losses, ARRAY_SIZE(spool_losses));
    json_object_put(o);
    return 0;
}

static int on_host(void *ctx, const struct registry_host *h)
{
    struct losses *l = ctx;

    (void)registry_state_get(l->registry, h->id, "health", "losses", on_losses, l, NULL);
    return 0;
}

static int add_losses(struct upkeep *u, struct error *err)
{
    const struct registry_host_filter filter = {.state = -1};
    struct losses l = {.registry = u->server->registry};
    struct registry_next next = {};
    int r;

    do {
        char cursor[sizeof(next.cursor)];
        const struct registry_page page = {.cursor = cursor, .limit = REGISTRY_PAGE_MAX};

        memcpy(cursor, next.cursor, sizeof(cursor));
        r = registry_host_list(l.registry, &filter, &page, on_host, &l, &next, err);
    } while (r == 0 && *next.cursor);
    (void)pthread_mutex_lock(&u->lock);
    u->report.lost_agents = l.agents;
    u->report.lost_spool = l.spool;
    (void)pthread_mutex_unlock(&u->lock);
    return r;
}

// Rounds -----------------------------------------------------------------------------------------

static int tidy(struct upkeep *u, struct error *err)
{
    return registry_tidy(u->server->registry, err);
}

// What it finds stays in the registry's numbers until a later check finds the trail whole.
static int check_trail(struct upkeep *u, struct error *err)
{
    return registry_audit_check(u->server->registry, NULL, err);
}

static int retain(struct upkeep *u, struct error *err)
{
    struct server *s = u->server;
    struct store_retained removed = {};

    if (!(store_capabilities(s->store) & STORE_RETAINS))
        return 0;
    return store_retain(s->store, registry_setting_u64(s->registry, SETTING_RECORDS_BYTES),
                        registry_setting_u64(s->registry, SETTING_RECORDS_AGE), &removed, err);
}

static int renew(struct upkeep *u, struct error *err)
{
    struct server *s = u->server;
    _cleanup_free_ char *chain = NULL;
    struct cert_info info = {};
    char *key = NULL;
    int r = server_renew_certificate(s, err);

    if (r > 0)
        log_info("the server has a new certificate");
    if (r >= 0)
        r = ca_server_read(s->ca, &key, &chain, &info, err);
    (void)ca_key_free(key);
    (void)pthread_mutex_lock(&u->lock);
    u->report.certificate_ends_ms = (uint64_t)info.not_after_ms;
    (void)pthread_mutex_unlock(&u->lock);
    return r;
}

static int conditions(struct upkeep *u, struct error *err)
{
    return registry_conditions_round(u->server->registry, NULL, err);
}

static bool conditions_due(const struct upkeep *u)
{
    return registry_conditions_due(u->server->registry);
}

// The first round is at once. `early`: before its time, asked once a second; NULL: never.
static const struct {
    int (*fn)(struct upkeep *u, struct error *err);
    bool (*early)(const struct upkeep *u);
    uint64_t every_ms;
} rounds[] = {
    {tidy, NULL, 30000},       {conditions, conditions_due, 5000},
    {add_losses, NULL, 60000}, {retain, NULL, 600000},
    {renew, NULL, 3600000},    {check_trail, NULL, 86400000},
};

static void note(struct upkeep *u, const struct error *err)
{
    (void)pthread_mutex_lock(&u->lock);
    (void)snprintf(u->report.problem, sizeof(u->report.problem), "%.511s", err->what);
    (void)snprintf(u->report.cure, sizeof(u->report.cure), "%.255s", err->cure);
    (void)pthread_mutex_unlock(&u->lock);
}

static void *work(void *ctx)
{
    uint64_t due[ARRAY_SIZE(rounds)] = {}, told = 0;
    struct upkeep *u = ctx;

    (void)pthread_mutex_lock(&u->lock);
    while (!u->stop) {
        uint64_t until = now_ms() + 1000;
        const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                    .tv_nsec = (long)(until % 1000 * NS_PER_MS)};
        struct error err = {};
        bool any = false;

        (void)pthread_mutex_unlock(&u->lock);
        for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
            if (now_ms() < due[i] && !(rounds[i].early && rounds[i].early(u)))
                continue;
            due[i] = now_ms() + rounds[i].every_ms;
            any = true;
            (void)rounds[i].fn(u, &err);
        }
        if (any)
            note(u, &err);
        if (error_is_set(&err) && (!told || now_ms() - told > TELL_MS)) {
            (void)log_warning_struct(&err);
            told = now_ms();
        }
        (void)pthread_mutex_lock(&u->lock);
        if (!u->stop)
            (void)pthread_cond_timedwait(&u->wake, &u->lock, &at);
    }
    (void)pthread_mutex_unlock(&u->lock);
    return NULL;
}

int upkeep_new(struct server *s, struct upkeep **ret)
{
    struct upkeep *u = new0(struct upkeep, 1);
    int r;

    if (!u)
        return -ENOMEM;
    u->server = s;
    (void)pthread_mutex_init(&u->lock, NULL);
    cond_init_monotonic(&u->wake);
    r = thread_start(&u->thread, "upkeep", 0, work, u);
    if (r < 0) {
        free(u);
        return r;
    }
    *ret = u;
    return 0;
}

struct upkeep *upkeep_free(struct upkeep *u)
{
    if (!u)
        return NULL;
    (void)pthread_mutex_lock(&u->lock);
    u->stop = true;
    (void)pthread_cond_signal(&u->wake);
    (void)pthread_mutex_unlock(&u->lock);
    (void)pthread_join(u->thread, NULL);
    (void)pthread_cond_destroy(&u->wake);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
    return NULL;
}

void upkeep_report(struct upkeep *u, struct upkeep_report *ret)
{
    (void)pthread_mutex_lock(&u->lock);
    *ret = u->report;
    (void)pthread_mutex_unlock(&u->lock);
}
