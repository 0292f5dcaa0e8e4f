// SPDX-License-Identifier: Apache-2.0
//
// The processes of the self-tests: that they begin and end says nothing to anybody, as what they try does not. What they would become by
// an exec is told, and from then on they are like any other process.
#include <sys/types.h>

#include "sensor/internal.h"

static struct canary_process *find(struct canary *c, uint64_t tgid, uint64_t start_ns)
{
    for (size_t i = 0; i < CANARY_PROCESSES; i++) {
        struct canary_process *p = &c->processes[i];

        if (p->tgid && p->tgid == tgid && start_ns >= p->from_ns && start_ns <= p->to_ns)
            return p;
    }
    return NULL;
}

void canary_born(struct canary *c, uint32_t tgid, uint64_t from_ns, uint64_t to_ns)
{
    c->processes[c->next_process] = (struct canary_process){tgid, from_ns, to_ns};
    c->next_process = (c->next_process + 1) % CANARY_PROCESSES;
}

bool canary_is_process(struct canary *c, uint32_t tgid, uint64_t start_ns)
{
    return find(c, tgid, start_ns);
}

bool canary_lives(struct canary *c, const struct sg_record *record)
{
    struct canary_process *p = find(c, record->tgid, record->start_ns);

    switch (record->type) {
    case SG_RECORD_FORK:
        if (find(c, record->value[0], record->value[1]))
            return true;
        if (p && record->value[0] <= INT32_MAX)
            canary_born(c, (uint32_t)record->value[0], record->value[1], record->value[1]);
        return p;
    case SG_RECORD_EXIT:
        if (p)
            p->tgid = 0;
        return p;
    case SG_RECORD_EXEC:
        if (p)
            p->tgid = 0;
        return false;
    default: return false;
    }
}
