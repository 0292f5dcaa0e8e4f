// SPDX-License-Identifier: Apache-2.0
//
// Users and groups of the tests, so that no test depends on the host's.
#pragma once

#include <errno.h>
#include <string.h>

#include "policy/policy.h"

static inline int names_lookup(const char *const *names, size_t n, const char *name,
                               uint32_t *ret_id)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) {
            *ret_id = i == 0 ? 0 : (uint32_t)(999 + i);
            return 0;
        }
    return strcmp(name, "broken") == 0 ? -EIO : -ESRCH;
}

// root 0, ann 1000, bob 1001
static inline int names_user(void *ctx, const char *name, uint32_t *ret_uid)
{
    static const char *const names[] = {"root", "ann", "bob"};

    (void)ctx;
    return names_lookup(names, 3, name, ret_uid);
}

// root 0, staff 1000, web 1001
static inline int names_group(void *ctx, const char *name, uint32_t *ret_gid)
{
    static const char *const names[] = {"root", "staff", "web"};

    (void)ctx;
    return names_lookup(names, 3, name, ret_gid);
}

static const struct policy_resolver names_resolver = {.user = names_user, .group = names_group};
static const struct policy_load_options names_options = {.resolver = &names_resolver};
