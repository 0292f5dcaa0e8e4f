// SPDX-License-Identifier: Apache-2.0
//
// The command line's end of the control protocol: asks and waits, with a limit in time. Called by
// src/cli and by tests. Owns the connection.
#pragma once

#include <json-c/json.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "control/frame.h"
#include "control/message.h"

#define CONTROL_SOCKET "/run/safeguard/control.sock"

struct control_client;

// -ENOENT, -ECONNREFUSED: no agent; -EACCES: not for this user; each with err. timeout_ms is for each call
// after this (0: 10 s).
int control_client_new(const char *path, uint32_t timeout_ms, struct control_client **ret_client,
                       struct error *err);
struct control_client *control_client_free(struct control_client *c);
DEFINE_CLEANUP(struct control_client *, control_client_free)

// Asks and waits for the answer. 0 and the result (the caller puts it); the agent's own error; -ETIMEDOUT;
// -ECONNRESET: the agent went away; -EPROTONOSUPPORT: an agent of another version.
int control_client_call(struct control_client *c, enum control_command command, const char *args,
                        struct json_object **ret_result, struct error *err);

// The next record after "events subscribe", on loan until the next call. 1; 0: nothing within timeout_ms
// (-1: for ever); -ECONNRESET: the agent went away; -EINTR: a signal came.
int control_client_next(struct control_client *c, int timeout_ms, struct control_frame *ret_frame,
                        struct error *err);
