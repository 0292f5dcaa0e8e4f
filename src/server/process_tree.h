// SPDX-License-Identifier: Apache-2.0
//
// Processes of one host, as its records tell of them: taken in record by record, and written as a list of which each has its parent. What
// is known of a process is what the newest record says that has it; of ancestors often no more than their program. An entity is a
// process.uid, which begins with the boot that it ran in. Owns copies of all that it keeps.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "store/store.h"

#define PROCESS_TREE_MAX     512  // processes
#define PROCESS_ANCESTRY_MAX 64   // ancestors that a record may tell of
#define PROCESS_UID_MAX      256  // bytes of an entity; what is longer is none
#define PROCESS_TEXT_MAX     1024 // bytes of a text that is kept; longer ones are cut

enum process_state {
    PROCESS_UNKNOWN, // no record of its launch: whether its end would have been recorded is not known
    PROCESS_RUNNING, // as far as records tell
    PROCESS_ENDED,
    PROCESS_GONE, // its host was started anew since
};
const char *process_state_name(enum process_state state);

struct process_node {
    char *uid, *parent, *name, *program, *cmd_line, *user; // NULL: not known
    int64_t pid;                                           // -1: not known
    uint64_t started_ms, ended_ms;                         // 0: not known
    int64_t exit_code;                                     // -1: not known
    uint64_t denials; // that it met: denied, would have been denied, not held
    uint64_t described_ms;
    bool launched; // a record tells of its launch
    bool of_birth; // the parent is who forked it
    bool wanted;   // by process_tree_write()
    const char *role;
};

struct process_tree;
int process_tree_new(struct process_tree **ret_t);
struct process_tree *process_tree_free(struct process_tree *t);
DEFINE_CLEANUP(struct process_tree *, process_tree_free)

// The processes of a record: who acted, what it is about, their ancestors. -ENOMEM; a record that cannot be read adds nothing. Beyond
// PROCESS_TREE_MAX processes none are added.
int process_tree_add(struct process_tree *t, const struct store_row *row);
bool process_tree_full(const struct process_tree *t);

struct process_node *process_tree_find(struct process_tree *t, const char *uid); // NULL: none
struct process_node *process_tree_at(struct process_tree *t, size_t i);          // NULL: no more
enum process_state process_tree_state(const struct process_node *node, const char *boot_id);

// Which of them belong to the tree of `uid`: ancestors, itself, descendants, siblings. NULL: what runs in this boot,
// and what is above it.
void process_tree_choose(struct process_tree *t, const char *uid, const char *boot_id);
// Those that were chosen, as an array of ProcessNode (schemas.def), by when they started.
int process_tree_write(struct process_tree *t, const char *boot_id, struct jw *out);
