// SPDX-License-Identifier: Apache-2.0
//
// What `safeguard run --policy NAME` brings about: the rules of one policy about system calls of what it launches, as a list
// that a filter (seccomp) can be made of, and the control group by which `launched: true` knows it. Asks the system nothing.
#pragma once

#include "base/strbuf.h"
#include "policy/policy.h"

// The control group, from the root of the hierarchy, that holds everything that was launched by a policy. Whoever may not
// write there cannot pretend to have been launched.
#define POLICY_LAUNCH_GROUP "/safeguard.run"
void policy_launch_group(const char *policy, struct strbuf *sb);

// A system call and what a rule says of it. "any" is the last, if there is one: all others.
struct policy_call {
    const char *name; // on loan from the policy, or static
    uint32_t rule;    // index into policy.rules
    uint8_t verdict;  // enum sg_verdict
    uint8_t error;    // errno of a denial
    bool monitor;
};

struct policy_calls {
    struct policy_call *items;
    size_t n;
};

// The first rule that names a call, or another form of it, decides it. `file`: of the policy. 0 or -ENOMEM; the caller frees with
// policy_calls_done().
int policy_calls(const struct policy *p, uint32_t file, struct policy_calls *ret_calls);
void policy_calls_done(struct policy_calls *calls);

// A call by which a command is started, and that the rules refuse: no filter with them could be put on anybody. NULL: none.
const char *policy_calls_missing(const struct policy_calls *calls);

// The file of a policy of this name. -ENOENT: none; -EEXIST: several.
int policy_find(const struct policy *p, const char *name, uint32_t *ret_file);

// Does a rule of this file that the kernel serves ask for what was launched, so that its control group must be there?
bool policy_needs_group(const struct policy *p, uint32_t file);
