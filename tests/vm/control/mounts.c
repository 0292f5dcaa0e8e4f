// SPDX-License-Identifier: Apache-2.0
/* Mounts, by both interfaces. What goes through happens in a mount namespace of the way's own. */
#include "control.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>

/* linux/mount.h, sched.h and unistd.h of newer kernels. */
#define OPEN_TREE_ATTR      467
#define OPEN_TREE_NAMESPACE 2
#define FSMOUNT_NAMESPACE   2
#define EMPTY_MNTNS         0x100000

static int alone(void)
{
    int r = errno_of(unshare(CLONE_NEWNS));

    /* Under a rule about propagation the mounts stay as they are: `prepare` made what is used here private. */
    return r;
}

int way_mount(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount("none", "m", "tmpfs", 0, NULL));
}

int way_mount_ramfs(const struct way_ctx *c)
{
    int r = alone();

    (void)c;
    return r ? r : errno_of(mount("none", "m", "ramfs", 0, NULL));
}

static int new_filesystem(const char *type)
{
    int fd = (int)syscall(SYS_fsopen, type, 1);

    return fd < 0 ? errno_of(fd)
                  : errno_of(syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int way_fsopen(const struct way_ctx *c)
{
    (void)c;
    return new_filesystem("tmpfs");
}

int way_fsopen_ramfs(const struct way_ctx *c)
{
    (void)c;
    return new_filesystem("ramfs");
}

int way_bind(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount("a", "b", NULL, MS_BIND, NULL));
}

int way_open_tree(const struct way_ctx *c)
{
    (void)c;
    return errno_of_fd(syscall(SYS_open_tree, AT_FDCWD, "a", OPEN_TREE_CLONE));
}

int way_open_tree_path(const struct way_ctx *c)
{
    (void)c;
    return errno_of_fd(syscall(SYS_open_tree, AT_FDCWD, "a", 0));
}

int way_move(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount("m", "b", NULL, MS_MOVE, NULL));
}

int way_move_mount(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_move_mount, AT_FDCWD, "m", AT_FDCWD, "b", 0));
}

int way_remount(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
}

int way_reconfigure(const struct way_ctx *c)
{
    int fd = (int)syscall(SYS_fspick, AT_FDCWD, "m", 0);

    (void)c;
    return fd < 0 ? errno_of(fd)
                  : errno_of(syscall(SYS_fsconfig, fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
}

int way_mount_setattr(const struct way_ctx *c)
{
    uint64_t attr[4] = {MOUNT_ATTR_RDONLY, 0, 0, 0};

    (void)c;
    return errno_of(syscall(SYS_mount_setattr, AT_FDCWD, "m", 0, attr, sizeof(attr)));
}

int way_propagation(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount(NULL, "m", NULL, MS_PRIVATE, NULL));
}

int way_umount(const struct way_ctx *c)
{
    int r = alone();

    (void)c;
    return r ? r : errno_of(umount2("m", MNT_DETACH));
}

static int open_tree_attr(const char *path, unsigned flags, uint64_t set)
{
    uint64_t attr[4] = {set, 0, 0, 0};

    return errno_of_fd(syscall(OPEN_TREE_ATTR, AT_FDCWD, path, flags, attr, sizeof(attr)));
}

int way_open_tree_attr(const struct way_ctx *c)
{
    (void)c;
    return open_tree_attr("a", OPEN_TREE_CLONE, 0);
}

int way_open_tree_attr_set(const struct way_ctx *c)
{
    (void)c;
    return open_tree_attr("m", 0, MOUNT_ATTR_RDONLY);
}

int way_open_tree_namespace(const struct way_ctx *c)
{
    (void)c;
    return errno_of_fd(syscall(SYS_open_tree, AT_FDCWD, "a", OPEN_TREE_NAMESPACE));
}

int way_open_tree_attr_namespace(const struct way_ctx *c)
{
    (void)c;
    return open_tree_attr("a", OPEN_TREE_NAMESPACE, 0);
}

int way_fsmount_namespace(const struct way_ctx *c)
{
    int fd = (int)syscall(SYS_fsopen, "ramfs", 0);

    (void)c;
    if (fd < 0 || syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return errno_of(-1);
    return errno_of_fd(syscall(SYS_fsmount, fd, FSMOUNT_NAMESPACE, 0));
}

int way_unshare_empty(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_unshare, EMPTY_MNTNS));
}

int way_mount_subtype(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount("none", "m", "fuse.control", 0, NULL));
}

int way_mount_sysfs(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mount("none", "m", "sysfs", 0, NULL));
}

int way_pivot_root(const struct way_ctx *c)
{
    int r = alone();

    (void)c;
    if (r == 0)
        r = errno_of(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    return r ? r : errno_of(syscall(SYS_pivot_root, "/", "/"));
}
