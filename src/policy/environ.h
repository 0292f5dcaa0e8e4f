// SPDX-License-Identifier: Apache-2.0
//
// Conditions on the environment: `env: {NAME: value}`. Private to the room.
//
// A value is a pattern over the whole text behind the '=': `*` stands for any number of bytes, `?` for one, also for a
// slash; a backslash takes the meaning from the next byte. "*" alone: the variable is set, to whatever.
#pragma once

#include "policy/glob.h"
#include "policy/loader.h"

// The map behind `env`. *ret_envs has a place in the arena, with one entry a variable; 0 entries when it was bad.
int read_environ(struct loader *ld, const struct yaml_node *map, struct policy_env **ret_envs,
                 uint32_t *ret_n);

// "NAME=pattern" as items for the automaton. 0, -ENOMEM; the text was checked by read_environ().
int environ_glob(const char *text, size_t len, struct glob *ret_glob);

// Appends items for text of which the bytes from `value` on are a pattern such as the value of a variable is. 0, -ENOMEM.
int value_glob(const char *text, size_t len, size_t value, struct glob *ret_glob);
