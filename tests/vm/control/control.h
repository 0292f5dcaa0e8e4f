// SPDX-License-Identifier: Apache-2.0
//
// Ways to what the section `control` of a policy speaks of, one function a way and one row in ways.def. Each runs in a process of
// its own, which it may ruin.
#pragma once

#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#define ABSENT 200 // this machine does not have it: no errno

struct way_ctx {
    pid_t other;     // a process that waits
    const char *dir; // of our own, with what `sg-control prepare` put there
};

// 0: it went through; errno; ABSENT.
typedef int (*way_fn)(const struct way_ctx *c);

static inline int errno_of(long result)
{
    return result < 0 ? (errno == ENOSYS ? ABSENT : errno) : 0;
}

static inline void handle(int number, void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};

    (void)sigaction(number, &action, NULL);
}

static inline int errno_of_fd(long fd)
{
    int r = errno_of(fd);

    if (fd >= 0)
        (void)close((int)fd);
    return r;
}

/* Of the program `guarded`: waits for a signal that ends it, itself or its child. Says when it does: a byte on its output. */
int wait_for_signals(void);
int wait_as_child(void);

#define WAY(id, function, since, error, kind, argument, outcome) \
    int function(const struct way_ctx *c);
#include "ways.def"
