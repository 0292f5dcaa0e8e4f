// SPDX-License-Identifier: Apache-2.0
/* The attacker makes itself look like the exempt program. Each ends in a plain open. */
#include "attack.h"
#include "tree.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int reach_spoof_comm(struct attack *a, int flags)
{
    MUST(a, prctl(PR_SET_NAME, "sg-exempt"));
    return (int)GUARD(a, open(a->target, flags, 0600));
}

/* Executes a copy of this program, which opens the object. */
static _noreturn_ void become(struct attack *a, const char *path, const char *argv0)
{
    MUST(a, execv(path, resume_argv(a, argv0, -1)));
    _exit(1);
}

static char *copy_self(struct attack *a, const char *to)
{
    attack_step(a, "copy this program");
    if (tree_copy_file("/proc/self/exe", to) < 0)
        attack_failed(a, "no copy");
    return (char *)to;
}

int reach_spoof_argv0(struct attack *a, _unused_ int flags)
{
    become(a, a->self, a->exempt);
}

int reach_spoof_copy(struct attack *a, _unused_ int flags)
{
    become(a, copy_self(a, in_tmp(a, "sg-exempt")), a->exempt);
}

/* Another name of the attacker's, and the exempt program's own path in the symbolic link. */
int reach_spoof_symlink(struct attack *a, _unused_ int flags)
{
    char *l = in_tmp(a, "sg-exempt");

    MUST(a, symlink(a->self, l));
    become(a, l, a->exempt);
}

int reach_spoof_memfd(struct attack *a, _unused_ int flags)
{
    int in = (int)MUST(a, open("/proc/self/exe", O_RDONLY));
    int fd = (int)MUST(a, memfd_create(a->exempt, 0));
    char buf[65536], *envp[] = {NULL};
    long n;

    while ((n = MUST(a, read(in, buf, sizeof(buf)))) > 0)
        MUST(a, write(fd, buf, (size_t)n));
    MUST(a, syscall(SYS_execveat, fd, "", resume_argv(a, a->exempt, -1), envp, AT_EMPTY_PATH));
    return -1;
}

/* The path of the exempt program leads to this one, in a mount namespace of our own. */
int reach_spoof_bind(struct attack *a, _unused_ int flags)
{
    char *copy = copy_self(a, in_tmp(a, "copy"));

    MUST(a, mount(copy, a->exempt, NULL, MS_BIND, NULL));
    become(a, a->exempt, a->exempt);
}

int reach_spoof_bind_dir(struct attack *a, _unused_ int flags)
{
    char *dir = in_tmp(a, "bin"), *bin = in_root(a, "bin");

    MUST(a, mkdir(dir, 0755));
    copy_self(a, in_tmp(a, "bin/sg-exempt"));
    MUST(a, mount(dir, bin, NULL, MS_BIND, NULL));
    become(a, a->exempt, a->exempt);
}

int reach_spoof_overlay(struct attack *a, _unused_ int flags)
{
    char *bin = in_root(a, "bin"), *upper = in_tmp(a, "upper"), *work = in_tmp(a, "work"), *options;

    MUST(a, mkdir(upper, 0755));
    MUST(a, mkdir(work, 0755));
    copy_self(a, in_tmp(a, "upper/sg-exempt"));
    options = fmt("lowerdir=%s,upperdir=%s,workdir=%s", bin, upper, work);
    HAVE(a, mount("overlay", bin, "overlay", 0, options));
    become(a, a->exempt, a->exempt);
}

/* A file system of one's own over the exempt program's directory. */
int reach_spoof_tmpfs(struct attack *a, _unused_ int flags)
{
    char *bin = in_root(a, "bin");

    MUST(a, mount("none", bin, "tmpfs", 0, NULL));
    copy_self(a, a->exempt);
    become(a, a->exempt, a->exempt);
}

/* The same by somebody without any rights, who is root in a user namespace. */
int reach_spoof_userns_tmpfs(struct attack *a, int flags)
{
    MUST(a, setresgid(1000, 1000, 1000));
    MUST(a, setresuid(1000, 1000, 1000));
    /* To be read by whoever it belongs to now. */
    MUST(a, prctl(PR_SET_DUMPABLE, 1));
    enter_userns(a, CLONE_NEWNS);
    MUST(a, mount("none", "/", NULL, MS_REC | MS_SHARED, NULL));
    return reach_spoof_tmpfs(a, flags);
}

int reach_spoof_move_mount(struct attack *a, _unused_ int flags)
{
    int fs = (int)HAVE(a, syscall(SYS_fsopen, "tmpfs", 0)), tree;

    HAVE(a, syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
    tree = (int)HAVE(a, syscall(SYS_fsmount, fs, 0, 0));
    MUST(a, syscall(SYS_move_mount, tree, "", AT_FDCWD, in_root(a, "bin"),
                    4 /* MOVE_MOUNT_F_EMPTY_PATH */));
    copy_self(a, a->exempt);
    become(a, a->exempt, a->exempt);
}

static void make_dirs(struct attack *a, const char *below, const char *path)
{
    char *p = fmt("%s%s", below, path);

    for (char *s = strchr(p + strlen(below) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = 0;
        if (mkdir(p, 0755) < 0 && errno != EEXIST)
            MUST(a, mkdir(p, 0755));
        *s = '/';
    }
    if (mkdir(p, 0755) < 0 && errno != EEXIST)
        MUST(a, mkdir(p, 0755));
    free(p);
}

/* A root in which the tree has its usual path, with another program in the exempt one's place. */
int reach_spoof_chroot(struct attack *a, _unused_ int flags)
{
    char *jail = in_tmp(a, "mnt"), *copy = copy_self(a, in_tmp(a, "copy"));
    char *root = fmt("%s%s", jail, a->root), *proc = fmt("%s/proc", jail);
    char *exempt = fmt("%s%s", jail, a->exempt);

    MUST(a, mkdir(jail, 0755));
    MUST(a, mount("none", jail, "tmpfs", 0, NULL));
    make_dirs(a, jail, a->root);
    make_dirs(a, jail, "/proc");
    MUST(a, mount(a->root, root, NULL, MS_BIND, NULL));
    MUST(a, mount("/proc", proc, NULL, MS_BIND, NULL));
    MUST(a, mount(copy, exempt, NULL, MS_BIND, NULL));
    MUST(a, chroot(jail));
    MUST(a, chdir("/"));
    become(a, a->exempt, a->exempt);
}

/* The exempt program executes this one: its rights are not inherited. */
int reach_spoof_child(struct attack *a, _unused_ int flags)
{
    char *const *rest = resume_argv(a, a->exempt, -1);
    char *argv[16] = {(char *)a->exempt, (char *)"x-exec", in_root(a, "open/plain"),
                      fmt("%d", O_RDONLY), (char *)a->self};

    for (size_t i = 1; rest[i]; i++)
        argv[4 + i] = rest[i];
    MUST(a, execv(a->exempt, argv));
    return -1;
}

/* Puts private copies in the place of all pages of this program's file. */
static void leave_own_file(struct attack *a)
{
    FILE *f = fopen("/proc/self/maps", "re");
    struct {
        unsigned long from, to;
        int prot;
    } area[16];
    char line[4600], perms[8], path[4200];
    size_t n = 0;

    while (f && n < ARRAY_LEN(area) && fgets(line, sizeof(line), f)) {
        path[0] = 0;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4199s", &area[n].from, &area[n].to, perms,
                   path) == 4 &&
            strcmp(path, a->self) == 0) {
            area[n].prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
                           (perms[2] == 'x' ? PROT_EXEC : 0);
            n++;
        }
    }
    if (f)
        fclose(f);
    for (size_t i = 0; i < n; i++) {
        size_t len = area[i].to - area[i].from;
        void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        MUST(a, (long)copy);
        memcpy(copy, (void *)area[i].from, len);
        MUST(a, mprotect(copy, len, area[i].prot));
        MUST(a, (long)mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)area[i].from));
    }
}

/* /proc/self/exe is changed to the exempt program, without executing it. */
int reach_spoof_exe_file(struct attack *a, int flags)
{
    char exe[4200] = "";
    int fd = (int)MUST(a, open(a->exempt, O_RDONLY | O_CLOEXEC));

    if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) != 1)
        attack_skip(a, "prctl needs CAP_SYS_RESOURCE");
    leave_own_file(a);
    HAVE(a, prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0));
    MUST(a, readlink("/proc/self/exe", exe, sizeof(exe) - 1));
    if (strcmp(exe, a->exempt) != 0)
        attack_failed(a, "the executable did not change");
    return (int)GUARD(a, open(a->target, flags, 0600));
}
