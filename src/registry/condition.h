// SPDX-License-Identifier: Apache-2.0
//
// What can be wrong with a host as the server sees it: the rows of conditions.def. A host that gets into one raises an alert,
// one for each host and condition; when it is over, the alert is resolved, unless somebody has taken it, with a note in its
// history. Hosts that get into one together are one message.
//
// Whether a host is in a condition follows from what is kept of it. That it is silent is said only after the server has listened for
// host.silent_after itself: not after a start, nor when it stood still or its clock was set.
#pragma once

#include "base/strbuf.h"
#include "registry/host.h"

enum host_condition {
#define CONDITION(id, name, severity, settle_ms, state, resolves, title, cure) CONDITION_##id,
#include "registry/conditions.def"
    CONDITIONS,
};

#define CONDITION_BIT(c) (1u << (c))

struct condition_row {
    const char *name;
    unsigned severity;
    uint32_t settle_ms;
    bool state, resolves;
    const char *title, *cure;
};

const struct condition_row *condition_row(enum host_condition c);
enum host_condition condition_find(const char *name); // CONDITIONS: none

// What is wrong with this host, in a sentence. The host has to be in it.
void condition_text(const struct registry_host *h, enum host_condition c, struct strbuf *sb);

struct conditions_report {
    unsigned raised, cleared; // alerts, in this round
    unsigned messages;
};

// Would a round find now what should not wait for the next one: a host that stopped to speak, or that says something else of itself?
// Cheap enough for every second; from the thread of the rounds.
bool registry_conditions_due(struct registry *rg);

// One round: alerts are raised and resolved, messages put into the outbox, roll-outs that hosts refuse stopped. In steps of few
// hosts, so that others get their turn. To be called every five seconds or so, from one thread.
int registry_conditions_round(struct registry *rg, struct conditions_report *ret,
                              struct error *err);
