// SPDX-License-Identifier: Apache-2.0
//
// What comes down: bundles, commands and questions.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "transport/link_private.h"

#define EMPTY_MS 1000 // a server that does not park is not asked more often

int link_start_poll(struct link *l)
{
    _cleanup_(sb_done) struct strbuf path = {};
    int r;

    if (!link_queue_has_room(l))
        return 0;
    // The server is told what the agent was given. What is about to be fetched would be answered at once.
    if (!streq(l->has_bundle, l->wants_bundle) && link_now() >= l->hold[WORK_BUNDLE])
        return 0;
    r = msg_poll_path(&path, l->session, *l->has_bundle ? l->has_bundle : NULL, l->after);
    if (r < 0)
        return r;
    sb_reset(&l->poll.body);
    return link_start(l, WORK_POLL, path.s, WIRE_JSON_TYPE, WIRE_POLL_MAX);
}

void link_want_bundle(struct link *l, const char *id)
{
    (void)snprintf(l->wants_bundle, sizeof(l->wants_bundle), "%s", strempty(id));
}

static bool seen(const struct link *l, const char *id)
{
    for (size_t i = 0; i < MIN(l->n_seen, (size_t)SEEN_MAX); i++)
        if (streq(l->seen[i], id))
            return true;
    return false;
}

static int take_command(struct link *l, const struct msg_command *command)
{
    int r;

    if (!seen(l, command->id)) {
        r = link_push_command(l, command);
        if (r < 0)
            return r;
        (void)snprintf(l->seen[l->n_seen++ % SEEN_MAX], sizeof(l->seen[0]), "%s", command->id);
        link_count(l, &l->status.counters.commands, 1);
    }
    (void)snprintf(l->after, sizeof(l->after), "%s", command->id);
    return 0;
}

void link_on_poll(struct link *l, uint64_t now)
{
    struct msg_poll m = {};
    struct error err = {};
    bool news;
    int r;

    r = msg_poll_read(sb_str(&l->poll.answer), l->poll.answer.len, &m, &err);
    if (r < 0) {
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    news = !streq(strempty(m.bundle), l->wants_bundle);
    link_want_bundle(l, m.bundle);
    for (size_t i = 0; i < m.n_commands && r == 0; i++) {
        news = news || !seen(l, m.commands[i].id);
        r = take_command(l, &m.commands[i]);
    }
    for (size_t i = 0; i < m.n_questions && r == 0; i++) {
        news = true;
        r = link_push_command(l, &m.questions[i]);
    }
    msg_poll_done(&m);
    if (r < 0 || (!news && !streq(l->has_bundle, l->wants_bundle)))
        link_hold(l, WORK_POLL, SHORT_HOLD_MS);
    else if (!news && now - l->polled_at < EMPTY_MS)
        link_hold(l, WORK_POLL, EMPTY_MS);
}

static int no_bundle(struct link *l)
{
    struct msg_bundle none = {};

    if (!link_queue_has_room(l))
        return 0;
    if (link_push_bundle(l, &none) < 0)
        return -ENOMEM;
    l->has_bundle[0] = '\0';
    return 0;
}

int link_start_bundle(struct link *l)
{
    _cleanup_(sb_done) struct strbuf path = {};

    if (streq(l->has_bundle, l->wants_bundle))
        return 0;
    if (!*l->wants_bundle)
        return no_bundle(l);
    sb_printf(&path, WIRE_BUNDLE "%s", l->wants_bundle);
    if (path.failed)
        return -ENOMEM;
    // Another one may be wanted before this one is there.
    memcpy(l->asked_bundle, l->wants_bundle, sizeof(l->asked_bundle));
    sb_reset(&l->call.body);
    return link_start(l, WORK_BUNDLE, path.s, WIRE_JSON_TYPE, WIRE_BUNDLE_MAX);
}

void link_on_bundle(struct link *l)
{
    struct msg_bundle m = {};
    struct error err = {};
    int r;

    r = msg_bundle_read(sb_str(&l->call.answer), l->call.answer.len, &m, &err);
    if (r == 0 && !streq(m.id, l->asked_bundle))
        r = error_set(&err, -EBADMSG, "other ones came than were asked for");
    if (r < 0) {
        msg_bundle_done(&m);
        error_context(&err, "policies from the server");
        link_hold(l, WORK_BUNDLE, LONG_HOLD_MS);
        link_fault(l, WORK_BUNDLE, &err);
        return;
    }
    r = link_push_bundle(l, &m);
    msg_bundle_done(&m);
    if (r < 0) {
        link_hold(l, WORK_BUNDLE, SHORT_HOLD_MS);
        return;
    }
    memcpy(l->has_bundle, l->asked_bundle, sizeof(l->has_bundle));
    link_count(l, &l->status.counters.bundles, 1);
}
