// SPDX-License-Identifier: Apache-2.0
//
// Who a process is, as policies ask: joins what the table of processes knows with what procfs says. Called by descriptors.c and
// schedule.c.
#pragma once

#include <stddef.h>

#include "agent/opened.h"
#include "model/event.h"
#include "policy/explain.h"

#define FACTS_ENVS_MAX \
    1024 // variables of a process that are looked at, as many as the kernel side does

// Texts of struct who have no NUL at their end; policy_explain() wants one.
struct facts {
    struct strbuf text;
    size_t offsets[WHO_ANCESTORS_MAX + 2];
    const char *ancestors[WHO_ANCESTORS_MAX];
    const char *env[FACTS_ENVS_MAX];
    size_t n_env;
    struct policy_facts facts;
};
void facts_done(struct facts *f);

// Into a zeroed structure; who and t are on loan to it. -ENOMEM.
int facts_of(const struct who *who, const struct opened_task *t, struct facts *f);
