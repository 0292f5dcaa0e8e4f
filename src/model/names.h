// SPDX-License-Identifier: Apache-2.0
//
// The words for the numbers in records, as people write and read them: in records that leave the
// host, in messages, on the command line. NULL for a number that has no word.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"

const char *event_kind_name(enum event_kind kind);          // "file", "exec", ...
const char *event_hook_name(enum sg_hook hook);             // "file_open", ...
const char *event_mode_name(enum event_mode mode);          // "enforce", "monitor"
const char *event_outcome_name(enum event_outcome outcome); // "passed", "denied", ...
const char *event_verdict_name(enum sg_verdict verdict);    // "allow", "audit", "deny", "kill"
const char *event_reason_name(enum sg_reason reason);       // "depth", ...; "none"
const char *event_ring_name(enum event_ring ring);          // "security", "audit", "process"
const char *event_path_kind_name(enum event_path_kind kind);
const char *session_name(enum sg_session session); // "ssh", ...; "none"

// Of bit number `bit` (0 ... SG_OP_COUNT - 1) of event.access: "read", ...
const char *access_name(unsigned bit);

// Of bit number `bit` of event.flags: "monitor", "path_cut", ...
#define EVENT_FLAG_COUNT 7
const char *event_flag_name(unsigned bit);
