// SPDX-License-Identifier: Apache-2.0
//
// From records to a policy, and back: what was executed is allowed by it, all else is not. Compared with files in
// tests/golden/cli (UPDATE_GOLDEN=1 writes them anew).
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/learn.h"
#include "cli/policies.h"
#include "policy/explain.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/cli/"

static char **lines;

static struct learn *learn_from(const struct learn_options *o, bool backwards)
{
    struct learn *l = NULL;
    size_t n = strv_len(lines);

    assert_int_equal(learn_new(o, &l), 0);
    for (size_t i = 0; i < n; i++) {
        const char *line = lines[backwards ? n - 1 - i : i];

        assert_int_equal(learn_line(l, line, strlen(line)), 0);
    }
    return l;
}

static void compare(const char *name, const struct strbuf *sb)
{
    _cleanup_free_ char *expected = NULL;
    char path[4096];

    assert_false(sb->failed);
    (void)snprintf(path, sizeof(path), GOLDEN "%s", name);
    if (getenv("UPDATE_GOLDEN")) {
        assert_int_equal(write_file_atomic(AT_FDCWD, path, sb_str((struct strbuf *)sb), sb->len,
                                           0644),
                         0);
        return;
    }
    assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &expected, NULL), 0);
    assert_string_equal(sb_str(sb), expected);
}

static void test_looks(void **state)
{
    static const struct {
        const char *name;
        struct learn_options o;
    } rows[] = {
        {"learn.yaml", {.name = "learnt"}},
        {"learn-nginx.yaml", {.name = "a \"name\"", .exe = "/usr/sbin/nginx"}},
        {"learn-subject.yaml",
         {.name = "s",
          .exe = "/usr/sbin/nginx",
          .user = "www-data",
          .cgroup = "/system.slice/nginx.service"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(learn_freep) struct learn *l = learn_from(&rows[i].o, false),
                                            *again = learn_from(&rows[i].o, true);
        _cleanup_(sb_done) struct strbuf sb = {}, other = {};

        learn_yaml(l, &sb);
        learn_yaml(again, &other);
        assert_string_equal(sb_str(&sb), sb_str(&other));
        compare(rows[i].name, &sb);
    }
}

static void test_json(void **state)
{
    const struct learn_options o = {.name = "learnt"};
    _cleanup_(learn_freep) struct learn *l = learn_from(&o, false);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct learn_counters c;

    (void)state;
    learn_json(l, &sb);
    compare("learn.json", &sb);
    learn_counters(l, &c);
    assert_int_equal(c.lines, 15);
    assert_int_equal(c.unreadable, 2);
    assert_int_equal(c.executions, 10);
    assert_int_equal(c.refused, 1);
    assert_int_equal(c.nameless, 3);
}

static struct policy_image *compile(const char *dir, const struct learn_options *o)
{
    _cleanup_(learn_freep) struct learn *l = learn_from(o, false);
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_(sb_done) struct strbuf sb = {}, text = {};
    struct policy_image *image = NULL;
    char path[4096], *paths[] = {path};

    learn_yaml(l, &sb);
    (void)snprintf(path, sizeof(path), "%s/p.yaml", dir);
    assert_int_equal(write_file_atomic(AT_FDCWD, path, sb_str(&sb), sb.len, 0644), 0);
    if (policies_load(paths, 1, &diags, &policy, NULL) < 0 ||
        policy_compile(policy, NULL, NULL, &diags, &image) < 0) {
        policy_diags_format(&diags, false, &text);
        fail_msg("%s\n%s", sb_str(&text), sb_str(&sb));
    }
    assert_int_equal(diags.n_errors, 0);
    return image;
}

// For opening it as a program, and for mapping it.
static enum sg_verdict verdict_of(const struct policy_image *image, const char *path, uint32_t ops,
                                  const struct policy_facts *facts)
{
    const struct policy_query q = {.path = path,
                                   .path_len = strlen(path),
                                   .ops = ops,
                                   .facts = *facts};
    struct policy_decision d;

    assert_int_equal(policy_explain(image, &q, &d), 0);
    return d.overall.matched ? (enum sg_verdict)d.overall.verdict : SG_ALLOW;
}

#define OPEN (SG_OP_EXEC | SG_OP_LAUNCH)
#define MAP  (SG_OP_MMAP | SG_OP_LOAD | SG_OP_LAUNCH)

static void test_round_trip(void **state)
{
    static const char *const allowed[] = {"/usr/bin/id", "/usr/bin/dash",
                                          "/srv/ru*n [me] {x} \"q\"\\.sh", "/opt/你好/bin/a\nb"},
                             *const denied[] = {"/tmp/refused",
                                                "/memfd:x",
                                                "/tmp/forked",
                                                "/tmp/ended",
                                                "/srv/ruXn m {x} \"q\".sh",
                                                "/usr/bin/idx",
                                                "/etc/passwd"};
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    const struct policy_facts nobody = {.session = -1};
    const struct learn_options o = {.name = "learnt"};
    char *dir = unit_mkdtemp();

    (void)state;
    image = compile(dir, &o);
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        assert_int_equal(verdict_of(image, allowed[i], OPEN, &nobody), SG_ALLOW);
        assert_int_equal(verdict_of(image, allowed[i], MAP, &nobody), SG_ALLOW);
    }
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
        assert_int_equal(verdict_of(image, denied[i], OPEN, &nobody), SG_DENY);
        assert_int_equal(verdict_of(image, denied[i], MAP, &nobody), SG_DENY);
    }
    assert_int_equal(verdict_of(image, "/usr/lib/x86_64-linux-gnu/libc.so.6", MAP, &nobody),
                     SG_ALLOW);
    assert_int_equal(verdict_of(image, "/opt/lib/libx.so.1", MAP, &nobody), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/opt/lib/libz.so.1", MAP, &nobody), SG_DENY);
    unit_rmdir(dir);
}

// What is allowed by its path is written to by package managers alone, which may execute what has not got its name yet.
static void test_upgrades(void **state)
{
    static const char *const kept[] = {"/usr/bin/id", "/srv/ru*n [me] {x} \"q\"\\.sh",
                                       "/opt/lib/libx.so.1", "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                       "/usr/bin/dpkg"};
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    const struct policy_facts root = {.session = -1, .exe = "/usr/bin/cp"},
                              dpkg = {.session = -1, .exe = "/usr/bin/dpkg"},
                              users = {.session = -1, .exe = "/usr/bin/dpkg", .uid = 1000};
    const struct learn_options o = {.name = "learnt"};
    char *dir = unit_mkdtemp();

    (void)state;
    image = compile(dir, &o);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        for (uint32_t op = SG_OP_WRITE; op < SG_OP_CHMOD; op <<= 1) {
            assert_int_equal(verdict_of(image, kept[i], op, &root), SG_DENY);
            assert_int_equal(verdict_of(image, kept[i], op, &users), SG_DENY);
            assert_int_equal(verdict_of(image, kept[i], op, &dpkg), SG_ALLOW);
        }
    assert_int_equal(verdict_of(image, "/usr/bin/idx", SG_OP_WRITE, &root), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/usr/bin/id.dpkg-new", OPEN, &dpkg), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/usr/bin/id.dpkg-new", OPEN, &users), SG_DENY);
    assert_int_equal(verdict_of(image, "/usr/bin/dpkg", OPEN, &root), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/usr/bin/apt-get", OPEN, &users), SG_DENY);
    unit_rmdir(dir);
}

static void test_round_trip_of_subject(void **state)
{
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    const struct policy_facts nginx = {.session = -1, .exe = "/usr/sbin/nginx"},
                              bash = {.session = -1, .exe = "/usr/bin/bash"};
    const struct learn_options o = {.name = "n", .exe = "/usr/sbin/nginx"};
    char *dir = unit_mkdtemp();

    (void)state;
    image = compile(dir, &o);
    assert_int_equal(verdict_of(image, "/usr/bin/dash", OPEN, &nginx), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/usr/bin/id", OPEN, &nginx), SG_DENY);
    assert_int_equal(verdict_of(image, "/usr/bin/id", OPEN, &bash), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/tmp/refused", OPEN, &bash), SG_ALLOW);
    // It does not choose what it may execute; others are not spoken of.
    assert_int_equal(verdict_of(image, "/usr/bin/dash", SG_OP_WRITE, &nginx), SG_DENY);
    assert_int_equal(verdict_of(image, "/usr/bin/dash", SG_OP_WRITE, &bash), SG_ALLOW);
    assert_int_equal(verdict_of(image, "/usr/bin/dpkg", OPEN, &nginx), SG_DENY);
    unit_rmdir(dir);
}

// More programs than a policy could have: what is left out is said.
static void test_bound(void **state)
{
    const struct learn_options o = {.name = "x"};
    _cleanup_(learn_freep) struct learn *l = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct learn_counters c;
    char line[512];

    (void)state;
    assert_int_equal(learn_new(&o, &l), 0);
    for (unsigned i = 0; i < LEARN_PROGRAMS_MAX + 5; i++) {
        int n = snprintf(line, sizeof(line),
                         "{\"class_uid\":1007,\"activity_id\":1,\"launch_type_id\":3,"
                         "\"process\":{\"file\":{\"path\":\"/p%u\"}}}",
                         i);

        assert_int_equal(learn_line(l, line, (size_t)n), 0);
    }
    learn_counters(l, &c);
    assert_int_equal(c.dropped, 5);
    learn_yaml(l, &sb);
    assert_non_null(strstr(sb_str(&sb), "# Left out: 5 of further programs"));
}

static int set_up(void **state)
{
    _cleanup_free_ char *text = NULL;

    (void)state;
    assert_int_equal(read_file_bounded(AT_FDCWD, GOLDEN "learn.ndjson", 1 << 20, &text, NULL), 0);
    return strv_split(text, "\n", &lines);
}

static int tear_down(void **state)
{
    (void)state;
    (void)strv_free(lines);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_round_trip_of_subject),
        cmocka_unit_test(test_upgrades),   cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
