// SPDX-License-Identifier: Apache-2.0
//
// The mount table as policies need it: which superblock is seen under which path. Filled from the
// text of /proc/PID/mountinfo or entry by entry. Used by compile.h, called by the agent. Owns its
// texts.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define POLICY_MOUNTS_MAX 65536 // kept; the rest is counted

enum {
    POLICY_MOUNT_HIDDEN = 1u << 0,  // another mount lies over it, or over a directory above it
    POLICY_MOUNT_NOCASE = 1u << 1,  // names that differ in the case of letters are one file's
    POLICY_MOUNT_UNICODE = 1u << 2, // … and names that Unicode folds to the same
};

struct policy_mount {
    uint32_t dev;        // s_dev as the kernel has it: major << 20 | minor
    uint32_t flags;      // POLICY_MOUNT_*
    uint32_t id, parent; // of the mount; 0: unknown
    char *fs_root;       // what of the file system is mounted: "/" or "/sub"
    char *mountpoint;    // where
    char *fstype;        // "" when unknown
};

struct policy_mounts {
    struct policy_mount *items; // in the order of the table: later ones lie over earlier ones
    size_t n, cap;
    size_t n_bad;     // lines that could not be read
    size_t n_dropped; // lines above POLICY_MOUNTS_MAX
};

// Makes the kernel's device number from the two numbers of mountinfo.
static inline uint32_t policy_dev(uint32_t major, uint32_t minor)
{
    return major << 20 | (minor & 0xfffff);
}

// Reads the text of a mountinfo file. Lines that are not of the form are counted, never fatal.
// 0 or -ENOMEM.
int mounts_parse(const char *buf, size_t len, struct policy_mounts **ret_mounts);

// An empty table, and a further mount. -EINVAL: fs_root or mountpoint is not an absolute path.
int mounts_new(struct policy_mounts **ret_mounts);
int mounts_add(struct policy_mounts *m, uint32_t dev, const char *fs_root, const char *mountpoint,
               uint32_t flags);

// What a mount says of the root of its file system, joined to `digest`: mounts of which the digests are equal give the
// root the same state in the same image.
uint64_t mount_digest(uint64_t digest, const struct policy_mount *m);

// The mounts by device, those of one device in the order of the table. For whoever goes through them file system by file
// system: mounts_of_one() says how many at the beginning of `sorted` are of the first one's. -ENOMEM.
int mounts_sort(const struct policy_mounts *m, const struct policy_mount ***ret_sorted);
size_t mounts_of_one(const struct policy_mount *const *sorted, size_t n);

// Does a path of the host lead there? Also where another mount lies over it, unless drop_hidden.
static inline bool mount_leads(const struct policy_mount *m, bool drop_hidden)
{
    return !(drop_hidden && m->flags & POLICY_MOUNT_HIDDEN);
}

struct policy_mounts *mounts_free(struct policy_mounts *m);
DEFINE_CLEANUP(struct policy_mounts *, mounts_free)
