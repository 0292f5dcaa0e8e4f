// SPDX-License-Identifier: Apache-2.0
//
// Counts: whatever way a chart is counted, it says what looking at each record says.
#include "tests/store/model.h"

#define STEPS_MAX 2100
#define KEYS_MAX  4000

struct counted {
    char key[64];
    uint64_t from_ms;
    struct store_count count;
};

struct counts {
    struct counted *all;
    size_t n;
};

static int note_point(void *ctx, const char *key, uint64_t from_ms, const struct store_count *count)
{
    struct counts *c = ctx;

    assert_true(c->n < KEYS_MAX);
    (void)snprintf(c->all[c->n].key, sizeof(c->all[c->n].key), "%s", key);
    c->all[c->n].from_ms = from_ms;
    c->all[c->n++].count = *count;
    return 0;
}

static int note_top(void *ctx, const char *key, const struct store_count *count)
{
    return note_point(ctx, key, 0, count);
}

static const char *key_of(const struct made_record *r, enum store_dim by, char buf[64])
{
    switch (by) {
    case STORE_BY_NONE: return "total";
    case STORE_BY_HOST: return model_host(r->host);
    case STORE_BY_RULE: return strempty(r->rule);
    case STORE_BY_OUTCOME: return store_outcome_name(r->outcome);
    case STORE_BY_SEVERITY: (void)snprintf(buf, 64, "%u", r->severity); return buf;
    case STORE_BY_CLASS: (void)snprintf(buf, 64, "%u", r->class_uid); return buf;
    case STORE_BY_PROGRAM: return strempty(r->program);
    case STORE_BY_USER: return strempty(r->user);
    case STORE_BY_POLICY: return strempty(r->policy);
    case STORE_BY_PATH: return strempty(r->path);
    case STORE_DIM_COUNT:
    default: return NULL;
    }
}

// What the model says about one point (step 0: all of the chart).
static struct store_count expect(const struct model *m, struct model_filter filter,
                                 enum store_dim by, const char *key,
                                 const struct store_chart *chart, uint64_t from_ms,
                                 uint64_t step_ms)
{
    struct store_count c = {};
    char buf[64];

    // The chart's ends are those that it tells.
    filter.f.from_ms = chart->from_ms;
    filter.f.to_ms = chart->to_ms;
    for (size_t i = 0; i < m->n; i++) {
        const struct made_record *r = &m->records[i];

        if (!model_matches(&filter, r) || !streq(key_of(r, by, buf), key))
            continue;
        if (step_ms && (r->time_ms < from_ms || r->time_ms >= from_ms + step_ms))
            continue;
        c.records++;
        c.events += MAX(r->count, UINT64_C(1));
    }
    return c;
}

static void check_points(const struct model *m, const struct model_filter *filter,
                         enum store_dim by, const struct store_chart *chart, const struct counts *c,
                         uint64_t step_ms)
{
    uint64_t records = 0, expected = 0;
    struct model_filter all = *filter;

    for (size_t i = 0; i < c->n; i++) {
        struct store_count e = expect(m, *filter, by, c->all[i].key, chart, c->all[i].from_ms,
                                      step_ms);

        if (e.records != c->all[i].count.records || e.events != c->all[i].count.events)
            fail_msg("%s by %s, key '%s' at %llu: %llu records, not %llu",
                     step_ms ? "chart" : "top", store_dim_name(by), c->all[i].key,
                     (unsigned long long)c->all[i].from_ms,
                     (unsigned long long)c->all[i].count.records, (unsigned long long)e.records);
        records += e.records;
    }
    all.f.from_ms = chart->from_ms;
    all.f.to_ms = chart->to_ms;
    for (size_t i = 0; i < m->n; i++)
        expected += model_matches(&all, &m->records[i]) &&
                    (by != STORE_BY_PATH || m->records[i].path || records == 0);
    if (by != STORE_BY_PATH) // records without a path are in no list of paths
        assert_int_equal(records, expected);
}

static void check_timeline(struct model *m, struct fixture *f, const struct model_filter *filter);

void test_chart_random(void **state)
{
    struct counts c = {.all = new0(struct counted, KEYS_MAX)};
    struct model *m = new0(struct model, 1);
    struct model_filter filter;
    struct store_chart chart;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    m->seed = 5;
    model_append(m, &f, 1200);
    f.now_ms += UINT64_C(200000000);
    for (int i = 0; i < 300; i++) {
        enum store_dim by = (enum store_dim)model_random(m, STORE_DIM_COUNT);
        uint64_t step_ms = UINT64_C(1) << (model_random(m, 12) + 14);

        model_filter(m, &filter);
        // Half of them such as the tables answer.
        if (i % 2) {
            filter.f.text = filter.word = NULL;
            filter.f.activity = filter.f.streams = 0;
            filter.f.path = filter.f.program = NULL;
            filter.f.not_rules = filter.f.not_policies = filter.f.not_users = NULL;
            filter.f.not_programs = filter.f.not_paths = NULL;
            filter.f.n_not_classes = 0;
        }
        if (by != STORE_BY_PATH) {
            c.n = 0;
            assert_int_equal(store_rollup(f.st, &filter.f, by, step_ms, 100, note_point, &c, &chart,
                                          &f.err),
                             0);
            assert_false(chart.truncated);
            assert_true(chart.step_ms >= 60000 && chart.step_ms % 60000 == 0 &&
                        chart.step_ms >= step_ms);
            check_points(m, &filter, by, &chart, &c, chart.step_ms);
        }
        c.n = 0;
        assert_int_equal(store_top(f.st, &filter.f, by, 100, note_top, &c, &chart, &f.err), 0);
        check_points(m, &filter, by, &chart, &c, 0);
        for (size_t k = 1; k < c.n; k++)
            assert_true(c.all[k].count.events <= c.all[k - 1].count.events);
        check_timeline(m, &f, &filter);
    }
    free(c.all);
    free(m);
    fixture_end(&f);
}

// ---- time-line

struct buckets {
    uint64_t from_ms[STEPS_MAX];
    struct store_count counts[STEPS_MAX][STORE_OUTCOMES];
    size_t n;
};

static int note_bucket(void *ctx, uint64_t from_ms, const struct store_count counts[STORE_OUTCOMES])
{
    struct buckets *b = ctx;

    assert_true(b->n < STEPS_MAX);
    b->from_ms[b->n] = from_ms;
    memcpy(b->counts[b->n++], counts, sizeof(b->counts[0]));
    return 0;
}

static void check_timeline(struct model *m, struct fixture *f, const struct model_filter *filter)
{
    struct buckets *b = new0(struct buckets, 1);
    uint32_t n = 1 + (uint32_t)model_random(m, 50);
    struct store_chart chart;
    uint64_t expected = 0, records = 0;
    struct model_filter all = *filter;

    assert_int_equal(store_timeline(f->st, &filter->f, n, note_bucket, b, &chart, &f->err), 0);
    assert_true(b->n > 0 && b->n <= n + 1);
    assert_int_equal(b->from_ms[0], chart.from_ms);
    for (size_t i = 0; i < b->n; i++) {
        assert_int_equal(b->from_ms[i], chart.from_ms + i * chart.step_ms);
        for (unsigned o = 0; o < STORE_OUTCOMES; o++)
            records += b->counts[i][o].records;
    }
    // One bucket in full, all of them by their sum.
    size_t pick = model_random(m, b->n);
    for (unsigned o = 0; o < STORE_OUTCOMES; o++) {
        struct store_count e = expect(m, *filter, STORE_BY_OUTCOME,
                                      store_outcome_name((enum store_outcome)o), &chart,
                                      b->from_ms[pick], chart.step_ms);

        assert_int_equal(b->counts[pick][o].records, e.records);
        assert_int_equal(b->counts[pick][o].events, e.events);
    }
    all.f.from_ms = chart.from_ms;
    all.f.to_ms = chart.to_ms;
    for (size_t i = 0; i < m->n; i++)
        expected += model_matches(&all, &m->records[i]);
    assert_int_equal(records, expected);
    free(b);
}

// ---- bounds

// More programs than a file has numbers for: what is too much is counted as "(other)", and found by name all the same.
void test_chart_keys(void **state)
{
    struct counts c = {.all = new0(struct counted, KEYS_MAX)};
    struct store_chart chart;
    struct store_page page;
    struct lines l = {};
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t batch = 0; batch < 17; batch++) {
        _cleanup_(sb_done) struct strbuf text = {};

        for (uint64_t i = 0; i < 4000; i++)
            sb_printf(&text,
                      "{\"time\":1764115100000,\"actor\":{\"process\":{\"name\":\"p%llu\"}}}\n",
                      (unsigned long long)(batch * 4000 + i));
        assert_int_equal(append_text(&f, "host-0", 0, batch * 4000 + 1, text.s, NULL), 0);
    }
    assert_int_equal(store_rollup(f.st, &(struct store_filter){.from_ms = 1764115000000},
                                  STORE_BY_PROGRAM, 60000, 10, note_point, &c, &chart, &f.err),
                     0);
    assert_int_equal(c.n, 11);
    assert_string_equal(c.all[10].key, "(other)");
    assert_int_equal(c.all[10].count.records, 17 * 4000 - 10);
    assert_int_equal(store_query(f.st, &(struct store_filter){.program = "p67999"}, 10, NULL, true,
                                 collect_line, &l, &page, &f.err),
                     0);
    assert_int_equal(l.n, 1);
    sb_done(&l.text);
    free(c.all);
    fixture_end(&f);
}

// Paths without end: the frequent ones are kept, with how far off they may be.
void test_chart_paths(void **state)
{
    struct counts c = {.all = new0(struct counted, KEYS_MAX)};
    struct store_chart chart;
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    for (uint64_t batch = 0; batch < 10; batch++) {
        _cleanup_(sb_done) struct strbuf text = {};

        for (uint64_t i = 0; i < 2000; i++) {
            sb_printf(&text, "{\"time\":1764115100000,\"file\":{\"path\":\"/tmp/%llu\"}}\n",
                      (unsigned long long)(batch * 2000 + i));
            if (i % 20 == 0)
                sb_puts(
                    &text,
                    "{\"time\":1764115100000,\"file\":{\"path\":\"/etc/shadow\"},\"count\":3,\"action_id\":2}\n");
        }
        assert_int_equal(append_text(&f, "host-0", 0, batch * 2100 + 1, text.s, NULL), 0);
    }
    assert_int_equal(store_top(f.st, &(struct store_filter){.from_ms = 1764000000000},
                               STORE_BY_PATH, 5, note_top, &c, &chart, &f.err),
                     0);
    assert_string_equal(c.all[0].key, "/etc/shadow");
    assert_int_equal(c.all[0].count.records, 1000);
    assert_int_equal(c.all[0].count.events, 3000);
    assert_true(chart.estimated);
    assert_true(chart.error_max > 0 && chart.error_max < 10);
    c.n = 0;
    assert_int_equal(store_top(f.st,
                               &(struct store_filter){.from_ms = 1764000000000,
                                                      .outcomes = 1u << STORE_DENIED},
                               STORE_BY_PATH, 5, note_top, &c, &chart, &f.err),
                     0);
    assert_int_equal(c.n, 1);
    free(c.all);
    fixture_end(&f);
}
