// SPDX-License-Identifier: Apache-2.0
//
// What can be done to the agent, or to the programs, on ways that no hook sees: looked at once a second, put right where that is
// possible, and told.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/strutil.h"

#define FTRACE "/proc/sys/kernel/ftrace_enabled"
#define OOM    "/proc/self/oom_score_adj"
#define SMALL  ((size_t)4096)
#define CLOCK_STEP \
    (2 * (int64_t)NS_PER_SEC) // what is less is no step, but a clock that is put right
#define CGROUP_PROCS_KEPT 0444
#define CGROUP_PROCS_FREE 0644
#define FROZEN_NS         (5 * NS_PER_SEC)
// How long it is a problem of the host that nothing was enforced: whoever sets the switch again and again must not get through between
// two looks of the server.
#define HOLD_NS           (60 * NS_PER_SEC)

static int write_text(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

// What is looked at every second stays open: to open it costs more than to read it.
static bool read_again(int *fd, const char *path, char *ret, size_t size)
{
    ssize_t n;

    if (*fd < 0)
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    n = *fd < 0 ? -1 : pread(*fd, ret, size - 1, 0);
    if (n < 0) {
        *fd = safe_close(*fd);
        return false;
    }
    ret[n] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return true;
}

static bool is_held(const struct defence_watch *w, uint64_t now)
{
    return w->ftrace_ns && now - w->ftrace_ns < HOLD_NS;
}

static void tell_ftrace(struct agent *a, uint64_t now)
{
    struct defence_watch *w = &a->defence.watch;
    char text[200];

    w->ftrace_told_ns = now;
    if (w->ftrace_off) {
        defence_tell(
            a, NOTICE_CRITICAL, "sysctl -w kernel.ftrace_enabled=1",
            "kernel.ftrace_enabled was set to 0: nothing is enforced, and it cannot be set back");
        return;
    }
    (void)snprintf(
        text, sizeof(text),
        "kernel.ftrace_enabled was set to 0, so that nothing was enforced; the agent has set it back to 1, %llu %s since it was told last",
        (unsigned long long)w->ftrace_times, w->ftrace_times == 1 ? "time" : "times");
    w->ftrace_times = 0;
    defence_tell(a, NOTICE_CRITICAL, NULL, text);
    health_test(a);
}

// 0 switches all programs off without an error (6.1 and later).
static void look_at_ftrace(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    bool was_off = w->ftrace_off;
    char text[16];

    if (!read_again(&w->ftrace_fd, FTRACE, text, sizeof(text)) || !streq(text, "0")) {
        w->ftrace_off = false;
        if (w->ftrace_ns && !is_held(w, now)) {
            w->ftrace_ns = 0;
            health_test(a);
            uplink_rows_changed(a);
        }
        return;
    }
    w->ftrace_off = write_text(FTRACE, "1") < 0;
    w->repairs += !w->ftrace_off;
    w->ftrace_times++;
    w->ftrace_ns = now;
    // Of who insists there is one record a minute; that it cannot be set back is another matter.
    if (!w->ftrace_told_ns || now - w->ftrace_told_ns >= HOLD_NS || (w->ftrace_off && !was_off))
        tell_ftrace(a, now);
}

bool defence_cgroup(char *ret, size_t size)
{
    _cleanup_free_ char *text = NULL;
    const char *line;

    if (read_file_bounded(AT_FDCWD, "/proc/self/cgroup", SMALL, &text, NULL) < 0)
        return false;
    line = str_startswith(text, "0::") ? text : strstr(text, "\n0::");
    line = line ? strchr(line, '/') : NULL;
    if (!line || strcspn(line, "\n") >= size)
        return false;
    (void)snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

static const char *cgroup_root(void)
{
    return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "/sys/fs/cgroup"
                                                                  : "/sys/fs/cgroup/unified";
}

// The number of a cgroup is that of its directory. The root is everybody's.
static uint32_t cgroup_number(const char *cgroup)
{
    char path[1024 + 64];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s%s", cgroup_root(), cgroup);
    return strlen(cgroup) > 1 && stat(path, &st) == 0 ? (uint32_t)st.st_ino : 0;
}

// Who may write to cgroup.procs of a cgroup that two others lie in may move processes from one to the other. Where its mode lets nobody
// write it takes root a capability, which bpf/guard_cgroup is asked about: of the agent's cgroup, and of all that it lies in.
static void set_cgroup_modes(const struct defence_watch *w, mode_t mode)
{
    char path[sizeof(w->cgroup) + 64], cgroup[sizeof(w->cgroup)];
    struct stat st;

    (void)snprintf(cgroup, sizeof(cgroup), "%s", w->cgroup);
    for (char *slash = cgroup + strlen(cgroup); slash; slash = strrchr(cgroup, '/')) {
        *slash = '\0';
        (void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_root(), cgroup);
        if (stat(path, &st) == 0 && (st.st_mode & 07777) != mode && chmod(path, mode) < 0)
            log_debug("%s keeps its mode: %m", path);
    }
}

// Whoever may write to another cgroup's list of processes can move anybody into it.
static void look_at_cgroup(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    char now[sizeof(w->cgroup)], path[sizeof(w->cgroup) + 64],
        text[sizeof(now) + sizeof(w->cgroup) + 128];
    int r;

    if (!w->cgroup[0])
        return;
    if (w->attached)
        set_cgroup_modes(w, CGROUP_PROCS_KEPT);
    if (!defence_cgroup(now, sizeof(now)) || streq(now, w->cgroup))
        return;
    (void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_root(),
                   streq(w->cgroup, "/") ? "" : w->cgroup);
    r = write_text(path, "0");
    w->repairs += r == 0;
    (void)snprintf(text, sizeof(text), "the agent was moved to the cgroup %s%s", now,
                   r == 0 ? "; it has moved itself back" : ", and cannot go back");
    defence_tell(a, NOTICE_CRITICAL, NULL, text);
    if (r < 0)
        (void)snprintf(w->cgroup, sizeof(w->cgroup), "%s", now);
}

static void look_at_oom(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    char now[16], text[160];
    int r;

    if (!w->oom[0] || !read_again(&w->oom_fd, OOM, now, sizeof(now)) || streq(now, w->oom))
        return;
    r = write_text(OOM, w->oom);
    w->repairs += r == 0;
    (void)snprintf(text, sizeof(text), "the agent's oom_score_adj was set to %s%s", now,
                   r == 0 ? "; it has set it back" : "");
    defence_tell(a, NOTICE_HIGH, NULL, text);
    if (r < 0)
        (void)snprintf(w->oom, sizeof(w->oom), "%s", now);
}

static void look_at_clock(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    int64_t offset = boottime_to_realtime_offset_ns(), moved = offset - w->clock_offset_ns;
    char text[160];

    w->clock_offset_ns = offset;
    if (moved < CLOCK_STEP && moved > -CLOCK_STEP)
        return;
    (void)snprintf(text, sizeof(text), "the clock of this host was set %s by %lld s",
                   moved > 0 ? "forward" : "back",
                   (long long)((moved > 0 ? moved : -moved) / (int64_t)NS_PER_SEC));
    defence_tell(a, NOTICE_MEDIUM,
                 "see who sets it; records tell their order by the time since the boot", text);
}

// Stopped, frozen or starved: nobody can tell while it lasts, so it is told when it is over.
static void look_at_pauses(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    uint64_t now = now_ns(CLOCK_MONOTONIC), was = w->looked_ns;
    char text[160];

    w->looked_ns = now;
    if (!was || now - was < FROZEN_NS)
        return;
    (void)snprintf(text, sizeof(text),
                   "the agent did not run for %llu s: it was stopped, frozen or got no processor",
                   (unsigned long long)((now - was) / NS_PER_SEC));
    defence_tell(a, NOTICE_HIGH, NULL, text);
}

// The programs themselves: the agent's own kill() of itself with this signal has to be refused.
static void look_at_guard(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;
    char missing[256];
    bool refused;

    w->attached = sensor_guard_attached(a->sensor, missing, sizeof(missing)) > 0;
    if (!w->attached || !defence_locked(a))
        return;
    refused = kill(getpid(), SG_GUARD_CANARY_SIGNAL) < 0 && errno == EPERM;
    if (refused == !w->guard_gone)
        return;
    w->guard_gone = !refused;
    defence_tell(a, refused ? NOTICE_INFO : NOTICE_CRITICAL, NULL,
                 refused ? "the defence proved itself again"
                         : "the defence is gone: what its programs have to refuse is not refused");
}

void defence_watch_start(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;

    w->clock_offset_ns = boottime_to_realtime_offset_ns();
    if (!defence_cgroup(w->cgroup, sizeof(w->cgroup)))
        w->cgroup[0] = '\0';
    a->defence.guard.cgroup = cgroup_number(w->cgroup);
    w->ftrace_fd = w->oom_fd = -1;
    if (!read_again(&w->oom_fd, OOM, w->oom, sizeof(w->oom)))
        w->oom[0] = '\0';
    // Nobody looks again where the defence is off.
    w->oom_fd = safe_close(w->oom_fd);
}

void defence_watch_end(struct agent *a)
{
    struct defence_watch *w = &a->defence.watch;

    if (w->attached && w->cgroup[0])
        set_cgroup_modes(w, CGROUP_PROCS_FREE);
    w->ftrace_fd = safe_close(w->ftrace_fd);
    w->oom_fd = safe_close(w->oom_fd);
}

void defence_watch_tick(struct agent *a)
{
    look_at_pauses(a);
    look_at_ftrace(a);
    look_at_guard(a);
    look_at_cgroup(a);
    look_at_oom(a);
    look_at_clock(a);
}

void defence_watch_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct defence_watch *w = &a->defence.watch;

    if (w->ftrace_off)
        fn(ctx, "critical", "sysctl -w kernel.ftrace_enabled=1",
           "kernel.ftrace_enabled is 0: nothing is enforced");
    else if (is_held(w, now_ns(CLOCK_MONOTONIC)))
        fn(ctx, "critical", "find out who sets it: the records around that time",
           "kernel.ftrace_enabled was set to 0 within the last minute: nothing was enforced until the agent set it back");
    if (w->guard_gone)
        fn(ctx, "critical", "restart the agent; see 'safeguard doctor'",
           "the defence is gone: what its programs have to refuse is not refused");
}
