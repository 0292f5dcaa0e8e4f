// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "analysis/top.h"
#include "base/clock.h"
#include "base/macro.h"

#define START (100 * PROCESS_TICK_NS)

static struct procstat before_stats[] = {
    {.ref = {10, START}, .cpu_ns = NS_PER_SEC, .threads = 1, .rss_bytes = 4096, .state = 'S'},
    {.ref = {20, START}, .cpu_ns = NS_PER_SEC, .threads = 1},
};
static struct procstat now_stats[] = {
    {.ref = {10, START},
     .cpu_ns = 2 * NS_PER_SEC,
     .threads = 3,
     .rss_bytes = 8192,
     .read_bytes = 1000},
    {.ref = {20, START + PROCESS_TICK_NS},
     .cpu_ns = NS_PER_SEC / 2,
     .threads = 1,
     .rss_bytes = 1 << 20},
};

static const struct top_sample before = {
    .number = 1,
    .time_ns = 10 * NS_PER_SEC,
    .processes = {.items = before_stats, .n = 2},
};

static const struct top_sample now = {
    .number = 2,
    .time_ns = 12 * NS_PER_SEC,
    .processes = {.items = now_stats, .n = 2},
};

static void test_usage(void **state)
{
    _cleanup_(top_rows_done) struct top_rows rows = {};

    (void)state;
    assert_int_equal(top_compare(&before, &now, TOP_SORT_cpu, 10, &rows), 0);
    assert_int_equal(rows.all, 2);
    assert_int_equal(rows.time_ns, 2 * NS_PER_SEC);
    assert_int_equal(rows.items[0].ref.tgid, 10);
    assert_int_equal(rows.items[0].cpu_permille, 500);
    assert_int_equal(rows.items[0].read_bytes, 500);
    // Another process with the same number is not compared with the one before.
    assert_int_equal(rows.items[1].ref.tgid, 20);
    assert_int_equal(rows.items[1].cpu_permille, 250);
    assert_false(rows.items[0].has_sched);
}

static void test_sorts_and_limit(void **state)
{
    static const struct {
        enum top_sort sort;
        uint32_t first;
    } cases[] = {{TOP_SORT_cpu, 10},
                 {TOP_SORT_memory, 20},
                 {TOP_SORT_threads, 10},
                 {TOP_SORT_io, 10}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(top_rows_done) struct top_rows rows = {};

        assert_int_equal(top_compare(&before, &now, cases[i].sort, 1, &rows), 0);
        assert_int_equal(rows.n, 1);
        assert_int_equal(rows.all, 2);
        assert_int_equal(rows.items[0].ref.tgid, cases[i].first);
    }
}

static void test_words(void **state)
{
    enum top_sort sort;

    (void)state;
#define TOP_SORT(id, word)                           \
    assert_int_equal(top_sort_find(word, &sort), 0); \
    assert_int_equal(sort, TOP_SORT_##id);
#include "analysis/top.def"
    assert_int_equal(top_sort_find("colour", &sort), -EINVAL);
}

static struct sched_process sched_before[] = {
    {{.tgid = 10, .start_ns = START + 5}, {.on_ns = NS_PER_SEC, .switches = 100}},
};
static struct sched_process sched_now[] = {
    {{.tgid = 10, .start_ns = START + 5},
     {.on_ns = 2 * NS_PER_SEC,
      .switches = 300,
      .involuntary = 20,
      .delay_ns = 20 * NS_PER_MS,
      .off_ns = {[SG_SCHED_SLEEP] = NS_PER_SEC},
      .delays = {[0] = 190, [7] = 9, [11] = 1}}},
    {{.tgid = 15, .start_ns = START}, {.on_ns = NS_PER_MS * 200, .switches = 2}, .ended = true},
    {{.tgid = 16, .start_ns = START},
     {.on_ns = NS_PER_SEC}}, // neither there nor known to have ended
};

static void test_sched(void **state)
{
    struct top_sample a = before, b = now;
    _cleanup_(top_rows_done) struct top_rows rows = {};
    const struct top_sched *s;

    (void)state;
    a.has_sched = b.has_sched = true;
    a.sched = (struct sched_reading){.items = sched_before, .n = ARRAY_SIZE(sched_before)};
    b.sched = (struct sched_reading){.items = sched_now, .n = ARRAY_SIZE(sched_now)};
    b.sched.host = (struct sg_sched_host){.switches = 500, .delay_ns = 100, .delays = {[1] = 10}};
    assert_int_equal(top_compare(&a, &b, TOP_SORT_cpu, 10, &rows), 0);
    assert_int_equal(rows.all, 3);
    assert_int_equal(rows.switches, 250);
    assert_int_equal(rows.delay.mean_ns, 10);
    assert_int_equal(rows.items[0].ref.start_ns, START + 5);
    s = &rows.items[0].sched;
    assert_int_equal(s->switches, 100);
    assert_int_equal(s->involuntary, 10);
    assert_int_equal(s->on_permille, 500);
    assert_int_equal(s->off_permille[SG_SCHED_SLEEP], 500);
    assert_int_equal(s->wait_permille, 10);
    assert_int_equal(s->delay.count, 200);
    assert_int_equal(s->delay.mean_ns, 100 * NS_PER_US);
    assert_int_equal(s->delay.p95_ns, SG_SCHED_SLOT_BASE);
    assert_int_equal(s->delay.max_ns, SG_SCHED_SLOT_BASE << 11);
    // What has ended is listed without what procfs would say.
    assert_int_equal(rows.items[2].ref.tgid, 15);
    assert_null(rows.items[2].process);
    assert_int_equal(rows.items[2].sched.on_permille, 100);
}

// Read while something ended, a sum may seem to shrink.
static void test_shrinks(void **state)
{
    struct top_sample a = before, b = now;
    _cleanup_(top_rows_done) struct top_rows rows = {};

    (void)state;
    a.has_sched = b.has_sched = true;
    a.sched = (struct sched_reading){.items = sched_now, .n = 1};
    b.sched = (struct sched_reading){.items = sched_before, .n = 1};
    assert_int_equal(top_compare(&a, &b, TOP_SORT_cpu, 10, &rows), 0);
    for (size_t i = 0; i < rows.n; i++) {
        assert_int_equal(rows.items[i].sched.on_permille, 0);
        assert_int_equal(rows.items[i].sched.delay.count, 0);
    }
}

static void test_percentile(void **state)
{
    uint64_t delays[SG_SCHED_SLOTS] = {[3] = 95, [5] = 5};
    struct top_delay d;

    (void)state;
    top_delay_of(delays, 1000, &d);
    assert_int_equal(d.count, 100);
    assert_int_equal(d.p95_ns, SG_SCHED_SLOT_BASE << 3);
    delays[5]++;
    top_delay_of(delays, 1010, &d);
    assert_int_equal(d.p95_ns, SG_SCHED_SLOT_BASE << 5);
    assert_int_equal(d.max_ns, SG_SCHED_SLOT_BASE << 5);
    assert_int_equal(d.mean_ns, 10);
}

// Tasks and what ended ones left, in any order: each process once, with all of it.
static void test_merge(void **state)
{
    struct sched_process items[] = {
        {{.tgid = 11, .start_ns = START}, {.on_ns = 1}},
        {{.tgid = 10, .start_ns = START},
         {.on_ns = 5, .off_ns = {[SG_SCHED_IO] = 1}, .delay_ns = 2, .delays = {[27] = 1}}},
        {{.tgid = 11, .start_ns = START + 1}, {.on_ns = 7}},
        {{.tgid = 10, .start_ns = START},
         {.off_ns = {[SG_SCHED_IO] = 2}, .switches = 3, .involuntary = 1, .delays = {[27] = 2}},
         .ended = true},
        {{.tgid = 10, .start_ns = START}, {.on_ns = 10, .delay_ns = 1}},
    };
    struct sched_reading r = {.items = items, .n = ARRAY_SIZE(items)};

    (void)state;
    sched_merge(&r);
    assert_int_equal(r.n, 3);
    assert_int_equal(items[0].key.tgid, 10);
    assert_int_equal(items[0].sums.on_ns, 15);
    assert_int_equal(items[0].sums.off_ns[SG_SCHED_IO], 3);
    assert_int_equal(items[0].sums.delay_ns, 3);
    assert_int_equal(items[0].sums.switches, 3);
    assert_int_equal(items[0].sums.involuntary, 1);
    assert_int_equal(items[0].sums.delays[27], 3);
    assert_true(items[0].ended);
    // The same number, another process.
    assert_int_equal(items[1].sums.on_ns, 1);
    assert_int_equal(items[2].sums.on_ns, 7);
    assert_false(items[1].ended);
    assert_int_equal(r.untold, 0);
}

static void test_merge_bound(void **state)
{
    struct sched_reading r = {};

    (void)state;
    sched_merge(&r);
    assert_int_equal(r.n, 0);
    r.n = 20000;
    r.items = test_calloc(r.n, sizeof(*r.items));
    for (size_t i = 0; i < r.n; i++)
        r.items[i].key.tgid = (uint32_t)i;
    sched_merge(&r);
    assert_int_equal(r.n + r.untold, 20000);
    assert_true(r.untold > 0);
    test_free(r.items);
}

UNIT_MAIN(cmocka_unit_test(test_usage), cmocka_unit_test(test_sorts_and_limit),
          cmocka_unit_test(test_words), cmocka_unit_test(test_sched),
          cmocka_unit_test(test_shrinks), cmocka_unit_test(test_percentile),
          cmocka_unit_test(test_merge), cmocka_unit_test(test_merge_bound))
