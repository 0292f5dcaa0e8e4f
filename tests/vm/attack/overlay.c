// SPDX-License-Identifier: Apache-2.0
/* overlayfs: the protected directory as a lower or as an upper layer. Whatever is written to a
 * lower file is preceded by a copy of its content, so reading it through the layer counts as
 * well. */
#include "attack.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char *layer(struct attack *a, const char *name)
{
    char *p = in_tmp(a, name);

    MUST(a, mkdir(p, 0755));
    return p;
}

static char *overlay(struct attack *a, const char *lower, const char *upper, const char *more)
{
    char *at = layer(a, "mnt"), *work = layer(a, "work"), *options;

    options = fmt("lowerdir=%s,upperdir=%s,workdir=%s%s", lower, upper, work, more);
    HAVE(a, mount("overlay", at, "overlay", 0, options));
    return at;
}

static char *above_lower(struct attack *a)
{
    char *parent = parent_of(a->target), *at = overlay(a, parent, layer(a, "upper"), "");

    return fmt("%s/%s", at, leaf_of(a->target));
}

static char *above_upper(struct attack *a)
{
    char *parent = parent_of(a->target), *at = overlay(a, layer(a, "lower"), parent, "");

    return fmt("%s/%s", at, leaf_of(a->target));
}

int reach_overlay_lower(struct attack *a, int flags)
{
    char *path = above_lower(a);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_overlay_lower_cold(struct attack *a, int flags)
{
    char *path = above_lower(a);

    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open(path, flags, 0600));
}

/* The layer is a directory above, so the object is some way down. */
int reach_overlay_lower_deep(struct attack *a, int flags)
{
    char *at = overlay(a, a->root, layer(a, "upper"), "");
    char *path = fmt("%s/%s", at, a->way->object);

    return (int)GUARD(a, open(path, flags, 0600));
}

/* Two read-only layers, and no upper one. */
int reach_overlay_readonly(struct attack *a, int flags)
{
    char *at = layer(a, "mnt"), *parent = parent_of(a->target), *path, *options;

    options = fmt("lowerdir=%s:%s", layer(a, "lower"), parent);
    path = fmt("%s/%s", at, leaf_of(a->target));
    HAVE(a, mount("overlay", at, "overlay", 0, options));
    return (int)GUARD(a, open(path, flags, 0600));
}

static _noreturn_ void read_copy(struct attack *a, const char *path)
{
    int fd = (int)GUARD(a, open(path, O_RDONLY));
    char buf[4096];
    long n = GUARD(a, read(fd, buf, sizeof(buf)));

    attack_got(a, buf, (size_t)n);
}

/* A change of the owner copies the file up; then the copy is read from the upper layer itself. */
int reach_overlay_copy_up_chown(struct attack *a, _unused_ int flags)
{
    char *path = above_lower(a), *copy = in_tmp(a, fmt("upper/%s", leaf_of(a->target)));

    GUARD(a, chown(path, 12345, 12345));
    read_copy(a, copy);
}

int reach_overlay_copy_up_write(struct attack *a, _unused_ int flags)
{
    char *path = above_lower(a), *copy = in_tmp(a, fmt("upper/%s", leaf_of(a->target)));

    GUARD(a, open(path, O_WRONLY | O_APPEND));
    read_copy(a, copy);
}

int reach_overlay_copy_up_link(struct attack *a, _unused_ int flags)
{
    char *path = above_lower(a), *copy = in_tmp(a, "upper/hard"), *to = in_tmp(a, "mnt/hard");

    GUARD(a, link(path, to));
    read_copy(a, copy);
}

int reach_overlay_copy_up_rename(struct attack *a, _unused_ int flags)
{
    char *path = above_lower(a), *copy = in_tmp(a, "upper/moved"), *to = in_tmp(a, "mnt/moved");

    GUARD(a, rename(path, to));
    read_copy(a, copy);
}

/* Only the metadata are copied; the content stays in the lower file and is found by a redirect. */
int reach_overlay_metacopy(struct attack *a, int flags)
{
    char *parent = parent_of(a->target);
    char *at = overlay(a, parent, layer(a, "upper"), ",metacopy=on,redirect_dir=on");
    char *path = fmt("%s/%s", at, leaf_of(a->target)), *moved = fmt("%s/moved", at);

    GUARD(a, chown(path, 12345, 12345));
    GUARD(a, rename(path, moved));
    return (int)GUARD(a, open(moved, flags, 0600));
}

int reach_overlay_upper(struct attack *a, int flags)
{
    char *path = above_upper(a);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_overlay_upper_unlink(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a);

    GUARD(a, unlink(path));
    attack_claimed(a);
}

int reach_overlay_upper_rename(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a), *to = fmt("%s.moved", path);

    GUARD(a, rename(path, to));
    attack_claimed(a);
}

int reach_overlay_upper_truncate(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a);

    GUARD(a, truncate(path, 3));
    attack_claimed(a);
}

int reach_overlay_upper_chmod(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a);

    GUARD(a, chmod(path, 0666));
    attack_claimed(a);
}

int reach_overlay_upper_link(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a), *to = fmt("%s.hard", path);

    GUARD(a, link(path, to));
    attack_claimed(a);
}

/* A new file of the merged directory is made below the protected tree. */
int reach_overlay_upper_create(struct attack *a, _unused_ int flags)
{
    char *path = above_upper(a);

    GUARD(a, open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    attack_claimed(a);
}

/* Of a user namespace; Linux 5.11. */
int reach_overlay_userns(struct attack *a, int flags)
{
    char uid_map[32], gid_map[32], *path;

    snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
    HAVE(a, unshare(CLONE_NEWUSER | CLONE_NEWNS));
    write_text(a, "/proc/self/setgroups", "deny");
    write_text(a, "/proc/self/uid_map", uid_map);
    write_text(a, "/proc/self/gid_map", gid_map);
    path = above_lower(a);
    return (int)GUARD(a, open(path, flags, 0600));
}
