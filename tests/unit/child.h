// SPDX-License-Identifier: Apache-2.0
//
// A child process of a unit test that holds something (a file, a name, a program) until the test lets it go.
#pragma once

#include "tests/unit/unit.h"

#include <sys/wait.h>

struct unit_child {
    pid_t pid;
    int gate; // the child ends when this is closed
};

// What the child knows.
struct unit_hold {
    const char *path; // as given to unit_child_start()
    int ready, gate;
};

// In the child: says that all is held, waits for the gate, and ends the process; from any of its threads.
static inline void unit_hold_on(const struct unit_hold *h)
{
    char c;

    _exit(write(h->ready, "x", 1) != 1 || read(h->gate, &c, 1) < 0);
}

// Starts a child that does `act`, and returns when it holds on or has executed another program (which then ends with
// h->gate). An act that returns has held on.
static inline struct unit_child unit_child_start(void (*act)(const struct unit_hold *h),
                                                 const char *path)
{
    int ready[2], gate[2];
    struct unit_child child;
    char c;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        const struct unit_hold h = {path, ready[1], gate[0]};

        (void)close(gate[1]);
        act(&h);
        unit_hold_on(&h);
    }
    (void)close(gate[0]);
    (void)close(ready[1]);
    assert_true(read(ready[0], &c, 1) >= 0);
    (void)close(ready[0]);
    child.gate = gate[1];
    return child;
}

// Ends it. A child that could not do what it should ends with a status of its own, which fails here.
static inline void unit_child_end(struct unit_child *child)
{
    int status;

    (void)close(child->gate);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_int_equal(status, 0);
}
