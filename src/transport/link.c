// SPDX-License-Identifier: Apache-2.0
//
// What others call: beginning, end, status.
#include "transport/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/thread.h"
#include "transport/link_private.h"

#define LINGER_MS      1000
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 300000
#define CONNECT_MS     10000
#define STALL_MS       30000
#define RECORDS        1000

static const struct {
    const char *word, *help;
    bool stuck;
} states[LINK_STATE_COUNT] = {
#define LINK_STATE(id, word, stuck, help) [LINK_##id] = {word, help, stuck},
#include "transport/linkstates.def"
};

const char *link_state_word(enum link_state state)
{
    return (unsigned)state < LINK_STATE_COUNT ? states[state].word : NULL;
}

const char *link_state_help(enum link_state state)
{
    return (unsigned)state < LINK_STATE_COUNT ? states[state].help : NULL;
}

bool link_state_stuck(enum link_state state)
{
    return (unsigned)state < LINK_STATE_COUNT && states[state].stuck;
}

uint64_t link_now(void)
{
    return now_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

uint64_t link_wall_ms(void)
{
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

void link_lock(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
}

void link_unlock(struct link *l)
{
    (void)pthread_mutex_unlock(&l->lock);
}

void link_count(struct link *l, uint64_t *counter, uint64_t n)
{
    link_lock(l);
    *counter += n;
    link_unlock(l);
}

void link_set_state(struct link *l, enum link_state state, const struct error *err)
{
    link_lock(l);
    if (l->status.state != state) {
        l->status.state = state;
        l->status.since_ms = link_wall_ms();
        link_tell(l);
    }
    if (err)
        l->status.error = *err;
    else
        error_reset(&l->status.error);
    link_unlock(l);
}

void link_fault(struct link *l, enum work work, const struct error *err)
{
    link_lock(l);
    l->status.error = *err;
    link_unlock(l);
    l->faulty = work;
}

void link_fault_over(struct link *l, enum work work)
{
    if (l->faulty != work)
        return;
    l->faulty = WORK_NONE;
    link_lock(l);
    if (l->status.state == LINK_online)
        error_reset(&l->status.error);
    link_unlock(l);
}

void link_status(struct link *l, struct link_status *ret)
{
    link_lock(l);
    *ret = l->status;
    link_unlock(l);
}

void link_pin(struct link *l, const char *address)
{
    link_lock(l);
    (void)snprintf(l->pinned, sizeof(l->pinned), "%s", address);
    link_unlock(l);
}

static void wake(const struct link *l)
{
    (void)eventfd_write(l->wake_fd, 1);
}

void link_wake(struct link *l)
{
    if (!atomic_exchange(&l->more, true))
        wake(l);
}

void link_retry(struct link *l)
{
    link_lock(l);
    l->retry_now = true;
    link_unlock(l);
    wake(l);
}

int link_fd(const struct link *l)
{
    return l->event_fd;
}

static int copy_text(const char **text)
{
    if (!*text)
        return 0;
    *text = strdup(*text);
    return *text ? 0 : -ENOMEM;
}

// Every text of the options becomes one of our own. Those behind one that failed are cleared, since they would be
// freed.
static int own_texts(struct link_options *o)
{
    const char **texts[] = {
        &o->identity_path, &o->machine_id, &o->boot_id,     &o->version,         &o->host.name,
        &o->host.boot_id,  &o->host.os,    &o->host.kernel, &o->host.machine_id, &o->host.arch,
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (r == 0)
            r = copy_text(texts[i]);
        else
            *texts[i] = NULL;
    }
    return r;
}

static void free_texts(struct link_options *o)
{
    free((char *)o->identity_path);
    free((char *)o->machine_id);
    free((char *)o->boot_id);
    free((char *)o->version);
    free((char *)o->host.name);
    free((char *)o->host.boot_id);
    free((char *)o->host.os);
    free((char *)o->host.kernel);
    free((char *)o->host.machine_id);
    free((char *)o->host.arch);
}

static void free_parts(struct link *l)
{
    link_close(l);
    link_events_free(l->events);
    link_results_free(l->results);
    link_tables_free(l);
    frame_writer_free(l->writer);
    (void)safe_close(l->wake_fd);
    (void)safe_close(l->event_fd);
    (void)pthread_mutex_destroy(&l->lock);
    free_texts(&l->o);
    free(l);
    curl_global_cleanup();
}

static void take_defaults(struct link *l)
{
    struct link_options *o = &l->o;

    o->linger_ms = o->linger_ms ? o->linger_ms : LINGER_MS;
    o->backoff_min_ms = o->backoff_min_ms ? o->backoff_min_ms : BACKOFF_MIN_MS;
    o->backoff_max_ms = o->backoff_max_ms ? o->backoff_max_ms : BACKOFF_MAX_MS;
    o->records = o->records ? MIN(o->records, FRAME_RECORDS_MAX) : RECORDS;
    l->timing.connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    l->timing.stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
    for (size_t i = 0; i < STREAM_CLASSES; i++)
        l->limit[i] = o->records;
    l->status.state = LINK_connecting;
    l->status.since_ms = link_wall_ms();
}

// In the beginning, so that free_parts() can be called at any time after.
static struct link *allocate(const struct link_options *options)
{
    struct link *l;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return NULL;
    l = new0(struct link, 1);
    if (!l) {
        curl_global_cleanup();
        return NULL;
    }
    l->wake_fd = l->event_fd = -1;
    l->events_end = &l->events;
    l->results_end = &l->results;
    l->o = *options;
    (void)pthread_mutex_init(&l->lock, NULL);
    if (own_texts(&l->o) < 0) {
        free_parts(l);
        return NULL;
    }
    take_defaults(l);
    if (options->bundle)
        (void)snprintf(l->has_bundle, sizeof(l->has_bundle), "%s", options->bundle);
    if (options->after)
        (void)snprintf(l->after, sizeof(l->after), "%s", options->after);
    memcpy(l->wants_bundle, l->has_bundle, sizeof(l->wants_bundle));
    l->o.bundle = l->o.after = NULL;
    return l;
}

static int check_options(const struct link_options *o, struct error *err)
{
    const struct link_source *s = &o->source;

    if (!o->identity_path || !o->version || !s->streams || !s->lease || !s->commit ||
        !s->rollback || !s->new_stream)
        return error_set(err, -EINVAL, "the link lacks an identity, a version or a source");
    if ((o->bundle && !wire_id_valid(o->bundle)) || (o->after && !wire_id_valid(o->after)))
        return error_set(err, -EINVAL, "the link was given an id that is none");
    return 0;
}

int link_new(const struct link_options *options, struct link **ret_link, struct error *err)
{
    struct link *l;
    int r;

    r = check_options(options, err);
    if (r < 0)
        return r;
    l = allocate(options);
    if (!l)
        return error_set(err, -ENOMEM, "no memory for the link");
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = l->wake_fd < 0 || l->event_fd < 0 ? negative_errno() : frame_writer_new(&l->writer);
    if (r == 0)
        r = thread_start(&l->thread, "link", 0, link_run, l);
    if (r < 0) {
        free_parts(l);
        return error_set(err, r, "the link cannot be started: %m");
    }
    *ret_link = l;
    return 0;
}

struct link *link_free(struct link *l)
{
    if (!l)
        return NULL;
    link_lock(l);
    l->stop = true;
    link_unlock(l);
    wake(l);
    (void)pthread_join(l->thread, NULL);
    free_parts(l);
    return NULL;
}
