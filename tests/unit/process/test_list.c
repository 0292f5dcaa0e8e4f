// SPDX-License-Identifier: Apache-2.0
//
// The living as a list, and what their programs' files are.
#include "tests/unit/process/table.h"

#include "tests/unit/child.h"

static const struct file_facts known = {
    .hash = FILE_HASH_KNOWN,
    .sha256 = {1, 2, 3, 0, 5},
    .package = BYTES("bash"),
    .version = BYTES("5.2-1"),
};

static bool row_of(struct fixture *f, uint32_t pid, struct process_row *ret)
{
    uint32_t cursor = 0;

    while (process_table_row(f->t, &cursor, ret))
        if (ret->who->ref.tgid == pid)
            return true;
    return false;
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct process_row row;
    uint32_t cursor = 0;
    unsigned seen = 0;

    event_fork(f->ev, 20, 200, 30, 500, AT(1));
    apply(f);
    event_exec(f->ev, 30, 500, "/usr/bin/id", "id\0", 3, AT(2));
    apply(f);
    event_fork(f->ev, 20, 200, 31, 501, AT(3));
    apply(f);
    event_of(f->ev, EVENT_EXIT, 31, 501, AT(4));
    apply(f);
    while (process_table_row(f->t, &cursor, &row))
        seen |= 1u << row.who->ref.tgid % 32;
    assert_int_equal(seen, 1u << 1 | 1u << 10 | 1u << 20 | 1u << 30);
    assert_true(row_of(f, 30, &row));
    assert_text(row.who->exe, "/usr/bin/id");
    assert_int_equal(row.who->n_ancestors, 3);
    assert_true(row.exec_ns == AT(2));
    assert_int_equal(row.below.tgid, 20);
    // Below the nearest that lives, whoever forked it.
    event_fork(f->ev, 30, 500, 33, 505, AT(4));
    apply(f);
    event_of(f->ev, EVENT_EXIT, 30, 500, AT(5));
    apply(f);
    assert_true(row_of(f, 33, &row));
    assert_int_equal(row.who->ancestors[0].ref.tgid, 30);
    assert_int_equal(row.below.tgid, 20);
    assert_true(row_of(f, 1, &row));
    assert_int_equal(row.below.tgid, 0);
    assert_false(row_of(f, 30, &row));
}

// An exec, with the number of its file.
static void exec_file(struct fixture *f, uint64_t ino, uint64_t time_ns)
{
    event_exec(f->ev, 20, 200, "/usr/bin/x", "x\0", 2, time_ns);
    f->ev->exe_ino = ino;
    f->ev->exe_dev = 8;
    apply(f);
}

static void test_facts(void **state)
{
    struct fixture *f = *state;
    struct process_ref ref = {20, 200 * PROCESS_TICK_NS};
    struct process_row row;
    uint64_t serial;

    exec_file(f, 77, AT(1));
    serial = f->ev->target->serial;
    process_table_set_facts(f->t, &ref, 8, 76, &known); // of another file
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_NONE);
    process_table_set_facts(f->t, &ref, 8, 77, &known);
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_KNOWN);
    assert_memory_equal(row.facts.sha256, known.sha256, FILE_SHA256_BYTES);
    assert_text(row.facts.package, "bash");
    assert_text(row.facts.version, "5.2-1");
    assert_true(row.who->serial == serial);
    // A child has it from its parent.
    event_fork(f->ev, 20, 200, 30, 500, AT(2));
    apply(f);
    assert_true(row_of(f, 30, &row));
    assert_text(row.facts.package, "bash");
    // Another program: nothing is known of that yet, and what comes late is not its.
    exec_file(f, 78, AT(3));
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_NONE);
    assert_int_equal(row.facts.package.len, 0);
    process_table_set_facts(f->t, &ref, 8, 77, &known);
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_NONE);
    // Without a hash, with a package; and neither.
    process_table_set_facts(f->t, &ref, 8, 78,
                            &(struct file_facts){.hash = FILE_HASH_LARGE, .package = BYTES("p")});
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_LARGE);
    assert_text(row.facts.package, "p");
    assert_text(row.facts.version, "");
    process_table_set_facts(f->t, &ref, 8, 78, &(struct file_facts){.hash = FILE_HASH_GONE});
    assert_true(row_of(f, 20, &row));
    assert_int_equal(row.facts.hash, FILE_HASH_GONE);
    assert_int_equal(row.facts.package.len, 0);
    ref.tgid = 999;
    process_table_set_facts(f->t, &ref, 8, 78, &known); // nobody
}

static void test_unasked(void **state)
{
    struct fixture *f = *state;
    struct process_program program;
    uint32_t cursor = 0;

    // The three of the fake /proc have programs that are links to nowhere, or to files of this machine.
    while (process_table_unasked(f->t, &cursor, 512, &program))
        ;
    exec_file(f, 77, AT(1));
    assert_true(process_table_unasked(f->t, &cursor, 512, &program));
    assert_int_equal(program.ref.tgid, 20);
    assert_int_equal(program.ino, 77);
    assert_int_equal(program.dev, 8);
    assert_text(program.path, "/usr/bin/x");
    assert_false(process_table_unasked(f->t, &cursor, 512, &program));
    // What the host does not see has no path, kernel threads have no program.
    exec_file(f, 79, AT(2));
    event_exec(f->ev, 20, 200, "/x", "x\0", 2, AT(3));
    f->ev->exe_ino = 80;
    f->ev->path.kind = EVENT_PATH_FILESYSTEM;
    apply(f);
    assert_true(process_table_unasked(f->t, &cursor, 512, &program));
    assert_int_equal(program.ino, 80);
    assert_int_equal(program.path.len, 0);
    assert_false(process_table_unasked(f->t, &cursor, 512, &program));
}

static char program[4096];

static void exec_program(const struct unit_hold *h)
{
    if (dup2(h->gate, STDIN_FILENO) < 0)
        _exit(1);
    (void)execl(program, program, "-", (char *)NULL);
    _exit(1);
}

// Removed while it runs, in the real /proc.
static void test_deleted(void **state)
{
    _cleanup_(process_table_freep) struct process_table *t = NULL;
    _cleanup_free_ char *bytes = NULL;
    struct fixture *f = *state;
    struct process_row row = {};
    struct unit_child c;
    uint32_t cursor = 0;
    size_t len;

    (void)snprintf(program, sizeof(program), "%s/program", f->proc);
    assert_int_equal(read_file_bounded(AT_FDCWD, "/bin/cat", 16 << 20, &bytes, &len), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, program, bytes, len, 0755), 0);
    c = unit_child_start(exec_program, NULL);
    assert_int_equal(process_table_new(NULL, &t), 0);
    assert_int_equal(process_table_scan(t), 0);
    for (int removed = 0; removed < 2; removed++) {
        cursor = 0;
        while (process_table_row(t, &cursor, &row) && row.who->ref.tgid != (uint32_t)c.pid)
            ;
        assert_int_equal(row.who->ref.tgid, c.pid);
        assert_int_equal(row.deleted, removed);
        assert_true(removed || unlink(program) == 0);
    }
    unit_child_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_rows), TEST(test_facts), TEST(test_unasked), TEST(test_deleted))
