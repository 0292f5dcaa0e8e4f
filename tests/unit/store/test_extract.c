// SPDX-License-Identifier: Apache-2.0
//
// Columns from lines: the records that src/ocsf writes, both ways of reading, and everything that is odd.
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "store/extract_internal.h"

static void read_line(struct extract *x, const char *line, struct store_columns *c)
{
    extract_reset(x);
    extract_line(x, line, strlen(line), 42, NULL, NULL, c);
}

static void check_str(struct store_str s, const char *expected)
{
    if (!expected) {
        assert_null(s.s);
        return;
    }
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.s, expected, s.len);
}

static void test_golden(void **state)
{
    static const struct {
        const char *file, *rule, *policy, *user, *program, *path;
        enum store_outcome outcome;
        uint64_t count;
        uint32_t class_uid, activity, severity;
    } rows[] = {
        {"open-denied.json", "shadow", "web-host", "ann", "/usr/bin/cat", "/etc/shadow",
         STORE_DENIED, 1, 1001, 14, 3},
        {"open-audited.json", "50-web.yaml:14", "web-host", "ann", "/usr/bin/cat",
         "/home/ann/.ssh/id_ed25519.pub", STORE_AUDITED, 1, 1001, 14, 1},
        {"rename-monitored.json", "shadow", "web-host", "ann", "/usr/bin/cat", "/etc/passwd",
         STORE_WOULD_DENY, 1, 1001, 5, 2},
        {"rmdir-merged.json", "shadow", "web-host", "ann", "/usr/bin/cat", "/srv/www", STORE_DENIED,
         1000000, 1001, 4, 3},
        {"exec.json", NULL, NULL, "ann", "/usr/bin/cat", "/usr/bin/id", STORE_OTHER, 1, 1007, 1, 1},
        {"link-not-held.json", "shadow", "web-host", "ann", "/usr/bin/cat", NULL, STORE_NOT_HELD, 1,
         1001, 1, 4},
    };
    struct extract *x = NULL;

    (void)state;
    assert_int_equal(extract_new(&x), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *line = NULL;
        struct store_columns c;
        size_t len;
        char path[4096];

        (void)unit_path_in(path, sizeof(path), SOURCE_ROOT "/tests/golden/ocsf", rows[i].file);
        assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &line, &len), 0);
        line[strcspn(line, "\n")] = '\0';
        read_line(x, line, &c);
        assert_false(c.unreadable);
        assert_true(c.time_ms >= UINT64_C(1700000000000));
        assert_int_equal(c.outcome, rows[i].outcome);
        assert_int_equal(c.count, rows[i].count);
        assert_int_equal(c.class_uid, rows[i].class_uid);
        assert_int_equal(c.activity, rows[i].activity);
        assert_int_equal(c.severity, rows[i].severity);
        assert_int_equal(c.pid, 4242);
        check_str(c.rule, rows[i].rule);
        check_str(c.policy, rows[i].policy);
        check_str(c.user, rows[i].user);
        check_str(c.program, rows[i].program);
        if (rows[i].path)
            check_str(c.path, rows[i].path);
        check_str(c.process, "11111111-2222-3333-4444-555555555555:4242:12345");
        assert_true(c.message.len > 10);
    }
    extract_free(x);
}

// Every record that is shipped as an example is read in one pass, and json-c says the same.
static void test_both_ways(void **state)
{
    _cleanup_(strv_freep) char **names = NULL;
    struct extract *x = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(extract_new(&x), 0);
    assert_int_equal(dir_names(AT_FDCWD, SOURCE_ROOT "/tests/golden/ocsf", ".json", 1000, &names),
                     0);
    STRV_FOREACH (name, names) {
        _cleanup_free_ char *line = NULL;
        size_t len;
        char path[4096];

        (void)unit_path_in(path, sizeof(path), SOURCE_ROOT "/tests/golden/ocsf", *name);
        assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &line, &len), 0);
        len = strcspn(line, "\n");
        struct extract_job fast = {.x = x, .line = line, .len = len}, tree = fast;
        assert_true(extract_fast(&fast));
        assert_true(extract_tree(&tree));
        assert_memory_equal(fast.values.numbers, tree.values.numbers, sizeof(fast.values.numbers));
        for (unsigned i = 0; i < STRINGS; i++) {
            assert_int_equal(fast.values.strings[i].len, tree.values.strings[i].len);
            if (fast.values.strings[i].len)
                assert_memory_equal(fast.values.strings[i].s, tree.values.strings[i].s,
                                    fast.values.strings[i].len);
        }
        n++;
    }
    assert_true(n > 15);
    extract_free(x);
}

static void test_odd(void **state)
{
    static const struct {
        const char *line;
        bool fast, unreadable;
        uint64_t time_ms;
    } rows[] = {
        {"{}", true, false, 42},
        {"{\"time\":5}", true, false, 5},
        {"{ \"time\" : 5 , \"x\" : [ ] }", true, false, 5},
        {"{\"time\":-0}", true, false, 42},
        {"{\"time\":-7}", true, false, 42},
        {"{\"time\":5.0}", true, false, 42},
        {"{\"time\":5e3}", true, false, 42},
        {"{\"time\":\"5\"}", true, false, 42},
        {"{\"time\":{\"time\":5}}", true, false, 42},
        {"{\"x\":{\"time\":5}}", true, false, 42},
        {"{\"x\":[{\"time\":5}]}", true, false, 42},
        {"{\"time\":5,\"time\":6}", false, false, 6},
        {"{\"time\":5,\"time\":\"x\"}", false, false, 42},
        {"{\"t\\u0069me\":5}", false, false, 5},
        {"{\"time\":4398046511103}", true, false, STORE_TIME_MAX},
        {"{\"time\":4398046511104}", true, false, 42},
        {"{\"time\":9223372036854775807}", false, false, 42},
        {"{\"time\":18446744073709551615}", false, false, 42},
        {"{\"time\":05}", false, true, 42},
        {"{\"time\":5,}", false, true, 42},
        {"{\"time\":5}}", false, true, 42},
        {"{\"time\":5", false, true, 42},
        {"{\"m\":\"\xff\"}", false, true, 42},
        {"{\"m\":\"\\ud83d\\ude00\"}", false, false, 42},
        // What json-c takes, and a browser does not.
        {"{\"time\":5,\"m\":NaN}", false, true, 42},
        {"{\"time\":5,\"m\":-Infinity}", false, true, 42},
        {"{\"time\":5,\"m\":1.}", false, true, 42},
        {"{\"time\":5,\"m\":\"a\tb\"}", false, true, 42},
        {"{\"time\":5,\"m\":\"\x1b[31m\"}", false, true, 42},
        {"{\"time\":5,\"m\":\"\xed\xa0\x80\"}", false, true, 42},
        {"{\"time\":5,\"m\":\"\\ud800\"}", false, false, 5},
        {"[{\"time\":5}]", false, true, 42},
        {"\"time\"", false, true, 42},
        {"", false, true, 42},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]],\"time\":5}", false, false,
         5},
    };
    struct extract *x = NULL;

    (void)state;
    assert_int_equal(extract_new(&x), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct extract_job job = {.x = x, .line = rows[i].line, .len = strlen(rows[i].line)};
        struct store_columns c;

        if (extract_fast(&job) != rows[i].fast)
            fail_msg("%s: the pass %s it", rows[i].line, rows[i].fast ? "does not read" : "reads");
        read_line(x, rows[i].line, &c);
        if (c.unreadable != rows[i].unreadable || c.time_ms != rows[i].time_ms)
            fail_msg("%s: time %llu", rows[i].line, (unsigned long long)c.time_ms);
        assert_true(c.count == 1 && c.outcome == STORE_OTHER);
    }
    extract_free(x);
}

static void test_strings(void **state)
{
    struct extract *x = NULL;
    struct store_columns c;

    (void)state;
    assert_int_equal(extract_new(&x), 0);
    read_line(
        x,
        "{\"message\":\"a\\\"b\\\\c\\/d\\n\\u00e4\\u20ac\",\"actor\":{\"user\":{\"uid\":\"1000\"},\"process\":{\"name\":\"sh\"}}}",
        &c);
    check_str(c.message, "a\"b\\c/d\n\xc3\xa4\xe2\x82\xac");
    check_str(c.user, "1000");
    check_str(c.program, "sh");
    read_line(
        x,
        "{\"file\":{\"path\":\"\"},\"process\":{\"file\":{\"path\":\"/new\"}},\"unmapped\":{\"rule_file\":\"x.yaml\",\"rule_line\":7}}",
        &c);
    check_str(c.path, "");
    check_str(c.rule, "x.yaml:7");
    read_line(x, "{\"class_uid\":2004,\"finding_info\":{\"uid\":\"7\",\"title\":\"Ids changed\"}}",
              &c);
    check_str(c.rule, "Ids changed");
    read_line(x, "{\"finding_info\":{\"title\":\"Ids changed\"},\"unmapped\":{\"rule\":\"r\"}}",
              &c);
    check_str(c.rule, "r");
    // More than 64 bits hold: as much as they do, or not readable; never a small number.
    read_line(x, "{\"count\":99999999999999999999}", &c);
    assert_true(c.unreadable || c.count == UINT64_C(1) << 40);
    read_line(x, "{\"count\":999999999999999999}", &c);
    assert_int_equal(c.count, UINT64_C(1) << 40);
    extract_free(x);
}

static void test_outcomes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STORE_OUTCOMES; i++) {
        enum store_outcome found = STORE_OUTCOMES;

        assert_int_equal(store_outcome_find(store_outcome_name((enum store_outcome)i), &found), 0);
        assert_int_equal(found, i);
    }
    assert_null(store_outcome_name(STORE_OUTCOMES));
    assert_int_equal(store_outcome_find("no", &(enum store_outcome){0}), -ENOENT);
}

UNIT_MAIN(cmocka_unit_test(test_golden), cmocka_unit_test(test_both_ways),
          cmocka_unit_test(test_odd), cmocka_unit_test(test_strings),
          cmocka_unit_test(test_outcomes))
