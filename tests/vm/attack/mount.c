// SPDX-License-Identifier: Apache-2.0
/* The same object below another mount, another root, or a mount that is gone from view. */
#include "attack.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of one C library cannot be included together. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data);
int umount2(const char *target, int flags);
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

static char *mount_point(struct attack *a, const char *name)
{
    char *p = in_tmp(a, name);

    MUST(a, mkdir(p, 0755));
    return p;
}

static char *parent_bound(struct attack *a)
{
    char *at = mount_point(a, "mnt"), *parent = parent_of(a->target);

    MUST(a, mount(parent, at, NULL, MS_BIND, NULL));
    return fmt("%s/%s", at, leaf_of(a->target));
}

int reach_bind_file(struct attack *a, int flags)
{
    char *at = in_tmp(a, "mnt");

    write_text(a, at, "");
    GUARD(a, mount(a->target, at, NULL, MS_BIND, NULL));
    return (int)GUARD(a, open(at, flags, 0600));
}

int reach_bind_dir(struct attack *a, int flags)
{
    char *path = parent_bound(a);

    return (int)GUARD(a, open(path, flags, 0600));
}

/* Before the mount is left, the content may come into memory through it first. */
int reach_bind_dir_cold(struct attack *a, int flags)
{
    char *path = parent_bound(a);

    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open(path, flags, 0600));
}

/* A mount that makes the root of what is seen a protected directory. */
int reach_bind_subdir(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *from = in_root(a, "vault/tree/a"), *path;

    path = fmt("%s/b/c/deep.txt", at);
    GUARD(a, mount(from, at, NULL, MS_BIND, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* A bind mount of a bind mount of a bind mount. */
int reach_bind_nested(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *at2 = mount_point(a, "mnt2"), *parent, *path;

    parent = parent_of(a->target);
    path = fmt("%s/%s", at2, leaf_of(a->target));
    MUST(a, mount(parent, at, NULL, MS_BIND, NULL));
    MUST(a, mount(at, at2, NULL, MS_BIND, NULL));
    MUST(a, umount2(at, 0));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_rbind_root(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *path = fmt("%s%s", at, a->target);

    MUST(a, mount("/", at, NULL, MS_BIND | MS_REC, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_bind_remount(struct attack *a, int flags)
{
    char *path = parent_bound(a), *at = in_tmp(a, "mnt");

    MUST(a, mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_mount_move(struct attack *a, int flags)
{
    char *at2 = mount_point(a, "mnt2"), *at = in_tmp(a, "mnt"), *path;

    parent_bound(a);
    path = fmt("%s/%s", at2, leaf_of(a->target));
    MUST(a, mount(at, at2, NULL, MS_MOVE, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_chroot(struct attack *a, int flags)
{
    char *path = fmt("/%s", leaf_of(a->target)), *parent = parent_of(a->target);

    MUST(a, chroot(parent));
    MUST(a, chdir("/"));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* The working directory is left outside the new root. */
int reach_chroot_escape(struct attack *a, int flags)
{
    char *path = fmt("../%s", a->way->object), *jail = in_root(a, "open");

    MUST(a, chdir(jail));
    MUST(a, chroot(a->tmp));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* What an initramfs does, so that the root is a mount that pivot_root accepts. */
static void attach_root(struct attack *a)
{
    char *at = mount_point(a, "mnt");

    MUST(a, mount("/", at, NULL, MS_BIND | MS_REC, NULL));
    MUST(a, chdir(at));
    MUST(a, mount(at, "/", NULL, MS_MOVE, NULL));
    MUST(a, chroot("."));
}

int reach_pivot_root(struct attack *a, int flags)
{
    char *vault = parent_of(a->target), *path = fmt("/%s", leaf_of(a->target));

    attach_root(a);
    MUST(a, mount(vault, vault, NULL, MS_BIND, NULL));
    MUST(a, chdir(vault));
    MUST(a, syscall(SYS_pivot_root, ".", "."));
    MUST(a, umount2(".", MNT_DETACH));
    MUST(a, chdir("/"));
    return (int)GUARD(a, open(path, flags, 0600));
}

int detached_parent(struct attack *a)
{
    char *parent = parent_of(a->target);

    return (int)HAVE(a,
                     syscall(SYS_open_tree, AT_FDCWD, parent, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

int reach_open_tree(struct attack *a, int flags)
{
    int tree = detached_parent(a);

    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}

int reach_open_tree_file(struct attack *a, int flags)
{
    int tree = (int)GUARD(a, syscall(SYS_open_tree, AT_FDCWD, a->target,
                                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    char *path = fmt("/proc/self/fd/%d", tree);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_open_tree_plain(struct attack *a, int flags)
{
    char *parent = parent_of(a->target);
    int tree = (int)HAVE(a, syscall(SYS_open_tree, AT_FDCWD, parent, OPEN_TREE_CLOEXEC));

    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}

int reach_move_mount(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *path = fmt("%s/%s", at, leaf_of(a->target));
    int tree = detached_parent(a);

    MUST(a, syscall(SYS_move_mount, tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* Its parent is covered, but a descriptor from before sees below. */
int reach_overmounted(struct attack *a, int flags)
{
    char *parent = parent_of(a->target);
    int dir = (int)MUST(a, open(parent, O_PATH | O_DIRECTORY));

    MUST(a, mount("none", parent, "tmpfs", 0, NULL));
    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

/* The mount is gone from the namespace; a descriptor keeps it. */
int reach_lazy_umount(struct attack *a, int flags)
{
    char *at = in_tmp(a, "mnt");
    int dir;

    parent_bound(a);
    dir = (int)MUST(a, open(at, O_PATH | O_DIRECTORY));
    MUST(a, umount2(at, MNT_DETACH));
    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

/* A mount that appears because its peer group got one. */
int reach_propagated(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *peer = mount_point(a, "mnt2"), *parent, *sub, *path;

    parent = parent_of(a->target);
    MUST(a, mount("none", at, "tmpfs", 0, NULL));
    MUST(a, mount("none", at, NULL, MS_SHARED, NULL));
    sub = fmt("%s/sub", at);
    MUST(a, mkdir(sub, 0755));
    MUST(a, mount(at, peer, NULL, MS_BIND, NULL));
    MUST(a, mount(parent, sub, NULL, MS_BIND, NULL));
    path = fmt("%s/sub/%s", peer, leaf_of(a->target));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* Mount point, source, type and root of the mount that the tree lies on. */
struct where {
    char root[512], at[512], type[64], source[256];
};

static bool where_is(const char *path, struct where *ret)
{
    char line[4096];
    size_t best = 0;
    FILE *f = fopen("/proc/self/mountinfo", "re");

    while (f && fgets(line, sizeof(line), f)) {
        struct where w;
        char *dash = strstr(line, " - ");
        size_t len;

        if (!dash || sscanf(line, "%*d %*d %*s %511s %511s", w.root, w.at) != 2 ||
            sscanf(dash, " - %63s %255s", w.type, w.source) != 2)
            continue;
        len = strcmp(w.at, "/") == 0 ? 0 : strlen(w.at);
        if (strncmp(path, w.at, len) == 0 && (path[len] == '/' || path[len] == 0) &&
            len + 1 >= best) {
            best = len + 1; /* the same point again: mounted over the earlier one */
            *ret = w;
        }
    }
    if (f)
        fclose(f);
    return best > 0;
}

/* The same file system, mounted a second time from its device. */
int reach_mount_again(struct attack *a, int flags)
{
    char *at = mount_point(a, "mnt"), *device, *path;
    struct stat st, dev;
    struct where w;

    MUST(a, stat(a->root, &st));
    if (!where_is(a->root, &w))
        attack_skip(a, "the mount of the tree is not in mountinfo");
    device = w.source;
    if (stat(device, &dev) < 0 || !S_ISBLK(dev.st_mode)) {
        if (major(st.st_dev) == 0)
            attack_skip(a, "%s has no block device", w.type);
        device = in_tmp(a, "device");
        MUST(a, mknod(device, S_IFBLK | 0600, st.st_dev));
    }
    path = fmt("%s%s%s", at, strcmp(w.root, "/") == 0 ? "" : w.root,
               a->target + (strcmp(w.at, "/") == 0 ? 0 : strlen(w.at)));
    GUARD(a, mount(device, at, w.type, 0, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}
