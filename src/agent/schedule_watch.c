// SPDX-License-Identifier: Apache-2.0
//
// Whoever was stopped for a rule has to go on, also when the agent is killed between the two, or is itself stopped: a process beside
// it sees to that. It shares nothing with the agent but the table of those that are stopped, and a pipe that ends with the agent.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/schedule.h"
#include "base/fd.h"

#define LOOK_MS 1000

// Makes system calls only: the agent has threads, and what they held when it was forked is held for ever here.
static void __attribute__((noreturn)) watch(struct sg_stops *memory, int pipe)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct stops_view view = {.memory = memory};
    struct pollfd p = {.fd = pipe, .events = POLLIN};
    sigset_t none;

    // The manager ends the agent's whole group with SIGTERM: then there is still something to be done here.
    (void)sigaction(SIGTERM, &ignore, NULL);
    (void)sigaction(SIGINT, &ignore, NULL);
    (void)sigaction(SIGHUP, &ignore, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_NAME, "sg-continuer");
    for (;;) {
        int n = poll(&p, 1, LOOK_MS);

        if (n > 0)
            break;
        (void)stops_each(&view, SCHEDULE_STOPPED_MAX_NS, NULL, NULL);
    }
    // The kernel side stops nobody once the agent has ended; one that was just about to is found by the second look.
    (void)stops_each(&view, 0, NULL, NULL);
    (void)poll(NULL, 0, (int)(SG_STOP_LATE_NS / 1000000) + 100);
    (void)stops_each(&view, 0, NULL, NULL);
    _exit(0);
}

int schedule_watch_start(struct scheduling *s)
{
    int fds[2];
    pid_t pid;

    if (s->watch.pid)
        return 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid < 0) {
        int r = -errno;

        (void)close(fds[0]);
        (void)close(fds[1]);
        return r;
    }
    if (pid == 0) {
        // Nothing of the agent's stays open here: its lock and its connections end with it. The table is mapped.
        int first = fds[0] < 3 ? fds[0] : dup2(fds[0], 3);

        (void)close_range((unsigned)first + 1, ~0U, 0);
        watch(s->stops.view.memory, first);
    }
    (void)close(fds[0]);
    s->watch.pid = pid;
    s->watch.pipe = fds[1];
    return 0;
}

void schedule_watch_end(struct scheduling *s)
{
    if (!s->watch.pid)
        return;
    // It has no more to do than we have: all is continued.
    (void)safe_close(s->watch.pipe);
    s->watch.pipe = -1;
    (void)kill(s->watch.pid, SIGKILL);
    (void)waitpid(s->watch.pid, NULL, 0);
    s->watch.pid = 0;
}
