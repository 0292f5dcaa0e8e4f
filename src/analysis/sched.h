// SPDX-License-Identifier: Apache-2.0
//
// What the kernel adds up about scheduling (abi/sched.h): loads the programs, reads the sums, and takes the programs away again.
// They cost every switch of the host, so they are there only between sched_open() and sched_close(); nothing is pinned, and the
// kernel drops them with this process. Called by src/agent; owns programs, links and maps. One thread owns a struct sched.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/sched.h"
#include "base/cleanup.h"
#include "base/error.h"

struct sched;

// -EPERM, -ENOTSUP (a kernel without type information or without the tracepoint), … with err.
int sched_open(struct sched **ret, struct error *err);
struct sched *sched_close(struct sched *s);
DEFINE_CLEANUP(struct sched *, sched_close)

// One process: the sums of its tasks, with what they are in the middle of and what they left that have ended.
struct sched_process {
    struct sg_sched_key key;
    struct sg_sched_sums sums;
    bool ended; // its last task is gone
};

// One look at all of them. A zeroed structure is an empty one.
struct sched_reading {
    struct sched_process *items; // sorted by key
    size_t n, cap;
    struct sg_sched_host host; // of all CPUs together
    uint64_t evicted;          // processes that were put out for others since the beginning
    uint64_t untold;           // tasks or processes that there was no room for in this reading
};
void sched_reading_done(struct sched_reading *r);

// Reads everything. Processes that have ended are in it once and are forgotten then. A negative errno.
int sched_read(struct sched *s, struct sched_reading *ret);

// The process with this key, NULL: there is none.
const struct sched_process *sched_find(const struct sched_reading *r,
                                       const struct sg_sched_key *key);
int sched_key_cmp(const void *a, const void *b);

// For sched.c and tests: of many with the same key one, with their sums; sorted, and no more than a reading has room for.
void sched_merge(struct sched_reading *r);

// The object that was built with this program.
const void *sched_object_bytes(size_t *ret_len);
