// SPDX-License-Identifier: Apache-2.0
/* What somebody tries who has read how protection works: names that change while they are looked at, detours of
 * descriptors, mounts by the interface of descriptors, and things put over the object. */
#include "attack.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of one C library cannot be included together. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data);
int umount2(const char *target, int flags);
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

/* ---- a hard link that somebody who may made after the policy ---- */

int reach_new_link(struct attack *a, int flags)
{
    char *name = in_tmp(a, "linked");

    exempt_do(a, "x-link", a->target, name);
    attack_defer(a, exempt_remove, name, -1);
    return (int)GUARD(a, open(name, flags, 0600));
}

/* ---- the string of the path is another one when the kernel reads it ---- */

struct fault {
    int fd;
    char *page;
    const char *path;
};

/* Whoever reads the page waits until this has filled it. */
static void *answer_fault(void *userdata)
{
    struct fault *f = userdata;
    char page[4096] = {0};
    struct uffdio_copy copy = {.dst = (uintptr_t)f->page, .src = (uintptr_t)page, .len = 4096};
    struct uffd_msg msg;

    if (read(f->fd, &msg, sizeof(msg)) != sizeof(msg))
        return NULL;
    snprintf(page, sizeof(page), "%s", f->path);
    ioctl(f->fd, UFFDIO_COPY, &copy);
    return NULL;
}

int reach_userfault(struct attack *a, int flags)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct fault f = {.path = a->target};
    pthread_t thread;

    f.fd = (int)HAVE(a, syscall(SYS_userfaultfd, O_CLOEXEC));
    f.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(a, f.page == MAP_FAILED ? -1 : 0);
    MUST(a, ioctl(f.fd, UFFDIO_API, &api));
    reg.range = (struct uffdio_range){.start = (uintptr_t)f.page, .len = 4096};
    MUST(a, ioctl(f.fd, UFFDIO_REGISTER, &reg));
    MUST(a, -pthread_create(&thread, NULL, answer_fault, &f));
    return (int)GUARD(a, open(f.page, flags, 0600));
}

struct flip {
    char *path;
    const char *name;
    volatile int stop;
};

/* vault/secret and vault/secre, in turn: one byte of the same string. */
static void *flip_byte(void *userdata)
{
    struct flip *f = userdata;
    size_t last = strlen(f->path) - 1;

    while (!f->stop) {
        ((volatile char *)f->path)[last] = 0;
        ((volatile char *)f->path)[last] = 't';
    }
    return NULL;
}

/* Not one of many opens reads what only the other name may give. */
int reach_path_swap(struct attack *a, int flags)
{
    struct flip f = {.path = strdup(a->target)};
    time_t end = time(NULL) + 1;
    pthread_t thread;
    char buf[256];
    bool denied = false;

    MUST(a, -pthread_create(&thread, NULL, flip_byte, &f));
    do {
        for (int i = 0; i < 500; i++) {
            int fd = open(f.path, flags | O_CLOEXEC);
            ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

            denied |= fd < 0 && errno == EPERM;
            close(fd);
            if (n > 0 && attack_holds_mark(a, buf, (size_t)n))
                attack_passed(a, "the content was read in between");
        }
    } while (time(NULL) < end);
    f.stop = 1;
    attack_step(a, "open of a string that changes");
    if (denied)
        attack_finish(a, VERDICT_DENIED, EPERM, "not one of them");
    attack_skip(a, "the string never was the object's when the kernel read it");
}

/* ---- detours of descriptors ---- */

/* A socket comes over a socket, and in it waits another one, in which the descriptor waits. */
int reach_scm_chain(struct attack *a, int flags)
{
    int sock = exempt_send(a, "x-chain", flags, SOCK_STREAM);

    return receive_fd(a, receive_fd(a, receive_fd(a, sock)));
}

int reach_scm_recvmmsg(struct attack *a, int flags)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct mmsghdr mh = {.msg_hdr = {.msg_iov = &iov,
                                     .msg_iovlen = 1,
                                     .msg_control = control,
                                     .msg_controllen = sizeof(control)}};
    int sock = exempt_send(a, "x-send", flags, SOCK_DGRAM);

    GUARD(a, recvmmsg(sock, &mh, 1, 0, NULL));
    return message_fd(a, &mh.msg_hdr);
}

/* ---- mounts by the interface of descriptors ---- */

int reach_mount_setattr(struct attack *a, int flags)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV, .attr_clr = MOUNT_ATTR__ATIME};
    int tree = detached_parent(a);

    HAVE(a, syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}

int reach_open_tree_attr(struct attack *a, int flags)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV};
    char *parent = parent_of(a->target);
    int tree = (int)HAVE(a, syscall(SYS_open_tree_attr, AT_FDCWD, parent,
                                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, &attr, sizeof(attr)));

    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}

static void configure(struct attack *a, int fs, const char *key, const char *value)
{
    HAVE(a, syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}

static int make_mount(struct attack *a, int fs)
{
    HAVE(a, syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    return (int)HAVE(a, syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
}

/* An overlay that is never attached anywhere. */
int reach_fsopen_overlay(struct attack *a, int flags)
{
    int fs = (int)HAVE(a, syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)), tree;
    char *parent = parent_of(a->target), *other = in_tmp(a, "lower");

    MUST(a, mkdir(other, 0755));
    configure(a, fs, "source", "overlay");
    configure(a, fs, "lowerdir", fmt("%s:%s", other, parent));
    tree = make_mount(a, fs);
    return (int)GUARD(a, openat(tree, leaf_of(a->target), flags, 0600));
}

/* The tree's file system again, by its device, as a mount that is never attached. */
int reach_fsopen_again(struct attack *a, int flags)
{
    char *device = in_tmp(a, "device"), type[64] = "", line[4096];
    const char *inside = a->target;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    struct stat st;
    int fs, tree;

    MUST(a, stat(a->root, &st));
    while (f && fgets(line, sizeof(line), f)) {
        char *dash = strstr(line, " - "), at[512];
        unsigned major_number, minor_number;

        if (dash &&
            sscanf(line, "%*d %*d %u:%u %*s %511s", &major_number, &minor_number, at) == 3 &&
            st.st_dev == (makedev(major_number, minor_number)) && strcmp(at, "/") == 0)
            sscanf(dash, " - %63s", type);
    }
    if (!type[0] || major(st.st_dev) == 0)
        attack_skip(a, "the tree is not on the root file system of a block device");
    MUST(a, mknod(device, S_IFBLK | 0600, st.st_dev));
    fs = (int)HAVE(a, syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
    configure(a, fs, "source", device);
    tree = make_mount(a, fs);
    return (int)GUARD(a, openat(tree, inside + 1, flags, 0600));
}

/* ---- something else in the object's place, for all to see ---- */

static void undo_mount(_unused_ struct attack *a, const char *at, _unused_ int fd)
{
    umount2(at, MNT_DETACH);
}

int reach_mount_over(struct attack *a, _unused_ int flags)
{
    GUARD(a, mount("none", a->target, "tmpfs", 0, NULL));
    attack_defer(a, undo_mount, a->target, -1);
    attack_passed(a, "an empty file system lies over it");
}

/* In a namespace of one's own, from which mounts propagate to the host's. */
int reach_mount_over_propagated(struct attack *a, _unused_ int flags)
{
    char *flagfile = fmt("%s/mine", a->target);

    MUST(a, mount("none", "/", NULL, MS_REC | MS_SHARED, NULL));
    MUST(a, unshare(CLONE_NEWNS));
    GUARD(a, mount("none", a->target, "tmpfs", 0, NULL));
    write_text(a, flagfile, "mine\n");
    if (access(fmt("/proc/1/root%s", flagfile), F_OK) < 0)
        attack_skip(a, "it did not propagate");
    attack_defer(a, undo_mount, a->target, -1);
    attack_passed(a, "it lies over it for everybody");
}

int reach_bind_over(struct attack *a, _unused_ int flags)
{
    char *mine = in_tmp(a, "mine");

    write_text(a, mine, MARK_ATTACK);
    GUARD(a, mount(mine, a->target, NULL, MS_BIND, NULL));
    attack_defer(a, undo_mount, a->target, -1);
    attack_passed(a, "another file lies over it");
}

int reach_move_over(struct attack *a, _unused_ int flags)
{
    char *mine = in_tmp(a, "mine");
    int tree;

    MUST(a, mkdir(mine, 0755));
    tree = (int)HAVE(a,
                     syscall(SYS_open_tree, AT_FDCWD, mine, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    GUARD(a, syscall(SYS_move_mount, tree, "", AT_FDCWD, a->target, MOVE_MOUNT_F_EMPTY_PATH));
    attack_defer(a, undo_mount, a->target, -1);
    attack_passed(a, "another directory lies over it");
}

/* ---- the kernel writes, reads or executes it for whoever crashes ---- */

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

static void undo_pattern(_unused_ struct attack *a, const char *before, _unused_ int fd)
{
    int pattern = open(CORE_PATTERN, O_WRONLY | O_CLOEXEC);

    if (pattern < 0 || write(pattern, before, strlen(before)) < 0)
        fprintf(stderr, "sg-attack: the core pattern is still another one\n");
    if (pattern >= 0)
        close(pattern);
}

static void set_pattern(struct attack *a, const char *pattern)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    char before[256] = "";
    int fd = open(CORE_PATTERN, O_RDWR | O_CLOEXEC);

    if (fd < 0 || read(fd, before, sizeof(before) - 1) <= 0)
        attack_skip(a, "the core pattern cannot be read and written");
    attack_defer(a, undo_pattern, strdup(before), -1);
    MUST(a, pwrite(fd, pattern, strlen(pattern), 0));
    close(fd);
    MUST(a, setrlimit(RLIMIT_CORE, &all));
}

/* Crashes in a process of its own. The record is of that process. */
static void crash(struct attack *a)
{
    pid_t pid = (pid_t)MUST(a, fork());
    int status;

    if (pid == 0)
        abort();
    a->out->pid = pid;
    MUST(a, waitpid(pid, &status, 0));
}

int reach_core_file(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "core");
    struct stat st, after;

    set_pattern(a, control);
    crash(a);
    if (stat(control, &st) < 0 || st.st_size == 0)
        attack_skip(a, "no core is written here");
    MUST(a, stat(a->target, &st));
    set_pattern(a, a->target);
    crash(a);
    if (stat(a->target, &after) < 0 || after.st_ino != st.st_ino || after.st_size != st.st_size)
        attack_claimed(a);
    attack_withheld(a, "no core was written over it");
}

/* Nothing comes back of what the kernel started: what changed tells. */
int reach_core_helper(struct attack *a, _unused_ int flags)
{
    char *copy = in_tmp(a, "copy"), *control = in_tmp(a, "control"), *script = in_tmp(a, "s"),
         buf[4096];
    struct timespec pause = {.tv_nsec = 20000000};
    ssize_t n = 0;
    int fd;

    write_text(a, script, fmt("#!/bin/sh\ncat %s >%s\necho over >%s\n", a->target, copy, control));
    set_pattern(a, fmt("|/bin/sh %s", script));
    crash(a);
    a->out->pid = -1;
    while (access(control, F_OK) < 0)
        nanosleep(&pause, NULL);
    fd = (int)MUST(a, open(copy, O_RDONLY | O_CLOEXEC));
    n = MUST(a, read(fd, buf, sizeof(buf)));
    if (attack_holds_mark(a, buf, (size_t)n))
        attack_passed(a, "a program that the kernel started read it");
    attack_withheld(a, "a program that the kernel started could not read it");
}
