// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "sensor/where.h"

static const char table[] = "27 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
                            "37 27 0:28 / /run rw,nosuid,nodev - tmpfs tmpfs rw,mode=755\n"
                            "38 37 0:29 / /run/lock rw - tmpfs tmpfs rw\n"
                            "not of the form\n"
                            "40 27 0:31 /@srv /srv rw - btrfs /dev/vdb rw\n"
                            "41 27 0:32 / /my\\040disk rw - ext4 /dev/vdc rw\n"
                            "42 27 0:33 / /over rw - tmpfs tmpfs rw\n"
                            "43 42 0:34 / /over rw - tmpfs tmpfs rw\n"
                            "44 27 259:1048577 / /big rw - ext4 /dev/nvme rw";

static void expect(const char *path, uint32_t dev, const char *inside, bool mountpoint)
{
    struct where w;

    assert_int_equal(where_find(table, strlen(table), path, &w), 0);
    assert_int_equal(w.dev, dev);
    assert_string_equal(w.path, inside);
    assert_int_equal(w.mountpoint, mountpoint);
}

static void test_the_longest_mount_counts(void **state)
{
    (void)state;
    expect("/etc/shadow", 254 << 20 | 1, "/etc/shadow", false);
    expect("/", 254 << 20 | 1, "", true);
    expect("/run/safeguard/canary", 28, "/safeguard/canary", false);
    expect("/run", 28, "", true);
    expect("/run/lock/x", 29, "/x", false);
    expect("/running", 254 << 20 | 1, "/running", false);
}

static void test_parts_of_file_systems(void **state)
{
    (void)state;
    expect("/srv/www", 31, "/@srv/www", false);
    expect("/srv", 31, "/@srv", true);
}

static void test_odd_names_and_layers(void **state)
{
    (void)state;
    expect("/my disk/a", 32, "/a", false);
    expect("/over/a", 34, "/a", false);
    expect("/big/a", 259 << 20 | 1, "/a", false);
}

static void test_nothing(void **state)
{
    static const char elsewhere[] = "37 27 0:28 / /run rw - tmpfs tmpfs rw\n";
    char long_path[2048];
    struct where w;

    (void)state;
    assert_int_equal(where_find("", 0, "/x", &w), -ENOENT);
    assert_int_equal(where_find("garbage\n\n\n", 10, "/x", &w), -ENOENT);
    assert_int_equal(where_find(elsewhere, strlen(elsewhere), "/x", &w), -ENOENT);
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[0] = '/';
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(where_find(table, strlen(table), long_path, &w), -ENAMETOOLONG);
}

// A line is read up to its end, however long the table is: whoever measured what follows, for each line anew, would leave
// the memory here.
static void test_a_line_ends_with_itself(void **state)
{
    static const char line[] = "27 1 254:1 / / rw - ext4 /dev/vda1 rw\n37 27 0:28 / /run";
    size_t len = strlen(line);
    char *exact = malloc(len);
    struct where w;

    (void)state;
    assert_non_null(exact);
    memcpy(exact, line, len);
    assert_int_equal(where_find(exact, len, "/run/x", &w), 0);
    assert_int_equal(w.dev, 28);
    assert_string_equal(w.path, "/x");
    free(exact);
}

UNIT_MAIN(cmocka_unit_test(test_the_longest_mount_counts),
          cmocka_unit_test(test_parts_of_file_systems), cmocka_unit_test(test_odd_names_and_layers),
          cmocka_unit_test(test_nothing), cmocka_unit_test(test_a_line_ends_with_itself))
