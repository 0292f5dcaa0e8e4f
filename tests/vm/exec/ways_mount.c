// SPDX-License-Identifier: Apache-2.0
//
// Through mounts, and what is mapped instead of executed.
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

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

static void overlay(const struct run *r, const char *lower, const char *upper)
{
    const char *base = in_root(r, "free/overlay-%M");
    char options[1200], at[400];

    own_mounts(r);
    make_dir(r, base);
    MUST(r, mount("tmpfs", base, "tmpfs", 0, NULL));
    snprintf(at, sizeof(at), "%s/merged", base);
    make_dir(r, at);
    snprintf(options, sizeof(options), "%s/work", base);
    make_dir(r, options);
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
    snprintf(at, sizeof(at), "%s/merged/target", base);
    go(r, at, NULL, NULL);
}

void way_overlay_lower(const struct run *r)
{
    overlay(r, r->area, NULL);
}

void way_overlay_upper(const struct run *r)
{
    make_dir(r, in_area(r, "tmpfs/upper"));
    make_dir(r, in_area(r, "tmpfs/work"));
    copy(r, in_root(r, "bin/target"), in_area(r, "tmpfs/upper/target"), 0755);
    overlay(r, NULL, in_area(r, "tmpfs/upper"));
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

void way_ld_so(const struct run *r)
{
    go(r, "/lib64/ld-linux-x86-64.so.2", ARGV("ld.so", (char *)in_area(r, "dynamic")), NULL);
}

void way_ld_so_exec(const struct run *r)
{
    way_ld_so(r);
}

void way_library(const struct run *r)
{
    (void)dup2((int)MUST(r, open("/dev/null", O_WRONLY)), 1);
    go(r, in_area(r, "libc.so"), NULL, NULL);
}

void way_dlopen(const struct run *r)
{
    char code[600];

    snprintf(code, sizeof(code), "import ctypes; ctypes.CDLL('%s')", in_area(r, "lib.so"));
    (void)dup2((int)MUST(r, open("/dev/null", O_WRONLY)), 2);
    go(r, "/usr/bin/python3", ARGV("python3", "-S", "-c", code), NULL);
}

void way_preload(const struct run *r)
{
    char text[600];

    snprintf(text, sizeof(text), "LD_PRELOAD=%s", in_area(r, "lib.so"));
    (void)dup2((int)MUST(r, open("/dev/null", O_WRONLY)), 2);
    go(r, "/bin/true", NULL, ARGV(text));
}

static _Noreturn void mapped(const struct run *r, const void *address)
{
    if (address == MAP_FAILED)
        refused(r, errno);
    _exit(RAN);
}

static int data_of(const struct run *r)
{
    return (int)MUST(r, open(in_area(r, "target"), O_RDONLY));
}

void way_map(const struct run *r)
{
    mapped(r, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, data_of(r), 0));
}

void way_map_protect(const struct run *r)
{
    void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, data_of(r), 0);

    if (at == MAP_FAILED)
        must(r, -1, "mmap");
    if (mprotect(at, 4096, PROT_READ | PROT_EXEC) < 0)
        refused(r, errno);
    _exit(RAN);
}

void way_map_personality(const struct run *r)
{
    MUST(r, personality(READ_IMPLIES_EXEC));
    mapped(r, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, data_of(r), 0));
}

void way_map_read(const struct run *r)
{
    mapped(r, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, data_of(r), 0));
}
