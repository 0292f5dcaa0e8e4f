// SPDX-License-Identifier: Apache-2.0
//
// What was done for rules that schedule, and how it was before: so that it can be kept, and undone when its rule goes, by this agent
// or by the next one (the book is a file that does not outlive the boot). Called by src/agent, which says which rule is about
// whom. Owns the groups that it makes. Never decides anything, never logs.
//
// A rule is called by a name that is made of all that it says; another name is another rule.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/schedule.h"

#define BOOK_NAME \
    32 // bytes of a rule's name with its NUL: BOOK_GROUP and BOOK_DIGITS hexadecimal digits
#define BOOK_GROUP  "safeguard-"
#define BOOK_DIGITS 16
#define BOOK_MAX    16384u // processes, and groups; more are scheduled all the same, and not put back

struct book;

struct book_options {
    const char *root; // of control groups; NULL: /sys/fs/cgroup
    const char *proc; // NULL: /proc
    const char *path; // of the file; NULL: none
};

// Reads what an earlier agent wrote; what cannot be read counts as nothing. -ENOMEM.
int book_new(const struct book_options *options, struct book **ret);
struct book *book_free(struct book *b);
DEFINE_CLEANUP(struct book *, book_free)

// A process (start in nanoseconds since boot) and the program that a rule is about it as; NULL: not known.
struct book_subject {
    uint32_t pid;
    uint64_t start_ns;
    const char *exe;
};

// Schedules one process as its rule says; group values by a group of the rule's own beneath the one that the process is in. 1:
// something was changed, 0: all was as it has to be; -ESRCH: it is gone.
int book_process(struct book *b, const struct book_subject *who, const char *name,
                 const struct schedule *rule, struct error *err);

// The group values of a rule for a control group that is there. Results as above; -ENOENT: there is no such group now.
int book_group(struct book *b, const char *group, const char *name, const struct schedule *rule,
               struct error *err);

// A process that descends from one of a rule and has what that was given has from it, too, what is to be undone. False: neither of
// them is in the book.
bool book_child(struct book *b, uint32_t pid, uint64_t start_ns, uint32_t parent,
                uint64_t parent_start_ns);

// Was it given something? *ret_exe, on loan until the next call: the program that it was given it as, or one that it comes from
// was. NULL: not known.
bool book_knows(const struct book *b, uint32_t pid, uint64_t start_ns, const char **ret_exe);

// No rule is about it any more: it gets back what it had. Results as book_process().
int book_leave(struct book *b, uint32_t pid, uint64_t start_ns, struct error *err);

// Undoes all that was done for rules of other names than these, forgets who is gone, and removes groups of its own that are empty.
// Returns how much could not be undone; *err says of the first.
size_t book_keep_only(struct book *b, const char *const *names, size_t n, struct error *err);

// Writes the file when something changed. 0, or a negative errno.
int book_save(struct book *b);

struct book_counters {
    size_t processes, groups; // in the book
    uint64_t unbooked;        // that there was no room for
};
void book_counters(const struct book *b, struct book_counters *ret);
// Of the rule of this name alone.
void book_counters_of(const struct book *b, const char *name, struct book_counters *ret);
