// SPDX-License-Identifier: Apache-2.0
#include "ocsf/rules.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macro.h"

#define FIRST_ROOM 1024u
#define LARGEST    (1u << 20)

void rules_done(struct rules *r)
{
    for (size_t i = 0; i < RULE_SLOTS; i++)
        free(r->slots[i].memory);
    sb_done(&r->scratch);
    *r = (struct rules){};
}

static void put_part(struct out *out, const struct event *ev, uint32_t ends[3])
{
    char *start = out->p;

    if (ev->rule->name.len) {
        out_lit(out, " (rule ");
        out_text(out, ev->rule->name);
        out_char(out, ')');
    }
    ends[0] = (uint32_t)(out->p - start);
    ocsf_put_event_rule(out, ev);
    ends[1] = (uint32_t)(out->p - start);
    ocsf_put_unmapped_rule(out, ev);
    ends[2] = (uint32_t)(out->p - start);
}

static int build(struct rules *r, const struct event *ev, struct rule_part *ret_part)
{
    struct rule_part part = {.rule = ev->rule, .policy_id = ev->policy_id};
    uint32_t ends[3] = {};

    sb_reset(&r->scratch);
    for (size_t room = FIRST_ROOM;; room *= 2) {
        char *start = room <= LARGEST ? sb_reserve(&r->scratch, room) : NULL;
        struct out out = {.p = start, .end = start + room};

        if (!start)
            return -ENOMEM;
        put_part(&out, ev, ends);
        if (!out.full)
            break;
    }
    part.memory = memdup(r->scratch.s, ends[2]);
    if (!part.memory)
        return -ENOMEM;
    part.sentence = (struct bytes){part.memory, ends[0]};
    part.event = (struct bytes){part.memory + ends[0], ends[1] - ends[0]};
    part.unmapped = (struct bytes){part.memory + ends[1], ends[2] - ends[1]};
    *ret_part = part;
    return 0;
}

int rules_get(struct rules *r, const struct event *ev, const struct rule_part **ret_part)
{
    struct rule_part *part = &r->slots[ev->rule_index % RULE_SLOTS], new;
    int e;

    if (part->rule != ev->rule || part->policy_id != ev->policy_id) {
        e = build(r, ev, &new);
        if (e < 0)
            return e;
        free(part->memory);
        *part = new;
    }
    *ret_part = part;
    return 0;
}
