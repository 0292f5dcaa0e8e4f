// SPDX-License-Identifier: Apache-2.0
//
// Messages about alerts to where people look: webhooks, mail, syslog. One thread takes them from the registry's outbox,
// which holds them until they are sent or given up. A message may be sent twice when the server is killed between sending
// and knowing; none is lost. A kind of channel is one file (notify_<kind>.c) and one row in notify.c.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "registry/channel.h"

#define NOTIFY_TARGET_MAX 1024
#define NOTIFY_TIMEOUT_S  15L // for one message, all in all

struct server;
struct notify;

int notify_new(struct server *s, struct notify **ret, struct error *err);
// Waits for the message that is on its way.
struct notify *notify_free(struct notify *n);
DEFINE_CLEANUP(struct notify *, notify_free)
// Something is new in the outbox, or about a channel. From any thread.
void notify_wake(struct notify *n);

// A message to one channel at once, past the outbox. Negative with err: it was not sent.
int notify_test(struct server *s, uint64_t channel, struct error *err);

// Whether a channel of this kind can have this target; -EINVAL with err.
int notify_check_target(enum channel_kind kind, const char *target, struct error *err);

// For the files of the kinds ------------------------------------------------------------------------

// What is to be sent, and as what. All texts are UTF-8 without control characters but newlines in `text`.
struct notification {
    uint64_t id;              // the same when it is sent again
    const char *target;       // of the channel
    const char *secret;       // "" none
    const char *body;         // JSON
    const char *subject;      // one line
    const char *text;         // lines
    unsigned severity;        // 1 … 6
    struct json_object *json; // body, read
    uint64_t time_ms;
    // From the settings:
    const char *smtp_url, *smtp_from, *smtp_user;
};

struct notify_kind {
    int (*check)(const char *target, struct error *err);
    // *ret_for_ever: no use to try again.
    int (*send)(const struct notification *n, bool *ret_for_ever, struct error *err);
};
extern const struct notify_kind notify_webhook, notify_email, notify_syslog;

// A handle with what every transfer needs: time-outs, no signals, no redirections, only these protocols ("http,https").
// NULL: no memory.
void *notify_curl(const char *url, const char *protocols);

// Appends subject and text of a message; public_url "": without links. notify_text.c
int notify_describe(struct json_object *body, const char *public_url, struct strbuf *subject,
                    struct strbuf *text, unsigned *ret_severity);
