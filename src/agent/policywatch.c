// SPDX-License-Identifier: Apache-2.0
//
// The directory of policies: once it changed and has come to rest, they are built again.
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define DEBOUNCE_MS     200
#define DEBOUNCE_MAX_NS (2 * NS_PER_SEC)

static int on_settled(void *ctx)
{
    struct agent *a = ctx;

    a->policy_watch.unsettled_ns = 0;
    policies_reload(a, "the policy directory changed");
    return 0;
}

// Waits until nothing has happened for a while, but not for ever.
static void debounce(struct policy_watch *w)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (!w->unsettled_ns)
        w->unsettled_ns = now;
    if (now - w->unsettled_ns < DEBOUNCE_MAX_NS)
        (void)loop_source_rearm(w->debounce, DEBOUNCE_MS);
}

// Once, until it goes again.
static void tell(struct agent *a, int error)
{
    struct policy_watch *w = &a->policy_watch;

    if (error < 0 && error != w->error)
        (void)log_warning_code(error, "changes of %s will not be noticed: %m; to do: %s",
                               a->config.policy_dir, POLICYWATCH_CURE);
    w->error = error;
}

// Watches the directory, and the one that it lies in: it may be replaced as a whole. Where there is none yet, the other one says
// when it comes.
static void watch_dirs(struct agent *a)
{
    struct policy_watch *w = &a->policy_watch;
    _cleanup_free_ char *copy = xstrndup(a->config.policy_dir, 4096);
    int error = copy ? 0 : -ENOMEM;

    if (copy)
        w->parent = inotify_add_watch(w->fd, dirname(copy),
                                      IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
                                          IN_ONLYDIR);
    if (copy && w->parent < 0)
        error = negative_errno();
    w->dir = inotify_add_watch(w->fd, a->config.policy_dir,
                               IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                   IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                   IN_ONLYDIR);
    if (w->dir < 0 && errno != ENOENT)
        error = negative_errno();
    tell(a, error);
}

// Does an event ask for another look? Editors leave hidden files beside those they write; "..data" is how
// mounted configurations are replaced as a whole.
static bool concerns(const struct agent *a, const struct inotify_event *e)
{
    const char *name = e->len ? e->name : "";
    struct bytes base;

    if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
        return true;
    if (e->wd == a->policy_watch.dir)
        return name[0] != '.' || streq(name, "..data");
    base = bytes_basename(
        (struct bytes){a->config.policy_dir, (uint32_t)strlen(a->config.policy_dir)});
    return strlen(name) == base.len && memcmp(name, base.s, base.len) == 0;
}

static int on_inotify(void *ctx, int fd, uint32_t events _unused_)
{
    char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct agent *a = ctx;
    bool changed = false;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)p;

            changed = changed || concerns(a, e);
            p += sizeof(*e) + e->len;
        }
    if (!changed)
        return 0;
    watch_dirs(a);
    debounce(&a->policy_watch);
    return 0;
}

static int open_watch(struct agent *a)
{
    struct policy_watch *w = &a->policy_watch;
    int r;

    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    r = w->fd < 0 ? negative_errno() : 0;
    if (r == 0)
        r = loop_add_timer(a->loop, DEBOUNCE_MS, 0, 10, on_settled, a, &w->debounce);
    if (r == 0)
        r = loop_source_enable(w->debounce, false);
    if (r == 0)
        r = loop_add_fd(a->loop, w->fd, EPOLLIN, on_inotify, a, &w->source);
    return r;
}

void policywatch_start(struct agent *a)
{
    int r = open_watch(a);

    if (r < 0) {
        policywatch_stop(a);
        tell(a, r);
        return;
    }
    watch_dirs(a);
}

void policywatch_retry(struct agent *a)
{
    if (!a->policy_watch.error)
        return;
    if (a->policy_watch.fd >= 0)
        watch_dirs(a);
    else
        policywatch_start(a);
}

void policywatch_stop(struct agent *a)
{
    struct policy_watch *w = &a->policy_watch;

    w->source = loop_source_free(w->source);
    w->debounce = loop_source_free(w->debounce);
    w->fd = safe_close(w->fd);
}
