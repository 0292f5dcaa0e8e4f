// SPDX-License-Identifier: Apache-2.0
//
// A server that is killed at any time, an older file, a damaged one, two servers.
#include "tests/unit/registry/common.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "registry/alert.h"
#include "registry/audit.h"
#include "registry/condition.h"
#include "registry/internal.h"
#include "registry/user.h"

#define STREAM "00000000000000000000000000000001"
#define KILLS  40

// Runs fn in a child, which the kernel ends after so many microseconds wherever it is.
static void run_and_kill(void (*fn)(struct fixture *f), struct fixture *f, unsigned us)
{
    const struct itimerval timer = {.it_value = {.tv_usec = us + 1}};
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        // Nobody catches it: as good as SIGKILL.
        if (setitimer(ITIMER_REAL, &timer, NULL) == 0)
            fn(f);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

static int sum_alert(void *ctx, const struct registry_alert *a)
{
    *(uint64_t *)ctx += a->count;
    return 0;
}

static char counting_host[HOST_ID_SIZE];

// What is above the watermark is counted, in batches of 7, as after a restart.
static void count_on(struct fixture *f)
{
    struct alert_input in[7];
    struct alert_counted c;
    uint64_t mark = 0;

    fixture_open(f);
    if (registry_alert_watermark(f->rg, counting_host, STREAM, &mark, NULL) < 0)
        _exit(1);
    for (;;) {
        // A batch that was seen in part already.
        uint64_t from = mark > 3 ? mark - 3 : 1;

        for (unsigned i = 0; i < 7; i++)
            in[i] = (struct alert_input){.seq = from + i,
                                         .time_ms = T0,
                                         .class_uid = 1001,
                                         .severity = 4,
                                         .outcome = "denied",
                                         .rule = (from + i) % 2 ? "odd" : "even",
                                         .program = "p"};
        if (registry_alert_count(f->rg, counting_host, STREAM, from + 6, in, 7, &c, NULL) < 0)
            _exit(1);
        mark = from + 6;
    }
}

static void test_kill_while_counting(void **state)
{
    struct fixture *f = *state;
    uint64_t sum = 0, mark = 0, before = 0;

    fixture_host(f, "web", NULL, counting_host);
    fixture_close(f);
    for (unsigned i = 0; i < KILLS; i++) {
        run_and_kill(count_on, f, 5000 + i * 7919 % 40000);
        fixture_open(f);
        sum = 0;
        ok(registry_alert_list(f->rg, NULL, NULL, sum_alert, &sum, NULL, E));
        ok(registry_alert_watermark(f->rg, counting_host, STREAM, &mark, E));
        // Neither lost nor doubled, whenever it was killed.
        assert_int_equal(sum, mark);
        assert_true(mark >= before);
        before = mark;
        fixture_close(f);
    }
    assert_true(mark > KILLS);
    fixture_open(f);
    ok(registry_audit_check(f->rg, NULL, E));
}

// The host gets well and ill, and a round follows each time.
static void rounds_on(struct fixture *f)
{
    fixture_open(f);
    for (unsigned i = 0;; i++) {
        if (registry_host_set_health(f->rg, counting_host, i % 2 ? "it burns" : "", 5, NULL) < 0 ||
            registry_conditions_round(f->rg, NULL, NULL) < 0)
            _exit(1);
    }
}

static int check_alert(void *ctx, const struct registry_alert *a)
{
    struct registry_alert *to = ctx;

    assert_int_equal(to->count, 0); // there is one
    *to = *a;
    return 0;
}

static int copy_told(void *ctx, const struct registry_host *h)
{
    *(uint32_t *)ctx = h->told;
    return 0;
}

static void test_kill_while_rounds(void **state)
{
    struct fixture *f = *state;
    uint32_t told = 0;
    uint64_t count = 0;

    fixture_host(f, "web", NULL, counting_host);
    fixture_close(f);
    for (unsigned i = 0; i < KILLS; i++) {
        struct registry_alert a = {};

        run_and_kill(rounds_on, f, 5000 + i * 7919 % 40000);
        fixture_open(f);
        ok(registry_alert_list(f->rg, NULL, NULL, check_alert, &a, NULL, E));
        ok(registry_host_get(f->rg, counting_host, copy_told, &told, E));
        // What was told and what is raised are one, whenever it was killed.
        if (a.count) {
            assert_int_equal(a.count, a.reopened + 1);
            assert_int_equal(a.state == ALERT_NEW,
                             (told & CONDITION_BIT(CONDITION_UNPROTECTED)) != 0);
        }
        assert_true(a.count >= count);
        count = a.count;
        fixture_close(f);
    }
    assert_true(count > KILLS);
    fixture_open(f);
}

static void change_on(struct fixture *f)
{
    char name[32];

    fixture_open(f);
    for (unsigned i = 0;; i++) {
        (void)snprintf(name, sizeof(name), "u%d-%u", (int)getpid(), i);
        if (registry_user_create(f->rg, &anna, name, NULL, ROLE_VIEWER, NULL) < 0)
            _exit(1);
    }
}

static int count_user(void *ctx, const struct registry_user *u)
{
    (void)u;
    ++*(unsigned *)ctx;
    return 0;
}

static int count_audit(void *ctx, const struct registry_audit *row)
{
    *(unsigned *)ctx += strcmp(row->action, "user.create") == 0;
    return 0;
}

// No change without its row of the trail, no row without its change.
static void test_kill_while_changing(void **state)
{
    struct fixture *f = *state;
    unsigned users = 0, rows = 0;

    fixture_close(f);
    for (unsigned i = 0; i < KILLS / 2; i++)
        run_and_kill(change_on, f, 10000 + i * 7919 % 60000);
    fixture_open(f);
    ok(registry_user_list(f->rg, count_user, &users, E));
    ok(registry_audit_after(f->rg, NULL, 0, 100000, count_audit, &rows, E));
    assert_true(users > KILLS / 2);
    assert_int_equal(users, rows);
    ok(registry_audit_check(f->rg, NULL, E));
}

// A database as the step before `n` left it.
static void make_old(const char *path, size_t n)
{
    const struct db_options options = {.create = true, .application = 0x53475247};
    struct error err = {};
    struct db *db = NULL;

    assert_int_equal(db_open(path, &options, &db, &err), 0);
    assert_int_equal(db_migrate(db, registry_migrations, n, &err), 0);
    assert_int_equal(db_exec(db, "INSERT INTO settings VALUES ('host.silent_after', '600000')",
                             &err),
                     0);
    if (n >= 2)
        assert_int_equal(
            db_exec(
                db,
                "INSERT INTO users (name, roles, created_ms, password_ms) VALUES ('old', 4, 1, 1)",
                &err),
            0);
    db_close(db);
}

static void test_older_schema(void **state)
{
    struct fixture *f = *state;

    for (size_t n = 1; n < registry_n_migrations; n++) {
        unsigned users = 0;

        fixture_close(f);
        (void)unlink(unit_path(f->dir, "server.db"));
        make_old(unit_path(f->dir, "server.db"), n);
        fixture_open(f);
        assert_int_equal(registry_setting_u64(f->rg, SETTING_HOST_SILENT), 600000);
        ok(registry_user_list(f->rg, count_user, &users, E));
        assert_int_equal(users, n >= 2);
        ok(registry_audit_check(f->rg, NULL, E));
    }
}

static void just_open(struct fixture *f)
{
    fixture_open(f);
    for (;;)
        (void)pause();
}

static void test_kill_while_migrating(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    for (unsigned i = 0; i < KILLS; i++) {
        (void)unlink(unit_path(f->dir, "server.db"));
        (void)unlink(unit_path(f->dir, "server.db-wal"));
        (void)unlink(unit_path(f->dir, "server.db-shm"));
        if (i % 2)
            make_old(unit_path(f->dir, "server.db"), 1 + i % registry_n_migrations);
        for (unsigned j = 0; j < 3; j++)
            run_and_kill(just_open, f, (j * 1301 + i * 709) % 15000);
        fixture_open(f);
        ok(registry_audit_note(f->rg, &anna, "test.note", "", NULL, E));
        ok(registry_audit_check(f->rg, NULL, E));
        fixture_close(f);
    }
    fixture_open(f);
}

static void test_newer_schema(void **state)
{
    struct fixture *f = *state;
    const struct registry_options options = fixture_options(f);
    struct registry *rg = NULL;
    struct error err = {};
    sqlite3 *db;

    fixture_close(f);
    assert_int_equal(sqlite3_open(unit_path(f->dir, "server.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(registry_open(&options, &rg, &err), -EPROTONOSUPPORT);
    assert_true(*err.cure);
    assert_null(rg);
}

static void expect_damaged(struct fixture *f)
{
    const struct registry_options options = fixture_options(f);
    struct registry *rg = NULL;
    struct error err = {};
    int r = registry_open(&options, &rg, &err);

    assert_null(rg);
    if (r != -EUCLEAN)
        error_print(&err, stderr);
    assert_int_equal(r, -EUCLEAN);
    assert_non_null(strstr(err.what, "damaged"));
    assert_non_null(strstr(err.cure, "backup"));
}

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    unsigned char noise[8192];
    const char *path;
    char buf[4096];
    int fd;

    for (unsigned i = 0; i < 50; i++)
        ok(registry_audit_note(f->rg, &anna, "test.note", "x", NULL, E));
    fixture_close(f);
    path = unit_path_in(buf, sizeof(buf), f->dir, "server.db");
    // Pages in its middle.
    memset(noise, 0xa5, sizeof(noise));
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, noise, sizeof(noise), 8192), sizeof(noise));
    assert_int_equal(close(fd), 0);
    expect_damaged(f);
    // No database at all.
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
    assert_int_equal(close(fd), 0);
    expect_damaged(f);
}

static void test_foreign_database(void **state)
{
    struct fixture *f = *state;
    const struct registry_options options = fixture_options(f);
    struct registry *rg = NULL;
    struct error err = {};
    sqlite3 *db;

    fixture_close(f);
    assert_int_equal(unlink(unit_path(f->dir, "server.db")), 0);
    assert_int_equal(sqlite3_open(unit_path(f->dir, "server.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 7; CREATE TABLE t (a)", NULL, NULL,
                                  NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(registry_open(&options, &rg, &err), -EMEDIUMTYPE);
    assert_null(rg);
}

static void test_two_servers(void **state)
{
    struct fixture *f = *state;
    const struct registry_options options = fixture_options(f);
    struct registry *rg = NULL;
    struct error err = {};

    assert_int_equal(registry_open(&options, &rg, &err), -EBUSY);
    assert_non_null(strstr(err.what, "another server"));
}

static void test_short_key(void **state)
{
    struct fixture *f = *state;
    const struct registry_options options = fixture_options(f);
    struct registry *rg = NULL;
    struct error err = {};

    fixture_close(f);
    assert_int_equal(truncate(unit_path(f->dir, "server.key"), 7), 0);
    assert_int_equal(registry_open(&options, &rg, &err), -EINVAL);
    assert_non_null(strstr(err.what, "server.key"));
}

// A disk that is full refuses changes, loses nothing, and goes on when there is room.
static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct error err = {};
    uint64_t rows = 0, n = 0;
    char text[4000];
    int r = 0;

    (void)snprintf(text, sizeof(text), "{\"a\":\"%03500d\"}", 0);
    assert_int_equal(db_exec(f->rg->writer, "PRAGMA max_page_count = 80", NULL), 0);
    while (r == 0 && n < 1000) {
        r = registry_audit_note(f->rg, &anna, "test.note", "x", text, &err);
        n += r == 0;
    }
    assert_int_equal(r, -ENOSPC);
    ok(registry_audit_check(f->rg, &rows, E));
    assert_int_equal(rows, n);
    assert_int_equal(db_exec(f->rg->writer, "PRAGMA max_page_count = 100000", NULL), 0);
    ok(registry_audit_note(f->rg, &anna, "test.note", "x", NULL, E));
    ok(registry_audit_check(f->rg, &rows, E));
    assert_int_equal(rows, n + 1);
}

UNIT_MAIN(WITH_REGISTRY(test_kill_while_counting), WITH_REGISTRY(test_kill_while_changing),
          WITH_REGISTRY(test_kill_while_rounds), WITH_REGISTRY(test_older_schema),
          WITH_REGISTRY(test_kill_while_migrating), WITH_REGISTRY(test_newer_schema),
          WITH_REGISTRY(test_damaged), WITH_REGISTRY(test_foreign_database),
          WITH_REGISTRY(test_two_servers), WITH_REGISTRY(test_short_key),
          WITH_REGISTRY(test_full_disk))
