// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/wait.h>

#include "agent/output.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"

#define WAIT_MS 5000

struct bench {
    struct loop *loop;
    struct output *output;
    char *dir;
    char path[4096];
};

static void open_bench(struct bench *b, const char *name)
{
    struct sink_options options = {.kind = CONFIG_OUTPUT_FILE, .path = b->path};

    *b = (struct bench){.dir = unit_mkdtemp()};
    (void)unit_path_in(b->path, sizeof(b->path), b->dir, name);
    options.path = b->path;
    assert_int_equal(loop_new(&b->loop), 0);
    assert_int_equal(output_new(b->loop, &options, &b->output), 0);
}

static void close_bench(struct bench *b)
{
    output_free(b->output);
    loop_free(b->loop);
    unit_rmdir(b->dir);
}

static struct output_counters counters_of(const struct bench *b)
{
    struct output_counters c;

    output_counters(b->output, &c);
    return c;
}

static size_t count_lines(const char *path)
{
    _cleanup_free_ char *text = NULL;
    size_t n = 0;

    if (read_file_bounded(AT_FDCWD, path, 64 << 20, &text, NULL) < 0)
        return 0;
    for (const char *p = text; *p; p++)
        n += *p == '\n';
    return n;
}

static void test_flushes_by_time(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, "events");
    assert_int_equal(output_add(b.output, "{}", 2, false), 0);
    assert_int_equal(counters_of(&b).waiting, 3);
    while (counters_of(&b).sink.bytes == 0)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(count_lines(b.path), 1);
    assert_int_equal(counters_of(&b).waiting, 0);
    close_bench(&b);
}

// Many lines are few writes, in order, none lost; what waits at the end is written.
static void test_batches(void **state)
{
    _cleanup_free_ char *text = NULL;
    struct bench b;
    char line[16];

    (void)state;
    open_bench(&b, "events");
    for (int i = 0; i < 50000; i++) {
        (void)snprintf(line, sizeof(line), "%08d", i);
        assert_int_equal(output_add(b.output, line, 8, false), 0);
        if (i % 10000 == 0)
            (void)loop_run_once(b.loop, 0);
    }
    output_free(b.output);
    assert_int_equal(read_file_bounded(AT_FDCWD, b.path, 1 << 20, &text, NULL), 0);
    for (int i = 0; i < 50000; i++) {
        (void)snprintf(line, sizeof(line), "%08d\n", i);
        assert_memory_equal(text + (size_t)i * 9, line, 9);
    }
    assert_int_equal(strlen(text), 450000);
    loop_free(b.loop);
    unit_rmdir(b.dir);
}

// The destination cannot be written: bounded in memory, denials are kept longer than audits, all of it is
// counted, and written once it can be.
static void test_destination_fails_and_recovers(void **state)
{
    _cleanup_free_ char *line = mallocz(1000);
    uint64_t audits = 0, denials = 0;
    struct bench b;
    int fd;

    (void)state;
    open_bench(&b, "blocked/events");
    fd = open(unit_path(b.dir, "blocked"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    memset(line, 'x', 999);
    assert_int_equal(output_add(b.output, line, 999, false), 0);
    while (counters_of(&b).failures == 0)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(counters_of(&b).error, -ENOTDIR);
    assert_true(counters_of(&b).failing_since > 0);

    while (output_add(b.output, line, 999, false) == 0)
        audits++;
    while (output_add(b.output, line, 999, true) == 0)
        denials++;
    assert_int_equal(audits, OUTPUT_AUDIT_MAX / 1000);
    assert_int_equal(audits + denials, OUTPUT_BYTES_MAX / 1000);
    assert_int_equal(counters_of(&b).dropped, 2);

    assert_int_equal(unlink(unit_path(b.dir, "blocked")), 0);
    while (counters_of(&b).sink.bytes < (1 + audits + denials) * 1000)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(count_lines(b.path), 1 + audits + denials);
    assert_int_equal(counters_of(&b).error, 0);
    assert_int_equal(counters_of(&b).failing_since, 0);
    close_bench(&b);
}

// What cannot be written at the end is lost, and counted: what waits, and what was begun.
static void test_lost_at_the_end(void **state)
{
    _cleanup_free_ char *line = mallocz(1000);
    struct output_lost lost;
    struct bench b;
    char dir[4096];

    (void)state;
    open_bench(&b, "full/events");
    (void)unit_path_in(dir, sizeof(dir), b.dir, "full");
    assert_int_equal(symlink("/dev/null/none", dir), 0);
    memset(line, 'x', 999);
    for (int i = 0; i < 3; i++)
        assert_int_equal(output_add(b.output, line, 999, true), 0);
    while (counters_of(&b).failures == 0)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(output_add(b.output, line, 999, true), 0);
    output_stop(b.output, &lost);
    assert_int_equal(lost.lines, 7);
    assert_int_equal(lost.bytes, 7000);
    assert_int_equal(lost.error, -ENOTDIR);
    close_bench(&b);
}

static void test_nothing_lost_at_the_end(void **state)
{
    struct output_lost lost = {.lines = 99};
    struct bench b;

    (void)state;
    open_bench(&b, "events");
    assert_int_equal(output_add(b.output, "one", 3, true), 0);
    output_stop(b.output, &lost);
    assert_int_equal(lost.lines, 0);
    assert_int_equal(lost.bytes, 0);
    assert_int_equal(count_lines(b.path), 1);
    close_bench(&b);
}

// In a process of its own: the worker that hangs keeps what it may touch. Returns the number of the step that failed.
static int hang_at_the_end(void)
{
    struct sink_options options = {.kind = CONFIG_OUTPUT_STDOUT};
    _cleanup_free_ char *line = mallocz(1000);
    struct output_lost lost;
    struct output *output;
    struct loop *loop;
    uint64_t n = 0;
    int fds[2];

    if (!line || pipe2(fds, O_CLOEXEC) < 0 || dup2(fds[1], STDOUT_FILENO) < 0 ||
        loop_new(&loop) < 0 || output_new(loop, &options, &output) < 0)
        return 1;
    memset(line, 'x', 999);
    for (; n < OUTPUT_FLUSH_BYTES / 1000 + 5; n++)
        if (output_add(output, line, 999, true) < 0)
            return 2;
    output_stop(output, &lost);
    if (lost.lines != n || lost.bytes != n * 1000)
        return 3;
    return lost.error == -ETIMEDOUT ? 0 : 4;
}

// The destination hangs: what the worker has is lost, too, as far as anybody knows.
static void test_hangs_at_the_end(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    (void)fflush(stdout);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(hang_at_the_end());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_reopen(void **state)
{
    char moved[4096];
    struct bench b;

    (void)state;
    open_bench(&b, "events");
    (void)unit_path_in(moved, sizeof(moved), b.dir, "moved");
    assert_int_equal(output_add(b.output, "one", 3, true), 0);
    while (counters_of(&b).sink.bytes < 4)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(rename(b.path, moved), 0);
    output_reopen(b.output);
    assert_int_equal(output_add(b.output, "two", 3, true), 0);
    while (counters_of(&b).sink.bytes < 8)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(count_lines(moved), 1);
    assert_int_equal(count_lines(b.path), 1);
    assert_int_equal(counters_of(&b).sink.reopened, 1);
    close_bench(&b);
}

static void test_line_that_failed(void **state)
{
    struct strbuf *lines;
    struct bench b;
    size_t before;

    (void)state;
    open_bench(&b, "events");
    assert_int_equal(output_add(b.output, "whole", 5, false), 0);
    lines = output_begin(b.output);
    before = lines->len;
    sb_puts(lines, "half of");
    lines->failed = true; // as when there is no memory
    assert_int_equal(output_end(b.output, true), -ENOBUFS);
    assert_int_equal(lines->len, before);
    assert_int_equal(counters_of(&b).dropped, 1);
    assert_int_equal(output_add(b.output, "again", 5, false), 0);
    while (counters_of(&b).sink.bytes < 12)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(count_lines(b.path), 2);
    close_bench(&b);
}

static void test_behind(void **state)
{
    _cleanup_free_ char *line = mallocz(1000);
    uint64_t n = 0, start = now_ns(CLOCK_MONOTONIC);
    struct bench b;

    (void)state;
    open_bench(&b, "events");
    memset(line, 'x', 999);
    // The worker gets the first batch and cannot hand it back while the loop does not run.
    for (; n < (OUTPUT_FLUSH_BYTES + OUTPUT_BEHIND) / 1000; n++) {
        assert_int_equal(output_add(b.output, line, 999, false), 0);
        assert_false(output_is_behind(b.output));
    }
    for (int i = 0; i < 2; i++, n++)
        assert_int_equal(output_add(b.output, line, 999, false), 0);
    assert_true(output_is_behind(b.output) ||
                now_ns(CLOCK_MONOTONIC) > start + OUTPUT_BEHIND_MS * NS_PER_MS);
    // One that hangs is not waited for.
    while (output_is_behind(b.output))
        assert_true(now_ns(CLOCK_MONOTONIC) < start + 100 * OUTPUT_BEHIND_MS * NS_PER_MS);
    while (counters_of(&b).sink.bytes < n * 1000)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    assert_int_equal(counters_of(&b).dropped, 0);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_flushes_by_time), cmocka_unit_test(test_batches),
          cmocka_unit_test(test_destination_fails_and_recovers),
          cmocka_unit_test(test_lost_at_the_end), cmocka_unit_test(test_nothing_lost_at_the_end),
          cmocka_unit_test(test_hangs_at_the_end), cmocka_unit_test(test_reopen),
          cmocka_unit_test(test_line_that_failed), cmocka_unit_test(test_behind))
