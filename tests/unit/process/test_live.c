// SPDX-License-Identifier: Apache-2.0
//
// The real /proc: children of this test, held at known points by pipes.
#include "tests/unit/child.h"

#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "process/process.h"
#include "process/procfs.h"

static struct procfs_process p;

static int proc_fd(void)
{
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void rename_self(const struct unit_hold *h)
{
    (void)h;
    (void)prctl(PR_SET_NAME, "a) S 1 (\xff\n\x01");
}

static void test_hostile_name(void **state)
{
    _cleanup_close_ int fd = proc_fd();
    struct unit_child c = unit_child_start(rename_self, NULL);
    uint64_t begin = 0;

    (void)state;
    assert_int_equal(procfs_read(fd, (uint32_t)c.pid, false, &p), 0);
    assert_int_equal(p.ppid, getpid());
    assert_int_equal(p.comm_len, 11);
    assert_memory_equal(p.comm, "a) S 1 (\xff\n\x01", 11);
    assert_int_equal(p.euid, geteuid());
    assert_int_equal(p.egid, getegid());
    assert_true(p.mnt_ns > 0);
    assert_int_equal(procfs_start(fd, (uint32_t)c.pid, &begin), 0);
    assert_true(begin == p.ref.start_ns && begin > 0);
    unit_child_end(&c);
    assert_int_equal(procfs_read(fd, (uint32_t)c.pid, false, &p), -ESRCH);
}

static char program[4096]; // what exec_program() executes

static void exec_program(const struct unit_hold *h)
{
    if (dup2(h->gate, STDIN_FILENO) < 0)
        _exit(1);
    (void)execl(program, "a name", "-", (char *)NULL);
    _exit(1);
}

static void copy_cat(const char *to)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len;

    assert_int_equal(read_file_bounded(AT_FDCWD, "/bin/cat", 16 << 20, &bytes, &len), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, to, bytes, len, 0755), 0);
}

static void check_exec(const char *dir, const char *name, bool removed)
{
    _cleanup_close_ int fd = proc_fd();
    struct unit_child c;

    (void)snprintf(program, sizeof(program), "%s/%s", dir, name);
    copy_cat(program);
    c = unit_child_start(exec_program, NULL);
    if (removed)
        assert_int_equal(unlink(program), 0);
    assert_int_equal(procfs_read(fd, (uint32_t)c.pid, false, &p), 0);
    assert_int_equal(p.exe_len, strlen(program));
    assert_memory_equal(p.exe, program, p.exe_len);
    assert_int_equal(p.exe_deleted, removed);
    assert_int_equal(p.cmdline_len, 8);
    assert_memory_equal(p.cmdline, "a name -", 8);
    unit_child_end(&c);
}

static void test_exec(void **state)
{
    char *dir = unit_mkdtemp();

    (void)state;
    check_exec(dir, "cat", false);
    check_exec(dir, "c\xff\nt", false);
    check_exec(dir, "gone", true);
    check_exec(dir, "cat (deleted)", false); // its real name
    check_exec(dir, "cat (deleted)", true);
    unit_rmdir(dir);
}

static void test_zombie(void **state)
{
    _cleanup_close_ int fd = proc_fd();
    pid_t pid = fork();
    siginfo_t info;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(procfs_read(fd, (uint32_t)pid, false, &p), 0);
    assert_int_equal(p.exe_len, 0);
    assert_int_equal(p.cmdline_len, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

// The whole of this host, this process among it, and a child that is asked for after the scan.
static void test_scan(void **state)
{
    _cleanup_(process_table_freep) struct process_table *t = NULL;
    struct process_ref me = {.tgid = (uint32_t)getpid()},
                       other = {.tgid = 0x7ffffffe, .start_ns = 1};
    _cleanup_close_ int fd = proc_fd();
    struct process_counters counters;
    const struct who *who;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
    struct unit_child c;

    (void)state;
    assert_int_equal(process_table_new(NULL, &t), 0);
    assert_int_equal(process_table_scan(t), 0);
    process_table_counters(t, &counters);
    assert_true(counters.scanned >= 2); // init and this one
    assert_int_equal(counters.completed, 0);
    assert_int_equal(procfs_start(fd, me.tgid, &me.start_ns), 0);
    who = process_table_who(t, &me);
    assert_non_null(who);
    assert_int_equal(who->exe.len, n);
    assert_memory_equal(who->exe.s, self, (size_t)n);
    assert_int_equal(who->euid, geteuid());
    assert_true(who->n_ancestors > 0);
    assert_int_equal(who->ancestors[0].ref.tgid, getppid());
    process_table_counters(t, &counters);
    assert_int_equal(counters.completed, 0);

    c = unit_child_start(rename_self, NULL);
    other.tgid = (uint32_t)c.pid;
    assert_null(process_table_who(t, &other)); // another process had this number
    assert_int_equal(procfs_start(fd, other.tgid, &other.start_ns), 0);
    who = process_table_who(t, &other);
    assert_non_null(who);
    assert_int_equal(who->ancestors[0].ref.tgid, getpid());
    process_table_counters(t, &counters);
    assert_int_equal(counters.completed, 1);
    unit_child_end(&c);
}

UNIT_MAIN(cmocka_unit_test(test_hostile_name), cmocka_unit_test(test_exec),
          cmocka_unit_test(test_zombie), cmocka_unit_test(test_scan))
