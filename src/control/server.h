// SPDX-License-Identifier: Apache-2.0
//
// The agent's end of the control protocol: a Unix stream socket that only root can reach. Runs in
// the agent's loop, never waits for a client, bounds how many there are and what each of them may hold.
// Called by src/agent only. Owns socket and connections. Knows the form of requests, not their meaning.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "control/message.h"

#define CONTROL_PEERS_MAX 32
#define CONTROL_QUEUE_MAX ((size_t)4 << 20) // bytes that wait for one client

struct control_server;

// Somebody who asked. Numbers are not used again, so that an answer that took long cannot reach another.
struct control_caller {
    uint64_t peer;
    uint64_t id; // of the request
    uint32_t uid;
    int32_t pid;
};

// Writes one JSON value to `result` and returns 0, or fills err and returns a negative errno. CONTROL_LATER:
// control_server_reply() or _fail() comes later, with the same caller.
#define CONTROL_LATER 1
typedef int (*control_fn)(void *ctx, const struct control_caller *caller,
                          const struct control_request *request, struct jw *result,
                          struct error *err);

struct control_server_counters {
    uint64_t accepted, refused; // connections
    uint64_t requests, failed;
    uint64_t events, lost; // to subscribers, of all of them together
    size_t peers, subscribers;
};

// Listens at path (mode 0600; what is left of an earlier agent is removed) and serves clients of root, and
// of the user that the agent runs as. err says what failed.
int control_server_new(struct loop *loop, const char *path, control_fn fn, void *ctx,
                       struct control_server **ret_server, struct error *err);
// Closes all connections and removes the socket.
struct control_server *control_server_free(struct control_server *s);
DEFINE_CLEANUP(struct control_server *, control_server_free)

// Late answers; nothing happens when the caller has gone.
void control_server_reply(struct control_server *s, const struct control_caller *caller,
                          const struct strbuf *result);
void control_server_fail(struct control_server *s, const struct control_caller *caller,
                         const struct error *err);

// From now on the caller's connection gets records.
void control_server_subscribe(struct control_server *s, const struct control_caller *caller);
bool control_server_has_subscribers(const struct control_server *s);

// Hands a record to all subscribers. One that reads too slowly loses records and is told how many.
void control_server_publish(struct control_server *s, const char *line, size_t len);

void control_server_counters(const struct control_server *s, struct control_server_counters *ret);
