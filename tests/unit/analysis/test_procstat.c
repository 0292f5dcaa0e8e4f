// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "analysis/procstat.h"
#include "base/fd.h"
#include "base/macro.h"

#define REST \
    " 1 42 42 0 -1 4194560 85 0 0 0 250 50 0 0 20 0 3 0 12345 2502656 200 18446744073709551615 1 1\n"

static void test_parse(void **state)
{
    struct procstat s;

    (void)state;
    assert_int_equal(procstat_parse("42 (evil) S 1 (x) R" REST, &s), 0);
    assert_int_equal(s.ref.tgid, 42);
    assert_int_equal(s.state, 'R');
    assert_int_equal(s.comm_len, strlen("evil) S 1 (x"));
    assert_memory_equal(s.comm, "evil) S 1 (x", s.comm_len);
    assert_int_equal(s.cpu_ns, 300 * PROCESS_TICK_NS);
    assert_int_equal(s.threads, 3);
    assert_int_equal(s.ref.start_ns, 12345 * PROCESS_TICK_NS);
    assert_int_equal(s.rss_bytes, 200 * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void test_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "42",
                                        "42 (x",
                                        "42 x) R 1",
                                        "(x) R" REST,
                                        "42 )x( R" REST,
                                        "42 (x)",
                                        "42 (x) ",
                                        "42 (x) R 1 2 3",
                                        "42 (x) R a b c d e f g h i j k l m n o p q r s t u v"};
    struct procstat s;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(procstat_parse(texts[i], &s), -EBADMSG);
}

static void add(const char *dir, const char *name, const char *file, const char *text)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mkdir_p(AT_FDCWD, path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
    assert_int_equal(write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void test_read(void **state)
{
    _cleanup_(procstat_done) struct procstat_reading r = {};
    char *dir = unit_mkdtemp();

    (void)state;
    add(dir, "42", "stat", "42 (b) R" REST);
    add(dir, "42", "io",
        "rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
    add(dir, "7", "stat", "7 (a) S" REST);
    add(dir, "8", "stat", "gone");
    add(dir, "self", "stat", "9 (c) S" REST);
    assert_int_equal(procstat_read(dir, &r), 0);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.items[0].ref.tgid, 7);
    assert_int_equal(r.items[0].read_bytes, 0);
    assert_int_equal(r.items[1].ref.tgid, 42);
    assert_int_equal(r.items[1].read_bytes, 4096);
    assert_int_equal(r.items[1].written_bytes, 8192);
    unit_rmdir(dir);
}

static void test_none(void **state)
{
    struct procstat_reading r = {};

    (void)state;
    assert_int_equal(procstat_read("/nowhere", &r), -ENOENT);
    assert_null(r.items);
}

UNIT_MAIN(cmocka_unit_test(test_parse), cmocka_unit_test(test_refused), cmocka_unit_test(test_read),
          cmocka_unit_test(test_none))
