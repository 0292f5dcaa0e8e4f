// SPDX-License-Identifier: Apache-2.0
//
// State rows and commands: what a host and the server agree on.
#include "tests/unit/registry/common.h"

#include "base/macro.h"
#include "registry/command.h"
#include "registry/state.h"

static int apply(struct fixture *f, const char *host, const struct registry_state_delta *d,
                 char checksum[17])
{
    struct error err = {};

    return registry_state_apply(f->rg, host, d, checksum, &err);
}

static int add_row(void *ctx, const struct registry_state_row *row)
{
    char *text = ctx;

    (void)snprintf(text + strlen(text), 512 - strlen(text), "%s=%s;", row->key, row->value);
    return 0;
}

static void checksum_of(const struct registry_state_row *rows, size_t n,
                        char ret[STATE_CHECKSUM_TEXT])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum ^= state_row_hash(rows[i].key, rows[i].value, strlen(rows[i].value));
    state_checksum_format(sum, ret);
}

static void test_deltas(void **state)
{
    const struct registry_state_row first[] = {{"a", "1", 0}, {"b", "{\"x\":true}", 0}},
                                    change[] = {{"a", "2", 0}, {"b", NULL, 0}, {"c", "null", 0}},
                                    after[] = {{"a", "2", 0}, {"c", "null", 0}};
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], sum[17], base[17], end[17], text[512] = "";
    struct registry_state_delta d = {.table = "health",
                                     .rows = first,
                                     .n_rows = 2,
                                     .checksum = base};

    fixture_host(f, "web", NULL, host);
    checksum_of(first, 2, base);
    assert_int_equal(apply(f, host, &d, sum), 0);
    assert_string_equal(sum, base);
    checksum_of(after, 2, end);
    d = (struct registry_state_delta){
        .table = "health", .base = base, .rows = change, .n_rows = 3, .checksum = end};
    assert_int_equal(apply(f, host, &d, sum), 0);
    ok(registry_state_list(f->rg, host, "health", add_row, text, sum, E));
    assert_string_equal(text, "a=2;c=null;");
    assert_string_equal(sum, end);
    // The same change again starts from something else.
    assert_int_equal(apply(f, host, &d, sum), -ESTALE);
    // A change that ends in something else is not made.
    d.base = end;
    d.checksum = base;
    assert_int_equal(apply(f, host, &d, sum), -ESTALE);
    text[0] = '\0';
    ok(registry_state_list(f->rg, host, "health", add_row, text, NULL, E));
    assert_string_equal(text, "a=2;c=null;");
    // The whole table.
    d = (struct registry_state_delta){
        .table = "health", .rows = first, .n_rows = 2, .checksum = base, .full = true};
    assert_int_equal(apply(f, host, &d, sum), 0);
    text[0] = '\0';
    ok(registry_state_get(f->rg, host, "health", "b", add_row, text, E));
    assert_string_equal(text, "b={\"x\":true};");
    assert_int_equal(registry_state_get(f->rg, host, "health", "c", add_row, text, NULL), -ENOENT);
    ok(registry_state_list(f->rg, host, "nosuch", add_row, text, sum, E));
    assert_string_equal(sum, "0000000000000000");
}

static void test_bad_rows(void **state)
{
    static const struct registry_state_row bad[] = {{"", "1", 0},
                                                    {NULL, "1", 0},
                                                    {"a\nb", "1", 0},
                                                    {"a", "{", 0},
                                                    {"a", "1 2", 0},
                                                    {"a", "", 0},
                                                    {"\xff", "1", 0},
                                                    {"a", "NaN", 0},
                                                    {"a", "-Infinity", 0},
                                                    {"a", "1.", 0},
                                                    {"a", "\"a\tb\"", 0},
                                                    {"a", "\"\x1b\"", 0},
                                                    {"a", "\"\xed\xa0\x80\"", 0}};
    const struct registry_state_row good = {"a", "1", 0};
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], sum[17], table[8];

    fixture_host(f, "web", NULL, host);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(
            apply(f, host,
                  &(struct registry_state_delta){.table = "t", .rows = &bad[i], .n_rows = 1}, sum),
            -EINVAL);
    assert_int_equal(
        apply(f, host, &(struct registry_state_delta){.table = "../t", .rows = &good, .n_rows = 1},
              sum),
        -EINVAL);
    assert_int_equal(apply(f, "00000000-0000-0000-0000-000000000000",
                           &(struct registry_state_delta){.table = "t", .rows = &good, .n_rows = 1},
                           sum),
                     -ENOENT);
    for (unsigned i = 0; i <= STATE_TABLES_MAX; i++) {
        (void)snprintf(table, sizeof(table), "t%u", i);
        assert_int_equal(
            apply(f, host,
                  &(struct registry_state_delta){.table = table, .rows = &good, .n_rows = 1}, sum),
            i < STATE_TABLES_MAX ? 0 : -EDQUOT);
    }
}

static void test_rows_are_bounded(void **state)
{
    enum { N = STATE_ROWS_MAX + 1 };
    struct fixture *f = *state;
    _cleanup_free_ struct registry_state_row *rows = calloc(N, sizeof(*rows));
    _cleanup_free_ char(*keys)[16] = calloc(N, sizeof(*keys));
    char host[HOST_ID_SIZE], sum[17], text[512] = "";

    assert_non_null(rows);
    assert_non_null(keys);
    fixture_host(f, "web", NULL, host);
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%u", i);
        rows[i] = (struct registry_state_row){keys[i], "1", 0};
    }
    assert_int_equal(apply(f, host,
                           &(struct registry_state_delta){.table = "t", .rows = rows, .n_rows = N},
                           sum),
                     -EDQUOT);
    ok(registry_state_list(f->rg, host, "t", add_row, text, NULL, E));
    assert_string_equal(text, "");
    assert_int_equal(
        apply(f, host, &(struct registry_state_delta){.table = "t", .rows = rows, .n_rows = N - 1},
              sum),
        0);
}

struct commands {
    uint64_t last;
    unsigned n;
    enum command_state state;
    char error[64];
};

static int take(void *ctx, const struct registry_command *c)
{
    struct commands *t = ctx;

    t->last = c->id;
    t->state = c->state;
    (void)snprintf(t->error, sizeof(t->error), "%s", c->error);
    t->n++;
    return 0;
}

static void test_commands(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE], other[HOST_ID_SIZE];
    uint64_t first = 0, second = 0;
    struct commands t = {};
    struct error err = {};

    fixture_host(f, "web", NULL, host);
    fixture_host(f, "db", NULL, other);
    assert_int_equal(registry_command_create(f->rg, &anna, host, "a b", NULL, HOUR, &first, &err),
                     -EINVAL);
    assert_int_equal(registry_command_create(f->rg, &anna, host, "reload", "[]", HOUR, &first,
                                             &err),
                     -EINVAL);
    assert_int_equal(registry_command_create(f->rg, &anna, host, "reload", NULL, 1, &first, &err),
                     -EINVAL);
    ok(registry_command_create(f->rg, &anna, host, "reload", "{\"x\":1}", HOUR, &first, E));
    assert_string_equal(f->told_host, host);
    ok(registry_command_create(f->rg, &anna, host, "status", NULL, MINUTE, &second, E));
    ok(registry_command_waiting(f->rg, host, 0, take, &t, E));
    assert_int_equal(t.n, 2);
    t.n = 0;
    ok(registry_command_waiting(f->rg, host, first, take, &t, E));
    assert_int_equal(t.n, 1);
    assert_int_equal(t.last, second);
    // Not another's.
    assert_int_equal(registry_command_result(f->rg, other, first, COMMAND_DONE, "{}", "", &err),
                     -ENOENT);
    assert_int_equal(registry_command_result(f->rg, host, first, COMMAND_DONE, "{", "", &err),
                     -EINVAL);
    assert_int_equal(registry_command_result(f->rg, host, first, COMMAND_WAITING, "{}", "", &err),
                     -EINVAL);
    ok(registry_command_result(f->rg, host, first, COMMAND_FAILED, "", "no such file", E));
    // The first result counts.
    ok(registry_command_result(f->rg, host, first, COMMAND_DONE, "{}", "", E));
    f->now += 2 * MINUTE;
    t.n = 0;
    ok(registry_command_waiting(f->rg, host, 0, take, &t, E));
    assert_int_equal(t.n, 0);
    ok(registry_tidy(f->rg, E));
    ok(registry_command_list(f->rg, host, &(struct registry_page){.limit = 1}, take, &t, NULL, E));
    assert_int_equal(t.last, second);
    assert_int_equal(t.state, COMMAND_EXPIRED);
    ok(registry_command_list(f->rg, host, NULL, take, &t, NULL, E));
    assert_int_equal(t.last, first);
    assert_int_equal(t.state, COMMAND_FAILED);
    assert_string_equal(t.error, "no such file");
}

static void test_commands_are_bounded(void **state)
{
    struct fixture *f = *state;
    char host[HOST_ID_SIZE];
    uint64_t id = 0;
    struct error err = {};

    fixture_host(f, "web", NULL, host);
    for (unsigned i = 0; i < COMMAND_WAITING_MAX; i++)
        ok(registry_command_create(f->rg, &anna, host, "x", NULL, HOUR, &id, E));
    assert_int_equal(registry_command_create(f->rg, &anna, host, "x", NULL, HOUR, &id, &err),
                     -EDQUOT);
    ok(registry_host_revoke(f->rg, &anna, host, "", E));
    assert_int_equal(registry_command_create(f->rg, &anna, host, "x", NULL, HOUR, &id, &err),
                     -EACCES);
}

UNIT_MAIN(WITH_REGISTRY(test_deltas), WITH_REGISTRY(test_bad_rows),
          WITH_REGISTRY(test_rows_are_bounded), WITH_REGISTRY(test_commands),
          WITH_REGISTRY(test_commands_are_bounded))
