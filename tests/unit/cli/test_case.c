// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/explain.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/case.h"

static void test_words(void **state)
{
    struct case_facts c;
    struct policy_facts f;
    uint32_t uid;

    (void)state;
    case_init(&c);
    assert_int_equal(case_set_exe(&c, "bin/cat"), -EINVAL);
    assert_int_equal(case_set_exe(&c, "/bin/cat"), 0);
    assert_int_equal(case_set_exe(&c, "/bin/dog"), 0);
    assert_int_equal(case_add_ancestor(&c, "/bin/bash"), 0);
    assert_int_equal(case_add_ancestor(&c, "bash"), -EINVAL);
    assert_int_equal(case_add_group(&c, "27"), 0);
    assert_int_equal(case_add_group(&c, "root"), 0);
    assert_int_equal(case_add_group(&c, "no-such-group"), -ESRCH);
    assert_int_equal(case_add_capability(&c, "CAP_SYS_ADMIN"), 0);
    assert_int_equal(case_add_capability(&c, "kill"), 0);
    assert_int_equal(case_add_capability(&c, "CAP_FLY"), -EINVAL);
    assert_int_equal(case_user("root", &uid), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(case_user("no-such-user", &uid), -ESRCH);
    assert_int_equal(case_login("none", &uid), 0);
    assert_int_equal(uid, UINT32_MAX);
    f = case_policy_facts(&c);
    assert_string_equal(f.exe, "/bin/dog");
    assert_int_equal(f.n_ancestors, 1);
    assert_int_equal(f.n_gids, 2);
    assert_int_equal(f.caps, SG_BIT(21) | SG_BIT(5));
    assert_int_equal(f.session, -1);
    case_done(&c);
}

static void test_too_many(void **state)
{
    struct case_facts c;

    (void)state;
    case_init(&c);
    for (int i = 0; i < CASE_GIDS_MAX; i++)
        assert_int_equal(case_add_group(&c, "5"), 0);
    assert_int_equal(case_add_group(&c, "5"), -E2BIG);
    for (int i = 0; i < POLICY_ANCESTORS_MAX; i++)
        assert_int_equal(case_add_ancestor(&c, "/x"), 0);
    assert_int_equal(case_add_ancestor(&c, "/x"), -E2BIG);
    case_done(&c);
}

// This very process, by the real procfs.
static void test_living_process(void **state)
{
    char exe[4096] = "";
    struct case_facts c;

    (void)state;
    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    case_init(&c);
    assert_int_equal(case_from_process("/proc", (uint32_t)getpid(), &c), 0);
    assert_string_equal(c.exe, exe);
    assert_int_equal(c.uid, geteuid());
    assert_true(c.n_gids >= 1);
    assert_int_equal(c.gids[0], getegid());
    assert_true(c.n_ancestors >= 1);
    case_done(&c);
    case_init(&c);
    assert_int_equal(case_from_process("/proc", 0x7fffffff, &c), -ESRCH);
    case_done(&c);
}

static void put(const char *dir, const char *name, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0600),
                     0);
}

// A procfs of files.
static void test_made_up_process(void **state)
{
    char *dir = unit_mkdtemp();
    struct case_facts c;

    (void)state;
    assert_int_equal(mkdir(unit_path(dir, "50"), 0700), 0);
    assert_int_equal(mkdir(unit_path(dir, "7"), 0700), 0);
    put(dir, "50/status",
        "Name:\tx\nPPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t27 30 \nCapEff:\t00000000000000ff\n");
    put(dir, "50/loginuid", "1000\n");
    put(dir, "50/cgroup", "12:cpu:/x\n0::/system.slice/x.service\n");
    put(dir, "7/status", "Name:\ty\nPPid:\t0\n");
    assert_int_equal(symlink("/usr/bin/made-up", unit_path(dir, "50/exe")), 0);
    assert_int_equal(symlink("/usr/bin/parent", unit_path(dir, "7/exe")), 0);
    case_init(&c);
    assert_int_equal(case_from_process(dir, 50, &c), 0);
    assert_string_equal(c.exe, "/usr/bin/made-up");
    assert_string_equal(c.cgroup, "/system.slice/x.service");
    assert_int_equal(c.uid, 2);
    assert_int_equal(c.login_uid, 1000);
    assert_int_equal(c.caps, 0xff);
    assert_int_equal(c.n_gids, 3);
    assert_int_equal(c.gids[0], 6);
    assert_int_equal(c.gids[2], 30);
    assert_int_equal(c.n_ancestors, 1);
    assert_string_equal(c.ancestors[0], "/usr/bin/parent");
    case_done(&c);
    unit_rmdir(dir);
}

// What the command line sends is what the agent reads.
static void test_both_ends_agree(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    static struct explain_args args;
    struct json_object *o;
    struct policy_query query = {.path = "/etc/shadow",
                                 .path_len = 11,
                                 .ops = 5,
                                 .other_user = true,
                                 .has_when = true,
                                 .when = 12345};
    const struct policy_facts target = {.exe = "/bin/db", .uid = 44};
    struct case_facts c;

    (void)state;
    case_init(&c);
    assert_int_equal(case_set_exe(&c, "/bin/\xff\"cat"), 0);
    assert_int_equal(case_set_cgroup(&c, "/a.slice"), 0);
    assert_int_equal(case_add_ancestor(&c, "/bin/bash"), 0);
    assert_int_equal(case_add_group(&c, "27"), 0);
    assert_int_equal(case_add_capability(&c, "CAP_SETFCAP"), 0);
    c.uid = 33;
    c.login_uid = UINT32_MAX;
    c.session = 2;
    c.container = true;
    query.facts = case_policy_facts(&c);
    query.target = &target;
    assert_int_equal(case_json(&query, &sb), 0);
    o = json_tokener_parse(sb_str(&sb));
    assert_int_equal(explain_args_read(o, &args, NULL), 0);
    assert_string_equal(args.query.path, "/etc/shadow");
    assert_int_equal(args.query.ops, 5);
    assert_string_equal(args.query.facts.cgroup, "/a.slice");
    assert_string_equal(args.query.facts.ancestors[0], "/bin/bash");
    assert_int_equal(args.query.facts.gids[0], 27);
    assert_int_equal(args.query.facts.caps, SG_BIT(31));
    assert_int_equal(args.query.facts.uid, 33);
    assert_int_equal(args.query.facts.login_uid, UINT32_MAX);
    assert_int_equal(args.query.facts.session, 2);
    assert_true(args.query.facts.container);
    assert_int_equal(args.query.when, 12345);
    assert_string_equal(args.query.target->exe, "/bin/db");
    assert_int_equal(args.query.target->uid, 44);
    assert_true(args.query.other_user);
    json_object_put(o);
    case_done(&c);
}

static void test_control_agrees(void **state)
{
    static const struct policy_control rows[] = {
        {.kind = SG_CONTROL_setuid, .what = POLICY_CONTROL_ID, .number = 4294967294},
        {.kind = SG_CONTROL_bpf, .what = POLICY_CONTROL_NUMBER, .number = 5},
        {.kind = SG_CONTROL_module, .what = POLICY_CONTROL_NAME, .name = "a\"b"},
        {.kind = SG_CONTROL_exec, .what = POLICY_CONTROL_NUMBER, .number = SG_EXEC_DELETED},
    };
    static struct explain_args args;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct policy_query query = {.control = &rows[i], .ops = SG_OP_CONTROL};
        _cleanup_(sb_done) struct strbuf sb = {};
        struct json_object *o;

        assert_int_equal(case_json(&query, &sb), 0);
        o = json_tokener_parse(sb_str(&sb));
        assert_int_equal(explain_args_read(o, &args, NULL), 0);
        assert_ptr_equal(args.query.control, &args.control);
        assert_int_equal(args.query.ops, SG_OP_CONTROL);
        assert_int_equal(args.control.kind, rows[i].kind);
        assert_int_equal(args.control.what, rows[i].what);
        if (rows[i].name)
            assert_string_equal(args.control.name, rows[i].name);
        else
            assert_int_equal(args.control.number, rows[i].number);
        assert_null(args.query.target);
        json_object_put(o);
    }
}

UNIT_MAIN(cmocka_unit_test(test_words), cmocka_unit_test(test_too_many),
          cmocka_unit_test(test_living_process), cmocka_unit_test(test_made_up_process),
          cmocka_unit_test(test_both_ends_agree), cmocka_unit_test(test_control_agrees))
