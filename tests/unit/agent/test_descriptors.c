// SPDX-License-Identifier: Apache-2.0
//
// When reads and writes through open descriptors are checked, and when no longer: against the real procfs and file
// system, with a child that holds a file open. The sensor only notes what it is asked for.
#include "tests/unit/child.h"

#include <time.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"

#define DEADLINE_NS (30 * NS_PER_SEC)

static bool attached, left_on;

int __wrap_sensor_set_old_descriptors(struct sensor *s, bool on, struct error *err);
int __wrap_sensor_set_old_descriptors(struct sensor *s, bool on, struct error *err)
{
    (void)s;
    (void)err;
    attached = on;
    return 0;
}

int __wrap_sensor_flush_merged(struct sensor *s, sensor_record_fn fn, void *userdata);
int __wrap_sensor_flush_merged(struct sensor *s, sensor_record_fn fn, void *userdata)
{
    (void)s;
    (void)fn;
    (void)userdata;
    return 0;
}

int __wrap_sensor_pin_object(struct sensor *s, const struct sensor_object *object);
int __wrap_sensor_pin_object(struct sensor *s, const struct sensor_object *object)
{
    (void)s;
    (void)object;
    return 0;
}

void __wrap_sensor_facts(struct sensor *s, struct sensor_facts *ret);
void __wrap_sensor_facts(struct sensor *s, struct sensor_facts *ret)
{
    (void)s;
    *ret = (struct sensor_facts){.old_descriptors = left_on};
}

void __wrap_notice(struct agent *a, const struct notice *n);
void __wrap_notice(struct agent *a, const struct notice *n)
{
    (void)a;
    (void)n;
}

struct bench {
    struct agent a;
    char *dir;
    char linked[4096], policies[4096];
    struct unit_child child;
};

static void make_dir(const struct bench *b, const char *name)
{
    assert_int_equal(mkdir(unit_path(b->dir, name), 0700), 0);
}

// DIR/vault/** is denied; DIR/out is where things come from.
static void open_bench(struct bench *b)
{
    _cleanup_(mount_view_done) struct mount_view view = {};
    struct build_options options = {};
    struct policy_diags diags = {};
    struct error err = {};
    char text[8192];
    char *made = unit_mkdtemp();
    int n;

    *b = (struct bench){.dir = realpath(made, NULL)};
    free(made);
    attached = left_on = false;
    make_dir(b, "vault");
    make_dir(b, "out");
    make_dir(b, "policies");
    n = snprintf(text, sizeof(text),
                 "safeguard: 1\nname: t\nmode: enforce\nfiles:\n  - {path: \"%s/vault/**\", "
                 "access: any, do: deny}\n",
                 b->dir);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(b->dir, "policies/10-t.yaml"), text,
                                       (size_t)n, 0600),
                     0);
    unit_path_in(b->policies, sizeof(b->policies), b->dir, "policies");
    b->a.linked_path = (char *)unit_path_in(b->linked, sizeof(b->linked), b->dir, "linked");
    assert_int_equal(mount_view_read("/proc/self/mountinfo", &view), 0);
    options =
        (struct build_options){.dir = b->policies, .run_dir = "/run/none", .mounts = view.all};
    b->a.config.run_dir = (char *)options.run_dir;
    assert_int_equal(build_policy(&options, &diags, &b->a.policies.now, &err), 0);
    policy_diags_done(&diags);
    assert_int_equal(process_table_new(&(struct process_options){}, &b->a.processes), 0);
    assert_int_equal(loop_new(&b->a.loop), 0);
    assert_int_equal(worker_new(b->a.loop, "scanner", 8, false, &b->a.scanner), 0);
    assert_int_equal(worker_new(b->a.loop, "watcher", 1, false, &b->a.watcher), 0);
}

static void close_bench(struct bench *b)
{
    b->a.stopping = true;
    worker_free(b->a.scanner);
    worker_free(b->a.watcher);
    loop_free(b->a.loop);
    descriptors_stop(&b->a);
    sb_done(&b->a.links.known);
    object_names_done(&b->a.links.names);
    process_table_free(b->a.processes);
    loaded_unref(b->a.policies.now);
    unit_rmdir(b->dir);
}

// A child that has DIR/name open for reading.
static void hold_open(const struct unit_hold *h)
{
    if (open(h->path, O_RDONLY | O_CREAT, 0600) < 0)
        _exit(2);
}

static void hold(struct bench *b, const char *name)
{
    b->child = unit_child_start(hold_open, unit_path(b->dir, name));
}

static void make_link(const struct bench *b, const char *from, const char *to)
{
    char x[4096], y[4096];

    assert_int_equal(link(unit_path_in(x, sizeof(x), b->dir, from),
                          unit_path_in(y, sizeof(y), b->dir, to)),
                     0);
}

static void make_rename(const struct bench *b, const char *from, const char *to)
{
    char x[4096], y[4096];

    assert_int_equal(rename(unit_path_in(x, sizeof(x), b->dir, from),
                            unit_path_in(y, sizeof(y), b->dir, to)),
                     0);
}

static bool is_busy(const struct agent *a)
{
    return a->descriptors.running || a->links.running || a->descriptors.missed;
}

// Lets the agent work until it has nothing to do but to look again later, and is (or is not) checking.
static void work_until(struct bench *b, bool checking)
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + DEADLINE_NS;

    do {
        assert_true(now_ns(CLOCK_MONOTONIC) < deadline);
        assert_true(loop_run_once(b->a.loop, 10) >= 0);
        descriptors_tick(&b->a);
    } while (is_busy(&b->a) || b->a.descriptors.on != checking);
    assert_int_equal(attached, checking);
    assert_int_equal(b->a.descriptors.why != NULL, checking);
}

static void enter(struct bench *b, const char *name, uint64_t ino, uint32_t mode)
{
    const char *path = unit_path(b->dir, name);
    const struct event ev = {
        .kind = EVENT_ENTERED,
        .path = {.kind = EVENT_PATH_HOST, .bytes = {path, (uint32_t)strlen(path)}},
        .dev = 1,
        .ino = ino,
        .mode_bits = mode,
    };

    descriptors_entered(&b->a, &ev);
}

// The kernel could not say that there was something to look for.
static void lose_a_record(struct bench *b)
{
    b->a.losses.counters[SG_COUNT_PROCESS_LOST]++;
    records_tick(&b->a);
}

static void test_more_than_are_remembered(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    for (uint64_t i = 0; i < DESCRIPTORS_ENTERED + 10; i++)
        enter(&b, "vault/x", 1000000 + i, S_IFREG);
    assert_true(attached);
    assert_int_equal(b.a.descriptors.n_cut, 10);
    work_until(&b, false);
    assert_int_equal(b.a.descriptors.found, 0);
    assert_int_equal(b.a.descriptors.n_entered, 0);
    close_bench(&b);
}

static void test_a_lost_record_is_made_good(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    hold(&b, "out/f");
    descriptors_scan(&b.a);
    links_scan(&b.a);
    work_until(&b, false);
    make_link(&b, "out/f", "vault/f");
    lose_a_record(&b);
    assert_true(attached);
    work_until(&b, true);
    assert_int_equal(b.a.descriptors.found, 1);
    unit_child_end(&b.child);
    descriptors_scan(&b.a);
    work_until(&b, false);
    close_bench(&b);
}

// However many are lost, all is looked through at most every few seconds.
static void test_lost_records_do_not_keep_it_busy(void **state)
{
    struct bench b;
    uint64_t asked;

    (void)state;
    open_bench(&b);
    lose_a_record(&b);
    asked = b.a.links.asked;
    for (int i = 0; i < 100; i++)
        lose_a_record(&b);
    assert_true(b.a.descriptors.missed);
    assert_int_equal(b.a.links.asked, asked);
    assert_true(attached);
    work_until(&b, false);
    assert_true(b.a.links.asked > asked);
    close_bench(&b);
}

static void test_beneath_a_directory_that_was_moved(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    make_dir(&b, "out/dir");
    hold(&b, "out/f");
    make_link(&b, "out/f", "out/dir/g");
    make_rename(&b, "out/dir", "vault/dir");
    enter(&b, "vault/dir", 7, S_IFDIR);
    work_until(&b, true);
    assert_int_equal(b.a.descriptors.found, 1);
    unit_child_end(&b.child);
    descriptors_scan(&b.a);
    work_until(&b, false);
    close_bench(&b);
}

// What is known is forgotten when nobody has it open, also while somebody has something else open.
static void test_forgets_what_is_closed(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    hold(&b, "vault/held");
    for (uint64_t i = 0; i < DESCRIPTORS_ENTERED; i++)
        enter(&b, "vault/x", 1000000 + i, S_IFREG);
    work_until(&b, true);
    assert_int_equal(b.a.descriptors.found, 1);
    assert_int_equal(b.a.descriptors.n_entered, 0);
    assert_int_equal(b.a.descriptors.n_cut, 0);
    unit_child_end(&b.child);
    close_bench(&b);
}

static void test_an_earlier_agent_left_it_on(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    left_on = attached = true;
    descriptors_start(&b.a);
    assert_true(b.a.descriptors.on);
    assert_non_null(b.a.descriptors.why);
    descriptors_scan(&b.a);
    assert_true(attached);
    work_until(&b, false);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_more_than_are_remembered),
          cmocka_unit_test(test_a_lost_record_is_made_good),
          cmocka_unit_test(test_lost_records_do_not_keep_it_busy),
          cmocka_unit_test(test_beneath_a_directory_that_was_moved),
          cmocka_unit_test(test_forgets_what_is_closed),
          cmocka_unit_test(test_an_earlier_agent_left_it_on))
