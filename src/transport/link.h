// SPDX-License-Identifier: Apache-2.0
//
// The agent's end of the link to its server: one thread with a session of its own. Sends records from a source
// (the spool), keeps state tables equal, brings down bundles and commands, carries results up, renews the certificate.
// Called by src/agent from its loop. Owns the thread, its connections, and copies of whatever it was given.
// Never blocks its caller, never logs, never drops a record: what the server did not acknowledge stays in the source.
//
// Hand-over. Into the link: every function below may be called from any thread and takes a short lock. Out of it:
// events wait in a bounded queue; link_fd() is readable while there are some, and link_dispatch() calls
// the handlers in the thread that calls it. Only the source is called from the link's own thread.
//
//     link_new(&options, &l, &err);
//     loop_add_fd(loop, link_fd(l), EPOLLIN, on_link, l, NULL);    // on_link calls link_dispatch(l)
//     ... spool_append(), spool_flush(), link_wake(l) ...
//     link_free(l);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/batch.h"
#include "model/bundle.h"
#include "model/state.h"
#include "transport/msg_enrol.h"
#include "transport/msg_hello.h"
#include "transport/msg_poll.h"
#include "transport/msg_result.h"
#include "transport/token.h"

struct link;

// Where records come from. Called from the link's thread only, one call at a time; each returns a negative errno on
// failure, after which the link tries again later. A lease ends with commit or rollback; there is one of each class at
// the most.
struct link_source {
    void *ctx;
    // The streams that there are, of earlier boots too, the current one of each class last; how many. `acked` is the
    // link's own to know.
    int (*streams)(void *ctx, struct msg_stream ret[MSG_STREAMS_MAX]);
    // 1: a lease, whose data stay valid until it ends; 0: nothing waits.
    int (*lease)(void *ctx, enum stream_class class, uint32_t max_records, size_t max_bytes,
                 struct record_lease *ret);
    // All up to acked, of this stream, is stored by the server. What of the lease is above goes back.
    int (*commit)(void *ctx, enum stream_class class, const struct stream_id *id, uint64_t acked);
    int (*rollback)(void *ctx, enum stream_class class);
    // The server has more of our streams than we: what waits needs a new stream. No lease is out then.
    int (*new_stream)(void *ctx);
};

// What is to be done in the caller's thread. Texts are on loan for the call. A handler may be NULL.
struct link_handlers {
    void *ctx;
    // The server wants these policies; id NULL: it has none for this host. Of several changes in a row the last one.
    void (*bundle)(void *ctx, const char *id, const struct bundle_file *files, size_t n);
    // At least once for each command: an agent that starts again may be told one that it has done already. Questions come here, too,
    // each at most once.
    void (*command)(void *ctx, const struct msg_command *command);
    // The state's word or its counts of losses have changed: see link_status().
    void (*status)(void *ctx);
};

enum link_state {
#define LINK_STATE(id, word, stuck, help) LINK_##id,
#include "transport/linkstates.def"
    LINK_STATE_COUNT,
};

const char *link_state_word(enum link_state state);
const char *link_state_help(enum link_state state);
bool link_state_stuck(enum link_state state); // somebody has to do something

struct link_options {
    const char *identity_path; // looked at again while there is none that works
    const char *machine_id;    // of this host; "": not checked
    const char *boot_id;
    struct msg_host host;
    const char *version;
    const char *bundle; // id of the bundle that the agent has; NULL: none
    const char *after;  // id of the last command it was told; NULL: none
    struct link_source source;
    struct link_handlers handlers;
    // Milliseconds; 0: what the comment says.
    uint32_t linger_ms;      // records wait for company: 1000; of the security stream a fifth of it
    uint32_t backoff_min_ms; // 1000
    uint32_t backoff_max_ms; // 300000
    uint32_t connect_ms;     // 10000
    uint32_t stall_ms;       // an exchange without a byte: 30000
    uint32_t records;        // of one frame: 1000
};

struct link_counters {
    uint64_t connects;              // connections that were made
    uint64_t sessions;              // hellos that were answered
    uint64_t failures;              // exchanges that failed, for whatever reason
    uint64_t frames, records;       // acknowledged
    uint64_t raw_bytes, sent_bytes; // of acknowledged frames: their lines, their bodies
    uint64_t duplicates;            // records that the server had already
    uint64_t unanswered; // records that it had stored, as the next hello said: the answer was lost
    uint64_t refused;    // records that the server could never read, skipped one by one
    uint64_t
        behind; // records that the server had acknowledged and has lost (restored from a backup)
    uint64_t streams; // new streams because the server was ahead of us
    uint64_t bundles, commands, results, results_lost;
    uint64_t state_sent, resyncs;
    uint64_t renewals;
};

#define LINK_ADDRESS_TEXT 64

struct link_status {
    enum link_state state;
    uint64_t since_ms;    // 1970; when the state's word changed
    uint64_t last_ok_ms;  // 1970; last answer that was no error; 0: never
    uint64_t next_try_ms; // 1970; 0: now
    bool skew_known;
    int64_t skew_ms;       // the server's clock minus ours
    uint64_t not_after_ms; // of the certificate; 0: none
    char agent_id[WIRE_UUID_TEXT];
    char server_url[TOKEN_URL_MAX + 1];
    char server_address[LINK_ADDRESS_TEXT]; // that answered last; "": none did
    struct error
        error; // the last failure with what to do; while online: of one part that does not work
    struct link_counters counters;
};

// Starts the thread. There need not be an identity yet. -EINVAL, -ENOMEM, -EMFILE and the like with err.
int link_new(const struct link_options *options, struct link **ret_link, struct error *err);

// Ends within 2 s whatever the server does: what is on its way is given up and its lease rolled back. The source is
// not called any more afterwards.
struct link *link_free(struct link *l);
DEFINE_CLEANUP(struct link *, link_free)

// Readable while events wait. On loan.
int link_fd(const struct link *l);
// Calls the handlers for all that waits.
void link_dispatch(struct link *l);

// Something was put into the source. Cheap while the link is awake or knows already.
void link_wake(struct link *l);
// Try now, whatever the backoff says, and look at the identity file again.
void link_retry(struct link *l);

void link_status(struct link *l, struct link_status *ret);

// From now on the server is at this address (text, without brackets), and its name is not looked up; "": by its name again. Certificates
// are checked against the name either way. Connections that are there go on.
void link_pin(struct link *l, const char *address);

// State tables. Copied; sent together after a moment. -EINVAL, -ENOSPC, -EMSGSIZE as state_set_put(), or more than
// 16 tables.
int link_state_put(struct link *l, const char *table, const char *key, const void *value,
                   size_t len);
int link_state_remove(struct link *l, const char *table, const char *key);
int link_state_replace(struct link *l, const char *table, const struct state_set *rows);

// A command's result, sent until the server has it. -ENOSPC: too many, or too much, waits (counted as lost), -EMSGSIZE, -EINVAL.
int link_result(struct link *l, const struct msg_result *result);
