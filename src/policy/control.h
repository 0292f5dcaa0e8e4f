// SPDX-License-Identifier: Apache-2.0
//
// What rules say of the kinds of abi/control.def: words behind a key become words of the automaton. Private to the room.
#pragma once

#include "abi/policy.h"
#include "policy/glob.h"
#include "policy/loader.h"

// The key of a kind: "ptrace".
const char *control_name(enum sg_control kind);
// What may stand behind it, for people.
const char *control_expected(enum sg_control kind);

// One more value of a rule: "any", a word of the kind, a name, a user or group. Mistakes are reported. 0 or -ENOMEM.
int read_control_value(struct loader *ld, enum sg_control kind, const struct yaml_node *node,
                       struct pattern_list *list);

// The items of a pattern with `control`, from the common start of all kinds. 0 or -ENOMEM.
int control_glob(const struct policy_control *control, struct glob *ret_glob);
