// SPDX-License-Identifier: Apache-2.0
//
// What `safeguard ps` prints of an answer of the agent, compared with files in tests/golden/cli (UPDATE_GOLDEN=1 writes them anew).
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "cli/columns.h"
#include "cli/ps.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/cli/"

static struct json_object *answer;

static void load(struct ps_rows *rows)
{
    assert_int_equal(ps_add(rows, json_get(answer, "processes")), 0);
}

static void compare(const char *name, const struct ps_options *options)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *expected = NULL;
    struct ps_options o = *options;
    struct ps_rows rows = {};
    char path[4096];

    o.now_ms = json_get_u64(answer, "now_ms", 0);
    load(&rows);
    (void)ps_choose(&rows, &o);
    render_ps(&rows, &o, &sb);
    ps_done(&rows);
    assert_false(sb.failed);
    (void)snprintf(path, sizeof(path), GOLDEN "%s", name);
    if (getenv("UPDATE_GOLDEN")) {
        assert_int_equal(write_file_atomic(AT_FDCWD, path, sb_str(&sb), sb.len, 0644), 0);
        return;
    }
    assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &expected, NULL), 0);
    assert_string_equal(sb_str(&sb), expected);
}

static void test_looks(void **state)
{
    (void)state;
    compare("ps.txt", &(struct ps_options){.width = PS_WIDTH_UNBOUNDED});
    compare("ps-tree.txt", &(struct ps_options){.tree = true, .width = 100});
    compare("ps-tree-color.txt", &(struct ps_options){.tree = true,
                                                      .color = true,
                                                      .ids = true,
                                                      .hashes = true,
                                                      .width = PS_WIDTH_UNBOUNDED});
    compare("ps-narrow.txt", &(struct ps_options){.hashes = true, .width = 20});
    compare("ps-subtree.txt",
            &(struct ps_options){.tree = true,
                                 .width = 80,
                                 .filter = {.names = (char *[]){(char[]){"bash"}, (char[]){"900"}},
                                            .n_names = 2}});
}

// No line is wider than the terminal, where that has room for all but the command.
static void test_width(void **state)
{
    (void)state;
    for (uint32_t width = 92; width < 140; width++) {
        struct ps_options o = {.tree = true, .width = width};
        _cleanup_(sb_done) struct strbuf sb = {};
        struct ps_rows rows = {};
        char *line, *rest;

        load(&rows);
        (void)ps_choose(&rows, &o);
        render_ps(&rows, &o, &sb);
        ps_done(&rows);
        rest = sb.s;
        while ((line = strsep(&rest, "\n")) && rest)
            if (columns_width(line) > width)
                fail_msg("%u columns of %u: %s", columns_width(line), width, line);
    }
}

static size_t matching(const struct ps_filter *f, bool tree)
{
    const struct ps_options o = {.filter = *f, .tree = tree};
    struct ps_rows rows = {};
    size_t n;

    load(&rows);
    n = ps_choose(&rows, &o);
    ps_done(&rows);
    return n;
}

static void test_filters(void **state)
{
    char *pid[] = {(char[]){"700"}}, *name[] = {(char[]){"nginx"}},
         *path[] = {(char[]){"/usr/sbin/nginx"}}, *nobody[] = {(char[]){"77"}};

    (void)state;
    assert_int_equal(matching(&(struct ps_filter){}, false), 12);
    assert_int_equal(matching(&(struct ps_filter){.user = "ann"}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.user = "1000"}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.login = "ann"}, false), 3);
    assert_int_equal(matching(&(struct ps_filter){.session = "ssh"}, false), 4);
    assert_int_equal(matching(&(struct ps_filter){.session = "none"}, false), 4);
    assert_int_equal(matching(&(struct ps_filter){.container = ""}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.container = "8e5b"}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.container = "9"}, false), 0);
    assert_int_equal(matching(&(struct ps_filter){.deleted = true}, false), 3);
    assert_int_equal(matching(&(struct ps_filter){.package = "bash"}, false), 1);
    assert_int_equal(matching(&(struct ps_filter){.package = "none"}, false), 6);
    assert_int_equal(matching(&(struct ps_filter){.names = pid, .n_names = 1}, false), 1);
    assert_int_equal(matching(&(struct ps_filter){.names = pid, .n_names = 1}, true), 4);
    assert_int_equal(matching(&(struct ps_filter){.names = name, .n_names = 1}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.names = path, .n_names = 1}, false), 2);
    assert_int_equal(matching(&(struct ps_filter){.names = nobody, .n_names = 1}, true), 0);
}

// Processes that would be below themselves, from an agent that is out of its mind; and a tree as deep as one can be.
static void test_odd_trees(void **state)
{
    struct ps_options o = {.tree = true, .width = 80};
    _cleanup_(sb_done) struct strbuf text = {}, sb = {};
    struct json_object *array;
    struct ps_rows rows = {};
    size_t lines = 0;

    (void)state;
    sb_puts(&text,
            "[{\"pid\":1,\"uid\":\"a\",\"below\":\"b\"},{\"pid\":2,\"uid\":\"b\",\"below\":\"a\"},"
            "{\"pid\":3,\"uid\":\"c\",\"below\":\"c\"}");
    for (unsigned i = 0; i < 3000; i++)
        sb_printf(&text, ",{\"pid\":%u,\"uid\":\"u%u\",\"below\":\"u%u\",\"started_ms\":%u}",
                  9000 - i, i + 1, i, i);
    sb_putc(&text, ']');
    array = json_tokener_parse(sb_str(&text));
    assert_int_equal(ps_add(&rows, array), 0);
    json_object_put(array);
    assert_int_equal(ps_choose(&rows, &o), 3003);
    render_ps(&rows, &o, &sb);
    for (size_t i = 0; i < sb.len; i++)
        lines += sb.s[i] == '\n';
    assert_int_equal(lines, 3004);
    ps_done(&rows);
}

static int set_up(void **state)
{
    _cleanup_free_ char *text = NULL;

    (void)state;
    assert_int_equal(read_file_bounded(AT_FDCWD, GOLDEN "ps.json", 1 << 20, &text, NULL), 0);
    answer = json_tokener_parse(text);
    assert_non_null(answer);
    return setenv("TZ", "UTC", 1);
}

static int tear_down(void **state)
{
    (void)state;
    json_object_put(answer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_odd_trees),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
