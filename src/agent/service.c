// SPDX-License-Identifier: Apache-2.0
//
// What the service manager is told: that the agent is ready, reads its policies again, needs time, or ends.
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"

#define PATIENCE_USEC ((uint64_t)900 * 1000 * 1000)

// The first policy may take as long as TimeoutStartSec= allows: a ping before it would begin the watch.
void agent_ready(struct agent *a)
{
    if (a->ready)
        return;
    a->ready = true;
    if (loop_set_watchdog(a->loop, true) < 0)
        log_warning("the service manager's watchdog cannot be answered");
    (void)sd_notify(0, "READY=1");
    log_info("ready after %llu ms",
             (unsigned long long)((now_ns(CLOCK_REALTIME) - a->started_ns) / NS_PER_MS));
}

void agent_patience(const struct agent *a, bool on)
{
    uint64_t usec = 0;

    if (!a->ready || sd_watchdog_enabled(0, &usec) <= 0)
        return;
    (void)sd_notifyf(0, "WATCHDOG_USEC=%llu\nWATCHDOG=1",
                     (unsigned long long)(on ? MAX(usec, PATIENCE_USEC) : usec));
}

void agent_stop(struct agent *a, bool detach)
{
    if (a->stopping)
        return;
    a->stopping = true;
    defence_ending(a);
    a->detach = detach;
    (void)sd_notify(0, "STOPPING=1");
    (void)loop_exit(a->loop, 0);
}

void agent_reloading(const struct agent *a, bool on)
{
    if (a->ready)
        (void)sd_notify(0, on ? "RELOADING=1" : "READY=1");
}
