// SPDX-License-Identifier: Apache-2.0
//
// Whether a text is a policy. Hosts have other users than the server: a name that is not known here is no mistake but
// a warning, and gets a number of its own, so that rules about it can be tried on records.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "policy/compile.h"
#include "policy/policy.h"

#define CHECK_NAMES_MAX 1024

struct check_names;

struct check {
    struct policy_diags diags;
    struct policy *policy;      // NULL: there were errors
    struct policy_image *image; // the same, compiled; NULL when there were errors
    struct check_names *names;
};

// Fills it, whatever the text is: mistakes are in diags, with `name` as their file. Negative only when it could not be
// checked. check_done() in any case.
int check_policy(const char *name, const char *text, size_t len, struct check *ret,
                 struct error *err);
void check_done(struct check *c);

// The number that a user's (or group's) name got in this check. -ENOENT: no rule speaks of it.
int check_user(const struct check *c, const char *name, size_t len, uint32_t *ret_uid);

// {"errors":n,"warnings":n,"diagnostics":[…]}
void check_write(const struct check *c, struct jw *out);
