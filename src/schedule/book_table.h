// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct book: who and what is in it. Private to book.c, book_table.c and book_file.c.
#pragma once

#include "schedule/book.h"
#include "schedule/group.h"
#include "schedule/task.h"

// `before.set` and `given.set` are what was changed.
struct process_entry {
    uint32_t pid;
    uint64_t start_ns;
    char name[BOOK_NAME];
    char *exe; // the program that it was given it as; NULL: not known
    struct task_schedule before, given;
};

struct group_entry {
    char *group;          // the one that was changed, or the parent of our own
    bool own;             // `group`/`name` is ours
    char name[BOOK_NAME]; // of the rule
    uint32_t set;         // values that were changed; of our own: those that it has
    char *before[GROUP_FILES];
};

struct book {
    char *root, *proc, *path;
    struct process_entry *processes; // by pid
    size_t n_processes, cap_processes;
    struct group_entry *groups;
    size_t n_groups, cap_groups;
    uint64_t unbooked;
    bool changed;
};

// NULL: it is not in the book. Valid until something is added or dropped.
struct process_entry *book_find_process(const struct book *b, uint32_t pid, uint64_t start_ns);
struct group_entry *book_find_group(const struct book *b, const char *group, const char *name,
                                    bool own);

// Takes over e->exe, also on failure. -ENOSPC: the book is full.
int book_add_process(struct book *b, struct process_entry *e, struct process_entry **ret);
int book_add_group(struct book *b, const char *group, const char *name, bool own,
                   struct group_entry **ret);

void book_drop_process(struct book *b, struct process_entry *e);
void book_group_entry_done(struct group_entry *g);

// Fills an empty one from its file (book_file.c).
void book_read(struct book *b);
