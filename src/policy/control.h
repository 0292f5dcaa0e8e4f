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

// Is it a kind of the section `network`?
bool control_asks_with_ends(enum sg_control kind);

// A pattern of a kind that asks with ends, which stay the caller's. 0 or -ENOMEM.
int control_put_ends(struct loader *ld, const struct yaml_node *node, enum sg_control kind,
                     const struct policy_ends *ends, struct pattern_list *list);

// The states after what is asked for, of an image; 0: no rule is about it.
struct control_states {
    uint32_t state; // of an end: after its address
    uint32_t name;  // of an end with a name: after that
    uint32_t given; // and after its address, of the rules that name some addresses
};

// -EINVAL: `any`, or no kind.
int control_walk(const struct policy_image *image, const struct policy_control *control,
                 struct control_states *ret);

// Is it an end by its domain name?
bool control_is_named(const struct policy_control *control);

// Alternative `i` of the patterns that a pattern with `control` stands for, from the common start of all kinds; `named`: some rule of
// its kind is. 0; -ENOENT: there is none; -ENOMEM.
int control_glob(const struct policy_control *control, size_t i, bool named, struct glob *ret_glob);
