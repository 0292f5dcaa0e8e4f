// SPDX-License-Identifier: Apache-2.0
//
// What the server remembers besides records: hosts and their state, certificates, users, sessions, policies,
// roll-outs, alerts, channels, settings and the audit trail, in one SQLite file (server.db). One header an entity;
// this one opens it. Called by src/server only.
//
// Every function may be called from any thread: one connection writes, behind a lock, readers have their own. A
// function that changes something is one transaction, which has the row of the audit trail in it, takes the actor
// and, where the actor may be anybody, leaves the question whether he may to the caller. Row functions get loans that
// end when they return; a result other than 0 ends the list and is returned. They may call the registry to read, not
// to change. Functions with an `err` fill it in whenever they fail.
//
// Codes that all functions may return: -EINVAL (what was given is not of the form), -ENOENT (no such thing), -ENOSPC,
// -EIO, -EUCLEAN (the database is damaged), -ENOMEM. Times are milliseconds since 1970.
//
// Beside the database lie a key (server.key, mode 0600: secrets of channels are stored encrypted with it) and
// a journal of what was revoked (server.revoked), so that a database from a backup does not let somebody in again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/actor.h"

#define REGISTRY_ID_MAX   64   // bytes of any id that comes from outside
#define REGISTRY_NAME_MAX 64   // bytes of a name that people give
#define REGISTRY_TEXT_MAX 4096 // bytes of a comment, reason or note
#define REGISTRY_PAGE_MAX 1000 // rows of one page

struct registry;

enum registry_change {
    REGISTRY_BUNDLES,  // what hosts should have; host NULL: of many
    REGISTRY_COMMANDS, // a host has a new command
    REGISTRY_REVOKED,  // a host may not speak any longer
    REGISTRY_ALERTS,   // an alert is new, or again
    REGISTRY_OUTBOX,   // something waits to be sent
    REGISTRY_SETTINGS,
    REGISTRY_CHANGES,
};

struct registry_options {
    const char *dir; // made when it is missing, mode 0700
    // After the commit, in the thread that changed it, without a lock. May be NULL.
    void (*changed)(void *ctx, enum registry_change change, const char *host);
    void *ctx;
    uint64_t (*now_ms)(void *ctx); // NULL: CLOCK_REALTIME
    // 0: INTERACTIVE of libsodium (64 MiB, 2 passes). More, never less, except in tests.
    uint64_t password_memory, password_passes;
    bool password_weak; // tests only: the smallest parameters there are
};

// Opens or makes the database, brings an older schema up, applies the journal. -EUCLEAN: damaged, err says how to get
// on; -EPROTONOSUPPORT: written by a newer version; -EBUSY: another server has it.
int registry_open(const struct registry_options *options, struct registry **ret, struct error *err);
struct registry *registry_free(struct registry *rg);
DEFINE_CLEANUP(struct registry *, registry_free)

uint64_t registry_now(struct registry *rg);

// Ends of things: sessions, codes, tokens, commands and bundles that are over are removed, what is bounded by age is cut.
// To be called every minute or so.
int registry_tidy(struct registry *rg, struct error *err);

// A whole copy at path, which must not exist, while others go on working. To bring it back, put it in place of
// server.db with the server stopped.
int registry_backup(struct registry *rg, const char *path, struct error *err);

// One part of a list. `cursor`: from the page before, NULL or "" for the first. `limit` 0: 100; at most
// REGISTRY_PAGE_MAX.
struct registry_page {
    const char *cursor;
    unsigned limit;
};

// "" when there is nothing more.
struct registry_next {
    char cursor[2 * REGISTRY_ID_MAX + 40];
};

struct registry_stats {
    uint64_t bytes; // of the database and its log
    int schema;     // version
    char id[33];    // of this database, random
    uint64_t opened_ms;
    uint64_t
        restored; // entries of the journal that this database did not know when it was opened: it is older than it was
    uint64_t strangers;
    uint64_t outbox_waiting, outbox_dropped;
    bool audit_broken; // the last registry_audit_check() found a change
};
int registry_stats(struct registry *rg, struct registry_stats *ret, struct error *err);
