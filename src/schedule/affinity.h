// SPDX-License-Identifier: Apache-2.0
//
// The CPUs that threads may run on by their own will (sched_setaffinity(2)), kept over a move to another control group: kernels before
// 6.2 forget them when the controller for CPUs is on there. Called by group.c and by tests.
#pragma once

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

struct affinity {
    uint32_t tid;
    cpu_set_t cpus;
};

// A zeroed structure is an empty one.
struct affinities {
    struct affinity *items;
    size_t n, cap;
};
void affinities_done(struct affinities *a);

// Of all threads of a process. -ESRCH: it is gone; -ENOMEM.
int affinities_read(uint32_t tgid, struct affinities *ret);

// -ESRCH, or -EINVAL where the kernel knows more CPUs than are kept here.
int affinity_read(uint32_t tid, struct affinity *ret);

// Has the thread run where it ran before, as far as its control group allows that.
void affinity_put_back(const struct affinity *a);
void affinities_put_back(const struct affinities *a);
