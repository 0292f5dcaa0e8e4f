// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share: connections, changes with their row of the audit trail, checks of what comes from
// outside.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/macro.h"
#include "base/strbuf.h"
#include "base/table.h"
#include "db/db.h"
#include "registry/condition.h"
#include "registry/host.h"
#include "registry/registry.h"
#include "registry/settings.h"

#define REGISTRY_KEY_SIZE     32
#define REGISTRY_READERS_KEPT 8
#define MS_PER_MINUTE         UINT64_C(60000)
#define MS_PER_DAY            UINT64_C(86400000)

struct reader {
    struct db *db;
    struct reader *next;
};

// What is known of a host that spoke since the server was started.
struct live {
    uint64_t seen_ms;
    int64_t skew_ms;
    char session[33]; // "": none
    bool refused, dirty, skew_known;
};

struct registry {
    struct registry_options options;
    char *path, *journal;
    int lock_fd;
    uint64_t opened_ms, restored;
    atomic_bool audit_broken;
    char id[33];
    uint8_t key[REGISTRY_KEY_SIZE];

    pthread_mutex_t write_lock;
    struct db *writer;
    bool relaxed; // how the writer commits now

    pthread_mutex_t pool_lock;
    struct reader *readers;
    unsigned n_readers;

    pthread_mutex_t settings_lock;
    uint64_t settings[SETTING_N];
    char *settings_text[SETTING_N]; // those that somebody has set

    // Since when the server has been listening without a break: a host is not silent because the server was.
    atomic_ullong listening_ms;
    uint64_t round_ms;          // of conditions
    atomic_bool health_changed; // of any host, since that

    pthread_mutex_t live_lock;
    struct map *live; // host id → struct live

    sem_t hashing; // how many passwords are looked at at a time: each takes 64 MiB
    pthread_mutex_t dummy_lock;
    char *dummy_hash; // for users who are not there
};

extern const struct db_migration registry_migrations[];
extern const size_t registry_n_migrations;

// ---- reading

struct reading {
    struct registry *rg;
    struct db *db;
};
int reading_begin(struct registry *rg, struct reading *ret, struct error *err);
// The same with a statement of it: declare the reading first, so that the statement is given back before it.
int reading_query(struct registry *rg, const char *sql, struct reading *ret,
                  struct db_stmt **ret_st, struct error *err);
void reading_done(struct reading *r);

// ---- changing

enum durability {
    DURABLE, // on the disk when it returns
    RELAXED, // survives a kill of the server; what a power cut takes away is brought again by those who know it
};

// One transaction with the write lock:
//     _cleanup_(change_done) struct change c = {};
//     r = change_begin(rg, actor, DURABLE, &c, err);
//     ...
//     r = change_audit(&c, err, "host.revoke", id, "s", "reason", reason);
//     return r < 0 ? r : change_commit(&c, err);
struct setting_change {
    bool set;
    const char *value; // NULL: back to the default
    uint64_t number;
};

// What a host may from now on.
struct live_change {
    const char *host;    // NULL: nothing changes
    const char *session; // NULL: none
    bool refused, skew_known;
    int64_t skew_ms;
};

struct change {
    struct registry *rg;
    struct db *db;
    struct db_txn txn;
    struct strbuf actor;
    const char *address;
    uint64_t now;
    int64_t skew_ms;            // of the host whose records are counted, where its clock is wrong
    uint32_t told;              // bits of enum registry_change
    char host[REGISTRY_ID_MAX]; // the one that it is about, "" for many
    bool locked;
    // What is kept in memory as well: changed after the commit, before anybody else may change it.
    struct setting_change settings[SETTING_N];
    struct live_change live;
};
int change_begin(struct registry *rg, const struct actor *actor, enum durability durability,
                 struct change *ret, struct error *err);
// Types, one letter a member of the detail: s (key, text), u (key, uint64_t), j (key, JSON text), b (key, int).
int change_audit(struct change *c, struct error *err, const char *action, const char *target,
                 const char *types, ...);
// Says after the commit that something changed.
void change_tell(struct change *c, enum registry_change change, const char *host);
int change_commit(struct change *c, struct error *err);
void change_done(struct change *c);

// As the server itself.
extern const struct actor registry_self;

// `detail` is JSON.
int audit_add(struct change *c, const char *action, const char *target, const char *detail,
              struct error *err);

// ---- settings

int settings_load(struct registry *rg, struct error *err);
void settings_free(struct registry *rg);
// In a change that goes on.
int settings_put(struct change *c, enum setting id, const char *value, struct error *err);
int settings_keep(struct registry *rg, enum setting id, const char *text, uint64_t value);

// ---- hosts that are there

int live_begin(struct registry *rg, struct error *err);
// After a commit, with the write lock. 0 or -ENOMEM (then it is looked up again).
void live_set(struct registry *rg, const struct live_change *change);
// What is known of it since the server was started; left as it is where nothing is.
void live_get(struct registry *rg, const char *host, struct live *ret);
// Is there a host that was heard of within after_ms of last_ms, and is not of now_ms any more?
bool live_fell_quiet(struct registry *rg, uint64_t after_ms, uint64_t last_ms, uint64_t now_ms);
int live_flush(struct registry *rg, struct error *err);

// A new host with its first certificate, in a change that goes on; not_after_ms 0: not known.
int host_insert(struct change *c, const char *id, const struct host_facts *in, const char *labels,
                const char *serial, uint64_t not_after_ms, struct error *err);

// ---- bundles

// Puts together anew what this host (NULL: every host) should have, in a change that goes on.
int bundles_refresh(struct change *c, const char *host, struct error *err);

// ---- the outbox

// An alert is new or new again: a message to each channel that wants it.
int outbox_alert(struct change *c, uint64_t alert, struct error *err);
// All alerts of one condition that wait to be told, as one message.
int outbox_condition(struct change *c, enum host_condition condition, struct error *err);

// ---- conditions

// The alert of a host that got into a condition (again), and of one that is out of it. *ret_new: it is to be told.
int alert_raise(struct change *c, const struct registry_host *h, enum host_condition condition,
                bool *ret_new, struct error *err);
int alert_clear(struct change *c, const char *host, enum host_condition condition, const char *why,
                struct error *err);

// Stops roll-outs that too many hosts refuse.
int rollouts_stop(struct registry *rg, struct error *err);

// Somebody came with the identity of a host: see struct registry_rival.
int rival_note(struct change *c, const char *host, const char *machine_id, const char *boot_id,
               const char *name, const char *address, struct error *err);

// ---- the journal of what was revoked (journal.c)

int journal_add(struct registry *rg, const char *host, struct error *err);
int journal_apply(struct registry *rg, struct error *err);
// 1: the journal has it, 0: not.
int journal_has(struct registry *rg, const char *host, struct error *err);

// ---- secrets (secret.c)

int secret_key_load(struct registry *rg, int dirfd, struct error *err);
// `what` is bound to the text: the secret of one channel cannot be put in place of another's.
int secret_seal(struct registry *rg, const char *what, const char *text, char **ret_blob,
                size_t *ret_len);
int secret_open(struct registry *rg, const char *what, const void *blob, size_t len,
                char **ret_text);
void random_hex(char *ret, size_t digits); // and a NUL
void random_base64(char ret[44]);          // of 32 random bytes
void base64_of(const uint8_t bytes[32], char ret[44]);
void hash_text(const char *domain, const char *text, uint8_t ret[32]);
void hex_of(const void *mem, size_t len, char *ret); // 2 * len digits and a NUL

// ---- what comes from outside (check.c)

// One line (or lines) of UTF-8 without control characters, of at most max bytes; NULL is fine.
int check_text(struct error *err, const char *what, const char *s, size_t max, bool lines);
// 1 … max bytes of letters, digits and ". _ -".
int check_name(struct error *err, const char *what, const char *s, size_t max);
int check_hex(struct error *err, const char *what, const char *s, size_t digits);
// Lower-case UUID.
int check_host(struct error *err, const char *id);
// A JSON value within a length; object: it has to be one.
int check_json(struct error *err, const char *what, const char *json, size_t max, bool object);
// A copy of at most HOST_FACT_MAX bytes, control characters and bytes that are not UTF-8 replaced by '?'.
struct fact {
    char s[HOST_FACT_MAX + 1];
};
const char *fact_clean(struct fact *f, const char *s, size_t max);

// Of a label's key or value.
bool label_char(char c);

unsigned page_limit(const struct registry_page *page);
const char *page_cursor(const struct registry_page *page); // NULL: the first
// The cursor as a number; 0 for none. -EINVAL.
int page_number(const struct registry_page *page, uint64_t *ret, struct error *err);
void next_number(struct registry_next *ret, uint64_t last); // 0: nothing more
// LIKE pattern for a part of a text, with \ as escape; the caller frees.
int like_part(const char *text, char **ret);
// The same where text may end in * (a prefix).
int like_prefix(const char *text, char **ret);

// `UPDATE` or `DELETE` met no row: -ENOENT.
int not_found(struct error *err, const char *what, const char *id);
