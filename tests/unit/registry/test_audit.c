// SPDX-License-Identifier: Apache-2.0
//
// The audit trail: every change is in it with its actor, and what others do to it is found.
#include "tests/unit/registry/common.h"

#include <sqlite3.h>

#include "base/macro.h"
#include "registry/audit.h"
#include "registry/settings.h"

static void make_rows(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        f->now += 1000;
        ok(registry_audit_note(f->rg, &anna, "test.note", "target", "{\"n\":1}", E));
    }
}

// Somebody with another program.
static void tamper(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    fixture_close(f);
    assert_int_equal(sqlite3_open(unit_path(f->dir, "server.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        (void)fprintf(stderr, "%s\n", message);
    assert_null(message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_open(f);
}

static void expect_broken(struct fixture *f, const char *row)
{
    struct registry_stats stats;
    struct error err = {};

    assert_int_equal(registry_audit_check(f->rg, NULL, &err), -EBADMSG);
    if (!strstr(err.what, row))
        error_print(&err, stderr);
    assert_non_null(strstr(err.what, row));
    ok(registry_stats(f->rg, &stats, E));
    assert_true(stats.audit_broken);
}

#define NO_TRIGGERS "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; "

static void test_good(void **state)
{
    struct fixture *f = *state;
    uint64_t rows = 0;

    ok(registry_audit_check(f->rg, &rows, E));
    assert_int_equal(rows, 0);
    make_rows(f, 20);
    ok(registry_audit_check(f->rg, &rows, E));
    assert_int_equal(rows, 20);
    fixture_close(f);
    fixture_open(f);
    ok(registry_audit_check(f->rg, &rows, E));
    assert_int_equal(rows, 20);
}

static void test_changed_row(void **state)
{
    struct fixture *f = *state;

    make_rows(f, 10);
    tamper(f, NO_TRIGGERS "UPDATE audit SET actor = 'user:bob' WHERE seq = 4");
    expect_broken(f, "row 4");
}

static void test_removed_row(void **state)
{
    struct fixture *f = *state;

    make_rows(f, 10);
    tamper(f, NO_TRIGGERS "DELETE FROM audit WHERE seq = 5");
    expect_broken(f, "row 5");
}

static void test_removed_end(void **state)
{
    struct fixture *f = *state;

    make_rows(f, 10);
    tamper(f, NO_TRIGGERS "DELETE FROM audit WHERE seq > 7");
    expect_broken(f, "row 8");
}

static void test_added_row(void **state)
{
    struct fixture *f = *state;

    make_rows(f, 3);
    tamper(
        f,
        "INSERT INTO audit SELECT 4, time_ms, actor, address, action, target, detail, hash FROM audit WHERE seq = 3");
    expect_broken(f, "row 4");
}

static void test_moved_text(void **state)
{
    struct fixture *f = *state;

    // The same bytes in other columns.
    make_rows(f, 3);
    tamper(f, NO_TRIGGERS "UPDATE audit SET action = 'test.notet', target = 'arget' WHERE seq = 2");
    expect_broken(f, "row 2");
}

static void test_append_only(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;

    make_rows(f, 2);
    assert_int_equal(sqlite3_open(unit_path(f->dir, "server.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE audit SET actor = 'x'", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct seen {
    uint64_t seqs[64];
    unsigned n;
    char last[256];
};

static int see(void *ctx, const struct registry_audit *row)
{
    struct seen *s = ctx;

    assert_int_equal(strlen(row->hash), 64);
    s->seqs[s->n++ % 64] = row->seq;
    (void)snprintf(s->last, sizeof(s->last), "%s|%s|%s|%s|%s", row->actor, row->address,
                   row->action, row->target, row->detail);
    return 0;
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct registry_next next = {};
    struct seen s = {};

    make_rows(f, 5);
    ok(registry_setting_set(f->rg, &anna, "separation", "on", E));
    ok(registry_audit_list(f->rg, NULL, &(struct registry_page){.limit = 4}, see, &s, &next, E));
    assert_int_equal(s.n, 4);
    assert_int_equal(s.seqs[0], 6);
    assert_string_equal(next.cursor, "3");
    ok(registry_audit_list(f->rg, NULL, &(struct registry_page){.cursor = next.cursor, .limit = 4},
                           see, &s, &next, E));
    assert_int_equal(s.n, 6);
    assert_string_equal(next.cursor, "");
    assert_string_equal(s.last, "user:anna|192.0.2.7|test.note|target|{\"n\":1}");
    s.n = 0;
    ok(registry_audit_list(f->rg, &(struct registry_audit_filter){.action = "setting.*"}, NULL, see,
                           &s, &next, E));
    assert_int_equal(s.n, 1);
    assert_string_equal(s.last,
                        "user:anna|192.0.2.7|setting.set|separation|{\"from\":\"\",\"to\":\"on\"}");
    s.n = 0;
    ok(registry_audit_list(f->rg, &(struct registry_audit_filter){.actor = "user:b*"}, NULL, see,
                           &s, &next, E));
    assert_int_equal(s.n, 0);
    ok(registry_audit_list(f->rg,
                           &(struct registry_audit_filter){.from_ms = T0 + 2000,
                                                           .to_ms = T0 + 4000},
                           NULL, see, &s, &next, E));
    assert_int_equal(s.n, 2);
    s.n = 0;
    ok(registry_audit_after(f->rg, NULL, 2, 3, see, &s, E));
    assert_int_equal(s.n, 3);
    assert_int_equal(s.seqs[0], 3);
    assert_int_equal(s.seqs[2], 5);
}

static void test_bad_input(void **state)
{
    struct fixture *f = *state;
    struct seen s = {};
    struct error err = {};

    assert_int_equal(registry_audit_note(f->rg, &anna, "a b", "x", NULL, &err), -EINVAL);
    assert_int_equal(registry_audit_note(f->rg, &anna, "a", "x\n", NULL, &err), -EINVAL);
    assert_int_equal(registry_audit_note(f->rg, &anna, "a", "x", "[]", &err), -EINVAL);
    assert_int_equal(registry_audit_list(f->rg, NULL, &(struct registry_page){.cursor = "x"}, see,
                                         &s, NULL, &err),
                     -EINVAL);
    // Wildcards of SQL are letters.
    make_rows(f, 1);
    ok(registry_audit_list(f->rg, &(struct registry_audit_filter){.actor = "user:ann_"}, NULL, see,
                           &s, NULL, E));
    ok(registry_audit_list(f->rg, &(struct registry_audit_filter){.actor = "%"}, NULL, see, &s,
                           NULL, E));
    ok(registry_audit_list(f->rg, &(struct registry_audit_filter){.actor = "' OR 1=1 --"}, NULL,
                           see, &s, NULL, E));
    assert_int_equal(s.n, 0);
}

UNIT_MAIN(WITH_REGISTRY(test_good), WITH_REGISTRY(test_changed_row),
          WITH_REGISTRY(test_removed_row), WITH_REGISTRY(test_removed_end),
          WITH_REGISTRY(test_added_row), WITH_REGISTRY(test_moved_text),
          WITH_REGISTRY(test_append_only), WITH_REGISTRY(test_list), WITH_REGISTRY(test_bad_input))
