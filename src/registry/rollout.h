// SPDX-License-Identifier: Apache-2.0
//
// Roll-outs bring a version of a policy to its hosts by stages, each with a share in per cent and a mode. A host belongs
// to a share by a hash of its id and the policy's name, so that shares grow and never change hands: who is in 10 % is in
// 50 %. A host gets what the latest stage that includes it says; where none does, what was in force before. So
// [100 % monitor, 10 % policy, 100 % policy] enforces on a tenth while the others go on watching. The last stage has to
// be 100 %; when it is advanced over, the roll-out is done and its version is in force. A policy has one roll-out at
// a time.
//
// One that too many hosts refuse (rollout.stop_at) is paused by the server (registry_conditions_round()); `stop` says on how
// many and why. Whoever resumes it accepts those; it stops again when there are more.
#pragma once

#include "registry/registry.h"

#define ROLLOUT_STAGES_MAX 16

enum rollout_state {
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED,
    ROLLOUT_DONE,
    ROLLOUT_ROLLED_BACK,
    ROLLOUT_STATES
};
const char *rollout_state_name(
    enum rollout_state state); // "running", "paused", "done", "rolled-back"

struct rollout_stage {
    unsigned share; // 1 … 100
    bool monitor;   // true: nothing is denied; false: as the policy says
};

struct rollout_stop {
    unsigned failed,
        of; // hosts that refuse it, of those that should have it; 0: it was not stopped
    const char *host, *reason; // one of them, and what it says
};

struct registry_rollout {
    uint64_t id;
    const char *policy;
    unsigned version;
    struct rollout_stage stages[ROLLOUT_STAGES_MAX];
    unsigned n_stages, stage; // stage: index of the present one
    enum rollout_state state;
    unsigned before; // the version in force before it; 0: none
    bool before_monitor;
    const char *created_by;
    uint64_t created_ms, changed_ms;
    struct rollout_stop stop;
};

typedef int (*registry_rollout_fn)(void *ctx, const struct registry_rollout *r);

// policy NULL: all; states: bits 1 << enum rollout_state, 0: any. The newest first.
int registry_rollout_list(struct registry *rg, const char *policy, uint32_t states,
                          const struct registry_page *page, registry_rollout_fn fn, void *ctx,
                          struct registry_next *ret_next, struct error *err);
int registry_rollout_get(struct registry *rg, uint64_t id, registry_rollout_fn fn, void *ctx,
                         struct error *err);

// Starts with its first stage at once. -EBUSY: another one of this policy runs or is paused.
int registry_rollout_create(struct registry *rg, const struct actor *actor, const char *policy,
                            unsigned version, const struct rollout_stage *stages, unsigned n_stages,
                            uint64_t *ret_id, struct error *err);

// To the next stage, or to its end. -EBUSY: not running. `from`: the stage that the caller saw, so that two who press
// at the same time advance it once (-ESTALE); -1: any.
int registry_rollout_advance(struct registry *rg, const struct actor *actor, uint64_t id, int from,
                             struct error *err);
// A paused one stays where it is: hosts keep what they have, new hosts get what their stage says.
int registry_rollout_pause(struct registry *rg, const struct actor *actor, uint64_t id,
                           struct error *err);
int registry_rollout_resume(struct registry *rg, const struct actor *actor, uint64_t id,
                            struct error *err);
// Back to what was in force before it. Also of one that is done, while its version is in force.
int registry_rollout_rollback(struct registry *rg, const struct actor *actor, uint64_t id,
                              struct error *err);

// 0 … 99, the same everywhere and for ever.
unsigned rollout_bucket(const char *host, const char *policy);
