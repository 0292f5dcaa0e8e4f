// SPDX-License-Identifier: Apache-2.0
//
// How the threads of a process are scheduled: nice value, class, class of I/O. System calls and nothing else; called by book.c
// and by tests.
#pragma once

#include <stdint.h>

#include "model/schedule.h"

// What a thread has, or is to have; `set` says which of them.
struct task_schedule {
    uint32_t set; // SCHEDULE_NICE, SCHEDULE_CLASS, SCHEDULE_IO_CLASS
    int nice;
    int policy, priority;
    int io; // as ioprio_get(2)
};

// Of one thread. -ESRCH.
int task_read(uint32_t tid, struct task_schedule *ret);

// What a rule asks for of threads.
void task_wanted(const struct schedule *rule, struct task_schedule *ret);

// Gives it to all threads of a process, those that come up meanwhile too. 1: something was changed; 0: all had it; -ESRCH: the
// process is gone; another negative errno: of the first thread that could not be changed.
int task_apply(uint32_t tgid, const struct task_schedule *wanted);
