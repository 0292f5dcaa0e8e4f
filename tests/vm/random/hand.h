// SPDX-License-Identifier: Apache-2.0
//
// What sg-random says to its hands and what they answer: one packet each. A hand is a process of a certain
// program, user, cgroup ... that makes one access when it is told to.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HAND_PATH 512
#define HAND_FD   100 // where a hand finds its socket

// The accesses: id and number of paths. What each asks the policy for is in steps.def.
enum act {
#define ACT(id) ACT_##id,
#include "acts.def"
    ACT_SETEUID, // not an access: effective user `flags`
    ACT_COUNT,
};

struct hand_order {
    uint32_t act;
    uint32_t flags;
    bool fresh; // by a process that is forked for it
    char path[HAND_PATH], path2[HAND_PATH];
};

struct hand_answer {
    int32_t error; // errno; 0: it was done
    int32_t step;  // which of its system calls ended it, from 0
    bool killed;
};
