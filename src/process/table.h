// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct process_table: entries in slabs, found by a chained hash, addressed by index
// and generation so that a stale address is noticed. Private to src/process.
#pragma once

#include "process/cgroups.h"
#include "process/intern.h"
#include "process/process.h"
#include "process/procfs.h"
#include "process/users.h"

#define NO_INDEX     UINT32_MAX
#define SLAB_SHIFT   9
#define SLAB_ENTRIES (1u << SLAB_SHIFT)

// An entry that may be gone by now.
struct handle {
    uint32_t index; // NO_INDEX: none
    uint32_t generation;
};

// What an exec replaces.
struct image {
    struct istr *exe, *cmdline;
    struct istr *facts; // what the file is (list.c); NULL: not known
    uint64_t since_ns;  // CLOCK_BOOTTIME of the exec; 0: unknown
    uint64_t exe_ino;   // of the file; 0: not known
    uint32_t exe_dev;
    char comm[16];
    uint8_t comm_len;
    uint8_t file_hash; // enum file_hash: whether it is known, and whether anybody asked
    bool exe_deleted, exe_foreign, cmdline_cut;
};

// The numbers that every record brings along.
struct ids {
    uint32_t uid, euid, gid, egid;
    uint32_t login_uid, session_id;
    uint32_t pid_ns, mnt_ns;
};

enum process_state {
    PROCESS_FREE = 0,
    PROCESS_LIVE,
    PROCESS_DEAD, // in the list of the dead
    PROCESS_HELD, // dead for long enough, but a child is still known
};

struct process {
    struct process_ref ref;
    struct handle parent;
    uint32_t generation;
    uint32_t index;
    uint32_t next;           // in its hash chain, or in the list of free entries
    uint32_t older, younger; // in the list of the dead or of the held
    uint32_t children;       // entries whose parent this is
    uint8_t state;           // enum process_state
    uint8_t session;         // enum sg_session
    bool kthread;
    bool incomplete;
    bool used;        // since the hand passed by
    uint64_t serial;  // another one after every change of what follows
    uint64_t read_ns; // when procfs was read; 0: never
    uint64_t exit_ns;
    uint64_t cgroup_id;
    struct cgroup *cgroup; // NULL: unknown
    struct ids ids;
    struct image image;
    struct image *before; // the program before the last exec; NULL: none, or long ago
};

struct queue {
    uint32_t oldest, youngest;
};

struct who_cache;

struct process_table {
    int proc_fd;
    uint32_t max_processes;
    size_t max_text_bytes;
    uint64_t keep_dead_ns;
    bool no_lifecycle, mask_secrets;

    struct process **slabs;
    size_t n_slabs, cap_slabs;
    uint32_t free_list;
    uint32_t n_live, n_dead; // dead and held
    uint32_t n_before;       // images of programs before the last exec
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint64_t hash_factor;
    struct queue dead, held;
    uint32_t hand;        // of the search for somebody to evict
    uint32_t patrol;      // of the look at the living
    uint32_t hurry;       // entries that it should look at soon
    uint32_t forget;      // of the look for programs before an exec
    uint64_t next_serial; // another one after every change that a struct who could show

    struct intern_pool texts;
    struct users *users;
    uint64_t users_version;
    struct cgroups *cgroups;
    uint32_t host_mnt_ns;
    struct procfs_process scratch;
    struct who_cache *who;
    struct process_counters counters;
};

static inline struct process *table_at(const struct process_table *t, uint32_t index)
{
    return &t->slabs[index >> SLAB_SHIFT][index & (SLAB_ENTRIES - 1)];
}

// The entry, unless it is gone.
static inline struct process *table_get(const struct process_table *t, struct handle h)
{
    struct process *p;

    if (h.index == NO_INDEX)
        return NULL;
    p = table_at(t, h.index);
    return p->generation == h.generation ? p : NULL;
}

static inline struct handle handle_of(const struct process *p)
{
    return (struct handle){p->index, p->generation};
}

static inline void process_touch(struct process_table *t, struct process *p)
{
    p->serial = t->next_serial++;
}

// store.c: entries and their memory.

int table_init(struct process_table *t);
size_t table_memory(const struct process_table *t);
void table_done(struct process_table *t);

struct process *table_find(const struct process_table *t, const struct process_ref *ref);

// A new living entry without anything but its reference. Makes room by evicting others: never
// `keep` (may be NULL). -ENOMEM.
int table_add(struct process_table *t, const struct process_ref *ref, const struct process *keep,
              struct process **ret_process);
// For who has none yet: procfs knows the parent of now, which need not have forked the process.
void table_set_parent(struct process_table *t, struct process *p, struct process *parent);
// Who forked it is known: whatever was thought before.
void table_set_forker(struct process_table *t, struct process *p, struct process *parent);
void table_mark_dead(struct process_table *t, struct process *p, uint64_t now_ns);
void table_expire(struct process_table *t, uint64_t now_ns);
void table_drop_before(struct process_table *t, struct process *p);
void image_clear(struct process_table *t, struct image *image);

// Evicts until the texts are within their bound.
void table_bound_texts(struct process_table *t);

// fill.c: from procfs into entries.

// Looks the process up in procfs, with its parents. -ESRCH: gone, or another process by now.
int table_complete(struct process_table *t, const struct process_ref *ref,
                   struct process **ret_process);
// Reads it again.
int table_reread(struct process_table *t, struct process *p);
void process_set_cgroup(struct process_table *t, struct process *p, uint64_t cgroup_id);

// What the program and the parent say about the session.
void process_set_session(struct process_table *t, struct process *p);

// who.c: what is handed out.

size_t who_cache_memory(void);
int who_cache_new(struct who_cache **ret_cache);
struct who_cache *who_cache_free(struct process_table *t, struct who_cache *cache);

// The record of a process at a time (0: now): with the program before its last exec when that came
// later. Two at the most between two calls of who_release(), until which they are valid.
const struct who *who_get(struct process_table *t, struct process *p, uint64_t time_ns);

// Forgets all of them.
void who_clear(struct process_table *t);

// All that was handed out may be replaced.
void who_release(struct process_table *t);
