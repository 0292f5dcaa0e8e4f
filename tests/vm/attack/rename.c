// SPDX-License-Identifier: Apache-2.0
/* Moving: the object away, something over it, each directory above it, exchanges. */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long rename2(const char *from, const char *to, unsigned flags)
{
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

int reach_rename_away(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "moved");

    GUARD(a, rename(a->target, to));
    attack_claimed(a);
}

int reach_rename_beside(struct attack *a, _unused_ int flags)
{
    char *to = fmt("%s.moved", a->target);

    GUARD(a, rename(a->target, to));
    attack_claimed(a);
}

int reach_rename_dirfd(struct attack *a, _unused_ int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));
    int tmp = (int)MUST(a, open(a->tmp, O_PATH | O_DIRECTORY));

    GUARD(a, renameat(dir, leaf_of(a->target), tmp, "moved"));
    attack_claimed(a);
}

int reach_rename_over(struct attack *a, _unused_ int flags)
{
    char *from = in_tmp(a, "mine");

    write_text(a, from, MARK_ATTACK);
    GUARD(a, rename(from, a->target));
    attack_claimed(a);
}

int reach_rename_over_dir(struct attack *a, _unused_ int flags)
{
    char *from = in_tmp(a, "mine");

    MUST(a, mkdir(from, 0700));
    GUARD(a, rename(from, a->target));
    attack_claimed(a);
}

int reach_rename_noreplace(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "moved");

    GUARD_OR_SKIP(a, rename2(a->target, to, RENAME_NOREPLACE));
    attack_claimed(a);
}

/* Does the file system exchange and whiteout at all? */
static void have_rename2(struct attack *a, unsigned flag)
{
    char *x = in_tmp(a, "x"), *y = in_tmp(a, "y");

    write_text(a, x, "x");
    if (flag == RENAME_EXCHANGE)
        write_text(a, y, "y");
    HAVE(a, rename2(x, y, flag));
}

int reach_exchange_from(struct attack *a, _unused_ int flags)
{
    char *mine = in_tmp(a, "mine");

    have_rename2(a, RENAME_EXCHANGE);
    write_text(a, mine, MARK_ATTACK);
    GUARD(a, rename2(a->target, mine, RENAME_EXCHANGE));
    attack_claimed(a);
}

int reach_exchange_to(struct attack *a, _unused_ int flags)
{
    char *mine = in_tmp(a, "mine");

    have_rename2(a, RENAME_EXCHANGE);
    write_text(a, mine, MARK_ATTACK);
    GUARD(a, rename2(mine, a->target, RENAME_EXCHANGE));
    attack_claimed(a);
}

int reach_exchange_dir(struct attack *a, _unused_ int flags)
{
    char *mine = in_tmp(a, "mine");

    have_rename2(a, RENAME_EXCHANGE);
    MUST(a, mkdir(mine, 0755));
    GUARD(a, rename2(mine, a->target, RENAME_EXCHANGE));
    attack_claimed(a);
}

int reach_whiteout(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "moved");

    have_rename2(a, RENAME_WHITEOUT);
    GUARD(a, rename2(a->target, to, RENAME_WHITEOUT));
    attack_claimed(a);
}

/* A directory above the objects moves, and back: only what lies in the tree itself can be mended by
 * the exempt program. */
static _noreturn_ void move_and_back(struct attack *a, const char *from)
{
    char *to = fmt("%s.sg-moved", from);
    struct stat st;

    GUARD(a, rename(from, to));
    attack_step(a, "rename back");
    if (lstat(from, &st) == 0)
        attack_failed(a, "the directory was renamed and is still there");
    if (rename(to, from) < 0)
        attack_failed(a, "the directory could not be moved back");
    attack_step(a, "rename(from, to)");
    attack_passed(a, "the directory was moved, with all below it");
}

int reach_rename_dir(struct attack *a, _unused_ int flags)
{
    move_and_back(a, a->target);
}

int reach_rename_root(struct attack *a, _unused_ int flags)
{
    struct stat root, above;
    char *parent = parent_of(a->root);

    MUST(a, stat(a->root, &root));
    MUST(a, stat(parent, &above));
    if (root.st_dev != above.st_dev)
        attack_skip(a, "the tree is a mount point");
    move_and_back(a, a->root);
}

int reach_rename_root_parent(struct attack *a, _unused_ int flags)
{
    struct stat root, above, far;
    char *parent = parent_of(a->root), *grand = parent_of(parent);

    MUST(a, stat(a->root, &root));
    MUST(a, stat(parent, &above));
    MUST(a, stat(grand, &far));
    if (strcmp(parent, "/") == 0 || root.st_dev != above.st_dev || above.st_dev != far.st_dev)
        attack_skip(a, "the directory above the tree is a mount point");
    move_and_back(a, parent);
}

/* Between two unprotected places, but with the protected file's other name in the moved one. */
int reach_rename_old_link(struct attack *a, _unused_ int flags)
{
    char *from = in_root(a, "open/oldlink"), *to = in_root(a, "open/moved");

    GUARD(a, rename(from, to));
    attack_claimed(a);
}

/* A directory swap seen from inside: the working directory stays in the one that moved. */
int reach_rename_inside(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "moved");

    MUST(a, chdir(a->target));
    GUARD(a, rename(a->target, to));
    attack_claimed(a);
}
