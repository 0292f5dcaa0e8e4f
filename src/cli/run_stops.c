// SPDX-License-Identifier: Apache-2.0
//
// The verb `stop` of filters: the kernel holds the caller and tells whoever listens, who sends SIGSTOP to its process and
// then refuses the call. The signal comes first, so that not one instruction of the caller runs in between.
//
// Up to 5.18 a held caller leaves its call when the signal comes, and makes it again when it is continued: that is the
// attempt that was answered already, and it is refused without being stopped once more.
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/run.h"

#define AGAIN_MAX  64
#define STATUS_MAX ((size_t)64 << 10)

// A call that its caller left.
struct left {
    uint32_t tid; // 0: not used
    struct seccomp_data data;
};

struct run_stops {
    int listener;
    const struct policy *policy;
    const struct policy_calls *calls;
    struct seccomp_notif_sizes sizes; // of the kernel's own structures
    struct seccomp_notif *notice;
    struct seccomp_notif_resp *answer;
    struct left left[AGAIN_MAX];
    size_t next;
};

struct run_stops *run_stops_free(struct run_stops *s)
{
    if (!s)
        return NULL;
    if (s->listener >= 0)
        (void)close(s->listener);
    seccomp_notify_free(s->notice, s->answer);
    free(s);
    return NULL;
}

int run_stops_new(int listener, const struct policy *policy, const struct policy_calls *calls,
                  struct run_stops **ret_stops)
{
    _cleanup_(run_stops_freep) struct run_stops *s = new0(struct run_stops, 1);
    int r;

    if (!s)
        return -ENOMEM;
    s->listener = -1;
    s->policy = policy;
    s->calls = calls;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s->sizes) < 0)
        return negative_errno();
    r = seccomp_notify_alloc(&s->notice, &s->answer);
    if (r < 0)
        return r;
    s->listener = listener;
    *ret_stops = TAKE_PTR(s);
    return 0;
}

int run_stops_fd(const struct run_stops *s)
{
    return s->listener;
}

// The process of a thread: 0 when it is gone.
static pid_t process_of(uint32_t tid)
{
    _cleanup_free_ char *text = NULL;
    const char *line;
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%u/status", tid);
    if (read_file_bounded(AT_FDCWD, path, STATUS_MAX, &text, NULL) < 0)
        return 0;
    line = strstr(text, "\nTgid:");
    return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

// The number may have become somebody else's while we looked: the caller is still held when the notice still is valid.
static int stop_caller(struct run_stops *s, pid_t *ret_pid)
{
    pid_t pid = process_of(s->notice->pid);
    _cleanup_close_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

    if (fd < 0 || seccomp_notify_id_valid(s->listener, s->notice->id) < 0)
        return -ENOENT;
    if (syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) < 0)
        return negative_errno();
    *ret_pid = pid;
    return 0;
}

static struct left *find_left(struct run_stops *s)
{
    for (size_t i = 0; i < AGAIN_MAX; i++)
        if (s->left[i].tid == s->notice->pid &&
            memcmp(&s->left[i].data, &s->notice->data, sizeof(s->notice->data)) == 0)
            return &s->left[i];
    return NULL;
}

static void remember(struct run_stops *s)
{
    s->left[s->next++ % AGAIN_MAX] = (struct left){.tid = s->notice->pid, .data = s->notice->data};
}

static void tell(const struct run_stops *s, pid_t pid)
{
    char *name = seccomp_syscall_resolve_num_arch(s->notice->data.arch, s->notice->data.nr);
    const struct policy_call *call = NULL;

    // "any" is the last.
    for (size_t i = 0; i < s->calls->n && !call; i++)
        if (streq(s->calls->items[i].name, strempty(name)) || streq(s->calls->items[i].name, "any"))
            call = &s->calls->items[i];
    (void)fprintf(stderr,
                  "safeguard run: process %d is stopped at %s by %s:%u; 'kill -CONT %d' lets it go "
                  "on without\n",
                  pid, name ? name : "a system call",
                  call ? s->policy->files[s->policy->rules[call->rule].pos.file].path : "a rule",
                  call ? s->policy->rules[call->rule].pos.line : 0, pid);
    free(name);
}

static int refuse(struct run_stops *s)
{
    *s->answer = (struct seccomp_notif_resp){.id = s->notice->id, .error = -EPERM};
    return seccomp_notify_respond(s->listener, s->answer) < 0 ? -ENOENT : 0;
}

int run_stops_serve(struct run_stops *s)
{
    struct left *again;
    pid_t pid = 0;
    int r;

    // The kernel wants to see zeros; the library has only seen to them once.
    memset(s->notice, 0, s->sizes.seccomp_notif);
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->notice) < 0)
        return negative_errno();
    again = find_left(s);
    if (again) {
        again->tid = 0;
        return refuse(s);
    }
    r = stop_caller(s, &pid);
    if (r < 0)
        return refuse(s) < 0 ? -ENOENT : r;
    tell(s, pid);
    r = refuse(s);
    if (r < 0)
        remember(s);
    return 0;
}
