// SPDX-License-Identifier: Apache-2.0
/* File handles: an object by its number, without a path. */
#include "attack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file_handle *handle_of(struct attack *a, const char *path)
{
    struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
    int mount_id;

    if (!h)
        attack_failed(a, "out of memory");
    h->handle_bytes = MAX_HANDLE_SZ;
    HAVE(a, name_to_handle_at(AT_FDCWD, path, h, &mount_id, 0));
    return h;
}

int reach_handle(struct attack *a, int flags)
{
    struct file_handle *h = handle_of(a, a->target);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY));

    return (int)GUARD(a, open_by_handle_at(mount_fd, h, flags));
}

/* With nothing of it in memory the kernel has no path for what it opens. */
int reach_handle_cold(struct attack *a, int flags)
{
    struct file_handle *h = handle_of(a, a->target);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY));

    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open_by_handle_at(mount_fd, h, flags));
}

int reach_handle_proc(struct attack *a, int flags)
{
    struct file_handle *h = handle_of(a, a->target);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY)), fd;
    char *path;

    fd = (int)GUARD(a, open_by_handle_at(mount_fd, h, O_PATH));
    path = fmt("/proc/self/fd/%d", fd);
    return (int)GUARD(a, open(path, flags, 0600));
}

/* The handle of the directory, then one name. */
int reach_handle_dir(struct attack *a, int flags)
{
    char *parent = parent_of(a->target);
    struct file_handle *h = handle_of(a, parent);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY)), dir;

    dir = (int)GUARD(a, open_by_handle_at(mount_fd, h, O_PATH | O_DIRECTORY));
    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

/* The handle of the unprotected old name: the same number. */
int reach_handle_old_link(struct attack *a, int flags)
{
    char *l = in_root(a, "open/oldlink");
    struct file_handle *h = handle_of(a, l);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY));

    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open_by_handle_at(mount_fd, h, flags));
}

/* Through a bind mount that shows only an unprotected directory. */
int reach_handle_bind(struct attack *a, int flags)
{
    struct file_handle *h = handle_of(a, a->target);
    char *at = in_tmp(a, "mnt"), *from = in_root(a, "open");
    int mount_fd;

    MUST(a, mkdir(at, 0755));
    MUST(a, mount(from, at, NULL, MS_BIND, NULL));
    mount_fd = (int)MUST(a, open(at, O_RDONLY | O_DIRECTORY));
    return (int)GUARD(a, open_by_handle_at(mount_fd, h, flags));
}

/* An empty name opens the handle with the rights of the file's own directory entry. */
int reach_handle_link(struct attack *a, _unused_ int flags)
{
    struct file_handle *h = handle_of(a, a->target);
    int mount_fd = (int)MUST(a, open(a->root, O_RDONLY | O_DIRECTORY)), fd;
    char *name = in_tmp(a, "hard");

    fd = (int)GUARD(a, open_by_handle_at(mount_fd, h, O_PATH));
    GUARD(a, linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
    attack_claimed(a);
}
