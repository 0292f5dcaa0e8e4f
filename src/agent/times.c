// SPDX-License-Identifier: Apache-2.0
//
// Time windows: subjects that are only subjects at certain times of local time. Looked at once a second,
// since clocks are set and time zones change; told to the kernel when it matters.
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"

void times_apply(struct agent *a, const struct policy_image *image)
{
    uint64_t on[SG_SUBJECT_WORDS];
    time_t now = time(NULL);
    int r;

    policy_time_subjects(image, now, on, &a->times.next);
    a->times.last = now;
    r = sensor_set_switches(a->sensor, on);
    if (r < 0)
        (void)log_error_code(r, "the kernel could not be told which time windows are open: %m");
}

void times_tick(struct agent *a)
{
    time_t now = time(NULL);
    bool set_back = now < a->times.last;

    a->times.last = now;
    if (a->policies.now && a->times.next && (now >= a->times.next || set_back))
        times_apply(a, a->policies.now->image);
}
