// SPDX-License-Identifier: Apache-2.0
//
// Time: clocks in nanoseconds, and the step from the kernel's boot-time stamps to calendar time.
// Nanoseconds since 1970 fit 64 bits until 2554.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US  UINT64_C(1000)
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)

// CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME. Cannot fail for these.
uint64_t now_ns(clockid_t clock);

// CLOCK_REALTIME minus CLOCK_BOOTTIME, in nanoseconds, read so that being preempted between the two
// clocks does not shift it by more than a few microseconds. Changes when someone sets the clock:
// read it again every minute or so.
int64_t boottime_to_realtime_offset_ns(void);

// boot_ns (bpf_ktime_get_boot_ns) as nanoseconds since 1970; never wraps, 0 at the least.
uint64_t boottime_to_realtime_ns(uint64_t boot_ns, int64_t offset_ns);

// "2026-01-31T23:59:59.123Z" and a NUL.
#define RFC3339_MS_SIZE 25

// UTC, milliseconds cut off, years up to 2554. `size` at least RFC3339_MS_SIZE: 0, else -ENOSPC.
int format_rfc3339_ms(uint64_t realtime_ns, char *ret_buf, size_t size);
