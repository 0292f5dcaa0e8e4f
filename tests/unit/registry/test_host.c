// SPDX-License-Identifier: Apache-2.0
//
// Hosts: how they come, what tells a clone, what an older database does not forget.
#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/audit.h"
#include "registry/cert.h"
#include "registry/condition.h"

struct copy {
    char name[128], labels[256], reason[256], kernel[300];
    enum host_state state;
    uint64_t seen_ms, cert_ms;
    unsigned n;
};

static int copy_host(void *ctx, const struct registry_host *h)
{
    struct copy *c = ctx;

    (void)snprintf(c->name, sizeof(c->name), "%s", h->name);
    (void)snprintf(c->labels, sizeof(c->labels), "%s", h->labels);
    (void)snprintf(c->reason, sizeof(c->reason), "%s", h->reason);
    (void)snprintf(c->kernel, sizeof(c->kernel), "%s", h->kernel);
    c->state = h->state;
    c->seen_ms = h->seen_ms;
    c->cert_ms = h->cert_not_after_ms;
    c->n++;
    return 0;
}

static enum host_state state_of(struct fixture *f, const char *id)
{
    struct copy c = {};

    ok(registry_host_get(f->rg, id, copy_host, &c, E));
    return c.state;
}

static enum host_admission hello(struct fixture *f, const char *id, unsigned serial,
                                 const char *machine, const char *boot, char session[33])
{
    struct host_facts facts = fixture_facts("web-1");
    struct registry_hello h = {};
    char text[REGISTRY_ID_MAX];

    facts.machine_id = machine;
    facts.boot_id = boot;
    (void)snprintf(text, sizeof(text), "%032x", serial);
    ok(registry_hello(f->rg, id, text, &facts, &h, E));
    if (session)
        memcpy(session, h.session, sizeof(h.session));
    return h.admission;
}

static void test_enrol(void **state)
{
    const struct registry_enrol_spec spec = {.note = "rack 3",
                                             .labels = "{\"env\":\"prod\"}",
                                             .uses = 2,
                                             .life_ms = HOUR};
    const struct host_facts facts = fixture_facts("web-1");
    struct fixture *f = *state;
    uint8_t secret[ENROL_SECRET_SIZE];
    char id[9], host[HOST_ID_SIZE];
    struct error err = {};
    struct copy c = {};

    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, id, E));
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, E));
    ok(registry_host_get(f->rg, host, copy_host, &c, E));
    assert_string_equal(c.name, "web-1");
    assert_string_equal(c.labels, "{\"env\":\"prod\"}");
    assert_int_equal(c.state, HOST_OK);
    assert_int_equal(c.cert_ms, T0 + 30 * DAY);
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, E));
    // Used up.
    assert_int_equal(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, &err),
                     -EACCES);
    assert_int_equal(f->serial, 2);
    secret[0] ^= 1;
    assert_int_equal(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, &err),
                     -EACCES);
}

static int no_sign(void *ctx, const char *host, char serial[REGISTRY_ID_MAX], uint64_t *not_after,
                   struct error *err)
{
    (void)ctx;
    (void)host;
    (void)serial;
    (void)not_after;
    return error_set(err, -EIO, "the CA is gone");
}

static void test_enrol_is_one_step(void **state)
{
    const struct registry_enrol_spec spec = {.uses = 1, .life_ms = HOUR};
    struct host_facts facts = fixture_facts("web-1");
    struct fixture *f = *state;
    uint8_t secret[ENROL_SECRET_SIZE];
    char id[9], host[HOST_ID_SIZE] = "-";
    struct error err = {};
    struct copy c = {};

    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, id, E));
    // Neither a CA that fails nor a host that says nothing of itself uses a token up.
    assert_int_equal(registry_enrol(f->rg, secret, &facts, NULL, no_sign, f, host, &err), -EIO);
    facts.machine_id = "";
    assert_int_equal(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, &err),
                     -EINVAL);
    assert_string_equal(host, "-");
    ok(registry_host_list(f->rg, NULL, NULL, copy_host, &c, NULL, E));
    assert_int_equal(c.n, 0);
    facts.machine_id = "m";
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, E));
}

static void test_token_ends(void **state)
{
    const struct registry_enrol_spec spec = {.life_ms = HOUR},
                                     bad[] = {{.life_ms = 1},
                                              {.life_ms = 91 * DAY},
                                              {.life_ms = HOUR, .labels = "x"},
                                              {.life_ms = HOUR, .note = "a\nb"}};
    const struct host_facts facts = fixture_facts("web-1");
    struct fixture *f = *state;
    uint8_t secret[ENROL_SECRET_SIZE], other[ENROL_SECRET_SIZE];
    char id[9], other_id[9], host[HOST_ID_SIZE];
    struct error err = {};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(registry_enrol_token_create(f->rg, &anna, &bad[i], secret, id, &err),
                         -EINVAL);
    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, id, E));
    ok(registry_enrol_token_create(f->rg, &anna, &spec, other, other_id, E));
    ok(registry_enrol_token_revoke(f->rg, &anna, other_id, E));
    assert_int_equal(registry_enrol_token_revoke(f->rg, &anna, other_id, &err), -ENOENT);
    assert_int_equal(registry_enrol(f->rg, other, &facts, NULL, fixture_sign, f, host, &err),
                     -EACCES);
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, E));
    f->now += HOUR;
    assert_int_equal(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, &err),
                     -EACCES);
}

static void test_sessions(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], first[33], second[33];

    fixture_host(f, "web-1", NULL, id);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", first), HOST_ADMITTED);
    assert_int_equal(registry_host_session(f->rg, id, first), 0);
    assert_int_equal(registry_host_session(f->rg, id, "x"), -ESTALE);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-2", second), HOST_ADMITTED);
    assert_int_equal(registry_host_session(f->rg, id, first), -ESTALE);
    assert_int_equal(registry_host_session(f->rg, id, second), 0);
    // After a restart of the server the session goes on.
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(registry_host_session(f->rg, id, first), -ESTALE);
    assert_int_equal(registry_host_session(f->rg, id, second), 0);
    assert_int_equal(registry_host_session(f->rg, "0-1", second), -ESTALE);
    ok(registry_host_revoke(f->rg, &anna, id, "stolen", E));
    assert_int_equal(registry_host_session(f->rg, id, second), -EACCES);
    assert_int_equal(f->told[REGISTRY_REVOKED], 1);
    assert_string_equal(f->told_host, id);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(registry_host_session(f->rg, id, second), -EACCES);
}

static void test_clone_by_boot(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], session[33];

    fixture_host(f, "web-1", NULL, id);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_ADMITTED);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_ADMITTED);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-2", session), HOST_ADMITTED);
    // The first one is still there.
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_REFUSED_CLONED);
    assert_int_equal(registry_host_session(f->rg, id, session), -EACCES);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-2", NULL), HOST_REFUSED_CLONED);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-9", NULL), HOST_REFUSED_CLONED);
    assert_int_equal(state_of(f, id), HOST_CLONED);
    assert_int_equal(registry_cert_add(f->rg, id, "abc", T0, NULL), -EACCES);
}

static void test_clone_by_machine(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    fixture_host(f, "web-1", NULL, id);
    assert_int_equal(hello(f, id, f->serial, "other", "boot-1", NULL), HOST_REFUSED_CLONED);
    assert_int_equal(state_of(f, id), HOST_CLONED);
}

static void test_many_boots(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], boot[32];

    fixture_host(f, "web-1", NULL, id);
    for (unsigned i = 2; i < 3 * HOST_BOOTS_MAX; i++) {
        (void)snprintf(boot, sizeof(boot), "boot-%u", i);
        assert_int_equal(hello(f, id, f->serial, "web-1", boot, NULL), HOST_ADMITTED);
    }
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-150", NULL), HOST_REFUSED_CLONED);
}

static void test_states(void **state)
{
    struct fixture *f = *state;
    uint64_t counts[HOST_STATES];
    char id[HOST_ID_SIZE];
    struct copy c = {};

    fixture_host(f, "web-1", NULL, id);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_ADMITTED);
    assert_int_equal(state_of(f, id), HOST_OK);
    ok(registry_host_set_health(f->rg, id, "2 hooks are not attached", 3, E));
    ok(registry_host_get(f->rg, id, copy_host, &c, E));
    assert_int_equal(c.state, HOST_DEGRADED);
    assert_string_equal(c.reason, "2 hooks are not attached");
    f->now += 4 * MINUTE;
    assert_int_equal(state_of(f, id), HOST_SILENT);
    registry_host_seen(f->rg, id);
    assert_int_equal(state_of(f, id), HOST_DEGRADED);
    ok(registry_host_set_health(f->rg, id, "", 0, E));
    assert_int_equal(state_of(f, id), HOST_OK);
    ok(registry_host_counts(f->rg, counts, E));
    assert_int_equal(counts[HOST_OK], 1);
    // What was heard is kept over a restart.
    f->now += 2 * MINUTE;
    registry_host_seen(f->rg, id);
    fixture_close(f);
    f->now += 2 * MINUTE;
    fixture_open(f);
    assert_int_equal(state_of(f, id), HOST_OK);
    // Somebody set the clock back by a day: what was written says nothing any more.
    ok(registry_conditions_round(f->rg, NULL, E));
    f->now -= DAY;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(state_of(f, id), HOST_OK);
        ok(registry_conditions_round(f->rg, NULL, E));
        f->now += 45000;
    }
    assert_int_equal(state_of(f, id), HOST_SILENT);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_ADMITTED);
    assert_int_equal(state_of(f, id), HOST_OK);
}

static bool enrol_again(struct fixture *f, const char *former, unsigned serial, const char *machine,
                        char ret_id[HOST_ID_SIZE])
{
    const struct registry_enrol_spec spec = {.uses = 1, .life_ms = HOUR, .labels = "{\"x\":\"y\"}"};
    struct host_facts facts = fixture_facts(machine);
    uint8_t secret[ENROL_SECRET_SIZE];
    char token[9], text[REGISTRY_ID_MAX];

    (void)snprintf(text, sizeof(text), "%032x", serial);
    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, token, E));
    ok(registry_enrol(f->rg, secret, &facts, &(struct registry_former){former, text}, fixture_sign,
                      f, ret_id, E));
    return streq(former, ret_id);
}

// Who proved that it was enrolled before stays the same host, unless there is a reason against it.
static void test_enrol_again(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], next[HOST_ID_SIZE], session[33];
    unsigned first;
    struct copy c = {};

    fixture_host(f, "web-1", "{\"env\":\"prod\"}", id);
    first = f->serial;
    assert_int_equal(hello(f, id, first, "web-1", "boot-1", session), HOST_ADMITTED);
    f->now += 60 * DAY;
    assert_true(enrol_again(f, id, first, "web-1", next));
    ok(registry_host_get(f->rg, id, copy_host, &c, E));
    assert_int_equal(c.n, 1);
    // The session and the certificates before it are over, its labels are as they were.
    assert_int_equal(registry_host_session(f->rg, id, session), -ESTALE);
    assert_int_equal(hello(f, id, first, "web-1", "boot-1", NULL), HOST_REFUSED_REVOKED);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_ADMITTED);
    // With a certificate that was replaced, from another machine, after it was revoked: another host.
    assert_false(enrol_again(f, id, first, "web-1", next));
    assert_false(enrol_again(f, id, f->serial, "web-2", next));
    ok(registry_host_revoke(f->rg, &anna, id, "stolen", E));
    assert_false(enrol_again(f, id, first + 1, "web-1", next));
    // One that an older database does not know keeps its id; unless the journal says that it was revoked.
    assert_true(enrol_again(f, "01234567-89ab-4def-8123-456789abcdef", 0xabc, "db", next));
    assert_false(enrol_again(f, "nonsense", 0xabc, "db", next));
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    char ids[5][HOST_ID_SIZE], name[16];
    struct registry_next next = {};
    struct copy c = {};
    struct error err = {};

    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "web-%u", i);
        fixture_host(f, name, i % 2 ? "{\"env\":\"prod\"}" : "{\"env\":\"test\"}", ids[i]);
    }
    ok(registry_host_list(f->rg, NULL, &(struct registry_page){.limit = 2}, copy_host, &c, &next,
                          E));
    assert_int_equal(c.n, 2);
    assert_string_equal(next.cursor, ids[1]);
    ok(registry_host_list(f->rg, NULL, &(struct registry_page){.limit = 3, .cursor = next.cursor},
                          copy_host, &c, &next, E));
    assert_int_equal(c.n, 5);
    assert_string_equal(c.name, "web-4");
    assert_string_equal(next.cursor, "");
    c.n = 0;
    ok(registry_host_list(f->rg,
                          &(struct registry_host_filter){.state = -1, .selector = "env=prod"}, NULL,
                          copy_host, &c, &next, E));
    assert_int_equal(c.n, 2);
    c.n = 0;
    ok(registry_host_list(f->rg, &(struct registry_host_filter){.state = HOST_OK, .text = "WEB-3"},
                          NULL, copy_host, &c, &next, E));
    assert_int_equal(c.n, 1);
    // By the whole name, or by the id; a part is none.
    c.n = 0;
    ok(registry_host_list(f->rg, &(struct registry_host_filter){.state = -1, .name = "web-2"}, NULL,
                          copy_host, &c, &next, E));
    assert_string_equal(c.name, "web-2");
    ok(registry_host_list(f->rg, &(struct registry_host_filter){.state = -1, .name = ids[4]}, NULL,
                          copy_host, &c, &next, E));
    assert_string_equal(c.name, "web-4");
    ok(registry_host_list(f->rg, &(struct registry_host_filter){.state = -1, .name = "web"}, NULL,
                          copy_host, &c, &next, E));
    assert_int_equal(c.n, 2);
    assert_int_equal(
        registry_host_list(f->rg, &(struct registry_host_filter){.state = -1, .selector = "env="},
                           NULL, copy_host, &c, &next, &err),
        -EINVAL);
    assert_int_equal(err.column, 5);
    assert_int_equal(registry_host_list(f->rg, NULL, &(struct registry_page){.cursor = "' OR 1"},
                                        copy_host, &c, &next, &err),
                     -EINVAL);
}

static void test_labels(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];
    struct copy c = {};
    struct error err = {};

    fixture_host(f, "web-1", NULL, id);
    ok(registry_host_set_labels(f->rg, &anna, id, "{\"z\":\"1\",\"a\":\"2\"}", E));
    ok(registry_host_get(f->rg, id, copy_host, &c, E));
    assert_string_equal(c.labels, "{\"a\":\"2\",\"z\":\"1\"}");
    assert_int_equal(registry_host_set_labels(f->rg, &anna, id, "{\"a\":1}", &err), -EINVAL);
    assert_int_equal(registry_host_set_labels(f->rg, &anna, "00000000-0000-0000-0000-000000000000",
                                              "{}", &err),
                     -ENOENT);
    assert_int_equal(registry_host_set_labels(f->rg, &anna, "nonsense", "{}", &err), -EINVAL);
}

static void test_hostile_facts(void **state)
{
    const struct registry_enrol_spec spec = {.life_ms = HOUR};
    struct host_facts facts = fixture_facts("a\x1b[31m\xff'); DROP TABLE hosts;--");
    struct fixture *f = *state;
    uint8_t secret[ENROL_SECRET_SIZE];
    char id[9], host[HOST_ID_SIZE], longer[4096];
    struct copy c = {};

    memset(longer, 'k', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    facts.kernel = longer;
    ok(registry_enrol_token_create(f->rg, &anna, &spec, secret, id, E));
    ok(registry_enrol(f->rg, secret, &facts, NULL, fixture_sign, f, host, E));
    ok(registry_host_get(f->rg, host, copy_host, &c, E));
    assert_string_equal(c.name, "a?[31m?'); DROP TABLE hosts;--");
    assert_int_equal(strlen(c.kernel), HOST_FACT_MAX);
}

static void test_retire(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];

    fixture_host(f, "web-1", NULL, id);
    ok(registry_host_retire(f->rg, &anna, id, E));
    assert_int_equal(state_of(f, id), HOST_RETIRED);
    assert_int_equal(hello(f, id, f->serial, "web-1", "boot-1", NULL), HOST_REFUSED_RETIRED);
    ok(registry_host_revoke(f->rg, &anna, id, "", E));
    assert_int_equal(state_of(f, id), HOST_RETIRED);
}

static int count_cert(void *ctx, const struct registry_cert *cert)
{
    *(unsigned *)ctx += cert->revoked_ms == 0;
    return 0;
}

static void test_certificates(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE];
    struct error err = {};
    unsigned good = 0;

    fixture_host(f, "web-1", NULL, id);
    ok(registry_cert_add(f->rg, id, "beef", T0 + DAY, E));
    assert_int_equal(registry_cert_check(f->rg, id, "beef"), 0);
    assert_int_equal(registry_cert_check(f->rg, id, "dead"), -ENOENT);
    assert_int_equal(registry_cert_add(f->rg, id, "not hex", T0, &err), -EINVAL);
    ok(registry_cert_list(f->rg, id, count_cert, &good, E));
    assert_int_equal(good, 2);
    ok(registry_host_revoke(f->rg, &anna, id, "gone", E));
    assert_int_equal(registry_cert_check(f->rg, id, "beef"), -EKEYREVOKED);
    assert_int_equal(registry_cert_add(f->rg, id, "cafe", T0, &err), -EACCES);
}

static void test_renewal_is_bounded(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], serial[16];
    struct error err = {};
    int r = 0;

    fixture_host(f, "web-1", NULL, id);
    for (unsigned i = 0; r == 0 && i < 100; i++) {
        (void)snprintf(serial, sizeof(serial), "a%04x", i);
        r = registry_cert_add(f->rg, id, serial, T0 + DAY, &err);
    }
    assert_int_equal(r, -EDQUOT);
    f->now += 2 * DAY;
    ok(registry_cert_add(f->rg, id, "ffff", T0 + DAY, E));
}

static int copy_stranger(void *ctx, const struct registry_stranger *s)
{
    (void)snprintf(ctx, HOST_ID_SIZE, "%s", s->id);
    return 0;
}

// A backup from before a host was enrolled and before another one was revoked.
static void test_older_backup(void **state)
{
    struct fixture *f = *state;
    char old[HOST_ID_SIZE], revoked[HOST_ID_SIZE], fresh[HOST_ID_SIZE], stranger[HOST_ID_SIZE] = "";
    struct registry_stats stats;
    unsigned old_serial;
    char backup[4096];
    struct copy c = {};
    struct error err = {};

    fixture_host(f, "old", NULL, old);
    old_serial = f->serial;
    fixture_host(f, "revoked", NULL, revoked);
    (void)unit_path_in(backup, sizeof(backup), f->dir, "copy.db");
    ok(registry_backup(f->rg, backup, E));
    assert_int_equal(registry_backup(f->rg, backup, &err), -EEXIST);
    fixture_host(f, "fresh", NULL, fresh);
    ok(registry_host_revoke(f->rg, &anna, revoked, "stolen", E));
    fixture_close(f);
    assert_int_equal(rename(backup, unit_path(f->dir, "server.db")), 0);
    fixture_open(f);
    // What was revoked stays so, though the copy does not know it.
    assert_int_equal(state_of(f, revoked), HOST_REVOKED);
    ok(registry_stats(f->rg, &stats, E));
    assert_int_equal(stats.restored, 1);
    // Who is not in the copy is refused, and can be adopted with its old identity.
    assert_int_equal(hello(f, fresh, f->serial, "fresh", "boot-1", NULL), HOST_REFUSED_UNKNOWN);
    assert_string_equal(host_admission_word(HOST_REFUSED_UNKNOWN), "unknown");
    ok(registry_stranger_list(f->rg, NULL, copy_stranger, stranger, NULL, E));
    assert_string_equal(stranger, fresh);
    assert_int_equal(registry_stranger_adopt(f->rg, &anna, revoked, NULL, &err), -EKEYREVOKED);
    ok(registry_stranger_adopt(f->rg, &anna, fresh, "{\"env\":\"prod\"}", E));
    assert_int_equal(hello(f, fresh, f->serial, "fresh", "boot-1", NULL), HOST_ADMITTED);
    ok(registry_host_get(f->rg, fresh, copy_host, &c, E));
    assert_string_equal(c.labels, "{\"env\":\"prod\"}");
    assert_int_equal(registry_stranger_adopt(f->rg, &anna, fresh, NULL, &err), -ENOENT);
    // A certificate from after the copy, of a host that it knows.
    assert_int_equal(hello(f, old, old_serial + 100, "old", "boot-1", NULL), HOST_ADMITTED);
    assert_int_equal(hello(f, revoked, old_serial + 101, "revoked", "boot-1", NULL),
                     HOST_REFUSED_REVOKED);
    ok(registry_audit_check(f->rg, NULL, E));
    // One whose end is not known is not over.
    (void)snprintf(backup, sizeof(backup), "%032x", old_serial + 100);
    ok(registry_tidy(f->rg, E));
    assert_int_equal(registry_cert_check(f->rg, old, backup), 0);
    // The journal is applied once.
    fixture_close(f);
    fixture_open(f);
    ok(registry_stats(f->rg, &stats, E));
    assert_int_equal(stats.restored, 0);
}

static void test_torn_journal(void **state)
{
    struct fixture *f = *state;
    char id[HOST_ID_SIZE], other[HOST_ID_SIZE];
    FILE *file;

    fixture_host(f, "a", NULL, id);
    fixture_host(f, "b", NULL, other);
    fixture_close(f);
    file = fopen(unit_path(f->dir, "server.revoked"), "w");
    assert_non_null(file);
    (void)fprintf(file, "host\nhost %s x\nnonsense\nhost ../..\ncert zz\nhost %.20s", id, id);
    assert_int_equal(fclose(file), 0);
    fixture_open(f);
    assert_int_equal(state_of(f, id), HOST_OK);
    ok(registry_host_revoke(f->rg, &anna, other, "", E));
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(state_of(f, other), HOST_REVOKED);
    assert_int_equal(state_of(f, id), HOST_OK);
}

UNIT_MAIN(WITH_REGISTRY(test_enrol), WITH_REGISTRY(test_enrol_is_one_step),
          WITH_REGISTRY(test_token_ends), WITH_REGISTRY(test_sessions),
          WITH_REGISTRY(test_clone_by_boot), WITH_REGISTRY(test_clone_by_machine),
          WITH_REGISTRY(test_many_boots), WITH_REGISTRY(test_states),
          WITH_REGISTRY(test_enrol_again), WITH_REGISTRY(test_list), WITH_REGISTRY(test_labels),
          WITH_REGISTRY(test_hostile_facts), WITH_REGISTRY(test_retire),
          WITH_REGISTRY(test_certificates), WITH_REGISTRY(test_renewal_is_bounded),
          WITH_REGISTRY(test_older_backup), WITH_REGISTRY(test_torn_journal))
