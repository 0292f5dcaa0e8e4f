// SPDX-License-Identifier: Apache-2.0
//
// Programs that `safeguard up` runs: the server and the agent, which stay, and their commands, which answer and end. Each is
// one executable of ours with arguments in an array; there is no shell in between, and no secret among the arguments.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strbuf.h"

#define CHILD_ANSWER_MAX ((size_t)64 << 10)

struct child {
    const char *name;    // "safeguard-server"
    const char *program; // path
    char *const *argv;   // read by child_start() alone
    uid_t uid;           // 0: as we are
    gid_t gid;
    const char *log; // file that gets what it says; appended to
    pid_t pid;       // 0: not started
    int pidfd, notify;
    bool ready, ended;
    int status; // of waitpid()

    struct loop_source *exit_source, *notify_source;
    int (*changed)(void *ctx, struct child *c); // became ready, or has ended
    void *ctx;
};

// Starts it and watches it in the loop. It is asked to end when we die. On failure nothing runs.
int child_start(struct child *c, struct loop *loop, struct error *err);
void child_signal(const struct child *c, int signo);
// Waits for its end without the loop, for at most ms. True: it has ended, or never ran.
bool child_wait(struct child *c, uint64_t ms);
// Frees what watches it; it is not ended by that.
void child_done(struct child *c);
// The last lines of its log, for people.
void child_log_tail(const struct child *c, struct strbuf *sb);

// Runs a command to its end, with `input` (may be NULL) as standard input. 0 and what it wrote to standard output; -ECHILD with
// err: it failed, with what it said.
int child_ask(const char *program, char *const *argv, uid_t uid, gid_t gid, const char *input,
              struct strbuf *ret_answer, struct error *err);
