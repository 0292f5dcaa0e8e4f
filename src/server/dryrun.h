// SPDX-License-Identifier: Apache-2.0
//
// What a policy would have decided about records that are there: for whoever is about to roll it out. Only what was recorded
// can be judged: denials, what would have been denied, and what a policy had recorded, of files, programs and what is asked of the
// kernel; an access that no rule spoke of left no record, but for execs where hosts tell all of them (process_records).
//
// A record that another policy decided stays what it was (and its denial is none of this one's), unless that policy comes later in the order of names and a rule of this
// one matches. One that this policy decided, in the version of then, and that no rule of the new one matches, is allowed.
#pragma once

#include "api/api.h"
#include "base/json.h"
#include "server/policycheck.h"

struct store;
struct registry;

#define DRYRUN_RECORDS_MAX 200000
#define DRYRUN_MS_MAX      8000
#define DRYRUN_SAMPLES_MAX 20
#define DRYRUN_TOP         10

// Writes a PolicyDryrunResult. `name` is the file's name. to_ms 0: now.
int dryrun(struct store *store, const struct check *check, const char *name, uint64_t from_ms,
           uint64_t to_ms, struct jw *out, struct error *err);
