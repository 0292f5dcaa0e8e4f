// SPDX-License-Identifier: Apache-2.0
/* Ways to name an object to open(2) and its relatives. */
#include "attack.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int reach_open(struct attack *a, int flags)
{
    return (int)GUARD(a, open(a->target, flags, 0600));
}

/* The system call that libc no longer uses, where there is one. */
int reach_sys_open(struct attack *a, int flags)
{
#ifdef SYS_open
    return (int)GUARD(a, syscall(SYS_open, a->target, flags, 0600));
#else
    (void)flags;
    attack_skip(a, "this processor has no open(2)");
#endif
}

int reach_sys_creat(struct attack *a, _unused_ int flags)
{
#ifdef SYS_creat
    return (int)GUARD(a, syscall(SYS_creat, a->target, 0600));
#else
    attack_skip(a, "this processor has no creat(2)");
#endif
}

static int openat2(int dir, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)flags, .resolve = resolve};

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int reach_openat2(struct attack *a, int flags)
{
    return (int)GUARD(a, openat2(AT_FDCWD, a->target, flags, 0));
}

int reach_openat2_no_symlinks(struct attack *a, int flags)
{
    return (int)GUARD(a, openat2(AT_FDCWD, a->target, flags, RESOLVE_NO_SYMLINKS));
}

int reach_openat2_no_magiclinks(struct attack *a, int flags)
{
    return (int)GUARD(a, openat2(AT_FDCWD, a->target, flags, RESOLVE_NO_MAGICLINKS));
}

int reach_openat2_no_xdev(struct attack *a, int flags)
{
    int root = (int)MUST(a, open(a->root, O_PATH | O_DIRECTORY));

    return (int)GUARD(a, openat2(root, a->way->object, flags, RESOLVE_NO_XDEV));
}

int reach_openat2_beneath(struct attack *a, int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    return (int)GUARD(a, openat2(dir, leaf_of(a->target), flags, RESOLVE_BENEATH));
}

int reach_openat2_in_root(struct attack *a, int flags)
{
    int root = (int)MUST(a, open(a->root, O_PATH | O_DIRECTORY));
    char *path = fmt("/../%s", a->way->object);

    return (int)GUARD(a, openat2(root, path, flags, RESOLVE_IN_ROOT));
}

/* Only what is in the dentry cache: the stat before puts it there. */
int reach_openat2_cached(struct attack *a, int flags)
{
    struct stat st;

    MUST(a, stat(a->target, &st));
    return (int)GUARD(a, openat2(AT_FDCWD, a->target, flags, RESOLVE_CACHED));
}

int reach_relative(struct attack *a, int flags)
{
    char *path = fmt("../%s", a->way->object);

    MUST(a, chdir(in_root(a, "open")));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_cwd(struct attack *a, int flags)
{
    MUST(a, chdir(parent_of(a->target)));
    return (int)GUARD(a, open(leaf_of(a->target), flags, 0600));
}

int reach_dots(struct attack *a, int flags)
{
    char *path = fmt("%s/open/.././/open/../open/../%s", a->root, a->way->object);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_dirfd(struct attack *a, int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_RDONLY | O_DIRECTORY));

    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

int reach_dirfd_path(struct attack *a, int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    return (int)GUARD(a, openat(dir, leaf_of(a->target), flags, 0600));
}

int reach_fchdir_path(struct attack *a, int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    MUST(a, fchdir(dir));
    return (int)GUARD(a, open(leaf_of(a->target), flags, 0600));
}

int reach_symlink(struct attack *a, int flags)
{
    char *l = in_tmp(a, "link");

    MUST(a, symlink(a->target, l));
    return (int)GUARD(a, open(l, flags, 0600));
}

/* As many links as the kernel follows (MAXSYMLINKS, 40), relative ones. */
int reach_symlink_chain(struct attack *a, int flags)
{
    char *from = NULL;

    MUST(a, chdir(a->tmp));
    MUST(a, symlink(a->target, "l0"));
    for (int i = 1; i < 40; i++) {
        from = fmt("l%d", i);
        MUST(a, symlink(fmt("l%d", i - 1), from));
    }
    return (int)GUARD(a, open(from, flags, 0600));
}

int reach_symlink_parent(struct attack *a, int flags)
{
    char *path = in_tmp(a, fmt("dir/%s", leaf_of(a->target)));

    MUST(a, symlink(parent_of(a->target), in_tmp(a, "dir")));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_symlink_relative(struct attack *a, int flags)
{
    char *l = in_tmp(a, "link");

    MUST(a, symlink(fmt("../../open/../%s", a->way->object), l));
    return (int)GUARD(a, open(l, flags, 0600));
}

int reach_symlink_proc(struct attack *a, int flags)
{
    char *l = in_tmp(a, "link");

    MUST(a, symlink(fmt("/proc/self/root%s", a->target), l));
    return (int)GUARD(a, open(l, flags, 0600));
}

/* A link that changes its mind: unprotected first, so that its path is known as harmless. */
int reach_symlink_swapped(struct attack *a, int flags)
{
    char *l = in_tmp(a, "link"), *next = in_tmp(a, "next");

    MUST(a, symlink(in_root(a, "open/plain"), l));
    MUST(a, close((int)MUST(a, open(l, O_RDONLY))));
    MUST(a, symlink(a->target, next));
    MUST(a, rename(next, l));
    return (int)GUARD(a, open(l, flags, 0600));
}

static char *old_link(struct attack *a)
{
    bool literal = strcmp(a->way->object, "vault/secret") == 0;

    return in_root(a, literal ? "open/oldlink" : "open/old2link");
}

int reach_old_link(struct attack *a, int flags)
{
    char *l = old_link(a);

    return (int)GUARD(a, open(l, flags, 0600));
}

/* The inode comes into memory by its unprotected name. */
int reach_old_link_cold(struct attack *a, int flags)
{
    char *l = old_link(a);

    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open(l, flags, 0600));
}

int reach_cold(struct attack *a, int flags)
{
    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_opath_fd(struct attack *a, int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/self/fd/%d", fd);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_opath_thread_fd(struct attack *a, int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/proc/thread-self/fd/%d", fd);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_opath_dev_fd(struct attack *a, int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    char *path = fmt("/dev/fd/%d", fd);

    if (access("/dev/fd", F_OK) < 0)
        attack_skip(a, "no /dev/fd here");
    return (int)GUARD(a, open(path, flags, 0600));
}

/* Another process holds the O_PATH descriptor. */
int reach_opath_other_fd(struct attack *a, int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));
    pid_t pid = fork_helper();
    char *path;

    if (pid == 0)
        for (;;)
            pause();
    MUST(a, close(fd));
    path = fmt("/proc/%d/fd/%d", (int)pid, fd);
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_proc_root(struct attack *a, int flags)
{
    char *path = fmt("/proc/self/root%s", a->target);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_proc_init_root(struct attack *a, int flags)
{
    char *path = fmt("/proc/1/root%s", a->target);
    struct stat st;

    if (stat(path, &st) < 0)
        attack_skip(a, "process 1 sees another tree");
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_proc_cwd(struct attack *a, int flags)
{
    char *path = fmt("/proc/self/cwd/%s", leaf_of(a->target));

    MUST(a, chdir(parent_of(a->target)));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_proc_other_cwd(struct attack *a, int flags)
{
    char *path;
    pid_t pid;

    MUST(a, chdir(parent_of(a->target)));
    pid = fork_helper();
    if (pid == 0)
        for (;;)
            pause();
    MUST(a, chdir("/"));
    path = fmt("/proc/%d/cwd/%s", (int)pid, leaf_of(a->target));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* A directory descriptor's entry in /proc, then the last name. */
int reach_proc_fd_dir(struct attack *a, int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));
    char *path = fmt("/proc/self/fd/%d/%s", dir, leaf_of(a->target));

    return (int)GUARD(a, open(path, flags, 0600));
}
