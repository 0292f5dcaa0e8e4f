// SPDX-License-Identifier: Apache-2.0
//
// Descriptors that are open and lead to files that some rule is about. Opening them was decided when it
// happened; when a rule came later, they are the way past it. Reads procfs only; runs in a worker.
// Whether the rule is about that process is for descriptors.c to say.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/objects.h"
#include "policy/compile.h"
#include "policy/mounts.h"

#define OPENED_MAX      4096u
#define OPENED_GIDS_MAX 64u

// An object that got a name at which somebody is denied it, after descriptors of it were opened by another.
struct opened_entered {
    uint32_t dev;
    uint64_t ino;
    char *path; // as the host sees it
};

struct opened_file {
    size_t task; // index into tasks
    int32_t fd;
    uint32_t ops; // SG_OP_READ, SG_OP_WRITE: what it was opened for
    bool host;    // `path` is as the host sees it; else from the root of `dev`
    uint32_t dev;
    char *path;
    char *shown; // as procfs shows it
};

struct opened_task {
    uint32_t pid;
    uint64_t start_ns; // since boot, floored to ticks
    uint64_t caps;     // those of the host
    uint32_t euid;     // ID_NONE: not known
    bool container;
    char *exe; // as the thread shows it; NULL: not known
    char *env; // each variable followed by NUL; NULL: not known, or no rule asks
    size_t env_len;
    uint32_t gids[OPENED_GIDS_MAX];
    size_t n_gids;
    char comm[17];
};

struct opened {
    struct opened_task *tasks;
    size_t n_tasks, cap_tasks;
    struct opened_file *files;
    size_t n_files, cap_files;
    uint64_t looked_at;
    bool cut; // there are more
};

// What procfs says of one process: `pid_dir` is its directory, `task_dir` that of the thread whose properties count. Its
// environment, its capabilities and whether it is in a container only where the image asks for that. -ESRCH.
int opened_task_read(int pid_dir, int task_dir, uint32_t pid, const struct policy_image *image,
                     struct opened_task *ret);
void opened_task_done(struct opened_task *t);

// What is looked for, all on loan.
struct opened_search {
    const struct policy_image *image;
    const struct policy_mounts *mounts; // the host's table
    // Objects that are looked for by their numbers, since a further name of theirs counts.
    const struct opened_entered *entered;
    size_t n_entered;
    struct object_names linked;
    bool (*stop)(void *ctx); // NULL: never
    void *ctx;
};

// Looks at all processes below `proc` ("/proc") but this one, once at each table of descriptors: threads may have their
// own, and the first thread may have ended. A descriptor is found once for each name that a rule is about. Fills *o,
// also on failure. -ENOMEM, the error of reading `proc`, or -ECANCELED when stop() says so.
int opened_find(const char *proc, const struct opened_search *search, struct opened *o);
void opened_done(struct opened *o);
