// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <spawn.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/options.h"
#include "base/strutil.h"

extern char **environ;

static const struct option_row rows[] = {
    {'h', "help", NULL, "show this text", OPTION_FLAG, 1},
    {0, "color", "WHEN", "when to use colours: always, never, or only on a terminal", OPTION_ARG, 2,
     "auto always never"},
    {'q', "a-very-long-option-name", "VALUE", "what it does", OPTION_OPTIONAL_ARG, 3, "x y"},
};
static const struct option_row check_rows[] = {
    {'o', "output", "FILE", "where to write", OPTION_ARG, 1, "FILE"},
    {'k', "kernel", "VERSION", "which one", OPTION_ARG, 2, NULL},
};
static const struct options program = {
    .program = "safe-prog",
    .operands = "COMMAND...",
    .summary = "Does what it does",
    .description = "First paragraph,\nof two lines.\n\n.Second paragraph - with a dot.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
    .stop_at_operand = true,
};
static const struct options commands[] = {
    {.program = "safe-prog",
     .command = "policy check",
     .operands = "FILE...",
     .summary = "Check",
     .rows = check_rows,
     .n_rows = ARRAY_SIZE(check_rows),
     .operand_values = "FILE"},
    {.program = "safe-prog", .command = "policy explain", .summary = "Explain"},
    {.program = "safe-prog", .command = "status", .summary = "Show"},
};

static void test_help(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    options_help(&program, 70, &sb);
    assert_string_equal(sb_str(&sb),
                        "Usage: safe-prog [OPTION...] COMMAND...\n"
                        "Does what it does\n"
                        "\n"
                        "First paragraph, of two lines.\n"
                        "\n"
                        ".Second paragraph - with a dot.\n"
                        "\n"
                        "Options:\n"
                        "  -h, --help                  show this text\n"
                        "      --color=WHEN            when to use colours: always, never, or\n"
                        "                              only on a terminal\n"
                        "  -q, --a-very-long-option-name[=VALUE]\n"
                        "                              what it does\n");
}

static void test_help_stays_in_width(void **state)
{
    (void)state;
    for (unsigned width = 0; width < 200; width += 7) {
        _cleanup_(sb_done) struct strbuf sb = {};
        _cleanup_(strv_freep) char **lines = NULL;

        options_help(&program, width, &sb);
        assert_int_equal(strv_split(sb_str(&sb), "\n", &lines), 0);
        STRV_FOREACH (line, lines)
            assert_true(strlen(*line) <= (width == 0 ? 80 : width < 50 ? 50 : width));
    }
}

static void test_help_of_a_command(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    options_help(&commands[2], 0, &sb);
    assert_string_equal(sb_str(&sb), "Usage: safe-prog status\nShow\n");
}

static void test_man(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    const char *page;

    (void)state;
    options_man(&program, commands, ARRAY_SIZE(commands), 8, "1.2", &sb);
    page = sb_str(&sb);
    assert_non_null(
        str_startswith(page, ".TH safe-prog 8 \"" OPTIONS_MAN_DATE "\" \"safe-prog 1.2\"\n"));
    assert_non_null(strstr(page, "\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nshow this text.\n"));
    assert_non_null(strstr(page, "\\fB\\-\\-color\\fR=\\fIWHEN\\fR\n"));
    assert_non_null(strstr(page, "[=\\fIVALUE\\fR]\n"));
    // A paragraph that begins with a dot is not a request of roff.
    assert_non_null(strstr(page, "\n\\&.Second paragraph \\- with"));
    assert_non_null(strstr(page, ".SS \\fBsafe\\-prog policy check\\fR [\\fIOPTION\\fR...]"));
    assert_non_null(strstr(page, "\\fB\\-\\-output\\fR=\\fIFILE\\fR\nwhere to write.\n"));
}

// Runs bash over the completion script with these words in COMP_WORDS; the answers, one blank
// between.
static char *complete(const char *script, const char *words, int cword)
{
    static const char tail[] = "\n_safe_prog\necho \"${COMPREPLY[*]}\"\n";
    _cleanup_free_ char *text = NULL;
    posix_spawn_file_actions_t actions;
    char *answer = NULL, *argv[4] = {(char *)"bash", (char *)"-c"};
    int fds[2], status;
    pid_t pid;

    // compopt only works inside a real completion.
    assert_true(asprintf(&text, "set -u; compopt() { :; }\n%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d%s",
                         script, words, cword, tail) > 0);
    argv[2] = text;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    assert_int_equal(posix_spawnp(&pid, "bash", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    safe_close(fds[1]);
    assert_int_equal(read_fd_bounded(fds[0], 4096, &answer, NULL), 0);
    safe_close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return answer;
}

static void test_completion(void **state)
{
    static const struct {
        const char *words;
        int cword;
        const char *expect;
    } rows_of_words[] = {
        {"safe-prog ''", 1, "policy policy status"},
        {"safe-prog po", 1, "policy policy"},
        {"safe-prog policy ''", 2, "check explain"},
        {"safe-prog policy e", 2, "explain"},
        {"safe-prog -", 1, "--help --color= --a-very-long-option-name"},
        {"safe-prog --h", 1, "--help"},
        {"safe-prog --color =", 2, "auto always never"},
        {"safe-prog --color = al", 3, "always"},
        {"safe-prog --color ''", 2, "auto always never"},
        {"safe-prog --a-very-long-option-name = ''", 3, "x y"},
        {"safe-prog -h s", 2, "status"},
        {"safe-prog policy check --", 3, "--output= --kernel="},
        {"safe-prog policy check --kernel ''", 4, ""},
        {"safe-prog policy check --output /etc/passw", 4, "/etc/passwd"},
        {"safe-prog policy check -o /etc/passw", 4, "/etc/passwd"},
        {"safe-prog policy check /etc/passw", 3, "/etc/passwd"},
        {"safe-prog status ''", 2, ""},
    };
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    options_completion_bash(&program, commands, ARRAY_SIZE(commands), &sb);
    assert_non_null(strstr(sb_str(&sb), "complete -F _safe_prog safe-prog\n"));
    for (size_t i = 0; i < ARRAY_SIZE(rows_of_words); i++) {
        _cleanup_free_ char *answer = complete(sb_str(&sb), rows_of_words[i].words,
                                               rows_of_words[i].cword);
        _cleanup_(strv_freep) char **got = NULL;
        _cleanup_free_ char *joined = NULL;

        assert_int_equal(strv_split(answer, " \n", &got), 0);
        assert_int_equal(strv_join(got, " ", &joined), 0);
        // /etc/passwd- may be there too.
        if (str_endswith(rows_of_words[i].expect, "/etc/passwd")
                ? !str_startswith(joined, rows_of_words[i].expect)
                : !streq(joined, rows_of_words[i].expect))
            fail_msg("%s: '%s'", rows_of_words[i].words, joined);
    }
}

UNIT_MAIN(cmocka_unit_test(test_help), cmocka_unit_test(test_help_stays_in_width),
          cmocka_unit_test(test_help_of_a_command), cmocka_unit_test(test_man),
          cmocka_unit_test(test_completion))
