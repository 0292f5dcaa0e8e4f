// SPDX-License-Identifier: Apache-2.0
//
// Several threads at once: some change, some read, one sends.
#include "tests/unit/registry/common.h"

#include <pthread.h>

#include "registry/alert.h"
#include "registry/audit.h"
#include "registry/channel.h"
#include "registry/condition.h"
#include "registry/session.h"
#include "registry/settings.h"
#include "registry/user.h"

#define ROUNDS 60
#define STREAM "0000000000000000000000000000000%u"

struct job {
    struct fixture *f;
    unsigned n;
    char host[HOST_ID_SIZE];
};

static void *do_count(void *arg)
{
    struct job *job = arg;
    char stream[33];

    (void)snprintf(stream, sizeof(stream), STREAM, job->n);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        struct alert_input in = {.seq = i,
                                 .time_ms = T0,
                                 .severity = 4,
                                 .outcome = "denied",
                                 .rule = "r",
                                 .program = "p"};
        struct alert_counted c;

        if (registry_alert_count(job->f->rg, job->host, stream, i, &in, 1, &c, NULL) < 0)
            return arg;
        registry_host_seen(job->f->rg, job->host);
    }
    return NULL;
}

static void *do_change(void *arg)
{
    struct job *job = arg;
    char name[32];

    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)snprintf(name, sizeof(name), "user-%u-%u", job->n, i);
        if (registry_user_create(job->f->rg, &anna, name, NULL, ROLE_VIEWER, NULL) < 0 ||
            registry_setting_set(job->f->rg, &anna, "host.silent_after", i % 2 ? "10m" : "20m",
                                 NULL) < 0 ||
            registry_tidy(job->f->rg, NULL) < 0)
            return arg;
    }
    return NULL;
}

// One alone makes rounds, as a server does; hosts get well and ill all the time.
static void *do_rounds(void *arg)
{
    struct job *job = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        registry_host_clock(job->f->rg, job->host, i % 3 ? T0 : 1);
        if (registry_host_set_health(job->f->rg, job->host, i % 2 ? "it burns" : "", 5, NULL) < 0 ||
            registry_host_set_lost(job->f->rg, job->host, i, NULL) < 0 ||
            registry_conditions_round(job->f->rg, NULL, NULL) < 0)
            return arg;
    }
    return NULL;
}

static int see_host(void *ctx, const struct registry_host *h)
{
    *(size_t *)ctx += strlen(h->name);
    return 0;
}

static int see_alert(void *ctx, const struct registry_alert *a)
{
    *(size_t *)ctx += a->count > 0;
    return 0;
}

static int no_message(void *ctx, const struct registry_message *m)
{
    *(uint64_t *)ctx = m->id;
    return 0;
}

static void *do_read(void *arg)
{
    struct job *job = arg;
    size_t sum = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t rows = 0, sent = 0;

        if (registry_host_list(job->f->rg, NULL, NULL, see_host, &sum, NULL, NULL) < 0 ||
            registry_alert_list(job->f->rg, NULL, NULL, see_alert, &sum, NULL, NULL) < 0 ||
            registry_audit_check(job->f->rg, &rows, NULL) < 0 ||
            registry_setting_u64(job->f->rg, SETTING_HOST_SILENT) == 0 ||
            registry_outbox_next(job->f->rg, no_message, &sent, NULL, NULL) < 0)
            return arg;
        (void)registry_host_session(job->f->rg, job->host, "x");
    }
    return sum > 0 ? NULL : arg;
}

static int sum_alert(void *ctx, const struct registry_alert *a)
{
    *(uint64_t *)ctx += *a->condition ? 0 : a->count;
    return 0;
}

static void test_together(void **state)
{
    static void *(*const work[])(void *) = {do_count, do_count, do_change, do_change,
                                            do_read,  do_read,  do_rounds};
    enum { N = sizeof(work) / sizeof(work[0]) };
    struct fixture *f = *state;
    struct job jobs[N];
    pthread_t threads[N];
    uint64_t sum = 0;
    void *failed;

    ok(registry_user_create(f->rg, &anna, "anna", NULL, ROLES_ALL, E));
    ok(registry_channel_create(
        f->rg, &anna, CHANNEL_SYSLOG,
        &(struct registry_channel_spec){.name = "log", .config = "{}", .severity_min = 1}, &sum,
        E));
    for (unsigned i = 0; i < N; i++) {
        jobs[i] = (struct job){.f = f, .n = i};
        fixture_host(f, "web", NULL, jobs[i].host);
    }
    f->threads = N;
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], &jobs[i]), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    sum = 0;
    ok(registry_alert_list(f->rg, NULL, NULL, sum_alert, &sum, NULL, E));
    assert_int_equal(sum, 2 * ROUNDS);
    ok(registry_audit_check(f->rg, NULL, E));
}

struct guess {
    struct fixture *f;
    unsigned passed; // the throttle
};

static void *do_guess(void *arg)
{
    struct guess *g = arg;
    struct registry_login l;

    for (unsigned i = 0; i < 20; i++)
        g->passed += registry_login(g->f->rg, "anna", "wrong password", "192.0.2.1", NULL, &l, NULL,
                                    NULL) == -EACCES;
    return NULL;
}

// Many tries at the same time are no more than one after the other.
static void test_guessing_together(void **state)
{
    enum { N = 8 };
    struct fixture *f = *state;
    struct guess guesses[N];
    pthread_t threads[N];
    unsigned passed = 0;

    ok(registry_user_create(f->rg, &anna, "anna", "correct horse battery", ROLES_ALL, E));
    for (unsigned i = 0; i < N; i++) {
        guesses[i] = (struct guess){.f = f};
        assert_int_equal(pthread_create(&threads[i], NULL, do_guess, &guesses[i]), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        passed += guesses[i].passed;
    }
    assert_int_equal(passed, 6);
}

UNIT_MAIN(WITH_REGISTRY(test_together), WITH_REGISTRY(test_guessing_together))
