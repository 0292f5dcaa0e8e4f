// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strutil.h"

// Runs fn with stderr in a file and returns what was written; the caller frees.
static char *written_by(void (*fn)(void))
{
    _cleanup_close_ int saved = dup(STDERR_FILENO);
    _cleanup_fclose_ FILE *f = tmpfile();
    char *text = NULL;

    assert_true(saved >= 0);
    assert_non_null(f);
    assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
    fn();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    assert_int_equal(read_fd_bounded(fileno(f), 65536, &text, NULL), 0);
    return text;
}

static void assert_writes(void (*fn)(void), const char *expect)
{
    _cleanup_free_ char *text = written_by(fn);

    assert_string_equal(text, expect);
}

static void all_levels(void)
{
    log_error("one %d", 1);
    log_warning("two");
    log_info("three");
    log_debug("four");
}

static void test_levels(void **state)
{
    (void)state;
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
    assert_writes(all_levels, "prog: error: one 1\nprog: warning: two\n");
    assert_true(log_enabled(LOG_LEVEL_ERROR));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
    assert_writes(all_levels, "prog: error: one 1\nprog: warning: two\nprog: three\n"
                              "prog: debug: four\n");
}

static void with_codes(void)
{
    errno = EXDEV;
    assert_int_equal(log_error_code(-ENOENT, "open %s: %m", "x"), -ENOENT);
    assert_int_equal(log_warning_code(-EPERM, "%m"), -EPERM);
    assert_int_equal(errno, EXDEV);
}

static void test_codes(void **state)
{
    (void)state;
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
    assert_writes(with_codes, "prog: error: open x: No such file or directory\n"
                              "prog: warning: Operation not permitted\n");
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
    // The code comes back, said or not.
    assert_int_equal(log_warning_code(-EPERM, "not said"), -EPERM);
}

static void hostile(void)
{
    log_error("name %s", "x\nprog: error: forged \x1b[2J");
}

static void test_one_message_is_one_line(void **state)
{
    (void)state;
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
    assert_writes(hostile, "prog: error: name x\\012prog: error: forged \\033[2J\n");
}

static void whole_errors(void)
{
    struct error err = {};

    assert_int_equal(log_error_struct(&err), 0);
    error_at(&err, -EINVAL, "f", 1, 2, "bad");
    error_cure(&err, "good");
    assert_int_equal(log_error_struct(&err), -EINVAL);
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
    assert_int_equal(log_warning_struct(&err), -EINVAL);
}

static void test_errors(void **state)
{
    (void)state;
    log_open_as("prog", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
    assert_writes(whole_errors, "prog: error: f:1:2: bad\n  to do: good\n");
}

static void test_auto_without_journal(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_open_as("prog", LOG_TARGET_AUTO, LOG_LEVEL_ERROR);
    assert_writes(all_levels, "prog: error: one 1\n");
    unsetenv("JOURNAL_STREAM");
    log_open_as("prog", LOG_TARGET_AUTO, LOG_LEVEL_ERROR);
    assert_writes(all_levels, "prog: error: one 1\n");
}

static void test_own_name(void **state)
{
    _cleanup_free_ char *text = NULL;

    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
    text = written_by(all_levels);
    assert_string_equal(str_startswith(text, program_invocation_short_name), ": error: one 1\n");
}

static void test_level_names(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;

    (void)state;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(log_level_parse(NULL, &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

UNIT_MAIN(cmocka_unit_test(test_levels), cmocka_unit_test(test_codes),
          cmocka_unit_test(test_one_message_is_one_line), cmocka_unit_test(test_errors),
          cmocka_unit_test(test_auto_without_journal), cmocka_unit_test(test_own_name),
          cmocka_unit_test(test_level_names))
