// SPDX-License-Identifier: Apache-2.0
#include "schedule/task.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

// include/uapi/linux/ioprio.h
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_MIDDLE      4 // of the eight levels of a class

#define ROUNDS 8 // threads make threads while they are looked at

// The flag that children do not inherit it is the process's own business.
#define POLICY_OF(policy) ((policy) & ~SCHED_RESET_ON_FORK)

int task_read(uint32_t tid, struct task_schedule *ret)
{
    struct sched_param param;
    int policy = sched_getscheduler((pid_t)tid), nice;
    long io;

    if (policy < 0 || sched_getparam((pid_t)tid, &param) < 0)
        return -errno;
    errno = 0;
    nice = getpriority(PRIO_PROCESS, tid);
    if (nice == -1 && errno)
        return -errno;
    io = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
    if (io < 0)
        return -errno;
    *ret = (struct task_schedule){
        .set = SCHEDULE_OF_PROCESS,
        .nice = nice,
        .policy = POLICY_OF(policy),
        .priority = param.sched_priority,
        // Older kernels say a level of no class, which cannot be given back.
        .io = io >> IOPRIO_CLASS_SHIFT ? (int)io : 0,
    };
    return 0;
}

void task_wanted(const struct schedule *rule, struct task_schedule *ret)
{
    *ret = (struct task_schedule){
        .set = rule->set & SCHEDULE_OF_PROCESS,
        .nice = rule->nice,
        .policy = rule->policy,
        .priority = rule->priority,
        .io = rule->io_class << IOPRIO_CLASS_SHIFT | (rule->io_class == 3 ? 0 : IOPRIO_MIDDLE),
    };
}

static int apply_one(uint32_t tid, const struct task_schedule *w)
{
    struct task_schedule has = {};
    int r = task_read(tid, &has), changed = 0;

    if (r < 0)
        return r;
    if (w->set & SCHEDULE_CLASS && (has.policy != w->policy || has.priority != w->priority)) {
        const struct sched_param param = {.sched_priority = w->priority};

        if (sched_setscheduler((pid_t)tid, w->policy, &param) < 0)
            return -errno;
        changed = 1;
    }
    if (w->set & SCHEDULE_NICE && has.nice != w->nice) {
        if (setpriority(PRIO_PROCESS, tid, w->nice) < 0)
            return -errno;
        changed = 1;
    }
    if (w->set & SCHEDULE_IO_CLASS && has.io != w->io) {
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, w->io) < 0)
            return -errno;
        changed = 1;
    }
    return changed;
}

struct walk {
    const struct task_schedule *wanted;
    int changed, error;
};

static int each_thread(void *ctx, int dir _unused_, const struct dirent *entry)
{
    struct walk *w = ctx;
    int r = apply_one((uint32_t)strtoul(entry->d_name, NULL, 10), w->wanted);

    if (r > 0)
        w->changed++;
    else if (r < 0 && r != -ESRCH && !w->error)
        w->error = r;
    return 0;
}

int task_apply(uint32_t tgid, const struct task_schedule *wanted)
{
    bool changed = false;
    char path[64];

    if (!wanted->set)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%u/task", tgid);
    // A thread that came up meanwhile has what its creator had: until a round finds nothing to change.
    for (int round = 0; round < ROUNDS; round++) {
        struct walk w = {.wanted = wanted};
        int r = opendir_foreach(AT_FDCWD, path, each_thread, &w);

        if (r < 0)
            return r == -ENOENT ? -ESRCH : r;
        if (w.error)
            return w.error;
        if (!w.changed)
            break;
        changed = true;
    }
    return changed;
}
