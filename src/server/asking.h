// SPDX-License-Identifier: Apache-2.0
//
// What people who look at a host now ask of it: its processes, its scheduling, its defence. A question goes down with the host's
// parked poll and its answer comes up as the result of a command does (transport/msg_poll.h); neither is stored anywhere, and
// none of it is in the audit trail, since nothing is changed. Commands, which do change something, are registry/command.h.
//
// Everybody who asks the same of a host waits for one question, and an answer serves for ASKING_FRESH_MS: however many look,
// a host answers about once a second. The last answer is kept for a while, for when the host is away. Safe for threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

#define ASKING_FRESH_MS    1000u
#define ASKING_WAIT_MS     20000u             // programs may have to be loaded first
#define ASKING_KEPT_MS     600000u            // the last answer
#define ASKING_MAX         256u               // questions and answers at once
#define ASKING_HOST_MAX    8u                 // questions that wait, of one host
#define ASKING_ANSWERS_MAX ((size_t)16 << 20) // bytes of kept answers

struct asking;
struct question;

int asking_new(struct asking **ret);
struct asking *asking_free(struct asking *a); // after all who have questions
DEFINE_CLEANUP(struct asking *, asking_free)

// Who waits for an answer of the host watches this.
uint64_t asking_key(const char *host);

// The question that the caller waits for, or an answer that is fresh; args is a JSON object. The host's poll is to be woken.
// -EAGAIN: too many wait, -ENOMEM.
int asking_begin(struct asking *a, const char *host, const char *name, const char *args,
                 struct question **ret, struct error *err);
// The last answer that was good, whenever it came. -ENOENT.
int asking_last(struct asking *a, const char *host, const char *name, const char *args,
                struct question **ret);
void question_unref(struct asking *a, struct question *q);

// What came of it. What is pointed to lives as long as the question.
struct answer {
    uint64_t time_ms;          // since 1970; when it came
    const char *result;        // JSON; NULL: it failed
    const struct error *error; // why
};
bool question_answer(struct asking *a, const struct question *q, struct answer *ret);

// For the poll of a host: hands out each question once. fn < 0: this one was not taken, nor any after it.
typedef int (*asking_fn)(void *ctx, const char *id, const char *name, const char *args,
                         uint64_t deadline_ms);
int asking_tell(struct asking *a, const char *host, asking_fn fn, void *ctx);

// What the host says. result: JSON or NULL, then error says why. False: nobody asked that, or waits for it; asking_key(host) is to
// be woken otherwise.
bool asking_answered(struct asking *a, const char *host, const char *id, const char *result,
                     const struct error *error);
// Is this the id of a question, and no command's?
bool asking_is_id(const char *id);
