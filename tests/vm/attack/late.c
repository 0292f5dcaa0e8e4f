// SPDX-License-Identifier: Apache-2.0
/* Objects that become protected after the policy: made, replaced, moved in or linked in by the
 * exempt program, mostly after the attacker has touched them where nothing was protected yet. */
#include "attack.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char *secret_text(struct attack *a)
{
    return fmt("%s\n", a->want);
}

static void create_late(struct attack *a)
{
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-create", a->target, secret_text(a));
}

int reach_late_created(struct attack *a, int flags)
{
    create_late(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

/* The attacker has asked for the name before: the kernel remembers that there was nothing. */
int reach_late_negative(struct attack *a, int flags)
{
    struct stat st;

    if (stat(a->target, &st) == 0 || open(a->target, O_RDONLY) >= 0)
        attack_failed(a, "the object is there already");
    create_late(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_late_in_new_dir(struct attack *a, int flags)
{
    char *dir = parent_of(a->target);

    attack_defer(a, exempt_remove, dir, -1);
    exempt_do(a, "x-mkdir", dir, NULL);
    exempt_do(a, "x-create", a->target, secret_text(a));
    return (int)GUARD(a, open(a->target, flags, 0600));
}

/* Unlinked and made again under the same name, after what had it was known as protected. By the exempt program: most file
 * systems give the new file another number, and a denial of the old one would be a record of its own. */
int reach_late_replaced(struct attack *a, int flags)
{
    exempt_do(a, "x-open", a->target, NULL);
    exempt_do(a, "x-replace", a->target, secret_text(a));
    return (int)GUARD(a, open(a->target, flags, 0600));
}

static void undo_replace(struct attack *a, const char *path, _unused_ int fd)
{
    exempt_do(a, "x-replace", path, secret_text(a));
}

/* What editors do: a new file, known as unprotected, is renamed over the protected one. */
int reach_late_renamed_over(struct attack *a, int flags)
{
    char *draft = in_tmp(a, "draft");

    write_text(a, draft, "nothing yet\n");
    attack_defer(a, undo_replace, a->target, -1);
    exempt_do(a, "x-write", draft, secret_text(a));
    exempt_do(a, "x-rename", draft, a->target);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

/* A file of the attacker's, opened where it was unprotected; it is moved in, then filled. */
static int move_in(struct attack *a)
{
    int fd = tmp_file(a, "incoming");
    char *from = in_tmp(a, "incoming"), byte;

    MUST(a, pwrite(fd, "x", 1, 0));
    MUST(a, pread(fd, &byte, 1, 0));
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-rename", from, a->target);
    exempt_do(a, "x-write", a->target, secret_text(a));
    return fd;
}

int reach_late_moved_in(struct attack *a, int flags)
{
    move_in(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_late_moved_in_fd(struct attack *a, _unused_ int flags)
{
    return move_in(a);
}

int reach_late_moved_in_reopen(struct attack *a, int flags)
{
    char *path;

    path = fmt("/proc/self/fd/%d", move_in(a));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_late_moved_in_map(struct attack *a, _unused_ int flags)
{
    int fd = tmp_file(a, "incoming");
    char *from = in_tmp(a, "incoming"), *map;

    MUST(a, ftruncate(fd, 4096));
    map = (char *)MUST(a, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
    MUST(a, close(fd));
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-rename", from, a->target);
    exempt_do(a, "x-write", a->target, secret_text(a));
    attack_step(a, "load from the mapping");
    attack_got(a, map, strlen(a->want));
}

/* A directory is moved in, with a file that was read where it stood. Returns a descriptor of the
 * directory from before. */
static int move_dir_in(struct attack *a)
{
    char *dir = parent_of(a->target), *from = in_tmp(a, "dir"), *file, buf[64];
    int fd, dir_fd;

    file = in_tmp(a, fmt("dir/%s", leaf_of(a->target)));
    MUST(a, mkdir(from, 0755));
    write_text(a, file, secret_text(a));
    fd = (int)MUST(a, open(file, O_RDONLY));
    MUST(a, read(fd, buf, sizeof(buf)));
    MUST(a, close(fd));
    dir_fd = (int)MUST(a, open(from, O_PATH | O_DIRECTORY));
    MUST(a, chdir(from));
    attack_defer(a, exempt_remove, dir, -1);
    exempt_do(a, "x-rename", from, dir);
    return dir_fd;
}

int reach_late_dir_moved_in(struct attack *a, int flags)
{
    move_dir_in(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_late_dir_moved_in_dirfd(struct attack *a, int flags)
{
    int dir = move_dir_in(a);

    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

int reach_late_dir_moved_in_cwd(struct attack *a, int flags)
{
    move_dir_in(a);
    return (int)GUARD(a, open(leaf_of(a->target), flags, 0600));
}

/* What is known of a file by this name is kept from here on. */
static void read_once(struct attack *a, const char *path)
{
    int fd = (int)MUST(a, open(path, O_RDONLY));
    char buf[64];

    MUST(a, read(fd, buf, sizeof(buf)));
    MUST(a, close(fd));
}

/* A file gets a protected name besides its unprotected one. */
static char *link_in(struct attack *a)
{
    char *from = in_tmp(a, "mine");

    write_text(a, from, secret_text(a));
    read_once(a, from);
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-link", from, a->target);
    return from;
}

int reach_late_linked_in(struct attack *a, int flags)
{
    link_in(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_late_linked_in_other(struct attack *a, int flags)
{
    char *other = link_in(a);

    return (int)GUARD(a, open(other, flags, 0600));
}

/* What is known of a file's other names while it has two must not be believed when it gets a second one again. */
int reach_late_linked_in_again(struct attack *a, int flags)
{
    char *mine = in_tmp(a, "mine"), *other = in_tmp(a, "other");

    write_text(a, mine, secret_text(a));
    MUST(a, link(mine, other));
    read_once(a, mine);
    MUST(a, unlink(other));
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-link", mine, a->target);
    return (int)GUARD(a, open(mine, flags, 0600));
}

/* A file with two unprotected names, known by both: one of them is moved in, the other stays. */
static char *move_linked_in(struct attack *a)
{
    char *from = in_tmp(a, "mine"), *other = in_tmp(a, "other");

    write_text(a, from, secret_text(a));
    MUST(a, link(from, other));
    read_once(a, other);
    attack_defer(a, exempt_remove, a->target, -1);
    exempt_do(a, "x-rename", from, a->target);
    return other;
}

int reach_late_linked_moved_in(struct attack *a, int flags)
{
    move_linked_in(a);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_late_linked_moved_in_other(struct attack *a, int flags)
{
    char *other = move_linked_in(a);

    return (int)GUARD(a, open(other, flags, 0600));
}

/* The same, but what moves in is the directory of one of the names. */
int reach_late_dir_moved_in_other(struct attack *a, int flags)
{
    char *dir = parent_of(a->target), *from = in_tmp(a, "dir"), *other = in_tmp(a, "other"), *file;

    file = in_tmp(a, fmt("dir/%s", leaf_of(a->target)));
    MUST(a, mkdir(from, 0755));
    write_text(a, file, secret_text(a));
    MUST(a, link(file, other));
    attack_defer(a, exempt_remove, dir, -1);
    exempt_do(a, "x-rename", from, dir);
    return (int)GUARD(a, open(other, flags, 0600));
}

/* An inode number that was unprotected a moment ago. */
int reach_late_inode_reused(struct attack *a, int flags)
{
    char *mine = in_tmp(a, "mine");
    struct stat was, is;
    int i;

    attack_defer(a, exempt_remove, a->target, -1);
    for (i = 0; i < 16; i++) {
        char buf[8];
        int fd;

        write_text(a, mine, "mine\n");
        fd = (int)MUST(a, open(mine, O_RDONLY));
        MUST(a, read(fd, buf, sizeof(buf)));
        MUST(a, fstat(fd, &was));
        MUST(a, close(fd));
        MUST(a, unlink(mine));
        exempt_do(a, "x-create", a->target, secret_text(a));
        MUST(a, stat(a->target, &is));
        if (is.st_ino == was.st_ino)
            break;
        exempt_do(a, "x-remove", a->target, NULL);
    }
    if (i == 16)
        attack_skip(a, "this file system does not use an inode number again at once");
    return (int)GUARD(a, open(a->target, flags, 0600));
}
