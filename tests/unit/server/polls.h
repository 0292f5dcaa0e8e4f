// SPDX-License-Identifier: Apache-2.0
//
// A host that asks for news, in a thread of its own, and how long it takes until requests are parked.
#pragma once

#include <poll.h>
#include <pthread.h>

#include "tests/unit/server/rig.h"

struct polling {
    struct agent *agent;
    const char *bundle, *after;
    pthread_t thread;
};

static inline void *do_poll(void *ctx)
{
    struct polling *p = ctx;
    char target[512];

    (void)snprintf(target, sizeof(target), WIRE_POLL "?session=%s&bundle=%s&after=%s",
                   p->agent->session, p->bundle, p->after);
    (void)peer_get(&p->agent->peer, target);
    return NULL;
}

static inline void await_parked(struct rig *rig, size_t n)
{
    struct api_counters c = {};

    for (unsigned i = 0; i < 10000 && c.parked < n; i++) {
        api_counters(rig->server.api, &c);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(c.parked, n);
}
