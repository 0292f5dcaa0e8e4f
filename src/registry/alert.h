// SPDX-License-Identifier: Apache-2.0
//
// Alerts: records that somebody should look at, put together by what they have in common: host, outcome, class, policy, rule
// and program. Not by path, process or user: a program that runs into a rule a thousand times is one matter.
//
// Counting is exact. Each (host, stream) has a watermark, the number of the last record that was counted, which is
// moved in the transaction that counts. A batch that comes again, or a server that was killed between storing and
// counting, changes nothing: who starts reads the watermarks and counts what the store has above them.
//
// Hosts that are in a condition (condition.h) have one each, too; these are raised and resolved by the server.
//
// A resolved alert that is seen again is new again; a false positive goes on being counted and stays one. A host has at
// most ALERTS_HOST_MAX; what would be more is counted by one that says so.
#pragma once

#include "registry/host.h"
#include "registry/registry.h"

#define ALERTS_HOST_MAX    2000
#define ALERT_COMMENTS_MAX 1000
#define ALERT_COUNT_MAX    10000 // records in one call

enum alert_state {
#define ALERT_STATE(id, name) ALERT_##id,
#include "registry/alert_states.def"
    ALERT_STATES,
};
const char *alert_state_name(enum alert_state state);
enum alert_state alert_state_find(const char *name); // ALERT_STATES: none

// One record that counts; texts may be NULL and are cut at HOST_FACT_MAX bytes.
struct alert_input {
    uint64_t seq; // its number in the stream
    uint64_t time_ms;
    uint64_t count;               // how many it stands for; 0: 1
    unsigned class_uid, severity; // severity: 1 … 6
    const char *outcome;          // "denied", "would-deny", …
    const char *policy, *rule, *rule_file;
    unsigned rule_line;
    const char *program;
    const char *user, *path, *message; // of the last one; for people
};

struct alert_counted {
    unsigned counted; // records above the watermark
    unsigned raised;  // alerts that are new, or new again
};

// `stream` 32 hex digits; up_to: number of the last record of the batch, counted or not. Inputs in rising order;
// those at or below the watermark are skipped. Notifications are put into the outbox in the same transaction.
int registry_alert_count(struct registry *rg, const char *host, const char *stream, uint64_t up_to,
                         const struct alert_input *inputs, size_t n_inputs,
                         struct alert_counted *ret, struct error *err);

typedef int (*registry_watermark_fn)(void *ctx, const char *host, const char *stream, uint64_t seq);
int registry_alert_watermarks(struct registry *rg, registry_watermark_fn fn, void *ctx,
                              struct error *err);
// 0 for a stream that was never counted.
int registry_alert_watermark(struct registry *rg, const char *host, const char *stream,
                             uint64_t *ret_seq, struct error *err);

struct registry_alert {
    uint64_t id;
    const char *host, *host_name;
    enum alert_state state;
    const char *owner;            // "" nobody
    unsigned class_uid, severity; // the highest that was seen
    const char *outcome, *policy, *rule, *rule_file, *program, *user, *path,
        *message; // the last three: of the last record
    unsigned rule_line;
    uint64_t first_ms, last_ms, count;
    uint64_t changed_ms; // by a person
    unsigned reopened, comments;
    const char *condition; // of its host, a name of conditions.def; "": it is about records
    bool overflow;         // stands for those that would have been too many
};

struct registry_alert_filter {
    int state;                       // enum alert_state, or -1
    uint32_t states;                 // bits 1 << enum alert_state; 0: any
    bool open;                       // new and acknowledged ones
    unsigned severity_min;           // 0: any
    const char *host, *rule, *owner; // NULL: any
    const char *text;                // part of program, rule, policy, path, message
};

typedef int (*registry_alert_fn)(void *ctx, const struct registry_alert *a);

// The one seen last first.
int registry_alert_list(struct registry *rg, const struct registry_alert_filter *filter,
                        const struct registry_page *page, registry_alert_fn fn, void *ctx,
                        struct registry_next *ret_next, struct error *err);
int registry_alert_get(struct registry *rg, uint64_t id, registry_alert_fn fn, void *ctx,
                       struct error *err);
// How many were seen for the first time in each of n steps from from_ms on (milliseconds since 1970, like step_ms).
int registry_alert_starts(struct registry *rg, uint64_t from_ms, uint64_t step_ms,
                          uint64_t *ret_counts, size_t n, struct error *err);
int registry_alert_counts(struct registry *rg, uint64_t ret_counts[ALERT_STATES],
                          struct error *err);

struct registry_alert_patch {
    int state;         // -1: as it is
    const char *owner; // NULL: as it is; "": nobody; otherwise a user who is there (-EINVAL)
};
// All or none. -ENOENT names the first that is not there. At most REGISTRY_PAGE_MAX.
int registry_alert_update(struct registry *rg, const struct actor *actor, const uint64_t *ids,
                          size_t n_ids, const struct registry_alert_patch *patch,
                          struct error *err);

struct registry_alert_comment {
    uint64_t id, time_ms;
    const char *author, *text;
    const char *kind; // "comment", "status", "exception", "seen-again", "over"
};
typedef int (*registry_alert_comment_fn)(void *ctx, const struct registry_alert_comment *c);
int registry_alert_comments(struct registry *rg, uint64_t id, registry_alert_comment_fn fn,
                            void *ctx, struct error *err);
int registry_alert_comment(struct registry *rg, const struct actor *actor, uint64_t id,
                           const char *text, struct error *err);

// That an exception was made: what was written into which version of which policy. The alert is a false positive
// from now on.
struct registry_alert_exception {
    const char *policy;
    unsigned version;
    const char *rule_text;
    const char *reason, *scope;
};
int registry_alert_except(struct registry *rg, const struct actor *actor, uint64_t id,
                          const struct registry_alert_exception *x, struct error *err);
typedef int (*registry_alert_exception_fn)(void *ctx, const struct registry_alert_exception *x,
                                           const char *author, uint64_t time_ms);
int registry_alert_exceptions(struct registry *rg, uint64_t id, registry_alert_exception_fn fn,
                              void *ctx, struct error *err);
bool registry_alert_exists(struct registry *rg, uint64_t id);
