// SPDX-License-Identifier: Apache-2.0
//
// The table with more processes, and more of their texts, than it may hold.
#include "tests/unit/process/fakeproc.h"

#include "base/clock.h"
#include "base/macro.h"
#include "process/process.h"

#define SEC NS_PER_SEC

struct fixture {
    char *proc;
    struct event *ev;
    struct process_table *t;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || event_new(&f->ev) < 0)
        return -1;
    f->proc = unit_mkdtemp();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)process_table_free(f->t);
    (void)event_free(f->ev);
    unit_rmdir(f->proc);
    free(f);
    return 0;
}

static void open_table(struct fixture *f, struct process_options o)
{
    o.proc = f->proc;
    o.passwd = o.group = "/nonexistent";
    o.cgroup_root = "/nonexistent";
    assert_int_equal(process_table_new(&o, &f->t), 0);
}

static struct process_counters counters(struct fixture *f)
{
    struct process_counters c;

    process_table_counters(f->t, &c);
    return c;
}

static void apply(struct fixture *f)
{
    assert_int_equal(process_table_apply(f->t, f->ev), 0);
    assert_non_null(f->ev->who);
}

static void test_too_many_dead(void **state)
{
    struct fixture *f = *state;

    open_table(f, (struct process_options){.max_processes = 100});
    for (uint32_t i = 0; i < 1000; i++) {
        event_fork(f->ev, 5, 5, 1000 + i, 1000 + i, SEC);
        apply(f);
        assert_int_equal(f->ev->target->ref.tgid, 1000 + i);
        event_of(f->ev, EVENT_EXIT, 1000 + i, 1000 + i, SEC);
        apply(f);
    }
    assert_int_equal(counters(f).live, 1); // the parent was never chosen
    assert_int_equal(counters(f).dead, 99);
    assert_int_equal(counters(f).evicted_dead, 1000 - 99);
    assert_int_equal(counters(f).evicted_live, 0);
}

static void test_too_many_living(void **state)
{
    struct fixture *f = *state;

    open_table(f, (struct process_options){.max_processes = 100});
    for (uint32_t i = 0; i < 1000; i++) {
        // The parent is busy, its children never show up again.
        event_fork(f->ev, 5, 5, 1000 + i, 1000 + i, SEC);
        apply(f);
        assert_text(f->ev->target->ancestors[0].comm, "p5");
    }
    assert_int_equal(counters(f).live, 100);
    assert_int_equal(counters(f).evicted_live, 1001 - 100);
    assert_int_equal(counters(f).incomplete, 1); // the parent, once
}

// A chain longer than what is shown, whose upper end is evicted again and again.
static void test_long_chain(void **state)
{
    struct fixture *f = *state;
    const struct who *w;

    open_table(f, (struct process_options){.max_processes = 64});
    for (uint32_t i = 0; i < 500; i++) {
        event_fork(f->ev, 1000 + i, 1000 + i, 1001 + i, 1001 + i, SEC);
        apply(f);
    }
    event_of(f->ev, EVENT_FILE, 1500, 1500, SEC);
    apply(f);
    w = f->ev->who;
    assert_int_equal(w->n_ancestors, WHO_ANCESTORS_MAX);
    for (uint32_t i = 0; i < w->n_ancestors; i++)
        assert_int_equal(w->ancestors[i].ref.tgid, 1499 - i);
}

static void test_texts(void **state)
{
    struct fixture *f = *state;
    char exe[64], args[900];

    open_table(f, (struct process_options){.max_text_bytes = 64 << 10});
    memset(args, 'a', sizeof(args));
    for (uint32_t i = 0; i < 2000; i++) {
        (void)snprintf(exe, sizeof(exe), "/usr/bin/program-%u", i);
        (void)snprintf(args, sizeof(args) - 1, "%u", i);
        event_exec(f->ev, 1000 + i, 1000 + i, exe, args, sizeof(args), SEC);
        apply(f);
        assert_int_equal(f->ev->target->exe.len, strlen(exe));
        assert_memory_equal(f->ev->target->exe.s, exe, strlen(exe));
        assert_true(counters(f).text_bytes <= (64 << 10) + 2048);
    }
    assert_true(counters(f).evicted_live > 1000);
}

// 32,768 processes with a program of their own each, as the default allows.
static void test_memory(void **state)
{
    struct fixture *f = *state;
    char exe[64];

    open_table(f, (struct process_options){});
    for (uint32_t i = 0; i < 32767; i++) {
        event_fork(f->ev, 5, 5, 1000 + i, 1000 + i, SEC);
        apply(f);
        (void)snprintf(exe, sizeof(exe), "/usr/bin/program-%u", i % 1000);
        event_exec(f->ev, 1000 + i, 1000 + i, exe, "program\0argument\0", 17, 2 * SEC);
        apply(f);
    }
    assert_int_equal(counters(f).live, 32768);
    assert_true(counters(f).memory < 10 << 20);
    assert_int_equal(counters(f).evicted_live, 0);
    // The programs before are forgotten in the course of time.
    for (int i = 0; i < 32768 / 64; i++)
        process_table_tick(f->t, 40 * SEC);
    assert_true(counters(f).memory < 8 << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_too_many_dead), TEST(test_too_many_living), TEST(test_long_chain),
          TEST(test_texts), TEST(test_memory))
