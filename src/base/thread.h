// SPDX-License-Identifier: Apache-2.0
//
// Threads of a program whose signals are its first thread's, and conditions that wait by a clock that nobody sets.
#pragma once

#include <pthread.h>
#include <stddef.h>

// A joinable thread that sees no signal. name: at most 15 bytes, as ps and top show it, copied; stack: bytes, 0 for the usual.
// 0 or a negative errno.
int thread_start(pthread_t *ret, const char *name, size_t stack, void *(*run)(void *), void *ctx);

// For pthread_cond_timedwait() with times of CLOCK_MONOTONIC.
void cond_init_monotonic(pthread_cond_t *cond);
