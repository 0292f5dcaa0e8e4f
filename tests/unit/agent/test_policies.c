// SPDX-License-Identifier: Apache-2.0
//
// Which build answers whom, and what becomes of one that fails halfway: policies.c with a sensor and neighbours that only
// remember what they were asked.
#include "tests/unit/unit.h"

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/fd.h"
#include "base/macro.h"

#define WAIT_MS     20000
#define CALLERS_MAX 8

// What is to happen, and what did.
static struct {
    struct agent *agent;
    unsigned n_set, fail_set,
        unfinished_set;     // calls of sensor_set_policy(); which of them does not do it whole
    unsigned reload_in_set; // in which another build is asked for, as the mount table does
    uint32_t policy_id;
    unsigned answered_by[CALLERS_MAX]; // by the id of the caller: the number of calls then
    bool failed[CALLERS_MAX];
    unsigned n_in_force, n_refused, n_scans, n_ready_while_building;
    unsigned n_notices, n_reloads_done;
    char notice[512];
} now;

void sensor_facts(struct sensor *s, struct sensor_facts *ret)
{
    (void)s;
    *ret = (struct sensor_facts){.policy_id = now.policy_id};
}

void sensor_stage(struct sensor *s, const struct sensor_stage *stage)
{
    (void)s;
    (void)stage;
}

int sensor_set_env_names(struct sensor *s, const char *const *names, size_t n)
{
    (void)s;
    (void)names;
    (void)n;
    return 0;
}

int sensor_set_policy(struct sensor *s, const void *image, size_t len, uint32_t ops,
                      const struct sensor_root *roots, size_t n_roots, struct error *err)
{
    (void)s;
    (void)image;
    (void)len;
    (void)ops;
    (void)roots;
    (void)n_roots;
    now.n_set++;
    if (now.n_set == now.reload_in_set)
        policies_reload(now.agent, "the mount table needs another image");
    if (now.n_set == now.fail_set)
        return error_set(err, -EIO, "refused by the test");
    now.policy_id++;
    if (now.n_set != now.unfinished_set)
        return 0;
    (void)error_set(err, -EBUSY, "a pin cannot be removed");
    return 1;
}

void control_server_reply(struct control_server *s, const struct control_caller *caller,
                          const struct strbuf *result)
{
    (void)s;
    (void)result;
    now.answered_by[caller->id] = now.n_set;
}

void control_server_fail(struct control_server *s, const struct control_caller *caller,
                         const struct error *err)
{
    (void)s;
    (void)err;
    now.answered_by[caller->id] = now.n_set;
    now.failed[caller->id] = true;
}

void policyreport_diags(struct agent *a, const struct policy_diags *diags)
{
    (void)a;
    (void)diags;
}

void policyreport_in_force(struct agent *a, const struct loaded *l,
                           const struct policy_diags *diags)
{
    (void)a;
    (void)l;
    (void)diags;
    now.n_in_force++;
}

void policyreport_refused(struct agent *a, const struct policy_diags *diags, struct error *err)
{
    (void)a;
    (void)diags;
    (void)err;
    now.n_refused++;
}

void policyreport_first(const struct policy_diags *diags, struct error *err)
{
    if (diags->n_errors)
        (void)error_at(err, -EINVAL, diags->items[0].file, diags->items[0].line,
                       diags->items[0].column, "%s", diags->items[0].message);
}

void notice(struct agent *a, const struct notice *n)
{
    (void)a;
    now.n_notices++;
    (void)snprintf(now.notice, sizeof(now.notice), "%s", n->message);
}

void uplink_reloads_done(struct agent *a, int result, const struct error *err)
{
    (void)a;
    (void)result;
    (void)err;
    now.n_reloads_done++;
}

void schedule_policy_changed(struct agent *a)
{
    (void)a;
}

void packets_policy_changed(struct agent *a)
{
    (void)a;
}

void links_scan(struct agent *a)
{
    (void)a;
    now.n_scans++;
}

void links_first(struct agent *a, const struct objects *found)
{
    (void)a;
    (void)found;
}

void agent_reloading(const struct agent *a, bool on)
{
    now.n_ready_while_building += !on && a->policies.building;
}

void agent_patience(const struct agent *a, bool on)
{
    (void)a;
    (void)on;
}

int process_table_scan(struct process_table *t)
{
    (void)t;
    return 0;
}

void times_apply(struct agent *a, const struct policy_image *image)
{
    (void)a;
    (void)image;
}

void mountwatch_coming(struct agent *a, const struct loaded *l)
{
    (void)a;
    (void)l;
}

void mountwatch_came(struct agent *a, const struct loaded *l)
{
    (void)a;
    (void)l;
}

void net_by_names(struct agent *a, bool by_names)
{
    (void)a;
    (void)by_names;
}

int isolation_text(const struct agent *a, char **ret)
{
    (void)a;
    *ret = NULL;
    return 0;
}

void status_policy_json(const struct agent *a, struct jw *jw)
{
    (void)a;
    jw_null(jw);
}

#define NOTHING(name)           \
    void name(struct agent *a); \
    void name(struct agent *a)  \
    {                           \
        (void)a;                \
    }
NOTHING(records_drain)
NOTHING(mountwatch_apply)
NOTHING(health_test)
NOTHING(descriptors_scan)
NOTHING(agent_ready)
NOTHING(policywatch_start)
NOTHING(policywatch_retry)
NOTHING(policywatch_stop)
NOTHING(uplink_rows_changed)
NOTHING(uplink_reloads_begin)
NOTHING(cut_policy_changed)

static struct agent *open_bench(char **ret_dir)
{
    static const char policy[] = "safeguard: 1\nmode: enforce\nfiles:\n"
                                 "  - {path: /srv/vault/a, access: read, do: deny}\n";
    struct agent *a = calloc(1, sizeof(*a));
    char *dir = unit_mkdtemp();

    assert_non_null(a);
    memset(&now, 0, sizeof(now));
    now.agent = a;
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, "10.yaml"), policy,
                                       sizeof(policy) - 1, 0600),
                     0);
    a->config.policy_dir = dir;
    a->config.run_dir = dir;
    assert_true(asprintf(&a->accepted_path, "%s/accepted", dir) > 0);
    assert_true(asprintf(&a->uplink.policies_path, "%s/server", dir) > 0);
    assert_true(asprintf(&a->uplink.trying_path, "%s/server.new", dir) > 0);
    (void)snprintf(a->host.boot_id, sizeof(a->host.boot_id), "this one");
    assert_int_equal(loop_new(&a->loop), 0);
    assert_int_equal(worker_new(a->loop, "builder", 8, false, &a->builder), 0);
    *ret_dir = dir;
    return a;
}

static void close_bench(struct agent *a)
{
    char *dir = a->config.policy_dir;

    a->stopping = true;
    a->builder = worker_free(a->builder);
    policies_stop(a);
    uplink_policies_stop(a);
    loop_free(a->loop);
    free(a->accepted_path);
    free(a->uplink.policies_path);
    free(a->uplink.trying_path);
    free(a);
    unit_rmdir(dir);
}

// Until nothing is built any more, and what is kept is on the disk.
static void settle(struct agent *a)
{
    while (a->policies.building)
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
}

static void ask(struct agent *a, uint32_t id)
{
    assert_int_equal(policies_reload_for(a, &(struct control_caller){.id = id}), 0);
}

static void test_a_build_answers_its_callers(void **state)
{
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    assert_int_equal(now.n_set, 1);
    // The second comes while the first one's build runs, which may not have seen what the second means.
    ask(a, 1);
    ask(a, 2);
    now.reload_in_set = 2;
    settle(a);
    assert_int_equal(now.answered_by[1], 2);
    assert_int_equal(now.answered_by[2], 3);
    assert_int_equal(a->policies.n_callers, 0);
    assert_int_equal(now.n_ready_while_building, 0);
    // Nobody but the mount table.
    ask(a, 3);
    now.reload_in_set = 4;
    settle(a);
    assert_int_equal(now.answered_by[3], 4);
    assert_int_equal(now.n_set, 5);
    close_bench(a);
}

// At the start another policy is tried when the directory's is refused. Who asked for the directory waits for it.
static void test_what_is_tried_instead_answers_nobody(void **state)
{
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(write_file_atomic(AT_FDCWD, a->accepted_path, "[]", 2, 0600), 0);
    now.fail_set = 1;
    assert_int_equal(policies_start(a, &err), 0);
    ask(a, 1);
    settle(a);
    assert_int_equal(now.n_refused, 1);
    assert_int_equal(now.n_in_force, 2);
    assert_int_equal(now.answered_by[1], 3);
    assert_false(now.failed[1]);
    assert_false(a->policies.now->accepted);
    close_bench(a);
}

static void test_a_refused_one_changes_nothing(void **state)
{
    const struct loaded *before;
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    before = a->policies.now;
    now.fail_set = 2;
    ask(a, 1);
    settle(a);
    assert_true(now.failed[1]);
    assert_ptr_equal(a->policies.now, before);
    assert_int_equal(now.n_refused, 1);
    close_bench(a);
}

// In force, but something that had to follow failed: it is the policy in force all the same, and the failure is kept.
static void test_in_force_with_an_error(void **state)
{
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    now.unfinished_set = 1;
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    assert_int_equal(now.n_set, 1); // nothing else is put over it
    assert_non_null(a->policies.now);
    assert_int_equal(a->policies.now->id, 1);
    assert_int_equal(now.n_in_force, 1);
    assert_int_equal(now.n_scans, 1);
    assert_int_equal(now.n_refused, 0);
    assert_string_equal(a->policies.unfinished.what, "a pin cannot be removed");
    assert_non_null(policies_rule(a, 1, 0));
    ask(a, 1);
    settle(a);
    assert_false(now.failed[1]);
    assert_false(error_is_set(&a->policies.unfinished));
    close_bench(a);
}

// An agent takes over: the rules of records that wait have names when what was kept is the policy that they are of.
static void test_inherited_names(void **state)
{
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    for (uint32_t in_force = 1; in_force <= 2; in_force++) {
        struct loaded *l = NULL;
        struct policy_diags diags = {};

        a = open_bench(&dir);
        assert_int_equal(build_policy(&(struct build_options){.dir = dir, .run_dir = dir}, &diags,
                                      &l, &err),
                         0);
        l->id = 1;
        assert_int_equal(build_keep(l, "this one", a->accepted_path), 0);
        policy_diags_done(&diags);
        loaded_unref(l);
        now.policy_id = in_force;
        assert_int_equal(policies_start(a, &err), 0);
        if (in_force == 1)
            assert_non_null(policies_rule(a, 1, 0));
        else
            assert_null(policies_rule(a, 2, 0)); // keeping the second one failed
        settle(a);
        close_bench(a);
    }
}

#define GOOD                                \
    "safeguard: 1\nmode: enforce\nfiles:\n" \
    "  - {path: /srv/vault/b, access: read, do: deny}\n"
#define BAD "safeguard: 1\nmode: enforce\nfiles:\n  - {pth: /srv}\n"

// The server's policies, one file; the id is theirs.
static void send_bundle(struct agent *a, const char *text, char id[BUNDLE_ID_TEXT])
{
    const struct bundle_file file = {"50-server.yaml", text, strlen(text), BUNDLE_MONITOR};

    assert_int_equal(bundle_id(&file, 1, id), 0);
    uplink_bundle(a, id, &file, 1);
}

// Until what was sent is in force, or refused, and nothing is built or moved any more.
static void settle_bundle(struct agent *a)
{
    const struct uplink *u = &a->uplink;

    while (a->policies.building ||
           (!u->refused && (!a->policies.now || !streq(a->policies.now->bundle, u->wanted))) ||
           (!u->refused && access(u->trying_path, F_OK) == 0))
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
}

static void in_use(struct agent *a, const char *id)
{
    _cleanup_(bundle_dir_done) struct bundle_dir b = {};

    assert_int_equal(bundle_dir_read(a->uplink.policies_path, &b, NULL), 0);
    assert_string_equal(b.id, id);
}

static void test_policies_of_the_server(void **state)
{
    char id[BUNDLE_ID_TEXT];
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    assert_string_equal(a->policies.now->bundle, "");
    send_bundle(a, GOOD, id);
    settle_bundle(a);
    assert_string_equal(a->policies.now->bundle, id);
    assert_int_equal(a->policies.now->policy->n_files, 3);
    assert_true(a->policies.now->policy->files[2].monitor); // as the server said
    assert_false(a->policies.now->policy->files[1].monitor);
    in_use(a, id);
    // They are told again after a new session: nothing happens.
    unsigned n = now.n_set;
    send_bundle(a, GOOD, id);
    settle_bundle(a);
    assert_int_equal(now.n_set, n);
    // A reload is made of both.
    ask(a, 1);
    settle(a);
    assert_string_equal(a->policies.now->bundle, id);
    // None any more.
    uplink_bundle(a, NULL, NULL, 0);
    settle_bundle(a);
    while (access(a->uplink.policies_path, F_OK) == 0)
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
    assert_int_equal(a->policies.now->policy->n_files, 2);
    assert_int_equal(now.n_notices, 0);
    close_bench(a);
}

static void test_policies_of_the_server_are_refused(void **state)
{
    char good[BUNDLE_ID_TEXT], bad[BUNDLE_ID_TEXT];
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    send_bundle(a, GOOD, good);
    settle_bundle(a);
    send_bundle(a, BAD, bad);
    settle_bundle(a);
    assert_true(a->uplink.refused);
    assert_non_null(strstr(now.notice, "server/50-server.yaml:4:"));
    assert_non_null(strstr(a->uplink.refusal_diags, "pth"));
    assert_int_equal(now.n_notices, 1);
    assert_int_equal(now.n_refused, 0); // the policies of the host were not
    assert_string_equal(a->policies.now->bundle, good);
    in_use(a, good);

    // The host's own go on being read, with those of the server that are in use.
    ask(a, 1);
    settle(a);
    assert_false(now.failed[1]);
    assert_string_equal(a->policies.now->bundle, good);
    assert_int_equal(now.n_notices, 1);
    assert_true(a->uplink.refused);

    // Better ones.
    send_bundle(a, GOOD "# better\n", bad);
    settle_bundle(a);
    assert_false(a->uplink.refused);
    assert_string_equal(a->policies.now->bundle, bad);
    in_use(a, bad);
    close_bench(a);
}

// What is wrong is a policy of this host: once it is right, those of the server come into force with it.
static void test_refused_for_the_hosts_sake(void **state)
{
    static const char bad[] = BAD, good[] = GOOD;
    char id[BUNDLE_ID_TEXT];
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, "20.yaml"), bad, sizeof(bad) - 1,
                                       0600),
                     0);
    send_bundle(a, GOOD, id);
    settle_bundle(a);
    assert_true(a->uplink.refused);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, "20.yaml"), good, sizeof(good) - 1,
                                       0600),
                     0);
    ask(a, 1);
    settle(a);
    assert_string_equal(a->policies.now->bundle, id);
    assert_false(a->uplink.refused);
    settle_bundle(a);
    in_use(a, id);
    close_bench(a);
}

// Others come while the first ones are built: these are what is in use in the end, and nothing else was.
static void test_overtaken(void **state)
{
    char first[BUNDLE_ID_TEXT], second[BUNDLE_ID_TEXT];
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    send_bundle(a, GOOD, first);
    while (!a->uplink.trying)
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
    assert_true(a->policies.building);
    send_bundle(a, GOOD "# second\n", second);
    settle_bundle(a);
    assert_string_equal(a->policies.now->bundle, second);
    assert_false(a->uplink.refused);
    in_use(a, second);
    // The same with one that is broken.
    send_bundle(a, BAD, first);
    while (!a->uplink.trying)
        assert_true(loop_run_once(a->loop, WAIT_MS) > 0);
    send_bundle(a, GOOD "# third\n", second);
    settle_bundle(a);
    assert_string_equal(a->policies.now->bundle, second);
    assert_false(a->uplink.refused);
    in_use(a, second);
    close_bench(a);
}

// The kernel does not take them: what is in force stays, and what is in use.
static void test_policies_of_the_server_and_the_kernel(void **state)
{
    char id[BUNDLE_ID_TEXT];
    struct error err = {};
    struct agent *a;
    char *dir;

    (void)state;
    a = open_bench(&dir);
    assert_int_equal(policies_start(a, &err), 0);
    settle(a);
    now.fail_set = 2;
    send_bundle(a, GOOD, id);
    settle_bundle(a);
    assert_true(a->uplink.refused);
    assert_string_equal(a->uplink.refusal.what, "refused by the test");
    assert_string_equal(a->policies.now->bundle, "");
    in_use(a, "");
    // A later one works.
    ask(a, 1);
    settle(a);
    assert_string_equal(a->policies.now->bundle, id);
    close_bench(a);
}

UNIT_MAIN(cmocka_unit_test(test_policies_of_the_server),
          cmocka_unit_test(test_policies_of_the_server_are_refused),
          cmocka_unit_test(test_refused_for_the_hosts_sake), cmocka_unit_test(test_overtaken),
          cmocka_unit_test(test_policies_of_the_server_and_the_kernel),
          cmocka_unit_test(test_a_build_answers_its_callers),
          cmocka_unit_test(test_what_is_tried_instead_answers_nobody),
          cmocka_unit_test(test_a_refused_one_changes_nothing),
          cmocka_unit_test(test_in_force_with_an_error), cmocka_unit_test(test_inherited_names))
