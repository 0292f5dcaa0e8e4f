// SPDX-License-Identifier: Apache-2.0
//
// Threads that read blocks (digest.h) for the writer, which reads along where it would have to wait. Blocks are handed back in
// the order in which they were given. Used by the writer alone.
#pragma once

#include "store/digest.h"

struct pool;

int pool_new(unsigned threads, struct pool **ret_pool);
struct pool *pool_free(struct pool *p);
DEFINE_CLEANUP(struct pool *, pool_free)

// Begins n blocks. The digests stay the caller's, and untouched by it until pool_next() has handed them out; all have to be.
void pool_start(struct pool *p, struct digest *digests, size_t n);
// The next one, read (or not: its error); NULL when all were handed out.
struct digest *pool_next(struct pool *p);
