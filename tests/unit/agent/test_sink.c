// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "agent/sink.h"
#include "base/fd.h"
#include "base/macro.h"
#include "spool/spool.h"

static struct sink *open_sink(const char *path, uint64_t rotate_size, uint32_t keep)
{
    const struct sink_options options = {.kind = CONFIG_OUTPUT_FILE,
                                         .path = path,
                                         .rotate_size = rotate_size,
                                         .rotate_keep = keep};
    struct sink *s = NULL;

    assert_int_equal(sink_new(&options, &s), 0);
    return s;
}

static void put(struct sink *s, const char *text)
{
    size_t n;

    assert_int_equal(sink_write(s, text, strlen(text), &n), 0);
    assert_int_equal(n, strlen(text));
}

static void assert_file(const char *path, const char *content)
{
    _cleanup_free_ char *text = NULL;

    assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
    assert_string_equal(text, content);
}

static void test_makes_directory_and_appends(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096];
    struct sink *s;
    struct stat st;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "a/b/events.ndjson");
    s = open_sink(path, 0, 0);
    put(s, "one\n");
    put(s, "two\n");
    sink_free(s);
    s = open_sink(path, 0, 0);
    put(s, "three\n");
    sink_free(s);
    assert_file(path, "one\ntwo\nthree\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640 & ~umask(umask(0)));
    unit_rmdir(dir);
}

static void test_rotates(void **state)
{
    struct sink_counters counters;
    char *dir = unit_mkdtemp();
    char path[4096], name[4200];
    struct sink *s;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "events");
    s = open_sink(path, 8, 2);
    put(s, "1234567\n"); // full by now
    put(s, "aaa\n");
    put(s, "bbb\n"); // full again
    put(s, "ccc\nddd\n");
    put(s, "eee\n");
    sink_counters(s, &counters);
    assert_int_equal(counters.rotations, 3);
    assert_int_equal(counters.bytes, 28);
    sink_free(s);
    assert_file(path, "eee\n");
    (void)snprintf(name, sizeof(name), "%s.1", path);
    assert_file(name, "ccc\nddd\n");
    (void)snprintf(name, sizeof(name), "%s.2", path);
    assert_file(name, "aaa\nbbb\n");
    (void)snprintf(name, sizeof(name), "%s.3", path);
    assert_int_equal(access(name, F_OK), -1);
    unit_rmdir(dir);
}

static void test_keeps_none(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096], name[4200];
    struct sink *s;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "events");
    s = open_sink(path, 4, 0);
    put(s, "aaa\n");
    put(s, "bbb\n");
    sink_free(s);
    assert_file(path, "bbb\n");
    (void)snprintf(name, sizeof(name), "%s.1", path);
    assert_int_equal(access(name, F_OK), -1);
    unit_rmdir(dir);
}

// A run that was ended within a line.
static void test_torn_line(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096];
    struct sink *s;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "events");
    s = open_sink(path, 0, 0);
    put(s, "whole\nto");
    sink_free(s);
    s = open_sink(path, 0, 0);
    put(s, "next\n");
    sink_free(s);
    assert_file(path, "whole\nto\nnext\n");
    unit_rmdir(dir);
}

// The file is moved away, removed, truncated behind our back.
static void test_follows_its_path(void **state)
{
    struct sink_counters counters;
    char *dir = unit_mkdtemp();
    char path[4096], moved[4096];
    struct sink *s;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "events");
    (void)unit_path_in(moved, sizeof(moved), dir, "moved");
    s = open_sink(path, 0, 0);
    put(s, "one\n");
    assert_int_equal(rename(path, moved), 0);
    put(s, "two\n");
    assert_file(moved, "one\n");
    assert_file(path, "two\n");
    assert_int_equal(unlink(path), 0);
    put(s, "three\n");
    assert_file(path, "three\n");
    sink_reopen(s);
    put(s, "four\n");
    assert_file(path, "three\nfour\n");
    sink_counters(s, &counters);
    assert_int_equal(counters.reopened, 3);
    sink_free(s);
    unit_rmdir(dir);
}

// A full disk, played by a limit on the size of files: what was taken is exact, and the rest goes on where it
// was torn once there is room.
static void test_full_disk(void **state)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct rlimit limit, small;
    char *dir = unit_mkdtemp();
    const char text[] = "0123456789\nabcdefghij\n";
    char path[4096];
    struct sink *s;
    size_t n, more;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "events");
    assert_int_equal(sigaction(SIGXFSZ, &ignore, &before), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    s = open_sink(path, 4, 1); // would rotate, but not within a line
    small = (struct rlimit){.rlim_cur = 15, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(sink_write(s, text, strlen(text), &n), -EFBIG);
    assert_int_equal(n, 15);
    assert_int_equal(sink_write(s, text + n, strlen(text) - n, &more), -EFBIG);
    assert_int_equal(more, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    put(s, text + n);
    assert_file(path, text);
    sink_free(s);
    assert_int_equal(sigaction(SIGXFSZ, &before, NULL), 0);
    unit_rmdir(dir);
}

// Lines go to their classes without the byte that says so.
static void test_spool(void **state)
{
    static const char lines[] = "0{\"n\":1}\n1{\"n\":2}\n0{\"n\":3}\n";
    struct sink_options options = {};
    struct spool_lease lease;
    struct sink *s = NULL;
    char *dir = unit_mkdtemp();
    size_t n;

    (void)state;
    assert_int_equal(spool_new(&(struct spool_options){.dir = dir,
                                                       .max_bytes = 1 << 20,
                                                       .boot_id =
                                                           "0a0a0a0a-1111-4222-8333-444444444444"},
                               &options.spool, NULL),
                     0);
    assert_int_equal(sink_new(&options, &s), 0);
    assert_int_equal(sink_write(s, lines, sizeof(lines) - 1, &n), 0);
    assert_int_equal(n, sizeof(lines) - 1);
    assert_int_equal(spool_lease(options.spool, STREAM_SECURITY, 10, 1000, &lease), 1);
    assert_int_equal(lease.n, 2);
    assert_memory_equal(lease.data, "{\"n\":1}\n{\"n\":3}\n", lease.len);
    assert_int_equal(spool_lease(options.spool, STREAM_AUDIT, 10, 1000, &lease), 1);
    assert_memory_equal(lease.data, "{\"n\":2}\n", lease.len);
    sink_free(s);
    spool_free(options.spool);
    unit_rmdir(dir);
}

static void test_refuses_what_is_no_file(void **state)
{
    char *dir = unit_mkdtemp();
    char path[4096], target[4096];
    struct sink *s;
    size_t n;

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    s = open_sink(path, 0, 0);
    assert_int_equal(sink_write(s, "x\n", 2, &n), -EBADF);
    assert_int_equal(n, 0);
    // It is looked at again: somebody may have cleared it away.
    assert_int_equal(unlink(path), 0);
    put(s, "x\n");
    sink_free(s);
    // A symbolic link planted in place of the file leads nowhere.
    assert_int_equal(unlink(path), 0);
    (void)unit_path_in(target, sizeof(target), dir, "target");
    assert_int_equal(symlink(target, path), 0);
    s = open_sink(path, 0, 0);
    assert_int_equal(sink_write(s, "x\n", 2, &n), -ELOOP);
    assert_int_equal(access(target, F_OK), -1);
    sink_free(s);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_makes_directory_and_appends), cmocka_unit_test(test_rotates),
          cmocka_unit_test(test_keeps_none), cmocka_unit_test(test_torn_line),
          cmocka_unit_test(test_follows_its_path), cmocka_unit_test(test_full_disk),
          cmocka_unit_test(test_spool), cmocka_unit_test(test_refuses_what_is_no_file))
