// SPDX-License-Identifier: Apache-2.0
//
// Commands to hosts: each has a number that only grows, a deadline and a result. A host fetches them by the last number it
// saw, so that one is never lost and, with the number, never done twice.
#pragma once

#include "registry/registry.h"

#define COMMAND_ARGS_MAX    (16u << 10)
#define COMMAND_RESULT_MAX  (64u << 10)
#define COMMAND_WAITING_MAX 100 // of one host

enum command_state {
    COMMAND_WAITING,
    COMMAND_DONE,
    COMMAND_FAILED,
    COMMAND_EXPIRED,
    COMMAND_STATES
};
const char *command_state_name(enum command_state state);
enum command_state command_state_find(const char *name); // COMMAND_STATES: none

struct registry_command {
    uint64_t id;
    const char *host, *name, *args; // args: JSON object
    const char *created_by;
    uint64_t created_ms, deadline_ms, finished_ms; // finished_ms 0: not yet
    enum command_state state;
    const char *result, *error; // JSON or "", text or ""
};

typedef int (*registry_command_fn)(void *ctx, const struct registry_command *c);

// life_ms 1 s … 7 days. -EDQUOT: too many wait already. -EACCES: the host is refused.
int registry_command_create(struct registry *rg, const struct actor *actor, const char *host,
                            const char *name, const char *args, uint64_t life_ms, uint64_t *ret_id,
                            struct error *err);
// Those that wait, with a number above `after` and a deadline ahead; the oldest first.
int registry_command_waiting(struct registry *rg, const char *host, uint64_t after,
                             registry_command_fn fn, void *ctx, struct error *err);
// From the host. A second result of one command changes nothing and is no error. -ENOENT: not his.
int registry_command_result(struct registry *rg, const char *host, uint64_t id,
                            enum command_state state, const char *result, const char *error,
                            struct error *err);
int registry_command_get(struct registry *rg, uint64_t id, registry_command_fn fn, void *ctx,
                         struct error *err);
// The newest first.
int registry_command_list(struct registry *rg, const char *host, const struct registry_page *page,
                          registry_command_fn fn, void *ctx, struct registry_next *ret_next,
                          struct error *err);
