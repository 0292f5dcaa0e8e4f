// SPDX-License-Identifier: Apache-2.0
/* The smallest io_uring: one request at a time, waited for. */
#pragma once

#include <linux/io_uring.h>

struct ring {
    int fd;
    char *rings; /* submissions and completions: one mapping from 5.4 on */
    struct io_uring_sqe *sqes;
    struct io_uring_params p;
};

/* 0 or a negative errno; ended by closing its descriptor. */
int ring_open(struct ring *r);

/* What the request gave: bytes, a descriptor, or a negative errno. */
long ring_do(const struct ring *r, const struct io_uring_sqe *sqe);
