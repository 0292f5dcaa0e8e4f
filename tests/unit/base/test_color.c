// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <pty.h>

#include "base/cleanup.h"
#include "base/color.h"

static void test_modes(void **state)
{
    enum color_mode mode = COLOR_NEVER;

    (void)state;
    assert_int_equal(color_mode_parse("auto", &mode), 0);
    assert_int_equal(mode, COLOR_AUTO);
    assert_int_equal(color_mode_parse("always", &mode), 0);
    assert_int_equal(mode, COLOR_ALWAYS);
    assert_int_equal(color_mode_parse("sometimes", &mode), -EINVAL);
    assert_int_equal(color_mode_parse(NULL, &mode), -EINVAL);
    assert_int_equal(mode, COLOR_ALWAYS);
}

static void test_not_a_terminal(void **state)
{
    _cleanup_fclose_ FILE *f = fopen("/dev/null", "we");

    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_false(color_enabled(COLOR_AUTO, f));
    assert_true(color_enabled(COLOR_ALWAYS, f));
    assert_false(color_enabled(COLOR_NEVER, f));
}

static void test_terminal_and_environment(void **state)
{
    _cleanup_close_ int master = -1;
    _cleanup_fclose_ FILE *f = NULL;
    int slave = -1;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    f = fdopen(slave, "w");
    assert_non_null(f);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(color_enabled(COLOR_AUTO, f));
    setenv("NO_COLOR", "", 1);
    assert_true(color_enabled(COLOR_AUTO, f));
    setenv("NO_COLOR", "1", 1);
    assert_false(color_enabled(COLOR_AUTO, f));
    assert_true(color_enabled(COLOR_ALWAYS, f));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(color_enabled(COLOR_AUTO, f));
    unsetenv("TERM");
    assert_false(color_enabled(COLOR_AUTO, f));
}

static void test_sequences(void **state)
{
    (void)state;
    for (int c = 0; c < N_COLORS; c++) {
        assert_string_equal(color_seq(false, (enum color)c), "");
        assert_int_equal(color_seq(true, (enum color)c)[0], '\033');
        for (int other = 0; other < c; other++)
            assert_string_not_equal(color_seq(true, (enum color)c),
                                    color_seq(true, (enum color)other));
    }
}

UNIT_MAIN(cmocka_unit_test(test_modes), cmocka_unit_test(test_not_a_terminal),
          cmocka_unit_test(test_terminal_and_environment), cmocka_unit_test(test_sequences))
