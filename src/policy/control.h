// SPDX-License-Identifier: Apache-2.0
//
// What rules say of the kinds of abi/control.def: words behind a key become words of the automaton. Private to the room.
#pragma once

#include "abi/policy.h"
#include "policy/compile.h"
#include "policy/glob.h"
#include "policy/loader.h"

// One more value of a rule: "any", a word of the kind, a name, a user or group. Mistakes are reported. 0 or -ENOMEM.
int read_control_value(struct loader *ld, enum sg_control kind, const struct yaml_node *node,
                       struct pattern_list *list);

// The state after what is asked for, of an image; 0: no rule is about it. -EINVAL: `any`, or no kind.
int control_walk(const struct policy_image *image, const struct policy_control *control,
                 uint32_t *ret_state);

// The items of a pattern with `control`, from the common start of all kinds. 0 or -ENOMEM.
int control_glob(const struct policy_control *control, struct glob *ret_glob);
