// SPDX-License-Identifier: Apache-2.0
//
// What records are found by besides their columns: each place of a record that is a mark, what is no mark, live views.
#include "tests/store/suite.h"

#define HOST "host-0"

// One record a row, and the one mark that nothing but that place of it gives.
static const struct {
    const char *line;
    enum store_mark mark;
    const char *value;
} rows[] = {
    {"{\"actor\":{\"process\":{\"uid\":\"b:1:1\"}}}", STORE_MARK_PROCESS, "b:1:1"},
    {"{\"process\":{\"uid\":\"b:2:1\"}}", STORE_MARK_PROCESS, "b:2:1"},
    {"{\"actor\":{\"process\":{\"parent_process\":{\"uid\":\"b:3:1\"}}}}", STORE_MARK_PARENT,
     "b:3:1"},
    {"{\"process\":{\"parent_process\":{\"uid\":\"b:4:1\"}}}", STORE_MARK_PARENT, "b:4:1"},
    {"{\"actor\":{\"process\":{\"user\":{\"name\":\"root\"}}}}", STORE_MARK_RUN_USER, "root"},
    {"{\"process\":{\"user\":{\"name\":\"j\\u00f6rg\"}}}", STORE_MARK_RUN_USER, "j\xc3\xb6rg"},
    {"{\"actor\":{\"session\":{\"uid\":\"7\"}}}", STORE_MARK_SESSION, "7"},
    {"{\"process\":{\"session\":{\"uid\":\"8\"}}}", STORE_MARK_SESSION, "8"},
    {"{\"actor\":{\"process\":{\"container\":{\"uid\":\"c1\"}}}}", STORE_MARK_CONTAINER, "c1"},
    {"{\"process\":{\"container\":{\"uid\":\"c2\"}}}", STORE_MARK_CONTAINER, "c2"},
    {"{\"launch_type_id\":3}", STORE_MARK_LAUNCH, "exec"},
    {"{\"launch_type_id\":2}", STORE_MARK_LAUNCH, "fork"},
    {"{\"src_endpoint\":{\"ip\":\"10.0.0.7\"}}", STORE_MARK_ADDRESS, "10.0.0.7"},
    {"{\"dst_endpoint\":{\"ip\":\"2001:db8::1\"}}", STORE_MARK_ADDRESS, "2001:db8::1"},
    {"{\"dst_endpoint\":{\"port\":443}}", STORE_MARK_PORT, "443"},
    {"{\"src_endpoint\":{\"hostname\":\"a.example\"}}", STORE_MARK_DOMAIN, "a.example"},
    {"{\"dst_endpoint\":{\"hostname\":\"b.example\"}}", STORE_MARK_DOMAIN, "b.example"},
    {"{\"query\":{\"hostname\":\"c.example\"}}", STORE_MARK_DOMAIN, "c.example"},
};

// Records that have none of these values as that mark.
static const char others[] =
    "{\"actor\":{\"process\":{\"uid\":\"\",\"name\":\"b:1:1\",\"ancestry\":[{\"uid\":\"b:3:1\"}]}}}\n"
    "{\"actor\":{\"user\":{\"name\":\"root\",\"uid\":\"7\"}},\"message\":\"b:2:1 c1 c2 exec fork\"}\n"
    "{\"device\":{\"hostname\":\"a.example\"},\"dst_endpoint\":{\"port\":70000,\"name\":\"b.example\"}}\n"
    "{\"src_endpoint\":{\"port\":443},\"query\":[{\"hostname\":\"c.example\"}],\"message\":\"10.0.0.7\"}\n"
    "{\"launch_type_id\":1,\"unmapped\":{\"access\":[\"exec\"]}}\n"
    "{\"action_id\":2,\"unmapped\":{\"access\":[\"read\",\"execute\"]}}\n"
    "{\"process\":{\"uid\":7,\"parent_process\":[{\"uid\":\"b:4:1\"}]}}\n"
    "not json: b:1:1\n";

static void append_rows(struct fixture *f)
{
    _cleanup_(sb_done) struct strbuf text = {};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        sb_printf(&text, "%s\n", rows[i].line);
    sb_puts(&text, others);
    assert_int_equal(append_text(f, HOST, 0, 1, text.s, NULL), 0);
}

void test_marks_each(void **state)
{
    struct store_page page;
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    append_rows(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const values[] = {"none", rows[i].value, NULL};
        struct store_filter filter = {};

        filter.marks[rows[i].mark] = values;
        sb_reset(&l.text);
        l.n = 0;
        assert_int_equal(store_query(f.st, &filter, 100, NULL, true, collect_line, &l, &page,
                                     &f.err),
                         0);
        if (l.n != 1 || strncmp(l.text.s, rows[i].line, strlen(rows[i].line)) != 0)
            fail_msg("%s finds %s", rows[i].value, sb_str(&l.text));
    }
    // Whoever was not allowed to execute: about no process, and executed all the same.
    assert_int_equal(
        append_text(
            &f, HOST, 0, 100,
            "{\"action_id\":2,\"file\":{\"path\":\"/tmp/x\"},\"unmapped\":{\"access\":[\"exec\"]}}\n",
            NULL),
        0);
    const char *const exec[] = {"exec", NULL};
    struct store_filter both = {.marks[STORE_MARK_LAUNCH] = exec, .cmd_line = "/tmp/x"};
    l.n = 0;
    assert_int_equal(store_query(f.st, &both, 100, NULL, true, collect_line, &l, &page, &f.err), 0);
    assert_int_equal(l.n, 1);
    both.cmd_line = NULL;
    l.n = 0;
    assert_int_equal(store_query(f.st, &both, 100, NULL, true, collect_line, &l, &page, &f.err), 0);
    assert_int_equal(l.n, 2);
    sb_done(&l.text);
    fixture_end(&f);
}

void test_marks_bad(void **state)
{
    static char long_value[5000];
    const char *many[STORE_MARK_MAX + 2] = {}, *one[] = {long_value, NULL};
    struct store_filter filter = {.marks[STORE_MARK_PROCESS] = many};
    struct error err = {};

    (void)state;
    memset(long_value, 'x', sizeof(long_value) - 1);
    for (size_t i = 0; i < STORE_MARK_MAX; i++)
        many[i] = "b:1:1";
    assert_int_equal(store_filter_check(&filter, &err), 0);
    many[STORE_MARK_MAX] = "b:1:1";
    assert_int_equal(store_filter_check(&filter, &err), -EINVAL);
    assert_non_null(strstr(err.what, "process"));
    filter = (struct store_filter){.marks[STORE_MARK_CONTAINER] = one};
    assert_int_equal(store_filter_check(&filter, &err), -EINVAL);
    filter = (struct store_filter){.cmd_line = "\"no end"};
    assert_int_equal(store_filter_check(&filter, &err), -EINVAL);
    filter = (struct store_filter){.cmd_line = long_value};
    assert_int_equal(store_filter_check(&filter, &err), -EINVAL);
}

struct live {
    struct store_matcher *matchers[ARRAY_SIZE(rows)];
    unsigned found[ARRAY_SIZE(rows)];
};

static void on_new(void *ctx, const struct store_row *new, size_t n)
{
    struct live *live = ctx;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
            if (store_matcher_matches(live->matchers[k], &new[i])) {
                assert_int_equal(new[i].number, k + 1);
                live->found[k]++;
            }
}

void test_marks_live(void **state)
{
    const char *values[ARRAY_SIZE(rows)][2] = {};
    struct store_filter filters[ARRAY_SIZE(rows)] = {};
    struct live live = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        values[i][0] = rows[i].value;
        filters[i].marks[rows[i].mark] = values[i];
        assert_int_equal(store_matcher_new(&filters[i], &live.matchers[i], &f.err), 0);
    }
    store_follow(f.st, on_new, &live);
    append_rows(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(live.found[i], 1);
        store_matcher_free(live.matchers[i]);
    }
    fixture_end(&f);
}
