// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/options.h"
#include "base/strutil.h"

enum { OPT_ALL = 1, OPT_COLOR, OPT_LEVEL, OPT_FORCE };

static const struct option_row rows[] = {
    {'a', "all", NULL, "everything", OPTION_FLAG, OPT_ALL},
    {'c', "color", "WHEN", "when to use colours", OPTION_ARG, OPT_COLOR, "auto always never"},
    {'l', "level", "N", "how much", OPTION_OPTIONAL_ARG, OPT_LEVEL},
    {0, "force", NULL, "do it", OPTION_FLAG, OPT_FORCE},
};

static const struct options with_operands = {
    .program = "prog",
    .operands = "[FILE...]",
    .summary = "Test",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};
static const struct options stopping = {
    .program = "prog",
    .operands = "COMMAND",
    .summary = "Test",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
    .stop_at_operand = true,
};
static const struct options without = {
    .program = "prog",
    .command = "go on",
    .summary = "Test",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

// Notes each call as "id=arg ".
static int note(void *ctx, int id, const char *arg, struct error *err)
{
    sb_printf(ctx, "%d=%s ", id, arg ? arg : "-");
    if (arg && streq(arg, "refused"))
        return error_set(err, -ERANGE, "refused it");
    return 0;
}

// Parses a command line of words between blanks; the notes, then "|" and the operands.
static int parse(const struct options *o, const char *line, struct strbuf *notes, struct error *err)
{
    _cleanup_(strv_freep) char **words = NULL;
    _cleanup_free_ char **argv = NULL;
    int first = -1, r, argc;

    assert_int_equal(strv_split(line, " ", &words), 0);
    argc = (int)strv_len(words);
    // getopt_long() moves words about: a copy keeps them all freed.
    argv = malloc(((size_t)argc + 1) * sizeof(*argv));
    memcpy(argv, words, ((size_t)argc + 1) * sizeof(*argv));
    r = options_parse(o, argc, argv, note, notes, &first, err);
    if (r < 0) {
        assert_int_equal(first, -1);
        return r;
    }
    sb_putc(notes, '|');
    for (int i = first; i < argc; i++)
        sb_printf(notes, "%s ", argv[i]);
    return r;
}

static void test_accepted(void **state)
{
    static const struct {
        const struct options *o;
        const char *line, *notes;
    } lines[] = {
        {&with_operands, "prog", "|"},
        {&with_operands, "prog -a", "1=- |"},
        {&with_operands, "prog --all --force x", "1=- 4=- |x "},
        {&with_operands, "prog x -a y", "1=- |x y "},
        {&with_operands, "prog -- -a", "|-a "},
        {&with_operands, "prog --color=red -cblue -c green --color white",
         "2=red 2=blue 2=green 2=white |"},
        {&with_operands, "prog --level -l --level=3 -l4 5", "3=- 3=- 3=3 3=4 |5 "},
        {&with_operands, "prog -acx", "1=- 2=x |"},
        {&with_operands, "prog --co=x", "2=x |"},
        {&with_operands, "prog -", "|- "},
        {&stopping, "prog -a cmd -a --color=x", "1=- |cmd -a --color=x "},
        {&without, "prog -a", "1=- |"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        _cleanup_(sb_done) struct strbuf notes = {};
        struct error err = {};

        if (parse(lines[i].o, lines[i].line, &notes, &err) != 0)
            fail_msg("'%s': %s", lines[i].line, err.what);
        assert_string_equal(sb_str(&notes), lines[i].notes);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const struct options *o;
        const char *line, *what, *cure;
    } lines[] = {
        {&with_operands, "prog --colour", "unknown or ambiguous option '--colour'",
         "did you mean '--color'?"},
        {&with_operands, "prog --colour=x", "unknown or ambiguous option '--colour'",
         "did you mean '--color'?"},
        {&with_operands, "prog --xyz", "unknown or ambiguous option '--xyz'",
         "'prog --help' lists the options"},
        {&with_operands, "prog operand --xyz", "unknown or ambiguous option '--xyz'",
         "'prog --help' lists the options"},
        {&with_operands, "prog -z", "unknown option '-z'", "'prog --help' lists the options"},
        {&with_operands, "prog -az", "unknown option '-z'", "'prog --help' lists the options"},
        {&with_operands, "prog operand -z", "unknown option '-z'",
         "'prog --help' lists the options"},
        {&with_operands, "prog --color", "option '--color' needs an argument", ""},
        {&with_operands, "prog x -c", "option '-c' needs an argument", ""},
        {&with_operands, "prog --all=1", "option '--all' takes no argument", ""},
        {&with_operands, "prog --color=refused", "refused it", ""},
        {&without, "prog x", "unexpected argument 'x'", "'prog go on --help' lists the options"},
        {&without, "prog -a x", "unexpected argument 'x'", "'prog go on --help' lists the options"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        _cleanup_(sb_done) struct strbuf notes = {};
        struct error err = {};
        int r = parse(lines[i].o, lines[i].line, &notes, &err);

        if (r >= 0)
            fail_msg("'%s' was accepted: %s", lines[i].line, sb_str(&notes));
        assert_int_equal(r, err.code);
        assert_string_equal(err.what, lines[i].what);
        assert_string_equal(err.cure, lines[i].cure);
    }
}

static void test_needed_argument_is_explained(void **state)
{
    _cleanup_(sb_done) struct strbuf notes = {};
    struct error err = {};

    (void)state;
    assert_int_equal(parse(&with_operands, "prog --color", &notes, &err), -EINVAL);
    assert_string_equal(err.expected, "WHEN (when to use colours)");
    assert_int_equal(parse(&with_operands, "prog --color", &notes, NULL), -EINVAL);
}

UNIT_MAIN(cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
          cmocka_unit_test(test_needed_argument_is_explained))
