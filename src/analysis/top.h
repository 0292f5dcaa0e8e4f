// SPDX-License-Identifier: Apache-2.0
//
// What processes did between two looks: rates, shares of a processor, percentiles, the first of a list. Pure arithmetic on
// readings (sched.h, procstat.h), called by src/agent for `safeguard top`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/procstat.h"
#include "analysis/sched.h"

// One look at the host. What it holds is its own.
struct top_sample {
    uint64_t number;  // never 0
    uint64_t time_ns; // CLOCK_BOOTTIME
    struct procstat_reading processes;
    bool has_sched;
    struct sched_reading sched;
};
void top_sample_done(struct top_sample *s);

// TOP_SORT(id, word): by what rows are sorted, the greatest first.
enum top_sort {
#define TOP_SORT(id, word) TOP_SORT_##id,
#include "analysis/top.def"
    TOP_SORT_COUNT,
};
int top_sort_find(const char *word, enum top_sort *ret); // -EINVAL

// Percentiles are bounds: the delay was below, and at least half of it.
struct top_delay {
    uint64_t count; // waits that ended
    uint64_t mean_ns, p95_ns, max_ns;
};

struct top_sched {
    uint64_t switches, involuntary;          // a second
    uint32_t on_permille;                    // of one CPU
    uint32_t off_permille[SG_SCHED_REASONS]; // of the time, added over its threads
    uint32_t wait_permille;                  // for a CPU
    struct top_delay delay;
};

struct top_row {
    struct process_ref ref;             // start as exact as it is known
    const struct procstat *process;     // NULL: it has ended; on loan from the later sample
    uint32_t cpu_permille;              // of one CPU
    uint64_t read_bytes, written_bytes; // a second
    bool has_sched;
    struct top_sched sched;
};

struct top_rows {
    struct top_row *items;
    size_t n, cap; // the first of the list
    size_t all;    // of how many
    uint64_t
        time_ns; // between the two looks; since the start of each process where there is no earlier one
    uint64_t switches; // of the host, a second
    struct top_delay delay;
    uint32_t delays[SG_SCHED_SLOTS]; // of the host
};
void top_rows_done(struct top_rows *r);

// What happened from `before` (NULL: from the start of each process) to `now`; at most `max` rows. -ENOMEM.
int top_compare(const struct top_sample *before, const struct top_sample *now, enum top_sort sort,
                size_t max, struct top_rows *ret);

// Mean, 95th percentile and maximum of a histogram whose delays are delay_ns in all.
void top_delay_of(const uint64_t delays[SG_SCHED_SLOTS], uint64_t delay_ns, struct top_delay *ret);
