// SPDX-License-Identifier: Apache-2.0
//
// What is mapped instead of executed.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

static _Noreturn void ld_so(const struct run *r, const char *program)
{
    go(r, "/lib64/ld-linux-x86-64.so.2", ARGV("ld.so", (char *)program), NULL);
}

void way_ld_so(const struct run *r)
{
    ld_so(r, in_area(r, "dynamic"));
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

static int open_in(const struct run *r, const char *directory, const char *name)
{
    return (int)MUST(r, openat((int)MUST(r, open(directory, O_PATH)), name, O_RDONLY));
}

static _Noreturn void map_in(const struct run *r, const char *directory)
{
    mapped(r, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, open_in(r, directory, "target"),
                   0));
}

void way_overlay_ld_so(const struct run *r)
{
    char path[500];

    own_mounts(r);
    snprintf(path, sizeof(path), "%s/dynamic", overlay(r, "merged", r->area, NULL));
    ld_so(r, path);
}

void way_overlay_ld_so_exec(const struct run *r)
{
    way_overlay_ld_so(r);
}

void way_overlay_map(const struct run *r)
{
    own_mounts(r);
    map_in(r, overlay(r, "merged", r->area, NULL));
}

void way_overlay_map_upper(const struct run *r)
{
    own_mounts(r);
    map_in(r, overlay_upper(r));
}

void way_overlay_map_twice(const struct run *r)
{
    own_mounts(r);
    map_in(r, overlay(r, "twice", overlay(r, "merged", r->area, NULL), NULL));
}

/* A whole file in memory. */
static int memory_of(const struct run *r, const char *path)
{
    int from = (int)MUST(r, open(path, O_RDONLY)), to = (int)MUST(r, memfd_create("way", 0));
    struct stat st;

    MUST(r, fstat(from, &st));
    for (off_t at = 0; at < st.st_size;)
        MUST(r, sendfile(to, from, &at, (size_t)(st.st_size - at)));
    return to;
}

void way_memfd_ld_so(const struct run *r)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory_of(r, "/bin/true"));
    ld_so(r, path);
}

static void map_memory(const struct run *r, int flags)
{
    int fd = memory_of(r, "/bin/true");

    become(r);
    mapped(r, mmap(NULL, 4096, PROT_READ | PROT_EXEC, flags, fd, 0));
}

void way_memfd_map(const struct run *r)
{
    map_memory(r, MAP_PRIVATE);
}

void way_memfd_map_shared(const struct run *r)
{
    map_memory(r, MAP_SHARED);
}

void way_memfd_protect(const struct run *r)
{
    void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, memory_of(r, "/bin/true"), 0);

    if (at == MAP_FAILED)
        must(r, -1, "mmap");
    become(r);
    if (mprotect(at, 4096, PROT_READ | PROT_EXEC) < 0)
        refused(r, errno);
    _exit(RAN);
}

void way_deleted_ld_so(const struct run *r)
{
    const char *path = in_root(r, "free/deleted-ld-so-%M");
    char at[64];

    copy(r, "/bin/true", path, 0755);
    snprintf(at, sizeof(at), "/proc/self/fd/%d", (int)MUST(r, open(path, O_RDONLY)));
    MUST(r, unlink(path));
    ld_so(r, at);
}
