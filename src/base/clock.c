// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

#include "base/macro.h"

uint64_t now_ns(clockid_t clock)
{
    struct timespec ts = {};

    (void)clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

int64_t boottime_to_realtime_offset_ns(void)
{
    uint64_t shortest = UINT64_MAX;
    int64_t offset = 0;

    // Of a few tries the one with the shortest time between the two outer readings is the one that
    // was least disturbed.
    for (int i = 0; i < 5; i++) {
        uint64_t before = now_ns(CLOCK_BOOTTIME);
        uint64_t real = now_ns(CLOCK_REALTIME);
        uint64_t after = now_ns(CLOCK_BOOTTIME);

        if (after - before < shortest) {
            shortest = after - before;
            offset = (int64_t)(real - (before + (after - before) / 2));
        }
    }
    return offset;
}

uint64_t boottime_to_realtime_ns(uint64_t boot_ns, int64_t offset_ns)
{
    uint64_t real;

    if (offset_ns >= 0)
        return __builtin_add_overflow(boot_ns, (uint64_t)offset_ns, &real) ? UINT64_MAX : real;
    return __builtin_sub_overflow(boot_ns, -(uint64_t)offset_ns, &real) ? 0 : real;
}

int format_rfc3339_ms(uint64_t realtime_ns, char *ret_buf, size_t size)
{
    time_t seconds = (time_t)(realtime_ns / NS_PER_SEC);
    unsigned ms = (unsigned)(realtime_ns % NS_PER_SEC / NS_PER_MS);
    struct tm tm;

    if (size < RFC3339_MS_SIZE)
        return -ENOSPC;
    if (!gmtime_r(&seconds, &tm))
        return -EOVERFLOW;
    (void)strftime(ret_buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ret_buf + RFC3339_MS_SIZE - 6, 6, ".%03uZ", ms);
    return 0;
}
