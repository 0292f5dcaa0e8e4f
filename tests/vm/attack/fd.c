// SPDX-License-Identifier: Apache-2.0
/* Descriptors that somebody else opened, and what another process has in its memory. */
#include "attack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The exempt program opens the object and executes this one. */
int reach_inherit(struct attack *a, int flags)
{
    char *const *rest = resume_argv(a, a->self, HANDED_FD);
    char *argv[16] = {(char *)a->exempt, (char *)"x-exec", (char *)a->target, fmt("%d", flags)};

    /* x-exec executes its fourth argument; the resumed program's argv[0] is its own name. */
    for (size_t i = 0; rest[i]; i++)
        argv[4 + i] = rest[i];
    MUST(a, execv(a->exempt, argv));
    return -1;
}

int reach_scm(struct attack *a, int flags)
{
    return receive_fd(a, exempt_send(a, "x-send", flags, SOCK_STREAM));
}

int reach_near_scm_path(struct attack *a, _unused_ int flags)
{
    (void)receive_fd(a, exempt_send(a, "x-send", O_PATH, SOCK_STREAM));
    attack_passed(a, "a received descriptor that names it and gives no access");
}

/* The exempt program keeps the object open while we look at it. */
struct kept {
    struct helper helper;
    int fd;
    unsigned long map, copy;
    size_t len;
};

static struct kept keep(struct attack *a, int flags)
{
    struct kept k = {0};
    char line[128];

    if ((flags & O_ACCMODE) == O_WRONLY) /* it has to read what it maps */
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    exempt_hold(a, flags, &k.helper, line, sizeof(line));
    if (sscanf(line, "%d %lx %zx %lx", &k.fd, &k.map, &k.len, &k.copy) != 4)
        attack_failed(a, "the exempt program said nothing sensible");
    return k;
}

int reach_pidfd_getfd(struct attack *a, int flags)
{
    struct kept k = keep(a, flags);
    int pidfd = (int)HAVE(a, syscall(SYS_pidfd_open, k.helper.pid, 0));

    return (int)GUARD_OR_SKIP(a, syscall(SYS_pidfd_getfd, pidfd, k.fd, 0));
}

int reach_exempt_fd(struct attack *a, int flags)
{
    struct kept k = keep(a, flags);
    char *path = fmt("/proc/%d/fd/%d", (int)k.helper.pid, k.fd);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_exempt_map_files(struct attack *a, int flags)
{
    struct kept k = keep(a, flags);
    unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
    char *path = fmt("/proc/%d/map_files/%lx-%lx", (int)k.helper.pid, k.map,
                     k.map + ((k.len + page - 1) & ~(page - 1)));

    return (int)GUARD(a, open(path, flags, 0600));
}

/* What the exempt program has read is in its memory: no file access of ours. */

int reach_exempt_mem(struct attack *a, _unused_ int flags)
{
    struct kept k = keep(a, O_RDONLY);
    char *path = fmt("/proc/%d/mem", (int)k.helper.pid), buf[4096];
    int fd = (int)GUARD(a, open(path, O_RDONLY));
    long n = GUARD(a, pread(fd, buf, k.len, (off_t)k.copy));

    attack_got(a, buf, (size_t)n);
}

int reach_exempt_mem_map(struct attack *a, _unused_ int flags)
{
    struct kept k = keep(a, O_RDONLY);
    char *path = fmt("/proc/%d/mem", (int)k.helper.pid), buf[4096];
    int fd = (int)GUARD(a, open(path, O_RDONLY));
    long n = GUARD(a, pread(fd, buf, k.len, (off_t)k.map));

    attack_got(a, buf, (size_t)n);
}

int reach_process_vm_readv(struct attack *a, _unused_ int flags)
{
    struct kept k = keep(a, O_RDONLY);
    char buf[4096];
    struct iovec here = {buf, sizeof(buf)}, there = {(void *)k.copy, k.len};
    long n = GUARD(a, process_vm_readv(k.helper.pid, &here, 1, &there, 1, 0));

    attack_got(a, buf, (size_t)n);
}

int reach_ptrace(struct attack *a, _unused_ int flags)
{
    struct kept k = keep(a, O_RDONLY);
    char buf[4096];
    size_t n = 0;
    int status;

    GUARD(a, ptrace(PTRACE_ATTACH, k.helper.pid, NULL, NULL));
    MUST(a, waitpid(k.helper.pid, &status, 0));
    for (; n < k.len && n + sizeof(long) <= sizeof(buf); n += sizeof(long)) {
        long word;

        errno = 0;
        attack_step(a, "ptrace(PTRACE_PEEKDATA)");
        word = ptrace(PTRACE_PEEKDATA, k.helper.pid, (void *)(k.copy + n), NULL);
        if (errno != 0)
            attack_guarded(a, -1);
        memcpy(buf + n, &word, sizeof(word));
    }
    attack_got(a, buf, n);
}

/* What `hold` opened before the policy was loaded. */

int reach_held_file(struct attack *a, _unused_ int flags)
{
    MUST(a, lseek(a->held->rdwr, 0, SEEK_SET));
    return a->held->rdwr;
}

int reach_held_path(struct attack *a, int flags)
{
    char *path = fmt("/proc/self/fd/%d", a->held->path);

    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_held_dir(struct attack *a, _unused_ int flags)
{
    MUST(a, lseek(a->held->dir, 0, SEEK_SET));
    return a->held->dir;
}

int reach_held_socket(struct attack *a, _unused_ int flags)
{
    return receive_fd(a, a->held->socket);
}

int reach_held_ring(struct attack *a, _unused_ int flags)
{
    struct ring r = a->held->ring;
    char buf[4096];
    long n;

    if (r.fd < 0)
        attack_skip(a, "no io_uring here");
    n = GUARD(a, ring_read_registered(&r, buf, sizeof(buf), 0));
    attack_got(a, buf, (size_t)n);
}

int reach_held_map(_unused_ struct attack *a, _unused_ int flags)
{
    return -1;
}

void use_map_load(struct attack *a, _unused_ int fd)
{
    attack_step(a, "load from the mapping");
    attack_got(a, a->held->map_rw, strlen(MARK_SECRET) + NONCE_LEN);
}

void use_map_store(struct attack *a, _unused_ int fd)
{
    attack_step(a, "store to the mapping");
    memcpy(a->held->map_rw, MARK_ATTACK, strlen(MARK_ATTACK));
    attack_claimed(a);
}

void use_map_upgrade(struct attack *a, _unused_ int fd)
{
    GUARD(a, mprotect(a->held->map_ro, a->held->map_len, PROT_READ | PROT_WRITE));
    memcpy(a->held->map_ro, MARK_ATTACK, strlen(MARK_ATTACK));
    attack_claimed(a);
}
