// SPDX-License-Identifier: Apache-2.0
//
// Policies, their versions, roll-outs by stages, and the bundle that each host should have.
#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/bundle.h"
#include "registry/policy.h"
#include "registry/rollout.h"

#define TEXT_1 "safeguard: 1\nname: web\n"
#define TEXT_2 "safeguard: 1\nname: web\nmode: monitor\n"
#define HOSTS  60

static void add_policy(struct fixture *f, const char *name, const char *selector)
{
    ok(registry_policy_create(f->rg, &anna, name, TEXT_1, strlen(TEXT_1), selector, "first", E));
}

static unsigned add_version(struct fixture *f, const char *name, const char *text, unsigned base)
{
    unsigned version = 0;

    ok(registry_policy_add_version(f->rg, &anna, name, text, strlen(text), base, "next", &version,
                                   E));
    return version;
}

static uint64_t roll_out(struct fixture *f, const char *name, unsigned version, const char *stages)
{
    struct rollout_stage s[ROLLOUT_STAGES_MAX] = {{0}};
    uint64_t id = 0;
    unsigned n = 0;

    // "10m 100p"
    for (const char *p = stages; *p; n++) {
        s[n].share = (unsigned)strtoul(p, (char **)&p, 10);
        s[n].monitor = *p++ == 'm';
        p += *p == ' ';
    }
    ok(registry_rollout_create(f->rg, &anna, name, version, s, n, &id, E));
    return id;
}

struct files {
    char text[1024];
};

static int add_file(void *ctx, const struct registry_bundle_file *file)
{
    struct files *f = ctx;

    (void)snprintf(f->text + strlen(f->text), sizeof(f->text) - strlen(f->text), "%s%s@%u%c",
                   *f->text ? " " : "", file->name, file->version, file->monitor ? 'm' : 'p');
    return 0;
}

// "50-web.yaml@1m"; "-" when nothing was ever meant for the host.
static const char *wanted(struct fixture *f, const char *host, struct files *files)
{
    char id[BUNDLE_ID_TEXT];

    *files = (struct files){};
    ok(registry_bundle_wanted(f->rg, host, id, E));
    if (!*id)
        return "-";
    ok(registry_bundle_files(f->rg, host, id, add_file, files, E));
    return files->text;
}

#define WANTED(f, host) wanted(f, host, &(struct files){})

static void test_versions(void **state)
{
    struct fixture *f = *state;
    unsigned version = 0;
    struct error err = {};

    add_policy(f, "50-web.yaml", " role = web ");
    assert_int_equal(registry_policy_create(f->rg, &anna, "50-web.yaml", TEXT_1, 4, "", "", &err),
                     -EEXIST);
    assert_int_equal(registry_policy_create(f->rg, &anna, "../x.yaml", TEXT_1, 4, "", "", &err),
                     -EINVAL);
    assert_int_equal(registry_policy_create(f->rg, &anna, "web", TEXT_1, 4, "", "", &err), -EINVAL);
    assert_int_equal(registry_policy_create(f->rg, &anna, "x.yaml", "a\0b", 3, "", "", &err),
                     -EINVAL);
    assert_int_equal(registry_policy_create(f->rg, &anna, "x.yaml", TEXT_1, 4, "a=", "", &err),
                     -EINVAL);
    assert_int_equal(err.column, 3);
    assert_int_equal(add_version(f, "50-web.yaml", TEXT_2, 1), 2);
    // The same text makes no version.
    assert_int_equal(add_version(f, "50-web.yaml", TEXT_2, 2), 2);
    // Somebody else was faster.
    assert_int_equal(registry_policy_add_version(f->rg, &anna, "50-web.yaml", TEXT_1,
                                                 strlen(TEXT_1), 1, "", &version, &err),
                     -ESTALE);
    assert_int_equal(registry_policy_add_version(f->rg, &anna, "x.yaml", TEXT_1, 4, 1, "", &version,
                                                 &err),
                     -ENOENT);
}

static int copy_version(void *ctx, const struct registry_policy_version *v)
{
    (void)snprintf(ctx, 256, "%u %s %s %.20s", v->version, v->author, v->comment,
                   v->text ? v->text : "-");
    return 0;
}

static int copy_policy(void *ctx, const struct registry_policy *p)
{
    (void)snprintf(ctx, 256, "%s '%s' v%u in force %u%s", p->name, p->selector, p->version,
                   p->in_force, p->rollout ? " rolling" : "");
    return 0;
}

static void test_reading(void **state)
{
    struct fixture *f = *state;
    struct error err = {};
    char text[256];

    add_policy(f, "50-web.yaml", " role = web ");
    (void)add_version(f, "50-web.yaml", TEXT_2, 1);
    ok(registry_policy_version(f->rg, "50-web.yaml", 1, copy_version, text, E));
    assert_string_equal(text, "1 user:anna first safeguard: 1\nname: w");
    ok(registry_policy_version(f->rg, "50-web.yaml", 0, copy_version, text, E));
    assert_int_equal(text[0], '2');
    assert_int_equal(registry_policy_version(f->rg, "50-web.yaml", 3, copy_version, text, &err),
                     -ENOENT);
    ok(registry_policy_versions(f->rg, "50-web.yaml", copy_version, text, E));
    assert_string_equal(text, "1 user:anna first -");
    ok(registry_policy_get(f->rg, "50-web.yaml", copy_policy, text, E));
    assert_string_equal(text, "50-web.yaml 'role=web' v2 in force 0");
    assert_int_equal(registry_policy_get(f->rg, "x", copy_policy, text, &err), -ENOENT);
}

static void test_one_host(void **state)
{
    struct fixture *f = *state;
    char web[HOST_ID_SIZE], db[HOST_ID_SIZE];
    uint64_t id;

    fixture_host(f, "web", "{\"role\":\"web\"}", web);
    fixture_host(f, "db", "{\"role\":\"db\"}", db);
    add_policy(f, "50-web.yaml", "role=web");
    add_policy(f, "10-all.yaml", "");
    // Written is not rolled out.
    assert_string_equal(WANTED(f, web), "-");
    id = roll_out(f, "50-web.yaml", 1, "100m 100p");
    assert_string_equal(WANTED(f, web), "50-web.yaml@1m");
    assert_string_equal(WANTED(f, db), "-");
    ok(registry_rollout_advance(f->rg, &anna, id, 0, E));
    assert_string_equal(WANTED(f, web), "50-web.yaml@1p");
    ok(registry_rollout_advance(f->rg, &anna, id, 1, E));
    assert_string_equal(WANTED(f, web), "50-web.yaml@1p");
    (void)roll_out(f, "10-all.yaml", 1, "100p");
    assert_string_equal(WANTED(f, web), "10-all.yaml@1p 50-web.yaml@1p");
    assert_string_equal(WANTED(f, db), "10-all.yaml@1p");
    // Labels decide.
    ok(registry_host_set_labels(f->rg, &anna, db, "{\"role\":\"web\"}", E));
    assert_string_equal(WANTED(f, db), "10-all.yaml@1p 50-web.yaml@1p");
    assert_string_equal(f->told_host, db);
    ok(registry_policy_set_selector(f->rg, &anna, "10-all.yaml", "nosuch", E));
    assert_string_equal(WANTED(f, db), "50-web.yaml@1p");
    ok(registry_policy_delete(f->rg, &anna, "50-web.yaml", E));
    // It had policies: an empty bundle takes them away.
    assert_string_equal(WANTED(f, db), "");
}

static void test_new_host(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];

    add_policy(f, "50-web.yaml", "role=web");
    (void)roll_out(f, "50-web.yaml", 1, "100p");
    fixture_host(f, "web", "{\"role\":\"web\"}", host);
    assert_string_equal(WANTED(f, host), "50-web.yaml@1p");
}

static unsigned with_version(struct fixture *f, char hosts[HOSTS][HOST_ID_SIZE], const char *what,
                             bool in[HOSTS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < HOSTS; i++) {
        bool has = strcmp(WANTED(f, hosts[i]), what) == 0;

        // Shares only grow.
        if (in) {
            assert_true(has || !in[i]);
            in[i] = has;
        }
        n += has;
    }
    return n;
}

static void test_shares_grow(void **state)
{
    struct fixture *f = *state;
    char hosts[HOSTS][HOST_ID_SIZE], name[16];
    bool in[HOSTS] = {false};
    unsigned last = 0, n;
    uint64_t id;

    for (unsigned i = 0; i < HOSTS; i++) {
        (void)snprintf(name, sizeof(name), "h%u", i);
        fixture_host(f, name, NULL, hosts[i]);
    }
    add_policy(f, "50-web.yaml", "");
    id = roll_out(f, "50-web.yaml", 1, "1p 10p 25p 50p 75p 100p");
    for (unsigned stage = 0; stage < 6; stage++) {
        n = with_version(f, hosts, "50-web.yaml@1p", in);
        assert_true(n >= last);
        last = n;
        ok(registry_rollout_advance(f->rg, &anna, id, (int)stage, E));
    }
    assert_int_equal(last, HOSTS);
    // A second version: monitor everywhere, enforced on a part, and what is not in that part goes on watching.
    (void)add_version(f, "50-web.yaml", TEXT_2, 1);
    id = roll_out(f, "50-web.yaml", 2, "100m 50p 100p");
    assert_int_equal(with_version(f, hosts, "50-web.yaml@2m", NULL), HOSTS);
    ok(registry_rollout_advance(f->rg, &anna, id, -1, E));
    n = with_version(f, hosts, "50-web.yaml@2p", NULL);
    assert_in_range(n, 10, 50);
    assert_int_equal(with_version(f, hosts, "50-web.yaml@2m", NULL), HOSTS - n);
    ok(registry_rollout_rollback(f->rg, &anna, id, E));
    assert_int_equal(with_version(f, hosts, "50-web.yaml@1p", NULL), HOSTS);
}

static void test_buckets(void **state)
{
    unsigned counts[10] = {0};
    char id[32];

    (void)state;
    // Stored nowhere, so it must never change.
    assert_int_equal(rollout_bucket("6f9619ff-8b86-4011-b42d-00cf4fc964ff", "50-web.yaml"),
                     rollout_bucket("6f9619ff-8b86-4011-b42d-00cf4fc964ff", "50-web.yaml"));
    for (unsigned i = 0; i < 10000; i++) {
        (void)snprintf(id, sizeof(id), "host-%u", i);
        counts[rollout_bucket(id, "a.yaml") / 10]++;
    }
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(counts[i], 850, 1150);
}

static void test_rollout_states(void **state)
{
    struct rollout_stage none[1] = {{0, true}}, part[1] = {{50, true}};
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];
    struct error err = {};
    uint64_t id, other;

    fixture_host(f, "web", NULL, host);
    add_policy(f, "a.yaml", "");
    assert_int_equal(registry_rollout_create(f->rg, &anna, "a.yaml", 1, none, 1, &id, &err),
                     -EINVAL);
    assert_int_equal(registry_rollout_create(f->rg, &anna, "a.yaml", 1, part, 1, &id, &err),
                     -EINVAL);
    assert_int_equal(registry_rollout_create(f->rg, &anna, "a.yaml", 1, none, 0, &id, &err),
                     -EINVAL);
    part[0].share = 100;
    assert_int_equal(registry_rollout_create(f->rg, &anna, "a.yaml", 2, part, 1, &id, &err),
                     -ENOENT);
    assert_int_equal(registry_rollout_create(f->rg, &anna, "b.yaml", 1, part, 1, &id, &err),
                     -ENOENT);
    id = roll_out(f, "a.yaml", 1, "100m 100p");
    assert_int_equal(registry_rollout_create(f->rg, &anna, "a.yaml", 1, part, 1, &other, &err),
                     -EBUSY);
    assert_int_equal(registry_policy_delete(f->rg, &anna, "a.yaml", &err), -EBUSY);
    assert_int_equal(registry_rollout_resume(f->rg, &anna, id, &err), -EBUSY);
    ok(registry_rollout_pause(f->rg, &anna, id, E));
    assert_int_equal(registry_rollout_advance(f->rg, &anna, id, -1, &err), -EBUSY);
    assert_int_equal(registry_rollout_pause(f->rg, &anna, id, &err), -EBUSY);
    assert_string_equal(WANTED(f, host), "a.yaml@1m");
    ok(registry_rollout_resume(f->rg, &anna, id, E));
    ok(registry_rollout_advance(f->rg, &anna, id, 0, E));
    // Two who press at the same time.
    assert_int_equal(registry_rollout_advance(f->rg, &anna, id, 0, &err), -ESTALE);
    ok(registry_rollout_advance(f->rg, &anna, id, 1, E));
    assert_int_equal(registry_rollout_advance(f->rg, &anna, id, -1, &err), -EBUSY);
    assert_int_equal(registry_rollout_advance(f->rg, &anna, id + 1, -1, &err), -ENOENT);
    (void)add_version(f, "a.yaml", TEXT_2, 1);
    other = roll_out(f, "a.yaml", 2, "100p");
    assert_int_equal(registry_rollout_rollback(f->rg, &anna, id, &err), -EBUSY);
    assert_string_equal(WANTED(f, host), "a.yaml@2p");
    ok(registry_rollout_rollback(f->rg, &anna, other, E));
    assert_string_equal(WANTED(f, host), "a.yaml@1p");
    assert_int_equal(registry_rollout_rollback(f->rg, &anna, other, &err), -EBUSY);
}

static void test_deleted_name(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], text[256];

    fixture_host(f, "web", NULL, host);
    add_policy(f, "a.yaml", "");
    ok(registry_rollout_advance(f->rg, &anna, roll_out(f, "a.yaml", 1, "100p"), -1, E));
    ok(registry_policy_delete(f->rg, &anna, "a.yaml", E));
    ok(registry_policy_create(f->rg, &anna, "a.yaml", TEXT_2, strlen(TEXT_2), "", "again", E));
    ok(registry_policy_get(f->rg, "a.yaml", copy_policy, text, E));
    // Numbers go on, and nothing is in force by itself.
    assert_string_equal(text, "a.yaml '' v2 in force 0");
    assert_string_equal(WANTED(f, host), "");
}

static int copy_policy_host(void *ctx, const struct registry_policy_host *h)
{
    char *text = ctx;

    (void)snprintf(text + strlen(text), 512 - strlen(text), "%s %u%c %u%c %s;", h->name, h->wanted,
                   h->wanted_monitor ? 'm' : 'p', h->applied, h->applied_monitor ? 'm' : 'p',
                   h->error);
    return 0;
}

static void test_proof(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], id[BUNDLE_ID_TEXT], before[BUNDLE_ID_TEXT], text[512] = "";
    struct files files = {};
    struct error err = {};
    uint64_t rollout;

    fixture_host(f, "web", NULL, host);
    add_policy(f, "a.yaml", "");
    rollout = roll_out(f, "a.yaml", 1, "100m 100p");
    ok(registry_bundle_wanted(f->rg, host, before, E));
    ok(registry_bundle_applied(f->rg, host, before, NULL, E));
    ok(registry_rollout_advance(f->rg, &anna, rollout, -1, E));
    ok(registry_bundle_wanted(f->rg, host, id, E));
    ok(registry_policy_hosts(f->rg, "a.yaml", NULL, copy_policy_host, text, NULL, E));
    assert_string_equal(text, "web 1p 1m ;");
    ok(registry_bundle_applied(f->rg, host, id, "line 3: unknown user", E));
    text[0] = '\0';
    ok(registry_policy_hosts(f->rg, "a.yaml", NULL, copy_policy_host, text, NULL, E));
    assert_string_equal(text, "web 1p 1m line 3: unknown user;");
    // Kept while the host has it, read by nobody else.
    f->now += 10 * DAY;
    ok(registry_tidy(f->rg, E));
    ok(registry_bundle_files(f->rg, host, before, add_file, &files, E));
    ok(registry_bundle_applied(f->rg, host, id, "", E));
    assert_int_equal(registry_bundle_files(f->rg, host, before, add_file, &files, &err), -ENOENT);
    ok(registry_tidy(f->rg, E));
    assert_int_equal(registry_bundle_files(f->rg, NULL, before, add_file, &files, &err), -ENOENT);
    assert_int_equal(registry_bundle_applied(f->rg, host, "nonsense", "", &err), -EINVAL);
}

static int copy_count(void *ctx, const char *name, const struct registry_policy_count *n)
{
    char *text = ctx;

    (void)snprintf(text + strlen(text), 512 - strlen(text), "%s %u/%u/%u/%u;", name, n->selected,
                   n->applied, n->waiting, n->failed);
    return 0;
}

static void test_counts(void **state)
{
    struct fixture *f = *state;
    char hosts[4][HOST_ID_SIZE], id[BUNDLE_ID_TEXT], text[512] = "";
    struct registry_policy_count n;

    for (unsigned i = 0; i < 4; i++)
        fixture_host(f, "web", i < 3 ? "{\"role\":\"web\"}" : "{}", hosts[i]);
    add_policy(f, "a.yaml", "role=web");
    add_policy(f, "b.yaml", "");
    (void)roll_out(f, "a.yaml", 1, "100m");
    ok(registry_policy_counts(f->rg, NULL, copy_count, text, E));
    assert_string_equal(text, "a.yaml 3/0/3/0;b.yaml 4/0/0/0;");
    ok(registry_bundle_wanted(f->rg, hosts[0], id, E));
    ok(registry_bundle_applied(f->rg, hosts[0], id, NULL, E));
    ok(registry_bundle_applied(f->rg, hosts[1], id, "no such user", E));
    text[0] = '\0';
    ok(registry_policy_counts(f->rg, "a.yaml", copy_count, text, E));
    assert_string_equal(text, "a.yaml 3/1/1/1;");
    ok(registry_host_revoke(f->rg, &anna, hosts[2], "", E));
    ok(registry_policy_version_counts(f->rg, "a.yaml", 1, true, &n, E));
    assert_int_equal(n.selected, 2);
    assert_int_equal(n.applied, 1);
    assert_int_equal(n.failed, 1);
    assert_int_equal(n.waiting, 0);
}

static int put_file(void *ctx, const struct registry_bundle_file *file)
{
    char *id = ctx;

    return bundle_id(&(struct bundle_file){file->name, file->text, file->text_len,
                                           file->monitor ? BUNDLE_MONITOR : BUNDLE_POLICY},
                     1, id);
}

static void test_id_is_the_content(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], id[BUNDLE_ID_TEXT], mine[BUNDLE_ID_TEXT];

    fixture_host(f, "web", NULL, host);
    add_policy(f, "a.yaml", "");
    (void)roll_out(f, "a.yaml", 1, "100m");
    ok(registry_bundle_wanted(f->rg, host, id, E));
    ok(registry_bundle_files(f->rg, host, id, put_file, mine, E));
    assert_string_equal(id, mine);
}

static void test_too_large(void **state)
{
    _cleanup_free_ char *text = malloc(BUNDLE_TEXT_MAX);
    struct rollout_stage all = {100, true};
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], name[16];
    struct error err = {};
    uint64_t id;

    assert_non_null(text);
    memset(text, '#', BUNDLE_TEXT_MAX);
    fixture_host(f, "web", NULL, host);
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "%u.yaml", i);
        ok(registry_policy_create(f->rg, &anna, name, text, BUNDLE_TEXT_MAX, "", "", E));
        assert_int_equal(registry_rollout_create(f->rg, &anna, name, 1, &all, 1, &id, &err),
                         i < 4 ? 0 : -E2BIG);
    }
    assert_string_equal(WANTED(f, host), "0.yaml@1m 1.yaml@1m 2.yaml@1m 3.yaml@1m");
}

UNIT_MAIN(WITH_REGISTRY(test_versions), WITH_REGISTRY(test_reading), WITH_REGISTRY(test_one_host),
          WITH_REGISTRY(test_new_host), WITH_REGISTRY(test_shares_grow),
          cmocka_unit_test(test_buckets), WITH_REGISTRY(test_rollout_states),
          WITH_REGISTRY(test_deleted_name), WITH_REGISTRY(test_proof),
          WITH_REGISTRY(test_id_is_the_content), WITH_REGISTRY(test_too_large),
          WITH_REGISTRY(test_counts))
