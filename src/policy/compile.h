// SPDX-License-Identifier: Apache-2.0
//
// Checked rules → the image that decides, as abi/policy.h lays it out. Called by the agent, which
// hands the block to the kernel unchanged, and by `safeguard policy check` and `explain`. The
// result owns everything and does not point into the policy it was made from.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "abi/policy.h"
#include "base/cleanup.h"
#include "policy/diag.h"
#include "policy/mounts.h"
#include "policy/policy.h"

#define POLICY_IMAGE_BYTES_DEFAULT (64u << 20)
#define POLICY_COMPILE_MS_DEFAULT  20000

struct policy_compile_options {
    uint32_t policy_id;  // 0: 1
    size_t max_bytes;    // of the image; 0: POLICY_IMAGE_BYTES_DEFAULT
    uint32_t max_states; // 0: SG_STATES_MAX
    uint32_t max_ms;     // of processor time; 0: POLICY_COMPILE_MS_DEFAULT
    bool drop_hidden;    // superblocks that are only mounted under another mount become foreign
    bool no_warnings;    // only errors are reported
    bool
        own_file; // file 0 is the agent's own: what only that enforces is not the user's wish; false
                  // also where it is, since safeguard defends itself
};

// The state of the root directory of one superblock.
struct policy_root {
    uint32_t dev;
    struct sg_root root;
    uint64_t mounts; // digest of the mounts that it was worked out for; see mount_digest()
};

// What the numbers of an image mean to people.
struct policy_image_rule {
    const char *file;   // path of the file
    const char *policy; // name of the policy
    uint32_t line, column;
    uint32_t ops;
    uint8_t verdict;
    bool monitor;
    uint16_t pred;
};

struct policy_image_subject {
    const char *name; // the first name it was given, "" when only written inline
    const char *file; // where that is
    uint32_t line, column;
    const struct policy_window *windows; // n_windows 0: always
    uint32_t n_windows;
};

struct policy_image_atom {
    const char *text; // the patterns, separated by blanks
};

struct policy_image_stats {
    uint64_t compile_us; // processor time
    uint32_t n_states, n_edges, n_edge_slots;
    uint32_t n_accepts, n_entries, n_belows, n_subjects, n_atoms, n_preds, n_terms;
};

struct policy_image {
    void *mem;                 // the block, at a multiple of 4096
    size_t size;               // n_pages * SG_IMAGE_PAGE
    uint32_t start;            // state of the host's "/", before its first '/'
    struct policy_root *roots; // sorted by dev, one of each
    size_t n_roots;
    struct policy_image_rule *rules; // by sg_entry.rule
    size_t n_rules;
    struct policy_image_subject *subjects; // by the number of the bit
    size_t n_subjects;
    struct policy_image_atom *atoms; // by the number of the bit; NULL text: not used
    size_t n_atoms;
    struct policy_image_stats stats;
    struct policy_arena *arena; // owns the texts
};

static inline const struct sg_image *policy_image_head(const struct policy_image *image)
{
    return image->mem;
}

// `mounts` NULL: one root with dev 0, a file system mounted at "/". `options` may be NULL. Warnings
// and errors go to diags (may be NULL). 0; -EINVAL: the policy is beyond a bound, diags says which
// and what to do; -ENOMEM.
int policy_compile(const struct policy *policy, const struct policy_mounts *mounts,
                   const struct policy_compile_options *options, struct policy_diags *diags,
                   struct policy_image **ret_image);

struct policy_image *policy_image_free(struct policy_image *image);
DEFINE_CLEANUP(struct policy_image *, policy_image_free)

// Looks at a block of bytes as the kernel will and proves that no index in it leads outside.
// 0 or -EBADMSG.
int policy_image_validate(const void *mem, size_t size);

// The state after reading `len` bytes of path from `state`.
uint32_t policy_image_walk(const struct policy_image *image, uint32_t state, const char *path,
                           size_t len);

// The roots for a new mount table without compiling again. -EAGAIN: only a new image can say it (a
// part of a file system is mounted, one is mounted at several places for which rules differ, or one
// that compares names without regard to case is mounted where rules are about something).
// The caller frees the array.
int policy_image_roots(const struct policy_image *image, const struct policy_mounts *mounts,
                       bool drop_hidden, struct policy_root **ret_roots, size_t *ret_n);

// Which subjects are on at a time (a subject with `time` outside its windows matches nobody), in
// local time, and when that changes next; 0: never. The kernel ands what it computes with these
// bits.
void policy_time_subjects(const struct policy_image *image, time_t now,
                          uint64_t ret_on[SG_SUBJECT_WORDS], time_t *ret_next_change);
