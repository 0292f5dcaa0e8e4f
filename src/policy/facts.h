// SPDX-License-Identifier: Apache-2.0
//
// Does a subject of an image match a process? As the kernel programs compute it, but one condition
// at a time, so that it can be said why. Private to the room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/explain.h"

// A process as the conditions see it: the one that asks, or one of its ancestors.
struct task_view {
    const char *exe, *parent; // NULL: unknown
    struct sg_atoms exe_in, parent_in, ancestors_in;
    uint32_t session;
};

struct task_facts {
    const struct policy_image *image;
    const struct policy_facts *given;
    struct sg_atoms cgroup_in, env_in;
    struct task_view views[1 + POLICY_ANCESTORS_MAX]; // 0: the process itself
    size_t n_views;
    uint64_t on[SG_SUBJECT_WORDS]; // by time
};

int facts_init(const struct policy_image *image, const struct policy_query *query,
               struct task_facts *ret_facts);

// One condition, for one view.
bool facts_term(const struct task_facts *f, size_t view, const struct sg_term *term);

// All conditions of a subject, without time and descendants. When one dimension fails, *ret_failed
// is its first term; ret_failed may be NULL.
bool facts_view(const struct task_facts *f, uint32_t subject, size_t view,
                const struct sg_term **ret_failed);

// The subject as a rule sees it.
bool facts_subject(const struct task_facts *f, uint32_t subject);

// The terms of a subject, which lie together.
const struct sg_term *facts_terms(const struct policy_image *image, uint32_t subject,
                                  size_t *ret_n);

static inline bool facts_inherited(const struct policy_image *image, uint32_t subject)
{
    return policy_image_head(image)->descendants[subject / 64] >> (subject % 64) & 1;
}

// Does an entry hold, for the sender and, of a signal, for the target (`to`)? An unknown target is one that denials speak of.
bool explain_holds(const struct policy_image *image, const struct policy_query *query,
                   const struct policy_decision *d, const struct sg_entry *e);
