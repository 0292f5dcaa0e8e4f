// SPDX-License-Identifier: Apache-2.0
/* Changes of an object by its path: size, mode, owner, times, extended attributes, inode flags. */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

/* System calls that the C library of the build does not name; the numbers are the same
 * everywhere. */
#define NR_fchmodat2     452
#define NR_setxattrat    463
#define NR_removexattrat 466
#define NR_file_getattr  468
#define NR_file_setattr  469

int reach_truncate(struct attack *a, _unused_ int flags)
{
    GUARD(a, truncate(a->target, 3));
    attack_claimed(a);
}

int reach_truncate_old_link(struct attack *a, _unused_ int flags)
{
    char *l = in_root(a, "open/oldlink");

    GUARD(a, truncate(l, 3));
    attack_claimed(a);
}

int reach_truncate_proc_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/self/fd/%d", fd);

    GUARD(a, truncate(path, 3));
    attack_claimed(a);
}

int reach_chmod(struct attack *a, _unused_ int flags)
{
    GUARD(a, chmod(a->target, 0666));
    attack_claimed(a);
}

int reach_chmod_old_link(struct attack *a, _unused_ int flags)
{
    char *l = in_root(a, "open/oldlink");

    GUARD(a, chmod(l, 0666));
    attack_claimed(a);
}

int reach_chmod_proc_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/self/fd/%d", fd);

    GUARD(a, chmod(path, 0666));
    attack_claimed(a);
}

int reach_fchmodat2(struct attack *a, _unused_ int flags)
{
    GUARD_OR_SKIP(a, syscall(NR_fchmodat2, AT_FDCWD, a->target, 0666, AT_SYMLINK_NOFOLLOW));
    attack_claimed(a);
}

int reach_fchmodat2_empty(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));

    GUARD_OR_SKIP(a, syscall(NR_fchmodat2, fd, "", 0666, AT_EMPTY_PATH));
    attack_claimed(a);
}

int reach_chown(struct attack *a, _unused_ int flags)
{
    GUARD(a, chown(a->target, 12345, 12345));
    attack_claimed(a);
}

int reach_lchown(struct attack *a, _unused_ int flags)
{
    GUARD(a, lchown(a->target, 12345, 12345));
    attack_claimed(a);
}

int reach_fchownat_empty(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));

    GUARD(a, fchownat(fd, "", 12345, 12345, AT_EMPTY_PATH));
    attack_claimed(a);
}

int reach_utimensat(struct attack *a, _unused_ int flags)
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

    GUARD(a, utimensat(AT_FDCWD, a->target, times, AT_SYMLINK_NOFOLLOW));
    attack_claimed(a);
}

/* No times given: any writer may, and another branch of the kernel decides. */
int reach_utimensat_now(struct attack *a, _unused_ int flags)
{
    GUARD(a, utimensat(AT_FDCWD, a->target, NULL, 0));
    attack_claimed(a);
}

int reach_utime(struct attack *a, _unused_ int flags)
{
    struct utimbuf times = {1, 1};

    GUARD(a, utime(a->target, &times));
    attack_claimed(a);
}

static void set_xattr(struct attack *a, const char *name, const void *value, size_t len)
{
    char *control = in_tmp(a, "control");

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, setxattr(control, name, value, len, 0));
    GUARD(a, setxattr(a->target, name, value, len, 0));
    attack_claimed(a);
}

int reach_setxattr_user(struct attack *a, _unused_ int flags)
{
    set_xattr(a, "user.sgattack", "1", 1);
    return -1;
}

int reach_setxattr_trusted(struct attack *a, _unused_ int flags)
{
    set_xattr(a, "trusted.sgattack", "1", 1);
    return -1;
}

/* Version 2: owner rw-, user 12345 rw-, group r--, mask rw-, others r--. Little endian as on
 * disk. */
static const unsigned char acl_access[] = {
    0x02, 0x00, 0x00, 0x00,                         /* version */
    0x01, 0x00, 0x06, 0x00, 0xff, 0xff, 0xff, 0xff, /* user_obj */
    0x02, 0x00, 0x06, 0x00, 0x39, 0x30, 0x00, 0x00, /* user 12345 */
    0x04, 0x00, 0x04, 0x00, 0xff, 0xff, 0xff, 0xff, /* group_obj */
    0x10, 0x00, 0x06, 0x00, 0xff, 0xff, 0xff, 0xff, /* mask */
    0x20, 0x00, 0x04, 0x00, 0xff, 0xff, 0xff, 0xff, /* other */
};

int reach_set_acl(struct attack *a, _unused_ int flags)
{
    set_xattr(a, "system.posix_acl_access", acl_access, sizeof(acl_access));
    return -1;
}

int reach_set_default_acl(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "control");

    MUST(a, mkdir(control, 0755));
    HAVE(a, setxattr(control, "system.posix_acl_default", acl_access, sizeof(acl_access), 0));
    GUARD(a, setxattr(a->target, "system.posix_acl_default", acl_access, sizeof(acl_access), 0));
    attack_claimed(a);
}

int reach_setxattr_proc_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/self/fd/%d", fd), *control = in_tmp(a, "control");

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, setxattr(control, "user.sgattack", "1", 1, 0));
    GUARD(a, setxattr(path, "user.sgattack", "1", 1, 0));
    attack_claimed(a);
}

struct xattr_args {
    uint64_t value;
    uint32_t size, flags;
};

int reach_setxattrat(struct attack *a, _unused_ int flags)
{
    struct xattr_args x = {.value = (uintptr_t) "1", .size = 1};
    char *control = in_tmp(a, "control");
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, syscall(NR_setxattrat, AT_FDCWD, control, 0, "user.sgattack", &x, sizeof(x)));
    GUARD(a, syscall(NR_setxattrat, dir, leaf_of(a->target), 0, "user.sgattack", &x, sizeof(x)));
    attack_claimed(a);
}

int reach_removexattr(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "control");

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, setxattr(control, "user.sg", "1", 1, 0));
    GUARD(a, removexattr(a->target, "user.sg"));
    attack_claimed(a);
}

int reach_removexattrat(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "control");
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, setxattr(control, "user.sg", "1", 1, 0));
    HAVE(a, syscall(NR_removexattrat, AT_FDCWD, control, 0, "user.sg"));
    GUARD(a, syscall(NR_removexattrat, dir, leaf_of(a->target), 0, "user.sg"));
    attack_claimed(a);
}

/* struct file_attr of Linux 6.17: the same facts as struct fsxattr, and no descriptor needed. */
struct file_attr_v0 {
    uint64_t xflags;
    uint32_t extsize, nextents, projid, cowextsize;
};

static long file_attr_nodump(const char *path)
{
    struct file_attr_v0 x = {0};

    if (syscall(NR_file_getattr, AT_FDCWD, path, &x, sizeof(x), 0) < 0)
        return -1;
    x.xflags |= FS_XFLAG_NODUMP;
    return syscall(NR_file_setattr, AT_FDCWD, path, &x, sizeof(x), 0);
}

int reach_file_setattr(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "control");

    MUST(a, close(tmp_file(a, "control")));
    HAVE(a, file_attr_nodump(control));
    GUARD(a, file_attr_nodump(a->target));
    attack_claimed(a);
}
