// SPDX-License-Identifier: Apache-2.0
//
// The thread that sends, and what all kinds of channels share.
#include "server/notify.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/thread.h"
#include "registry/settings.h"
#include "server/server.h"

#define IDLE_MS  UINT64_C(60000)
#define RETRY_MS UINT64_C(5000) // when the registry could not be asked

struct notify {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t wake;
    bool stop, woken;
};

static const struct notify_kind *const kinds[CHANNEL_KINDS] = {
    [CHANNEL_WEBHOOK] = &notify_webhook,
    [CHANNEL_EMAIL] = &notify_email,
    [CHANNEL_SYSLOG] = &notify_syslog,
};

int notify_check_target(enum channel_kind kind, const char *target, struct error *err)
{
    size_t len = strlen(target);

    if (len == 0 || len > NOTIFY_TARGET_MAX)
        return error_set(err, -EINVAL, "the target of a channel has 1 to %d bytes",
                         NOTIFY_TARGET_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)target[i] <= ' ' || target[i] == 0x7f)
            return error_set(err, -EINVAL,
                             "the target of a channel has a blank or a control character");
    return kinds[kind]->check(target, err);
}

void *notify_curl(const char *url, const char *protocols)
{
    CURL *curl = curl_easy_init();

    if (!curl)
        return NULL;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, NOTIFY_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, NOTIFY_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "safeguard/" SAFEGUARD_VERSION);
    return curl;
}

// One message --------------------------------------------------------------------------------------

struct letter {
    uint64_t id, channel, time_ms;
    char *body;
};

struct address {
    char *target;
    enum channel_kind kind;
};

static int on_channel(void *ctx, const struct registry_channel *c)
{
    struct json_object *o = json_tokener_parse(c->config);
    const char *target = json_get_str(o, "target", "");
    struct address *a = ctx;

    a->kind = c->kind;
    a->target = strdup(target);
    json_object_put(o);
    return a->target ? 0 : -ENOMEM;
}

static int send_to(struct server *s, const struct address *a, struct notification *n,
                   bool *ret_for_ever, struct error *err)
{
    _cleanup_free_ char *smtp_url = registry_setting_text(s->registry, SETTING_SMTP_URL),
                        *smtp_from = registry_setting_text(s->registry, SETTING_SMTP_FROM),
                        *smtp_user = registry_setting_text(s->registry, SETTING_SMTP_USER),
                        *public_url = registry_setting_text(s->registry, SETTING_PUBLIC_URL);
    _cleanup_(sb_done) struct strbuf subject = {}, text = {};
    int r;

    if (!smtp_url || !smtp_from || !smtp_user || !public_url)
        return error_set(err, -ENOMEM, "out of memory");
    r = notify_describe(n->json, public_url, &subject, &text, &n->severity);
    if (r < 0)
        return error_set(err, r, "the message could not be written");
    n->target = a->target;
    n->subject = sb_str(&subject);
    n->text = sb_str(&text);
    n->smtp_url = smtp_url;
    n->smtp_from = smtp_from;
    n->smtp_user = smtp_user;
    // What was stored by an older version, or under another kind, is looked at again.
    r = (unsigned)a->kind < CHANNEL_KINDS ? notify_check_target(a->kind, a->target, err) : -EINVAL;
    if (r < 0) {
        *ret_for_ever = true;
        return r;
    }
    return kinds[a->kind]->send(n, ret_for_ever, err);
}

static int send_letter(struct server *s, const struct letter *l, bool *ret_for_ever,
                       struct error *err)
{
    struct notification n = {.id = l->id, .body = l->body, .time_ms = l->time_ms};
    struct address a = {};
    char *secret = NULL;
    int r = registry_channel_get(s->registry, l->channel, on_channel, &a, err);

    if (r == 0)
        r = registry_channel_secret(s->registry, l->channel, &secret, err);
    n.json = json_tokener_parse(l->body);
    if (r == 0 && !n.json)
        r = error_set(err, -ENOMEM, "the message could not be read");
    n.secret = secret;
    if (r == 0)
        r = send_to(s, &a, &n, ret_for_ever, err);
    json_object_put(n.json);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
    free(a.target);
    return r;
}

int notify_test(struct server *s, uint64_t channel, struct error *err)
{
    struct letter l = {.channel = channel, .time_ms = server_now()};
    bool for_ever;
    int r;

    if (asprintf(&l.body, "{\"kind\":\"test\",\"time\":%llu}", (unsigned long long)l.time_ms) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    r = send_letter(s, &l, &for_ever, err);
    free(l.body);
    return r;
}

// The thread ---------------------------------------------------------------------------------------

static int on_message(void *ctx, const struct registry_message *m)
{
    struct letter *l = ctx;

    *l = (struct letter){m->id, m->channel, m->created_ms, strdup(m->body)};
    return l->body ? 0 : -ENOMEM;
}

// 1: one was taken, sent or not; 0: nothing is due until *ret_due_ms.
static int send_one(struct server *s, uint64_t *ret_due_ms)
{
    struct letter l = {};
    struct error err = {};
    bool for_ever = false;
    int r = registry_outbox_next(s->registry, on_message, &l, ret_due_ms, &err);

    if (r <= 0)
        return r;
    r = send_letter(s, &l, &for_ever, &err);
    if (r < 0)
        log_info("a message of channel %llu was not sent: %s", (unsigned long long)l.channel,
                 err.what);
    r = registry_outbox_result(s->registry, l.id, r < 0 ? err.what : NULL, for_ever, NULL);
    free(l.body);
    return r < 0 ? r : 1;
}

// With the lock.
static void wait_until(struct notify *n, uint64_t due_ms)
{
    uint64_t now = server_now(), wait = due_ms > now ? MIN(due_ms - now, IDLE_MS) : 0,
             until = now_ns(CLOCK_MONOTONIC) / NS_PER_MS + wait;
    const struct timespec at = {.tv_sec = (time_t)(until / 1000),
                                .tv_nsec = (long)(until % 1000 * NS_PER_MS)};

    while (!n->stop && !n->woken)
        if (pthread_cond_timedwait(&n->wake, &n->lock, &at) == ETIMEDOUT)
            break;
    n->woken = false;
}

static void *work(void *ctx)
{
    struct notify *n = ctx;

    (void)pthread_mutex_lock(&n->lock);
    while (!n->stop) {
        uint64_t due_ms = UINT64_MAX;
        int r;

        (void)pthread_mutex_unlock(&n->lock);
        r = send_one(n->server, &due_ms);
        (void)pthread_mutex_lock(&n->lock);
        if (r <= 0)
            wait_until(n, r < 0 ? server_now() + RETRY_MS : due_ms);
    }
    (void)pthread_mutex_unlock(&n->lock);
    return NULL;
}

int notify_new(struct server *s, struct notify **ret, struct error *err)
{
    struct notify *n = new0(struct notify, 1);
    int r;

    if (!n || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(n);
        return error_set(err, -ENOMEM, "the sender of messages could not be set up");
    }
    n->server = s;
    (void)pthread_mutex_init(&n->lock, NULL);
    cond_init_monotonic(&n->wake);
    r = thread_start(&n->thread, "notify", 0, work, n);
    if (r < 0) {
        free(n);
        return error_set(err, r, "the sender of messages could not be started: %m");
    }
    *ret = n;
    return 0;
}

struct notify *notify_free(struct notify *n)
{
    if (!n)
        return NULL;
    (void)pthread_mutex_lock(&n->lock);
    n->stop = true;
    (void)pthread_cond_signal(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
    (void)pthread_join(n->thread, NULL);
    (void)pthread_cond_destroy(&n->wake);
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
    return NULL;
}

void notify_wake(struct notify *n)
{
    if (!n)
        return;
    (void)pthread_mutex_lock(&n->lock);
    n->woken = true;
    (void)pthread_cond_signal(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
}
