// SPDX-License-Identifier: Apache-2.0
//
// What users, sessions and tokens of this room share: passwords and the throttling of those who guess.
#pragma once

#include "registry/internal.h"

// argon2id; checks the length first. The caller frees.
int password_hash(struct registry *rg, const char *user, const char *password, char **ret_hash,
                  struct error *err);

// One try, counted before the password is looked at and forgiven when it is right. 0, -EACCES (no such user, wrong, or
// disabled), -EAGAIN (throttled; ret_wait_ms may be NULL).
int password_try(struct registry *rg, const char *user, const char *password, const char *address,
                 uint64_t *ret_wait_ms, struct error *err);

// The same for what has no user: a one-time code.
int throttle_take(struct registry *rg, const char *user, const char *address, uint64_t *ret_wait_ms,
                  struct error *err);
int throttle_forgive(struct change *c, const char *user, const char *address, struct error *err);

int sessions_end(struct change *c, const char *user, struct error *err);
