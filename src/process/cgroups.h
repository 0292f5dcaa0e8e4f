// SPDX-License-Identifier: Apache-2.0
//
// Control groups by number and by path, and the container that a path stands for. Private to
// src/process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/event.h"

#define CGROUPS_MAX 4096 // remembered; beyond that those that no process is in are forgotten

struct cgroup {
    uint32_t refs;
    uint64_t id;               // inode in cgroup2; 0: unknown
    struct bytes path;         // all of the texts below lie in `text`, or are literals
    struct bytes container_id; // empty: no container
    struct bytes runtime;
    struct bytes pod_uid;
    char text[];
};

struct cgroups;

// `root` is where cgroup2 is mounted; NULL: /sys/fs/cgroup, or /sys/fs/cgroup/unified on hosts with
// both versions. A root that is not there is no error: paths then come from procfs alone. -ENOMEM.
int cgroups_new(const char *root, struct cgroups **ret_cgroups);
struct cgroups *cgroups_free(struct cgroups *c);
DEFINE_CLEANUP(struct cgroups *, cgroups_free)

// A reference to the cgroup with this path, as /proc/PID/cgroup has it. Its id is looked up when it
// is seen for the first time. -EINVAL: not an absolute path.
int cgroups_by_path(struct cgroups *c, struct bytes path, struct cgroup **ret_cgroup);

// A reference to the cgroup with this number: one that is known, or asked from the kernel by its
// handle, which needs CAP_DAC_READ_SEARCH. -ENOENT: unknown or removed.
int cgroups_by_id(struct cgroups *c, uint64_t id, struct cgroup **ret_cgroup);

struct cgroup *cgroup_ref(struct cgroup *cgroup);
struct cgroup *cgroup_unref(struct cgroup *cgroup); // NULL is fine; returns NULL

// Fills container_id, runtime and pod_uid, as parts of `path` where they can be; `pod` is room for
// a pod's uid of 36 bytes. For tests and the above.
#define POD_UID_LEN 36
void cgroup_classify(struct bytes path, char pod[POD_UID_LEN], struct bytes *ret_id,
                     struct bytes *ret_runtime, struct bytes *ret_pod);
