// SPDX-License-Identifier: Apache-2.0
//
// Which mechanism serves a rule on a kernel: hooks of the Linux security module interface (abi/hooks.def), or a filter of
// system calls that `safeguard run` puts on what it launches. For `safeguard policy check`, which refuses a rule that nothing
// serves. Asks the system nothing: which hooks a kernel has is said by the caller, or by its version.
#pragma once

#include "policy/diag.h"
#include "policy/policy.h"

#define SERVED_HOOKS_MAX 64
#define SERVED_FIXED_MAX 8

struct policy_kernel {
    uint32_t version;                              // major << 16 | minor; 0: has_hook is asked
    bool (*has_hook)(void *ctx, const char *hook); // NULL: by the version
    void *ctx;
};

// Does this kernel have the hook (a name of abi/hooks.def), and does the hook see there what rules ask it for?
bool policy_kernel_has(const struct policy_kernel *kernel, const char *hook);

enum policy_mechanism {
    POLICY_SERVED_BY_HOOKS,
    POLICY_SERVED_BY_TRACEPOINT,
    POLICY_SERVED_BY_FILTER,
    POLICY_SERVED_BY_NOTHING,
};
const char *policy_mechanism_name(
    enum policy_mechanism m); // "hooks", "tracepoint", "seccomp", "nothing"

// All names are static.
struct policy_served {
    enum policy_mechanism by;
    const char *hooks[SERVED_HOOKS_MAX]; // that there are, and that see something of it
    size_t n_hooks;
    const char *absent[SERVED_HOOKS_MAX]; // that would, too, and are not there
    size_t n_absent;
    const char *tracepoints[SERVED_HOOKS_MAX]; // that see what is not refused
    size_t n_tracepoints;
    const char *setters[SERVED_HOOKS_MAX]; // what carries the values of a rule that schedules
    size_t n_setters;
    const char *unseen[SERVED_HOOKS_MAX]; // parts of it that nothing sees on this kernel
    size_t n_unseen;
    uint32_t lost; // operations that nothing sees on this kernel (SG_OP_*)
    const struct policy_pattern *lost_control; // likewise of abi/control.def, the first; the rule's
    struct policy_fixed {
        const char *calls; // with blanks between
        int error;
    } fixed[SERVED_FIXED_MAX]; // calls that give another errno than the rule says
    size_t n_fixed;
    const struct policy_pattern
        *refused;        // the rule's, of which nothing gives the errno that it says
    int refused_error;   // but this one
    const char *missing; // a hook that would see what is lost; NULL: there is none
    uint32_t needs;      // the oldest kernel that has one; 0: not known
    struct policy_names
        wider; // what it decides besides the system calls that it names; on loan, items are static
};

// How a rule is served. 0 or -ENOMEM; the caller calls policy_served_done().
int policy_served(const struct policy_rule *rule, const struct policy_kernel *kernel,
                  struct policy_served *ret);
void policy_served_done(struct policy_served *s);

// An error for each rule of which something is not served, or that asks for an errno which its calls cannot give, with the reason
// and what to do. 0 or -ENOMEM.
int policy_check_served(const struct policy *p, const struct policy_kernel *kernel,
                        struct policy_diags *diags);
