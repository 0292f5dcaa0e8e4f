// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "model/event.h"
#include "schedule/book.h"
#include "schedule/task.h"
#include "tests/unit/schedule/child.h"

#define RULE "safeguard-0123456789abcdef"

static void put(const char *dir, const char *file, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, file), text, strlen(text), 0644),
                     0);
}

static void assert_file(const char *dir, const char *file, const char *expected)
{
    _cleanup_free_ char *text = NULL;

    assert_int_equal(read_file_bounded(AT_FDCWD, unit_path(dir, file), 1000, &text, NULL), 0);
    // Files of a hierarchy are replaced by what is written; here the rest of what was there stays.
    assert_memory_equal(text, expected, strlen(expected));
}

static char *hierarchy(void)
{
    char *dir = unit_mkdtemp();

    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "a"), 0755), 0);
    put(dir, "cgroup.subtree_control", "cpu\n");
    put(dir, "a/cpu.weight", "100\n");
    return dir;
}

static const struct schedule light = {.set = SCHEDULE_WEIGHT, .weight = 200};

// Also by the next agent, from the file.
static void test_group(void **state)
{
    char *dir = hierarchy();
    const char *path = unit_path(dir, "book");
    const struct book_options options = {.root = dir, .path = path};
    _cleanup_(book_freep) struct book *b = NULL, *next = NULL;
    const char *keep = RULE;
    struct error err = {};

    (void)state;
    assert_int_equal(book_new(&options, &b), 0);
    assert_int_equal(book_group(b, "/a", RULE, &light, &err), 1);
    assert_file(dir, "a/cpu.weight", "200");
    put(dir, "a/cpu.weight", "200\n");
    assert_int_equal(book_group(b, "/a", RULE, &light, &err), 0);
    put(dir, "a/cpu.weight", "300\n");
    assert_int_equal(book_group(b, "/a", RULE, &light, &err), 1);
    assert_int_equal(book_group(b, "/gone", RULE, &light, &err), -ENOENT);
    assert_int_equal(book_save(b), 0);
    assert_int_equal(book_new(&options, &next), 0);
    assert_int_equal(book_keep_only(next, &keep, 1, &err), 0);
    assert_file(dir, "a/cpu.weight", "200");
    assert_int_equal(book_keep_only(next, NULL, 0, &err), 0);
    assert_file(dir, "a/cpu.weight", "100");
    unit_rmdir(dir);
}

static uint64_t start_of(pid_t pid)
{
    _cleanup_free_ char *text = NULL;
    char path[64];
    const char *p;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    assert_int_equal(read_file_bounded(AT_FDCWD, path, 4096, &text, NULL), 0);
    p = strrchr(text, ')');
    for (int i = 0; i < 20; i++)
        p = strchr(p, ' ') + 1;
    return strtoull(p, NULL, 10) * PROCESS_TICK_NS;
}

static const struct schedule idle = {.set = SCHEDULE_IO_CLASS, .io_class = 3};
static const struct schedule high = {.set = SCHEDULE_IO_CLASS, .io_class = 2};

static struct book_subject subject(pid_t pid, const char *exe)
{
    return (struct book_subject){(uint32_t)pid, start_of(pid), exe};
}

static size_t processes_of(const struct book *b, const char *name)
{
    struct book_counters counters;

    book_counters_of(b, name, &counters);
    return counters.processes;
}

static int io_of(pid_t pid)
{
    struct task_schedule has;

    assert_int_equal(task_read((uint32_t)pid, &has), 0);
    return has.io;
}

// Undoing it needs privileges where a nice value goes down; a class of I/O does not.
static void test_process(void **state)
{
    _cleanup_(book_freep) struct book *b = NULL;
    struct book_subject one, two;
    struct task_schedule wanted;
    const char *keep = RULE;
    struct error err = {};
    pid_t pid, child;

    (void)state;
    pid = start_child();
    child = start_child();
    one = subject(pid, "/bin/a");
    two = subject(child, NULL);
    assert_int_equal(book_new(&(struct book_options){.root = "/nowhere"}, &b), 0);
    assert_int_equal(book_process(b, &one, RULE, &idle, &err), 1);
    assert_int_equal(book_process(b, &one, RULE, &idle, &err), 0);
    // Who does not have what his parent was given has nothing from it.
    assert_true(book_child(b, two.pid, two.start_ns, one.pid, one.start_ns));
    assert_int_equal(processes_of(b, RULE), 1);
    task_wanted(&idle, &wanted);
    assert_int_equal(task_apply(two.pid, &wanted), 1);
    assert_false(book_child(b, two.pid, two.start_ns, one.pid, one.start_ns + NS_PER_SEC));
    assert_true(book_child(b, two.pid, two.start_ns, one.pid, one.start_ns));
    assert_int_equal(processes_of(b, RULE), 2);
    assert_int_equal(processes_of(b, "another"), 0);
    assert_int_equal(book_keep_only(b, &keep, 1, &err), 0);
    assert_int_equal(processes_of(b, RULE), 2);
    end_child(pid);
    assert_int_equal(book_keep_only(b, &keep, 1, &err), 0);
    assert_int_equal(processes_of(b, RULE), 1);
    // A rule about it, too: how it was before is how its parent was.
    assert_int_equal(book_process(b, &two, RULE, &idle, &err), 0);
    assert_int_equal(book_keep_only(b, NULL, 0, &err), 0);
    assert_int_equal(processes_of(b, RULE), 0);
    assert_int_not_equal(io_of(child), wanted.io);
    assert_int_equal(book_process(b, &one, RULE, &idle, &err), -ESRCH);
    end_child(child);
}

// Also by the next agent. A program that was begun since keeps what the one before was given.
static void test_leave(void **state)
{
    char *dir = unit_mkdtemp();
    const char *path = unit_path(dir, "book"), *exe = NULL;
    const struct book_options options = {.root = "/nowhere", .path = path};
    _cleanup_(book_freep) struct book *b = NULL, *next = NULL;
    pid_t pid = start_child();
    struct book_subject one = subject(pid, "/bin/a");
    struct error err = {};
    int before;

    (void)state;
    before = io_of(pid);
    assert_int_equal(book_new(&options, &b), 0);
    assert_int_equal(book_leave(b, one.pid, one.start_ns, &err), 0);
    assert_false(book_knows(b, one.pid, one.start_ns, &exe));
    assert_int_equal(book_process(b, &one, RULE, &idle, &err), 1);
    assert_int_equal(book_process(b, &one, "another", &high, &err), 1);
    assert_int_equal(book_save(b), 0);
    assert_int_equal(book_new(&options, &next), 0);
    assert_true(book_knows(next, one.pid, one.start_ns, &exe));
    assert_string_equal(exe, "/bin/a");
    assert_int_equal(book_leave(next, one.pid, one.start_ns, &err), 1);
    assert_int_equal(io_of(pid), before);
    assert_false(book_knows(next, one.pid, one.start_ns, &exe));
    end_child(pid);
    unit_rmdir(dir);
}

// From one rule to another by the same program: what only the first gave goes back. By another program it stays.
static void test_change(void **state)
{
    const struct schedule nothing = {.set = SCHEDULE_NICE, .nice = getpriority(PRIO_PROCESS, 0)};
    _cleanup_(book_freep) struct book *b = NULL;
    pid_t pid = start_child();
    struct book_subject one = subject(pid, "/bin/a"), other = subject(pid, "/bin/b");
    struct error err = {};
    int before = io_of(pid), given;

    (void)state;
    assert_int_equal(book_new(&(struct book_options){.root = "/nowhere"}, &b), 0);
    assert_int_equal(book_process(b, &one, RULE, &idle, &err), 1);
    given = io_of(pid);
    assert_int_equal(book_process(b, &other, "another", &nothing, &err), 0);
    assert_int_equal(io_of(pid), given);
    assert_int_equal(book_process(b, &other, "third", &nothing, &err), 0);
    assert_int_equal(io_of(pid), before);
    end_child(pid);
}

// A hierarchy in which this process is in a group of a rule, and a procfs that says so.
struct place {
    char *root, *proc;
    char file[32];
};

static struct place place_of(const char *group)
{
    struct place p = {.root = hierarchy(), .proc = unit_mkdtemp()};
    _cleanup_free_ char *text = NULL;

    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(p.root, "a/" RULE), 0755), 0);
    put(p.root, "a/cgroup.subtree_control", "\n");
    put(p.root, "a/cgroup.procs", "\n");
    (void)snprintf(p.file, sizeof(p.file), "%d", getpid());
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(p.proc, p.file), 0755), 0);
    (void)snprintf(p.file, sizeof(p.file), "%d/cgroup", getpid());
    assert_true(asprintf(&text, "0::%s\n", group) > 0);
    put(p.proc, p.file, text);
    return p;
}

static void place_done(struct place *p)
{
    unit_rmdir(p->root);
    unit_rmdir(p->proc);
}

static const struct schedule half = {.set = SCHEDULE_QUOTA, .quota_permille = 500};

// Whoever manages the group above may switch the controller off again, and its files go.
static void test_own_group_again(void **state)
{
    const struct book_subject me = {(uint32_t)getpid(), 0, "/bin/a"};
    struct place p = place_of("/a/" RULE);
    _cleanup_(book_freep) struct book *b = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(book_new(&(struct book_options){.root = p.root, .proc = p.proc}, &b), 0);
    // Nobody makes the file here; that the controller was asked for is what counts.
    assert_int_equal(book_process(b, &me, RULE, &half, &err), -ENOENT);
    assert_file(p.root, "a/cgroup.subtree_control", "+cpu");
    put(p.root, "a/" RULE "/cpu.max", "max 100000\n");
    assert_int_equal(book_process(b, &me, RULE, &half, &err), 1);
    assert_file(p.root, "a/" RULE "/cpu.max", "50000 100000");
    place_done(&p);
}

static void test_leave_own_group(void **state)
{
    const struct book_subject me = {(uint32_t)getpid(), 0, "/bin/a"};
    struct place p = place_of("/a");
    _cleanup_(book_freep) struct book *b = NULL;
    _cleanup_free_ char *pid = NULL;
    struct error err = {};

    (void)state;
    assert_true(asprintf(&pid, "%d", getpid()) > 0);
    put(p.root, "a/" RULE "/cgroup.type", "threaded\n");
    put(p.root, "a/" RULE "/cgroup.procs", "\n");
    put(p.root, "a/" RULE "/cpu.max", "max 100000\n");
    assert_int_equal(book_new(&(struct book_options){.root = p.root, .proc = p.proc}, &b), 0);
    assert_int_equal(book_process(b, &me, RULE, &half, &err), 1);
    assert_file(p.root, "a/" RULE "/cgroup.procs", pid);
    assert_int_equal(processes_of(b, RULE), 1);
    put(p.proc, p.file, "0::/a/" RULE "\n");
    assert_int_equal(book_leave(b, me.pid, me.start_ns, &err), 1);
    assert_file(p.root, "a/cgroup.procs", pid);
    assert_int_equal(processes_of(b, RULE), 0);
    // What is only called alike is no group of ours.
    assert_int_equal(book_process(b, &me, RULE, &half, &err), 0);
    put(p.root, "a/cgroup.procs", "\n");
    put(p.proc, p.file, "0::/a/safeguard-agent.service\n");
    assert_int_equal(book_leave(b, me.pid, me.start_ns, &err), 0);
    assert_file(p.root, "a/cgroup.procs", "\n");
    place_done(&p);
}

// What would lead outside of the hierarchy, or is no group of ours, is not believed.
static void test_bad_file(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"processes\":7,\"groups\":{}}",
        "{\"processes\":[7,{},{\"pid\":0}]}",
        "{\"groups\":[{\"group\":\"a\"},{\"group\":\"/../etc\",\"rule\":\"x\"},"
        "{\"group\":\"/a\",\"rule\":\"../x\",\"own\":true},{\"group\":\"/a\",\"rule\":\"passwd\",\"own\":true}]}"};
    char *dir = unit_mkdtemp();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *path = unit_path(dir, "book");
        _cleanup_(book_freep) struct book *b = NULL;
        struct book_counters counters;

        put(dir, "book", texts[i]);
        assert_int_equal(book_new(&(struct book_options){.root = dir, .path = path}, &b), 0);
        book_counters(b, &counters);
        assert_int_equal(counters.processes + counters.groups, 0);
    }
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_group), cmocka_unit_test(test_process),
          cmocka_unit_test(test_leave), cmocka_unit_test(test_change),
          cmocka_unit_test(test_leave_own_group), cmocka_unit_test(test_own_group_again),
          cmocka_unit_test(test_bad_file))
