/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Structures of the kernel that only the counting of reads and writes looks at (file_io.bpf.h), with the fields that are
 * used; see kernel.h.
 */
#ifndef SG_BPF_KERNEL_IO_H
#define SG_BPF_KERNEL_IO_H

#include "kernel.h"

/* Constants of the kernel that are macros there and so not in BTF. */
#define S_IFREG     0100000
#define IOCB_HIPRI  (1 << 0) /* include/linux/fs.h, these values from 5.10 on */
#define IOCB_WRITE  (1 << 18)
#define PROT_WRITE  0x2ul
#define MAP_TYPE    0x0ful /* include/uapi/linux/mman.h */
#define MAP_PRIVATE 0x02ul

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kiocb {
    struct file *ki_filp;
    int ki_flags;
};

/* A request of io_uring begins with the kiocb of its file. The result is in here from 5.19 on … */
struct io_cqe {
    __s32 res;
};

struct io_kiocb___cqe {
    struct io_cqe cqe;
};

/* … and before, with the request's own parts. */
struct io_async_rw {
    unsigned long bytes_done;
};

struct io_kiocb {
    void *async_data;
};

#pragma clang attribute pop

#endif
