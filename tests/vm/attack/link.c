// SPDX-License-Identifier: Apache-2.0
/* Making, using and taking away names: hard links, unlink, new entries below the protected tree. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int reach_link(struct attack *a, _unused_ int flags)
{
    char *name = in_tmp(a, "hard");

    GUARD(a, link(a->target, name));
    attack_claimed(a);
}

int reach_link_dirfd(struct attack *a, _unused_ int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));
    int tmp = (int)MUST(a, open(a->tmp, O_PATH | O_DIRECTORY));

    GUARD(a, linkat(dir, leaf_of(a->target), tmp, "hard", 0));
    attack_claimed(a);
}

int reach_link_empty_path(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *name = in_tmp(a, "hard");

    GUARD(a, linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
    attack_claimed(a);
}

int reach_link_proc_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/self/fd/%d", fd), *name = in_tmp(a, "hard");

    GUARD(a, linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    attack_claimed(a);
}

int reach_link_symlink(struct attack *a, _unused_ int flags)
{
    char *l = in_tmp(a, "link"), *name = in_tmp(a, "hard");

    MUST(a, symlink(a->target, l));
    GUARD(a, linkat(AT_FDCWD, l, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    attack_claimed(a);
}

/* One more name for the inode, made from its unprotected one. */
int reach_link_old_link(struct attack *a, _unused_ int flags)
{
    char *l = in_root(a, "open/oldlink"), *name = in_tmp(a, "hard");

    GUARD(a, link(l, name));
    attack_claimed(a);
}

int reach_link_within(struct attack *a, _unused_ int flags)
{
    char *name = in_root(a, "vault/tree/a/hard");

    GUARD(a, link(a->target, name));
    attack_claimed(a);
}

int reach_unlink(struct attack *a, _unused_ int flags)
{
    GUARD(a, unlink(a->target));
    attack_claimed(a);
}

int reach_unlinkat_dirfd(struct attack *a, _unused_ int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    GUARD(a, unlinkat(dir, leaf_of(a->target), 0));
    attack_claimed(a);
}

int reach_unlink_old_link(struct attack *a, _unused_ int flags)
{
    char *l = in_root(a, "open/oldlink");

    GUARD(a, unlink(l));
    attack_claimed(a);
}

int reach_rmdir(struct attack *a, _unused_ int flags)
{
    GUARD(a, rmdir(a->target));
    attack_claimed(a);
}

int reach_unlinkat_rmdir(struct attack *a, _unused_ int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    GUARD(a, unlinkat(dir, leaf_of(a->target), AT_REMOVEDIR));
    attack_claimed(a);
}

/* New entries: the object is the one that does not exist yet. */

int reach_create(struct attack *a, _unused_ int flags)
{
    int fd = (int)GUARD(a, open(a->target, O_WRONLY | O_CREAT | O_EXCL, 0600));

    MUST(a, write(fd, MARK_ATTACK, strlen(MARK_ATTACK)));
    attack_claimed(a);
}

int reach_create_cwd(struct attack *a, _unused_ int flags)
{
    MUST(a, chdir(parent_of(a->target)));
    GUARD(a, open(leaf_of(a->target), O_RDWR | O_CREAT, 0600));
    attack_claimed(a);
}

/* A symbolic link that points to nothing yet: O_CREAT follows it. */
int reach_create_symlink(struct attack *a, _unused_ int flags)
{
    char *l = in_tmp(a, "link");

    MUST(a, symlink(a->target, l));
    GUARD(a, open(l, O_RDWR | O_CREAT, 0600));
    attack_claimed(a);
}

int reach_mkdir(struct attack *a, _unused_ int flags)
{
    GUARD(a, mkdir(a->target, 0700));
    attack_claimed(a);
}

int reach_mkfifo(struct attack *a, _unused_ int flags)
{
    GUARD(a, mknod(a->target, S_IFIFO | 0600, 0));
    attack_claimed(a);
}

int reach_mknod_file(struct attack *a, _unused_ int flags)
{
    GUARD(a, mknod(a->target, S_IFREG | 0600, 0));
    attack_claimed(a);
}

int reach_mknod_device(struct attack *a, _unused_ int flags)
{
    GUARD(a, mknod(a->target, S_IFCHR | 0600, 0x105));
    attack_claimed(a);
}

int reach_bind_socket(struct attack *a, _unused_ int flags)
{
    int s = (int)MUST(a, socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    MUST(a, chdir(parent_of(a->target)));
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", leaf_of(a->target));
    GUARD(a, bind(s, (struct sockaddr *)&sa, sizeof(sa)));
    attack_claimed(a);
}

int reach_symlink_in(struct attack *a, _unused_ int flags)
{
    char *to = in_root(a, "open/plain");

    GUARD(a, symlink(to, a->target));
    attack_claimed(a);
}

int reach_link_in(struct attack *a, _unused_ int flags)
{
    char *from = in_root(a, "open/plain");

    GUARD(a, link(from, a->target));
    attack_claimed(a);
}

/* A file without a name, made elsewhere, gets its first one below the tree. */
int reach_tmpfile_link_in(struct attack *a, _unused_ int flags)
{
    char *dir = in_root(a, "open"), *path;
    int fd = (int)HAVE(a, open(dir, O_TMPFILE | O_RDWR, 0600));

    MUST(a, write(fd, MARK_ATTACK, strlen(MARK_ATTACK)));
    path = fmt("/proc/self/fd/%d", fd);
    GUARD(a, linkat(AT_FDCWD, path, AT_FDCWD, a->target, AT_SYMLINK_FOLLOW));
    attack_claimed(a);
}

/* The file without a name is made in the protected directory itself. */
int reach_tmpfile_inside(struct attack *a, _unused_ int flags)
{
    char *parent = parent_of(a->target), *path;
    int control, fd;

    control = (int)HAVE(a, open(a->tmp, O_TMPFILE | O_RDWR, 0600));
    close(control);
    fd = (int)GUARD(a, open(parent, O_TMPFILE | O_RDWR, 0600));
    path = fmt("/proc/self/fd/%d", fd);
    GUARD(a, linkat(AT_FDCWD, path, AT_FDCWD, a->target, AT_SYMLINK_FOLLOW));
    attack_claimed(a);
}

static void undo_restore(struct attack *a, _unused_ const char *path, _unused_ int fd)
{
    exempt_do(a, "restore", a->root, NULL);
}

/* The name is protected though nothing has it: the exempt program takes the file away first. */
static void vacate(struct attack *a)
{
    exempt_do(a, "x-remove", a->target, NULL);
    attack_defer(a, undo_restore, NULL, -1);
    attack_defer(a, exempt_remove, a->target, -1);
}

static _noreturn_ void occupied(struct attack *a)
{
    struct stat st;

    MUST(a, lstat(a->target, &st));
    attack_passed(a, "the protected name was taken");
}

int reach_vacant_create(struct attack *a, _unused_ int flags)
{
    vacate(a);
    GUARD(a, open(a->target, O_WRONLY | O_CREAT | O_EXCL, 0600));
    occupied(a);
}

int reach_vacant_rename(struct attack *a, _unused_ int flags)
{
    int fd = tmp_file(a, "mine");
    char *from = in_tmp(a, "mine");

    close(fd);
    vacate(a);
    GUARD(a, rename(from, a->target));
    occupied(a);
}

int reach_vacant_link(struct attack *a, _unused_ int flags)
{
    int fd = tmp_file(a, "mine");
    char *from = in_tmp(a, "mine");

    close(fd);
    vacate(a);
    GUARD(a, link(from, a->target));
    occupied(a);
}

int reach_vacant_symlink(struct attack *a, _unused_ int flags)
{
    vacate(a);
    GUARD(a, symlink("/dev/null", a->target));
    occupied(a);
}

int reach_vacant_mkdir(struct attack *a, _unused_ int flags)
{
    vacate(a);
    GUARD(a, mkdir(a->target, 0700));
    occupied(a);
}
