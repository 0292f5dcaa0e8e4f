// SPDX-License-Identifier: Apache-2.0
//
// What goes from the link's thread to its owner, and results that come back.
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/link_private.h"

static void event_free(struct link_event *e)
{
    if (e->is_bundle)
        msg_bundle_done(&e->bundle);
    for (size_t i = 0; i < ARRAY_SIZE(e->text); i++)
        free(e->text[i]);
    free(e);
}

void link_events_free(struct link_event *events)
{
    while (events) {
        struct link_event *next = events->next;

        event_free(events);
        events = next;
    }
}

static void signal_owner(const struct link *l)
{
    // Full means that it is readable already.
    (void)eventfd_write(l->event_fd, 1);
}

void link_tell(struct link *l)
{
    if (!l->told)
        signal_owner(l);
    l->told = true;
}

// Only the latest policies matter, and they may be large.
static void drop_bundles(struct link *l)
{
    struct link_event **at = &l->events, *e;

    while ((e = *at)) {
        if (!e->is_bundle) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        event_free(e);
        l->n_events--;
    }
    l->events_end = at;
}

static void push(struct link *l, struct link_event *e)
{
    link_lock(l);
    if (e->is_bundle)
        drop_bundles(l);
    *l->events_end = e;
    l->events_end = &e->next;
    l->n_events++;
    link_unlock(l);
    signal_owner(l);
}

int link_push_bundle(struct link *l, struct msg_bundle *bundle)
{
    struct link_event *e = new0(struct link_event, 1);

    if (!e)
        return -ENOMEM;
    e->is_bundle = true;
    e->bundle = *bundle;
    *bundle = (struct msg_bundle){};
    push(l, e);
    return 0;
}

int link_push_command(struct link *l, const struct msg_command *command)
{
    struct link_event *e = new0(struct link_event, 1);

    if (!e)
        return -ENOMEM;
    e->text[0] = strdup(command->id);
    e->text[1] = strdup(command->name);
    e->text[2] = strdup(command->args);
    if (!e->text[0] || !e->text[1] || !e->text[2]) {
        event_free(e);
        return -ENOMEM;
    }
    e->command = (struct msg_command){
        .id = e->text[0],
        .name = e->text[1],
        .args = e->text[2],
        .deadline_ms = command->deadline_ms,
        .question = command->question,
    };
    push(l, e);
    return 0;
}

// For everything that one answer to a poll can bring.
bool link_queue_has_room(struct link *l)
{
    bool room;

    link_lock(l);
    room = l->n_events + MSG_COMMANDS_MAX + MSG_QUESTIONS_MAX + 1 <= EVENTS_MAX;
    link_unlock(l);
    return room;
}

static void hand_over(const struct link_handlers *h, const struct link_event *e)
{
    if (!e->is_bundle) {
        if (h->command)
            h->command(h->ctx, &e->command);
    } else if (h->bundle) {
        h->bundle(h->ctx, e->bundle.id, e->bundle.files, e->bundle.n_files);
    }
}

void link_dispatch(struct link *l)
{
    struct link_event *events;
    eventfd_t n;
    bool told;

    (void)eventfd_read(l->event_fd, &n);
    link_lock(l);
    events = l->events;
    told = l->told;
    l->events = NULL;
    l->events_end = &l->events;
    l->n_events = 0;
    l->told = false;
    link_unlock(l);
    if (told && l->o.handlers.status)
        l->o.handlers.status(l->o.handlers.ctx);
    while (events) {
        struct link_event *e = events;

        events = e->next;
        hand_over(&l->o.handlers, e);
        event_free(e);
    }
    // A poll may have waited for room.
    (void)eventfd_write(l->wake_fd, 1);
}

// Results -------------------------------------------------------------------------------------

int link_result(struct link *l, const struct msg_result *result)
{
    struct link_result *r = new0(struct link_result, 1);
    _cleanup_(sb_done) struct strbuf sb = {};
    int code;

    if (!r)
        return -ENOMEM;
    code = msg_result_write(&sb, result);
    if (code == 0 && sb.len > WIRE_RESULT_MAX)
        code = -EMSGSIZE;
    if (code == 0)
        code = sb_finish(&sb, &r->body);
    link_lock(l);
    if (code == 0 &&
        (l->n_results >= RESULTS_MAX || l->results_bytes + strlen(r->body) > RESULTS_BYTES))
        code = -ENOSPC;
    if (code == 0) {
        *l->results_end = r;
        l->results_end = &r->next;
        l->n_results++;
        l->results_bytes += strlen(r->body);
    } else {
        l->status.counters.results_lost++;
    }
    link_unlock(l);
    if (code < 0) {
        free(r->body);
        free(r);
        return code;
    }
    (void)eventfd_write(l->wake_fd, 1);
    return 0;
}

void link_results_free(struct link_result *results)
{
    while (results) {
        struct link_result *next = results->next;

        free(results->body);
        free(results);
        results = next;
    }
}

int link_start_result(struct link *l)
{
    sb_reset(&l->call.body);
    link_lock(l);
    if (l->results)
        sb_puts(&l->call.body, l->results->body);
    link_unlock(l);
    if (l->call.body.len == 0 && !l->call.body.failed)
        return 0;
    return link_start(l, WORK_RESULT, WIRE_RESULT, WIRE_JSON_TYPE, WIRE_ANSWER_MAX);
}

// Only this thread takes results out: the first one is the one that was sent.
void link_result_sent(struct link *l, bool lost)
{
    struct link_result *r;

    link_lock(l);
    r = l->results;
    if (r) {
        l->results = r->next;
        if (!l->results)
            l->results_end = &l->results;
        l->n_results--;
        l->results_bytes -= strlen(r->body);
        r->next = NULL;
        if (lost)
            l->status.counters.results_lost++;
        else
            l->status.counters.results++;
    }
    link_unlock(l);
    link_results_free(r);
}
