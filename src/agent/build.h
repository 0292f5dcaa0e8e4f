// SPDX-License-Identifier: Apache-2.0
//
// From a directory of policies, and those of a server, to something that can be put in force: the files are read, checked,
// joined with the agent's own rule for the self-test, and compiled. Takes as long as it takes, so it is
// run in a worker; touches nothing but files. Called by policies.c.
//
// The texts of a policy that was put in force are kept in the state directory. An agent that starts
// and finds its policies broken goes on with those, instead of with nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/guarded.h"
#include "base/error.h"
#include "model/bundle.h"
#include "model/event.h"
#include "policy/compile.h"
#include "policy/mounts.h"
#include "policy/policy.h"

// What people see as the file of the agent's own rule.
#define BUILD_OWN_FILE "(built in)"

// How many of its rules hold for the agent itself, which is exempt from all others: the self-test's.
#define BUILD_KEPT_RULES  3
// And how many behind these are of the defence, where that is on.
#define BUILD_GUARD_RULES GUARDED_KINDS
// What records of refusals of the defence have for a rule: of its built-in rules about files, and of its programs.
#define BUILD_GUARD_NAME  "safeguard's own defence"

// A policy, compiled. Counted: late records and running scans still look at the one before. The count is
// the loop's alone.
struct loaded {
    unsigned refs;
    struct policy *policy;      // NULL after loaded_keep_names()
    struct policy_image *image; // the same, and with only_names
    struct rule_ref *rules;     // by the number in records
    size_t n_rules;
    size_t n_own; // the first ones are the agent's own
    char *names;  // all texts of `rules`
    uint32_t ops; // of the rules that are not the agent's own and not allow: hooks that are needed
    uint32_t id;  // in records; given by the sensor
    uint64_t mounts; // digest of the mount table that its roots are for
    bool only_names; // wanted by who has the last reference
    bool named;      // some rule has a domain name: names from the wire are needed
    bool isolated;   // its first rules behind the agent's own are those of an isolation
    bool accepted;   // made of what the state directory had, not of the policy directory
    char bundle[BUNDLE_ID_TEXT]; // the server's policies that are part of it; "": none
    bool *kept_back;   // by the number of the file: it never blocks, because the server says so
    uint64_t built_ns; // CLOCK_REALTIME
};

struct loaded *loaded_ref(struct loaded *l);
struct loaded *loaded_unref(struct loaded *l);
DEFINE_CLEANUP(struct loaded *, loaded_unref)

// What a policy is worth to its holder that is not in force any more: its rules' names, for late records. The rest,
// megabytes for thousands of rules, is given back as soon as nobody else has a reference. loaded_drop_names() gives back
// such a reference.
void loaded_keep_names(struct loaded *l);
struct loaded *loaded_drop_names(struct loaded *l);

struct build_options {
    const char *dir; // NULL: only the agent's own rule
    // The server's policies (bundle.h), read together with those of dir, in the order of names; NULL: none. server_shown
    // is what people see as their directory.
    const char *server_dir, *server_shown;
    char server_id[BUNDLE_ID_TEXT]; // which they have to be; "": whatever they are
    const char
        *accepted;   // file with the texts that were accepted last; not NULL: these instead of dir
    bool only_names; // no image: to name the rules of a policy that an earlier agent put in force
    // With only_names: the number that policy has, and of which start of the host; what was kept must be the same policy.
    uint32_t policy_id;
    const char *boot_id;
    const char *isolation; // its rules, in front of all others; NULL: none
    const char *run_dir;
    const char *config_path;               // the agent's settings; NULL: none
    bool monitor;                          // nothing is enforced but the agent's own rule
    const struct guarded_places *defended; // safeguard defends itself and these; NULL: it does not
    const struct policy_mounts *mounts;
    uint64_t mounts_digest;
};

// 0 also with warnings. -EINVAL: diags has errors; -ESTALE: what was kept is of another policy; other negative errno with err.
int build_policy(const struct build_options *options, struct policy_diags *diags,
                 struct loaded **ret_loaded, struct error *err);

// Keeps the texts of a policy that is in force, with its number. -EFBIG: more than is kept.
#define BUILD_ACCEPTED_MAX ((size_t)64 << 20)
int build_keep(const struct loaded *l, const char *boot_id, const char *path);
