// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "cli/tail.h"

#define WAIT_MS 5000

static void append(const char *dir, const char *name, const char *text)
{
    int fd = open(unit_path(dir, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write_all(fd, text, strlen(text)), 0);
    (void)close(fd);
}

static void assert_line(struct tail *t, const char *expected)
{
    const char *line;
    size_t len;

    assert_int_equal(tail_next(t, &line, &len), 1);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(line, expected);
}

static void assert_nothing(struct tail *t)
{
    const char *line;
    size_t len;

    assert_int_equal(tail_next(t, &line, &len), 0);
}

static void test_oldest_first(void **state)
{
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;

    (void)state;
    append(dir, "e", "five\nsix\nhal");
    append(dir, "e.1", "three\nfour\n");
    append(dir, "e.2", "one\ntwo\ntorn"); // its end never came
    append(dir, "e.9", "not ours\n");     // behind a gap
    assert_int_equal(tail_new(unit_path(dir, "e"), true, false, &t), 0);
    for (size_t i = 0; i < 6; i++) {
        static const char *const lines[] = {"one", "two", "three", "four", "five", "six"};

        assert_line(t, lines[i]);
    }
    assert_nothing(t);
    tail_free(t);
    assert_int_equal(tail_new(unit_path(dir, "e"), false, false, &t), 0);
    assert_line(t, "five");
    tail_free(t);
    assert_int_equal(tail_new(unit_path(dir, "none"), true, false, &t), -ENOENT);
    unit_rmdir(dir);
}

static void test_follows(void **state)
{
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;
    char from[4096];

    (void)state;
    append(dir, "e", "one\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), true, true, &t), 0);
    assert_line(t, "one");
    assert_nothing(t);
    append(dir, "e", "two\nthr");
    assert_int_equal(tail_wait(t, WAIT_MS), 1);
    assert_line(t, "two");
    assert_nothing(t);
    append(dir, "e", "ee\n");
    assert_int_equal(tail_wait(t, WAIT_MS), 1);
    assert_line(t, "three");
    // Rotated while something was still added to the old one.
    append(dir, "e", "four\n");
    assert_int_equal(rename(unit_path_in(from, sizeof(from), dir, "e"), unit_path(dir, "e.1")), 0);
    append(dir, "e", "five\n");
    assert_line(t, "four");
    assert_line(t, "five");
    assert_nothing(t);
    append(dir, "e", "six\n");
    assert_int_equal(tail_wait(t, WAIT_MS), 1);
    assert_line(t, "six");
    tail_free(t);
    unit_rmdir(dir);
}

static void test_waits_for_the_file(void **state)
{
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;

    (void)state;
    assert_int_equal(tail_new(unit_path(dir, "e"), true, true, &t), 0);
    assert_nothing(t);
    assert_int_equal(tail_wait(t, 0), 0);
    append(dir, "e", "one\n");
    assert_int_equal(tail_wait(t, WAIT_MS), 1);
    assert_line(t, "one");
    tail_free(t);
    unit_rmdir(dir);
}

// As the agent does it: e.2 becomes e.3, e.1 becomes e.2, e becomes e.1.
static void rotate(const char *dir)
{
    for (int i = 8; i >= 0; i--) {
        char from[16], to[16], path[4096];

        (void)snprintf(from, sizeof(from), i ? "e.%d" : "e", i);
        (void)snprintf(to, sizeof(to), "e.%d", i + 1);
        if (rename(unit_path_in(path, sizeof(path), dir, from), unit_path(dir, to)) < 0)
            assert_int_equal(errno, ENOENT);
    }
}

// Files move on while their history is read: none is left out, none is read twice.
static void test_rotated_while_read(void **state)
{
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;

    (void)state;
    append(dir, "e", "seven\n");
    append(dir, "e.1", "five\nsix\n");
    append(dir, "e.2", "three\nfour\n");
    append(dir, "e.3", "one\ntwo\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), true, false, &t), 0);
    assert_line(t, "one");
    rotate(dir);
    append(dir, "e", "eight\n");
    assert_line(t, "two");
    assert_line(t, "three");
    rotate(dir);
    rotate(dir);
    append(dir, "e", "nine\n");
    for (size_t i = 0; i < 6; i++) {
        static const char *const lines[] = {"four", "five", "six", "seven", "eight", "nine"};

        assert_line(t, lines[i]);
    }
    assert_nothing(t);
    tail_free(t);
    unit_rmdir(dir);
}

// In the middle of a rotation a number is missing.
static void test_half_rotated(void **state)
{
    char *dir = unit_mkdtemp(), from[4096];
    struct tail *t = NULL;

    (void)state;
    append(dir, "e", "three\n");
    append(dir, "e.1", "two\n");
    append(dir, "e.2", "one\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), true, false, &t), 0);
    assert_line(t, "one");
    assert_int_equal(rename(unit_path_in(from, sizeof(from), dir, "e.2"), unit_path(dir, "e.3")),
                     0);
    assert_line(t, "two");
    assert_line(t, "three");
    assert_nothing(t);
    tail_free(t);
    // What is read has gone: on with the oldest one that is left.
    append(dir, "e.2", "one again\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), true, false, &t), 0);
    assert_line(t, "one");
    assert_int_equal(unlink(unit_path(dir, "e.3")), 0);
    assert_line(t, "one again");
    assert_line(t, "two");
    assert_line(t, "three");
    assert_nothing(t);
    tail_free(t);
    unit_rmdir(dir);
}

static void test_follows_two_rotations(void **state)
{
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;

    (void)state;
    append(dir, "e", "one\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), false, true, &t), 0);
    assert_line(t, "one");
    assert_nothing(t);
    rotate(dir);
    assert_nothing(t);
    append(dir, "e", "two\n");
    rotate(dir);
    append(dir, "e", "three\n");
    assert_line(t, "two");
    assert_line(t, "three");
    assert_nothing(t);
    // Taken away: there is nothing but the new one.
    assert_int_equal(unlink(unit_path(dir, "e")), 0);
    append(dir, "e", "four\n");
    assert_line(t, "four");
    assert_nothing(t);
    tail_free(t);
    unit_rmdir(dir);
}

// A line that is too long is left out, and nothing else.
static void test_long_line(void **state)
{
    _cleanup_free_ char *big = malloc(3 * TAIL_LINE_MAX);
    char *dir = unit_mkdtemp();
    struct tail *t = NULL;

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 3 * TAIL_LINE_MAX);
    big[3 * TAIL_LINE_MAX - 2] = '\n';
    big[3 * TAIL_LINE_MAX - 1] = '\0';
    append(dir, "e", "one\n");
    append(dir, "e", big);
    append(dir, "e", "two\n");
    assert_int_equal(tail_new(unit_path(dir, "e"), true, false, &t), 0);
    assert_line(t, "one");
    assert_line(t, "two");
    assert_nothing(t);
    tail_free(t);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_oldest_first), cmocka_unit_test(test_follows),
          cmocka_unit_test(test_waits_for_the_file), cmocka_unit_test(test_long_line),
          cmocka_unit_test(test_rotated_while_read), cmocka_unit_test(test_half_rotated),
          cmocka_unit_test(test_follows_two_rotations))
