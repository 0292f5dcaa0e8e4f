// SPDX-License-Identifier: Apache-2.0
//
// Channels (webhook, e-mail, syslog) and the outbox of what is to be sent through them. A channel's secret (the key of
// a webhook's signature, the password of a mail server) is stored encrypted with the key beside the database, and no
// function for people returns it. The outbox is durable: what is in it is sent at least once, or given up and counted.
#pragma once

#include "registry/registry.h"

#define CHANNELS_MAX       64
#define CHANNEL_CONFIG_MAX 8192
#define CHANNEL_SECRET_MAX 1024
#define OUTBOX_MAX         10000 // messages that wait
#define OUTBOX_BODY_MAX    (64u << 10)

enum channel_kind { CHANNEL_WEBHOOK, CHANNEL_EMAIL, CHANNEL_SYSLOG, CHANNEL_KINDS };
const char *channel_kind_name(enum channel_kind kind);
enum channel_kind channel_kind_find(const char *name); // CHANNEL_KINDS: none

struct registry_channel {
    uint64_t id;
    const char *name;
    enum channel_kind kind;
    const char *config; // JSON object, without secrets; its form is the sender's business
    bool enabled, has_secret;
    unsigned severity_min; // 1 … 6
    uint64_t created_ms, sent, failed, dropped;
    uint64_t last_ms;       // of the last try; 0: none
    const char *last_error; // "" when it went well
};

typedef int (*registry_channel_fn)(void *ctx, const struct registry_channel *c);

int registry_channel_list(struct registry *rg, registry_channel_fn fn, void *ctx,
                          struct error *err);
int registry_channel_get(struct registry *rg, uint64_t id, registry_channel_fn fn, void *ctx,
                         struct error *err);

// NULL members (severity_min 0) of an update: as they are. secret "": none.
struct registry_channel_spec {
    const char *name, *config, *secret;
    const bool *enabled;
    unsigned severity_min;
};
int registry_channel_create(struct registry *rg, const struct actor *actor, enum channel_kind kind,
                            const struct registry_channel_spec *spec, uint64_t *ret_id,
                            struct error *err);
int registry_channel_update(struct registry *rg, const struct actor *actor, uint64_t id,
                            const struct registry_channel_spec *spec, struct error *err);
// What waits for it goes, too.
int registry_channel_delete(struct registry *rg, const struct actor *actor, uint64_t id,
                            struct error *err);
// For the sender only: the secret in clear, "" for none; the caller wipes and frees it. -EKEYREJECTED: it cannot be
// read with the key that is there.
int registry_channel_secret(struct registry *rg, uint64_t id, char **ret_secret, struct error *err);

struct registry_message {
    uint64_t id, channel;
    const char *kind; // "alert", "digest", "test"
    const char
        *body; // JSON object {kind, time, alert: {…}} or {kind, time, alerts: [{…}], more: n}
    uint64_t created_ms;
    unsigned attempts; // before this one
};
typedef int (*registry_message_fn)(void *ctx, const struct registry_message *m);

// The next message that is due, to fn; nothing is held while it is sent, and only one thread sends. 1: there was one;
// 0: none. *ret_due_ms (may be NULL): when the next will be due, UINT64_MAX: none waits. Messages beyond
// notify.per_minute of a channel are put together into one digest.
int registry_outbox_next(struct registry *rg, registry_message_fn fn, void *ctx,
                         uint64_t *ret_due_ms, struct error *err);
// NULL: sent. Otherwise why not: tried again after 15 s, 30 s, … 1 h, until notify.give_up. `for_ever`: no use to try again.
int registry_outbox_result(struct registry *rg, uint64_t id, const char *failure, bool for_ever,
                           struct error *err);
// A message of kind "test" to one channel, whatever its severity_min.
int registry_outbox_test(struct registry *rg, const struct actor *actor, uint64_t channel,
                         struct error *err);
