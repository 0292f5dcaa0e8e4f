// SPDX-License-Identifier: Apache-2.0
//
// Which variables of an environment the records of executed programs have (struct sg_env_names).
#pragma once

#include <stddef.h>

#include "abi/policy.h"

#include "abi/shared.h"

// From names, "NAME" or "NAME_*" for all that begin so, to what the kernel programs compare with; SG_ENV_NAMES_ALWAYS come
// before them.
//   -EINVAL  an empty name, one with '=', or with '*' elsewhere than at its end
//   -E2BIG   more than SG_ENV_NAMES_MAX names with those, or one of SG_ENV_NAME_MAX bytes or more
int env_names_make(const char *const *names, size_t n, struct sg_env_names *ret_names);

// Puts them where programs read them meanwhile.
void env_names_put(const struct sg_env_names *names, struct sg_env_names *to);
