// SPDX-License-Identifier: Apache-2.0
//
// Hosts: one for each identity that was enrolled. A host is
//
//     ok        it speaks, and nothing is wrong with it
//     degraded  it speaks; `reason` says what is wrong, `cure` what to do (condition.h)
//     silent    nothing was heard for longer than host.silent_after
//     cloned    two machines used its identity: refused until it is enrolled anew
//     revoked   an admin took its identity away
//     retired   it was removed in an orderly way; its records stay
//
// A clone is found at hello: the machine id is another, or a boot id comes back after another one took its place.
// Everything that a host says of itself is bounded (HOST_FACT_MAX) and is no more than that: what it says.
#pragma once

#include "registry/registry.h"

#define HOST_ID_SIZE   37  // a UUID in lower case, and a NUL
#define HOST_FACT_MAX  256 // bytes; longer ones are cut, bytes that are not UTF-8 replaced
#define HOST_BOOTS_MAX 64  // boots that are remembered of a host

enum host_state {
#define HOST_STATE(id, name) HOST_##id,
#include "registry/host_states.def"
    HOST_STATES,
};
const char *host_state_name(enum host_state state);
enum host_state host_state_find(const char *name); // HOST_STATES: no such state

// What a host says of itself.
struct host_facts {
    const char *name, *machine_id, *boot_id, *os, *kernel, *arch, *version;
    const char *address; // seen by the server
    uint64_t time_ms;    // its clock when it asked; 0: it does not say
};

struct registry_host {
    const char *id;
    const char *name;
    enum host_state state;
    const char *reason; // "" when ok
    const char *cure;   // what to do about that; ""
    const char *labels; // JSON object of strings, sorted
    const char *os, *kernel, *arch, *version, *machine_id, *boot_id, *address;
    uint64_t enrolled_ms, seen_ms;              // seen_ms 0: never
    uint64_t cert_not_after_ms;                 // 0: none
    const char *bundle_wanted, *bundle_applied; // ids, "" for none
    const char *bundle_error;                   // why it could not be applied, "" when it could
    uint64_t bundle_wanted_ms, bundle_applied_ms;
    const char *health;       // what the agent says is wrong, "" nothing
    unsigned health_severity; // 0: nothing; 3 medium, 4 high, 5 critical
    uint32_t conditions;      // bits of enum host_condition: those it is in now
    uint32_t told;            // those that alerts were raised for
    bool skew_known;
    int64_t skew_ms;        // its clock minus the server's
    uint64_t lost, lost_ms; // records of it that were lost; when there were more the last time
    char text[2 * HOST_FACT_MAX]; // for reason
};

struct registry_host_filter {
    int state;            // enum host_state, or -1
    uint32_t states;      // bits 1 << enum host_state; 0: any
    const char *selector; // NULL or "": all
    const char *text;     // part of name, id, address or OS; NULL
    const char *name;     // exactly that, or the id; NULL: any
};

typedef int (*registry_host_fn)(void *ctx, const struct registry_host *h);

// By name, then id.
int registry_host_list(struct registry *rg, const struct registry_host_filter *filter,
                       const struct registry_page *page, registry_host_fn fn, void *ctx,
                       struct registry_next *ret_next, struct error *err);
// Calls fn once. -ENOENT.
int registry_host_get(struct registry *rg, const char *id, registry_host_fn fn, void *ctx,
                      struct error *err);
// The name of a host, for lists of records: a copy that the caller frees. -ENOENT.
int registry_host_name(struct registry *rg, const char *id, char **ret_name);
// How many there are of each state.
int registry_host_counts(struct registry *rg, uint64_t ret_counts[HOST_STATES], struct error *err);

// Replaces all labels; `labels` is a JSON object of strings. Bundles follow.
int registry_host_set_labels(struct registry *rg, const struct actor *actor, const char *id,
                             const char *labels, struct error *err);
int registry_host_revoke(struct registry *rg, const struct actor *actor, const char *id,
                         const char *reason, struct error *err);
// Removes what is known of it but for its name, so that its records keep one; its identity is refused as retired.
int registry_host_retire(struct registry *rg, const struct actor *actor, const char *id,
                         struct error *err);

enum host_admission {
    HOST_ADMITTED,
    HOST_REFUSED_UNKNOWN, // a certificate of ours, but this database knows no such host (see stranger below)
    HOST_REFUSED_CLONED,
    HOST_REFUSED_REVOKED,
    HOST_REFUSED_RETIRED,
};
const char *host_admission_word(
    enum host_admission a); // "unknown", "cloned", … as the link says it

struct registry_hello {
    enum host_admission admission;
    const char *reason; // text for the answer; static
    char session[33];   // hex; the session before ends
};

// A host says hello with a certificate that was checked against the CA. `serial` in hex. Returns 0 also for a host
// that is refused: ret->admission says why. The first finding of a clone is in the audit trail and an alert's matter.
int registry_hello(struct registry *rg, const char *id, const char *serial,
                   const struct host_facts *facts, struct registry_hello *ret, struct error *err);

// Whether the session is the host's present one and the host may speak. 0, -ESTALE (hello again), -EACCES (refused).
// Reads memory only in the common case.
int registry_host_session(struct registry *rg, const char *id, const char *session);

// Heard of: kept in memory, written by registry_tidy() and on closing (-ENOENT never comes out).
void registry_host_seen(struct registry *rg, const char *id);

// What its clock said just now. Kept as registry_host_seen() is.
void registry_host_clock(struct registry *rg, const char *id, uint64_t time_ms);

// Health as the server judges it from the state rows; reason "" : good. severity: of the worst problem.
int registry_host_set_health(struct registry *rg, const char *id, const char *reason,
                             unsigned severity, struct error *err);

// How many records the agent counts as lost since it started. Less than the last time: it started anew.
int registry_host_set_lost(struct registry *rg, const char *id, uint64_t lost, struct error *err);
// So many further numbers of its streams never came to this server, or are not there any more. What a host's spool
// dropped is in both counts: the larger one is told.
int registry_host_add_missing(struct registry *rg, const char *id, uint64_t n, struct error *err);

// Those that use the identity of a cloned host: the one that had it, and each that came with it since. At most
// HOST_RIVALS_MAX; of more, those heard of last.
#define HOST_RIVALS_MAX 8
struct registry_rival {
    const char *machine_id, *boot_id, *name, *address;
    uint64_t first_ms, last_ms;
};
typedef int (*registry_rival_fn)(void *ctx, const struct registry_rival *r);
int registry_rival_list(struct registry *rg, const char *host, registry_rival_fn fn, void *ctx,
                        struct error *err);

// A host that has a certificate of ours but is not in this database: after an older backup was brought back. It is
// refused, remembered (at most 10,000, for 30 days after it was heard of last) and can be adopted: it is a host again
// with its old id, and may say hello with the certificate it has.
struct registry_stranger {
    const char *id, *serial, *name, *machine_id, *os, *address;
    uint64_t first_ms, last_ms;
};
typedef int (*registry_stranger_fn)(void *ctx, const struct registry_stranger *s);
int registry_stranger_list(struct registry *rg, const struct registry_page *page,
                           registry_stranger_fn fn, void *ctx, struct registry_next *ret_next,
                           struct error *err);
// `labels` JSON object or NULL. -EKEYREVOKED: the journal says that it was revoked.
int registry_stranger_adopt(struct registry *rg, const struct actor *actor, const char *id,
                            const char *labels, struct error *err);
