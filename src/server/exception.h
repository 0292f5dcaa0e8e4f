// SPDX-License-Identifier: Apache-2.0
//
// Exceptions: the change of a policy that would have let an alert's records pass. A rule that allows is put before the one
// that decided, under a comment that names the alert; when a version with such a comment is saved, it is noted at that alert.
#pragma once

#include "base/error.h"
#include "server/server.h"

struct proposal {
    char *policy; // name of its file
    char *text;   // of the whole policy, with the exception
};

// How wide an exception is.
enum exception_scope {
    EXCEPTION_PATH,    // this path by this program, these operations
    EXCEPTION_PROGRAM, // everything that the rule is about, by this program
    EXCEPTION_USER,    // everything that the rule is about, by this user
};

// -ENOENT: no such alert, or its rule is in no policy of this server; -EBUSY: cannot be made by itself, err says why. The
// caller gives it back.
int exception_propose(struct server *s, uint64_t alert, enum exception_scope scope,
                      const char *reason, struct proposal *ret, struct error *err);
void proposal_done(struct proposal *p);

// Notes at their alerts the exceptions that `after` has and `before` has not.
void exceptions_note(struct server *s, const struct actor *actor, const char *policy,
                     unsigned version, const char *before, const char *after);
