// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/process/fakeproc.h"

#include "base/cleanup.h"
#include "base/macro.h"
#include "process/procfs.h"

static struct procfs_process p;

static int open_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void test_all_fields(void **state)
{
    struct fake f = {.pid = 42,
                     .ppid = 7,
                     .start_ticks = 12345,
                     .comm = "evil) S 1 (x\n",
                     .exe = "/usr/bin/ev\xffil",
                     .cmdline = "evil -a b",
                     .cgroup = "/a.slice",
                     .uid = 1000,
                     .login_uid = 1001,
                     .mnt_ns = 99};
    char *dir = unit_mkdtemp();
    _cleanup_close_ int fd = open_dir(dir);

    (void)state;
    fake_add(dir, &f);
    assert_int_equal(procfs_read(fd, 42, false, &p), 0);
    assert_int_equal(p.ref.tgid, 42);
    assert_int_equal(p.ref.start_ns, 12345 * PROCESS_TICK_NS);
    assert_int_equal(p.ppid, 7);
    assert_int_equal(p.comm_len, strlen(f.comm));
    assert_memory_equal(p.comm, f.comm, p.comm_len);
    assert_int_equal(p.euid, 1000);
    assert_int_equal(p.gid, 1000);
    assert_int_equal(p.login_uid, 1001);
    assert_int_equal(p.mnt_ns, 99);
    assert_int_equal(p.pid_ns, 4026531836);
    assert_false(p.kthread);
    assert_false(p.exe_deleted);
    assert_text(((struct bytes){p.exe, p.exe_len}), "/usr/bin/ev\xffil");
    assert_text(((struct bytes){p.cmdline, p.cmdline_len}), "evil -a b");
    assert_text(((struct bytes){p.cgroup, p.cgroup_len}), "/a.slice");
    assert_false(p.cmdline_cut);
    unit_rmdir(dir);
}

static void test_kthread(void **state)
{
    struct fake f = {.pid = 2, .comm = "kworker/0:1-events_unbound", .kthread = true};
    char *dir = unit_mkdtemp();
    _cleanup_close_ int fd = open_dir(dir);

    (void)state;
    fake_add(dir, &f);
    assert_int_equal(procfs_read(fd, 2, false, &p), 0);
    assert_true(p.kthread);
    assert_int_equal(p.exe_len, 0);
    assert_int_equal(p.cmdline_len, 0);
    assert_int_equal(p.comm_len, 15); // as records have it
    unit_rmdir(dir);
}

// Each file in turn is what it should not be.
static void test_hostile(void **state)
{
    static const struct {
        const char *name;
        struct bytes text;
        int result;
    } rows[] = {
        {"stat", BYTES(""), -EBADMSG},
        {"stat", BYTES("42 x S 1"), -EBADMSG},
        {"stat", BYTES("42 )x( S 1"), -EBADMSG},
        {"stat", BYTES("42 (x) S 1 2 3"), -EBADMSG},
        {"stat", BYTES("42 (x)"), -EBADMSG},
        {"stat", BYTES("42 (x) S y 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99 "), -EBADMSG},
        {"stat", BYTES("42 (x) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551616 "),
         -EBADMSG},
        {"stat", BYTES("42 (x) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551615 "),
         -EBADMSG},
        {"stat", BYTES("42 (x) S 1 1 1 0\0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99 "), -EBADMSG},
        {"status", BYTES(""), -EBADMSG},
        {"status", BYTES("Name:\tx\nUid:\t1\n"), -EBADMSG},
        {"status", BYTES("Name:\tx\nUid:\t1\t1\nGid:\t\n"), -EBADMSG},
        {"cgroup", BYTES("nonsense"), 0},
        {"cgroup", BYTES("0::"), 0},
        {"loginuid", BYTES("x"), 0},
        {"cmdline", BYTES("\0\0\0"), 0},
    };
    struct fake f = {.pid = 42, .ppid = 1, .start_ticks = 5, .comm = "x", .cgroup = "/"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *dir = unit_mkdtemp();
        _cleanup_close_ int fd = open_dir(dir);

        fake_add(dir, &f);
        fake_put(dir, 42, rows[i].name, rows[i].text.s, rows[i].text.len);
        assert_int_equal(procfs_read(fd, 42, false, &p), rows[i].result);
        unit_rmdir(dir);
    }
}

static void test_missing(void **state)
{
    static const struct {
        const char *name;
        int result;
    } rows[] = {{"stat", -ESRCH}, {"status", -ESRCH}, {"cmdline", 0},   {"cgroup", 0},
                {"exe", 0},       {"loginuid", 0},    {"sessionid", 0}, {"ns/mnt", 0}};
    struct fake f = {.pid = 42, .ppid = 1, .start_ticks = 5, .comm = "x", .exe = "/x"};
    uint64_t start = 3;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *dir = unit_mkdtemp(), name[32];
        _cleanup_close_ int fd = open_dir(dir);

        fake_add(dir, &f);
        (void)snprintf(name, sizeof(name), "42/%s", rows[i].name);
        assert_int_equal(unlink(unit_path(dir, name)), 0);
        assert_int_equal(procfs_read(fd, 42, false, &p), rows[i].result);
        assert_int_equal(procfs_read(fd, 43, false, &p), -ESRCH);
        assert_int_equal(procfs_start(fd, 43, &start), -ESRCH);
        assert_int_equal(start, 3);
        unit_rmdir(dir);
    }
}

static void test_cmdline_of_one_process(void **state)
{
    struct fake f = {.pid = 42, .ppid = 1, .start_ticks = 5, .comm = "x", .cmdline = "x y"};
    struct process_ref same = {42, 5 * PROCESS_TICK_NS + 3}, other = {42, 6 * PROCESS_TICK_NS};
    char *dir = unit_mkdtemp(), *longer = malloc(PROCFS_CMDLINE_MAX + 1);
    _cleanup_close_ int fd = open_dir(dir);

    (void)state;
    assert_non_null(longer);
    fake_add(dir, &f);
    assert_int_equal(procfs_cmdline(fd, &same, false, &p), 0);
    assert_text(((struct bytes){p.cmdline, p.cmdline_len}), "x y");
    assert_int_equal(procfs_cmdline(fd, &other, false, &p), -ESRCH);
    memset(longer, 'a', PROCFS_CMDLINE_MAX + 1);
    fake_put(dir, 42, "cmdline", longer, PROCFS_CMDLINE_MAX + 1);
    assert_int_equal(procfs_cmdline(fd, &same, false, &p), 0);
    assert_int_equal(p.cmdline_len, PROCFS_CMDLINE_MAX);
    assert_true(p.cmdline_cut);
    free(longer);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_all_fields), cmocka_unit_test(test_kthread),
          cmocka_unit_test(test_hostile), cmocka_unit_test(test_missing),
          cmocka_unit_test(test_cmdline_of_one_process))
