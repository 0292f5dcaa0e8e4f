// SPDX-License-Identifier: Apache-2.0
/* Memory that becomes executable. */
#include "control.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define PAGE 4096ul

static int mapped(void *p)
{
    return p == MAP_FAILED ? errno : 0;
}

int way_map_exec(const struct way_ctx *c)
{
    (void)c;
    return mapped(
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

int way_map_exec_shared(const struct way_ctx *c)
{
    (void)c;
    return mapped(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

int way_map(const struct way_ctx *c)
{
    (void)c;
    return mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static char *page(void)
{
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int way_protect(const struct way_ctx *c)
{
    (void)c;
    return errno_of(mprotect(page(), PAGE, PROT_READ | PROT_EXEC));
}

int way_pkey_protect(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_pkey_mprotect, page(), PAGE, PROT_READ | PROT_EXEC, -1));
}

int way_protect_stack(const struct way_ctx *c)
{
    char here;

    (void)c;
    return errno_of(mprotect((void *)((uintptr_t)&here & ~(PAGE - 1)), PAGE,
                             PROT_READ | PROT_WRITE | PROT_EXEC));
}

int way_protect_heap(const struct way_ctx *c)
{
    uintptr_t end = ((uintptr_t)sbrk(0) + PAGE - 1) & ~(PAGE - 1);

    (void)c;
    if (brk((void *)(end + 4 * PAGE)) < 0)
        return errno;
    return errno_of(mprotect((void *)(end + PAGE), PAGE, PROT_READ | PROT_EXEC));
}

static char *of_file(void)
{
    int fd = open("code", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
}

int way_protect_modified(const struct way_ctx *c)
{
    char *p = of_file();

    (void)c;
    if (p == MAP_FAILED)
        return errno;
    p[0] = 1;
    return errno_of(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
}

int way_protect_file(const struct way_ctx *c)
{
    char *p = of_file();

    (void)c;
    return p == MAP_FAILED ? errno : errno_of(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
}

int way_protect_to_modify(const struct way_ctx *c)
{
    char *p = of_file();

    (void)c;
    return p == MAP_FAILED ? errno
                           : errno_of(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static char *map_code(int flags, int prot, int map)
{
    int fd = open("code", flags | O_CLOEXEC);

    return fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, prot, map, fd, 0);
}

int way_protect_running(const struct way_ctx *c)
{
    char *p = map_code(O_RDONLY, PROT_READ | PROT_EXEC, MAP_PRIVATE);

    (void)c;
    return p == MAP_FAILED ? -errno
                           : errno_of(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
}

int way_map_to_modify(const struct way_ctx *c)
{
    (void)c;
    return mapped(map_code(O_RDONLY, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE));
}

int way_map_shared(const struct way_ctx *c)
{
    (void)c;
    return mapped(map_code(O_RDWR, PROT_READ | PROT_EXEC, MAP_SHARED));
}

int way_map_shared_read(const struct way_ctx *c)
{
    (void)c;
    return mapped(map_code(O_RDONLY, PROT_READ | PROT_EXEC, MAP_SHARED));
}

int way_protect_shared(const struct way_ctx *c)
{
    char *p = map_code(O_RDWR, PROT_READ, MAP_SHARED);

    (void)c;
    return p == MAP_FAILED ? -errno : errno_of(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
}

int way_map_memfd(const struct way_ctx *c)
{
    int fd = memfd_create("code", MFD_CLOEXEC);

    (void)c;
    if (fd < 0 || ftruncate(fd, PAGE) < 0)
        return errno;
    return mapped(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
}

int way_shmat(const struct way_ctx *c)
{
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700), r;
    void *p;

    (void)c;
    if (id < 0)
        return errno_of(id);
    p = shmat(id, NULL, SHM_EXEC);
    r = p == (void *)-1 ? errno : 0;
    shmctl(id, IPC_RMID, NULL);
    return r;
}
