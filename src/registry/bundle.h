// SPDX-License-Identifier: Apache-2.0
//
// Bundles: all policies of a host together, under the id of model/bundle.h, so that hosts with the same policies have the
// same bundle, and a host can check what it got. Bundles are put together anew in the transaction that changes labels,
// selectors or roll-outs, and kept while a host wants or has them. A change that would make a bundle larger than it may be
// is refused (-E2BIG).
#pragma once

#include "model/bundle.h"
#include "registry/registry.h"

struct registry_bundle_file {
    const char *name; // of the policy
    unsigned version;
    bool monitor;
    const char *text;
    size_t text_len;
};

// What the host should have: "" when no policy was ever meant for it (its own files stay as they are). Once it had
// one it gets an empty bundle instead.
int registry_bundle_wanted(struct registry *rg, const char *host, char ret_id[BUNDLE_ID_TEXT],
                           struct error *err);

typedef int (*registry_bundle_file_fn)(void *ctx, const struct registry_bundle_file *f);
// Sorted by name. host NULL: any; otherwise -ENOENT unless the host wants or has it, so that no host reads the
// policies of others. An empty bundle has no files.
int registry_bundle_files(struct registry *rg, const char *host, const char *id,
                          registry_bundle_file_fn fn, void *ctx, struct error *err);

// The host says what is in force there; error "" or NULL when it was applied, otherwise why not (id: the one that
// failed; the one before stays in force).
int registry_bundle_applied(struct registry *rg, const char *host, const char *id,
                            const char *error, struct error *err);
