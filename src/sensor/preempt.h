// SPDX-License-Identifier: Apache-2.0
//
// When the kernel may take the processor away from a task that is inside the kernel. Decides whether
// fmod_ret programs can be trusted to refuse: they are skipped for a task that comes while another one
// was preempted inside the same program. Reads files only.
#pragma once

#include <stddef.h>

#include "sensor/sensor.h"

// `root` stands in front of every path, "" for the running system. `release` and `version` are those of
// uname(2). ret_source gets where the answer came from, for people.
enum sensor_preemption preemption_read(const char *root, const char *release, const char *version,
                                       char *ret_source, size_t size);

// The chosen word of /sys/kernel/debug/sched/preempt ("none (voluntary) full"), or of the kernel's command
// line ("… preempt=full").
enum sensor_preemption preemption_of_debugfs(const char *text);
enum sensor_preemption preemption_of_cmdline(const char *text);
