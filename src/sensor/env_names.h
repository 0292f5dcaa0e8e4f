// SPDX-License-Identifier: Apache-2.0
//
// Which variables of an environment the records of executed programs have (struct sg_env_names).
#pragma once

#include <stddef.h>

#include "abi/policy.h"

#include "abi/shared.h"

// LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT, SSH_*.
extern const char *const env_names_default[];
extern const size_t env_names_default_n;

// From names, "NAME" or "NAME_*" for all that begin so, to what the kernel programs compare with.
//   -EINVAL  an empty name, one with '=', or with '*' elsewhere than at its end
//   -E2BIG   more than SG_ENV_NAMES_MAX names, or one of SG_ENV_NAME_MAX bytes or more
int env_names_make(const char *const *names, size_t n, struct sg_env_names *ret_names);
