// SPDX-License-Identifier: Apache-2.0
/* What has to stay allowed: names that resemble protected ones, and what gives no content away. */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

int reach_near_stat(struct attack *a, _unused_ int flags)
{
    struct stat st;

    GUARD(a, lstat(a->target, &st));
    GUARD(a, access(a->target, R_OK));
    attack_passed(a, "its metadata were read");
}

int reach_near_path(struct attack *a, _unused_ int flags)
{
    GUARD(a, open(a->target, O_PATH));
    attack_passed(a, "a descriptor that names it and gives no access");
}

int reach_near_inotify(struct attack *a, _unused_ int flags)
{
    int in = (int)HAVE(a, inotify_init1(IN_CLOEXEC));

    GUARD(a, inotify_add_watch(in, a->target, IN_OPEN | IN_MODIFY));
    attack_passed(a, "it is watched");
}

int reach_near_handle(struct attack *a, _unused_ int flags)
{
    struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
    int mount_id;

    if (!h)
        attack_failed(a, "out of memory");
    h->handle_bytes = MAX_HANDLE_SZ;
    GUARD_OR_SKIP(a, name_to_handle_at(AT_FDCWD, a->target, h, &mount_id, 0));
    attack_passed(a, "its handle is known");
}

int reach_near_symlink(struct attack *a, _unused_ int flags)
{
    char *l = in_tmp(a, "link");

    GUARD(a, symlink(a->target, l));
    attack_passed(a, "a symbolic link points to it");
}

/* The program that the policy exempts does what the others must not. */
int reach_near_exempt(struct attack *a, _unused_ int flags)
{
    exempt_do(a, "x-open", a->target, NULL);
    attack_passed(a, "the exempt program read it");
}

int reach_near_rename(struct attack *a, _unused_ int flags)
{
    char *to = fmt("%s.moved", a->target);

    GUARD(a, rename(a->target, to));
    attack_claimed(a);
}

/* A whole directory into another one, neither with anything protected below. */
int reach_near_rename_into(struct attack *a, _unused_ int flags)
{
    char *to = in_root(a, "open/dir2/moved");

    GUARD(a, rename(a->target, to));
    attack_claimed(a);
}

int reach_near_exchange(struct attack *a, _unused_ int flags)
{
    char *other = in_tmp(a, "other");

    write_text(a, other, "other\n");
    GUARD_OR_SKIP(a, syscall(SYS_renameat2, AT_FDCWD, a->target, AT_FDCWD, other, RENAME_EXCHANGE));
    attack_claimed(a);
}

int reach_near_link(struct attack *a, _unused_ int flags)
{
    char *name = in_tmp(a, "hard"), *again = in_tmp(a, "again");

    GUARD(a, link(a->target, name));
    GUARD(a, rename(name, again));
    GUARD(a, unlink(again));
    attack_passed(a, "linked, renamed and unlinked");
}

int reach_near_chmod(struct attack *a, _unused_ int flags)
{
    GUARD(a, chmod(a->target, 0600));
    attack_claimed(a);
}

int reach_near_setxattr(struct attack *a, _unused_ int flags)
{
    GUARD_OR_SKIP(a, setxattr(a->target, "user.sgnear", "1", 1, 0));
    attack_claimed(a);
}

int reach_near_bind(struct attack *a, int flags)
{
    char *at = in_tmp(a, "mnt"), *from = parent_of(a->target);
    char *path = fmt("%s/%s", at, leaf_of(a->target));

    MUST(a, mkdir(at, 0755));
    GUARD(a, mount(from, at, NULL, MS_BIND, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* The number of a protected inode that is gone, now somebody else's. */
int reach_near_inode_reused(struct attack *a, _unused_ int flags)
{
    char *late = in_root(a, "vault/tree/late"), *mine;
    struct stat was, is;
    int fd;

    for (int i = 0; i < 16; i++) {
        exempt_do(a, "x-create", late, MARK_SECRET "gone\n");
        MUST(a, stat(late, &was));
        exempt_do(a, "x-remove", late, NULL);
        mine = in_tmp(a, fmt("mine%d", i));
        fd = (int)GUARD(a, open(mine, O_RDWR | O_CREAT | O_EXCL, 0600));
        MUST(a, fstat(fd, &is));
        close(fd);
        if (is.st_ino != was.st_ino)
            continue;
        fd = (int)GUARD(a, open(mine, O_RDWR));
        GUARD(a, write(fd, "x", 1));
        attack_passed(a, "an inode number that was protected serves a free file");
    }
    attack_skip(a, "this file system does not use an inode number again at once");
}

/* The exempt program moves a file out of the protected tree. */
int reach_near_moved_out(struct attack *a, int flags)
{
    char *late = in_root(a, "vault/tree/late"), *out = in_tmp(a, "out");
    char *text = fmt("%s\n", a->want);
    int before;

    exempt_do(a, "x-create", late, text);
    before = open(late, O_RDONLY); /* so that its state is known as protected */
    if (before >= 0)
        close(before);
    exempt_do(a, "x-rename", late, out);
    return (int)GUARD(a, open(out, flags, 0600));
}

/* An empty directory takes the place of another one of the unprotected part. */
int reach_near_rename_over_dir(struct attack *a, _unused_ int flags)
{
    char *from = in_tmp(a, "mine");

    MUST(a, mkdir(from, 0700));
    GUARD(a, rename(from, a->target));
    attack_claimed(a);
}
