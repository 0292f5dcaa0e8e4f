// SPDX-License-Identifier: Apache-2.0
//
// Enrolment tokens, and enrolment itself. Only a hash of a token's secret is stored.
#pragma once

#include "registry/host.h"
#include "registry/registry.h"

#define ENROL_SECRET_SIZE 16

struct registry_enrol_token {
    const char *id; // 8 hex digits, public
    const char *note;
    const char *labels;  // JSON object: what its hosts get
    unsigned uses, used; // uses 0: any number
    uint64_t created_ms, expires_ms;
    uint64_t revoked_ms; // 0: not
    const char *created_by;
};

struct registry_enrol_spec {
    const char *note;
    const char *labels; // JSON object or NULL
    unsigned uses;      // 0: any number
    uint64_t life_ms;   // 1 minute … 90 days
};

typedef int (*registry_enrol_token_fn)(void *ctx, const struct registry_enrol_token *t);

int registry_enrol_token_create(struct registry *rg, const struct actor *actor,
                                const struct registry_enrol_spec *spec,
                                uint8_t ret_secret[ENROL_SECRET_SIZE], char ret_id[9],
                                struct error *err);
int registry_enrol_token_list(struct registry *rg, registry_enrol_token_fn fn, void *ctx,
                              struct error *err);
int registry_enrol_token_revoke(struct registry *rg, const struct actor *actor, const char *id,
                                struct error *err);

// Makes the certificate of the new host; called within the transaction, so that a token is used up exactly when a host
// and its certificate are in the database. ret_serial: hex.
typedef int (*registry_sign_fn)(void *ctx, const char *host, char ret_serial[REGISTRY_ID_MAX],
                                uint64_t *ret_not_after_ms, struct error *err);

// The identity that the host proved to have had.
struct registry_former {
    const char *host, *serial;
};

// former (or NULL): where it was good, the host stays the one that it was, with its labels and its history; the certificates
// that it had are no longer good. It gets a new id when it was cloned, revoked or retired, is another machine, or its
// certificate was revoked. A database that does not know it takes it in with its old id.
// -EACCES: no such token, used up, over or revoked (one answer for all of them; the audit trail knows which).
int registry_enrol(struct registry *rg, const uint8_t secret[ENROL_SECRET_SIZE],
                   const struct host_facts *facts, const struct registry_former *former,
                   registry_sign_fn sign, void *ctx, char ret_host[HOST_ID_SIZE],
                   struct error *err);
