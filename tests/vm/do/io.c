// SPDX-License-Identifier: Apache-2.0
/* Ways to move bytes out of a file and into it. */
#include "do.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIPE_ROOM 65536

struct io {
    int fd, other; /* FILE; FILE.copy or -1 */
    size_t count;
    char *buf;
};

static int io_open(char **words, int flags, struct io *ret)
{
    ret->count = strtoull(words[1], NULL, 10);
    ret->buf = calloc(1, ret->count + 1);
    ret->other = -1;
    ret->fd = open(words[0], flags | O_CLOEXEC);
    if (!ret->buf || ret->fd < 0)
        return do_failed(words[0]);
    return DONE;
}

static int io_open_other(char **words, int flags, struct io *io)
{
    char name[4096];

    snprintf(name, sizeof(name), "%s.copy", words[0]);
    io->other = open(name, flags | O_CLOEXEC, 0600);
    return io->other < 0 ? do_failed(name) : DONE;
}

/* The transfer said `n`: all of it, or the way does not do what its row says. */
static int io_close(struct io *io, const char *what, long n)
{
    if (n < 0)
        return do_failed(what);
    if ((size_t)n != io->count) {
        fprintf(stderr, "sg-do: %s: %ld bytes instead of %zu\n", what, n, io->count);
        return FAILED;
    }
    close(io->fd);
    return DONE;
}

#define IO_WAY(name, flags, transfer)                          \
    int name(char **words)                                     \
    {                                                          \
        struct io io;                                          \
        int r = io_open(words, flags, &io);                    \
                                                               \
        return r ? r : io_close(&io, #name, (long)(transfer)); \
    }

static long vectors(const struct io *io, struct iovec ret[2])
{
    ret[0] = (struct iovec){io->buf, io->count / 2};
    ret[1] = (struct iovec){io->buf + io->count / 2, io->count - io->count / 2};
    return 2;
}

static long by_vectors(const struct io *io, bool writes, bool at)
{
    struct iovec v[2];
    int n = (int)vectors(io, v);

    if (at)
        return writes ? pwritev2(io->fd, v, n, 0, 0) : preadv2(io->fd, v, n, 0, 0);
    return writes ? writev(io->fd, v, n) : readv(io->fd, v, n);
}

IO_WAY(io_read, O_RDONLY, read(io.fd, io.buf, io.count))
IO_WAY(io_pread, O_RDONLY, pread(io.fd, io.buf, io.count, 0))
IO_WAY(io_readv, O_RDONLY, by_vectors(&io, false, false))
IO_WAY(io_preadv2, O_RDONLY, by_vectors(&io, false, true))
IO_WAY(io_write, O_WRONLY, write(io.fd, io.buf, io.count))
IO_WAY(io_pwrite, O_WRONLY, pwrite(io.fd, io.buf, io.count, 0))
IO_WAY(io_writev, O_WRONLY, by_vectors(&io, true, false))
IO_WAY(io_pwritev2, O_WRONLY, by_vectors(&io, true, true))

/* Through a pipe that is emptied, or filled, on the way. */
static long through_pipe(const struct io *io, bool writes, bool sends)
{
    size_t done = 0;
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return -1;
    while (done < io->count) {
        size_t part = io->count - done < PIPE_ROOM ? io->count - done : PIPE_ROOM;
        ssize_t n;

        if (writes && write(p[1], io->buf, part) != (ssize_t)part)
            return -1;
        if (sends)
            n = sendfile(p[1], io->fd, NULL, part);
        else if (writes)
            n = splice(p[0], NULL, io->fd, NULL, part, 0);
        else
            n = splice(io->fd, NULL, p[1], NULL, part, 0);
        if (n <= 0)
            return -1;
        if (!writes && read(p[0], io->buf, (size_t)n) != n)
            return -1;
        done += (size_t)n;
    }
    return (long)done;
}

IO_WAY(io_sendfile, O_RDONLY, through_pipe(&io, false, true))
IO_WAY(io_splice, O_RDONLY, through_pipe(&io, false, false))
IO_WAY(io_splice_to, O_WRONLY, through_pipe(&io, true, false))

int io_sendfile_to(char **words)
{
    struct io io;
    int r = io_open(words, O_WRONLY, &io);

    if (!r)
        r = io_open_other(words, O_RDONLY, &io);
    return r ? r : io_close(&io, "sendfile", sendfile(io.fd, io.other, NULL, io.count));
}

int io_copy_from(char **words)
{
    struct io io;
    int r = io_open(words, O_RDONLY, &io);

    if (!r)
        r = io_open_other(words, O_WRONLY | O_CREAT | O_TRUNC, &io);
    return r ? r
             : io_close(&io, "copy_file_range",
                        copy_file_range(io.fd, NULL, io.other, NULL, io.count, 0));
}

int io_copy_to(char **words)
{
    struct io io;
    int r = io_open(words, O_WRONLY, &io);

    if (!r)
        r = io_open_other(words, O_RDONLY, &io);
    return r ? r
             : io_close(&io, "copy_file_range",
                        copy_file_range(io.other, NULL, io.fd, NULL, io.count, 0));
}

static long by_ring(const struct io *io, unsigned opcode, unsigned flags)
{
    const struct io_uring_sqe sqe = {.opcode = (uint8_t)opcode,
                                     .flags = (uint8_t)flags,
                                     .fd = io->fd,
                                     .addr = (uintptr_t)io->buf,
                                     .len = (uint32_t)io->count};
    struct ring r;
    long n = ring_open(&r);

    if (n == 0) {
        n = ring_do(&r, &sqe);
        (void)close(r.fd);
    }
    if (n < 0)
        errno = (int)-n;
    return n < 0 ? -1 : n;
}

IO_WAY(io_uring_read, O_RDONLY, by_ring(&io, IORING_OP_READ, 0))
IO_WAY(io_uring_read_async, O_RDONLY, by_ring(&io, IORING_OP_READ, IOSQE_ASYNC))
IO_WAY(io_uring_write, O_WRONLY, by_ring(&io, IORING_OP_WRITE, 0))
IO_WAY(io_uring_write_async, O_WRONLY, by_ring(&io, IORING_OP_WRITE, IOSQE_ASYNC))

static long by_aio(const struct io *io, unsigned opcode)
{
    struct iocb cb = {.aio_lio_opcode = (uint16_t)opcode,
                      .aio_fildes = (uint32_t)io->fd,
                      .aio_buf = (uintptr_t)io->buf,
                      .aio_nbytes = io->count};
    struct iocb *list[1] = {&cb};
    struct io_event event;
    aio_context_t ctx = 0;

    if (syscall(SYS_io_setup, 1, &ctx) < 0 || syscall(SYS_io_submit, ctx, 1, list) != 1 ||
        syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) != 1)
        return -1;
    syscall(SYS_io_destroy, ctx);
    return (long)event.res;
}

IO_WAY(io_aio_read, O_RDONLY, by_aio(&io, IOCB_CMD_PREAD))
IO_WAY(io_aio_write, O_WRONLY, by_aio(&io, IOCB_CMD_PWRITE))

static long by_map(const struct io *io)
{
    void *map = mmap(NULL, io->count, PROT_READ, MAP_SHARED, io->fd, 0);

    if (map == MAP_FAILED)
        return -1;
    memcpy(io->buf, map, io->count);
    munmap(map, io->count);
    return (long)io->count;
}

IO_WAY(io_map, O_RDONLY, by_map(&io))

static void *half(void *ctx)
{
    const struct io *io = ctx;

    for (size_t i = 0; i < 100; i++)
        if (pread(io->fd, io->buf, io->count / 400, 0) < 0 ||
            pwrite(io->fd, io->buf, io->count / 400, 0) < 0)
            return ctx;
    return NULL;
}

int io_both(char **words)
{
    pthread_t threads[4];
    struct io io;
    int r = io_open(words, O_RDWR, &io);
    void *failed = NULL;

    for (int i = 0; !r && i < 4; i++)
        if (pthread_create(&threads[i], NULL, half, &io))
            return FAILED;
    for (int i = 0; !r && i < 4; i++) {
        void *result = NULL;

        pthread_join(threads[i], &result);
        failed = failed ? failed : result;
    }
    if (!r && failed)
        return do_failed("both");
    return r ? r : io_close(&io, "both", (long)io.count);
}
