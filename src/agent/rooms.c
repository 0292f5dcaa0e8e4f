// SPDX-License-Identifier: Apache-2.0
//
// What the agent sets up of the other rooms, and its threads: in the order in which one needs the other, and with the
// name of what did not work.
#include <errno.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "process/host.h"

#define BUILDER_JOBS 8
#define SCANNER_JOBS 8
#define WATCHER_JOBS 2

// One part of the agent that could not be set up: which, and what to do where that is known.
static int part_error(struct error *err, const char *part, int r)
{
    if (r >= 0)
        return 0;
    (void)error_set(err, r, "%s cannot be set up: %m", part);
    if (r == -ENOMEM)
        error_cure(err, "%s", SENSOR_MEMORY_CURE);
    else if (r == -EAGAIN)
        // So says whoever has no room for a thread's stack, or may have no more threads.
        error_cure(err, "%s; or more tasks: TasksMax= of the service, 'ulimit -u'",
                   SENSOR_MEMORY_CURE);
    return r;
}

static int start_threads(struct agent *a, struct error *err)
{
    const struct sink_options sink = {
        .kind = (enum config_output)a->config.output,
        .path = a->config.output_path,
        .rotate_size = a->config.rotate_size,
        .rotate_keep = a->config.rotate_keep,
    };
    int r;

    r = part_error(err, "the output of records, with its thread,",
                   output_new(a->loop, &sink, &a->output));
    if (r < 0)
        return r;
    r = part_error(err, "the thread that builds policies",
                   worker_new(a->loop, "sg-builder", BUILDER_JOBS, false, &a->builder));
    if (r < 0)
        return r;
    r = part_error(err, "the thread that looks through file systems",
                   worker_new(a->loop, "sg-scanner", SCANNER_JOBS, true, &a->scanner));
    if (r < 0)
        return r;
    // Until it is done, what was open before a rule goes on: it waits for nothing, and gives way to nobody.
    return part_error(err, "the thread that looks through open descriptors",
                      worker_new(a->loop, "sg-watcher", WATCHER_JOBS, false, &a->watcher));
}

int rooms_start(struct agent *a, struct error *err)
{
    const struct process_options options = {.mask_secrets = a->config.mask_secrets};
    int r;

    r = part_error(err, "what there is to know of this host", host_read("", &a->host));
    if (r < 0)
        return r;
    r = event_new(&a->event);
    r = r < 0 ? r : process_table_new(&options, &a->processes);
    r = part_error(err, "the table of processes", r);
    if (r < 0)
        return r;
    r = part_error(err, "the form of records",
                   ocsf_new(&a->host, now_ns(CLOCK_BOOTTIME) / NS_PER_MS, 0, &a->ocsf));
    r = r < 0 ? r : part_error(err, "the thread that looks at programs", programs_start(a));
    return r < 0 ? r : start_threads(a, err);
}
