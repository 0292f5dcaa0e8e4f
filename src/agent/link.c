// SPDX-License-Identifier: Apache-2.0
//
// Spool and link. Both begin with the agent where a server is set or this host is enrolled, or as soon as it is
// enrolled. Records are spooled before there is an identity, so that none is missing once there is.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_NS (10 * NS_PER_SEC)

static int join(const char *dir, const char *name, char **ret_path)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "%s/%s", dir, name);
    return sb_finish(&sb, ret_path);
}

int uplink_paths(struct agent *a)
{
    struct uplink *u = &a->uplink;
    int r;

    r = join(a->config.state_dir, UPLINK_IDENTITY, &u->identity_path);
    r = r < 0 ? r : join(a->config.state_dir, UPLINK_POLICIES, &u->policies_path);
    return r < 0 ? r : join(a->config.state_dir, UPLINK_TRYING, &u->trying_path);
}

bool uplink_wanted(const struct agent *a)
{
    return a->config.server_url[0] || access(a->uplink.identity_path, F_OK) == 0;
}

static int on_link(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    link_dispatch(a->uplink.feed.link);
    return 0;
}

static void on_status(void *ctx)
{
    struct agent *a = ctx;
    struct link_status status;

    link_status(a->uplink.feed.link, &status);
    if (status.state == a->uplink.told_state)
        return;
    a->uplink.told_state = status.state;
    if (link_state_stuck(status.state))
        notice(a, &(struct notice){.kind = "server",
                                   .severity = NOTICE_HIGH,
                                   .message = status.error.what[0] ? status.error.what
                                                                   : link_state_help(status.state),
                                   .cure = status.error.cure[0] ? status.error.cure : NULL});
    else if (status.state == LINK_online)
        log_info("in touch with the server %s", status.server_url);
    else
        log_info("the server: %s%s%s", link_state_help(status.state),
                 status.error.what[0] ? ": " : "", status.error.what);
}

static int start_spool(struct agent *a, struct error *err)
{
    const struct spool_options options = {
        .dir = a->config.spool_dir,
        .max_bytes = a->config.spool_size,
        .max_age_ms = a->config.spool_age,
        .boot_id = a->host.boot_id,
        .written = feed_written,
        .ctx = &a->uplink.feed,
    };
    struct sink_options sink = {};
    int r;

    r = spool_new(&options, &a->uplink.feed.spool, err);
    if (r < 0)
        return r;
    sink.spool = a->uplink.feed.spool;
    r = output_new(a->loop, &sink, &a->uplink.out);
    if (r < 0) {
        a->uplink.feed.spool = spool_free(a->uplink.feed.spool);
        return error_set(err, r, "records for the server cannot be kept: %m");
    }
    losses_spool_opened(a);
    return 0;
}

static int start_link(struct agent *a, struct error *err)
{
    _cleanup_(bundle_dir_done) struct bundle_dir have = {};
    struct uplink *u = &a->uplink;
    struct link *link = NULL;
    struct link_options options = {
        .identity_path = u->identity_path,
        .machine_id = a->host.machine_id,
        .boot_id = a->host.boot_id,
        .host = {a->host.hostname, a->host.machine_id, a->host.boot_id, a->host.os_name,
                 a->host.kernel, a->host.arch},
        .version = SAFEGUARD_VERSION,
        .source = feed_source(&u->feed),
        .handlers = {a, uplink_bundle, uplink_command, on_status},
    };
    int r;

    // One that cannot be read is sent again.
    if (bundle_dir_read(u->policies_path, &have, NULL) == 0 && have.id[0])
        options.bundle = have.id;
    r = link_new(&options, &link, err);
    if (r < 0)
        return r;
    __atomic_store_n(&u->feed.link, link, __ATOMIC_RELEASE);
    isolation_pin(a);
    r = loop_add_fd(a->loop, link_fd(link), EPOLLIN, on_link, a, &u->source);
    return r < 0 ? error_set(err, r, "the link to the server cannot be watched: %m") : 0;
}

void uplink_start(struct agent *a)
{
    struct uplink *u = &a->uplink;
    bool told = error_is_set(&u->error);
    struct error err = {};
    int r = 0;

    u->retry_ns = now_ns(CLOCK_MONOTONIC) + RETRY_NS;
    if (!uplink_wanted(a))
        return;
    u->clock_offset_ns = boottime_to_realtime_offset_ns();
    u->told_state = LINK_STATE_COUNT;
    if (!u->feed.spool)
        r = start_spool(a, &err);
    if (r == 0 && !u->feed.link)
        r = start_link(a, &err);
    if (r < 0 && !told)
        (void)log_error_struct(&err);
    u->error = r < 0 ? err : (struct error){};
}

void uplink_record(struct agent *a, enum stream_class class, bool denial, const char *line,
                   size_t len)
{
    struct strbuf *lines;

    if (!a->uplink.out)
        return;
    lines = output_begin(a->uplink.out);
    sb_putc(lines, sink_class(class));
    sb_add(lines, line, len);
    (void)output_end(a->uplink.out, denial);
}

bool uplink_is_behind(const struct agent *a)
{
    return a->uplink.out && output_is_behind(a->uplink.out);
}

// Once when records cannot be kept, once when they can again.
static void look_at_out(struct agent *a)
{
    struct uplink *u = &a->uplink;
    struct output_counters c;
    char text[192];

    if (!u->out)
        return;
    output_counters(u->out, &c);
    if (c.failing_since && !u->out_failing) {
        (void)snprintf(text, sizeof(text),
                       "records for the server cannot be kept: %s; they wait in memory",
                       strerror(-c.error));
        notice(a, &(struct notice){.kind = "loss",
                                   .severity = NOTICE_HIGH,
                                   .message = text,
                                   .cure = UPLINK_SPACE_CURE});
    } else if (!c.failing_since && u->out_failing) {
        log_info("records for the server can be kept again");
    }
    u->out_failing = c.failing_since != 0;
}

void uplink_tick(struct agent *a)
{
    struct uplink *u = &a->uplink;

    look_at_out(a);
    if ((!u->feed.spool || !u->feed.link || !u->source) && now_ns(CLOCK_MONOTONIC) >= u->retry_ns)
        uplink_start(a);
    if (!u->feed.link)
        return;
    uplink_policies_tick(a);
    uplink_rows_tick(a);
}

// False: its thread hangs in a write, and will come back to a spool and a link that have to be there.
static bool stop_out(struct agent *a)
{
    struct output_lost lost;

    if (!a->uplink.out)
        return true;
    output_stop(a->uplink.out, &lost);
    if (lost.lines)
        (void)log_error_code(lost.error,
                             "%s%llu records that waited to be kept for the server are lost: %m",
                             lost.error == -ETIMEDOUT ? "up to " : "",
                             (unsigned long long)lost.lines);
    a->uplink.out = output_free(a->uplink.out);
    return lost.error != -ETIMEDOUT;
}

bool uplink_stop(struct agent *a)
{
    struct uplink *u = &a->uplink;

    u->source = loop_source_free(u->source);
    if (!stop_out(a))
        return false;
    u->feed.link = link_free(u->feed.link);
    u->feed.spool = spool_free(u->feed.spool);
    uplink_policies_stop(a);
    free(u->identity_path);
    free(u->policies_path);
    free(u->trying_path);
    return true;
}
