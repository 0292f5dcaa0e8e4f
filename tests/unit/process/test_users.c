// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "process/users.h"

static void put(const char *dir, const char *name, const void *text, size_t len)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, len, 0644), 0);
}

#define assert_name(got, text) assert_true(bytes_equal(got, BYTES(text)))

static void test_names(void **state)
{
    static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                                 "# a comment\n"
                                 "\n"
                                 "toor:x:0:0::/root:/bin/sh\n"
                                 "ann:x:1000:1000\n"
                                 ":x:7:7::/:\n"
                                 "bad:x:-1:1::/:\n"
                                 "big:x:4294967296:1::/:\n"
                                 "odd\xff:x:12:12::/:\n"
                                 "short:x\n"
                                 "nobody:x:4294967294:65534::/:/none"; // no newline
    static const char group[] = "root:x:0:\nwheel:x:10:ann,bob\n";
    _cleanup_(users_freep) struct users *u = NULL;
    char *dir = unit_mkdtemp();

    (void)state;
    put(dir, "passwd", passwd, sizeof(passwd) - 1);
    put(dir, "group", group, sizeof(group) - 1);
    assert_int_equal(users_new(unit_path(dir, "passwd"), unit_path(dir, "group"), &u), 0);
    assert_true(users_refresh(u, 0));
    assert_name(users_name(u, 0), "root"); // the first line, not "toor"
    assert_name(users_name(u, 1000), "ann");
    assert_name(users_name(u, 12), "odd\xff");
    assert_name(users_name(u, UINT32_MAX - 1), "nobody");
    assert_name(users_name(u, 7), "");
    assert_name(users_name(u, 1), "");
    assert_name(users_group(u, 10), "wheel");
    assert_name(users_group(u, 11), "");
    unit_rmdir(dir);
}

static void test_changes(void **state)
{
    _cleanup_(users_freep) struct users *u = NULL;
    char *dir = unit_mkdtemp();

    (void)state;
    assert_int_equal(users_new(unit_path(dir, "passwd"), unit_path(dir, "group"), &u), 0);
    assert_false(users_refresh(u, 5)); // neither is there
    assert_name(users_name(u, 1), "");
    put(dir, "passwd", "a:x:1:1\n", 8);
    assert_false(users_refresh(u, USERS_CHECK_NS)); // too soon to look
    assert_true(users_refresh(u, USERS_CHECK_NS + 5));
    assert_name(users_name(u, 1), "a");
    assert_false(users_refresh(u, 3 * USERS_CHECK_NS));
    put(dir, "group", "g:x:1:\n", 7);
    assert_true(users_refresh(u, 5 * USERS_CHECK_NS));
    assert_name(users_group(u, 1), "g");
    put(dir, "passwd", "b:x:1:1\n", 8);
    assert_true(users_refresh(u, 7 * USERS_CHECK_NS));
    assert_name(users_name(u, 1), "b");
    assert_int_equal(unlink(unit_path(dir, "passwd")), 0);
    assert_true(users_refresh(u, 9 * USERS_CHECK_NS));
    assert_name(users_name(u, 1), "");
    assert_name(users_group(u, 1), "g");
    // A file that is far too large has no names.
    put(dir, "passwd", "c:x:1:1\n", 8);
    assert_int_equal(truncate(unit_path(dir, "passwd"), 9 << 20), 0);
    assert_true(users_refresh(u, 11 * USERS_CHECK_NS));
    assert_name(users_name(u, 1), "");
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_names), cmocka_unit_test(test_changes))
