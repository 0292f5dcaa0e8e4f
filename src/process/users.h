// SPDX-License-Identifier: Apache-2.0
//
// Names of users and groups from the host's own files. Other sources of names (LDAP, sssd) can take
// seconds to answer and are not asked here: such users appear by number. Private to src/process.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/event.h"

#define USERS_CHECK_NS UINT64_C(1000000000) // the files are looked at once in this time at the most

struct users;

// Paths are copied. Missing or unreadable files are files without names. -ENOMEM.
int users_new(const char *passwd, const char *group, struct users **ret_users);
struct users *users_free(struct users *u);
DEFINE_CLEANUP(struct users *, users_free)

// Reads the files again when they changed; at most once a USERS_CHECK_NS of the caller's clock.
// True when names may differ from before: all names handed out earlier are invalid then.
bool users_refresh(struct users *u, uint64_t now_ns);

// Empty when there is none. On loan until users_refresh() returns true.
struct bytes users_name(const struct users *u, uint32_t uid);
struct bytes users_group(const struct users *u, uint32_t gid);
