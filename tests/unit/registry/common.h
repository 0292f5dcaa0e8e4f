// SPDX-License-Identifier: Apache-2.0
//
// A registry in a directory of its own, with a clock that the test sets, and hosts in it.
#pragma once

#include "tests/unit/unit.h"

#include "registry/enrol.h"
#include "registry/host.h"
#include "registry/registry.h"

#define T0     UINT64_C(1800000000000)
#define MINUTE UINT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

struct fixture {
    char *dir;
    uint64_t now;
    struct registry *rg;
    unsigned told[REGISTRY_CHANGES];
    char told_host[64];
    unsigned serial;
    unsigned threads; // that may call back at the same time
};

static const struct actor anna = {
    .kind = ACTOR_USER, .name = "anna", .user = "anna", .address = "192.0.2.7", .roles = ROLES_ALL};

static inline uint64_t fixture_now(void *ctx)
{
    return __atomic_load_n(&((struct fixture *)ctx)->now, __ATOMIC_RELAXED);
}

static inline void fixture_changed(void *ctx, enum registry_change change, const char *host)
{
    struct fixture *f = ctx;

    (void)__atomic_fetch_add(&f->told[change], 1, __ATOMIC_RELAXED);
    if (f->threads == 0)
        (void)snprintf(f->told_host, sizeof(f->told_host), "%s", host ? host : "-");
}

static inline struct registry_options fixture_options(struct fixture *f)
{
    return (struct registry_options){.dir = f->dir,
                                     .changed = fixture_changed,
                                     .ctx = f,
                                     .now_ms = fixture_now,
                                     .password_weak = true};
}

static inline void fixture_open(struct fixture *f)
{
    const struct registry_options options = fixture_options(f);
    struct error err = {};

    if (registry_open(&options, &f->rg, &err) < 0)
        error_print(&err, stderr);
    assert_non_null(f->rg);
}

static inline void fixture_close(struct fixture *f)
{
    f->rg = registry_free(f->rg);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->dir = unit_mkdtemp();
    f->now = T0;
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    unit_rmdir(f->dir);
    free(f);
    return 0;
}

#define WITH_REGISTRY(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

// 0, or what is wrong on standard error.
#define ok(call)                        \
    do {                                \
        struct error _err = {};         \
        int _r = (call);                \
        if (_r < 0)                     \
            error_print(&_err, stderr); \
        assert_int_equal(_r, 0);        \
    } while (0)
#define E &_err

static inline int fixture_sign(void *ctx, const char *host, char ret_serial[REGISTRY_ID_MAX],
                               uint64_t *ret_not_after_ms, struct error *err)
{
    struct fixture *f = ctx;

    (void)host;
    (void)err;
    (void)snprintf(ret_serial, REGISTRY_ID_MAX, "%032x", ++f->serial);
    *ret_not_after_ms = f->now + 30 * DAY;
    return 0;
}

static inline const char *fixture_serial(const struct fixture *f, char buf[REGISTRY_ID_MAX])
{
    (void)snprintf(buf, REGISTRY_ID_MAX, "%032x", f->serial);
    return buf;
}

static inline struct host_facts fixture_facts(const char *name)
{
    return (struct host_facts){.name = name,
                               .machine_id = name,
                               .boot_id = "boot-1",
                               .os = "Debian 12",
                               .kernel = "6.1.0",
                               .arch = "x86_64",
                               .version = "0.1.0",
                               .address = "192.0.2.9"};
}

// A host with these labels, through a token of its own.
static inline void fixture_host(struct fixture *f, const char *name, const char *labels,
                                char ret_id[HOST_ID_SIZE])
{
    const struct registry_enrol_spec spec = {.labels = labels, .uses = 1, .life_ms = HOUR};
    const struct host_facts facts = fixture_facts(name);
    uint8_t secret[ENROL_SECRET_SIZE];
    char id[9];

    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, id, E));
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, ret_id, E));
}
