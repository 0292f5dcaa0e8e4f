// SPDX-License-Identifier: Apache-2.0
//
// Alerts: what is one matter, that each record is counted once, and what people do with them.
#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/alert.h"
#include "registry/user.h"

#define STREAM_A "00000000000000000000000000000001"
#define STREAM_B "00000000000000000000000000000002"

static struct alert_input input(uint64_t seq, const char *rule, const char *program)
{
    return (struct alert_input){.seq = seq,
                                .time_ms = T0 + seq,
                                .class_uid = 1001,
                                .severity = 4,
                                .outcome = "denied",
                                .policy = "web",
                                .rule = rule,
                                .rule_file = "50-web.yaml",
                                .rule_line = 7,
                                .program = program,
                                .path = "/etc/shadow",
                                .message = "cat tried to read /etc/shadow"};
}

static struct alert_counted count(struct fixture *f, const char *host, const char *stream,
                                  uint64_t up_to, const struct alert_input *inputs, size_t n)
{
    struct alert_counted c = {};

    ok(registry_alert_count(f->rg, host, stream, up_to, inputs, n, &c, E));
    return c;
}

struct copy {
    uint64_t id, count, first, last;
    enum alert_state state;
    unsigned n, severity, reopened, overflows;
    char owner[64], program[300], path[300];
};

static int copy_alert(void *ctx, const struct registry_alert *a)
{
    struct copy *c = ctx;

    c->id = a->id;
    c->count = a->count;
    c->first = a->first_ms;
    c->last = a->last_ms;
    c->state = a->state;
    c->severity = a->severity;
    c->reopened = a->reopened;
    c->overflows += a->overflow;
    (void)snprintf(c->owner, sizeof(c->owner), "%s", a->owner);
    (void)snprintf(c->program, sizeof(c->program), "%s", a->program);
    (void)snprintf(c->path, sizeof(c->path), "%s", a->path);
    c->n++;
    return 0;
}

static struct copy list(struct fixture *f)
{
    struct copy c = {};

    ok(registry_alert_list(f->rg, NULL, NULL, copy_alert, &c, NULL, E));
    return c;
}

static void test_grouping(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], other[HOST_ID_SIZE];
    struct alert_input in[5];
    struct alert_counted c;

    fixture_host(f, "web", NULL, host);
    fixture_host(f, "db", NULL, other);
    in[0] = input(1, "files[0]", "/bin/cat");
    in[1] = input(2, "files[0]", "/bin/cat");
    in[1].path = "/etc/gshadow";
    in[2] = input(3, "files[1]", "/bin/cat");
    in[3] = input(4, "files[0]", "/bin/sh");
    in[4] = input(5, "files[0]", "/bin/cat");
    in[4].outcome = "would-deny";
    f->now = T0 + 100;
    c = count(f, host, STREAM_A, 5, in, 5);
    assert_int_equal(c.counted, 5);
    assert_int_equal(c.raised, 4);
    assert_int_equal(list(f).n, 4);
    c = count(f, other, STREAM_A, 5, in, 1);
    assert_int_equal(c.raised, 1);
    assert_int_equal(list(f).n, 5);
    assert_int_equal(f->told[REGISTRY_ALERTS], 2);
}

static void test_exactly_once(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];
    struct alert_input in[3] = {input(2, "r", "p"), input(4, "r", "p"), input(6, "r", "p")};
    uint64_t seq = 7;

    fixture_host(f, "web", NULL, host);
    f->now = T0 + 1000;
    in[1].count = 40;
    ok(registry_alert_watermark(f->rg, host, STREAM_A, &seq, E));
    assert_int_equal(seq, 0);
    assert_int_equal(count(f, host, STREAM_A, 5, in, 2).counted, 2);
    assert_int_equal(list(f).count, 41);
    // Again, and with more behind it.
    assert_int_equal(count(f, host, STREAM_A, 5, in, 2).counted, 0);
    assert_int_equal(count(f, host, STREAM_A, 6, in, 3).counted, 1);
    assert_int_equal(list(f).count, 42);
    assert_int_equal(count(f, host, STREAM_A, 6, in, 3).counted, 0);
    // An older batch does not move the mark back.
    assert_int_equal(count(f, host, STREAM_A, 4, in, 2).counted, 0);
    ok(registry_alert_watermark(f->rg, host, STREAM_A, &seq, E));
    assert_int_equal(seq, 6);
    // Numbers of another stream are others.
    assert_int_equal(count(f, host, STREAM_B, 6, in, 3).counted, 3);
    assert_int_equal(list(f).count, 84);
    assert_int_equal(list(f).first, T0 + 2);
    assert_int_equal(list(f).last, T0 + 6);
    // A batch without anything to count moves it, too.
    (void)count(f, host, STREAM_A, 100, NULL, 0);
    fixture_close(f);
    fixture_open(f);
    ok(registry_alert_watermark(f->rg, host, STREAM_A, &seq, E));
    assert_int_equal(seq, 100);
}

static void test_bad_input(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];
    struct alert_input in[2] = {input(2, "r", "p"), input(2, "r", "p")};
    struct alert_counted c;
    struct error err = {};

    fixture_host(f, "web", NULL, host);
    assert_int_equal(registry_alert_count(f->rg, host, STREAM_A, 5, in, 2, &c, &err), -EINVAL);
    assert_int_equal(registry_alert_count(f->rg, host, STREAM_A, 1, in, 1, &c, &err), -EINVAL);
    assert_int_equal(registry_alert_count(f->rg, host, "x", 5, in, 1, &c, &err), -EINVAL);
    assert_int_equal(registry_alert_count(f->rg, host, STREAM_A, UINT64_MAX, in, 1, &c, &err),
                     -EINVAL);
    assert_int_equal(registry_alert_count(f->rg, "00000000-0000-0000-0000-000000000000", STREAM_A,
                                          5, in, 1, &c, &err),
                     -ENOENT);
    // Whatever a host says.
    in[0] = input(1, "\x01\xff", "/bin/\n'; DROP TABLE alerts; --");
    in[0].time_ms = UINT64_MAX;
    in[0].severity = 99;
    in[0].count = UINT64_MAX;
    (void)count(f, host, STREAM_A, 1, in, 1);
    assert_int_equal(list(f).last, T0);
    assert_int_equal(list(f).severity, 6);
    assert_int_equal(list(f).count, UINT32_MAX);
    assert_string_equal(list(f).program, "/bin/?'; DROP TABLE alerts; --");
}

static void test_reopening(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];
    struct alert_input in = input(1, "r", "p");
    uint64_t id;

    fixture_host(f, "web", NULL, host);
    (void)count(f, host, STREAM_A, 1, &in, 1);
    id = list(f).id;
    ok(registry_alert_update(f->rg, &anna, &id, 1,
                             &(struct registry_alert_patch){.state = ALERT_ACKNOWLEDGED}, E));
    in.seq = 2;
    assert_int_equal(count(f, host, STREAM_A, 2, &in, 1).raised, 0);
    assert_int_equal(list(f).state, ALERT_ACKNOWLEDGED);
    ok(registry_alert_update(f->rg, &anna, &id, 1,
                             &(struct registry_alert_patch){.state = ALERT_RESOLVED}, E));
    in.seq = 3;
    assert_int_equal(count(f, host, STREAM_A, 3, &in, 1).raised, 1);
    assert_int_equal(list(f).state, ALERT_NEW);
    assert_int_equal(list(f).reopened, 1);
    ok(registry_alert_update(f->rg, &anna, &id, 1,
                             &(struct registry_alert_patch){.state = ALERT_FALSE_POSITIVE}, E));
    in.seq = 4;
    assert_int_equal(count(f, host, STREAM_A, 4, &in, 1).raised, 0);
    assert_int_equal(list(f).state, ALERT_FALSE_POSITIVE);
    assert_int_equal(list(f).count, 4);
}

static int count_comment(void *ctx, const struct registry_alert_comment *c)
{
    char *text = ctx;

    (void)snprintf(text + strlen(text), 512 - strlen(text), "%s %s: %s;", c->kind, c->author,
                   c->text);
    return 0;
}

static int copy_exception(void *ctx, const struct registry_alert_exception *x, const char *author,
                          uint64_t time_ms)
{
    (void)snprintf(ctx, 512, "%s@%u %s %s %s %s %d", x->policy, x->version, x->rule_text, x->reason,
                   x->scope, author, time_ms == T0);
    return 0;
}

static void test_work(void **state)
{
    struct fixture *f = *state;
    const struct registry_alert_exception x = {"50-web.yaml", 3, "- {path: /a, do: allow}",
                                               "backup", "program"};
    struct alert_input in[2] = {input(1, "r", "p"), input(2, "r", "q")};
    uint64_t ids[2] = {0, 0}, counts[ALERT_STATES];
    char host[HOST_ID_SIZE], text[512] = "";
    struct error err = {};

    fixture_host(f, "web", NULL, host);
    ok(registry_user_create(f->rg, &anna, "anna", NULL, ROLES_ALL, E));
    (void)count(f, host, STREAM_A, 2, in, 2);
    ids[0] = list(f).id;
    ids[1] = 99;
    // All or none.
    assert_int_equal(registry_alert_update(f->rg, &anna, ids, 2,
                                           &(struct registry_alert_patch){.state = ALERT_RESOLVED},
                                           &err),
                     -ENOENT);
    assert_non_null(strstr(err.what, "99"));
    ok(registry_alert_counts(f->rg, counts, E));
    assert_int_equal(counts[ALERT_NEW], 2);
    assert_int_equal(
        registry_alert_update(f->rg, &anna, ids, 1,
                              &(struct registry_alert_patch){.state = -1, .owner = "nobody"}, &err),
        -EINVAL);
    assert_int_equal(registry_alert_update(f->rg, &anna, ids, 1,
                                           &(struct registry_alert_patch){.state = -1}, &err),
                     -EINVAL);
    ids[1] = 2;
    ids[0] = 1;
    ok(registry_alert_update(f->rg, &anna, ids, 2,
                             &(struct registry_alert_patch){.state = ALERT_ACKNOWLEDGED,
                                                            .owner = "anna"},
                             E));
    assert_string_equal(list(f).owner, "anna");
    ok(registry_alert_comment(f->rg, &anna, 1, "two\nlines", E));
    assert_int_equal(registry_alert_comment(f->rg, &anna, 1, "", &err), -EINVAL);
    assert_int_equal(registry_alert_comment(f->rg, &anna, 77, "x", &err), -ENOENT);
    ok(registry_alert_except(f->rg, &anna, 1, &x, E));
    ok(registry_alert_comments(f->rg, 1, count_comment, text, E));
    assert_string_equal(text,
                        "status user:anna: acknowledged, owner: anna;comment user:anna: two\nlines;"
                        "exception user:anna: backup;");
    ok(registry_alert_exceptions(f->rg, 1, copy_exception, text, E));
    assert_string_equal(text, "50-web.yaml@3 - {path: /a, do: allow} backup program user:anna 1");
    ok(registry_alert_counts(f->rg, counts, E));
    assert_int_equal(counts[ALERT_FALSE_POSITIVE], 1);
    assert_int_equal(counts[ALERT_ACKNOWLEDGED], 1);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct alert_input in[25];
    char host[HOST_ID_SIZE], program[32];
    struct registry_next next = {};
    struct copy c = {};
    uint64_t starts[3];
    unsigned pages = 0;
    struct error err = {};

    fixture_host(f, "web", NULL, host);
    for (unsigned i = 0; i < 25; i++) {
        (void)snprintf(program, sizeof(program), "/bin/p%u", i);
        in[i] = input(i + 1, "r", program);
        in[i].time_ms = T0 - (i / 5);
        in[i].severity = 1 + i % 6;
        (void)count(f, host, STREAM_A, i + 1, &in[i], 1);
    }
    // T0 - 4 to T0, five in each millisecond.
    ok(registry_alert_starts(f->rg, T0 - 3, 2, starts, ARRAY_SIZE(starts), E));
    assert_int_equal(starts[0], 10);
    assert_int_equal(starts[1], 10);
    assert_int_equal(starts[2], 0);
    ok(registry_alert_starts(f->rg, T0, 60000, starts, 1, E));
    assert_int_equal(starts[0], 5);
    do {
        ok(registry_alert_list(f->rg, NULL,
                               &(struct registry_page){.cursor = next.cursor, .limit = 10},
                               copy_alert, &c, &next, E));
        pages++;
    } while (*next.cursor);
    assert_int_equal(pages, 3);
    assert_int_equal(c.n, 25);
    c = (struct copy){};
    ok(registry_alert_list(f->rg, &(struct registry_alert_filter){.state = -1, .severity_min = 6},
                           NULL, copy_alert, &c, NULL, E));
    assert_int_equal(c.n, 4);
    c = (struct copy){};
    ok(registry_alert_list(f->rg,
                           &(struct registry_alert_filter){.state = -1, .open = true, .text = "p2"},
                           NULL, copy_alert, &c, NULL, E));
    assert_int_equal(c.n, 6);
    c = (struct copy){};
    ok(registry_alert_list(f->rg, &(struct registry_alert_filter){.state = -1, .text = "%"}, NULL,
                           copy_alert, &c, NULL, E));
    assert_int_equal(c.n, 0);
    assert_int_equal(registry_alert_list(f->rg, NULL, &(struct registry_page){.cursor = "1.2.3"},
                                         copy_alert, &c, NULL, &err),
                     -EINVAL);
}

// A host that makes up programs fills neither the disk nor the list.
static void test_flood(void **state)
{
    enum { N = ALERTS_HOST_MAX + 500 };
    struct fixture *f = *state;
    _cleanup_free_ struct alert_input *in = calloc(N, sizeof(*in));
    _cleanup_free_ char(*programs)[32] = calloc(N, sizeof(*programs));
    char host[HOST_ID_SIZE];
    uint64_t counts[ALERT_STATES];
    struct copy c = {};

    assert_non_null(in);
    assert_non_null(programs);
    fixture_host(f, "web", NULL, host);
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(programs[i], sizeof(programs[i]), "/tmp/p%u", i);
        in[i] = input(i + 1, "r", programs[i]);
    }
    f->now = T0 + N;
    assert_int_equal(count(f, host, STREAM_A, N, in, N).counted, N);
    ok(registry_alert_counts(f->rg, counts, E));
    assert_int_equal(counts[ALERT_NEW], ALERTS_HOST_MAX + 1);
    ok(registry_alert_list(f->rg, NULL, &(struct registry_page){.limit = 1}, copy_alert, &c, NULL,
                           E));
    assert_int_equal(c.overflows, 1);
    assert_int_equal(c.count, 500);
    assert_string_equal(c.program, "");
}

static void test_ends(void **state)
{
    struct fixture *f = *state;
    struct alert_input in[2] = {input(1, "r", "p"), input(2, "r", "q")};
    char host[HOST_ID_SIZE];
    uint64_t id = 1;

    fixture_host(f, "web", NULL, host);
    (void)count(f, host, STREAM_A, 2, in, 2);
    ok(registry_alert_update(f->rg, &anna, &id, 1,
                             &(struct registry_alert_patch){.state = ALERT_RESOLVED}, E));
    f->now += 200 * DAY;
    ok(registry_tidy(f->rg, E));
    // The open one stays.
    assert_int_equal(list(f).n, 1);
    assert_int_equal(list(f).id, 2);
}

static int on_watermark(void *ctx, const char *host _unused_, const char *stream _unused_,
                        uint64_t seq _unused_)
{
    ++*(unsigned *)ctx;
    return 0;
}

// A host that makes one stream after the other takes no more room than this, and of others nothing.
static void test_watermarks_are_bounded(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], other[HOST_ID_SIZE], stream[33];
    unsigned n = 0;
    uint64_t seq = 0;

    fixture_host(f, "web", NULL, host);
    fixture_host(f, "db", NULL, other);
    (void)count(f, other, STREAM_A, 7, NULL, 0);
    for (unsigned i = 0; i < 2100; i++) {
        f->now++;
        (void)snprintf(stream, sizeof(stream), "%032x", i + 1);
        (void)count(f, host, stream, 5, NULL, 0);
    }
    ok(registry_alert_watermarks(f->rg, on_watermark, &n, E));
    assert_int_equal(n, 2048 + 1);
    ok(registry_alert_watermark(f->rg, other, STREAM_A, &seq, E));
    assert_int_equal(seq, 7);
    ok(registry_alert_watermark(f->rg, host, stream, &seq, E));
    assert_int_equal(seq, 5);
    ok(registry_alert_watermark(f->rg, host, STREAM_A, &seq, E));
    assert_int_equal(seq, 0);
}

UNIT_MAIN(WITH_REGISTRY(test_grouping), WITH_REGISTRY(test_exactly_once),
          WITH_REGISTRY(test_bad_input), WITH_REGISTRY(test_reopening), WITH_REGISTRY(test_work),
          WITH_REGISTRY(test_list), WITH_REGISTRY(test_flood), WITH_REGISTRY(test_ends),
          WITH_REGISTRY(test_watermarks_are_bounded))
