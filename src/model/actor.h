// SPDX-License-Identifier: Apache-2.0
//
// Who does something on the server, and what he may: handed by the API to the registry, which writes it into the
// audit trail. Plain records; nobody here asks whether somebody may.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

enum {
#define ROLE(id, bit, name, help) ROLE_##id = 1u << (bit),
#include "model/roles.def"
#define ROLE(id, bit, name, help) ROLE_##id |
    ROLES_ALL =
#include "model/roles.def"
        0,
};

// "viewer" → ROLE_VIEWER; 0: no such role.
uint32_t role_find(const char *name);

// Appends "admin,viewer" in the order of roles.def; nothing for an empty set.
void roles_format(struct strbuf *sb, uint32_t roles);

// The same as an array of JSON strings.
void roles_json(struct strbuf *sb, uint32_t roles);

enum actor_kind {
    ACTOR_USER,   // name: of the user
    ACTOR_TOKEN,  // name: of the API token; user: its owner
    ACTOR_AGENT,  // name: the host's id
    ACTOR_LOCAL,  // a command on the server's own machine
    ACTOR_SERVER, // the server by itself: expiry, retention, what is learned from a journal
    ACTOR_KINDS,
};

struct actor {
    enum actor_kind kind;
    const char *name; // NULL for ACTOR_LOCAL and ACTOR_SERVER
    const char *user; // the user who answers for it: name itself, or the token's owner; NULL: none
    const char *address; // where the request came from, as text; NULL: from here
    uint32_t roles;      // ROLE_*; all of them for ACTOR_LOCAL and ACTOR_SERVER
};

// Appends "user:anna", "token:ci@anna", "agent:<id>", "local" or "server".
void actor_format(struct strbuf *sb, const struct actor *actor);
