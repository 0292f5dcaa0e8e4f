// SPDX-License-Identifier: Apache-2.0
//
// The part of a record that says who did it, serialised once for each struct who and kept under its
// serial. Bounded in bytes. Private to src/ocsf.
#pragma once

#include "ocsf/objects.h"
#include "ocsf/ocsf.h"

struct part {
    uint64_t serial; // 0: empty
    char *memory;    // of the four below
    size_t size;
    struct bytes sentence; // "cat (pid 7, user ann)", escaped
    struct bytes actor;    // members of `actor` before its process
    struct bytes process;  // members of a process
    struct bytes unmapped; // members of unmapped
};

struct parts;

int parts_new(size_t max_bytes, struct parts **ret_parts);
struct parts *parts_free(struct parts *p);

// On loan until the next call. -ENOMEM.
int parts_get(struct parts *p, const struct ocsf_context *o, const struct who *who,
              const struct part **ret_part);

// The sentence's beginning for an actor of whom nothing but the record is known.
#define PART_UNKNOWN_MAX 160
struct bytes parts_unknown(const struct event *ev, char buf[PART_UNKNOWN_MAX]);

// Everything but `records` and `copied`.
void parts_counters(const struct parts *p, struct ocsf_counters *ret);
