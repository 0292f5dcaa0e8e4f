// SPDX-License-Identifier: Apache-2.0
/* What changes an object through a descriptor. Success is a claim: the exempt program looks. */
#include "attack.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char mark[] = MARK_ATTACK;
#define MARK_SIZE (sizeof(mark) - 1)

void use_nothing(struct attack *a, _unused_ int fd)
{
    attack_claimed(a);
}

void use_write(struct attack *a, int fd)
{
    GUARD(a, write(fd, mark, MARK_SIZE));
    attack_claimed(a);
}

void use_pwrite(struct attack *a, int fd)
{
    GUARD(a, pwrite(fd, mark, MARK_SIZE, 0));
    attack_claimed(a);
}

void use_writev(struct attack *a, int fd)
{
    struct iovec iov[2] = {{(void *)mark, 4}, {(void *)(mark + 4), MARK_SIZE - 4}};

    GUARD(a, writev(fd, iov, 2));
    attack_claimed(a);
}

/* Through a layer that copies on write the change may land elsewhere: reading is enough then. */
void use_read_then_write(struct attack *a, int fd)
{
    char buf[4096];
    long n = GUARD(a, pread(fd, buf, sizeof(buf), 0));

    if (attack_holds_mark(a, buf, (size_t)n))
        attack_passed(a, "the content was read through a descriptor for writing");
    use_write(a, fd);
}

static int marked_file(struct attack *a)
{
    int fd = tmp_file(a, "source");

    MUST(a, pwrite(fd, mark, MARK_SIZE, 0));
    return fd;
}

void use_sendfile_to(struct attack *a, int fd)
{
    int from = marked_file(a);

    GUARD(a, sendfile(fd, from, NULL, MARK_SIZE));
    attack_claimed(a);
}

void use_splice_to(struct attack *a, int fd)
{
    int p[2];

    MUST(a, pipe(p));
    MUST(a, write(p[1], mark, MARK_SIZE));
    GUARD(a, splice(p[0], NULL, fd, NULL, MARK_SIZE, 0));
    attack_claimed(a);
}

void use_copy_range_to(struct attack *a, int fd)
{
    int from = marked_file(a);

    GUARD(a, copy_file_range(from, NULL, fd, NULL, MARK_SIZE, 0));
    attack_claimed(a);
}

void use_clone_to(struct attack *a, int fd)
{
    int from = control_file(a, "control-from", 4096), to = tmp_file(a, "control-to");

    HAVE(a, ioctl(to, FICLONE, from));
    GUARD(a, ioctl(fd, FICLONE, from));
    attack_claimed(a);
}

void use_mmap_write(struct attack *a, int fd)
{
    char *map = (char *)GUARD(a, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

    memcpy(map, mark, MARK_SIZE);
    MUST(a, msync(map, 4096, MS_SYNC));
    attack_claimed(a);
}

void use_mprotect_write(struct attack *a, int fd)
{
    char *map = (char *)GUARD(a, mmap(NULL, 4096, PROT_NONE, MAP_SHARED, fd, 0));

    GUARD(a, mprotect(map, 4096, PROT_READ | PROT_WRITE));
    memcpy(map, mark, MARK_SIZE);
    MUST(a, msync(map, 4096, MS_SYNC));
    attack_claimed(a);
}

void use_ftruncate(struct attack *a, int fd)
{
    GUARD(a, ftruncate(fd, 3));
    attack_claimed(a);
}

void use_fallocate(struct attack *a, int fd)
{
    GUARD_OR_SKIP(a, fallocate(fd, 0, 0, 100000));
    attack_claimed(a);
}

void use_punch(struct attack *a, int fd)
{
    GUARD_OR_SKIP(a, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    attack_claimed(a);
}

void use_zero_range(struct attack *a, int fd)
{
    GUARD_OR_SKIP(a, fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
    attack_claimed(a);
}

void use_fchmod(struct attack *a, int fd)
{
    GUARD(a, fchmod(fd, 0666));
    attack_claimed(a);
}

void use_fchown(struct attack *a, int fd)
{
    GUARD(a, fchown(fd, 12345, 12345));
    attack_claimed(a);
}

void use_futimens(struct attack *a, int fd)
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

    GUARD(a, futimens(fd, times));
    attack_claimed(a);
}

void use_fsetxattr(struct attack *a, int fd)
{
    int control = tmp_file(a, "control");

    HAVE(a, fsetxattr(control, "user.sgattack", "1", 1, 0));
    GUARD(a, fsetxattr(fd, "user.sgattack", "1", 1, 0));
    attack_claimed(a);
}

void use_fremovexattr(struct attack *a, int fd)
{
    int control = tmp_file(a, "control");

    HAVE(a, fsetxattr(control, "user.sg", "1", 1, 0));
    GUARD(a, fremovexattr(fd, "user.sg"));
    attack_claimed(a);
}

static long set_nodump(int fd)
{
    int inode_flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &inode_flags) < 0)
        return -1;
    inode_flags |= FS_NODUMP_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &inode_flags);
}

void use_setflags(struct attack *a, int fd)
{
    int control = tmp_file(a, "control");

    HAVE(a, set_nodump(control));
    GUARD(a, set_nodump(fd));
    attack_claimed(a);
}

static long set_xflag_nodump(int fd)
{
    struct fsxattr x;

    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
        return -1;
    x.fsx_xflags |= FS_XFLAG_NODUMP;
    return ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

void use_fssetxattr(struct attack *a, int fd)
{
    int control = tmp_file(a, "control");

    HAVE(a, set_xflag_nodump(control));
    GUARD(a, set_xflag_nodump(fd));
    attack_claimed(a);
}
