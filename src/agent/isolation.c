// SPDX-License-Identifier: Apache-2.0
//
// Isolation of this host: kept on the disk so that it outlives agents and starts of the host, put in front of all policies as rules like
// theirs, and ended by its time, by the same command, or by the server. While it lasts the server is found by the address that it had,
// since names are not looked up.
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/log.h"
#include "base/strutil.h"

#define FILE_MAX ((size_t)64 << 10)

static uint64_t boot_ms(void)
{
    return now_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

static uint64_t real_ms(void)
{
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static uint64_t left_ms(const struct agent *a)
{
    return isolation_left_ms(&a->isolation.now, a->host.boot_id, boot_ms(), real_ms());
}

static void tell(struct agent *a, int severity, const char *message)
{
    notice(a, &(struct notice){.kind = "isolation", .severity = severity, .message = message});
    uplink_rows_changed(a);
}

// The addresses that this host has: its own programs reach each other by them.
static int own_addresses(char ***ret)
{
    _cleanup_(strv_freep) char **list = NULL;
    struct ifaddrs *all = NULL;
    char text[64];
    size_t n = 0;
    int r = 0;

    if (getifaddrs(&all) < 0)
        return negative_errno();
    for (struct ifaddrs *i = all; r == 0 && i && n < ISOLATION_OWN_MAX; i = i->ifa_next) {
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6);

        if ((family != AF_INET && family != AF_INET6) ||
            getnameinfo(i->ifa_addr, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        text[strcspn(text, "%")] = '\0';
        if (!strv_contains(list, text)) {
            r = strv_append(&list, text);
            n++;
        }
    }
    freeifaddrs(all);
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

// What the policies are built with while it lasts; freed by the caller.
int isolation_text(const struct agent *a, char **ret)
{
    _cleanup_(strv_freep) char **own = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int r;

    *ret = NULL;
    if (!a->isolation.on)
        return 0;
    r = own_addresses(&own);
    if (r < 0)
        (void)log_warning_code(r, "the addresses of this host are not known: %m; its programs do "
                                  "not reach each other by them while it is isolated");
    r = isolation_policy(&a->isolation.now, own, &sb, &err);
    return r < 0 ? r : sb_finish(&sb, ret);
}

static int save(const struct agent *a)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = isolation_format(&a->isolation.now, &sb);

    return r < 0 ? r : write_file_atomic(AT_FDCWD, a->isolation.path, sb.s, sb.len, 0600);
}

void isolation_pin(struct agent *a)
{
    if (a->uplink.feed.link)
        link_pin(a->uplink.feed.link, a->isolation.on ? a->isolation.now.server : "");
}

void isolation_start(struct agent *a)
{
    struct isolation_state *s = &a->isolation;
    _cleanup_free_ char *text = NULL;
    int r;

    (void)snprintf(s->path, sizeof(s->path), "%s/isolation.json", a->config.state_dir);
    r = read_file_bounded(AT_FDCWD, s->path, FILE_MAX, &text, NULL);
    if (r == -ENOENT)
        return;
    if (r == 0)
        r = isolation_parse(text, &s->now);
    if (r < 0) {
        // Whether it was is what nobody knows now. Not cut off: the host would be so without end.
        (void)error_set(&s->error, r, "whether this host is isolated cannot be read: %s: %m",
                        s->path);
        error_cure(&s->error, "isolate it again, or end it: 'safeguard isolate --end'");
        (void)log_error_struct(&s->error);
        return;
    }
    s->on = left_ms(a) > 0;
    if (!s->on) {
        (void)unlink(s->path);
        isolation_done(&s->now);
        tell(a, NOTICE_MEDIUM,
             "this host is not isolated any more: its time had come before the agent began");
    }
}

static int read_allowed(struct json_object *list, struct isolation *i, struct error *err)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    int r = 0;

    if (n > ISOLATION_ALLOW_MAX)
        return error_set(err, -E2BIG, "%zu addresses that stay reachable: %u at the most", n,
                         ISOLATION_ALLOW_MAX);
    for (size_t k = 0; r == 0 && k < n; k++)
        r = strv_append(&i->allow,
                        strempty(json_object_get_string(json_object_array_get_idx(list, k))));
    return r < 0 ? error_set(err, r, "%m") : 0;
}

static int read_asked(struct agent *a, struct json_object *args, struct isolation *i,
                      struct error *err)
{
    uint64_t for_ms = json_get_u64(args, "for_ms", 0);
    const char *reason = json_get_str(args, "reason", "");

    if (!for_ms)
        for_ms = ISOLATION_MS_DEFAULT;
    if (for_ms < ISOLATION_MS_MIN || for_ms > ISOLATION_MS_MAX)
        return error_set(err, -ERANGE, "a host is isolated for 1 second to 30 days");
    if (strlen(reason) > ISOLATION_TEXT_MAX)
        return error_set(err, -E2BIG, "a reason has %u bytes at the most", ISOLATION_TEXT_MAX);
    (void)snprintf(i->reason, sizeof(i->reason), "%s", reason);
    (void)snprintf(i->boot_id, sizeof(i->boot_id), "%s", a->host.boot_id);
    i->since_ms = real_ms();
    i->until_ms = i->since_ms + for_ms;
    i->until_boot_ms = boot_ms() + for_ms;
    return read_allowed(json_get(args, "allow"), i, err);
}

// Where the server is now, else where it was when the isolation before this one began.
static int find_server(struct agent *a, struct isolation *i, struct error *err)
{
    struct link_status status = {};

    if (!uplink_wanted(a))
        return 0;
    if (a->uplink.feed.link)
        link_status(a->uplink.feed.link, &status);
    i->server_port = isolation_port_of(status.server_url);
    if (*status.server_address)
        (void)snprintf(i->server, sizeof(i->server), "%s", status.server_address);
    else if (a->isolation.on)
        memcpy(i->server, a->isolation.now.server, sizeof(i->server));
    if (*i->server || !*status.server_url)
        return 0;
    (void)
        error_set(err, -EHOSTUNREACH,
                  "the server was not reached since the agent began, so that nobody knows at which "
                  "address it may stay reachable");
    error_cure(err, "wait until 'safeguard status' says that the link is online");
    return -EHOSTUNREACH;
}

// What the server began is not this host's to change, unless its defence is open.
static int may_change(const struct agent *a, bool by_server, struct error *err)
{
    const struct isolation_state *s = &a->isolation;

    if (!s->on || !s->now.by_server || by_server || !defence_locked(a))
        return 0;
    (void)error_set(err, -EACCES,
                    "the server isolated this host: it is not this host's to change that");
    error_cure(err, "end it from the server, or open the defence first: safeguard unlock");
    return -EACCES;
}

int isolation_begin(struct agent *a, struct json_object *args, bool by_server, const char *by,
                    struct error *err)
{
    struct isolation_state *s = &a->isolation;
    struct isolation next = {.by_server = by_server}, before = s->now;
    _cleanup_(sb_done) struct strbuf text = {}, message = {};
    bool was_on = s->on;
    int r;

    (void)snprintf(next.by, sizeof(next.by), "%s", by);
    r = read_asked(a, args, &next, err);
    if (r == 0)
        r = may_change(a, by_server, err);
    if (r == 0)
        r = find_server(a, &next, err);
    if (r == 0)
        r = isolation_policy(&next, NULL, &text, err);
    if (r < 0) {
        isolation_done(&next);
        return r;
    }
    s->now = next;
    s->on = true;
    r = save(a);
    if (r < 0) {
        s->now = before;
        s->on = was_on;
        isolation_done(&next);
        return error_set(err, r, "that this host is isolated cannot be kept: %s: %m", s->path);
    }
    isolation_done(&before);
    error_reset(&s->error);
    isolation_pin(a);
    sb_printf(&message, "this host is isolated for %llu s, by %s%s%s",
              (unsigned long long)(left_ms(a) / 1000), by, *next.reason ? ": " : "", next.reason);
    tell(a, NOTICE_HIGH, sb_str(&message));
    return 0;
}

static void over(struct agent *a)
{
    struct isolation_state *s = &a->isolation;

    s->on = false;
    isolation_done(&s->now);
    error_reset(&s->error);
    if (unlink(s->path) < 0 && errno != ENOENT)
        (void)log_error_code(-errno,
                             "%s cannot be removed: %m; this host is isolated again when "
                             "the agent starts",
                             s->path);
    isolation_pin(a);
}

int isolation_end(struct agent *a, bool by_server, const char *by, struct error *err)
{
    _cleanup_(sb_done) struct strbuf message = {};
    int r = may_change(a, by_server, err);

    if (r < 0)
        return r;
    if (!a->isolation.on && !error_is_set(&a->isolation.error))
        return error_set(err, -EALREADY, "this host is not isolated");
    over(a);
    sb_printf(&message, "this host is not isolated any more: ended by %s", by);
    tell(a, NOTICE_MEDIUM, sb_str(&message));
    return 0;
}

void isolation_tick(struct agent *a)
{
    if (!a->isolation.on || left_ms(a) > 0)
        return;
    over(a);
    tell(a, NOTICE_MEDIUM, "this host is not isolated any more: its time has come");
    policies_reload(a, "the isolation has ended");
}

void isolation_stop(struct agent *a)
{
    isolation_done(&a->isolation.now);
}

void isolation_json(const struct agent *a, struct jw *jw)
{
    const struct isolation_state *s = &a->isolation;
    const struct loaded *l = a->policies.now;

    jw_begin_object(jw);
    jw_kv_bool(jw, "on", s->on);
    // What is asked for is one thing, and what the kernel does another.
    jw_kv_bool(jw, "in_force", l && l->isolated);
    if (s->on) {
        jw_kv_u64(jw, "since_ms", s->now.since_ms);
        jw_kv_u64(jw, "until_ms", real_ms() + left_ms(a));
        jw_kv_str(jw, "by", s->now.by);
        jw_kv_str(jw, "reason", s->now.reason);
        jw_kv_str(jw, "server", *s->now.server ? s->now.server : NULL);
        jw_kv_array(jw, "allow");
        STRV_FOREACH (address, s->now.allow)
            jw_cstr(jw, *address);
        jw_end_array(jw);
    }
    jw_end_object(jw);
}

void isolation_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct isolation_state *s = &a->isolation;
    const struct loaded *l = a->policies.now;

    if (error_is_set(&s->error))
        fn(ctx, "high", s->error.cure, s->error.what);
    if (s->on && l && !l->isolated && !a->policies.building)
        fn(ctx, "critical", "'safeguard status' says what is wrong with the policies",
           "this host is to be isolated, and is not: its rules are not in force");
}
