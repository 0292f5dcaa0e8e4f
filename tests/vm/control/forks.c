// SPDX-License-Identifier: Apache-2.0
/* New processes, which one user is denied and others are not. */
#include "control.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DENIED 4246
#define OTHER  4243

static int become(uid_t uid)
{
    return setresuid(uid, uid, uid);
}

/* What forks says what came of it; the child ends at once. */
static int ended(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno_of(pid);
    return waitpid((pid_t)pid, NULL, 0) == pid ? 0 : ECHILD;
}

int way_fork(const struct way_ctx *c)
{
    (void)c;
    return become(DENIED) < 0 ? ENOTTY : ended(fork());
}

int way_vfork(const struct way_ctx *c)
{
    (void)c;
    return become(DENIED) < 0 ? ENOTTY : ended(vfork());
}

int way_fork_clone3(const struct way_ctx *c)
{
    uint64_t args[11] = {[4] = SIGCHLD};

    (void)c;
    return become(DENIED) < 0 ? ENOTTY : ended(syscall(SYS_clone3, args, sizeof(args)));
}

int way_fork_other(const struct way_ctx *c)
{
    (void)c;
    return become(OTHER) < 0 ? ENOTTY : ended(fork());
}

static void *nothing(void *arg)
{
    return arg;
}

/* A thread is no process. */
int way_fork_thread(const struct way_ctx *c)
{
    pthread_t thread;
    int r;

    (void)c;
    if (become(DENIED) < 0)
        return ENOTTY;
    r = pthread_create(&thread, NULL, nothing, NULL);
    return r ? r : pthread_join(thread, NULL);
}
