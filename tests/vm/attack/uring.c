// SPDX-License-Identifier: Apache-2.0
/* io_uring by its system calls: requests run in the caller, in a worker, or in a polling thread. */
#include "attack.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ENTRIES      8
/* Request codes that the headers of the build may not have. */
#define OP_FTRUNCATE 55

static void *ring_map(int fd, size_t len, off_t at)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);

    return p == MAP_FAILED ? NULL : p;
}

int ring_open(struct ring *r, unsigned flags)
{
    struct io_uring_params p = {.flags = flags, .sq_thread_idle = 1000};
    char *sq, *cq;

    memset(r, 0, sizeof(*r));
    r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (r->fd < 0)
        return -1;
    sq = ring_map(r->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    cq = ring_map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
                  IORING_OFF_CQ_RING);
    r->sqes = ring_map(r->fd, p.sq_entries * sizeof(struct io_uring_sqe), (off_t)IORING_OFF_SQES);
    if (!sq || !cq || !r->sqes) {
        close(r->fd);
        return -1;
    }
    r->sq_tail = (unsigned *)(sq + p.sq_off.tail);
    r->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
    r->sq_array = (unsigned *)(sq + p.sq_off.array);
    r->sq_flags = (unsigned *)(sq + p.sq_off.flags);
    r->cq_head = (unsigned *)(cq + p.cq_off.head);
    r->cq_tail = (unsigned *)(cq + p.cq_off.tail);
    r->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
    r->cqes = cq + p.cq_off.cqes;
    r->sqpoll = (flags & IORING_SETUP_SQPOLL) != 0;
    return 0;
}

/* Submits n requests and waits for all; the last one's result counts, or the first failure. */
static long ring_do(struct ring *r, const struct io_uring_sqe *sqe, unsigned n)
{
    unsigned enter = IORING_ENTER_GETEVENTS, tail = *r->sq_tail, done = 0;
    long failure = 0, last = 0;

    for (unsigned i = 0; i < n; i++, tail++) {
        unsigned at = tail & *r->sq_mask;

        ((struct io_uring_sqe *)r->sqes)[at] = sqe[i];
        r->sq_array[at] = at;
    }
    __atomic_store_n(r->sq_tail, tail, __ATOMIC_SEQ_CST);
    if (r->sqpoll)
        enter |= IORING_ENTER_SQ_WAKEUP;
    if (syscall(SYS_io_uring_enter, r->fd, n, n, enter, NULL, 0) < 0)
        return -1;
    while (done < n) {
        unsigned head = *r->cq_head;
        const struct io_uring_cqe *c;

        if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE)) {
            if (syscall(SYS_io_uring_enter, r->fd, 0, n - done, enter, NULL, 0) < 0)
                return -1;
            continue;
        }
        c = (const struct io_uring_cqe *)r->cqes + (head & *r->cq_mask);
        if (c->res < 0 && c->res != -ECANCELED && failure == 0)
            failure = c->res;
        if (c->user_data == n - 1)
            last = c->res;
        __atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
        done++;
    }
    if (failure < 0 || last < 0) {
        errno = (int)-(failure < 0 ? failure : last);
        return -1;
    }
    return last;
}

int ring_register_file(struct ring *r, int fd)
{
    return (int)syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, &fd, 1);
}

long ring_read_registered(struct ring *r, void *buf, unsigned len, unsigned sqe_flags)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_READ,
                             .flags = (uint8_t)(IOSQE_FIXED_FILE | sqe_flags),
                             .fd = 0,
                             .addr = (uintptr_t)buf,
                             .len = len};

    return ring_do(r, &s, 1);
}

static struct ring new_ring(struct attack *a, unsigned flags)
{
    struct ring r;

    HAVE(a, ring_open(&r, flags));
    return r;
}

/* Ends the way as skipped where the kernel does not know the request. */
static void have_op(struct attack *a, struct ring *r, unsigned op)
{
    struct io_uring_probe *p = calloc(1, sizeof(*p) + 256 * sizeof(p->ops[0]));

    if (!p)
        attack_failed(a, "out of memory");
    HAVE(a, syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_PROBE, p, 256));
    if (op > p->last_op || !(p->ops[op].flags & IO_URING_OP_SUPPORTED))
        attack_skip(a, "io_uring of this kernel has no request %u", op);
    free(p);
}

static struct io_uring_sqe sqe_openat(const char *path, int flags, unsigned sqe_flags)
{
    return (struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
                                 .flags = (uint8_t)sqe_flags,
                                 .fd = AT_FDCWD,
                                 .addr = (uintptr_t)path,
                                 .len = 0600,
                                 .open_flags = (uint32_t)flags};
}

static int ring_openat(struct attack *a, int flags, unsigned setup, unsigned sqe_flags)
{
    struct ring r = new_ring(a, setup);
    struct io_uring_sqe s = sqe_openat(a->target, flags, sqe_flags);

    have_op(a, &r, IORING_OP_OPENAT);
    return (int)GUARD_OR_SKIP(a, ring_do(&r, &s, 1));
}

int reach_uring_openat(struct attack *a, int flags)
{
    return ring_openat(a, flags, 0, 0);
}

int reach_uring_openat_async(struct attack *a, int flags)
{
    return ring_openat(a, flags, 0, IOSQE_ASYNC);
}

int reach_uring_openat_sqpoll(struct attack *a, int flags)
{
    return ring_openat(a, flags, IORING_SETUP_SQPOLL, 0);
}

int reach_uring_openat_sqpoll_async(struct attack *a, int flags)
{
    return ring_openat(a, flags, IORING_SETUP_SQPOLL, IOSQE_ASYNC);
}

static int ring_openat2(struct attack *a, int flags, unsigned sqe_flags)
{
    struct ring r = new_ring(a, 0);
    struct open_how how = {.flags = (uint64_t)flags};
    struct io_uring_sqe s = {.opcode = IORING_OP_OPENAT2,
                             .flags = (uint8_t)sqe_flags,
                             .fd = AT_FDCWD,
                             .addr = (uintptr_t)a->target,
                             .len = sizeof(how),
                             .off = (uintptr_t)&how};

    have_op(a, &r, IORING_OP_OPENAT2);
    return (int)GUARD(a, ring_do(&r, &s, 1));
}

int reach_uring_openat2(struct attack *a, int flags)
{
    return ring_openat2(a, flags, 0);
}

int reach_uring_openat2_async(struct attack *a, int flags)
{
    return ring_openat2(a, flags, IOSQE_ASYNC);
}

/* Opens into a slot of the ring and reads from it: no descriptor is ever installed. Linux 5.15. */
static int linked_read(struct attack *a, unsigned sqe_flags)
{
    struct ring r = new_ring(a, 0);
    char buf[4096];
    struct io_uring_sqe s[2] = {sqe_openat(a->target, O_RDONLY, IOSQE_IO_LINK | sqe_flags),
                                {.opcode = IORING_OP_READ,
                                 .flags = (uint8_t)(IOSQE_FIXED_FILE | sqe_flags),
                                 .fd = 0,
                                 .addr = (uintptr_t)buf,
                                 .len = sizeof(buf),
                                 .user_data = 1}};
    long n;

    HAVE(a, ring_register_file(&r, -1));
    s[0].file_index = 1;
    n = GUARD(a, ring_do(&r, s, 2));
    attack_got(a, buf, (size_t)n);
}

int reach_uring_linked(struct attack *a, _unused_ int flags)
{
    return linked_read(a, 0);
}

int reach_uring_linked_async(struct attack *a, _unused_ int flags)
{
    return linked_read(a, IOSQE_ASYNC);
}

static _noreturn_ void change(struct attack *a, const struct io_uring_sqe *s)
{
    struct ring r = new_ring(a, 0);

    have_op(a, &r, s->opcode);
    GUARD(a, ring_do(&r, s, 1));
    attack_claimed(a);
}

int reach_uring_unlinkat(struct attack *a, int flags)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_UNLINKAT,
                             .fd = AT_FDCWD,
                             .addr = (uintptr_t)a->target,
                             .unlink_flags = (uint32_t)flags};

    change(a, &s);
}

static struct io_uring_sqe sqe_two(uint8_t op, const char *from, const char *to)
{
    return (struct io_uring_sqe){.opcode = op,
                                 .flags = IOSQE_ASYNC,
                                 .fd = AT_FDCWD,
                                 .addr = (uintptr_t)from,
                                 .len = (uint32_t)AT_FDCWD,
                                 .off = (uintptr_t)to};
}

int reach_uring_renameat(struct attack *a, _unused_ int flags)
{
    struct io_uring_sqe s = sqe_two(IORING_OP_RENAMEAT, a->target, in_tmp(a, "moved"));

    change(a, &s);
}

int reach_uring_rename_over(struct attack *a, _unused_ int flags)
{
    char *from = in_tmp(a, "mine");
    struct io_uring_sqe s = sqe_two(IORING_OP_RENAMEAT, from, a->target);

    write_text(a, from, MARK_ATTACK);
    change(a, &s);
}

int reach_uring_linkat(struct attack *a, _unused_ int flags)
{
    struct io_uring_sqe s = sqe_two(IORING_OP_LINKAT, a->target, in_tmp(a, "hard"));

    change(a, &s);
}

int reach_uring_symlinkat(struct attack *a, _unused_ int flags)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_SYMLINKAT,
                             .fd = AT_FDCWD,
                             .addr = (uintptr_t) "/dev/null",
                             .addr2 = (uintptr_t)a->target};

    change(a, &s);
}

int reach_uring_mkdirat(struct attack *a, _unused_ int flags)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_MKDIRAT,
                             .fd = AT_FDCWD,
                             .addr = (uintptr_t)a->target,
                             .len = 0700};

    change(a, &s);
}

int reach_uring_setxattr(struct attack *a, _unused_ int flags)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_SETXATTR,
                             .addr = (uintptr_t) "user.sgattack",
                             .off = (uintptr_t) "1",
                             .len = 1,
                             .addr3 = (uintptr_t)a->target};
    int control = tmp_file(a, "control");

    HAVE(a, fsetxattr(control, "user.sgattack", "1", 1, 0));
    change(a, &s);
}

/* With a descriptor that somebody else opened. */

static _noreturn_ void ring_read(struct attack *a, int fd, unsigned setup, bool registered)
{
    struct ring r = new_ring(a, setup);
    char buf[4096];
    struct io_uring_sqe s = {.opcode = IORING_OP_READ,
                             .flags = IOSQE_ASYNC,
                             .fd = fd,
                             .addr = (uintptr_t)buf,
                             .len = sizeof(buf)};
    long n;

    if (registered) {
        GUARD(a, ring_register_file(&r, fd));
        s.flags = IOSQE_FIXED_FILE;
        s.fd = 0;
    }
    n = GUARD(a, ring_do(&r, &s, 1));
    attack_got(a, buf, (size_t)n);
}

void use_uring_read(struct attack *a, int fd)
{
    ring_read(a, fd, 0, false);
}

void use_uring_fixed(struct attack *a, int fd)
{
    ring_read(a, fd, 0, true);
}

void use_uring_sqpoll(struct attack *a, int fd)
{
    ring_read(a, fd, IORING_SETUP_SQPOLL, true);
}

void use_uring_write(struct attack *a, int fd)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_WRITE,
                             .flags = IOSQE_ASYNC,
                             .fd = fd,
                             .addr = (uintptr_t)MARK_ATTACK,
                             .len = strlen(MARK_ATTACK)};

    change(a, &s);
}

void use_uring_fallocate(struct attack *a, int fd)
{
    struct io_uring_sqe s = {.opcode = IORING_OP_FALLOCATE, .fd = fd, .addr = 100000};

    change(a, &s);
}

void use_uring_ftruncate(struct attack *a, int fd)
{
    struct io_uring_sqe s = {.opcode = OP_FTRUNCATE, .fd = fd, .off = 3};

    change(a, &s);
}
