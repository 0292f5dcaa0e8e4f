// SPDX-License-Identifier: Apache-2.0
//
// The way of records into the store: a bounded queue in front of one writer, which stores what waits with one commit, counts
// alerts, shows it to live views, and only then says that it is done. What does not fit is refused, and its agent keeps it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "registry/host.h"
#include "server/tail.h"
#include "store/store.h"
#include "transport/frame.h"

struct ingest;

// One frame on its way. Shared by who waits and by the writer.
struct ingest_item;

struct ingest_options {
    struct store *store;
    struct registry *registry;
    struct tail *tail;
    size_t max_bytes; // of frames that wait, raw text and all
    // In the writer's thread, when the item is done.
    void (*done)(void *ctx, uint64_t key);
    // Something that people should know; in the writer's thread. Not more often than once a minute for each kind.
    void (*told)(void *ctx, const struct error *err);
    void *ctx;
};

// Starts the writer, which first counts alerts for what was stored and not counted before.
int ingest_new(const struct ingest_options *options, struct ingest **ret, struct error *err);
// Stores what waits, then ends. False: it did not come to its end in time.
bool ingest_stop(struct ingest *in, uint64_t timeout_ms);
struct ingest *ingest_free(struct ingest *in); // after ingest_stop()

// Takes a frame's body apart: as much work as there is, so that it is done by many. Owns body from here on, also when it fails.
// -EBADMSG, -EPROTONOSUPPORT, -EMSGSIZE with err.
int ingest_read(struct ingest *in, const char *host, char *body, size_t len,
                struct ingest_item **ret, struct error *err);
// Puts it into the queue. `key` comes back with done(). -ENOBUFS: full; -ESHUTDOWN. The caller keeps its reference.
int ingest_add(struct ingest *in, struct ingest_item *item, uint64_t key);
// 1: done, and *ret_r is what the store said, with *ret_appended when that is 0; 0: not yet.
int ingest_result(struct ingest_item *item, int *ret_r, struct store_appended *ret_appended);
struct ingest_item *ingest_item_unref(struct ingest_item *item);
DEFINE_CLEANUP(struct ingest_item *, ingest_item_unref)

struct ingest_stats {
    uint64_t batches, records, duplicates, missing, unreadable, refused;
    uint64_t commits;
    uint64_t
        alerts_behind; // streams whose alerts are counted later, since the database did not take them
    size_t waiting;
    uint64_t waiting_bytes;
    uint64_t per_s;    // records, of the last minute
    uint64_t stuck_ms; // since the writer took what it is at; 0: it waits for work
    int last_error;    // of the store; 0: its last commit worked
};
void ingest_stats(struct ingest *in, struct ingest_stats *ret);
