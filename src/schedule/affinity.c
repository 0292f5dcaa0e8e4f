// SPDX-License-Identifier: Apache-2.0
#include "schedule/affinity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fd.h"

void affinities_done(struct affinities *a)
{
    free(a->items);
    *a = (struct affinities){};
}

int affinity_read(uint32_t tid, struct affinity *ret)
{
    struct affinity a = {.tid = tid};

    if (sched_getaffinity((pid_t)tid, sizeof(a.cpus), &a.cpus) < 0)
        return -errno;
    *ret = a;
    return 0;
}

static int each_thread(void *ctx, int dir _unused_, const struct dirent *entry)
{
    struct affinities *list = ctx;
    struct affinity one;

    // One that ended meanwhile needs none.
    if (affinity_read((uint32_t)strtoul(entry->d_name, NULL, 10), &one) < 0)
        return 0;
    if (!GREEDY(list->items, list->cap, list->n + 1))
        return -ENOMEM;
    list->items[list->n++] = one;
    return 0;
}

int affinities_read(uint32_t tgid, struct affinities *ret)
{
    struct affinities list = {};
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%u/task", tgid);
    r = opendir_foreach(AT_FDCWD, path, each_thread, &list);
    if (r < 0) {
        affinities_done(&list);
        return r == -ENOENT ? -ESRCH : r;
    }
    *ret = list;
    return 0;
}

void affinity_put_back(const struct affinity *a)
{
    struct affinity now;

    // What it does not have any more it was not asked for: its group forbids the rest.
    if (affinity_read(a->tid, &now) == 0 && !CPU_EQUAL(&now.cpus, &a->cpus))
        (void)sched_setaffinity((pid_t)a->tid, sizeof(a->cpus), &a->cpus);
}

void affinities_put_back(const struct affinities *a)
{
    for (size_t i = 0; i < a->n; i++)
        affinity_put_back(&a->items[i]);
}
