/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the kernel side adds up about scheduling (bpf/sched.bpf.c), and how the agent reads it (src/analysis).
 *
 * Times are nanoseconds, sums since the process was first seen. Included by both sides, includes nothing of ours.
 */
#ifndef SG_ABI_SCHED_H
#define SG_ABI_SCHED_H

#include <linux/types.h>

/*
 * Why a task is off the CPU. The first one waits for a CPU all the time; the others wait for something, and for a CPU from when
 * they were woken: that part is run-queue delay and in none of the sums by reason. Who gives way by sched_yield(2) cannot be told
 * from who has to (task_struct.nivcsw counts both, too).
 */
enum sg_sched_reason {
    SG_SCHED_PREEMPTED = 0, /* somebody else was to run */
    SG_SCHED_SLEEP = 1,     /* interruptible: timers, pipes, sockets, futexes */
    SG_SCHED_IO = 2,        /* a device (iowait) */
    SG_SCHED_LOCK = 3,      /* uninterruptible, not for a device: locks of the kernel, NFS … */
    SG_SCHED_STOPPED = 4,   /* stopped by a signal, or by whoever traces it */
    SG_SCHED_OTHER = 5,     /* parked, frozen, idle kernel threads */
};
#define SG_SCHED_REASONS 6

/* Of a task that was on a CPU when it was seen first, and has not left it since. */
#define SG_SCHED_UNKNOWN 6u

/*
 * Run-queue delay by powers of two: slot 0 below 1024 ns, slot i from 1024 << (i - 1) to below 1024 << i, the last one everything
 * from there on.
 */
#define SG_SCHED_SLOTS     28
#define SG_SCHED_SLOT_BASE 1024ull

/* A process: thread group and start of its first thread (task_struct.start_boottime), as in records. */
struct sg_sched_key {
    __u64 start_ns;
    __u32 tgid;
    __u32 reserved;
};

/* Of a task or of a process. */
struct sg_sched_sums {
    __u64 on_ns;
    __u64 off_ns[SG_SCHED_REASONS];
    __u64 delay_ns;    /* waited for a CPU, the first reason among it */
    __u64 switches;    /* how often it left a CPU */
    __u64 involuntary; /* … because it was preempted */
    __u32 delays[SG_SCHED_SLOTS];
};

/* What tasks of a process leave when they end. */
struct sg_sched_process {
    struct sg_sched_sums sums;
    __u64 ended; /* 1: its last task is gone */
};

/* Of one CPU. */
struct sg_sched_host {
    __u64 switches;
    __u64 delay_ns;
    __u64 delays[SG_SCHED_SLOTS];
    __u64
        created; /* entries of processes that were made; what is not there any more was put out for others */
    __u64 full;    /* tasks that found no room for what they left */
    __u64 unknown; /* switches of tasks that nothing could be kept of */
};

/* One task, from the iterator: its sums, with what it is in the middle of. */
struct sg_sched_told {
    struct sg_sched_key process;
    struct sg_sched_sums sums;
};

/*
 * A process that was stopped right after its exec, so that it is scheduled as its rule says before its first instruction. Whoever
 * finds a slot with `stopped` set applies the rule, continues the process and gives the slot back by setting `claims` to 0, last.
 * The kernel side takes none that is claimed; one that is seen claimed and not stopped for SG_STOP_LATE_NS was left by somebody who
 * died on the way.
 */
struct sg_stopped {
    __u64 claims;
    __u64 start_ns; /* of the process */
    __u64 time_ns;  /* CLOCK_BOOTTIME */
    __u64 cgroup_id;
    __u32 tgid;
    __u32 policy_id;
    __u32 rule;
    __u32 stopped; /* 1: the signal was sent */
};
#define SG_STOPS_MAX    256u /* at the same time; a power of two */
#define SG_STOP_TRIES   8
#define SG_STOP_LATE_NS 2000000000ull

struct sg_stops {
    struct sg_stopped slots[SG_STOPS_MAX];
    __u64 full; /* execs that found no slot: they were not stopped, the next look schedules them */
    __u64 failed;  /* … that could not be stopped */
    __u64 unknown; /* … of which it could not be found out whether a rule speaks of them */
    __u64 late;    /* continued by somebody who knew of no rule for them; counted in user space */
    __u64 told;    /* of `late`: an agent has said so */
};

/* Control groups whose own files say all that a rule asks for: nobody who begins there has to be stopped. */
struct sg_settled_key {
    __u64 cgroup_id;
    __u32 policy_id;
    __u32 rule;
};

_Static_assert(sizeof(struct sg_stopped) == 48, "sg_stopped");
_Static_assert(sizeof(struct sg_settled_key) == 16, "sg_settled_key");
_Static_assert(sizeof(struct sg_sched_key) == 16, "sg_sched_key");
_Static_assert(sizeof(struct sg_sched_sums) == 192, "sg_sched_sums");
_Static_assert(sizeof(struct sg_sched_told) == 208, "sg_sched_told");

#endif
