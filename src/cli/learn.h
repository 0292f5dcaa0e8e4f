// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy learn`: from records of executions to a policy that allows them and nothing else. Pure functions from lines to
// text, but for learn_run's files in learn.c. Same records in any order: same text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define LEARN_PROGRAMS_MAX 20000u // different ones

struct learn_options {
    const char *name;                // of the policy
    const char *exe, *user, *cgroup; // only what this subject executed; NULL: whoever it was
};

struct learn_counters {
    uint64_t lines, executions; // read; of them, executions of the subject
    uint64_t refused;           // of these, refused by a policy: nothing to be learnt from
    uint64_t
        nameless; // from memory, deleted, cut or outside of the host's mounts: no path can allow them
    uint64_t unreadable; // lines that are no records
    uint64_t dropped;    // programs beyond the bound
};

struct learn;

// Options are on loan. -ENOMEM.
int learn_new(const struct learn_options *options, struct learn **ret_learn);
struct learn *learn_free(struct learn *l);
DEFINE_CLEANUP(struct learn *, learn_free)

// One record; anything else is counted and left out. -ENOMEM.
int learn_line(struct learn *l, const char *line, size_t len);

void learn_counters(const struct learn *l, struct learn_counters *ret);

void learn_yaml(const struct learn *l, struct strbuf *sb);
void learn_json(const struct learn *l, struct strbuf *sb);
