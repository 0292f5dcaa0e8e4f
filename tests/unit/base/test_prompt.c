// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <pty.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/prompt.h"

static int saved_stdin = -1;

static void feed(const char *text)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write_all(ends[1], text, strlen(text)), 0);
    (void)close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    (void)close(ends[0]);
}

static void test_standard_input(void **state)
{
    char long_line[PASSWORD_MAX + 3];
    struct error err = {};
    char rest[16] = "";

    (void)state;
    saved_stdin = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    {
        _cleanup_(prompt_wipep) char *password = NULL;

        // What follows stays for others.
        feed("correct horse\r\nrest");
        assert_int_equal(prompt_password("?", true, &password, &err), 0);
        assert_string_equal(password, "correct horse");
        assert_int_equal(read(STDIN_FILENO, rest, sizeof(rest) - 1), 4);
        assert_string_equal(rest, "rest");
    }
    {
        _cleanup_(prompt_wipep) char *password = NULL;

        feed("\n");
        assert_int_equal(prompt_new_password(true, &password, &err), 0);
        assert_string_equal(password, "");
    }
    {
        char *password = NULL;

        feed("");
        assert_int_equal(prompt_password("?", true, &password, &err), -ENODATA);
        assert_non_null(strstr(err.what, "standard input"));
        memset(long_line, 'x', sizeof(long_line) - 1);
        long_line[sizeof(long_line) - 1] = '\0';
        feed(long_line);
        assert_int_equal(prompt_password("?", true, &password, &err), -E2BIG);
        assert_null(password);
    }
    assert_int_equal(dup2(saved_stdin, STDIN_FILENO), STDIN_FILENO);
    (void)close(saved_stdin);
}

// Reads until `pattern` was said; everything goes to text.
static void expect(int tty, char *text, size_t size, const char *pattern)
{
    size_t len = strlen(text);

    while (!strstr(text, pattern)) {
        ssize_t n = read(tty, text + len, size - len - 1);

        assert_true(n > 0);
        len += (size_t)n;
        text[len] = '\0';
    }
}

static int ask(const char *first, const char *second, char *text, size_t size)
{
    int tty, status;
    pid_t pid = forkpty(&tty, NULL, NULL, NULL);

    assert_true(pid >= 0);
    if (pid == 0) {
        char *password = NULL;
        int r = prompt_new_password(false, &password, NULL);

        _exit(r == 0 && streq(password, "secret one") ? 0 : r == -EINVAL ? 1 : 2);
    }
    text[0] = '\0';
    expect(tty, text, size, "Password: ");
    assert_int_equal(write_all(tty, first, strlen(first)), 0);
    expect(tty, text, size, "Once more: ");
    assert_int_equal(write_all(tty, second, strlen(second)), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(tty);
    return WEXITSTATUS(status);
}

// Asked for twice, and never shown.
static void test_terminal(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(ask("secret one\n", "secret one\n", text, sizeof(text)), 0);
    assert_null(strstr(text, "secret"));
    assert_int_equal(ask("secret one\n", "secret two\n", text, sizeof(text)), 1);
}

UNIT_MAIN(cmocka_unit_test(test_standard_input), cmocka_unit_test(test_terminal))
