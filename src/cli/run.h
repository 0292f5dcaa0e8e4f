// SPDX-License-Identifier: Apache-2.0
//
// The parts of `safeguard run`: a filter of system calls, a control group, and who stops what a rule says is to be stopped.
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "policy/launch.h"

// The filter (seccomp) as the kernel takes it.
struct run_filter {
    struct sock_filter *code; // owned
    size_t n;
    bool notify; // some call is to stop its caller, for which somebody has to listen
};

// Of what the rules say, for all kinds of programs that this processor runs. 0; -EINVAL with err: no filter can say it.
int run_filter_build(const struct policy *policy, const struct policy_calls *calls,
                     struct run_filter *ret_filter, struct error *err);
void run_filter_done(struct run_filter *filter);

// Puts it on the caller, for good: no new privileges from then on. *ret_listener is -1 where nobody has to listen. Only
// system calls: for the child between fork and exec. 0, or the negative errno of seccomp(2).
int run_filter_load(const struct run_filter *filter, int *ret_listener);

// A control group for what is launched.
struct run_group {
    char path[4352]; // "": there is none
    int procs;       // its cgroup.procs, -1: none
    bool known;      // the one by which `launched: true` knows it; else one beneath our own
};

// Makes it. 0, also where nothing can be made (*why says it, for people; path is "" then); -ENOMEM.
int run_group_make(const char *policy, struct run_group *ret_group, struct error *why);
// The whole path in the hierarchy that is mounted at `root`: for tests.
int run_group_make_in(const char *root, const char *own, const char *policy,
                      struct run_group *ret_group, struct error *why);
// Removes it, unless something is left in it.
void run_group_done(struct run_group *group);

// What the listener of a filter has to do: stops processes.
struct run_stops;
int run_stops_new(int listener, const struct policy *policy, const struct policy_calls *calls,
                  struct run_stops **ret_stops);
int run_stops_fd(const struct run_stops *stops); // readable when there is a notification
// One notification, which is there. 0; -ENOENT: whoever asked is gone; other negative errno.
int run_stops_serve(struct run_stops *stops);
struct run_stops *run_stops_free(struct run_stops *stops);
DEFINE_CLEANUP(struct run_stops *, run_stops_free)
