// SPDX-License-Identifier: Apache-2.0
//
// A writer that is killed at any point, again and again: what it acknowledged is there, and everything once.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/store/suite.h"

const char *const suite_scheme = "sqlite";

#define HOST   "host-0"
#define ROUNDS 25

// Appends without end, in steps that are unlike one another, and says each number that was acknowledged.
static void write_on(struct fixture *f, int fd)
{
    struct stream_id id = stream_of(0);
    uint64_t next = 0, seed = (uint64_t)getpid();

    f->options.file_bytes = 400000; // files are begun all the while, too
    fixture_open(f);
    if (store_acked(f->st, HOST, &id, &next) != 0)
        _exit(2);
    for (;;) {
        _cleanup_(sb_done) struct strbuf text = {};
        struct store_appended a = {};
        uint64_t first = next > 5 ? next - seed % 5
                                  : next + 1; // what is there already is sent again

        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        for (uint64_t i = first; i < first + 1 + (seed >> 33) % 200; i++)
            sb_printf(&text, "{\"time\":%llu,\"message\":\"number %llu\"}\n",
                      (unsigned long long)(f->now_ms + i), (unsigned long long)i);
        f->now_ms += UINT64_C(1000000);
        if (append_text(f, HOST, 0, first, text.s, &a) != 0)
            _exit(3);
        next = a.acked;
        if (write(fd, &next, sizeof(next)) != sizeof(next))
            _exit(4);
    }
}

struct seen {
    uint64_t next;
};

static int in_order(void *ctx, const struct store_row *row)
{
    struct seen *s = ctx;
    char expected[64];

    assert_int_equal(row->number, s->next);
    (void)snprintf(expected, sizeof(expected), "\"number %llu\"", (unsigned long long)s->next);
    assert_non_null(memmem(row->line, row->len, expected, strlen(expected)));
    s->next++;
    return 0;
}

static int add_records(void *ctx, const char *key, uint64_t from_ms,
                       const struct store_count *count)
{
    (void)key;
    (void)from_ms;
    *(uint64_t *)ctx += count->records;
    return 0;
}

// All numbers once and in order, and counted as often in roll-ups, lists and the index.
static uint64_t check(struct fixture *f, uint64_t acknowledged)
{
    struct stream_id id = stream_of(0);
    struct seen s = {.next = 1};
    struct store_chart chart;
    struct store_stats stats;
    uint64_t acked = 0, counted = 0;
    uint32_t n = 0;

    fixture_open(f);
    assert_int_equal(f->told[STORE_TOLD_CORRUPT], 0);
    assert_int_equal(store_acked(f->st, HOST, &id, &acked), 0);
    assert_true(acked >= acknowledged);
    do
        assert_int_equal(store_since(f->st, HOST, &id, s.next - 1, 1000, in_order, &s, &n, &f->err),
                         0);
    while (n > 0);
    assert_int_equal(s.next - 1, acked);
    assert_int_equal(store_stats(f->st, &stats), 0);
    assert_int_equal(stats.records, acked);
    assert_int_equal(store_rollup(f->st,
                                  &(struct store_filter){.from_ms = UINT64_C(1764000000000),
                                                         .to_ms = UINT64_C(1800000000000)},
                                  STORE_BY_NONE, UINT64_C(86400000), 10, add_records, &counted,
                                  &chart, &f->err),
                     0);
    assert_int_equal(counted, acked);
    if (acked > 0) {
        struct store_page page = {};
        struct lines l = {};
        char text[64];

        (void)snprintf(text, sizeof(text), "\"number %llu\"", (unsigned long long)acked);
        assert_int_equal(store_query(f->st, &(struct store_filter){.text = text}, 10, NULL, true,
                                     collect_line, &l, &page, &f->err),
                         0);
        assert_int_equal(l.n, 1);
        sb_done(&l.text);
    }
    f->st = store_close(f->st);
    return acked;
}

static void test_killed_writers(void **state)
{
    uint64_t acknowledged = 0, last = 0, grown = 0;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    f.st = store_close(f.st);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int fds[2], status;
        uint64_t number, until;
        pid_t child;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_on(&f, fds[1]);
            _exit(0);
        }
        (void)close(fds[1]);
        // Some are killed before their first acknowledgement, most a while after it.
        until = now_ns(CLOCK_MONOTONIC) +
                (round % 5 == 4 ? 0 : (10 + round * 37 % 150)) * NS_PER_MS;
        while (round % 5 != 4 && now_ns(CLOCK_MONOTONIC) < until &&
               read(fds[0], &number, sizeof(number)) == sizeof(number))
            acknowledged = number;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(fds[0], &number, sizeof(number)) == sizeof(number))
            acknowledged = number;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        (void)close(fds[0]);
        f.options.file_bytes = 0;
        grown += check(&f, acknowledged) > last;
        last = acknowledged;
        f.now_ms += UINT64_C(100000000);
    }
    assert_true(grown > ROUNDS / 2);
    fixture_open(&f);
    fixture_end(&f);
}

UNIT_MAIN(cmocka_unit_test(test_killed_writers))
