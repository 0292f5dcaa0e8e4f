// SPDX-License-Identifier: Apache-2.0
//
// Control groups (version 2) for rules: the files of a group that there is, and groups of our own beneath the one that a process is
// in. Those are threaded groups (Documentation/admin-guide/cgroup-v2.rst, "Threads"): a service's processes stay in the service's
// own subtree, so that whoever manages it goes on knowing them, and a group may have processes beside such a child. Threaded groups
// have weight, quota and CPUs, and no I/O. Called by book.c and by tests.
//
// Every path of a group is below the root of the hierarchy, "/" itself or "/a/b".
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "model/schedule.h"

#define GROUP_ROOT     "/sys/fs/cgroup"
#define GROUP_PATH_MAX 1024
#define GROUP_VALUE    320 // bytes of a file's text with its NUL

// The files that rules speak of.
enum group_file { GROUP_WEIGHT, GROUP_QUOTA, GROUP_CPUS, GROUP_BFQ, GROUP_IO, GROUP_FILES };
const char *group_file_name(enum group_file file);
// May it be missing where its controller is on? That of BFQ is there once the scheduler is loaded.
bool group_file_optional(enum group_file file);

// Bit of enum schedule that stands for the file, and the text that a rule wants in it.
uint32_t group_file_bit(enum group_file file);
void group_wanted(const struct schedule *rule, enum group_file file, char ret[GROUP_VALUE]);

// Does what a file says mean the same as what is wanted? Kernels write some values in another form.
int group_same(enum group_file file, const char *has, const char *wanted);

// -ENOENT: no such group, or the controller is not on in it.
int group_read(const char *root, const char *group, enum group_file file, char ret[GROUP_VALUE]);
int group_write(const char *root, const char *group, enum group_file file, const char *text);

// Has the controllers for these values on in `group`, by switching them on in all groups above it. err says which is missing.
int group_enable(const char *root, const char *group, uint32_t set, struct error *err);

// Makes `parent`/`name`, a threaded group with the controllers for `set`. 0, also when it is there.
int group_make(const char *root, const char *parent, const char *name, uint32_t set,
               struct error *err);
// A process, with all its threads, into a group. With `own_cpus` they keep those that they chose themselves, as far as the group
// has them; without, those that they have came from the group that they are in.
int group_move(const char *root, const char *group, uint32_t pid, bool own_cpus);
// Sends all threads of `parent`/`name` back to its parent and removes it; `set`: the values that it has. -EBUSY: some would not go.
int group_remove(const char *root, const char *parent, const char *name, uint32_t set);
// -EBUSY: somebody is in it; 0: removed, or it was gone.
int group_remove_empty(const char *root, const char *parent, const char *name);

// The group of a process: -ESRCH, -ENOENT (it is in none of version 2).
int group_of(const char *proc, uint32_t pid, char ret[GROUP_PATH_MAX]);

// The number that the kernel has for a group. -ENOENT.
int group_id(const char *root, const char *group, uint64_t *ret_id);
