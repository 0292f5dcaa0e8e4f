// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#include <signal.h>
#include <time.h>

int thread_start(pthread_t *ret, const char *name, size_t stack, void *(*run)(void *), void *ctx)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);

    if (r != 0)
        return -r;
    if (stack)
        r = pthread_attr_setstacksize(&attr, stack);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r == 0)
        r = pthread_create(ret, &attr, run, ctx);
    if (r == 0)
        (void)pthread_setname_np(*ret, name);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return -r;
}

void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}
