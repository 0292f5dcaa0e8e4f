// SPDX-License-Identifier: Apache-2.0
//
// How a process is to be scheduled, as a rule of a policy says it. What a rule leaves out stays as it is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Which of the values are said.
enum {
    SCHEDULE_WEIGHT = 1u << 0,
    SCHEDULE_QUOTA = 1u << 1,
    SCHEDULE_CPUS = 1u << 2,
    SCHEDULE_IO_WEIGHT = 1u << 3,
    SCHEDULE_NICE = 1u << 4,
    SCHEDULE_CLASS = 1u << 5,
    SCHEDULE_IO_CLASS = 1u << 6,
};
// Those of control groups, and those of processes.
#define SCHEDULE_OF_GROUP   (SCHEDULE_WEIGHT | SCHEDULE_QUOTA | SCHEDULE_CPUS | SCHEDULE_IO_WEIGHT)
#define SCHEDULE_OF_PROCESS (SCHEDULE_NICE | SCHEDULE_CLASS | SCHEDULE_IO_CLASS)

#define SCHEDULE_CPUS_MAX 256 // bytes of the list with its NUL

struct schedule {
    uint32_t set;                 // SCHEDULE_*
    uint32_t weight;              // 1 … 10000, 100 is usual (cpu.weight)
    uint32_t quota_permille;      // of one CPU (cpu.max)
    uint32_t io_weight;           // 1 … 10000, 100 is usual (io.weight)
    int nice;                     // -20 … 19
    int policy;                   // SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR
    int priority;                 // of FIFO and RR: 1 … 99
    int io_class;                 // 1 real-time, 2 best effort, 3 idle (ioprio_set(2))
    char cpus[SCHEDULE_CPUS_MAX]; // "0-3,8"; as cpuset.cpus takes it
};

// Numbers and ranges in ascending order, "0-3,8", all below `max`.
bool schedule_cpus_valid(const char *text, unsigned max);
