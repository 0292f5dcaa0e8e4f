// SPDX-License-Identifier: Apache-2.0
//
// Rules that schedule. A process that begins a program which a rule speaks of was stopped by the kernel side; here it gets what the
// rule says, and goes on. What ran before its rule came is found by looking at all processes, at once when a policy comes and then
// a few each second; what somebody changed back is changed again by that. What was done is undone when its rule goes.
//
//   schedule.c        the order of things      schedule_rules.c  which rules there are, and how they are called
//   schedule_watch.c  a process that continues what is stopped when this one cannot any more
//   schedule_ext.c    the scheduler for sched_ext, where settings and kernel have it serve them
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/uplink.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "policy/schedule.h"
#include "schedule/book.h"
#include "schedule/ext.h"
#include "sensor/stops.h"

struct agent;
struct loaded;

struct schedule_rule {
    uint16_t rule; // its number in records
    bool groups;   // it is about control groups that it names
    char name[BOOK_NAME];
    const struct policy_rule *policy_rule; // of the policy in force
};

struct schedule_ext {
    struct ext *ext;      // NULL: the default scheduler is in charge
    bool ended, given_up; // the kernel took it out of charge; it is not tried again
    uint64_t retry_ns;    // CLOCK_MONOTONIC: not before
    uint64_t restarts;    // that the kernel asked for
    struct error error;   // why it is not in charge
};

struct scheduling {
    struct stops stops;
    struct book *book; // NULL: no rule ever asked for one
    struct loop_source *source;
    struct schedule_rule *rules;
    size_t n_rules;
    struct {
        pid_t pid; // 0: it does not run
        int pipe;  // it ends when this is closed; -1
    } watch;
    uint32_t *pids; // that are still to be looked at
    size_t n_pids, cap_pids;
    size_t each;       // of them in one tick
    uint64_t round_ns; // CLOCK_MONOTONIC: when the look at all began
    uint64_t used_ns;  // of a CPU, by this one so far
    // That the last one took, from its begin to its end, and of a CPU.
    uint64_t look_ns, look_cpu_ns;
    const char *io_served; // io_weight_served(); NULL: no rule asks for it
    bool unified;          // procfs says of processes in which group of version 2 they are
    uint64_t stopped, applied, failed;
    struct error error; // of the last failure
    bool told;          // … was logged
    struct schedule_ext ext;
};

void schedule_start(struct agent *a);
void schedule_policy_changed(struct agent *a);
void schedule_tick(struct agent *a);
// detach: all of it is undone.
void schedule_stop(struct agent *a, bool detach);
void schedule_json(const struct agent *a, struct jw *jw);
// What needs attention, as uplink_problems().
void schedule_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);

// schedule_rules.c: those of a policy that are enforced. The caller frees the array. -ENOMEM.
int schedule_rules_of(const struct policy *p, struct schedule_rule **ret_rules, size_t *ret_n);
// An array: where each is written, what it sets and whom it serves; at most SCHEDULE_RULES_SHOWN.
#define SCHEDULE_RULES_SHOWN 50
void schedule_rules_json(const struct agent *a, struct jw *jw);

// schedule_watch.c: keeps `stops` from holding anybody for longer than SCHEDULE_STOPPED_MAX_NS.
#define SCHEDULE_STOPPED_MAX_NS 3000000000ull
int schedule_watch_start(struct scheduling *s);
void schedule_watch_end(struct scheduling *s);

// schedule_ext.c: puts the scheduler in charge, or out of it, as settings, rules and the kernel want it.
void schedule_ext_judge(struct agent *a);
void schedule_ext_stop(struct agent *a);
void schedule_ext_json(const struct agent *a, struct jw *jw);
