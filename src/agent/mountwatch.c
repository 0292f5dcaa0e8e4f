// SPDX-License-Identifier: Apache-2.0
//
// Mounts that come and go. The kernel side gives a new file system the state of its mount point at once;
// here the whole table is looked at again, as soon as the kernel says that it changed, and the roots of
// all file systems are set anew.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define MOUNTINFO  "/proc/self/mountinfo"
#define SETTLE_MS  20               // many mounts in a row are one change
#define REBUILD_NS (2 * NS_PER_SEC) // for another image, also when mounts come without end

// Mounts of parts of file systems need another image. What is mounted meanwhile has the state that the mount
// hooks gave it, so a host that mounts all the time need not compile all the time.
static void rebuild(struct agent *a)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    a->mounts.rebuild = a->mounts.rebuilt_ns && now - a->mounts.rebuilt_ns < REBUILD_NS;
    if (a->mounts.rebuild)
        return;
    a->mounts.rebuilt_ns = now;
    policies_reload(a, "the mount table needs another image");
}

// The roots that an image has by the table that was read last. -EAGAIN: only another image has them.
static int roots_of(const struct agent *a, const struct policy_image *image,
                    struct sensor_root **ret_roots, size_t *ret_n)
{
    _cleanup_free_ struct policy_root *found = NULL;
    struct sensor_root *roots;
    size_t n = 0;
    int r;

    r = policy_image_roots(image, a->mounts.view.all, false, &found, &n);
    if (r < 0)
        return r;
    roots = new0(struct sensor_root, n);
    if (!roots)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        roots[i] = (struct sensor_root){found[i].dev, found[i].root};
    *ret_roots = roots;
    *ret_n = n;
    return 0;
}

// Keeps what is wrong with the roots of the policy in force for the status, and says it once.
static int roots_failed(struct agent *a, const struct error *err)
{
    bool told = error_is_set(&a->mounts.error);

    a->mounts.error = *err;
    if (!told)
        notice(a, &(struct notice){.kind = "mounts",
                                   .severity = NOTICE_CRITICAL,
                                   .message = err->what,
                                   .cure = err->cure[0] ? err->cure : NULL});
    return err->code;
}

static void roots_set(struct agent *a)
{
    if (error_is_set(&a->mounts.error))
        notice(a, &(struct notice){.kind = "mounts",
                                   .severity = NOTICE_INFO,
                                   .message = "all file systems are under the policy again"});
    error_reset(&a->mounts.error);
    a->mounts.set = a->mounts.view.digest;
}

// The policy in force, made from `l`, gets its roots by the table that was read last. -EAGAIN as above.
static int give_roots(struct agent *a, const struct loaded *l)
{
    _cleanup_free_ struct sensor_root *roots = NULL;
    struct error err = {};
    size_t n = 0;
    int r;

    if (!a->mounts.view.all || a->mounts.set == a->mounts.view.digest)
        return 0;
    r = roots_of(a, l->image, &roots, &n);
    if (r == -EAGAIN)
        return r;
    if (r < 0) {
        (void)error_set(&err, r, "the roots of the file systems cannot be worked out: %m");
        return roots_failed(a, &err);
    }
    r = sensor_set_roots(a->sensor, roots, n, &err);
    if (r < 0)
        return roots_failed(a, &err);
    roots_set(a);
    return 0;
}

static void set_roots(struct agent *a)
{
    const struct loaded *l = a->policies.now;
    struct sensor_facts facts;

    // One that came into force, and of which something failed then, is not known here: states are numbers of an image.
    sensor_facts(a->sensor, &facts);
    if (l && l->id == facts.policy_id && give_roots(a, l) == -EAGAIN)
        rebuild(a);
}

// Says what the table has and we do not.
static void tell_missing(struct agent *a)
{
    const struct policy_mounts *all = a->mounts.view.all;

    if (all->n_dropped && all->n_dropped != a->mounts.n_dropped)
        log_warning("%zu mounts are left out: no more than %u are looked at", all->n_dropped,
                    POLICY_MOUNTS_MAX);
    if (all->n_bad && all->n_bad != a->mounts.n_bad)
        log_warning("%zu lines of %s cannot be read: what is mounted there is left out", all->n_bad,
                    MOUNTINFO);
    a->mounts.n_dropped = all->n_dropped;
    a->mounts.n_bad = all->n_bad;
}

// Reads the table; true when it is another one.
static bool look(struct agent *a)
{
    struct mount_view view = {};
    int r;

    r = mount_view_read(MOUNTINFO, &view);
    a->mounts.unread = r;
    if (r < 0) {
        (void)log_error_code(r, "the mount table cannot be read: %m; the one before is used");
        return false;
    }
    if (a->mounts.view.all && view.digest == a->mounts.view.digest) {
        mount_view_done(&view);
        return false;
    }
    mount_view_done(&a->mounts.view);
    a->mounts.view = view;
    a->mounts.n_changes++;
    tell_missing(a);
    return true;
}

void mountwatch_coming(struct agent *a, const struct loaded *l)
{
    _cleanup_free_ struct sensor_root *roots = NULL;
    struct error err = {};
    size_t n = 0;

    (void)look(a);
    a->mounts.coming = l->mounts;
    if (a->mounts.view.digest == l->mounts || roots_of(a, l->image, &roots, &n) < 0)
        return;
    // Some more than there should be: what has gone since the image was built is taken out afterwards.
    a->mounts.coming = 0;
    if (sensor_stage_roots(a->sensor, roots, n, &err) < 0)
        (void)log_error_struct(&err);
}

void mountwatch_came(struct agent *a, const struct loaded *l)
{
    (void)look(a);
    a->mounts.set = a->mounts.coming;
    (void)give_roots(a, l);
}

void mountwatch_apply(struct agent *a)
{
    set_roots(a);
}

static int on_settled(void *ctx)
{
    struct agent *a = ctx;

    a->mounts.settling = false;
    if (look(a))
        set_roots(a);
    return 0;
}

void mountwatch_changed(struct agent *a)
{
    if (!a->mounts.settling)
        a->mounts.settling = loop_source_rearm(a->mounts.settle, SETTLE_MS) == 0;
}

void mountwatch_tick(struct agent *a)
{
    if (a->mounts.rebuild)
        set_roots(a);
}

static int on_mountinfo(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    mountwatch_changed(ctx);
    return 0;
}

int mountwatch_start(struct agent *a, struct error *err)
{
    struct mount_watch *m = &a->mounts;
    int r;

    if (!look(a))
        return error_set(err, -EIO, "%s cannot be read: is procfs mounted?", MOUNTINFO);
    m->fd = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0)
        return error_set(err, negative_errno(), "%s: %m", MOUNTINFO);
    r = loop_add_timer(a->loop, SETTLE_MS, 0, 1, on_settled, a, &m->settle);
    if (r == 0)
        r = loop_source_enable(m->settle, false);
    if (r == 0)
        r = loop_add_fd(a->loop, m->fd, EPOLLPRI | EPOLLERR, on_mountinfo, a, &m->source);
    if (r < 0)
        return error_set(err, r, "%s cannot be watched: %m", MOUNTINFO);
    (void)loop_source_set_priority(m->source, -10);
    (void)loop_source_set_priority(m->settle, -10);
    return 0;
}

void mountwatch_stop(struct agent *a)
{
    struct mount_watch *m = &a->mounts;

    m->source = loop_source_free(m->source);
    m->settle = loop_source_free(m->settle);
    m->fd = safe_close(m->fd);
    mount_view_done(&m->view);
}
