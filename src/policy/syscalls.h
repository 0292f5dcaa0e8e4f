// SPDX-License-Identifier: Apache-2.0
//
// `syscall` in rules: names of system calls, and what serves them: the kinds of abi/control.def where a security hook sees
// them, a filter (seccomp) for what `safeguard run` starts. Private to the room.
#pragma once

#include "abi/policy.h"
#include "policy/loader.h"

// A row of syscalls.def.
struct syscall_row {
    const char *name;
    enum sg_control kind;
    const char *words, *wider; // of the kind, with blanks between
};

// NULL: no hook sees this call.
const struct syscall_row *syscall_row(const char *name);

// All forms of this call (syscall_forms.def), up to NULL; NULL: it has this one alone.
const char *const *syscall_forms(const char *name);

// One more value of `syscall`: a name, or "any". Adds the pattern of its kind where there is one. 0 or -ENOMEM.
int read_syscall(struct loader *ld, const struct yaml_node *node, void *ctx);

// Whom the rule is about decides how it is served; mistakes are reported. Called once the rule was read.
void check_syscalls(struct loader *ld, const struct yaml_node *node, struct rule_draft *d);
