// SPDX-License-Identifier: Apache-2.0
//
// Trust nothing that was not proved. All hooks prove themselves when a policy is put in force and every five
// minutes (sensor_self_test()); in between one hook in turn is tried every five (self_test) by a system call
// of the agent's own, whose refusal has to come back and whose record has to come through the whole
// way of records. So who switches programs off behind our back is noticed in seconds.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define FULL_NS (300 * NS_PER_SEC)

// Each returns the errno of the refusal, 0 when it was allowed (and is undone), negative when it could not
// be tried.
static int outcome(int result)
{
    return result < 0 ? errno : 0;
}

static int try_file_open(const char *file, const char *new _unused_, const char *dir _unused_)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int r = outcome(fd);

    (void)safe_close(fd);
    return r;
}

static int try_inode_create(const char *file _unused_, const char *new, const char *dir _unused_)
{
    int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = outcome(fd);

    (void)safe_close(fd);
    if (r == 0)
        (void)unlink(new);
    return r;
}

static int try_inode_unlink(const char *file, const char *new _unused_, const char *dir _unused_)
{
    int r = outcome(unlink(file));

    if (r == 0)
        (void)mknod(file, S_IFREG | 0600, 0);
    return r;
}

static int try_inode_rename(const char *file, const char *new, const char *dir _unused_)
{
    int r = outcome(rename(file, new));

    if (r == 0)
        (void)rename(new, file);
    return r;
}

static int try_inode_link(const char *file, const char *new, const char *dir _unused_)
{
    int r = outcome(link(file, new));

    if (r == 0)
        (void)unlink(new);
    return r;
}

static int try_inode_mkdir(const char *file _unused_, const char *new, const char *dir _unused_)
{
    int r = outcome(mkdir(new, 0700));

    if (r == 0)
        (void)rmdir(new);
    return r;
}

static int try_inode_rmdir(const char *file _unused_, const char *new _unused_, const char *dir)
{
    int r = outcome(rmdir(dir));

    if (r == 0)
        (void)mkdir(dir, 0700);
    return r;
}

static int try_inode_symlink(const char *file, const char *new, const char *dir _unused_)
{
    int r = outcome(symlink(file, new));

    if (r == 0)
        (void)unlink(new);
    return r;
}

static int try_inode_mknod(const char *file _unused_, const char *new, const char *dir _unused_)
{
    int r = outcome(mknod(new, S_IFIFO | 0600, 0));

    if (r == 0)
        (void)unlink(new);
    return r;
}

static int try_inode_setattr(const char *file, const char *new _unused_, const char *dir _unused_)
{
    return outcome(chmod(file, 0600));
}

static int try_inode_setxattr(const char *file, const char *new _unused_, const char *dir _unused_)
{
    return outcome(setxattr(file, "trusted.safeguard", "1", 1, 0));
}

static int try_path_truncate(const char *file, const char *new _unused_, const char *dir _unused_)
{
    return outcome(truncate(file, 0));
}

static const struct quick {
    const char *hook;
    enum sg_hook number;
    int (*try)(const char *file, const char *new, const char *dir);
} quicks[] = {
#define QUICK(hook, help) {#hook, SG_HOOK_##hook, try_##hook},
#include "agent/quick.def"
};

static const char *place(const struct agent *a, const char *name, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/self-test%s", a->config.run_dir, name);
    return buf;
}

// Where an earlier agent's policy protects it already, it is there, too.
void health_prepare(struct agent *a)
{
    char path[4200];
    int fd;

    (void)mkdir_p(AT_FDCWD, place(a, "/dir", path, sizeof(path)), 0700);
    fd = open(place(a, "/file", path, sizeof(path)), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    (void)safe_close(fd);
}

void health_forget(struct agent *a)
{
    char path[4200];

    (void)unlink(place(a, "/file", path, sizeof(path)));
    (void)rmdir(place(a, "/dir", path, sizeof(path)));
    (void)rmdir(place(a, "", path, sizeof(path)));
}

static void tell_hook(struct agent *a, const struct sensor_hook *h, bool failed)
{
    char text[320];

    (void)snprintf(text, sizeof(text), "hook %s (%s): %s%s", h->id, h->help,
                   failed ? "its self-test failed: " : "it proved itself again",
                   failed ? h->reason : "");
    notice(a, &(struct notice){.kind = "self-test",
                               .severity = failed ? NOTICE_CRITICAL : NOTICE_INFO,
                               .message = text,
                               .cure = failed && h->cure[0] ? h->cure : NULL});
}

static uint64_t quick_ns(const struct agent *a)
{
    return MAX(a->config.self_test, UINT64_C(1000)) * NS_PER_MS;
}

// Compares what failed with what failed before.
static void judge(struct agent *a)
{
    struct health *health = &a->health;
    const struct sensor_hook *hooks;
    uint64_t failing = 0;
    size_t n;

    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < n && i < 64; i++) {
        bool failed = hooks[i].state == SENSOR_HOOK_FAILED, before = health->failing & SG_BIT(i);

        if (failed)
            failing |= SG_BIT(i);
        if (failed != before && (failed || hooks[i].state == SENSOR_HOOK_PROVED))
            tell_hook(a, &hooks[i], failed);
    }
    // Whoever watches from afar is told at once.
    if (failing != health->failing)
        uplink_rows_changed(a);
    health->failing = failing;
}

static void test_all(struct agent *a)
{
    struct health *h = &a->health;
    bool could = !error_is_set(&h->error);
    int r;

    error_reset(&h->error);
    h->waiting_hook = 0;
    r = sensor_self_test(a->sensor, &h->error);
    h->full_ns = now_ns(CLOCK_REALTIME);
    h->due_full_ns = now_ns(CLOCK_MONOTONIC) + FULL_NS;
    // It took its time, and so did what was before it: the loop did not go round.
    a->defence.watch.looked_ns = 0;
    h->n_full++;
    if (r < 0 && could)
        notice(a, &(struct notice){.kind = "self-test",
                                   .severity = NOTICE_CRITICAL,
                                   .message = h->error.what,
                                   .cure = h->error.cure[0] ? h->error.cure : NULL});
    judge(a);
}

void health_policy_changed(struct agent *a)
{
    test_all(a);
    a->health.due_quick_ns = now_ns(CLOCK_MONOTONIC) + quick_ns(a);
}

// The state of the hook of a quick test, SENSOR_HOOK_OFF when there is none.
static enum sensor_hook_state state_of(struct agent *a, const struct quick *q)
{
    const struct sensor_hook *hooks;
    size_t n;

    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < n; i++)
        if (streq(hooks[i].id, q->hook))
            return hooks[i].state;
    return SENSOR_HOOK_OFF;
}

static bool try_one(struct agent *a, const struct quick *q, enum sensor_hook_state state)
{
    char file[4200], new[4200], dir[4200];
    int error;

    error = q->try(place(a, "/file", file, sizeof(file)), place(a, "/new", new, sizeof(new)),
                   place(a, "/dir", dir, sizeof(dir)));
    // Somebody took the place away: that is not the hook's failure.
    if (error == ENOENT || error == ENOTDIR || error == EROFS || error == ENOTSUP)
        return true;
    a->health.n_quick++;
    a->health.waiting_hook = (int)q->number;
    a->health.seen = false;
    return error == EPERM || state == SENSOR_HOOK_RECORDING;
}

static void test_one(struct agent *a)
{
    struct health *h = &a->health;
    // The record of the test before had all the time since.
    bool well = !h->waiting_hook || h->seen;

    h->waiting_hook = 0;
    h->quick_ns = now_ns(CLOCK_REALTIME);
    for (size_t i = 0; well && i < ARRAY_SIZE(quicks); i++) {
        const struct quick *q = &quicks[(h->turn + i) % ARRAY_SIZE(quicks)];
        enum sensor_hook_state state = state_of(a, q);

        // What failed the last full test is looked at by the next one.
        if (state != SENSOR_HOOK_PROVED && state != SENSOR_HOOK_RECORDING)
            continue;
        h->turn = (h->turn + i + 1) % ARRAY_SIZE(quicks);
        well = try_one(a, q, state);
        break;
    }
    if (well)
        return;
    // Something is wrong: what, and with which hooks, is the full test's to say.
    h->n_quick_failed++;
    test_all(a);
}

void health_seen(struct agent *a, enum sg_hook hook)
{
    if (a->health.waiting_hook == (int)hook)
        a->health.seen = true;
}

void health_tick(struct agent *a)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    struct health *h = &a->health;

    if (!a->policies.now)
        return;
    if (now >= h->due_full_ns) {
        test_all(a);
    } else if (now >= h->due_quick_ns) {
        h->due_quick_ns = now + quick_ns(a);
        test_one(a);
        // What is broken is tried again sooner, to see when it is cured.
        if (h->failing || error_is_set(&h->error))
            h->due_full_ns = MIN(h->due_full_ns, now + 3 * quick_ns(a));
    }
}
