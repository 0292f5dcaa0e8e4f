// SPDX-License-Identifier: Apache-2.0
//
// What `policy check` and `policy explain` share, and what tests look at.
#pragma once

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/served.h"
#include "policy/compile.h"
#include "policy/policy.h"

#define POLICIES_DIR "/etc/safeguard/policies"

// One directory, or files; none: POLICIES_DIR. -EINVAL with diags; other negative errno with err.
int policies_load(char *const *paths, int n_paths, struct policy_diags *diags,
                  struct policy **ret_policy, struct error *err);

// `image` NULL: the policy was refused, `policy` may be NULL then, too.
void render_check(const struct policy *policy, const struct policy_image *image,
                  const struct policy_diags *diags, bool color, struct strbuf *sb);
// `kernel` NULL: what serves the rules is not said.
void render_check_json(const struct policy *policy, const struct policy_image *image,
                       const struct policy_diags *diags, const struct served_kernel *kernel,
                       struct strbuf *sb);
