// SPDX-License-Identifier: Apache-2.0
//
// The audit trail: who changed what, when and from where. Rows are added by the other entities, in the transaction of
// the change; the database refuses to change or remove one. Each row has the SHA-256 of its content and of the row
// before, and the newest is noted apart, so that registry_audit_check() finds what somebody changed with other tools.
#pragma once

#include "registry/registry.h"

struct registry_audit {
    uint64_t seq; // from 1, without gaps
    uint64_t time_ms;
    const char *actor;   // "user:anna"
    const char *address; // "" from the server itself
    const char *action;  // "host.revoke"
    const char *target;  // id or name of what was changed
    const char *detail;  // JSON object
    const char *hash;    // hex
};

struct registry_audit_filter {
    uint64_t from_ms, to_ms; // to_ms 0: no end
    const char *actor;       // whole, or with * at the end; NULL: any
    const char *action;      // the same
    const char *target;
};

typedef int (*registry_audit_fn)(void *ctx, const struct registry_audit *row);

// The newest first.
int registry_audit_list(struct registry *rg, const struct registry_audit_filter *filter,
                        const struct registry_page *page, registry_audit_fn fn, void *ctx,
                        struct registry_next *ret_next, struct error *err);
// At most `limit` rows with a seq above `after`, the oldest first: for the export, piece by piece.
int registry_audit_after(struct registry *rg, const struct registry_audit_filter *filter,
                         uint64_t after, unsigned limit, registry_audit_fn fn, void *ctx,
                         struct error *err);

// Goes through the whole trail. -EBADMSG: a row was changed, removed or added by somebody else; err says at which
// number. ret_rows may be NULL.
int registry_audit_check(struct registry *rg, uint64_t *ret_rows, struct error *err);

// For what happens outside of the registry and has to be in the trail (an export, a look at a record): `detail` is
// a JSON object or NULL.
int registry_audit_note(struct registry *rg, const struct actor *actor, const char *action,
                        const char *target, const char *detail, struct error *err);
