// SPDX-License-Identifier: Apache-2.0
//
// New records as they are stored, for live views. The writer hands them on; who listens must be quick.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "store/store.h"

#define TAIL_LISTENERS_MAX 64

struct tail;

// In the writer's thread, after the commit; rows are on loan. Pushes to a queue (api_events_push()) and returns.
typedef void (*tail_fn)(void *ctx, const struct store_row *rows, size_t n_rows);

int tail_new(struct tail **ret);
struct tail *tail_free(struct tail *t);
DEFINE_CLEANUP(struct tail *, tail_free)

// -ENOBUFS: as many listen as may. The number is for tail_remove().
int tail_add(struct tail *t, tail_fn fn, void *ctx, uint64_t *ret_number);
// When it returns, fn is not called any more. Not from within fn.
void tail_remove(struct tail *t, uint64_t number);

// By the writer.
void tail_publish(struct tail *t, const struct store_row *rows, size_t n_rows);
size_t tail_len(struct tail *t);
