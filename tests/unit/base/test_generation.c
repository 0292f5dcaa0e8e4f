// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/generation.h"
#include "base/macro.h"

static const struct {
    long magic;
    const char *type;
} types[] = {
    {TMPFS_MAGIC, "tmpfs"},
    {EXT4_SUPER_MAGIC, "ext4"},
    {XFS_SUPER_MAGIC, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
};

// What the directory's file system is called; NULL: none whose handles are known, or it gives none out.
static const char *type_of(const char *dir)
{
    struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
    struct statfs fs;
    int mount_id, r;

    assert_non_null(h);
    h->handle_bytes = MAX_HANDLE_SZ;
    r = name_to_handle_at(AT_FDCWD, dir, h, &mount_id, 0);
    free(h);
    if (r < 0 || statfs(dir, &fs) < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].magic == (long)fs.f_type)
            return types[i].type;
    return NULL;
}

static void check_in(const char *dir)
{
    const char *type = type_of(dir);
    struct stat file, symbolic;
    int fd, version = 0;
    uint32_t generation;
    char path[4096];

    if (!type)
        return;
    fd = open(unit_path_in(path, sizeof(path), dir, "f"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &file), 0);
    generation = file_generation(AT_FDCWD, path, type, file.st_ino);
    // Asked for by other means, where there are any.
    if (ioctl(fd, FS_IOC_GETVERSION, &version) == 0)
        assert_int_equal(generation, (uint32_t)version);
    else
        assert_int_not_equal(generation, 0);
    // Another inode than the one that was meant; a type that it is not; what is not there.
    assert_int_equal(file_generation(AT_FDCWD, path, type, file.st_ino + 1), 0);
    assert_int_equal(file_generation(AT_FDCWD, path, "overlay", file.st_ino), 0);
    assert_int_equal(file_generation(AT_FDCWD, "/nowhere/at/all", type, file.st_ino), 0);
    // Symlinks are not followed.
    assert_int_equal(symlink(path, unit_path(dir, "l")), 0);
    assert_int_equal(lstat(unit_path(dir, "l"), &symbolic), 0);
    assert_int_equal(file_generation(AT_FDCWD, unit_path(dir, "l"), type, file.st_ino), 0);
    (void)close(fd);
}

static void test_the_generation_is_the_inodes(void **state)
{
    char shm[] = "/dev/shm/sg-generation.XXXXXX";
    char *dir = unit_mkdtemp();

    (void)state;
    check_in(dir);
    unit_rmdir(dir);
    if (!mkdtemp(shm))
        return;
    check_in(shm);
    (void)unlink(unit_path(shm, "f"));
    (void)unlink(unit_path(shm, "l"));
    (void)rmdir(shm);
}

UNIT_MAIN(cmocka_unit_test(test_the_generation_is_the_inodes))
