// SPDX-License-Identifier: Apache-2.0
//
// Through mounts.
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

void way_bind(const struct run *r)
{
    const char *at = in_root(r, "free/bind-%M");

    own_mounts(r);
    make_dir(r, at);
    MUST(r, mount(r->area, at, NULL, MS_BIND, NULL));
    MUST(r, chdir(at));
    go(r, "./target", NULL, NULL);
}

void way_mount_ns(const struct run *r)
{
    own_mounts(r);
    go(r, r->target, NULL, NULL);
}

const char *overlay(const struct run *r, const char *name, const char *lower, const char *upper)
{
    const char *base = in_root(r, "free/overlay-%M");
    char options[1200], *at = NULL;

    make_dir(r, base);
    /* One that lies on another is mounted beside it. */
    if (!lower || strncmp(lower, base, strlen(base)) != 0)
        MUST(r, mount("tmpfs", base, "tmpfs", 0, "mode=755"));
    MUST(r, asprintf(&at, "%s/%s", base, name));
    make_dir(r, at);
    snprintf(options, sizeof(options), "%s/empty", base);
    make_dir(r, options);
    /* The upper directory and the work directory lie in one file system. */
    if (upper)
        snprintf(options, sizeof(options), "lowerdir=%s/empty,upperdir=%s,workdir=%s/../work", base,
                 upper, upper);
    else
        snprintf(options, sizeof(options), "lowerdir=%s:%s/empty", lower, base);
    if (mount("overlay", at, "overlay", 0, options) < 0)
        skip(r, "no overlay: %s", strerror(errno));
    return at;
}

const char *overlay_upper(const struct run *r)
{
    make_dir(r, in_area(r, "tmpfs/upper"));
    make_dir(r, in_area(r, "tmpfs/work"));
    copy(r, in_root(r, "bin/target"), in_area(r, "tmpfs/upper/target"), 0755);
    return overlay(r, "merged", NULL, in_area(r, "tmpfs/upper"));
}

static void go_in(const struct run *r, const char *directory)
{
    MUST(r, chdir(directory));
    go(r, "target", NULL, NULL);
}

void way_overlay_lower(const struct run *r)
{
    own_mounts(r);
    go_in(r, overlay(r, "merged", r->area, NULL));
}

void way_overlay_upper(const struct run *r)
{
    own_mounts(r);
    go_in(r, overlay_upper(r));
}

void way_chroot(const struct run *r)
{
    MUST(r, chroot(r->area));
    MUST(r, chdir("/"));
    go(r, "/target", NULL, NULL);
}

void way_pivot_root(const struct run *r)
{
    own_mounts(r);
    MUST(r, mount(r->area, r->area, NULL, MS_BIND, NULL));
    MUST(r, chdir(r->area));
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        skip(r, "pivot_root: %s", strerror(errno));
    MUST(r, umount2(".", MNT_DETACH));
    MUST(r, chdir("/"));
    go(r, "/target", NULL, NULL);
}

void way_foreign(const struct run *r)
{
    const char *at = in_root(r, "free/foreign-%M");
    char path[400];

    own_mounts(r);
    make_dir(r, at);
    MUST(r, mount("tmpfs", at, "tmpfs", 0, "mode=755"));
    snprintf(path, sizeof(path), "%s/target", at);
    copy(r, in_root(r, "bin/target"), path, 0755);
    go(r, path, NULL, NULL);
}

static const char *remounted(const struct run *r, unsigned long flags)
{
    const char *at = in_root(r, "free/flags-%M");

    own_mounts(r);
    make_dir(r, at);
    MUST(r, mount(r->area, at, NULL, MS_BIND, NULL));
    MUST(r, mount(NULL, at, NULL, MS_BIND | MS_REMOUNT | flags, NULL));
    return at;
}

void way_noexec(const struct run *r)
{
    MUST(r, chdir(remounted(r, MS_NOEXEC)));
    go(r, "./target", NULL, NULL);
}

void way_nosuid(const struct run *r)
{
    MUST(r, chdir(remounted(r, MS_NOSUID)));
    MUST(r, setresuid(3000, 3000, 3000));
    go(r, "./setuid", NULL, NULL);
}

void way_detached(const struct run *r)
{
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, r->area, 1 /* OPEN_TREE_CLONE */);

    if (fd < 0)
        skip(r, "open_tree: %s", strerror(errno));
    go_at(r, fd, "target", 0, NULL);
}
