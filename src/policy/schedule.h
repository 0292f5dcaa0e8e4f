// SPDX-License-Identifier: Apache-2.0
//
// Rules that say how processes are scheduled, for the agent: which one is about a process, as the kernel side decides it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "policy/explain.h"
#include "policy/policy.h"

// Does the image have such rules?
bool policy_schedules(const struct policy_image *image);

// The rule for a process, by its index; -ENOENT: none is about it; -EINVAL as policy_explain(). Monitored rules are none.
int policy_schedule_of(const struct policy_image *image, const struct policy_facts *facts,
                       time_t when, uint16_t *ret_rule);

// As a policy says them; NULL: there is no such class.
const char *policy_schedule_class(int policy);   // SCHED_*
const char *policy_schedule_io_class(int class); // 1 …

// Are those whom the rule names control groups, by paths without patterns? Then these groups are what is scheduled.
bool policy_schedule_groups(const struct policy *p, const struct policy_rule *rule);
