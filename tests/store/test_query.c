// SPDX-License-Identifier: Apache-2.0
//
// Records out: every filter, both orders, page by page, against looking at each record.
#include "tests/store/model.h"

#define HOST "host-0"

static const char *list(struct fixture *f, struct lines *l, struct store_filter filter,
                        bool newest_first)
{
    struct store_page page;

    sb_reset(&l->text);
    l->n = 0;
    assert_int_equal(store_query(f->st, &filter, 100, NULL, newest_first, collect_line, l, &page,
                                 &f->err),
                     0);
    assert_int_equal(page.n, l->n);
    assert_false(page.more);
    return sb_str(&l->text);
}

void test_query_newest(void **state)
{
    struct lines l = {};
    struct store_page page;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_string_equal(list(&f, &l, (struct store_filter){}, true), "");
    assert_int_equal(append_text(&f, HOST, 0, 1, "{\"time\":100}\n{\"time\":300}\n{\"time\":200}\n",
                                 NULL),
                     0);
    assert_string_equal(list(&f, &l, (struct store_filter){}, true),
                        "{\"time\":300}\n{\"time\":200}\n{\"time\":100}\n");
    assert_string_equal(list(&f, &l, (struct store_filter){}, false),
                        "{\"time\":100}\n{\"time\":200}\n{\"time\":300}\n");
    assert_string_equal(list(&f, &l, (struct store_filter){.from_ms = 200}, false),
                        "{\"time\":200}\n{\"time\":300}\n");
    assert_string_equal(list(&f, &l, (struct store_filter){.to_ms = 200}, false),
                        "{\"time\":100}\n");

    l.text.len = 0;
    assert_int_equal(store_query(f.st, &(struct store_filter){}, 2, "", true, collect_line, &l,
                                 &page, &f.err),
                     0);
    assert_true(page.more);
    assert_false(page.truncated);
    assert_int_equal(page.n, 2);
    assert_int_equal(store_query(f.st, &(struct store_filter){}, 2, page.cursor, true, collect_line,
                                 &l, &page, &f.err),
                     0);
    assert_false(page.more);
    assert_string_equal(page.cursor, "");
    assert_string_equal(l.text.s, "{\"time\":300}\n{\"time\":200}\n{\"time\":100}\n");
    sb_done(&l.text);
    fixture_end(&f);
}

// ---- against the model

struct listing {
    struct model *m;
    const struct model_filter *filter;
    bool newest_first;
    uint64_t last_ms;
    size_t n;
};

static int check_row(void *ctx, const struct store_row *row)
{
    struct listing *l = ctx;
    struct made_record *r = model_find(l->m, row->host, &row->stream, row->number);

    assert_non_null(r);
    assert_true(model_matches(l->filter, r));
    assert_false(l->m->once[r - l->m->records]);
    l->m->once[r - l->m->records] = true;
    if (l->n++ > 0)
        assert_true(l->newest_first ? row->columns.time_ms <= l->last_ms
                                    : row->columns.time_ms >= l->last_ms);
    l->last_ms = row->columns.time_ms;
    assert_int_equal(row->columns.time_ms, r->time_ms);
    assert_int_equal(row->columns.count, MAX(r->count, UINT64_C(1)));
    assert_int_equal(row->columns.outcome, r->outcome);
    assert_int_equal(row->columns.user.len, strlen(strempty(r->user)));
    assert_int_equal(row->class, r->class);
    return 0;
}

static void check_list(struct model *m, struct fixture *f, const struct model_filter *filter,
                       bool newest_first, uint32_t limit)
{
    struct listing l = {.m = m, .filter = filter, .newest_first = newest_first};
    struct store_page page = {};
    size_t expected = 0, pages = 0;

    memset(m->once, 0, sizeof(m->once));
    do {
        char cursor[STORE_CURSOR_SIZE];

        (void)snprintf(cursor, sizeof(cursor), "%s", page.cursor);
        if (store_query(f->st, &filter->f, limit, cursor, newest_first, check_row, &l, &page,
                        &f->err) != 0)
            error_print(&f->err, stderr);
        assert_true(page.n <= limit);
        assert_int_equal(page.more, page.cursor[0] != '\0');
        assert_true(!page.more || strcmp(cursor, page.cursor) != 0);
        assert_true(++pages < 100000);
    } while (page.more);
    for (size_t i = 0; i < m->n; i++)
        expected += model_matches(filter, &m->records[i]);
    assert_int_equal(l.n, expected);
}

void test_query_random(void **state)
{
    struct model *m = new0(struct model, 1);
    struct model_filter filter;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    m->seed = 1;
    model_append(m, &f, 1500);
    for (int i = 0; i < 400; i++) {
        model_filter(m, &filter);
        check_list(m, &f, &filter, i % 2, 1 + (uint32_t)model_random(m, i % 3 ? 1000 : 20));
    }
    fixture_reopen(&f);
    model_append(m, &f, 500);
    for (int i = 0; i < 100; i++) {
        model_filter(m, &filter);
        check_list(m, &f, &filter, i % 2, 50);
    }
    // Without any time to look: in small steps, and still all of it, once.
    f.options.scan_ms = 1;
    fixture_reopen(&f);
    for (int i = 0; i < 10; i++) {
        model_filter(m, &filter);
        check_list(m, &f, &filter, i % 2, 50);
    }
    free(m);
    fixture_end(&f);
}

// Thousands of records of one and the same millisecond, and of clocks that jump with each record.
void test_query_out_of_order(void **state)
{
    static struct model_filter all;
    struct model *m = new0(struct model, 1);
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t batch = 0; batch < 20; batch++) {
        _cleanup_(sb_done) struct strbuf text = {};

        for (uint64_t i = 0; i < 100; i++) {
            struct made_record *r = &m->records[m->n++];

            *r = (struct made_record){.time_ms = batch % 2 ? UINT64_C(1764115000000)
                                                           : UINT64_C(1764115000000) +
                                                                 (i * 7919 % 101) * 100000,
                                      .outcome = STORE_OTHER,
                                      .number = batch * 100 + i + 1};
            made_json(r, &text);
        }
        assert_int_equal(append_text(&f, HOST, 0, batch * 100 + 1, text.s, NULL), 0);
    }
    check_list(m, &f, &all, true, 7);
    check_list(m, &f, &all, false, 7);
    check_list(m, &f, &all, true, 1000);
    free(m);
    fixture_end(&f);
}

// ---- text

void test_query_text(void **state)
{
    static const char text[] =
        "{\"time\":1,\"message\":\"cat read /etc/shadow\"}\n"
        "{\"time\":2,\"message\":\"SHADOWS of things\"}\n"
        "{\"time\":3,\"message\":\"etc and shadow apart\",\"metadata\":{\"uid\":\"unseen\"},\"device\":{\"hostname\":\"unseen\"}}\n"
        "{\"time\":4,\"process\":{\"cmd_line\":\"tar --exclude=secret.tgz \\u00e4rger\"},\"list\":[{\"x\":\"deep inside\"}]}\n"
        "{\"time\":5,\"message\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}\n";
    static const struct {
        const char *text;
        const char *times; // of what is found
    } rows[] = {
        {"shadow", "13"},
        {"SHADOW", "13"},
        {"shadow*", "123"},
        {"shado", ""},
        {"shado*", "123"},
        {"/etc/shadow", "1"},
        {"etc/shadow", "1"},
        {"\"etc and\"", "3"},
        {"etc shadow", "13"},
        {"cat shadow", "1"},
        {"cat shadows", ""},
        {"unseen", ""},
        {"secret.tgz", "4"},
        {"secret", "4"},
        {"=secret", "4"},
        {"--exclude", "4"},
        {"\xc3\xa4rger", "4"},
        {"deep", "4"},
        {"\"deep inside\"", "4"},
        {"\"inside deep\"", ""},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "5"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa*", "5"},
        {"aaaaaaaaaaaaaaaaaaaaaaaa", ""},
        {"  ", "12345"},
        {"*", "12345"},
        {"/", "1"},
        {"zzz OR shadow", ""},
        {"\"shadow\" NOT", ""},
        {"#o0", ""},
        {"a'b\\", ""},
        {"of things", "2"},
    };
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(append_text(&f, HOST, 0, 1, text, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *found = list(&f, &l, (struct store_filter){.text = rows[i].text}, false),
                   *times = rows[i].times;

        for (const char *p = found; (p = strstr(p, "{\"time\":")); p++, times++)
            if (p[8] != *times)
                fail_msg("'%s' finds %.60s", rows[i].text, p);
        if (*times)
            fail_msg("'%s' does not find %s", rows[i].text, times);
    }
    sb_done(&l.text);
    fixture_end(&f);
}

// ---- from outside

void test_query_hostile(void **state)
{
    static const char *const values[] = {
        "'; DROP TABLE runs; --", "\" OR 1=1", "\x01\x1f\x7f", "a\\u0000b", "%n%s", "*", "#o0",
        "\xf0\x9f\x92\xa9"};
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct made_record r = {.time_ms = 1000 + i,
                                .rule = values[i],
                                .policy = values[i],
                                .user = values[i],
                                .program = values[i],
                                .path = values[i],
                                .message = values[i],
                                .number = i + 1};
        _cleanup_(sb_done) struct strbuf text = {};

        made_json(&r, &text);
        assert_int_equal(append_text(&f, values[0][0] == '\'' ? "host-'\"x" : HOST, 0, i + 1,
                                     text.s, NULL),
                         0);
    }
    for (uint64_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct store_filter filter = {.rule = values[i], .user = values[i], .path = values[i]};

        (void)list(&f, &l, filter, true);
        assert_int_equal(l.n, streq(values[i], "*") ? ARRAY_SIZE(values) : 1);
    }
    // A number that no 64 bits hold, a NUL, members twice, deep nesting: kept as they came.
    (void)list(&f, &l, (struct store_filter){}, true);
    assert_int_equal(l.n, ARRAY_SIZE(values));
    static const char odd[] =
        "{\"time\":99999999999999999999999999}\n{\"time\":-5}\n{\"time\":1.5e3}\n{\"time\":7,\"actor\":{},\"actor\":"
        "{\"user\":{\"name\":\"second\"}}}\n{\"a\":\"\\u0000\",\"time\":9223372036854775807}\n{\"time\":18446744073709551615}\n"
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n";
    assert_int_equal(append_text(&f, "odd", 3, 1, odd, NULL), 0);
    const char *host = "odd";
    (void)list(&f, &l, (struct store_filter){.hosts = &host, .n_hosts = 1}, true);
    assert_int_equal(l.n, 7);
    assert_string_equal(list(&f, &l, (struct store_filter){.user = "second"}, true),
                        "{\"time\":7,\"actor\":{},\"actor\":{\"user\":{\"name\":\"second\"}}}\n");
    sb_done(&l.text);
    fixture_end(&f);
}

void test_query_long_lines(void **state)
{
    struct store_page page = {};
    struct lines l = {};
    struct fixture f;
    unsigned pages = 0;

    (void)state;
    fixture_begin(&f);
    for (uint64_t i = 1; i <= 60; i++) {
        _cleanup_(sb_done) struct strbuf text = {};

        sb_printf(&text, "{\"time\":%llu,\"message\":\"", (unsigned long long)i);
        while (text.len < RECORD_MAX - 2)
            sb_putc(&text, (char)('a' + text.len % 26));
        sb_puts(&text, "\"}\n");
        assert_int_equal(append_text(&f, HOST, 0, i, text.s, NULL), 0);
    }
    // Pages end before they become too large, and go on.
    do {
        char cursor[STORE_CURSOR_SIZE];

        (void)snprintf(cursor, sizeof(cursor), "%s", page.cursor);
        assert_int_equal(store_query(f.st, &(struct store_filter){}, 1000, cursor, true,
                                     collect_line, &l, &page, &f.err),
                         0);
        assert_true(page.n > 0 && page.n < 40);
        pages++;
    } while (page.more);
    assert_true(pages >= 2);
    assert_int_equal(l.n, 60);
    assert_int_equal(l.text.len, 60 * ((RECORD_MAX) + 1));
    sb_done(&l.text);
    fixture_end(&f);
}

void test_query_bad(void **state)
{
    static const char *const cursors[] = {"x",     "nk",    "ok.1.20250101-001.1.1", "nk.1.2025.1",
                                          "nb.zz", "nb.1x", "nk.1.20250101-001.1.1x"};
    static char long_text[STORE_TEXT_MAX + 2], long_value[5000];
    const char *hosts[STORE_HOSTS_MAX + 1] = {};
    struct store_page page;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    memset(long_text, 'x', sizeof(long_text) - 1);
    memset(long_value, 'x', sizeof(long_value) - 1);
#define BAD(r, limit, cursor, ...)                                                               \
    assert_int_equal(store_query(f.st, &(struct store_filter){__VA_ARGS__}, limit, cursor, true, \
                                 collect_line, NULL, &page, &f.err),                             \
                     r)
    BAD(-EINVAL, 0, NULL, .class_uid = 0);
    BAD(-EINVAL, STORE_LIMIT_MAX + 1, NULL, .class_uid = 0);
    BAD(-EINVAL, 1, NULL, .from_ms = 5, .to_ms = 5);
    BAD(-EINVAL, 1, NULL, .hosts = hosts, .n_hosts = STORE_HOSTS_MAX + 1);
    BAD(-EINVAL, 1, NULL, .outcomes = 1u << STORE_OUTCOMES);
    BAD(-EINVAL, 1, NULL, .text = long_text);
    BAD(-EINVAL, 1, NULL, .text = "\"no end");
    BAD(-E2BIG, 1, NULL, .text = "a b c d e f g h i j k l m n o p q");
    BAD(-EINVAL, 1, NULL, .rule = long_value);
    for (size_t i = 0; i < ARRAY_SIZE(cursors); i++)
        BAD(-EINVAL, 1, cursors[i], .class_uid = 0);
    assert_int_equal(store_get(f.st, "20250101-001.1.0", collect_line, NULL, &f.err), -ENOENT);
    assert_int_equal(store_get(f.st, "../../x", collect_line, NULL, &f.err), -EINVAL);
    assert_int_equal(store_get(f.st, "", collect_line, NULL, &f.err), -EINVAL);
    assert_int_equal(store_get(f.st, "20250101-001.1.0.99999999999999999999999", collect_line, NULL,
                               &f.err),
                     -EINVAL);
    fixture_end(&f);
}

// Clocks of hosts: the beginning of time, the far future, days behind. Each is found at its time, and holds up no other.
void test_query_skewed(void **state)
{
    static const char *const lines[] = {"{\"time\":1}\n", "{\"time\":1764115200000}\n",
                                        "{\"time\":4000000000000}\n",
                                        "{\"time\":9000000000000000000}\n",
                                        "{\"time\":1763115200000}\n"};
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(append_text(&f, HOST, 0, i + 1, lines[i % ARRAY_SIZE(lines)], NULL), 0);
    (void)list(&f, &l, (struct store_filter){.to_ms = 2}, true);
    assert_int_equal(l.n, 10);
    // Where no clock can be that wrong, the time of receipt counts.
    (void)list(&f, &l, (struct store_filter){.from_ms = 1764115200000, .to_ms = 1764115200001},
               true);
    assert_int_equal(l.n, 20);
    (void)list(&f, &l, (struct store_filter){.from_ms = 1763000000000, .to_ms = 1764000000000},
               false);
    assert_int_equal(l.n, 10);
    (void)list(&f, &l, (struct store_filter){.from_ms = 2000000000000}, false);
    assert_int_equal(l.n, 10);
    (void)list(&f, &l, (struct store_filter){}, true);
    assert_int_equal(l.n, 50);
    assert_non_null(str_isempty(l.text.s) ? NULL : strstr(l.text.s, "9000000000000000000"));
    sb_done(&l.text);
    fixture_end(&f);
}

// ---- by name

struct ids {
    char id[300][STORE_ID_SIZE];
    uint64_t number[300];
    unsigned n;
};

static int note_id(void *ctx, const struct store_row *row)
{
    struct ids *ids = ctx;

    (void)snprintf(ids->id[ids->n], STORE_ID_SIZE, "%s", row->id);
    ids->number[ids->n++] = row->number;
    return 0;
}

static int stop(void *ctx, const struct store_row *row)
{
    (void)ctx;
    (void)row;
    return -EPIPE;
}

void test_get_and_since(void **state)
{
    struct stream_id id = stream_of(0);
    struct ids all = {}, one = {}, since = {};
    struct store_page page;
    struct fixture f;
    uint32_t n = 0;

    (void)state;
    fixture_begin(&f);
    for (uint64_t i = 0; i < 50; i++) {
        // Numbers with gaps, over two days.
        assert_int_equal(
            append_text(&f, HOST, 0, i * 10 + 1,
                        "{\"time\":10}\n{\"time\":99999}\n{\"time\":20}\n{\"time\":30}\n", NULL),
            0);
        assert_int_equal(append_text(&f, "host-1", 0, i + 1, "{\"time\":10}\n", NULL), 0);
        if (i == 25)
            f.now_ms += UINT64_C(86400000);
    }
    const char *host = HOST;
    assert_int_equal(store_query(f.st, &(struct store_filter){.hosts = &host, .n_hosts = 1}, 300,
                                 NULL, true, note_id, &all, &page, &f.err),
                     0);
    assert_int_equal(all.n, 200);
    for (unsigned i = 0; i < all.n; i++) {
        one.n = 0;
        assert_int_equal(store_get(f.st, all.id[i], note_id, &one, &f.err), 0);
        assert_int_equal(one.n, 1);
        assert_int_equal(one.number[0], all.number[i]);
        assert_string_equal(one.id[0], all.id[i]);
    }
    assert_int_equal(store_get(f.st, all.id[0], stop, NULL, &f.err), -EPIPE);

    for (uint64_t after = 0;;) {
        assert_int_equal(store_since(f.st, HOST, &id, after, 7, note_id, &since, &n, &f.err), 0);
        if (n == 0)
            break;
        assert_true(n <= 7);
        after = since.number[since.n - 1];
    }
    assert_int_equal(since.n, 200);
    for (unsigned i = 0; i < since.n; i++)
        assert_int_equal(since.number[i], i / 4 * 10 + i % 4 + 1);
    since.n = 0;
    assert_int_equal(store_since(f.st, HOST, &id, 492, 10, note_id, &since, &n, &f.err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(since.number[0], 493);
    id = stream_of(9);
    assert_int_equal(store_since(f.st, HOST, &id, 0, 10, note_id, &since, &n, &f.err), 0);
    assert_int_equal(n, 0);
    fixture_end(&f);
}
