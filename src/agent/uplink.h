// SPDX-License-Identifier: Apache-2.0
//
// What ties this host to its server: records go into the spool, which the link empties; policies and commands come
// down; what the agent knows about itself goes up as rows of a table. Part of struct agent, for its files alone.
//
//   link.c           spool and link: when there are any
//   feed.c           what each is asked for by the other
//   linkrows.c       the rows of the state table "health"
//   linkpolicies.c   policies of the server: kept, tried, put in force or refused
//   linkcommands.c   commands of the server and their results
//   linkquestions.c  what the server asks for somebody who looks at this host now
//   linkstatus.c     what the status says of all that
//
// Without a server none of it exists. Nothing here is waited for: the spool's disk is another thread's, and so is the network.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/feed.h"
#include "agent/output.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "model/bundle.h"
#include "policy/diag.h"
#include "spool/spool.h"
#include "transport/link.h"

#define UPLINK_IDENTITY    "identity.json"       // in the state directory
#define UPLINK_POLICIES    "server-policies"     // there, too: those in use
#define UPLINK_TRYING      "server-policies.new" // those that are tried
#define UPLINK_TABLE       "health"
#define UPLINK_RELOADS_MAX 8
#define UPLINK_SPACE_CURE  "make room, or set spool_dir to where there is some"

struct agent;
struct bundle_job;
struct loaded;

// A command "policy-reload" that is answered by the next build.
struct uplink_reload {
    char command[WIRE_ID_MAX + 1];
    bool served; // by the build that runs
};

struct uplink {
    char *identity_path, *policies_path, *trying_path;
    struct feed feed;
    struct output *out; // lines for the spool
    struct loop_source *source;
    struct error error;             // why there is no spool, or no link
    uint64_t retry_ns;              // CLOCK_MONOTONIC
    uint64_t rows_ns, slow_rows_ns; // CLOCK_MONOTONIC: when rows are due
    bool rows_due;
    int64_t
        clock_offset_ns; // from the time since boot to that of day, which rows must not follow to the millisecond
    bool out_failing;
    enum link_state told_state; // what was said last

    // linkpolicies.c
    char wanted[BUNDLE_ID_TEXT]; // "": the server wants none, or has not said so
    bool known;                  // it has said so
    bool trying, trying_none, first_try;
    bool without;              // the next build leaves out what is tried
    bool refused;              // `wanted` was
    struct error refusal;      // why
    char *refusal_diags;       // JSON, or NULL
    struct bundle_job *coming; // not written yet
    uint64_t coming_ns;        // CLOCK_MONOTONIC: when it is written again

    struct uplink_reload reloads[UPLINK_RELOADS_MAX];
    size_t n_reloads;
};

// link.c
bool uplink_wanted(const struct agent *a); // by the settings, or because this host is enrolled
int uplink_paths(struct agent *a);
void uplink_start(struct agent *a);
void uplink_tick(struct agent *a);
// Ends link and spool, after everything that still has to be said. False: a thread hangs in a write, and what it may touch
// has to stay until the process ends.
bool uplink_stop(struct agent *a);
// A record for the server, if there is one. denial: kept in memory longer than others.
void uplink_record(struct agent *a, enum stream_class class, bool denial, const char *line,
                   size_t len);
bool uplink_is_behind(const struct agent *a);

// linkrows.c
void uplink_rows_tick(struct agent *a);
void uplink_rows_changed(struct agent *a); // now, not only when they are due
// The row about policies.
void uplink_policy_row(struct agent *a, struct jw *jw);

// linkpolicies.c: what a build reads of them, and what became of it.
struct build_options;
void uplink_bundle(void *ctx, const char *id, const struct bundle_file *files, size_t n);
bool uplink_build_begins(struct agent *a, bool ordinary, struct build_options *options);
void uplink_build_in_force(struct agent *a);
// true: what is on this host has to be built again, without them.
bool uplink_build_refused(struct agent *a, const struct policy_diags *diags, struct error *err);
void uplink_policies_tick(struct agent *a);
void uplink_policies_stop(struct agent *a);

// linkcommands.c
void uplink_command(void *ctx, const struct msg_command *command);
// result: JSON, or NULL. err may be NULL.
void uplink_answer(struct agent *a, const char *command, enum msg_status status, const char *result,
                   const struct error *err);
void uplink_failed(struct agent *a, const struct msg_command *command, int code, const char *what);
void uplink_reloads_begin(struct agent *a);
void uplink_reloads_done(struct agent *a, int result, const struct error *err);

// linkquestions.c
void uplink_question(struct agent *a, const struct msg_command *question);

// linkstatus.c
void uplink_json(struct agent *a, struct jw *jw); // a whole value; null: there is no server
typedef void (*uplink_problem_fn)(void *ctx, const char *severity, const char *cure,
                                  const char *what);
void uplink_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);
