// SPDX-License-Identifier: Apache-2.0
//
// Which kernel serves a policy: this one, asked by its types, or one of which only the version is known.
#pragma once

#include "abi/policy.h"
#include "abi/shared.h"
#include "cli/render.h"
#include "policy/served.h"

struct served_kernel {
    char name[128]; // for people
    bool lsm;       // hooks are attached as such, not by fmod_ret
    bool records;   // … and nothing is refused: it preempts inside them
    char cure[256]; // of that
    bool sched_ext; // this one can have a scheduler of ours
    const char
        *io_weight; // who goes by it here (schedule/io.h); NULL: not known, it is another host's
    struct policy_kernel kernel;
    bool has[SG_HOOK_COUNT]; // of this one
};

// 0; -EOPNOTSUPP: this kernel has no hooks at all; other negative errno: its types cannot be read. `ret` stays where it is:
// its kernel points into it.
int served_this_kernel(struct served_kernel *ret);
// -EINVAL: no version.
int served_version(const char *version, struct served_kernel *ret);

// A line for each rule about programs and control, a bounded number of them. 0 or -ENOMEM.
int render_served(const struct policy *p, const struct served_kernel *k, struct strbuf *sb);
// "served": {…}, with all rules.
int render_served_json(const struct policy *p, const struct served_kernel *k, struct jw *jw);
