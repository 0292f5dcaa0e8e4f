// SPDX-License-Identifier: Apache-2.0
//
// The words for the numbers in records, as people write and read them: in records that leave the
// host, in messages, on the command line. NULL for a number that has no word.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"

const char *event_kind_name(enum event_kind number);       // "file", "exec", ...
const char *event_hook_name(enum sg_hook number);          // "file_open", ...
const char *event_mode_name(enum event_mode number);       // "enforce", "monitor"
const char *event_outcome_name(enum event_outcome number); // "passed", "denied", ...
const char *event_verdict_name(enum sg_verdict number);    // "allow", "audit", "deny", "kill"
const char *event_reason_name(enum sg_reason number);      // "depth", ...; "none"
const char *event_control_name(enum sg_control number);    // "ptrace", ...
// The word for a number that a kind is asked with: "attach", "sys_admin", ...; NULL: it has none.
const char *control_word(enum sg_control kind, uint64_t number);
const char *event_defence_name(unsigned number);     // of 1 + enum sg_guard_act: "signal", ...
const char *event_ring_name(enum event_ring number); // "security", "audit", "process"
const char *event_path_kind_name(enum event_path_kind number);
const char *session_name(enum sg_session number); // "ssh", ...; "none"

// Of a bit of event.access by its number, 0 ... SG_OP_COUNT - 1: "read", ...
const char *access_name(unsigned number);

// Of a bit of event.flags by its number: "monitor", "path_cut", ...
#define EVENT_FLAG_COUNT 8
const char *event_flag_name(unsigned number);

const char *stdio_kind_name(enum sg_stdio_kind number); // "closed", "file", ...

// Of a bit of launch.flags by its number: "memory", "deleted", ...
#define LAUNCH_FLAG_COUNT 8
const char *launch_flag_name(unsigned number);

// Of a bit of a set of capabilities by its number: "CAP_CHOWN", ... Every kernel from 5.9 on has these.
#define CAPABILITY_COUNT 41
#define CAPABILITIES_ALL ((UINT64_C(1) << CAPABILITY_COUNT) - 1)
const char *capability_name(unsigned number);
