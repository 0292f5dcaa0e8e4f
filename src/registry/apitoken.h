// SPDX-License-Identifier: Apache-2.0
//
// API tokens for programs: "sgt_" and 43 characters, of which only a hash is stored. A token has a part of its owner's
// roles, and never more than he has now; it ends with him.
#pragma once

#include "registry/registry.h"

#define API_TOKEN_SIZE 48 // with a NUL

struct registry_api_token {
    const char *id; // 8 hex digits
    const char *name, *owner;
    uint32_t roles;                           // those that it was given
    uint64_t created_ms, expires_ms, used_ms; // used_ms 0: never
};

typedef int (*registry_api_token_fn)(void *ctx, const struct registry_api_token *t);

// owner NULL: all.
int registry_api_token_list(struct registry *rg, const char *owner, registry_api_token_fn fn,
                            void *ctx, struct error *err);
// life_ms up to the setting token.max. -EPERM: roles that the owner has not.
int registry_api_token_create(struct registry *rg, const struct actor *actor, const char *owner,
                              const char *name, uint32_t roles, uint64_t life_ms,
                              char ret_token[API_TOKEN_SIZE], char ret_id[9], struct error *err);
// owner: only if it is his, -ENOENT otherwise; NULL: anybody's.
int registry_api_token_revoke(struct registry *rg, const struct actor *actor, const char *owner,
                              const char *id, struct error *err);

struct registry_api_token_use {
    char name[REGISTRY_NAME_MAX + 1], owner[REGISTRY_NAME_MAX + 1];
    uint32_t roles; // what both it and its owner have
};
// 0, -EACCES. Notes the use (at most once a minute).
int registry_api_token_check(struct registry *rg, const char *token,
                             struct registry_api_token_use *ret);
