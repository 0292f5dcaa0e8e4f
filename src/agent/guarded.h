// SPDX-License-Identifier: Apache-2.0
//
// Which files, cgroups and entries of procfs are safeguard's own, as patterns for the built-in rules of its defence (own.c). What has
// a name is defended by its name: as any other rule, these hold for hard links, bind mounts and renamed parents as well.
// Called by build.c in a worker; looks at the host and touches nothing.
#pragma once

#include "base/strutil.h"

// One rule for each kind, so that a record says which it was.
enum guarded_kind {
    GUARDED_FILES, // settings, policies, state, spool, keys, sockets, records, pins
    GUARDED_MODES, // mode, flags, owner and attributes of what these lie in, and of who may move processes above the agent's cgroup
    GUARDED_PROGRAMS, // programs, units and what changes them, libraries that all programs are told to load
    GUARDED_CGROUPS, // the agent's cgroup, and what stops, ends or starves those that it lies in
    GUARDED_KERNEL, // switches of the kernel that take the programs off or end the agent, and the agent's entries in procfs
    GUARDED_KINDS,
};

struct guarded {
    char **patterns[GUARDED_KINDS];
};

struct guarded_places {
    const char *config_path, *policy_dir, *state_dir, *spool_dir, *run_dir, *pin_dir;
    const char *output_path; // NULL: records go elsewhere
};

// -ENOMEM. What has a name that a pattern cannot hold is left out.
int guarded_find(const struct guarded_places *places, char *const *programs, struct guarded *ret);
void guarded_done(struct guarded *g);
