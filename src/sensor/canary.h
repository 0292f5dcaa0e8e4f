// SPDX-License-Identifier: Apache-2.0
//
// The self-test, for the files of the sensor (canary*.c): what every attached hook has to refuse is tried in a process of its own.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "sensor/rows.h"
#include "sensor/sensor.h"

struct image_view;
struct sensor;

// What an image says of its roots.
struct canary_states {
    uint32_t state, umount_state; // of the two; 0: there is none
    uint64_t
        controls; // kinds of abi/control.def of which a rule refuses the self-test's own argument
    char problem[160]; // why the self-test cannot be run; "" when it can
};

// A process of a self-test: its id, and between which two times of CLOCK_BOOTTIME it began.
struct canary_process {
    uint32_t tgid; // 0: none
    uint64_t from_ns, to_ns;
};

// Those whose records may not have been read yet. When there are more, the oldest are forgotten: they are told like any other's.
#define CANARY_PROCESSES 64

#define CANARY_PATH_MAX 512

struct canary_result {
    uint32_t kind;   // 0: it was not reached
    int32_t error;   // errno, 0: it was allowed
    int32_t skipped; // errno of what had to be done before; the act was not tried
};

// What the acts against the defence are about.
struct canary_guard {
    pid_t agent, thread; // of the agent, and of it the one that runs the test
    int link_fd;         // a link of ours, on loan; -1: there is none
    uint32_t map_id, prog_id;
    int ftrace_fd;   // kernel.ftrace_enabled, to be written to; -1: it cannot
    sigset_t before; // the signals that the thread keeps waiting outside of a test
};

struct canary {
    char dir[CANARY_PATH_MAX];
    char umount_path[CANARY_PATH_MAX + 8]; // a mount of its own in the host's namespace
    int root_fd;                           // of a file system of its own that nobody else can reach
    int old_fd;                            // a file there, opened before any rule
    void *old_map;                         // the same, mapped before any rule
    int exe_fd;     // a second file system like the first, without a state, with a program
    int host_ns_fd; // the host's mount namespace when it is not ours; -1: it is
    int uts_ns_fd;  // our own, to enter it again
    uint64_t *
        asking; // shared with the programs: whose questions, to which hook; NULL: they have no such word
    uint32_t dev, exe_dev, umount_dev; // s_dev; 0: there is none
    struct canary_states now, coming;  // under the policy in force; under the one that is to be
    uint64_t started_ns;               // CLOCK_BOOTTIME of the running test
    pid_t child;                       // of the running test; 0: none runs
    struct canary_guard guard;
    struct canary_result
        *results;          // by kind; shared with the process of the test; NULL: none was run
    bool seen[PROVED + 1]; // its record came, by 1 + the row; of hooks that is their number
    bool spoilt;           // something was let through in its place, and may not have been undone
    struct canary_process processes[CANARY_PROCESSES];
    size_t next_process;
};

// Makes what the tests need, before any hook is attached. Never fails: now.problem says what is missing.
void canary_prepare(struct canary *c, const char *dir, int roots_fd, uint32_t policy_id);
void canary_close(struct canary *c);
// Another place like it, instead of the one that is spoilt. A negative errno: there is still the old one.
int canary_renew(struct canary *c, int roots_fd, uint32_t policy_id);
int canary_remove(struct canary *c); // what it left on the host

// Computes the states of its roots under an image that is to come into force with these roots, and makes them those that
// count: once the image is in force, and not before.
void canary_resolve(struct canary *c, const struct image_view *image,
                    const struct sensor_root *roots, size_t n_roots);
void canary_commit(struct canary *c);

// Adds its own, with c->now or c->coming, to the caller's roots, which have room for CANARY_ROOTS more. Returns how many
// there are.
#define CANARY_ROOTS 3
size_t canary_add_roots(const struct canary *c, const struct canary_states *states,
                        struct sensor_root *roots, size_t n_roots);

// True: the record is the self-test's own.
bool canary_take(struct canary *c, const struct sg_record *record);

// canary_life.c: one more process of a self-test; and whether a record is about nothing else than that one begins or ends.
void canary_born(struct canary *c, uint32_t tgid, uint64_t from_ns, uint64_t to_ns);
bool canary_lives(struct canary *c, const struct sg_record *record);
// Is this one of them?
bool canary_is_process(struct canary *c, uint32_t tgid, uint64_t start_ns);

// canary_acts.c: acts whose place is a path of the host.
bool canary_on_host(uint32_t kind);

// Does all of the kinds that are true in `kinds`, in a process that was forked for it; c->results says what came of each. Never
// returns. It keeps `end_fd`, of which it is seen when it has ended.
void canary_child(const struct canary *c, const bool kinds[CANARY_COUNT], int end_fd)
    __attribute__((noreturn));

// What this process asks of a hook of the section `control` is the self-test's from now on; what it asks of the other ones
// passes (SG_HOOK_NONE: of all of them). And no more.
void canary_ask(const struct canary *c, uint32_t hook);
void canary_ask_nobody(const struct canary *c);

// canary_guard.c: what is open as long as the canary is.
void canary_guard_prepare(struct canary_guard *g);
void canary_guard_close(struct canary_guard *g);
// Before and after the acts, in the thread that is to be signalled; true: the signal that a descriptor was to send has come.
void canary_guard_begin(struct sensor *s);
bool canary_guard_end(const struct canary *c);
// It was refused without a record: is that no matter of ours? proved_ns: when it was ours last, 0: never.
bool canary_guard_kept_from(enum canary_kind kind, uint64_t proved_ns);
// True: a record of the defence is about what a self-test asked of it.
bool canary_guard_take(struct canary *c, const struct sg_record *record);

// The rows of the tables, in canary_acts.c, canary_control.c and canary_guard.c. 0: it was allowed; > 0: the errno it failed with;
// < 0: it could not be tried.
#define CANARY(kind, act, help) int act(const struct canary *c);
#include "sensor/canary.def"
#define CANARY_GUARD(program, id, act, help) int act(const struct canary *c);
#include "sensor/canary_guard.def"

// What acts answer, of what a system call came back with; of one that makes a descriptor, which nobody is to have.
static inline int outcome(long result)
{
    return result < 0 ? errno : 0;
}

static inline int outcome_fd(long fd)
{
    int r = outcome(fd);

    if (fd >= 0)
        (void)close((int)fd);
    return r;
}
