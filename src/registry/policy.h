// SPDX-License-Identifier: Apache-2.0
//
// Policies: one YAML file by name ("50-web.yaml"), its versions, and a selector of the hosts that it is for. A version
// never changes. What a host gets is a matter of roll-outs (rollout.h) and bundles (bundle.h). The text is not looked
// at here: the caller checks it first.
#pragma once

#include "model/bundle.h"
#include "registry/registry.h"

#define POLICY_NAME_BYTES_MAX 64 // with its ending

struct registry_policy {
    const char *name;
    const char *selector;
    unsigned version;  // the newest
    unsigned in_force; // the version that the last finished roll-out gave; 0: none
    bool monitor;      // and its mode
    uint64_t created_ms, changed_ms;
    uint64_t rollout; // the one that runs or is paused; 0: none
};

struct registry_policy_version {
    const char *policy;
    unsigned version;
    const char *text; // NULL in lists
    size_t text_len;
    const char *sha256; // hex
    const char *author, *comment;
    uint64_t created_ms;
};

typedef int (*registry_policy_fn)(void *ctx, const struct registry_policy *p);
typedef int (*registry_policy_version_fn)(void *ctx, const struct registry_policy_version *v);

int registry_policy_list(struct registry *rg, registry_policy_fn fn, void *ctx, struct error *err);
int registry_policy_get(struct registry *rg, const char *name, registry_policy_fn fn, void *ctx,
                        struct error *err);

// A name of letters, digits and . _ - that ends in ".yaml"; at most BUNDLE_TEXT_MAX bytes of text. -EEXIST.
int registry_policy_create(struct registry *rg, const struct actor *actor, const char *name,
                           const char *text, size_t len, const char *selector, const char *comment,
                           struct error *err);
// A new version. base: the version that was edited; -ESTALE when there is a newer one, 0 when it is the same text.
// ret_version may be NULL.
int registry_policy_add_version(struct registry *rg, const struct actor *actor, const char *name,
                                const char *text, size_t len, unsigned base, const char *comment,
                                unsigned *ret_version, struct error *err);
int registry_policy_set_selector(struct registry *rg, const struct actor *actor, const char *name,
                                 const char *selector, struct error *err);
// Hosts lose it with their next bundle. Its versions stay; a policy of the same name goes on with their numbers.
// -EBUSY: a roll-out is under way.
int registry_policy_delete(struct registry *rg, const struct actor *actor, const char *name,
                           struct error *err);

// The newest first, without text.
int registry_policy_versions(struct registry *rg, const char *name, registry_policy_version_fn fn,
                             void *ctx, struct error *err);
// version 0: the newest.
int registry_policy_version(struct registry *rg, const char *name, unsigned version,
                            registry_policy_version_fn fn, void *ctx, struct error *err);

// Which version a host should have and which it has: the bundle that it said it applied.
struct registry_policy_host {
    const char *id, *name;
    unsigned wanted, applied; // versions; 0: none
    bool wanted_monitor, applied_monitor;
    const char *error;
    uint64_t applied_ms;
};
typedef int (*registry_policy_host_fn)(void *ctx, const struct registry_policy_host *h);
int registry_policy_hosts(struct registry *rg, const char *name, const struct registry_page *page,
                          registry_policy_host_fn fn, void *ctx, struct registry_next *ret_next,
                          struct error *err);

// How far a policy is with its hosts. Hosts that are refused do not count.
struct registry_policy_count {
    unsigned selected; // hosts that the selector picks
    unsigned applied;  // have what they should have of it
    unsigned waiting;
    unsigned failed; // could not apply it
};
typedef int (*registry_policy_count_fn)(void *ctx, const char *name,
                                        const struct registry_policy_count *count);
// name NULL: of all policies, in the order of their names. One pass over all hosts.
int registry_policy_counts(struct registry *rg, const char *name, registry_policy_count_fn fn,
                           void *ctx, struct error *err);
// Of the hosts that should have this version. selected: those of them that should have it in this mode.
int registry_policy_version_counts(struct registry *rg, const char *name, unsigned version,
                                   bool monitor, struct registry_policy_count *ret,
                                   struct error *err);
