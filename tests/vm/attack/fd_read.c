// SPDX-License-Identifier: Apache-2.0
/* What gets the content out of a descriptor that is open for reading. */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK 4096

void use_read(struct attack *a, int fd)
{
    char buf[CHUNK];
    long n = GUARD(a, read(fd, buf, sizeof(buf)));

    attack_got(a, buf, (size_t)n);
}

void use_pread(struct attack *a, int fd)
{
    char buf[CHUNK];
    long n = GUARD(a, pread(fd, buf, sizeof(buf), 0));

    attack_got(a, buf, (size_t)n);
}

void use_readv(struct attack *a, int fd)
{
    char buf[CHUNK];
    struct iovec iov[2] = {{buf, 8}, {buf + 8, sizeof(buf) - 8}};
    long n = GUARD(a, readv(fd, iov, 2));

    attack_got(a, buf, (size_t)n);
}

void use_preadv2(struct attack *a, int fd)
{
    char buf[CHUNK];
    struct iovec iov = {buf, sizeof(buf)};
    long n = GUARD(a, preadv2(fd, &iov, 1, 0, RWF_HIPRI));

    attack_got(a, buf, (size_t)n);
}

static long aio_one(int fd, uint16_t opcode, void *buf, size_t len)
{
    struct iocb cb = {.aio_fildes = (uint32_t)fd,
                      .aio_lio_opcode = opcode,
                      .aio_buf = (uintptr_t)buf,
                      .aio_nbytes = len};
    struct iocb *list[] = {&cb};
    struct io_event ev;
    aio_context_t ctx = 0;
    long r = syscall(SYS_io_setup, 1, &ctx);

    if (r < 0)
        return r;
    r = syscall(SYS_io_submit, ctx, 1, list);
    if (r == 1)
        r = syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL);
    if (r == 1 && ev.res < 0) {
        errno = (int)-ev.res;
        return -1;
    }
    return r == 1 ? ev.res : r;
}

void use_aio_read(struct attack *a, int fd)
{
    char buf[CHUNK];
    long n = GUARD_OR_SKIP(a, aio_one(fd, IOCB_CMD_PREAD, buf, sizeof(buf)));

    attack_got(a, buf, (size_t)n);
}

void use_aio_write(struct attack *a, int fd)
{
    char mark[] = MARK_ATTACK;

    GUARD_OR_SKIP(a, aio_one(fd, IOCB_CMD_PWRITE, mark, strlen(mark)));
    attack_claimed(a);
}

static void got_in_file(struct attack *a, int fd)
{
    char buf[CHUNK];
    long n = MUST(a, pread(fd, buf, sizeof(buf), 0));

    attack_got(a, buf, (size_t)n);
}

void use_sendfile(struct attack *a, int fd)
{
    int out = tmp_file(a, "out");

    GUARD(a, sendfile(out, fd, NULL, CHUNK));
    got_in_file(a, out);
}

void use_splice(struct attack *a, int fd)
{
    char buf[CHUNK];
    int p[2];
    long n;

    MUST(a, pipe(p));
    n = GUARD(a, splice(fd, NULL, p[1], NULL, sizeof(buf), 0));
    n = MUST(a, read(p[0], buf, (size_t)n));
    attack_got(a, buf, (size_t)n);
}

void use_tee(struct attack *a, int fd)
{
    char buf[CHUNK];
    int p[2], q[2];
    long n;

    MUST(a, pipe(p));
    MUST(a, pipe(q));
    n = GUARD(a, splice(fd, NULL, p[1], NULL, sizeof(buf), 0));
    n = GUARD(a, tee(p[0], q[1], (size_t)n, 0));
    n = MUST(a, read(q[0], buf, (size_t)n));
    attack_got(a, buf, (size_t)n);
}

void use_copy_range(struct attack *a, int fd)
{
    int out = tmp_file(a, "out");

    GUARD(a, copy_file_range(fd, NULL, out, NULL, CHUNK, 0));
    got_in_file(a, out);
}

/* Does this file system share extents at all? */
static void have_clone(struct attack *a)
{
    int from = control_file(a, "control-from", CHUNK), to = tmp_file(a, "control-to");

    HAVE(a, ioctl(to, FICLONE, from));
}

void use_clone(struct attack *a, int fd)
{
    int out = tmp_file(a, "out");

    have_clone(a);
    GUARD(a, ioctl(out, FICLONE, fd));
    got_in_file(a, out);
}

/* An oracle: deduplication tells whether a guess is the content. */
void use_dedupe(struct attack *a, int fd)
{
    struct file_dedupe_range *d = calloc(1, sizeof(*d) + sizeof(d->info[0]));
    char *block = calloc(1, CHUNK);
    int out = tmp_file(a, "guess");
    struct stat st;

    have_clone(a);
    if (!block || !d)
        attack_failed(a, "out of memory");
    snprintf(block, CHUNK, "%s\n", a->want);
    MUST(a, fstat(fd, &st));
    MUST(a, pwrite(out, block, (size_t)st.st_size, 0));
    MUST(a, fsync(out));
    d->dest_count = 1;
    d->src_length = (uint64_t)st.st_size;
    d->info[0].dest_fd = out;
    GUARD(a, ioctl(fd, FIDEDUPERANGE, d));
    if (d->info[0].status == FILE_DEDUPE_RANGE_SAME)
        attack_passed(a, "the guess was confirmed");
    errno = d->info[0].status < 0 ? -d->info[0].status : EIO;
    attack_guarded(a, -1);
}

static void map_and_look(struct attack *a, int fd, int prot, int map_flags)
{
    char *map = (char *)GUARD(a, mmap(NULL, CHUNK, prot, map_flags, fd, 0));

    attack_got(a, map, strlen(MARK_SECRET) + 2 * NONCE_LEN);
}

void use_mmap_read(struct attack *a, int fd)
{
    map_and_look(a, fd, PROT_READ, MAP_SHARED);
}

void use_mmap_private(struct attack *a, int fd)
{
    map_and_look(a, fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* What ld.so does with a library. */
void use_mmap_exec(struct attack *a, int fd)
{
    map_and_look(a, fd, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

void use_list(struct attack *a, int fd)
{
    char buf[CHUNK];
    long n = GUARD(a, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
    int seen = 0;

    for (long at = 0; at < n;) {
        struct dirent64 *e = (struct dirent64 *)(buf + at);

        seen += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        at += e->d_reclen;
    }
    if (seen > 0)
        attack_passed(a, "the entries were listed");
    attack_failed(a, "the directory looks empty");
}

void use_reopen(struct attack *a, int fd)
{
    char *path = fmt("/proc/self/fd/%d", fd);
    int again = (int)GUARD(a, open(path, O_RDONLY));

    use_read(a, again);
}

/* Over a socket to another process, which reads. */
void use_pass_on(struct attack *a, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
    int pair[2];

    MUST(a, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    GUARD(a, sendmsg(pair[0], &mh, 0));
    MUST(a, close(fd));
    mh.msg_controllen = sizeof(control);
    GUARD(a, recvmsg(pair[1], &mh, 0));
    c = CMSG_FIRSTHDR(&mh);
    if (!c || c->cmsg_type != SCM_RIGHTS)
        attack_withheld(a, "the message came without its descriptor");
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    use_read(a, fd);
}

void use_opened(struct attack *a, _unused_ int fd)
{
    attack_passed(a, "it was opened");
}

/* The entry of a directory that a chain of descriptors leads to. */
static const char *first_below(const struct attack *a)
{
    return strcmp(a->way->object, "vault/tree/a") == 0 ? "b/c/deep.txt" : "secret";
}

void use_openat(struct attack *a, int fd)
{
    const char *below = first_below(a);
    int leaf = (int)GUARD(a, openat(fd, below, O_RDONLY));

    use_read(a, leaf);
}

void use_fchdir(struct attack *a, int fd)
{
    const char *below = first_below(a);
    int leaf;

    MUST(a, fchdir(fd));
    leaf = (int)GUARD(a, open(below, O_RDONLY));
    use_read(a, leaf);
}

void use_fexec(struct attack *a, int fd)
{
    char *argv[] = {(char *)a->target, NULL}, *envp[] = {NULL};

    GUARD(a, syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
}

void use_flink(struct attack *a, int fd)
{
    char *name = in_tmp(a, "hard"), *path = fmt("/proc/self/fd/%d", fd);

    GUARD(a, linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    attack_claimed(a);
}
