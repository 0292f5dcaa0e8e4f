// SPDX-License-Identifier: Apache-2.0
/* The kernel reads or writes the file on the attacker's behalf: swap, loop, accounting, modules,
 * kexec, fanotify. A control on an unprotected file comes first, so that a kernel that lacks the
 * feature is told from a denial. */
#include "attack.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void undo_swap(_unused_ struct attack *a, const char *path, _unused_ int fd)
{
    swapoff(path);
}

int reach_swapon(struct attack *a, _unused_ int flags)
{
    char *control = in_root(a, "open/swap");

    attack_step(a, "swapon an unprotected file");
    if (swapon(control, 0) < 0)
        attack_skip(a, "this file system takes no swap file: %s", strerrorname_np(errno));
    MUST(a, swapoff(control));
    GUARD(a, swapon(a->target, 0));
    attack_defer(a, undo_swap, a->target, -1);
    attack_passed(a, "the kernel swaps to the file");
}

static void undo_loop(_unused_ struct attack *a, _unused_ const char *path, int fd)
{
    ioctl(fd, LOOP_CLR_FD);
}

static int free_loop(struct attack *a)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), number, fd;
    char *path;

    attack_step(a, "a free loop device");
    if (control < 0)
        attack_skip(a, "no loop devices here: %s", strerrorname_np(errno));
    number = (int)MUST(a, ioctl(control, LOOP_CTL_GET_FREE));
    path = fmt("/dev/loop%d", number);
    if (access(path, F_OK) < 0) {
        path = in_tmp(a, "loop");
        MUST(a, mknod(path, S_IFBLK | 0600, makedev(7, (unsigned)number)));
    }
    fd = (int)MUST(a, open(path, O_RDWR | O_CLOEXEC));
    attack_defer(a, undo_loop, NULL, fd);
    return fd;
}

static _noreturn_ void read_loop(struct attack *a, int loop)
{
    char buf[4096];
    long n = GUARD(a, pread(loop, buf, sizeof(buf), 0));

    attack_got(a, buf, (size_t)n);
}

void use_loop_set_fd(struct attack *a, int fd)
{
    int loop = free_loop(a);

    GUARD(a, ioctl(loop, LOOP_SET_FD, fd));
    read_loop(a, loop);
}

void use_loop_configure(struct attack *a, int fd)
{
    struct loop_config conf = {.fd = (uint32_t)fd, .info = {.lo_flags = LO_FLAGS_READ_ONLY}};
    int loop = free_loop(a);

    GUARD(a, ioctl(loop, LOOP_CONFIGURE, &conf));
    read_loop(a, loop);
}

void use_loop_write(struct attack *a, int fd)
{
    int loop = free_loop(a);
    char block[4096];

    memset(block, 'w', sizeof(block));
    GUARD(a, ioctl(loop, LOOP_SET_FD, fd));
    GUARD(a, pwrite(loop, block, sizeof(block), 0));
    GUARD(a, fsync(loop));
    attack_claimed(a);
}

static void undo_acct(_unused_ struct attack *a, _unused_ const char *path, _unused_ int fd)
{
    syscall(SYS_acct, NULL);
}

/* The kernel appends a record for each process that ends. */
int reach_acct(struct attack *a, _unused_ int flags)
{
    char *control = in_tmp(a, "control");
    int status;
    pid_t pid;

    write_text(a, control, "");
    attack_step(a, "acct to an unprotected file");
    if (syscall(SYS_acct, control) < 0)
        attack_skip(a, "no process accounting here: %s", strerrorname_np(errno));
    attack_defer(a, undo_acct, NULL, -1);
    GUARD(a, syscall(SYS_acct, a->target));
    pid = fork();
    if (pid == 0)
        _exit(0);
    MUST(a, waitpid(pid, &status, 0));
    attack_claimed(a);
}

/* The kernel reads the whole file before it finds that it is not what it should be: the errno tells
 * that the content was looked at. */
static _noreturn_ void read_and_refused(struct attack *a, int fd, long (*load)(int fd))
{
    int control = control_file(a, "control", 4096), expected;

    MUST(a, close(control));
    control = (int)MUST(a, open(in_tmp(a, "control"), O_RDONLY | O_CLOEXEC));
    attack_step(a, "the same call with an unprotected file");
    if (load(control) == 0)
        attack_failed(a, "a text file was accepted");
    expected = errno;
    if (expected == ENOSYS || expected == EPERM || expected == EACCES)
        attack_skip(a, "not possible here at all: %s", strerrorname_np(expected));
    attack_step(a, "load(fd)");
    if (load(fd) == 0)
        attack_failed(a, "a text file was accepted");
    if (errno == expected)
        attack_passed(a, "the kernel read the file and refused what is in it");
    attack_guarded(a, -1);
    _exit(1);
}

static long load_module(int fd)
{
    return syscall(SYS_finit_module, fd, "", 0);
}

void use_finit_module(struct attack *a, int fd)
{
    read_and_refused(a, fd, load_module);
}

static long load_kernel(int fd)
{
#ifdef SYS_kexec_file_load
    return syscall(SYS_kexec_file_load, fd, -1, 1L, "", 4L /* KEXEC_FILE_NO_INITRAMFS */);
#else
    (void)fd;
    errno = ENOSYS;
    return -1;
#endif
}

void use_kexec_file(struct attack *a, int fd)
{
    read_and_refused(a, fd, load_kernel);
}

/* Not the file, but the blocks below it: for small file systems, as long as the clock allows. */
int reach_raw_device(struct attack *a, _unused_ int flags)
{
    enum { CHUNK = 1 << 20 };
    char *device = in_tmp(a, "device"), *buf = malloc(CHUNK);
    time_t end = time(NULL) + WAY_SECONDS - 3;
    struct stat st;
    int fd;

    MUST(a, stat(a->root, &st));
    if (!buf || major(st.st_dev) == 0)
        attack_skip(a, "the file system has no block device of its own");
    sync();
    MUST(a, mknod(device, S_IFBLK | 0600, st.st_dev));
    fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        attack_skip(a, "the device cannot be opened: %s", strerrorname_np(errno));
    for (off_t at = 0; time(NULL) < end; at += CHUNK) {
        long n = GUARD(a, pread(fd, buf, CHUNK, at));

        if (n == 0)
            break;
        posix_fadvise(fd, at, CHUNK, POSIX_FADV_DONTNEED);
        if (attack_holds_mark(a, buf, (size_t)n))
            attack_passed(a, "the content was found on the device");
    }
    attack_skip(a, "not found on the device in the time there is");
}

/* Waits for an event. The kernel drops one whose descriptor is refused, and says so only when it is the first that a
 * read finds: when the opener is gone and nothing is left, it was withheld. */
static void await_event(struct attack *a, int fan, int opener_fd)
{
    struct pollfd p[] = {{.fd = fan, .events = POLLIN}, {.fd = opener_fd, .events = POLLIN}};

    MUST(a, poll(p, 2, -1));
    /* What the opener caused was there before it was gone. */
    if (!p[0].revents && MUST(a, poll(p, 1, 0)) == 0)
        attack_withheld(a, "no event came with a descriptor of it");
}

/* Reads events until one carries a descriptor of the object. */
static _noreturn_ void wait_event(struct attack *a, int fan, pid_t opener)
{
    int opener_fd = (int)MUST(a, syscall(SYS_pidfd_open, opener, 0));
    char buf[4096] __attribute__((aligned(8))), content[4096];

    for (;;) {
        await_event(a, fan, opener_fd);
        long n = GUARD(a, read(fan, buf, sizeof(buf)));
        const struct fanotify_event_metadata *m = (const void *)buf;

        for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
            struct fanotify_response answer = {.fd = m->fd, .response = FAN_ALLOW};
            long len;

            if (m->fd < 0)
                attack_withheld(a, "the event came without its descriptor");
            len = m->pid == opener ? GUARD(a, pread(m->fd, content, sizeof(content), 0)) : 0;
            if (m->mask & (FAN_OPEN_PERM | FAN_ACCESS_PERM))
                MUST(a, write(fan, &answer, sizeof(answer)));
            if (attack_holds_mark(a, content, (size_t)len))
                attack_passed(a, "the content was read through the event's descriptor");
            close(m->fd);
        }
    }
}

/* The exempt program opens the object, and the event comes here. */
static _noreturn_ void watch_opener(struct attack *a, int fan)
{
    pid_t pid = (pid_t)MUST(a, fork_helper());

    if (pid == 0) {
        close(fan);
        execl(a->exempt, a->exempt, "x-open", a->target, (char *)NULL);
        _exit(127);
    }
    wait_event(a, fan, pid);
}

static int fan_watch(struct attack *a, unsigned cls, unsigned mark, uint64_t mask)
{
    int fan = (int)HAVE(a, fanotify_init(cls | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE));

    HAVE(a, fanotify_mark(fan, FAN_MARK_ADD | mark, mask, AT_FDCWD, in_root(a, "open")));
    HAVE(a, fanotify_mark(fan, FAN_MARK_REMOVE | mark, mask, AT_FDCWD, in_root(a, "open")));
    GUARD(a, fanotify_mark(fan, FAN_MARK_ADD | mark, mask, AT_FDCWD, a->target));
    watch_opener(a, fan);
}

int reach_fanotify(struct attack *a, _unused_ int flags)
{
    return fan_watch(a, FAN_CLASS_NOTIF, 0, FAN_OPEN);
}

int reach_fanotify_mount(struct attack *a, _unused_ int flags)
{
    return fan_watch(a, FAN_CLASS_NOTIF, FAN_MARK_MOUNT, FAN_OPEN | FAN_CLOSE_NOWRITE);
}

int reach_fanotify_filesystem(struct attack *a, _unused_ int flags)
{
    return fan_watch(a, FAN_CLASS_NOTIF, FAN_MARK_FILESYSTEM, FAN_CLOSE_NOWRITE);
}

int reach_fanotify_perm(struct attack *a, _unused_ int flags)
{
    return fan_watch(a, FAN_CLASS_CONTENT, 0, FAN_OPEN_PERM);
}

/* The mark lies on the directory, the event is of its child. */
int reach_fanotify_child(struct attack *a, _unused_ int flags)
{
    int fan = (int)HAVE(a, fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE));
    char *dir = parent_of(a->target);

    GUARD_OR_SKIP(a,
                  fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD, dir));
    watch_opener(a, fan);
}
