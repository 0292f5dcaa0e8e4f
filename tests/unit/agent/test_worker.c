// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "agent/worker.h"
#include "base/macro.h"

#define WAIT_MS 5000

struct task {
    struct job job;
    atomic_int runs;
    int done, ran;
    pthread_t thread;
    int gate; // read from before it ends; -1: none
    struct worker *worker;
};

static void run_task(struct job *job, struct worker *w)
{
    struct task *t = container_of(job, struct task, job);
    char c;

    t->thread = pthread_self();
    t->runs++;
    t->worker = w;
    if (t->gate >= 0)
        (void)!read(t->gate, &c, 1);
}

static void task_done(struct job *job, bool ran)
{
    struct task *t = container_of(job, struct task, job);

    t->done++;
    t->ran += ran;
}

static struct task task_new(void)
{
    return (struct task){.job = {.run = run_task, .done = task_done}, .gate = -1};
}

static void test_runs_elsewhere_and_comes_back(void **state)
{
    struct task tasks[3] = {task_new(), task_new(), task_new()};
    struct worker *w = NULL;
    struct loop *loop = NULL;

    (void)state;
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_new(loop, "test", 3, true, &w), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(worker_submit(w, &tasks[i].job), 0);
    while (tasks[2].done == 0)
        assert_true(loop_run_once(loop, WAIT_MS) > 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tasks[i].runs, 1);
        assert_int_equal(tasks[i].done, 1);
        assert_int_equal(tasks[i].ran, 1);
        assert_false(pthread_equal(tasks[i].thread, pthread_self()));
    }
    worker_free(w);
    loop_free(loop);
}

static void test_bounded(void **state)
{
    struct task tasks[3] = {task_new(), task_new(), task_new()};
    struct worker *w = NULL;
    struct loop *loop = NULL;
    int gate[2];

    (void)state;
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    tasks[0].gate = gate[0];
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_new(loop, "test", 2, false, &w), 0);
    assert_int_equal(worker_submit(w, &tasks[0].job), 0);
    assert_int_equal(worker_submit(w, &tasks[1].job), 0);
    assert_int_equal(worker_submit(w, &tasks[2].job), -EBUSY);
    assert_int_equal(write(gate[1], "x", 1), 1);
    while (tasks[1].done == 0)
        assert_true(loop_run_once(loop, WAIT_MS) > 0);
    assert_int_equal(worker_submit(w, &tasks[2].job), 0);
    while (tasks[2].done == 0)
        assert_true(loop_run_once(loop, WAIT_MS) > 0);
    worker_free(w);
    loop_free(loop);
    (void)close(gate[0]);
    (void)close(gate[1]);
}

// What waits when it ends comes back unrun; what runs is waited for.
static void test_free_gives_back(void **state)
{
    struct task tasks[2] = {task_new(), task_new()};
    struct worker *w = NULL;
    struct loop *loop = NULL;
    int gate[2];

    (void)state;
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    tasks[0].gate = gate[0];
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_new(loop, "test", 2, false, &w), 0);
    assert_int_equal(worker_submit(w, &tasks[0].job), 0);
    assert_int_equal(worker_submit(w, &tasks[1].job), 0);
    while (tasks[0].runs == 0)
        (void)sched_yield();
    (void)close(gate[1]); // lets the first one go; the second may or may not begin
    worker_free(w);
    assert_int_equal(tasks[0].done, 1);
    assert_int_equal(tasks[0].ran, 1);
    assert_int_equal(tasks[1].done, 1);
    assert_int_equal(tasks[1].ran, tasks[1].runs);
    loop_free(loop);
    (void)close(gate[0]);
}

static void run_until_stopped(struct job *job, struct worker *w)
{
    struct task *t = container_of(job, struct task, job);

    t->runs = 1;
    while (!worker_stopping(w))
        (void)sched_yield();
}

static void test_stop_ends_a_job_that_asks(void **state)
{
    struct task t = task_new();
    struct worker *w = NULL;
    struct loop *loop = NULL;

    (void)state;
    t.job.run = run_until_stopped;
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_new(loop, "test", 2, false, &w), 0);
    assert_int_equal(worker_submit(w, &t.job), 0);
    while (t.runs == 0)
        (void)sched_yield();
    assert_true(worker_stop(w));
    assert_true(worker_stop(w));
    assert_int_equal(t.done, 0);
    worker_free(w);
    assert_int_equal(t.done, 1);
    assert_true(worker_stop(NULL));
    loop_free(loop);
}

UNIT_MAIN(cmocka_unit_test(test_runs_elsewhere_and_comes_back), cmocka_unit_test(test_bounded),
          cmocka_unit_test(test_free_gives_back), cmocka_unit_test(test_stop_ends_a_job_that_asks))
