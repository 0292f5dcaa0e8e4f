// SPDX-License-Identifier: Apache-2.0
/* System calls of 32-bit programs, made from a 64-bit one: other entries to the same objects. */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What changes the object by its path: name, number of the system call, its second argument. */
#define INT80_CHANGES(ROW)                           \
    ROW(truncate, 92, 3)                             \
    ROW(truncate64, 193, 3)                          \
    ROW(rename, 38, low_text(a, in_tmp(a, "moved"))) \
    ROW(unlink, 10, 0)                               \
    ROW(link, 9, low_text(a, in_tmp(a, "link")))     \
    ROW(chmod, 15, 0666)

#ifdef __x86_64__
/* System calls of 32-bit programs; the path has to lie below 4 GiB. */
static long int80(struct attack *a, long nr, long b, long c, long d, long e)
{
    pid_t pid = fork();
    int status;
    long rc;

    if (pid == 0) {
        __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
        _exit(rc > 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        attack_skip(a, "no 32-bit system calls here");
    __asm__ volatile("int $0x80"
                     : "=a"(rc)
                     : "a"(nr), "b"(b), "c"(c), "d"(d), "S"(e)
                     : "memory", "r8", "r9", "r10", "r11");
    if (rc >= 0)
        return rc;
    errno = (int)-rc;
    return -1;
}

/* A copy of some bytes below 4 GiB. */
static long low_bytes(struct attack *a, const void *bytes, size_t len)
{
    char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                     -1, 0);

    MUST(a, low);
    memcpy(low, bytes, len < 8192 ? len : 8191);
    return (long)low;
}

static long low_text(struct attack *a, const char *text)
{
    return low_bytes(a, text, strlen(text) + 1);
}

static long low_path(struct attack *a)
{
    return low_text(a, a->target);
}

int reach_int80_open(struct attack *a, int flags)
{
    long path = low_path(a);

    return (int)GUARD(a, int80(a, 5, path, flags, 0600, 0));
}

int reach_int80_openat(struct attack *a, int flags)
{
    long path = low_path(a);

    return (int)GUARD(a, int80(a, 295, AT_FDCWD, path, flags, 0600));
}

#define CHANGE(name, nr, argument)                               \
    int reach_int80_##name(struct attack *a, _unused_ int flags) \
    {                                                            \
        GUARD(a, int80(a, nr, low_path(a), argument, 0, 0));     \
        attack_claimed(a);                                       \
    }
INT80_CHANGES(CHANGE)

/* FS_IOC32_SETFLAGS of a descriptor that was opened the ordinary way. */
void use_int80_setflags(struct attack *a, int fd)
{
    int nodump = FS_NODUMP_FL, control = tmp_file(a, "control");
    long flags = low_bytes(a, &nodump, sizeof(nodump));

    HAVE(a, int80(a, 54, control, FS_IOC32_SETFLAGS, flags, 0));
    GUARD(a, int80(a, 54, fd, FS_IOC32_SETFLAGS, flags, 0));
    attack_claimed(a);
}

int reach_x32_open(struct attack *a, int flags)
{
    return (int)GUARD_OR_SKIP(a, syscall(0x40000000 + SYS_open, a->target, flags, 0600));
}
#else
#define ABSENT(name)                               \
    int name(struct attack *a, _unused_ int flags) \
    {                                              \
        attack_skip(a, "not this processor");      \
    }
ABSENT(reach_int80_open)
ABSENT(reach_int80_openat)
#define CHANGE(name, nr, argument) ABSENT(reach_int80_##name)
INT80_CHANGES(CHANGE)
ABSENT(reach_x32_open)

void use_int80_setflags(struct attack *a, _unused_ int fd)
{
    attack_skip(a, "not this processor");
}
#endif
