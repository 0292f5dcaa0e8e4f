// SPDX-License-Identifier: Apache-2.0
//
// What procfs says processes have used: processor, memory, bytes to and from devices, threads. Called by src/agent for
// `safeguard top`; owns nothing but what it returns. Processes come and go while it reads: what is gone is left out.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/event.h"

#define PROCSTAT_MAX 8192u // processes of one reading

struct procstat {
    struct process_ref ref; // start floored to ticks
    uint64_t cpu_ns;        // user and system, of all its threads
    uint64_t rss_bytes;
    uint64_t read_bytes, written_bytes; // from and to devices; 0 where it may not be read
    uint32_t threads;
    char state; // as procfs has it: R, S, D, T, t, Z …
    uint8_t comm_len;
    char comm[16];
};

struct procstat_reading {
    struct procstat *items; // sorted by tgid
    size_t n, cap;
    uint64_t untold; // processes that there was no room for
};
void procstat_done(struct procstat_reading *r);

// All processes below `proc` (NULL: /proc). A negative errno of the directory, or -ENOMEM.
int procstat_read(const char *proc, struct procstat_reading *ret);

// For tests: the text of /proc/PID/stat into what it says. -EBADMSG: it is not of that form.
int procstat_parse(const char *text, struct procstat *ret);
