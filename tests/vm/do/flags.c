// SPDX-License-Identifier: Apache-2.0
/* Inode flags, by both entries of the kernel. */
#include "do.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int *low_word(int value)
{
    int *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
                    0);

    if (low == MAP_FAILED)
        return NULL;
    *low = value;
    return low;
}

int setflags(char **words)
{
    int fd = open(words[0], O_RDONLY | O_CLOEXEC), flags = FS_NODUMP_FL;

    if (fd < 0)
        return FAILED;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? do_failed("ioctl") : DONE;
}

int int80_setflags(char **words)
{
#ifdef __x86_64__
    int fd = open(words[0], O_RDONLY | O_CLOEXEC), *flags = low_word(FS_NODUMP_FL);
    long rc;

    if (fd < 0 || !flags)
        return FAILED;
    __asm__ volatile("int $0x80"
                     : "=a"(rc)
                     : "a"(54L), "b"((long)fd), "c"((long)FS_IOC32_SETFLAGS), "d"(flags)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = (int)-rc;
    return rc < 0 ? do_failed("ioctl") : DONE;
#else
    (void)words;
    return ABSENT;
#endif
}

/* Opened for neither reading nor writing, which is enough for it. */
int set_generation(char **words)
{
    int fd = open(words[0], O_ACCMODE | O_CLOEXEC);
    int generation = 4711;

    if (fd < 0)
        return FAILED;
    return ioctl(fd, FS_IOC_SETVERSION, &generation) < 0 ? do_failed("ioctl") : DONE;
}

/* Content changes places with that of the inode that no name leads to. */
int swap_boot(char **words)
{
    int fd = open(words[0], O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return FAILED;
    return ioctl(fd, _IO('f', 17)) < 0 ? do_failed("ioctl") : DONE;
}
