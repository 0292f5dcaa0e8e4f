// SPDX-License-Identifier: Apache-2.0
/* The attacker puts itself, or finds another process, in another namespace. */
#include "attack.h"

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

void enter_userns(struct attack *a, int more)
{
    char uid_map[32], gid_map[32];

    snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
    HAVE(a, unshare(CLONE_NEWUSER | more));
    write_text(a, "/proc/self/setgroups", "deny");
    write_text(a, "/proc/self/uid_map", uid_map);
    write_text(a, "/proc/self/gid_map", gid_map);
}

int reach_userns(struct attack *a, int flags)
{
    enter_userns(a, 0);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_userns_nested(struct attack *a, int flags)
{
    enter_userns(a, 0);
    enter_userns(a, 0);
    return (int)GUARD(a, open(a->target, flags, 0600));
}

int reach_userns_bind(struct attack *a, int flags)
{
    char *at = in_tmp(a, "mnt"), *parent = parent_of(a->target);
    char *path = fmt("%s/%s", at, leaf_of(a->target));

    MUST(a, mkdir(at, 0755));
    enter_userns(a, CLONE_NEWNS);
    MUST(a, mount(parent, at, NULL, MS_BIND | MS_REC, NULL));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_userns_chroot(struct attack *a, int flags)
{
    char *parent = parent_of(a->target), *path = fmt("/%s", leaf_of(a->target));

    enter_userns(a, 0);
    MUST(a, chroot(parent));
    MUST(a, chdir("/"));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* A new process in new namespaces of every kind, with a /proc of its own: a container. */
int reach_container(struct attack *a, int flags)
{
    char *proc = in_tmp(a, "mnt"), *path = fmt("%s/self/root%s", proc, a->target);
    int go[2];
    pid_t pid;

    MUST(a, mkdir(proc, 0755));
    MUST(a, pipe(go));
    HAVE(a, unshare(CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP));
    pid = (pid_t)MUST(a, fork());
    if (pid == 0) {
        char c;

        MUST(a, read(go[0], &c, 1));
        MUST(a, mount("proc", proc, "proc", 0, NULL));
        return (int)GUARD(a, open(path, flags, 0600));
    }
    a->out->pid = pid; /* known here by its number in the host's namespace */
    MUST(a, write(go[1], "g", 1));
    MUST(a, waitpid(pid, NULL, 0));
    _exit(0);
}

/* A process with a private namespace in which the parent is mounted on <tmp>/mnt. */
static pid_t neighbour(struct attack *a)
{
    char *at = in_tmp(a, "mnt"), *parent = parent_of(a->target), c;
    int ready[2];
    pid_t pid;

    MUST(a, mkdir(at, 0755));
    MUST(a, pipe(ready));
    pid = fork_helper();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount(parent, at, NULL, MS_BIND, NULL) < 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    attack_step(a, "a process with a mount namespace of its own");
    if (pid < 0 || read(ready[0], &c, 1) != 1)
        attack_failed(a, "it did not start");
    return pid;
}

int reach_setns(struct attack *a, int flags)
{
    char *path = fmt("%s/mnt/%s", a->tmp, leaf_of(a->target)), *ns;

    ns = fmt("/proc/%d/ns/mnt", (int)neighbour(a));
    MUST(a, setns((int)MUST(a, open(ns, O_RDONLY | O_CLOEXEC)), CLONE_NEWNS));
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_proc_other_root(struct attack *a, int flags)
{
    char *path;

    path = fmt("/proc/%d/root%s/mnt/%s", (int)neighbour(a), a->tmp, leaf_of(a->target));
    return (int)GUARD(a, open(path, flags, 0600));
}

/* A user namespace that maps 65536 ids onto themselves, held by a child. */
static int identity_userns(struct attack *a)
{
    char *path, c;
    int ready[2], done[2], fd;
    pid_t pid;

    MUST(a, pipe(ready));
    MUST(a, pipe(done));
    pid = fork_helper();
    if (pid == 0) {
        if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        _exit(read(done[0], &c, 1) == 1 ? 0 : 1);
    }
    MUST(a, read(ready[0], &c, 1));
    path = fmt("/proc/%d/uid_map", (int)pid);
    write_text(a, path, "0 0 65536");
    path = fmt("/proc/%d/gid_map", (int)pid);
    write_text(a, path, "0 0 65536");
    path = fmt("/proc/%d/ns/user", (int)pid);
    fd = (int)MUST(a, open(path, O_RDONLY | O_CLOEXEC));
    MUST(a, write(done[1], "d", 1));
    return fd;
}

/* From <linux/mount.h>, which cannot be included together with <sys/mount.h> everywhere. */
#define SG_MOUNT_ATTR_IDMAP 0x00100000
struct sg_mount_attr {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
};

int reach_idmapped(struct attack *a, int flags)
{
    struct sg_mount_attr attr = {.attr_set = SG_MOUNT_ATTR_IDMAP};
    int tree = detached_parent(a);

    attr.userns_fd = (uint64_t)identity_userns(a);
    HAVE(a, syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}
