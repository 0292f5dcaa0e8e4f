// SPDX-License-Identifier: Apache-2.0
//
// Who did it: the table of the processes of this host, living and recently dead, keyed by thread
// group and start. Filled from procfs once, then kept up by the records of fork, exec and exit; a
// process that a record names and that the table does not know is looked up in procfs when the
// record comes. Called by src/agent with every decoded event. Owns the table, the names of users
// and groups, and the paths of control groups. Never logs, never changes a process, never asks the
// network for a name.
//
// Everything is bounded, and what is dropped is counted. One thread owns a table.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/event.h"
#include "model/file.h"

struct process_table;

struct process_options {
    const char *proc;        // NULL: /proc
    const char *passwd;      // NULL: /etc/passwd
    const char *group;       // NULL: /etc/group
    const char *cgroup_root; // NULL: where cgroup2 is mounted
    uint32_t max_processes;  // living and dead; 0: 32768
    size_t max_text_bytes;   // of paths and command lines; 0: 2 MiB
    uint64_t keep_dead_ns;   // how long a dead process without children stays; 0: 60 s
    // Records of fork, exec and exit do not come: what is known of a process is read again from
    // procfs when its name changed or a second went by.
    bool no_lifecycle;
    // Passwords on command lines (model/secrets.h) are overwritten before they are kept.
    bool mask_secrets;
};

struct process_counters {
    uint64_t scanned;      // found in procfs by process_table_scan()
    uint64_t forked;       // learnt from a fork record
    uint64_t completed;    // learnt from procfs because a record named them
    uint64_t incomplete;   // gone before procfs could be asked
    uint64_t reread;       // read again from procfs (no_lifecycle)
    uint64_t missed_exits; // found dead by process_table_tick(), without a record
    uint64_t evicted_dead; // before their time, to stay within the bounds
    uint64_t evicted_live;
    uint64_t late;      // events that belong to the program before the last exec
    uint64_t who_built; // struct who put together
    uint64_t who_reused;
    uint32_t live, dead; // entries now
    size_t text_bytes;   // of paths and command lines
    size_t memory;       // of all of it, texts and struct who counted, names and cgroups not
};

// An empty table. -ENOMEM, or the error of opening procfs.
int process_table_new(const struct process_options *options, struct process_table **ret_table);
struct process_table *process_table_free(struct process_table *t);
DEFINE_CLEANUP(struct process_table *, process_table_free)

// Reads all processes from procfs. Call once the records of fork, exec and exit have begun to flow,
// so that none falls between the two. 0, -ENOMEM, or the error of reading the directory.
int process_table_scan(struct process_table *t);

// Brings the table up to date with what the event says, and sets ev->who and ev->target, which are
// valid until the next call with this table. -ENOMEM: they may be NULL.
//
// Events of one process should come in order. Where they do not (each ring has an order of its
// own), an access before an exec is still attributed to the program that did it, as long as the
// exec is the last.
int process_table_apply(struct process_table *t, struct event *ev);

// The process of a reference, from the table or procfs; NULL when it is not known. On loan as
// above.
const struct who *process_table_who(struct process_table *t, const struct process_ref *ref);

// Forgets the dead whose time is over and looks at some of the living. Call about once a second
// with CLOCK_BOOTTIME.
void process_table_tick(struct process_table *t, uint64_t now_ns);

// Records of fork, exec or exit were lost: the next ticks look at more of the living.
void process_table_missed(struct process_table *t);

// A program that is executed, and of which nobody has asked yet what its file is.
struct process_program {
    struct process_ref ref;
    uint64_t ino; // as the kernel, or stat(), has it
    uint32_t dev;
    struct bytes
        path; // empty: none that the host sees; on loan until the next call with this table
};

// Looks at the next `most` entries from *cursor on, round and round. False: there was none among them. One that is found counts as
// asked for.
bool process_table_unasked(struct process_table *t, uint32_t *cursor, uint32_t most,
                           struct process_program *ret);

// What the file is; not for a program that the process executed since. Nobody's serial changes: records have it from elsewhere.
void process_table_set_facts(struct process_table *t, const struct process_ref *ref, uint32_t dev,
                             uint64_t ino, const struct file_facts *facts);

// A process that lives.
struct process_row {
    const struct who *who; // on loan until the next call with this table
    struct process_ref
        below; // the nearest of those that it descends from and that live; tgid 0: none
    struct file_facts facts;
    uint64_t exec_ns; // CLOCK_BOOTTIME of its last exec; 0: not known
    bool deleted;     // its program has no name any more, by now
};

// The first one from *cursor (0 at first) on. False: there is none any more. Those that come and go between two calls may be left out.
bool process_table_row(struct process_table *t, uint32_t *cursor, struct process_row *ret);

void process_table_counters(const struct process_table *t, struct process_counters *ret);
