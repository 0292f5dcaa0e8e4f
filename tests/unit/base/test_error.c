// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/error.h"

static char *text_of(const struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *text = NULL;

    error_format(err, &sb);
    assert_int_equal(sb_finish(&sb, &text), 0);
    return text;
}

static void assert_text(const struct error *err, const char *expect)
{
    _cleanup_free_ char *text = text_of(err);

    assert_string_equal(text, expect);
}

static void test_null_passes_the_code(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, -EINVAL, "x %d", 1), -EINVAL);
    assert_int_equal(error_at(NULL, ENOENT, "f", 1, 2, "x"), -ENOENT);
    assert_int_equal(error_set(NULL, 0, "x"), -EIO);
    error_expected(NULL, "x");
    error_cure(NULL, "x");
    error_where(NULL, "f", 1, 1);
    error_context(NULL, "x");
    error_reset(NULL);
    assert_false(error_is_set(NULL));
    assert_text(NULL, "");
}

static void test_whole_message(void **state)
{
    struct error err = {};

    (void)state;
    assert_int_equal(error_at(&err, -EINVAL, "rules.yaml", 12, 7, "unknown key '%s'", "acess"),
                     -EINVAL);
    error_expected(&err, "one of %s", "access, by");
    error_cure(&err, "write '%s'", "access");
    assert_text(&err, "rules.yaml:12:7: unknown key 'acess'\n"
                      "  expected: one of access, by\n"
                      "  to do: write 'access'\n");
    error_context(&err, "cannot load %s", "policy");
    assert_string_equal(err.what, "cannot load policy: unknown key 'acess'");
    assert_int_equal(err.code, -EINVAL);
}

static void test_set_forgets_what_was(void **state)
{
    struct error err = {};

    (void)state;
    error_at(&err, -EINVAL, "old", 1, 1, "old");
    error_expected(&err, "old");
    error_cure(&err, "old");
    assert_int_equal(error_set(&err, ENOENT, "new"), -ENOENT);
    assert_text(&err, "new\n");
    error_reset(&err);
    assert_false(error_is_set(&err));
    error_cure(&err, "nothing to cure");
    error_context(&err, "none");
    assert_text(&err, "");
}

static void test_where(void **state)
{
    struct error err = {};

    (void)state;
    error_set(&err, -EINVAL, "bad");
    error_where(&err, "a", 0, 5);
    assert_text(&err, "a: bad\n");
    error_where(&err, "b", 3, 0);
    assert_text(&err, "a: bad\n");
    error_at(&err, -EINVAL, "c", 3, 0, "bad");
    assert_text(&err, "c:3: bad\n");
    error_at(&err, -EINVAL, NULL, 3, 1, "bad");
    assert_text(&err, "bad\n");
}

static void test_errno_text_and_errno(void **state)
{
    struct error err = {};

    (void)state;
    errno = EXDEV;
    error_set(&err, -ENOENT, "open: %m");
    assert_string_equal(err.what, "open: No such file or directory");
    assert_int_equal(errno, EXDEV);
}

static void test_long_texts_are_cut(void **state)
{
    char text[5000];
    struct error err = {};

    (void)state;
    memset(text, 'x', sizeof(text));
    text[0] = 'F';
    text[sizeof(text) - 2] = 'E';
    text[sizeof(text) - 1] = '\0';
    error_at(&err, -EINVAL, text, 1, 1, "%s", text);
    error_expected(&err, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    assert_string_equal(err.what + sizeof(err.what) - 5, "x...");
    assert_int_equal(strlen(err.file), sizeof(err.file) - 1);
    assert_int_equal(err.file[0], '.');
    assert_int_equal(err.file[sizeof(err.file) - 2], 'E');
    assert_int_equal(strlen(err.expected), sizeof(err.expected) - 1);
    error_context(&err, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    assert_string_equal(err.what + sizeof(err.what) - 4, "...");
    // Exactly as long as the field: nothing is cut.
    text[sizeof(err.what) - 1] = '\0';
    error_set(&err, -EINVAL, "%s", text);
    assert_string_equal(err.what, text);
}

static void test_control_characters_are_escaped(void **state)
{
    struct error err = {};

    (void)state;
    error_at(&err, -EINVAL, "a\nb", 1, 1, "key '%s'", "\x1b[2J");
    error_cure(&err, "x\ry");
    assert_text(&err, "a\\012b:1:1: key '\\033[2J'\n  to do: x\\015y\n");
}

static void test_print(void **state)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    struct error err = {};
    FILE *f = open_memstream(&text, &len);

    (void)state;
    error_print(&err, f);
    error_set(&err, -EINVAL, "bad");
    error_print(&err, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, "bad\n");
}

UNIT_MAIN(cmocka_unit_test(test_null_passes_the_code), cmocka_unit_test(test_whole_message),
          cmocka_unit_test(test_set_forgets_what_was), cmocka_unit_test(test_where),
          cmocka_unit_test(test_errno_text_and_errno), cmocka_unit_test(test_long_texts_are_cut),
          cmocka_unit_test(test_control_characters_are_escaped), cmocka_unit_test(test_print))
