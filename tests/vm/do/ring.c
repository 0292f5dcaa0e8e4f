// SPDX-License-Identifier: Apache-2.0
/* The smallest io_uring: one request, waited for. */
#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int ring_open(struct ring *r)
{
    size_t sq, cq;

    memset(r, 0, sizeof(*r));
    r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->p);
    if (r->fd < 0)
        return -errno;
    sq = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
    cq = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
    r->rings = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
                    IORING_OFF_SQ_RING);
    r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
                   r->fd, IORING_OFF_SQES);
    if (r->rings == MAP_FAILED || (void *)r->sqes == MAP_FAILED)
        return -errno;
    return 0;
}

static unsigned *word(const struct ring *r, unsigned offset)
{
    return (unsigned *)(void *)(r->rings + offset);
}

long ring_do(const struct ring *r, const struct io_uring_sqe *sqe)
{
    const struct io_uring_cqe *cqes;
    unsigned tail, head;
    long result;
    int k;

    r->sqes[0] = *sqe;
    tail = *word(r, r->p.sq_off.tail);
    word(r, r->p.sq_off.array)[tail & *word(r, r->p.sq_off.ring_mask)] = 0;
    __atomic_store_n(word(r, r->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    do
        k = (int)syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return -errno;
    head = *word(r, r->p.cq_off.head);
    if (head == __atomic_load_n(word(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE))
        return -ENODATA;
    cqes = (const void *)(r->rings + r->p.cq_off.cqes);
    result = cqes[head & *word(r, r->p.cq_off.ring_mask)].res;
    __atomic_store_n(word(r, r->p.cq_off.head), head + 1, __ATOMIC_RELEASE);
    return result;
}
