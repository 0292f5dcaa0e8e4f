// SPDX-License-Identifier: Apache-2.0
//
// The agent's own rules, in front of everybody's: what its self-test has to see refused and, only where a policy would
// lock safeguard's own programs out, what they need to start. A running agent is exempt by another way (sensor_claim());
// one that starts has to read its libraries before it can say who it is, and so has the `safeguard` that is to stop it.
// Called by build.c in a worker; looks at /proc/self and touches nothing.
#pragma once

#include <stdbool.h>

#include "agent/guarded.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "policy/compile.h"

// What safeguard's programs are made of. Only names that a path pattern can hold as they are.
struct own_files {
    char **programs; // agent and command line
    char *
        *executed; // these and the program that loads them, which whoever starts them executes, too
    char **files;  // libraries of the agent and of the command line, settings
};

int own_files_find(const char *config_path, struct own_files *ret);
void own_files_done(struct own_files *f);

// Can a program of root's that is one of ours not start under this image?
bool own_locked_out(const struct own_files *f, const struct policy_image *image);

// The policy as a YAML text. `guarded` NULL: without the rules of the defence, which are GUARDED_KINDS behind those of the self-test.
// `files` NULL: without what is needed to start. `controls`: the kinds of abi/control.def that the host's own rules speak of; the
// self-test has to see its hooks refuse something.
int own_policy(const char *run_dir, const struct guarded *guarded, const struct own_files *files,
               uint64_t controls, struct strbuf *sb, struct error *err);
