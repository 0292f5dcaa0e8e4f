// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "files/identity.h"

static const char fdinfo[] = "pos:\t0\nflags:\t012000000\nmnt_id:\t29\nino:\t131109\nxino:\t7\n";
static const char mountinfo[] =
    "28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "2 28 0:5 / /a rw - tmpfs t rw\n"
    "29 28 259:4294967295 / /b\\040c rw - overlay overlay rw\n"
    "30 28 9 / /short\n31\n\nx 1 2:3 / /\n99999999999999999999 1 2:3 / /\n32 28 0:77";

static void test_texts(void **state)
{
    uint64_t n = 7;

    (void)state;
    assert_int_equal(identity_fdinfo(fdinfo, sizeof(fdinfo) - 1, "ino:\t", &n), 0);
    assert_int_equal(n, 131109);
    assert_int_equal(identity_fdinfo(fdinfo, sizeof(fdinfo) - 1, "mnt_id:\t", &n), 0);
    assert_int_equal(n, 29);
    assert_int_equal(identity_fdinfo(fdinfo, sizeof(fdinfo) - 1, "none:\t", &n), -ENOENT);
    assert_int_equal(identity_fdinfo("ino:\tx\n", 7, "ino:\t", &n), -ENOENT);
    assert_int_equal(identity_fdinfo("", 0, "ino:\t", &n), -ENOENT);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 28), 8u << 20 | 1);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 2), 5);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 29),
                     259u << 20 | 0xfffff);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 30), 0);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 31), 0);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 32), 77);
    assert_int_equal(identity_mount_dev(mountinfo, sizeof(mountinfo) - 1, 33), 0);
}

static void test_file(void **state)
{
    _cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
    uint32_t dev;
    struct stat st, disguised;

    (void)state;
    fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    assert_true(proc >= 0 && fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    // What the kernel calls its device; the mount table says it where stat() does not.
    disguised = st;
    disguised.st_dev = makedev(4095, 1);
    dev = major(st.st_dev) << 20 | minor(st.st_dev);
    assert_true(identity_is(proc, fd, &st, 0, dev, st.st_ino));
    assert_false(identity_is(proc, fd, &st, 0, dev, st.st_ino + 1));
    assert_false(identity_is(proc, fd, &st, 0, dev + 1, st.st_ino));
    assert_false(identity_is(proc, fd, &disguised, 0, 77, st.st_ino));
    assert_false(identity_is(proc, fd, &disguised, 0, dev, 0));
}

UNIT_MAIN(cmocka_unit_test(test_texts), cmocka_unit_test(test_file))
