// SPDX-License-Identifier: Apache-2.0
//
// The key `schedule` of rules about processes. Private to the room.
#pragma once

#include "policy/loader.h"
#include "policy/schedule.h"

int read_schedule(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                  void *ctx);
void check_schedule(struct loader *ld, const struct yaml_node *node, const struct rule_draft *d);
