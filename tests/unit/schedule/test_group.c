// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "schedule/group.h"

static void test_same(void **state)
{
    static const struct {
        enum group_file file;
        const char *has, *wanted;
        bool same;
    } cases[] = {
        {GROUP_WEIGHT, "100", "100", true},
        {GROUP_WEIGHT, "100", "10", false},
        {GROUP_CPUS, "0-3", "0,1,2,3", true},
        {GROUP_CPUS, "0-3,8", "0-3,8", true},
        {GROUP_CPUS, "0-3", "0-2", false},
        {GROUP_CPUS, "", "0", false},
        {GROUP_CPUS, "", "", true},
        {GROUP_QUOTA, "50000 100000", "50000 100000", true},
        {GROUP_QUOTA, "max 100000", "50000 100000", false},
        {GROUP_IO, "default 50\n8:0 20", "default 50", true},
        {GROUP_IO, "default 50", "default 50", true},
        {GROUP_IO, "default 500", "default 50", false},
        {GROUP_IO, "default 5", "default 50", false},
        {GROUP_BFQ, "default 50\n8:0 20", "default 50", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(!!group_same(cases[i].file, cases[i].has, cases[i].wanted), cases[i].same);
}

static void test_wanted(void **state)
{
    const struct schedule s = {.weight = 20,
                               .quota_permille = 2505,
                               .io_weight = 50,
                               .cpus = "0-3,8"};
    static const char *const texts[GROUP_FILES] = {
        [GROUP_WEIGHT] = "20",      [GROUP_QUOTA] = "250500 100000", [GROUP_CPUS] = "0-3,8",
        [GROUP_BFQ] = "default 50", [GROUP_IO] = "default 50",
    };
    const struct schedule most = {.io_weight = 10000};
    char text[GROUP_VALUE];

    (void)state;
    for (unsigned i = 0; i < GROUP_FILES; i++) {
        group_wanted(&s, (enum group_file)i, text);
        assert_string_equal(text, texts[i]);
    }
    group_wanted(&most, GROUP_BFQ, text);
    assert_string_equal(text, "default 1000");
}

static void test_cpus(void **state)
{
    static const char *const good[] = {"0", "0-3", "0-3,8", "5,7,9-11", "63"};
    static const char *const bad[] = {"",     "a",    "0-", "-1",   "3-1", "0,0", "1,0",
                                      "0,,1", "0-1,", "64", "0-64", "0 1", "0x1", "1-2-3"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(schedule_cpus_valid(good[i], 64));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(schedule_cpus_valid(bad[i], 64));
}

static void put(const char *dir, const char *file, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, file), text, strlen(text), 0644),
                     0);
}

static void test_group_of(void **state)
{
    char *dir = unit_mkdtemp();
    char group[GROUP_PATH_MAX];

    (void)state;
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "7"), 0755), 0);
    put(dir, "7/cgroup", "0::/a.slice/b\n");
    assert_int_equal(group_of(dir, 7, group), 0);
    assert_string_equal(group, "/a.slice/b");
    put(dir, "7/cgroup", "1:name=systemd:/x\n0::/c\n");
    assert_int_equal(group_of(dir, 7, group), 0);
    assert_string_equal(group, "/c");
    put(dir, "7/cgroup", "1:cpu:/x\n");
    assert_int_equal(group_of(dir, 7, group), -ENOENT);
    put(dir, "7/cgroup", "0::x\n");
    assert_int_equal(group_of(dir, 7, group), -ENOENT);
    assert_int_equal(group_of(dir, 8, group), -ESRCH);
    unit_rmdir(dir);
}

// What is on already is not written again: a file that cannot be written shows it.
static void test_enable(void **state)
{
    char *dir = unit_mkdtemp();
    _cleanup_free_ char *text = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "a"), 0755), 0);
    put(dir, "cgroup.subtree_control", "cpuset cpu memory\n");
    put(dir, "a/cgroup.subtree_control", "cpuset\n");
    assert_int_equal(group_enable(dir, "/a/b", SCHEDULE_CPUS, &err), 0);
    assert_int_equal(group_enable(dir, "/a/b", SCHEDULE_WEIGHT, &err), 0);
    assert_int_equal(read_file_bounded(AT_FDCWD, unit_path(dir, "a/cgroup.subtree_control"), 100,
                                       &text, NULL),
                     0);
    assert_memory_equal(text, "+cpu", 4);
    assert_int_equal(group_enable(dir, "/b/c", SCHEDULE_WEIGHT, &err), -ENOENT);
    assert_non_null(strstr(err.what, "/b"));
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_same), cmocka_unit_test(test_wanted), cmocka_unit_test(test_cpus),
          cmocka_unit_test(test_group_of), cmocka_unit_test(test_enable))
